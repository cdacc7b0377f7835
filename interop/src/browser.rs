//! A page in headless Chromium that plays with mpegts.js.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::Outcome;
use crate::process::Running;
use crate::tools::{Tool, tools_folder};

/// Longest a page may take; its own deadline is shorter.
const PAGE_LIMIT: Duration = Duration::from_secs(90);

/// What became of the video element, from its first picture on.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// By how much `currentTime` advanced, in seconds.
    pub played_s: f64,
    /// Pictures decoded.
    pub frames: u64,
    /// Width of the video, in pixels.
    pub width: u32,
    /// Height of the video, in pixels.
    pub height: u32,
    /// Why playing ended early.
    pub error: Option<String>,
    /// Last lines of the page's console.
    pub log: Vec<String>,
}

/// Plays `url` until two seconds and thirty pictures have passed.
///
/// # Errors
/// When a program is missing or the browser does not start; what happens in the page is in the report.
pub fn play(url: &str) -> Outcome<Report> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser/play.mjs");
    let mut command = Command::new(Tool::Node.path()?);
    command.arg(script).arg(url).arg(tools_folder()).arg(Tool::Chromium.path()?);
    let finished = Running::start(&mut command)?.wait(PAGE_LIMIT)?.success()?;
    Ok(serde_json::from_str(&finished.stdout)?)
}
