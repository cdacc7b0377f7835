//! Requests answered over real files: what is in segments, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use streamer_core::container::fmp4::{FragmentItem, FragmentReader};
use streamer_core::container::ts::{TsDemuxer, TsMuxer, TsOptions};
use streamer_core::testing::Synthetic;
use streamer_core::{Frame, Media, Muxer, Timescale, TrackId};
use streamer_vod::proto::presentation::{MAX_ASSETS, MAX_CAPTIONS};
use streamer_vod::{Vod, VodOptions};
use tempfile::TempDir;

const FILE: &[u8] = include_bytes!("../testdata/ffmpeg_progressive.mp4");
const FRAGMENTED: &[u8] = include_bytes!("../testdata/ffmpeg_h264_aac.mp4");

struct Server {
    folder: TempDir,
    vod: Vod,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    fn field(&self, name: &header::HeaderName) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

impl Server {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(outside.path().join("secret.mp4"), FILE).unwrap();
        let vod = Vod::open(VodOptions { roots: vec![root], ..VodOptions::default() }).unwrap();
        Self { folder: outside, vod }
    }

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.folder.path().join("root").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, body) = self.vod.answer(request.body(()).unwrap()).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    async fn good(&self, path: &str) -> Answer {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }

    /// The URIs of a playlist below `/vod/{asset}/`, those of initialization sections first.
    async fn uris(&self, asset: &str, playlist: &str) -> Vec<String> {
        let path = format!("/vod/{asset}/{playlist}");
        let folder = path.rsplit_once('/').unwrap().0.to_owned();
        let text = self.good(&path).await.text();
        let map = text.lines().filter_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"'));
        map.chain(text.lines().filter(|line| !line.starts_with('#')))
            .map(|uri| format!("{folder}/{uri}"))
            .collect()
    }

    /// All media of a media playlist, one segment behind the other.
    async fn media(&self, asset: &str, playlist: &str) -> Vec<u8> {
        let mut media = Vec::new();
        for uri in self.uris(asset, playlist).await {
            media.extend(self.good(&uri).await.body);
        }
        media
    }
}

fn fmp4_frames(bytes: &[u8]) -> Vec<Frame> {
    let mut reader = FragmentReader::new();
    reader.push(bytes);
    let mut frames = Vec::new();
    while let Some(item) = reader.pull().unwrap() {
        if let FragmentItem::Media(Media::Frame(frame)) = item {
            frames.push(Arc::unwrap_or_clone(frame));
        }
    }
    frames
}

fn ts_frames(bytes: &[u8]) -> Vec<Frame> {
    let mut demuxer = TsDemuxer::new();
    demuxer.push(bytes);
    demuxer.finish();
    let mut frames = Vec::new();
    while let Some(media) = demuxer.pull().unwrap() {
        if let Media::Frame(frame) = media {
            frames.push(Arc::unwrap_or_clone(frame));
        }
    }
    assert_eq!((demuxer.stats().gaps, demuxer.stats().malformed), (0, 0), "{:?}", demuxer.stats());
    frames
}

/// The frames of a track of the file, as it presents them.
fn original(id: TrackId) -> Vec<Frame> {
    fmp4_frames(FRAGMENTED).into_iter().filter(|frame| frame.track == id).collect()
}

#[tokio::test]
async fn fmp4_holds_the_samples_ten_seconds_later() {
    let server = Server::new();
    for (name, file) in [("a.mp4", FILE), ("b.mp4", FRAGMENTED)] {
        server.put(name, file);
        for (rendition, id) in [("0-video0", TrackId::video(0)), ("0-audio0", TrackId::audio(0))] {
            let media = server.media(name, &format!("media/{rendition}/index.m3u8")).await;
            let expected = original(id);
            let found = fmp4_frames(&media);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                let origin = 10 * i64::from(expected.dts.scale().ticks_per_second());
                assert_eq!(found.dts, expected.dts.offset_by(origin));
                assert_eq!(found.pts, expected.pts.offset_by(origin));
                assert_eq!((&found.data, found.sync), (&expected.data, expected.sync));
            }
        }
    }
}

