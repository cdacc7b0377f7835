//! What a player meets: playlists that lead to media, from the first request to the end.

use std::time::Duration;

use streamer_core::Media;
use streamer_core::container::ts::TsDemuxer;
use streamer_core::hub::AppOptions;
use streamer_http::{HlsAppOptions, HlsMode};

use super::super::server::{VIDEO, impatient};
use super::player::{FMP4, Feed, TS, options, resolve, start, start_for};

#[tokio::test]
async fn a_transport_stream_plays_from_the_first_request() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(5);
    let multivariant = server.fetch(TS).await;
    assert_eq!(multivariant.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(multivariant.uris(), ["media/ts/index.m3u8"]);
    assert_eq!(multivariant.attributes("#EXT-X-STREAM-INF:", "CODECS"), ["avc1.64001e,mp4a.40.2"]);
    let index = resolve(TS, multivariant.uris()[0]);
    let playlist = server.fetch(&index).await;
    assert!(playlist.uris().len() > 2, "{}", playlist.text());
    let mut bits = Vec::new();
    for (uri, duration) in playlist.uris().iter().zip(playlist.tags("#EXTINF:")) {
        let segment = server.fetch(&resolve(&index, uri)).await;
        assert_eq!((segment.status, segment.header("content-type")), (200, Some("video/mp2t")));
        assert!(segment.body.chunks(188).all(|packet| packet.len() == 188 && packet[0] == 0x47));
        bits.push(segment.body.len() as f64 * 8.0 / duration.trim_end_matches(',').parse::<f64>().unwrap());
    }
    let bandwidth: f64 = multivariant.attributes("#EXT-X-STREAM-INF:", "BANDWIDTH")[0].parse().unwrap();
    assert!(bits.iter().all(|rate| *rate <= bandwidth), "{bits:?} {bandwidth}");
}

#[tokio::test]
async fn fmp4_plays_in_parts() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(5);
    let multivariant = server.fetch(FMP4).await;
    assert_eq!(multivariant.uris(), ["media/video0/index.m3u8", "media/audio0/index.m3u8"]);
    assert_eq!(multivariant.attributes("#EXT-X-MEDIA:", "URI"), ["media/audio0/index.m3u8"]);
    for (uri, media_type) in multivariant.uris().into_iter().zip(["video/mp4", "audio/mp4"]) {
        let index = resolve(FMP4, uri);
        let playlist = server.fetch(&index).await;
        let get = async |uri: &str| {
            let answer = server.fetch(&resolve(&index, uri)).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)), "{uri}");
            answer.body
        };
        let map = get(playlist.attributes("#EXT-X-MAP:", "URI")[0]).await;
        assert_eq!(&map[4..8], b"ftyp");
        let mut whole = Vec::new();
        for uri in playlist.uris() {
            whole.push((uri.trim_end_matches(".m4s"), get(uri).await));
        }
        let parts = playlist.attributes("#EXT-X-PART:", "URI");
        assert!(parts.len() > 10, "{}", playlist.text());
        for (name, segment) in whole {
            let mut joined = Vec::new();
            for part in parts.iter().filter(|part| part.split('.').next() == Some(name)) {
                joined.extend(get(part).await);
            }
            assert!(joined == segment, "the parts of {name} are the segment");
        }
    }
}

#[tokio::test]
async fn a_first_request_waits_for_the_publisher_and_for_the_first_segment() {
    let patient = AppOptions { wait_for_publisher: Duration::from_secs(60), ..impatient() };
    let server = start_for(options(), patient).await;
    let (multivariant, _feed) = tokio::join!(server.fetch(FMP4), async {
        while server.registry.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let mut feed = Feed::new(&server);
        feed.pictures(10);
        while server.hls.levels().presentations == 0 {
            tokio::task::yield_now().await;
        }
        feed.seconds(2);
        feed
    });
    assert_eq!(multivariant.uris().len(), 2);
}

