//! HLS as an independent reader of playlists sees it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::Outcome;
use crate::process::Running;
use crate::tools::Tool;

/// Longest a first playlist may take; what is followed comes on top.
const FOLLOW_LIMIT: Duration = Duration::from_secs(90);

/// Longest that a few segments may take, in seconds.
const LISTED_LIMIT_S: u32 = 60;

/// What was read.
#[derive(Debug, Deserialize)]
pub struct Followed {
    /// The variants of the multivariant playlist.
    pub variants: Vec<Variant>,
    /// The media playlists, each once.
    pub renditions: Vec<Rendition>,
}

/// A variant of a multivariant playlist.
#[derive(Debug, Deserialize)]
pub struct Variant {
    /// `BANDWIDTH`, in bits per second.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, in bits per second.
    pub average_bandwidth: Option<u64>,
    /// `CODECS`.
    pub codecs: Option<String>,
    /// `RESOLUTION`: width and height.
    pub resolution: Option<(u32, u32)>,
    /// `FRAME-RATE`.
    pub frame_rate: Option<f64>,
}

/// What a media playlist said over time.
#[derive(Debug, Deserialize)]
pub struct Rendition {
    /// Its address.
    pub uri: String,
    /// `EXT-X-VERSION`.
    pub version: Option<u32>,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target_duration: Option<u32>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: Option<bool>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
    /// Media sequence numbers of `segments`.
    pub numbers: Vec<u64>,
    /// Every segment that was ever listed.
    pub segments: Vec<Segment>,
    /// What changed that must not.
    pub contradictions: Vec<String>,
}

/// A listed segment.
#[derive(Debug, Deserialize)]
pub struct Segment {
    /// Its address.
    pub uri: String,
    /// `EXTINF`, in seconds.
    pub duration: f64,
    /// `EXT-X-DISCONTINUITY` before it.
    pub discontinuity: bool,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// The initialization section it needs.
    pub map: Option<String>,
    /// Encryption.
    pub method: Option<String>,
    /// Wall clock at its begin, in Unix seconds.
    pub at: Option<f64>,
    /// Ids of the date ranges before it.
    pub date_ranges: Vec<String>,
}

/// Starts to follow `url` for `seconds`.
///
/// # Errors
/// When the program is missing.
pub fn start(url: &str, seconds: u32) -> Outcome<Running> {
    run(&[url, &seconds.to_string()])
}

fn run(arguments: &[&str]) -> Outcome<Running> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("players/follow.py");
    let mut command = Command::new(Tool::Python.path()?);
    Running::start(command.arg(script).args(arguments))
}

/// Waits until every media playlist of `url` has listed `count` segments.
///
/// # Errors
/// When the program is missing or fails, and when they do not come in time.
pub fn until_listed(url: &str, count: usize) -> Outcome {
    let follower = run(&[url, &LISTED_LIMIT_S.to_string(), &count.to_string()])?;
    followed(follower, LISTED_LIMIT_S)?.expect_sound(count)
}

/// What a follower that was started has read.
///
/// # Errors
/// When it failed.
pub fn followed(follower: Running, seconds: u32) -> Outcome<Followed> {
    let limit = FOLLOW_LIMIT + Duration::from_secs(seconds.into());
    Ok(serde_json::from_str(&follower.wait(limit)?.success()?.stdout)?)
}

/// Follows `url` for `seconds`.
///
/// # Errors
/// When the program is missing or fails.
pub fn follow(url: &str, seconds: u32) -> Outcome<Followed> {
    followed(start(url, seconds)?, seconds)
}

impl Followed {
    /// Checks what holds for every stream: at least `count` segments a playlist, numbered without a hole, none longer than the target
    /// duration, nothing changed that must not, and a wall clock that follows the durations.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn expect_sound(&self, count: usize) -> Outcome {
        if self.renditions.is_empty() {
            return Err("no media playlists".into());
        }
        for rendition in &self.renditions {
            let refuse = |what: String| Err(format!("{}: {what}\n{rendition:#?}", rendition.uri).into());
            if !rendition.contradictions.is_empty() {
                return refuse(rendition.contradictions.join("\n"));
            }
            if rendition.segments.len() < count {
                return refuse(format!("{} segments of {count}", rendition.segments.len()));
            }
            if rendition.numbers.windows(2).any(|pair| pair[1] != pair[0] + 1) {
                return refuse("the numbers have a hole".to_owned());
            }
            let target = f64::from(rendition.target_duration.unwrap_or_default());
            if let Some(long) = rendition.segments.iter().find(|segment| segment.duration.round() > target) {
                return refuse(format!("{} is longer than the target", long.uri));
            }
            for pair in rendition.segments.windows(2) {
                let (Some(before), Some(after)) = (pair[0].at, pair[1].at) else {
                    return refuse(format!("{} has no wall clock", pair[1].uri));
                };
                let apart = after - before - pair[0].duration;
                // A discontinuity may stand for any time, but for none that is negative.
                if apart < -CLOCK_TOLERANCE_S || (apart > CLOCK_TOLERANCE_S && !pair[1].discontinuity) {
                    return refuse(format!("the wall clock is {apart:.3} s off before {}", pair[1].uri));
                }
            }
        }
        Ok(())
    }

    /// The rendition whose address ends in `media/{name}/index.m3u8`.
    ///
    /// # Errors
    /// When there is none.
    pub fn rendition(&self, name: &str) -> Outcome<&Rendition> {
        let path = format!("/media/{name}/index.m3u8");
        let found = self.renditions.iter().find(|rendition| rendition.uri.contains(&path));
        found.ok_or_else(|| format!("no rendition {name}: {self:#?}").into())
    }
}

/// How far the wall clock may stray from the sum of the durations between two segments: it follows the drift of the encoder's clock.
const CLOCK_TOLERANCE_S: f64 = 0.1;
