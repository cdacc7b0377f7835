//! Counters of a broadcast and of its viewers. They only grow; rates belong to whoever samples them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A counter that one side raises and anyone reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Its value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value that changes both ways; `None` until first set.
#[derive(Debug)]
pub struct Gauge(AtomicI64);

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Gauge {
    pub(crate) fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value now.
    #[must_use]
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&value| value != i64::MIN)
    }
}

/// What a broadcast has taken in.
#[derive(Debug, Default)]
pub struct IngestStats {
    /// Payload bytes of all frames.
    pub bytes: Counter,
    /// Payload bytes of video tracks.
    pub video_bytes: Counter,
    /// Payload bytes of audio tracks.
    pub audio_bytes: Counter,
    /// Frames of video tracks.
    pub video_frames: Counter,
    /// Frames of audio tracks.
    pub audio_frames: Counter,
    /// Frames of data tracks.
    pub data_frames: Counter,
    /// Random access points.
    pub sync_frames: Counter,
    /// Changes of tracks or of their configuration.
    pub track_changes: Counter,
    /// Timestamps that jumped and were joined on.
    pub timestamp_jumps: Counter,
    /// Timestamps that ran backwards and were flattened.
    pub timestamps_backwards: Counter,
    /// Frames dropped because no track was announced for them.
    pub dropped_without_track: Counter,
    /// Frames dropped because a publisher had not sent its first random access point yet.
    pub dropped_before_sync: Counter,
    /// Publishers that fed the broadcast, one after the other.
    pub publishers: Counter,
    /// Media time of the last complete GOP, in milliseconds.
    pub gop_ms: Gauge,
    /// Frames of the leading track in the last complete GOP.
    pub gop_frames: Gauge,
    /// Decode time of the newest frame, in milliseconds.
    pub newest_dts_ms: Gauge,
    /// Mean deviation of arrival times from decode times, in microseconds, smoothed as the interarrival
    /// jitter of RFC 3550 6.4.1.
    pub jitter_us: Gauge,
}

/// The running estimate behind [`IngestStats::jitter_us`].
#[derive(Debug, Default)]
pub(crate) struct Jitter {
    transit_us: Option<i64>,
    smoothed_us: i64,
}

impl Jitter {
    /// Takes one arrival of the leading track; returns the estimate.
    pub(crate) fn observe(&mut self, arrival: Duration, dts_ms: i64) -> i64 {
        let arrival_us = i64::try_from(arrival.as_micros()).unwrap_or(i64::MAX);
        let transit_us = arrival_us.saturating_sub(dts_ms.saturating_mul(1_000));
        if let Some(previous_us) = self.transit_us.replace(transit_us) {
            let deviation_us = transit_us.saturating_sub(previous_us).saturating_abs();
            self.smoothed_us += (deviation_us - self.smoothed_us) / 16;
        }
        self.smoothed_us
    }
}

/// What one viewer was given.
#[derive(Debug, Default)]
pub struct ViewerStats {
    /// Bytes handed to its connection, protocol overhead included.
    pub bytes: Counter,
    /// Frames handed to its connection.
    pub frames: Counter,
    /// Frames it missed because it was too slow.
    pub lost_frames: Counter,
    /// Times it was skipped forward.
    pub skips: Counter,
    /// Decode time of what was handed to its connection last, in milliseconds.
    pub position_ms: Gauge,
}

/// What the viewers of one protocol were given by one broadcast, those who left included: sums that only
/// grow, save for `present`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudienceTotals {
    /// Viewers there now.
    pub present: u64,
    /// Viewers that ever came.
    pub joined: u64,
    /// Bytes handed to connections, protocol overhead included.
    pub bytes: u64,
    /// Frames handed to connections.
    pub frames: u64,
    /// Frames missed by viewers that were too slow.
    pub lost_frames: u64,
    /// Times a viewer was skipped forward.
    pub skips: u64,
}

impl AudienceTotals {
    pub(crate) fn count(&mut self, stats: &ViewerStats) {
        self.joined += 1;
        self.bytes += stats.bytes.get();
        self.frames += stats.frames.get();
        self.lost_frames += stats.lost_frames.get();
        self.skips += stats.skips.get();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_zero_for_a_steady_arrival_and_rises_with_deviation() {
        let mut jitter = Jitter::default();
        for frame in 0..50u64 {
            let steady =
                jitter.observe(Duration::from_millis(1_000 + 40 * frame), 40 * i64::try_from(frame).unwrap());
            assert_eq!(steady, 0);
        }
        let late = jitter.observe(Duration::from_millis(1_000 + 40 * 50 + 16), 40 * 50);
        assert_eq!(late, 1_000, "a sixteenth of the deviation");
    }
}
