//! Where the programs and clips of the tests are.

use std::env;
use std::path::PathBuf;

use crate::Outcome;

/// A program the tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The distribution's `ffmpeg`.
    Ffmpeg,
    /// A newer `ffmpeg`, which speaks enhanced RTMP.
    FfmpegNewer,
    /// `gst-launch-1.0`.
    GstLaunch,
    /// `rtmpdump`, for librtmp.
    Rtmpdump,
    /// The distribution's `ffprobe`.
    Ffprobe,
    /// A Python with the packages of `scripts/setup-tests`.
    Python,
    /// `node`, which drives the browser.
    Node,
    /// The browser.
    Chromium,
}

impl Tool {
    /// Where it is.
    ///
    /// # Errors
    /// When it is not installed, with the command that does it.
    pub fn path(self) -> Outcome<PathBuf> {
        let name = match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Ffprobe => "ffprobe",
            Self::FfmpegNewer => return installed("bin/ffmpeg-newer"),
            Self::Python => return installed("venv/bin/python"),
            Self::GstLaunch => "gst-launch-1.0",
            Self::Rtmpdump => "rtmpdump",
            Self::Node => "node",
            Self::Chromium => "chromium",
        };
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| missing(name))
    }
}

/// The folder `scripts/setup-tests` fills.
#[must_use]
pub fn tools_folder() -> PathBuf {
    env::var_os("TEST_TOOLS_DIR").map_or_else(|| target_folder().join("test-tools"), PathBuf::from)
}

/// A clip made by `scripts/test-media`.
///
/// # Errors
/// When it is not there, with the command that makes it.
pub fn clip(name: &str) -> Outcome<PathBuf> {
    let folder =
        env::var_os("TEST_MEDIA_DIR").map_or_else(|| target_folder().join("test-media"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("{} is missing: run scripts/setup-tests and scripts/test-media", path.display()).into())
}

fn installed(name: &str) -> Outcome<PathBuf> {
    let path = tools_folder().join(name);
    if path.exists() { Ok(path) } else { Err(missing(&path.display().to_string())) }
}

fn missing(what: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{what} is missing: run scripts/setup-tests").into()
}

fn target_folder() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |target| workspace.join(target))
}
