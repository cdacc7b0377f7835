//! The validator of `tools/hls-check` finds nothing wrong with what the engine serves.

use std::time::Duration;

use hls_check::{LowLatency, Options, Report};
use streamer_interop::Outcome;
use streamer_interop::feed::{Feed, Scene};
use streamer_interop::publish;
use streamer_interop::server::Container::{self, Fmp4, Ts};
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

/// Past the target duration the server cannot know whether a segment goes on, and hints nothing then.
const HINT: &str = "preload-hint-missing";
/// A variant says what rate it has when it is asked, and a change comes afterwards.
const RATE: &str = "bandwidth-exceeded";

fn check(url: &str, container: Container, seconds: u64, allow: &[&str]) -> Outcome<Report> {
    let mut options = Options::new(url);
    options.duration = Duration::from_secs(seconds);
    options.low_latency = if container == Fmp4 { LowLatency::Require } else { LowLatency::Auto };
    options.allow = allow.iter().map(ToString::to_string).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    Ok(runtime.block_on(hls_check::run(options))?)
}

fn expect_nothing(report: &Report, what: &str) -> Outcome {
    if report.findings.is_empty() {
        return Ok(());
    }
    let findings: Vec<String> = report.findings.iter().map(|finding| format!("{finding:?}")).collect();
    Err(format!("{what}: {}", findings.join("\n")).into())
}

/// Publishes `clip` and checks both playlists, or those of `containers`.
fn a_clip_is_valid(from: Tool, clip: &str, containers: &[Container], seconds: u64) -> Outcome {
    a_clip_is_valid_but_for(&[HINT], from, clip, containers, seconds)
}

fn a_clip_is_valid_but_for(
    allow: &[&str],
    from: Tool,
    clip: &str,
    containers: &[Container],
    seconds: u64,
) -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(from, clip, &server.rtmp("x")?)?;
    for &container in containers {
        let report = check(&server.hls("x", container)?, container, seconds, allow)?;
        expect_nothing(&report, &format!("{clip}, {container:?}"))?;
    }
    Ok(())
}

const BOTH: &[Container] = &[Ts, Fmp4];

#[test]
fn a_steady_stream() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_small_aac.mp4", BOTH, 12)
}

#[test]
fn b_frames() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_bframes_aac.mp4", BOTH, 9)
}

#[test]
fn pictures_alone_and_sound_alone() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_video_only.mp4", BOTH, 7)?;
    a_clip_is_valid(Ffmpeg, "audio_aac.mp4", BOTH, 7)
}

#[test]
fn one_picture_groups_and_a_varying_rate() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_all_intra_aac.mp4", BOTH, 7)?;
    // In a transport stream nothing says how long the last picture of a segment lasts.
    a_clip_is_valid_but_for(&[HINT, "segment-duration-wrong"], Ffmpeg, "h264_vfr_aac.mp4", &[Ts], 12)?;
    a_clip_is_valid(Ffmpeg, "h264_vfr_aac.mp4", &[Fmp4], 12)
}

#[test]
fn groups_of_half_a_minute() -> Outcome {
    a_clip_is_valid(Ffmpeg, "h264_long_gop_aac.mp4", BOTH, 32)
}

#[test]
fn hevc_and_av1() -> Outcome {
    a_clip_is_valid(FfmpegNewer, "hevc_aac.mp4", BOTH, 7)?;
    a_clip_is_valid(FfmpegNewer, "av1_aac.mp4", &[Fmp4], 7)
}

#[test]
fn jumps_and_changes_of_parameters() -> Outcome {
    const HOURS_MS: i64 = 7 * 3_600_000;
    let scene = |clip, from_ms| Scene { clip, from_ms, length_ms: 4_000 };
    let scenes = [
        scene("h264_small_aac.mp4", 0),
        scene("h264_small_aac.mp4", HOURS_MS),
        scene("h264_aac.mp4", HOURS_MS + 4_000),
    ];
    for container in [Ts, Fmp4] {
        let server = Server::start("")?;
        let _feed = Feed::start(server.registry(), &"live/x".parse()?, &scenes)?;
        let report = check(&server.hls("x", container)?, container, 16, &[HINT, RATE])?;
        expect_nothing(&report, &format!("{container:?}"))?;
    }
    Ok(())
}
