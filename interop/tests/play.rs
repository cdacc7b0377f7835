//! Players of others play from the engine.

use std::process::Command;

use streamer_interop::Outcome;
use streamer_interop::play::{self, Media, PLAY_LIMIT};
use streamer_interop::process::Running;
use streamer_interop::publish;
use streamer_interop::server::Server;
use streamer_interop::tools::Tool;

const CLIP: &str = "h264_small_aac.mp4";
const PICTURES: usize = 60;

#[test]
fn a_viewer_may_come_before_the_publisher() -> Outcome {
    for over_http in [false, true] {
        let server = Server::start("")?;
        let url = if over_http { server.http_flv("x")? } else { server.rtmp("x")? };
        let player = play::start_ffmpeg(Tool::Ffmpeg, &url, Media::Video, PICTURES)?;
        let _publisher = publish::ffmpeg(Tool::Ffmpeg, CLIP, &server.rtmp("x")?)?;
        play::expect_run(&play::hashes(player)?, CLIP, Media::Video, PICTURES)?;
    }
    Ok(())
}

#[test]
fn librtmp_plays() -> Outcome {
    let server = Server::start("")?;
    let url = server.rtmp("x")?;
    let _publisher = publish::ffmpeg(Tool::Ffmpeg, CLIP, &url)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dump.flv");
    let mut command = Command::new(Tool::Rtmpdump.path()?);
    // It has no way to stop by itself after so much of a live stream.
    let dump = Running::start(command.args(["-q", "--live", "-r", &url, "-o", "-"]))?;
    std::fs::write(&file, dump.until_written(300_000, PLAY_LIMIT)?)?;
    drop(dump);
    let input = file.to_string_lossy();
    let recorded = play::hashes(play::start_ffmpeg(Tool::Ffmpeg, &input, Media::Video, PICTURES)?)?;
    play::expect_run(&recorded, CLIP, Media::Video, PICTURES)
}

#[test]
fn gstreamer_plays_and_decodes() -> Outcome {
    let server = Server::start("")?;
    let url = server.rtmp("x")?;
    let _publisher = publish::ffmpeg(Tool::Ffmpeg, CLIP, &url)?;
    let mut command = Command::new(Tool::GstLaunch.path()?);
    command.args(["-q", "rtmp2src", &format!("location={url}"), "!", "flvdemux", "name=demux"]);
    // The program ends when both branches have decoded so much, and not before.
    command.args(["demux.audio", "!", "queue", "!", "aacparse", "!", "avdec_aac", "!"]);
    command.args(["identity", "eos-after=90", "!", "fakesink", "sync=false", "async=false"]);
    command.args(["demux.video", "!", "queue", "!", "h264parse", "!", "avdec_h264", "!"]);
    command.args(["identity", "eos-after=60", "!", "fakesink", "sync=false", "async=false"]);
    Running::start(&mut command)?.wait(PLAY_LIMIT)?.success()?;
    Ok(())
}