#[tokio::test]
async fn a_transport_stream_holds_both_tracks() {
    let server = Server::new();
    server.put("a.mp4", FILE);
    let media = server.media("a.mp4", "media/0-ts/index.m3u8").await;
    let found = ts_frames(&media);
    for id in [TrackId::video(0), TrackId::audio(0)] {
        let expected = original(id);
        let found: Vec<&Frame> = found.iter().filter(|frame| frame.track == id).collect();
        assert_eq!(found.len(), expected.len(), "{id}");
        for (found, expected) in found.iter().zip(&expected) {
            let millis = found.pts.millis_since(expected.pts);
            assert!((9_999..=10_001).contains(&millis), "{id} {millis}");
        }
    }
}

/// A transport stream of `count` elements, and its frames.
fn transport_stream(count: usize) -> (Vec<u8>, Vec<Arc<Frame>>) {
    let mut muxer = TsMuxer::new(TsOptions::default());
    let (mut frames, mut out): (Vec<Arc<Frame>>, Vec<Bytes>) = (Vec::new(), Vec::new());
    for media in Synthetic::new(25, 50).unwrap().take(count) {
        muxer.mux(&media, &mut out).unwrap();
        if let Media::Frame(frame) = media {
            frames.push(frame);
        }
    }
    muxer.finish(&mut out).unwrap();
    (out.concat(), frames)
}

#[tokio::test]
async fn a_transport_stream_is_cut_into_others() {
    let server = Server::new();
    let (file, muxed) = transport_stream(1_500);
    server.put("a.ts", &file);
    let of = |id: TrackId| muxed.iter().filter(move |frame| frame.track == id);
    let begins = muxed.iter().map(|frame| frame.pts.rescale(Timescale::MPEG).ticks()).min().unwrap();
    let uris = server.uris("a.ts", "media/0-ts/index.m3u8").await;
    assert!(uris.len() > 2, "{uris:?}");
    let ts = ts_frames(&server.media("a.ts", "media/0-ts/index.m3u8").await);
    for (rendition, id) in [("0-video0", TrackId::video(0)), ("0-audio0", TrackId::audio(0))] {
        let fmp4 = fmp4_frames(&server.media("a.ts", &format!("media/{rendition}/index.m3u8")).await);
        let ts: Vec<&Frame> = ts.iter().filter(|frame| frame.track == id).collect();
        // Sound that is long before the first picture is left out.
        let missing = of(id).count() - fmp4.len();
        assert!(missing < 3 && ts.len() == fmp4.len(), "{id}: {missing}, {} and {}", ts.len(), fmp4.len());
        for ((fmp4, ts), muxed) in fmp4.iter().zip(ts).zip(of(id).skip(missing)) {
            assert_eq!((&fmp4.data, &ts.data), (&muxed.data, &muxed.data));
            let expected = muxed.pts.rescale(Timescale::MPEG).ticks() - begins + 900_000;
            for found in [fmp4.pts, ts.pts] {
                let found = found.rescale(Timescale::MPEG).ticks();
                assert!((found - expected).abs() < 100, "{id} {found} {expected}");
            }
        }
    }
    let info = server.vod.library().unwrap().info("a.ts").await.unwrap();
    assert_eq!((info.format, info.tracks.len()), ("ts", 2));
}

