//! The validator of `tools/hls-check` finds nothing wrong with what the engine serves.

use std::time::Duration;

use hls_check::{LowLatency, Options, Report};
use streamer_interop::Outcome;
use streamer_interop::feed::{Feed, Scene};
use streamer_interop::publish;
use streamer_interop::server::Container::{self, Fmp4, Ts};
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

/// Once a segment has reached the target duration any key frame begins another, and until the next frame comes the
/// server cannot know which part it makes: it hints nothing then, for some players give up over a hint that comes to
/// nothing. Every stream that has parts comes to that moment in each segment, and no stream without parts.
const HINT: &str = "preload-hint-missing";
/// A variant says what rate the stream has had when it is asked. What an encoder switches to afterwards may be more.
const RATE: &str = "bandwidth-exceeded";
/// In a transport stream nothing says how long the last picture of a segment lasts: where pictures come at no fixed rate
/// it cannot be read from the others.
const LAST_PICTURE: &str = "segment-duration-wrong";

/// A playlist to check, and the rules that the stream is known to break in it.
type Served = (Container, &'static [&'static str]);

fn check(url: &str, container: Container, seconds: u64, allow: &[&str]) -> Outcome<Report> {
    let mut options = Options::new(url);
    options.duration = Duration::from_secs(seconds);
    options.low_latency = if container == Fmp4 { LowLatency::Require } else { LowLatency::Auto };
    options.allow = allow.iter().map(ToString::to_string).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    Ok(runtime.block_on(hls_check::run(options))?)
}

/// Checks `playlists` of servers to which `publish` publishes; what is found in any of them is an error.
fn are_valid<P>(playlists: &[Served], seconds: u64, publish: impl Fn(&Server) -> Outcome<P>) -> Outcome {
    let mut found = Vec::new();
    for &(container, allow) in playlists {
        let server = Server::start("")?;
        let _publisher = publish(&server)?;
        let report = check(&server.hls("x", container)?, container, seconds, allow)?;
        found.extend(report.findings.iter().map(|finding| format!("{container:?}: {finding:?}")));
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

/// Publishes `clip` and checks the playlists.
fn a_clip_is_valid(from: Tool, clip: &str, playlists: &[Served], seconds: u64) -> Outcome {
    are_valid(playlists, seconds, |server| publish::ffmpeg(from, clip, &server.rtmp("x")?))
}

/// Publishes `scenes` and checks the playlists.
fn scenes_are_valid(scenes: &[Scene], playlists: &[Served], seconds: u64) -> Outcome {
    are_valid(playlists, seconds, |server| Feed::start(server.registry(), &"live/x".parse()?, scenes))
}

const BOTH: &[Served] = &[(Ts, &[]), (Fmp4, &[HINT])];

#[test]
fn a_steady_stream() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_small_aac.mp4", BOTH, 12)
}

#[test]
fn b_frames() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_bframes_aac.mp4", BOTH, 9)
}

#[test]
fn pictures_alone() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_video_only.mp4", BOTH, 7)
}

#[test]
fn sound_alone() -> Outcome {
    a_clip_is_valid(Ffmpeg, "audio_aac.mp4", BOTH, 7)
}

#[test]
fn one_picture_groups() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_all_intra_aac.mp4", BOTH, 7)
}

#[test]
fn a_varying_rate() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_vfr_aac.mp4", &[(Ts, &[LAST_PICTURE]), (Fmp4, &[HINT])], 12)
}

#[test]
fn groups_of_half_a_minute() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_long_gop_aac.mp4", BOTH, 32)
}

#[test]
fn hevc() -> Outcome {
    a_clip_is_valid(FfmpegNewer, "hevc_aac.mp4", BOTH, 7)
}

#[test]
fn av1() -> Outcome {
    a_clip_is_valid(FfmpegNewer, "av1_aac.mp4", &[(Fmp4, &[HINT])], 7)
}

const SMALL: &str = "h264_small_aac.mp4";

#[test]
fn jumps() -> Outcome {
    const HOURS_MS: i64 = 7 * 3_600_000;
    let scene = |from_ms| Scene { clip: SMALL, from_ms, length_ms: 4_000 };
    scenes_are_valid(&[scene(0), scene(HOURS_MS), scene(-HOURS_MS)], BOTH, 16)
}

#[test]
fn a_change_of_parameters() -> Outcome {
    let scene = |clip, from_ms| Scene { clip, from_ms, length_ms: 4_000 };
    let playlists: &[Served] = &[(Ts, &[RATE]), (Fmp4, &[HINT, RATE])];
    scenes_are_valid(&[scene(SMALL, 0), scene("h264_aac.mp4", 4_000)], playlists, 12)
}
