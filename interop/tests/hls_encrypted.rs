//! Encrypted HLS from the engine: what players of others make of it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use streamer_interop::Outcome;
use streamer_interop::browser::{self, Player};
use streamer_interop::play;
use streamer_interop::publish;
use streamer_interop::server::Container::{self, Fmp4, Ts};
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

const CLIP: &str = "h264_small_aac.mp4";
/// Five seconds of pictures: more than one key.
const PICTURES: usize = 150;
/// A new key with each segment, or each other one.
const AES_128: &str = r#", "hls": { "encryption": { "method": "aes_128", "rotate_s": 2 } }"#;

fn is_decrypted(tool: Tool, container: Container) -> Outcome {
    let server = Server::start(AES_128)?;
    let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &server.rtmp("x")?)?;
    let pictures = play::decode(tool, &server.hls("x", container)?, PICTURES)?;
    play::expect_pictures(&pictures, tool, CLIP, PICTURES)
}

#[test]
fn ffmpeg_decrypts_whole_segments_of_both() -> Outcome {
    is_decrypted(Ffmpeg, Ts)?;
    is_decrypted(Ffmpeg, Fmp4)?;
    is_decrypted(FfmpegNewer, Ts)?;
    is_decrypted(FfmpegNewer, Fmp4)
}

#[test]
fn a_page_decrypts_whole_segments_with_hls_js() -> Outcome {
    for container in [Ts, Fmp4] {
        let server = Server::start(AES_128)?;
        let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &server.rtmp("x")?)?;
        let report = browser::play(Player::Hls, &server.hls("x", container)?, 6)?;
        assert_eq!(report.error, None, "{container:?}: {report:?}");
        assert!(report.played_s >= 6.0 && report.frames >= 30, "{container:?}: {report:?}");
    }
    Ok(())
}

/// What is at `url` of the engine.
fn fetch(url: &str) -> Outcome<Vec<u8>> {
    let (host, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not a URL of the engine")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("no answer")?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("{url}: {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(answer.split_off(head + 4))
}

/// The URI of a tag of a playlist.
fn uri<'a>(playlist: &'a str, tag: &str) -> Outcome<&'a str> {
    let line = playlist.lines().find(|line| line.starts_with(tag)).ok_or("the tag is not there")?;
    Ok(line.split_once("URI=\"").and_then(|(_, uri)| uri.split('"').next()).ok_or("it has no URI")?)
}

#[test]
fn ffmpeg_decrypts_samples_of_fmp4() -> Outcome {
    let server = Server::start(r#", "hls": { "encryption": { "method": "sample_aes" } }"#)?;
    let _publisher = publish::ffmpeg(Ffmpeg, CLIP, &server.rtmp("x")?)?;
    let multivariant = server.hls("x", Fmp4)?;
    fetch(&multivariant)?;
    let base = multivariant.replace("playlist_sfm4s.m3u8", "media/video0/");
    let until = Instant::now() + Duration::from_secs(60);
    let mut next = None;
    let playlist = loop {
        let query = next.map(|next: u64| format!("?_HLS_msn={next}")).unwrap_or_default();
        let playlist = String::from_utf8(fetch(&format!("{base}index.m3u8{query}"))?)?;
        let segments = playlist.lines().filter(|line| !line.starts_with('#')).count();
        if segments >= 4 {
            break playlist;
        }
        assert!(Instant::now() < until, "{playlist}");
        let first = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        next = Some(first.ok_or("no sequence")?.parse::<u64>()? + segments as u64);
    };
    assert!(uri(&playlist, "#EXT-X-KEY:METHOD=SAMPLE-AES,").is_ok(), "{playlist}");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("joined.mp4");
    let mut joined = File::create(&path)?;
    joined.write_all(&fetch(&format!("{base}{}", uri(&playlist, "#EXT-X-MAP:")?))?)?;
    for segment in playlist.lines().filter(|line| !line.starts_with('#')) {
        joined.write_all(&fetch(&format!("{base}{segment}"))?)?;
    }
    let key = fetch(&format!("{base}{}", uri(&playlist, "#EXT-X-KEY:")?))?;
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = path.to_string_lossy();
    // The older one loses its way between the fragments of any file that is encrypted like this.
    let pictures = play::decode_with(FfmpegNewer, &["-decryption_key", &key], &path, PICTURES)?;
    play::expect_pictures(&pictures, FfmpegNewer, CLIP, PICTURES)?;
    assert!(play::decode(FfmpegNewer, &path, PICTURES).is_err(), "without the key there is nothing to see");
    Ok(())
}
