//! The counters of one stream at one moment, and sums of them.

use std::collections::BTreeMap;

use streamer_core::hub::{AudienceTotals, Broadcast};

/// Counters of one stream, or sums over several. All only grow, save for the viewers present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Payload bytes taken in.
    pub bytes: u64,
    /// Video frames taken in.
    pub video_frames: u64,
    /// Audio frames taken in.
    pub audio_frames: u64,
    /// Data frames taken in.
    pub data_frames: u64,
    /// Random access points.
    pub sync_frames: u64,
    /// Frames dropped for want of a track.
    pub dropped_without_track: u64,
    /// Frames dropped before a publisher's first random access point.
    pub dropped_before_sync: u64,
    /// Timestamps that jumped.
    pub timestamp_jumps: u64,
    /// Timestamps that ran backwards.
    pub timestamps_backwards: u64,
    /// Changes of tracks.
    pub track_changes: u64,
    /// Publishers, one after the other.
    pub publishers: u64,
    /// What viewers were given, by protocol.
    pub audience: BTreeMap<&'static str, AudienceTotals>,
}

impl StreamCounters {
    /// Those of `broadcast` now.
    #[must_use]
    pub fn read(broadcast: &Broadcast) -> Self {
        let stats = broadcast.stats();
        Self {
            bytes: stats.bytes.get(),
            video_frames: stats.video_frames.get(),
            audio_frames: stats.audio_frames.get(),
            data_frames: stats.data_frames.get(),
            sync_frames: stats.sync_frames.get(),
            dropped_without_track: stats.dropped_without_track.get(),
            dropped_before_sync: stats.dropped_before_sync.get(),
            timestamp_jumps: stats.timestamp_jumps.get(),
            timestamps_backwards: stats.timestamps_backwards.get(),
            track_changes: stats.track_changes.get(),
            publishers: stats.publishers.get(),
            audience: broadcast.audience(),
        }
    }

    /// Adds what one stream has done between `before` and `now`. Viewers present are left alone.
    pub(super) fn add_increase(&mut self, before: &Self, now: &Self) {
        for (sum, before, now) in [
            (&mut self.bytes, before.bytes, now.bytes),
            (&mut self.video_frames, before.video_frames, now.video_frames),
            (&mut self.audio_frames, before.audio_frames, now.audio_frames),
            (&mut self.data_frames, before.data_frames, now.data_frames),
            (&mut self.sync_frames, before.sync_frames, now.sync_frames),
            (&mut self.dropped_without_track, before.dropped_without_track, now.dropped_without_track),
            (&mut self.dropped_before_sync, before.dropped_before_sync, now.dropped_before_sync),
            (&mut self.timestamp_jumps, before.timestamp_jumps, now.timestamp_jumps),
            (&mut self.timestamps_backwards, before.timestamps_backwards, now.timestamps_backwards),
            (&mut self.track_changes, before.track_changes, now.track_changes),
            (&mut self.publishers, before.publishers, now.publishers),
        ] {
            *sum += now.saturating_sub(before);
        }
        for (protocol, now) in &now.audience {
            let before = before.audience.get(protocol).copied().unwrap_or_default();
            let sum = self.audience.entry(protocol).or_default();
            sum.joined += now.joined.saturating_sub(before.joined);
            sum.bytes += now.bytes.saturating_sub(before.bytes);
            sum.frames += now.frames.saturating_sub(before.frames);
            sum.lost_frames += now.lost_frames.saturating_sub(before.lost_frames);
            sum.skips += now.skips.saturating_sub(before.skips);
        }
    }
}