#[tokio::test]
async fn a_transport_stream_comes_without_end_too() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    let mut response = super::super::client::get(server.address, "/live/test/play.ts").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("video/mp2t")));
    let mut demuxer = TsDemuxer::new();
    let (mut tracks, mut pictures) = (0, 0);
    while pictures < 20 {
        let piece = response.piece().await.unwrap();
        assert!(piece.len() % 188 == 0 && piece[0] == 0x47);
        demuxer.push(&piece);
        while let Ok(Some(media)) = demuxer.pull() {
            match media {
                Media::Tracks(of) => tracks = of.list.len(),
                Media::Frame(frame) => pictures += usize::from(frame.track == VIDEO),
            }
        }
        feed.pictures(5);
    }
    assert_eq!((tracks, server.stats.ts_viewers.get()), (2, 1));
    assert!(server.broadcast().audience().contains_key("http-ts"));
}

#[tokio::test]
async fn without_a_stream_there_is_nothing() {
    let server = start(options()).await;
    for target in [TS, FMP4, "/live/test/media/ts/index.m3u8", "/live/test/media/ts/1-1.ts"] {
        let answer = server.fetch(target).await;
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (404, Some("public, max-age=1")),
            "{target}"
        );
    }
    let feed = Feed::new(&server);
    for target in ["media/ts/1-1.ts", "media/video0/1-1.m4s", "media/video0/1-1.0.m4s", "media/ts/1-1.key"] {
        assert_eq!(server.fetch(&format!("/live/test/{target}")).await.status, 404, "{target}");
    }
    assert_eq!(server.hls.levels().presentations, 0, "media set nothing going");
    drop(feed);
}

#[tokio::test]
async fn where_it_is_off_there_is_nothing_either() {
    let server = start(HlsAppOptions { mode: HlsMode::Off, ..options() }).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    assert_eq!(server.fetch(TS).await.status, 404);
    assert_eq!(server.hls.levels().presentations, 0);
}

#[tokio::test]
async fn an_ended_stream_says_so_until_the_next_one_of_its_name() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    let index = "/live/test/media/ts/index.m3u8";
    let live = server.fetch(index).await;
    assert!(!live.text().contains("#EXT-X-ENDLIST"));
    feed.end();
    let mut ended = server.fetch(index).await;
    while !ended.text().contains("#EXT-X-ENDLIST") {
        ended = server.fetch(index).await;
    }
    assert_eq!(ended.uris().len(), live.uris().len() + 1, "what was being made is there as well");
    let last = ended.uris().pop().unwrap().to_owned();
    assert_eq!(server.fetch(&resolve(index, &last)).await.status, 200);
    assert_eq!(server.fetch(TS).await.status, 200);
    let mut next = Feed::new(&server);
    next.seconds(3);
    let playlist = server.fetch(index).await;
    assert!(!playlist.text().contains("#EXT-X-ENDLIST") && !playlist.uris().contains(&&*last));
    assert_eq!(server.hls.levels().presentations, 1);
}

#[tokio::test]
async fn segments_are_made_on_demand_and_for_as_long() {
    let server = start(HlsAppOptions { idle: Duration::from_millis(50), ..options() }).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    assert_eq!(server.broadcast().viewer_count(), 0);
    server.fetch(TS).await.text();
    while server.hls.levels().presentations > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!server.broadcast().viewers().iter().any(|viewer| viewer.info().internal));
    feed.seconds(1);
    server.fetch(TS).await.text();
}

#[tokio::test]
async fn segments_are_always_made_where_the_application_says_so() {
    let server = start(HlsAppOptions { mode: HlsMode::Always, idle: Duration::ZERO, ..options() }).await;
    let mut before = Feed::new(&server);
    let (hls, registry, shutdown) = (server.hls.clone(), server.registry.clone(), server.shutdown.clone());
    let running = tokio::spawn(async move { hls.run_always(&registry, &shutdown).await });
    before.seconds(3);
    let mut after = Feed::of(&server, &"live/other".parse().unwrap());
    after.seconds(3);
    while server.hls.levels().presentations < 4 || server.hls.levels().memory_bytes < 100_000 {
        tokio::task::yield_now().await;
    }
    server.shutdown.cancel();
    running.await.unwrap();
    while server.hls.levels().presentations > 0 {
        tokio::task::yield_now().await;
    }
}