#[tokio::test]
async fn playlists_say_what_there_is() {
    let server = Server::new();
    server.put("film.mp4", FILE);
    server.put("film.en.vtt", b"WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n");
    let fmp4 = server.good("/vod/film.mp4/playlist_sfm4s.m3u8").await.text();
    for line in [
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio0-0\",NAME=\"fr\",LANGUAGE=\"fr\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"1\",URI=\"media/0-audio0/index.m3u8\"",
        "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"text\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,URI=\"media/0-text0/index.m3u8\"",
        "media/0-video0/index.m3u8",
    ] {
        assert!(fmp4.lines().any(|held| held == line), "{line}\n{fmp4}");
    }
    assert!(
        fmp4.contains("RESOLUTION=64x48,FRAME-RATE=15.000,AUDIO=\"audio0-0\",SUBTITLES=\"text\""),
        "{fmp4}"
    );
    let ts = server.good("/vod/film.mp4/playlist.m3u8").await.text();
    assert!(ts.contains("\nmedia/0-ts/index.m3u8\n") && !ts.contains("TYPE=AUDIO"), "{ts}");
    let media = server.good("/vod/film.mp4/media/0-video0/index.m3u8").await;
    assert_eq!(media.field(&header::CONTENT_TYPE), "application/vnd.apple.mpegurl");
    let media = media.text();
    assert!(media.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && media.ends_with("#EXT-X-ENDLIST\n"), "{media}");
    assert!(media.contains("#EXTINF:0.666667,\n"), "{media}");
    let text = server.media("film.mp4", "media/0-text0/index.m3u8").await;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000") && text.contains("Hello"),
        "{text}"
    );
}

#[tokio::test]
async fn a_folder_of_renditions_is_one_playlist() {
    let server = Server::new();
    server.put("ladder/low.mp4", FILE);
    server.put("ladder/high.mp4", FRAGMENTED);
    server.put("ladder/broken.mp4", &FILE[..2_000]);
    let text = server.good("/vod/ladder/playlist.m3u8").await.text();
    assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), 2, "the broken one takes nothing away: {text}");
    for rendition in ["0-ts", "1-ts"] {
        assert_eq!(
            ts_frames(&server.media("ladder", &format!("media/{rendition}/index.m3u8")).await).len(),
            42
        );
    }
}

