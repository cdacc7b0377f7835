//! Encoders of others publish to the engine; what players get is compared bit by bit with the clip.

use streamer_interop::Outcome;
use streamer_interop::play::{self, Media, expect_clip};
use streamer_interop::publish;
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

/// Two seconds of pictures.
const PICTURES: usize = 60;
/// Two seconds of audio frames and some.
const SOUNDS: usize = 100;

/// Publishes `clip` with one FFmpeg and plays it with another, over RTMP and HTTP-FLV.
fn published_is_played(from: Tool, clip: &str, to: Tool, media: &[(Media, usize)]) -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(from, clip, &server.rtmp("x")?)?;
    for &(media, packets) in media {
        for url in [server.rtmp("x")?, server.http_flv("x")?] {
            expect_clip(to, &url, clip, media, packets).map_err(|error| format!("{url}: {error}"))?;
        }
    }
    Ok(())
}

const BOTH: &[(Media, usize)] = &[(Media::Video, PICTURES), (Media::Audio, SOUNDS)];

#[test]
fn h264_and_aac() -> Outcome {
    published_is_played(Ffmpeg, "h264_aac.mp4", Ffmpeg, BOTH)
}

#[test]
fn h264_with_b_frames_to_a_newer_player() -> Outcome {
    published_is_played(Ffmpeg, "h264_bframes_aac.mp4", FfmpegNewer, BOTH)
}

#[test]
fn h264_from_a_newer_encoder() -> Outcome {
    published_is_played(FfmpegNewer, "h264_small_aac.mp4", Ffmpeg, BOTH)
}

#[test]
fn hevc_in_enhanced_form() -> Outcome {
    published_is_played(FfmpegNewer, "hevc_aac.mp4", FfmpegNewer, BOTH)
}

#[test]
fn av1_in_enhanced_form() -> Outcome {
    published_is_played(FfmpegNewer, "av1_aac.mp4", FfmpegNewer, BOTH)
}

#[test]
fn av1_and_opus_in_enhanced_form() -> Outcome {
    published_is_played(FfmpegNewer, "av1_opus.mp4", FfmpegNewer, BOTH)
}

#[test]
fn vp9_in_enhanced_form() -> Outcome {
    published_is_played(FfmpegNewer, "vp9_aac.mp4", FfmpegNewer, BOTH)
}

#[test]
fn audio_alone() -> Outcome {
    published_is_played(Ffmpeg, "audio_aac.mp4", Ffmpeg, &[(Media::Audio, SOUNDS)])
}

#[test]
fn mp3_alone() -> Outcome {
    published_is_played(Ffmpeg, "audio_mp3.mp3", Ffmpeg, &[(Media::Audio, SOUNDS)])
}

#[test]
fn video_alone() -> Outcome {
    published_is_played(Ffmpeg, "h264_video_only.mp4", Ffmpeg, &[(Media::Video, PICTURES)])
}

#[test]
fn gstreamer_publishes() -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::gstreamer("h264_small_aac.mp4", &server.rtmp("x")?)?;
    expect_clip(Ffmpeg, &server.rtmp("x")?, "h264_small_aac.mp4", Media::Video, PICTURES)
}

#[test]
fn a_second_publisher_is_rejected() -> Outcome {
    let server = Server::start(r#", "on_duplicate": "reject""#)?;
    let url = server.rtmp("x")?;
    let mut first = publish::ffmpeg(Ffmpeg, "h264_aac.mp4", &url)?;
    expect_clip(Ffmpeg, &url, "h264_aac.mp4", Media::Video, 1)?;
    let second = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &url)?.wait(play::PLAY_LIMIT)?;
    assert!(!second.status.success(), "{second:?}");
    assert!(first.is_running()?);
    expect_clip(Ffmpeg, &url, "h264_aac.mp4", Media::Video, PICTURES)
}

#[test]
fn a_second_publisher_takes_over() -> Outcome {
    let server = Server::start(r#", "on_duplicate": "take_over""#)?;
    let url = server.rtmp("x")?;
    let first = publish::ffmpeg(Ffmpeg, "h264_aac.mp4", &url)?;
    expect_clip(Ffmpeg, &url, "h264_aac.mp4", Media::Video, 1)?;
    let mut second = publish::ffmpeg(Ffmpeg, "h264_small_aac.mp4", &url)?;
    let ended = first.wait(play::PLAY_LIMIT)?;
    assert!(!ended.status.success(), "{ended:?}");
    expect_clip(Ffmpeg, &url, "h264_small_aac.mp4", Media::Video, PICTURES)?;
    assert!(second.is_running()?);
    Ok(())
}
