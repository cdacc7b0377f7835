//! How the streams of an application are served as HLS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use streamer_core::StreamName;

use super::name;
use super::path::{FieldPath, Problem};

/// Shortest and longest target duration of a segment, in milliseconds: below half a second playlists cost
/// more than media, above ten seconds no player starts soon.
pub const SEGMENT_MS: std::ops::RangeInclusive<u64> = 500..=10_000;
/// Shortest and longest target duration of a partial segment, in milliseconds: one picture at 20 per second,
/// and what a low-latency player still gains from.
pub const PART_MS: std::ops::RangeInclusive<u64> = 50..=2_000;
/// Longest live playlist and longest rest before a segmenter ends, in milliseconds: one hour.
pub const MAX_LIST_MS: u64 = 60 * 60 * 1_000;
/// Longest time-shift, in seconds: one week.
pub const MAX_TIME_SHIFT_S: u64 = 7 * 24 * 60 * 60;
/// Fewest bytes a stream may hold in memory: a live playlist of 30 s at 4 Mbit/s.
pub const MIN_MEMORY_BYTES: u64 = 16 << 20;
/// Streams tied into one adaptive playlist: more than any ladder has rungs.
pub const MAX_ADAPTIVE_STREAMS: usize = 16;

/// When the segments of a stream are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HlsMode {
    /// Never: there is no HLS.
    Off,
    /// From the first request until nobody asks any more.
    #[default]
    OnDemand,
    /// As long as the stream lives.
    Always,
}

/// HLS of one application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HlsConfig {
    /// When segments are made.
    pub mode: HlsMode,
    /// How long a segment is to be, in milliseconds: it ends at the first key frame after that.
    pub segment_ms: u64,
    /// How long a partial segment is to be, in milliseconds; 0 makes none, and so no Low-Latency HLS.
    pub part_ms: u64,
    /// How much of the stream a live playlist lists, in milliseconds.
    pub list_ms: u64,
    /// How long nobody has asked when a segmenter ends that was begun on demand, in milliseconds.
    pub idle_ms: u64,
    /// How far back viewers may go, in seconds.
    pub time_shift_s: u64,
    /// Bytes that one stream may hold in memory, in each container.
    pub memory_bytes: u64,
    /// Where segments go that memory has no room for; `null` drops them.
    pub disk: Option<HlsDiskConfig>,
    /// Whether and how segments are encrypted.
    pub encryption: Option<HlsEncryptionConfig>,
}

impl Default for HlsConfig {
    fn default() -> Self {
        Self {
            mode: HlsMode::default(),
            segment_ms: 2_000,
            part_ms: 200,
            list_ms: 30_000,
            idle_ms: 60_000,
            time_shift_s: 120,
            memory_bytes: 64 << 20,
            disk: None,
            encryption: None,
        }
    }
}

/// Segments on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HlsDiskConfig {
    /// The folder; a relative one begins at the data folder. It is the engine's alone.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub folder: PathBuf,
    /// Bytes that one stream may hold there, in each container; the oldest go first.
    pub max_bytes: u64,
}

/// What of a segment is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HlsEncryptionMethod {
    /// All of it; there are no partial segments then.
    #[serde(rename = "aes_128")]
    Aes128,
    /// The media within fMP4, by Common Encryption `cbcs`; MPEG-TS is encrypted whole.
    SampleAes,
}

/// Encryption of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HlsEncryptionConfig {
    /// What of a segment is encrypted.
    pub method: HlsEncryptionMethod,
    /// After how many seconds the next segment takes a new key; 0 keeps the first.
    #[serde(default)]
    pub rotate_s: u64,
}

/// Streams of one application that are the same content at different rates, tied into one playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdaptiveConfig {
    /// Name of the playlist, in the place of a stream's name; unique in the application.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::StreamNameText))]
    pub name: StreamName,
    /// The streams, the best first.
    #[serde(with = "name::list")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<name::StreamNameText>))]
    pub streams: Vec<StreamName>,
}

impl HlsConfig {
    /// The first problem, or none; `at` is where the object stands.
    pub(super) fn check(&self, at: &FieldPath) -> Result<(), Problem> {
        let refuse = |name: &str, message: String| Err(at.clone().key(name).problem(message));
        if !SEGMENT_MS.contains(&self.segment_ms) {
            let message = format!("{} to {} are possible", SEGMENT_MS.start(), SEGMENT_MS.end());
            return refuse("segment_ms", message);
        }
        if self.part_ms != 0 && !PART_MS.contains(&self.part_ms) {
            let message = format!("{} to {} are possible, or 0 for none", PART_MS.start(), PART_MS.end());
            return refuse("part_ms", message);
        }
        for (name, value) in [("list_ms", self.list_ms), ("idle_ms", self.idle_ms)] {
            if value > MAX_LIST_MS {
                return refuse(name, format!("{value} is too long: at most {MAX_LIST_MS}"));
            }
        }
        if self.time_shift_s > MAX_TIME_SHIFT_S {
            return refuse("time_shift_s", format!("at most {MAX_TIME_SHIFT_S}"));
        }
        if self.memory_bytes < MIN_MEMORY_BYTES {
            return refuse("memory_bytes", format!("at least {MIN_MEMORY_BYTES}"));
        }
        if let Some(disk) = &self.disk
            && disk.folder.as_os_str().is_empty()
        {
            return Err(at.clone().key("disk").key("folder").problem("names no folder"));
        }
        Ok(())
    }
}

/// The first problem with adaptive playlists, or none.
pub(super) fn check_adaptive(adaptive: &[AdaptiveConfig], at: &FieldPath) -> Result<(), Problem> {
    for (index, entry) in adaptive.iter().enumerate() {
        let at = at.clone().index(index);
        if adaptive[..index].iter().any(|other| other.name == entry.name) {
            return Err(at.key("name").problem(format!("duplicated playlist name `{}`", entry.name)));
        }
        let streams = at.key("streams");
        if entry.streams.is_empty() || entry.streams.len() > MAX_ADAPTIVE_STREAMS {
            return Err(streams.problem(format!("1 to {MAX_ADAPTIVE_STREAMS} streams are needed")));
        }
        let twice = (1..entry.streams.len()).find(|&at| entry.streams[..at].contains(&entry.streams[at]));
        if let Some(index) = twice {
            return Err(streams.index(index).problem("is listed twice"));
        }
    }
    Ok(())
}
