//! What a packager is told: how long segments and parts are to be, and how much is held.

use std::time::Duration;

use crate::proto::hls::encryption::{Encryption, EncryptionMethod};
use crate::proto::hls::name::Container;
use crate::proto::hls::view::ListOptions;

/// Duration at which a segment is cut at the next sync frame: three of them, which players hold back, stay a
/// delay that one can live with, and a request every two seconds is cheap.
pub const DEFAULT_TARGET_DURATION: Duration = Duration::from_secs(2);
/// Duration of a partial segment: five pictures at 25 per second; shorter ones cost more requests than they
/// save delay.
pub const DEFAULT_PART_TARGET: Duration = Duration::from_millis(200);
/// Longest first segment: `EXT-X-TARGETDURATION` follows it, and a player waits three times that. GOPs that are
/// longer are cut within.
pub const MAX_SEGMENT_DURATION: Duration = Duration::from_secs(10);
/// How far back viewers may go unless set otherwise: the goal that one has just missed.
pub const DEFAULT_HISTORY: Duration = Duration::from_secs(120);
/// Bytes of segments that a presentation holds in memory: two minutes at 4 Mbit/s.
pub const DEFAULT_MAX_WINDOW_BYTES: u64 = 64 << 20;

/// How a [`Packager`](super::Packager) cuts and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagerOptions {
    /// Where segments are to be cut: at the first sync frame after so much media.
    pub target_duration: Duration,
    /// About how long parts are; `None` makes none. Transport streams never have parts.
    pub part_target: Option<Duration>,
    /// Longest first segment when no sync frame comes.
    pub max_segment: Duration,
    /// What playlists list; so much is held in any case.
    pub list: ListOptions,
    /// Media that is held for time-shift.
    pub history: Duration,
    /// Bytes of segments held in memory, of all renditions together. What is listed is held in any case.
    pub max_bytes: u64,
    /// Whether and how segments are encrypted. [`Packager::with_keys`](super::Packager::with_keys) tells where keys
    /// come from; without any, all segments are gaps.
    pub encryption: Option<Encryption>,
}

impl Default for PackagerOptions {
    fn default() -> Self {
        Self {
            target_duration: DEFAULT_TARGET_DURATION,
            part_target: Some(DEFAULT_PART_TARGET),
            max_segment: MAX_SEGMENT_DURATION,
            list: ListOptions::default(),
            history: DEFAULT_HISTORY,
            max_bytes: DEFAULT_MAX_WINDOW_BYTES,
            encryption: None,
        }
    }
}

impl PackagerOptions {
    /// How segments of `container` are encrypted.
    #[must_use]
    pub fn encryption_of(&self, container: Container) -> Option<Encryption> {
        self.encryption.map(|wanted| Encryption { method: wanted.method.of(container), ..wanted })
    }

    /// Whether segments of `container` have parts. Transport streams have none, nor what is encrypted whole.
    #[must_use]
    pub fn makes_parts(&self, container: Container) -> bool {
        let is_whole = self
            .encryption_of(container)
            .is_some_and(|encryption| encryption.method == EncryptionMethod::Aes128);
        container == Container::Fmp4 && self.part_target.is_some() && !is_whole
    }
}
