//! HLS from the engine: what players of others play, and what an independent reader finds in the playlists.

use std::process::Command;

use streamer_interop::Outcome;
use streamer_interop::browser::{self, Player};
use streamer_interop::hls;
use streamer_interop::play::{self, PLAY_LIMIT};
use streamer_interop::process::Running;
use streamer_interop::publish;
use streamer_interop::server::Container::{self, Fmp4, Ts};
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

/// Five seconds of pictures: more than one segment.
const PICTURES: usize = 150;

/// Publishes `clip`, decodes it from the playlist, and compares the pictures with the clip's.
fn published_is_decoded(from: Tool, clip: &str, to: Tool, container: Container) -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(from, clip, &server.rtmp("x")?)?;
    let pictures = play::decode(to, &server.hls("x", container)?, PICTURES)?;
    play::expect_pictures(&pictures, to, clip, PICTURES)
}

#[test]
fn ffmpeg_decodes_h264_and_aac_from_both() -> Outcome {
    published_is_decoded(Ffmpeg, "h264_small_aac.mp4", Ffmpeg, Ts)?;
    published_is_decoded(Ffmpeg, "h264_small_aac.mp4", Ffmpeg, Fmp4)
}

#[test]
fn ffmpeg_decodes_b_frames_from_both() -> Outcome {
    published_is_decoded(Ffmpeg, "h264_bframes_aac.mp4", FfmpegNewer, Ts)?;
    published_is_decoded(Ffmpeg, "h264_bframes_aac.mp4", FfmpegNewer, Fmp4)
}

#[test]
fn ffmpeg_decodes_hevc_from_both() -> Outcome {
    published_is_decoded(FfmpegNewer, "hevc_aac.mp4", FfmpegNewer, Ts)?;
    published_is_decoded(FfmpegNewer, "hevc_aac.mp4", FfmpegNewer, Fmp4)
}

#[test]
fn ffmpeg_decodes_av1_and_opus_from_fmp4() -> Outcome {
    published_is_decoded(FfmpegNewer, "av1_opus.mp4", FfmpegNewer, Fmp4)
}

#[test]
fn ffmpeg_decodes_vp9_from_fmp4() -> Outcome {
    published_is_decoded(FfmpegNewer, "vp9_aac.mp4", FfmpegNewer, Fmp4)
}

#[test]
fn ffmpeg_decodes_pictures_without_sound() -> Outcome {
    published_is_decoded(Ffmpeg, "h264_video_only.mp4", Ffmpeg, Ts)?;
    published_is_decoded(Ffmpeg, "h264_video_only.mp4", Ffmpeg, Fmp4)
}

#[test]
fn a_stream_behind_live_is_decoded() -> Outcome {
    let server = Server::start(r#", "hls": { "mode": "always" }"#)?;
    let _publisher = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &server.rtmp("x")?)?;
    for container in [Ts, Fmp4] {
        let url = format!("{}?shifttime=6", server.hls("x", container)?);
        let pictures = play::decode(Ffmpeg, &url, PICTURES)?;
        play::expect_pictures(&pictures, Ffmpeg, "h264_small_aac.mp4", PICTURES)?;
    }
    Ok(())
}

/// Decodes with GStreamer until so much of a kind of raw media has passed. Adaptive players take an end that comes from below
/// for the end of a segment, so an error is what ends them.
fn gstreamer_decodes(server: &Server, container: Container, raw: &str, other: &str) -> Outcome {
    const ENOUGH: &str = "Failed after iterations as requested.";
    let mut command = Command::new(Tool::GstLaunch.path()?);
    let source = format!("uri={}", server.hls("x", container)?);
    command.args(["-q", "uridecodebin", &source, "name=decoder", "decoder.", "!", "queue", "!", raw, "!"]);
    command.args(["identity", "error-after=90", "!", "fakesink", "sync=false", "async=false"]);
    command.args(["decoder.", "!", "queue", "!", other, "!", "fakesink", "sync=false", "async=false"]);
    let finished = Running::start(&mut command)?.wait(PLAY_LIMIT)?;
    if finished.stderr.contains(ENOUGH) {
        return Ok(());
    }
    Err(format!("{container:?}, {raw}: {finished:?}").into())
}

#[test]
fn gstreamer_plays_and_decodes_both() -> Outcome {
    const SOUND: &str = "audio/x-raw";
    const PICTURE: &str = "video/x-raw";
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &server.rtmp("x")?)?;
    for container in [Ts, Fmp4] {
        gstreamer_decodes(&server, container, SOUND, PICTURE)?;
        gstreamer_decodes(&server, container, PICTURE, SOUND)?;
    }
    Ok(())
}

/// Plays in a page for `seconds`, from a playlist that has been there for `after_seconds`.
fn a_page_plays(
    player: Player,
    container: Container,
    seconds: u32,
    after_seconds: u32,
) -> Outcome<browser::Report> {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &server.rtmp("x")?)?;
    if after_seconds > 0 {
        hls::follow(&server.hls("x", container)?, after_seconds)?;
    }
    let report = browser::play(player, &server.hls("x", container)?, seconds)?;
    assert_eq!(report.error, None, "{report:?}");
    assert!(report.played_s >= f64::from(seconds) && report.frames >= 30, "{report:?}");
    assert_eq!((report.width, report.height), (320, 180));
    assert!(report.latency_s.is_some(), "the playlist has a wall clock: {report:?}");
    Ok(report)
}

#[test]
fn a_page_plays_transport_streams_with_hls_js() -> Outcome {
    a_page_plays(Player::Hls, Ts, 5, 0).map(drop)
}

#[test]
fn a_page_plays_low_latency_with_hls_js() -> Outcome {
    let report = a_page_plays(Player::Hls, Fmp4, 8, 0)?;
    assert!(report.low_latency && report.parts > 10, "{report:?}");
    println!("latency of hls.js: {:?} s, {} stalls", report.latency_s, report.stalls);
    assert!(report.latency_s.is_some_and(|latency_s| latency_s < 2.0), "{report:?}");
    Ok(())
}

#[test]
fn a_page_plays_fmp4_with_shaka_player() -> Outcome {
    // It looks for captions in a segment that has only parts yet, where there are fewer than three others.
    a_page_plays(Player::Shaka, Fmp4, 5, 8).map(drop)
}

#[test]
fn the_variants_say_what_the_stream_is() -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(Ffmpeg, "h264_aac.mp4", &server.rtmp("x")?)?;
    for container in [Ts, Fmp4] {
        let followed = hls::follow(&server.hls("x", container)?, 1)?;
        let best = followed.variants.first().ok_or("no variants")?;
        assert_eq!(best.resolution, Some((1280, 720)), "{followed:?}");
        assert_eq!(best.frame_rate, Some(30.0), "{followed:?}");
        let codecs = best.codecs.as_deref().unwrap_or_default();
        assert!(codecs.contains("avc1.") && codecs.contains("mp4a.40.2"), "{codecs}");
        assert!((2_000_000..8_000_000).contains(&best.bandwidth), "{followed:?}");
        let average = best.average_bandwidth.unwrap_or_default();
        assert!((2_000_000..=best.bandwidth).contains(&average), "{followed:?}");
    }
    Ok(())
}
