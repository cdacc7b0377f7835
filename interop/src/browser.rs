//! A page in headless Chromium that plays with a player library.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::Outcome;
use crate::process::Running;
use crate::tools::{Tool, tools_folder};

/// Longest a page may take besides what it is to play; its own deadline is shorter.
const PAGE_LIMIT: Duration = Duration::from_secs(90);

/// A player library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    /// mpegts.js, for FLV.
    Mpegts,
    /// hls.js.
    Hls,
    /// shaka-player, for HLS and DASH.
    Shaka,
}

impl Player {
    const fn name(self) -> &'static str {
        match self {
            Self::Mpegts => "mpegts",
            Self::Hls => "hls",
            Self::Shaka => "shaka",
        }
    }
}

/// What became of the video element, from its first picture on.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// `currentTime` at the first picture, in seconds: of the place that was sought, where one was.
    #[serde(default)]
    pub began_s: f64,
    /// By how much `currentTime` advanced, in seconds.
    pub played_s: f64,
    /// Pictures decoded.
    pub frames: u64,
    /// Width of the video, in pixels.
    pub width: u32,
    /// Height of the video, in pixels.
    pub height: u32,
    /// How far behind the server's wall clock it was at the end, in seconds, where the stream has one.
    pub latency_s: Option<f64>,
    /// Times it ran out of media after it had begun.
    pub stalls: u64,
    /// Whether the player found Low-Latency HLS.
    #[serde(default)]
    pub low_latency: bool,
    /// Partial segments it loaded.
    #[serde(default)]
    pub parts: u64,
    /// Errors that the player got over.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What the player told of the stream.
    pub info: serde_json::Value,
    /// Why playing ended early.
    pub error: Option<String>,
    /// Last lines of the page's console.
    pub log: Vec<String>,
}

/// Plays `url` until `seconds` of media and thirty pictures have passed.
///
/// # Errors
/// When a program is missing or the browser does not start; what happens in the page is in the report.
pub fn play(player: Player, url: &str, seconds: u32) -> Outcome<Report> {
    play_from(player, url, 0, seconds)
}

/// The same; once the first pictures were shown it seeks to the second `from`, and what passes from there on counts.
///
/// # Errors
/// As of [`play`].
pub fn play_from(player: Player, url: &str, from: u32, seconds: u32) -> Outcome<Report> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser/play.mjs");
    let mut command = Command::new(Tool::Node.path()?);
    command.arg(script).args([player.name(), url, &seconds.to_string()]);
    command.arg(tools_folder()).arg(Tool::Chromium.path()?).arg(from.to_string());
    let limit = PAGE_LIMIT + 2 * Duration::from_secs(seconds.into());
    let finished = Running::start(&mut command)?.wait(limit)?.success()?;
    Ok(serde_json::from_str(&finished.stdout)?)
}
