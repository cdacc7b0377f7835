//! DASH from the engine: what players of others play.

use std::process::Command;

use serde::Deserialize;
use streamer_core::StreamKey;
use streamer_interop::Outcome;
use streamer_interop::browser::{self, Player};
use streamer_interop::feed::{Feed, Scene};
use streamer_interop::play::{self, PLAY_LIMIT};
use streamer_interop::process::Running;
use streamer_interop::publish;
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

/// Less than a segment: FFmpeg reads the manifest again before each further one, and then at times plays one twice.
const PICTURES: usize = 50;

/// Publishes `clip`, decodes it from the manifest, and compares the pictures with the clip's.
fn published_is_decoded(from: Tool, clip: &str, to: Tool) -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(from, clip, &server.rtmp("x")?)?;
    let pictures = play::decode(to, &server.dash("x")?, PICTURES)?;
    play::expect_pictures(&pictures, to, clip, PICTURES)
}

#[test]
fn ffmpeg_decodes_h264_and_aac() -> Outcome {
    published_is_decoded(Ffmpeg, "h264_small_aac.mp4", FfmpegNewer)
}

#[test]
fn ffmpeg_decodes_b_frames() -> Outcome {
    published_is_decoded(Ffmpeg, "h264_bframes_aac.mp4", FfmpegNewer)
}

#[test]
fn ffmpeg_decodes_hevc() -> Outcome {
    published_is_decoded(FfmpegNewer, "hevc_aac.mp4", FfmpegNewer)
}

#[test]
fn ffmpeg_decodes_pictures_without_sound() -> Outcome {
    published_is_decoded(Ffmpeg, "h264_video_only.mp4", FfmpegNewer)
}

/// What ffprobe tells of a stream.
#[derive(Debug, Deserialize)]
struct Probed {
    streams: Vec<ProbedStream>,
}

#[derive(Debug, Deserialize)]
struct ProbedStream {
    codec_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[test]
fn ffprobe_reads_the_tracks() -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &server.rtmp("x")?)?;
    let mut command = Command::new(Tool::Ffprobe.path()?);
    command.args(["-v", "error", "-show_streams", "-of", "json", &server.dash("x")?]);
    let finished = Running::start(&mut command)?.wait(PLAY_LIMIT)?.success()?;
    let probed: Probed = serde_json::from_str(&finished.stdout)?;
    let [video, audio] = probed.streams.as_slice() else { return Err(format!("{probed:?}").into()) };
    assert_eq!((&*video.codec_name, video.width, video.height), ("h264", Some(320), Some(180)));
    assert_eq!(audio.codec_name, "aac");
    Ok(())
}

/// Plays in a page for `seconds`.
fn a_page_plays(server: &Server, seconds: u32) -> Outcome<browser::Report> {
    let report = browser::play(Player::Shaka, &server.dash("x")?, seconds)?;
    assert_eq!(report.error, None, "{report:?}");
    assert!(report.played_s >= f64::from(seconds) && report.frames >= 30, "{report:?}");
    assert!(report.latency_s.is_some_and(|latency_s| (0.0..12.0).contains(&latency_s)), "{report:?}");
    Ok(report)
}

#[test]
fn a_page_plays_with_shaka_player() -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &server.rtmp("x")?)?;
    let report = a_page_plays(&server, 10)?;
    println!("latency of shaka-player: {:?} s, {} stalls", report.latency_s, report.stalls);
    assert_eq!((report.width, report.height), (320, 180));
    Ok(())
}

#[test]
fn a_page_plays_over_a_change_of_the_pictures() -> Outcome {
    let server = Server::start("")?;
    let key: StreamKey = "live/x".parse()?;
    let scene = |clip, from_ms| Scene { clip, from_ms, length_ms: 8_000 };
    let scenes = [scene("h264_small_aac.mp4", 0), scene("h264_aac.mp4", 8_000)];
    let _feed = Feed::start(server.registry(), &key, &scenes)?;
    let report = a_page_plays(&server, 14)?;
    assert_eq!((report.width, report.height), (1280, 720), "{report:?}");
    Ok(())
}