#[tokio::test]
async fn a_list_of_renditions_is_one_playlist() {
    let server = Server::new();
    server.put("films/low/a.mp4", FILE);
    server.put("films/high.mp4", FRAGMENTED);
    server.put("films/other.mp4", FRAGMENTED);
    server.put("films/words.vtt", b"WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n");
    server.put(
        "films/a.smil",
        b"<smil><body><switch><video src=\"mp4:low/a.mp4\"/><video src=\"high.mp4\"/>\
          <textstream src=\"words.vtt\" system-language=\"de\"/></switch></body></smil>",
    );
    server.put(
        "films/a.json",
        br#"{"renditions":[{"src":"low/a.mp4"},{"src":"high.mp4"}],"subtitles":[{"src":"words.vtt","language":"de"}]}"#,
    );
    for list in ["films/a.smil", "films/a.json"] {
        let text = server.good(&format!("/vod/{list}/playlist.m3u8")).await.text();
        assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), 2, "{text}");
        assert!(text.contains("LANGUAGE=\"de\""), "{text}");
        for rendition in ["0-ts", "1-ts"] {
            let media = server.media(list, &format!("media/{rendition}/index.m3u8")).await;
            assert_eq!(ts_frames(&media).len(), 42);
        }
    }
    for (name, list) in [
        ("missing", &br#"{"renditions":[{"src":"none.mp4"}]}"#[..]),
        ("escape", br#"{"renditions":[{"src":"../../secret.mp4"}]}"#),
        ("itself", br#"{"renditions":[{"src":"itself.json"}]}"#),
        ("text", b"hello"),
    ] {
        server.put(&format!("films/{name}.json"), list);
        let answer = server.get(&format!("/vod/films/{name}.json/playlist.m3u8")).await;
        assert_eq!(answer.status, 422, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn renditions_and_subtitles_at_their_limits() {
    let server = Server::new();
    for number in 0..=MAX_ASSETS {
        server.put(&format!("ladder/{number:03}.mp4"), FILE);
    }
    for number in 0..=MAX_CAPTIONS {
        server.put(&format!("ladder/{number:03}.vtt"), b"WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n");
    }
    let text = server.good("/vod/ladder/playlist.m3u8").await.text();
    assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), MAX_ASSETS);
    assert_eq!(text.matches("TYPE=SUBTITLES").count(), MAX_CAPTIONS);
}

#[tokio::test]
async fn a_file_that_changes_has_other_segments() {
    let server = Server::new();
    server.put("a.mp4", FILE);
    let before = server.uris("a.mp4", "media/0-ts/index.m3u8").await;
    let other = Server::new();
    other.put("a.mp4", FRAGMENTED);
    let after = other.uris("a.mp4", "media/0-ts/index.m3u8").await;
    assert_ne!(before, after);
    assert_eq!(other.get(&before[0]).await.status, 404);
}

#[tokio::test]
async fn files_are_sent_whole_and_in_part() {
    let server = Server::new();
    server.put("a.mp4", FILE);
    let path = "/vod/a.mp4";
    let whole = server.good(path).await;
    assert_eq!(whole.body, FILE);
    assert_eq!(whole.field(&header::CONTENT_TYPE), "video/mp4");
    assert_eq!(whole.field(&header::ACCEPT_RANGES), "bytes");
    let (etag, modified) = (whole.field(&header::ETAG), whole.field(&header::LAST_MODIFIED));
    let len = FILE.len();
    for (field, range) in [("bytes=0-9", 0..10), ("bytes=-10", len - 10..len), ("bytes=100-", 100..len)] {
        let part = server.ask("GET", path, &[("range", field)]).await;
        assert_eq!((part.status, &part.body[..]), (206, &FILE[range.clone()]), "{field}");
        let expected = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        assert_eq!(part.field(&header::CONTENT_RANGE), expected);
    }
    let past = server.ask("GET", path, &[("range", &format!("bytes={len}-"))]).await;
    assert_eq!((past.status, past.field(&header::CONTENT_RANGE)), (416, &*format!("bytes */{len}")));
    for (condition, status) in [(etag, 206), (modified, 206), ("\"other\"", 200)] {
        let fields = [("range", "bytes=0-9"), ("if-range", condition)];
        assert_eq!(server.ask("GET", path, &fields).await.status, status, "{condition}");
    }
    for (name, value, status) in [
        ("if-none-match", etag, 304),
        ("if-none-match", "\"x\", *", 304),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", modified, 304),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ] {
        assert_eq!(server.ask("GET", path, &[(name, value)]).await.status, status, "{name}: {value}");
    }
    let head = server.ask("HEAD", path, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field(&header::CONTENT_LENGTH), len.to_string());
}

#[tokio::test]
async fn segments_may_be_kept_and_playlists_are_compressed() {
    let server = Server::new();
    server.put("a.mp4", FILE);
    let uris = server.uris("a.mp4", "media/0-video0/index.m3u8").await;
    for uri in &uris {
        let answer = server.good(uri).await;
        assert!(answer.field(&header::CACHE_CONTROL).contains("immutable"));
        let etag = answer.field(&header::ETAG).to_owned();
        assert_eq!(server.ask("GET", uri, &[("if-none-match", &etag)]).await.status, 304);
        let part = server.ask("GET", uri, &[("range", "bytes=4-7")]).await;
        assert_eq!((part.status, &part.body[..]), (206, &answer.body[4..8]));
    }
    let packed = server.ask("GET", "/vod/a.mp4/playlist.m3u8", &[("accept-encoding", "gzip")]).await;
    assert_eq!((packed.field(&header::CONTENT_ENCODING), &packed.body[..2]), ("gzip", &[0x1f, 0x8b][..]));
    assert_ne!(
        packed.field(&header::ETAG),
        server.good("/vod/a.mp4/playlist.m3u8").await.field(&header::ETAG)
    );
}

#[tokio::test]
async fn pages_learn_what_they_may_read() {
    let server = Server::new();
    server.put("a.mp4", FILE);
    let answer = server.ask("GET", "/vod/a.mp4", &[("origin", "https://a.test")]).await;
    assert_eq!(answer.field(&header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    let preflight = server.ask("OPTIONS", "/vod/a.mp4/playlist.m3u8", &[("origin", "https://a.test")]).await;
    assert_eq!((preflight.status, preflight.field(&header::ALLOW)), (204, "GET, HEAD, OPTIONS"));
    let refused = server.ask("DELETE", "/vod/a.mp4", &[]).await;
    assert_eq!((refused.status, refused.field(&header::ALLOW)), (405, "GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn no_path_leads_out_of_the_root() {
    let server = Server::new();
    server.put("films/a.mp4", FILE);
    server.put(".hidden/a.mp4", FILE);
    let root = server.folder.path().join("root");
    symlink("../secret.mp4", root.join("link.mp4")).unwrap();
    symlink(server.folder.path().join("secret.mp4"), root.join("absolute.mp4")).unwrap();
    symlink("..", root.join("up")).unwrap();
    for path in [
        "/vod/../secret.mp4",
        "/vod/films/../../secret.mp4",
        "/vod/%2e%2e/secret.mp4",
        "/vod/%252e%252e/secret.mp4",
        "/vod/..%2fsecret.mp4",
        "/vod/..%252fsecret.mp4",
        "/vod/..%5csecret.mp4",
        "/vod/films%5c..%5c..%5csecret.mp4",
        "/vod/films/a.mp4%00",
        "/vod/%e2%88%95secret.mp4",
        "/vod/..%c0%afsecret.mp4",
        "/vod/.hidden/a.mp4",
        "/vod//etc/passwd",
        "/vod/link.mp4",
        "/vod/absolute.mp4",
        "/vod/up/secret.mp4",
    ] {
        for tail in ["", "/playlist.m3u8", "/playlist_sfm4s.m3u8", "/media/0-ts/index.m3u8"] {
            let answer = server.get(&format!("{path}{tail}")).await;
            assert!(matches!(answer.status, 400 | 404), "{path}{tail}: {}", answer.status);
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["code"], answer.status);
            assert!(body["message"].is_string());
        }
    }
    server.good("/vod/films/a.mp4").await;
}

#[tokio::test]
async fn a_broken_file_is_its_own_matter() {
    let server = Server::new();
    server.put("good.mp4", FILE);
    server.put("cut.mp4", &FILE[..FILE.len() - 1_000]);
    server.put("text.mp4", b"this is no media at all");
    server.put("empty.mp4", b"");
    server.put("notes.txt", b"private");
    for name in ["cut.mp4", "text.mp4", "empty.mp4"] {
        let answer = server.get(&format!("/vod/{name}/playlist.m3u8")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", answer.text());
        assert!(answer.text().contains("cannot be played"), "{}", answer.text());
    }
    for path in [
        "notes.txt",
        "notes.txt/playlist.m3u8",
        "missing.mp4",
        "good.mp4/media/0-ts/0-0.ts",
        "good.mp4/media/9-ts/index.m3u8",
    ] {
        assert_eq!(server.get(&format!("/vod/{path}")).await.status, 404, "{path}");
    }
    let uri = server.uris("good.mp4", "media/0-ts/index.m3u8").await.pop().unwrap();
    let past = uri.replace("-0.ts", "-1.ts");
    assert_eq!(server.get(&past).await.status, 404);
    server.good(&uri).await;
}

#[tokio::test]
async fn many_ask_for_one_file_at_once() {
    let server = Server::new();
    server.put("a.mp4", FILE);
    let asked = (0..50).map(|_| server.get("/vod/a.mp4/playlist.m3u8"));
    let mut answers = Vec::new();
    for answer in futures_util::future::join_all(asked).await {
        answers.push(answer.text());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]) && answers[0].contains("0-ts"));
    let info = server.vod.library().unwrap().info("a.mp4").await.unwrap();
    let kinds: Vec<_> = info.tracks.iter().map(|track| track.resolution.is_some()).collect();
    assert_eq!(kinds, [true, false]);
}
