//! Encoders that publish a clip at its own pace, over and over.

use std::process::Command;

use crate::Outcome;
use crate::process::Running;
use crate::tools::{Tool, clip};

/// FFmpeg, its media untouched.
///
/// # Errors
/// When the program or the clip is missing.
pub fn ffmpeg(tool: Tool, name: &str, url: &str) -> Outcome<Running> {
    let mut command = Command::new(tool.path()?);
    command.args(["-nostdin", "-hide_banner", "-loglevel", "warning", "-re", "-stream_loop", "-1", "-i"]);
    command.arg(clip(name)?).args(["-c", "copy", "-f", "flv", url]);
    Running::start(&mut command)
}

/// GStreamer's `rtmp2sink`; ends with the clip.
///
/// # Errors
/// When the program or the clip is missing.
pub fn gstreamer(name: &str, url: &str) -> Outcome<Running> {
    let mut command = Command::new(Tool::GstLaunch.path()?);
    let source = format!("location={}", clip(name)?.display());
    let sink = format!("location={url}");
    command.args(["-q", "filesrc", &source, "!", "qtdemux", "name=demux"]);
    command.args(["demux.video_0", "!", "queue", "!", "h264parse", "!", "mux."]);
    command.args(["demux.audio_0", "!", "queue", "!", "aacparse", "!", "mux."]);
    command.args(["flvmux", "name=mux", "streamable=true", "!", "rtmp2sink", &sink, "sync=true"]);
    Running::start(&mut command)
}
