//! Repair of a publisher's timestamps: one steady timeline whatever the encoder does.
//!
//! The rule. Frames keep their timestamps, plus an offset that all tracks share, as long as they lie
//! within [`MAX_TIMELINE_STEP`] of the newest frame of the broadcast and no more than
//! [`MAX_BACKWARD_STEP`] before the last frame of their own track.
//!
//! - **Jump**: any other frame begins a new offset, chosen so that the frame follows the newest one by
//!   [`RESUME_STEP`]. A stray frame that still fits the offset before is passed with that one: tracks do
//!   not jump in the same instant.
//! - **Backwards**: within a track decode times never fall. A frame that would is moved to its
//!   predecessor's decode time, its presentation time with it.
//! - **Resume**: the first frame of a publisher that takes over or comes back begins a new offset likewise.
//!
//! Jumps and steps backwards are counted.

use std::time::Duration;

use crate::frame::Frame;
use crate::time::{Timescale, Timestamp};
use crate::track::{MAX_TRACKS, TrackId};

/// Largest distance of a frame from the newest one that is taken for real: longer than encoders
/// interleave their tracks and than a stalled uplink pauses, shorter than any splice worth keeping.
pub const MAX_TIMELINE_STEP: Duration = Duration::from_secs(10);
/// Largest step back within a track that is flattened rather than taken for a restart of the clock:
/// encoders that stamp on arrival jitter by a few frames.
pub const MAX_BACKWARD_STEP: Duration = Duration::from_millis(500);
/// Distance given to the first frame after a jump: one picture at 25 per second.
pub const RESUME_STEP: Duration = Duration::from_millis(40);

const MAX_STEP_MS: i64 = MAX_TIMELINE_STEP.as_millis() as i64;
const MAX_BACKWARD_MS: i64 = MAX_BACKWARD_STEP.as_millis() as i64;
const RESUME_STEP_MS: i64 = RESUME_STEP.as_millis() as i64;

/// What was done to a frame's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    None,
    Jump,
    Backwards,
}

/// The timeline of one broadcast.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    offset_ms: i64,
    previous_offset_ms: Option<i64>,
    newest_ms: Option<i64>,
    last: Vec<(TrackId, Timestamp)>,
    resuming: bool,
}

impl Timeline {
    /// Another publisher goes on: its first frame follows the newest one.
    pub(crate) const fn resume(&mut self) {
        self.resuming = true;
    }

    /// Repairs the timestamps of `frame` in place.
    pub(crate) fn place(&mut self, frame: &mut Frame) -> Repair {
        let (offset_ms, mut repair) = self.offset_for(frame);
        shift(frame, offset_ms);
        if let Some((_, last)) = self.last.iter_mut().find(|(track, _)| *track == frame.track) {
            let floor = last.rescale(frame.dts.scale());
            let behind = floor.ticks().saturating_sub(frame.dts.ticks());
            if behind > 0 {
                frame.dts = floor;
                frame.pts = frame.pts.offset_by(behind);
                if repair == Repair::None {
                    repair = Repair::Backwards;
                }
            }
            *last = frame.dts;
        } else if self.last.len() < MAX_TRACKS {
            self.last.push((frame.track, frame.dts));
        }
        let placed_ms = frame.dts.as_millis();
        self.newest_ms = Some(self.newest_ms.map_or(placed_ms, |newest| newest.max(placed_ms)));
        repair
    }

    /// The offset that `frame` is placed with, and whether that is a new one.
    fn offset_for(&mut self, frame: &Frame) -> (i64, Repair) {
        let resuming = std::mem::take(&mut self.resuming);
        let Some(newest_ms) = self.newest_ms else { return (self.offset_ms, Repair::None) };
        let dts_ms = frame.dts.as_millis();
        let last_ms =
            self.last.iter().find(|(track, _)| *track == frame.track).map(|(_, last)| last.as_millis());
        let fits = |offset_ms: i64| {
            let placed_ms = dts_ms.saturating_add(offset_ms);
            placed_ms.abs_diff(newest_ms) <= MAX_STEP_MS.unsigned_abs()
                && last_ms.is_none_or(|last_ms| placed_ms >= last_ms.saturating_sub(MAX_BACKWARD_MS))
        };
        if !resuming && fits(self.offset_ms) {
            return (self.offset_ms, Repair::None);
        }
        if let Some(previous_ms) = self.previous_offset_ms
            && !resuming
            && fits(previous_ms)
        {
            return (previous_ms, Repair::None);
        }
        self.previous_offset_ms = Some(self.offset_ms).filter(|_| !resuming);
        self.offset_ms = newest_ms.saturating_add(RESUME_STEP_MS).saturating_sub(dts_ms);
        (self.offset_ms, if resuming { Repair::None } else { Repair::Jump })
    }
}

fn shift(frame: &mut Frame, offset_ms: i64) {
    if offset_ms != 0 {
        let by = |at: Timestamp| {
            at.offset_by(Timestamp::new(offset_ms, Timescale::MILLIS).rescale(at.scale()).ticks())
        };
        frame.dts = by(frame.dts);
        frame.pts = by(frame.pts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    const VIDEO: TrackId = TrackId::video(0);
    const AUDIO: TrackId = TrackId::audio(0);

    fn frame(track: TrackId, dts_ms: i64) -> Frame {
        let dts = Timestamp::from_millis(dts_ms);
        Frame { track, dts, pts: dts.offset_by(80), sync: true, data: Bytes::new() }
    }

    fn place(timeline: &mut Timeline, track: TrackId, dts_ms: i64) -> (i64, Repair) {
        let mut placed = frame(track, dts_ms);
        let repair = timeline.place(&mut placed);
        assert_eq!(placed.pts.millis_since(placed.dts), 80, "the composition offset is kept");
        (placed.dts.as_millis(), repair)
    }

    #[test]
    fn a_steady_stream_is_left_alone() {
        let mut timeline = Timeline::default();
        for ms in [5_000, 5_040, 5_040, 14_000] {
            assert_eq!(place(&mut timeline, VIDEO, ms), (ms, Repair::None));
        }
    }

    #[test]
    fn a_jump_is_closed_and_both_tracks_follow_it() {
        let mut timeline = Timeline::default();
        place(&mut timeline, VIDEO, 1_000);
        place(&mut timeline, AUDIO, 1_010);
        assert_eq!(place(&mut timeline, VIDEO, 3_600_000), (1_050, Repair::Jump));
        // Audio from before the jump still passes with the offset before.
        assert_eq!(place(&mut timeline, AUDIO, 1_030), (1_030, Repair::None));
        assert_eq!(place(&mut timeline, AUDIO, 3_600_020), (1_070, Repair::None));
        assert_eq!(place(&mut timeline, VIDEO, 3_600_040), (1_090, Repair::None));
    }

    #[test]
    fn a_restart_at_zero_goes_on_from_where_it_was() {
        let mut timeline = Timeline::default();
        place(&mut timeline, VIDEO, 60_000);
        assert_eq!(place(&mut timeline, VIDEO, 0), (60_040, Repair::Jump));
        assert_eq!(place(&mut timeline, VIDEO, 40), (60_080, Repair::None));
    }

    #[test]
    fn small_steps_back_are_flattened() {
        let mut timeline = Timeline::default();
        place(&mut timeline, VIDEO, 1_000);
        assert_eq!(place(&mut timeline, VIDEO, 900), (1_000, Repair::Backwards));
        assert_eq!(place(&mut timeline, AUDIO, 900), (900, Repair::None), "tracks may interleave");
    }

    #[test]
    fn a_clock_that_restarts_seconds_ago_is_a_jump_and_not_a_standstill() {
        let mut timeline = Timeline::default();
        place(&mut timeline, VIDEO, 5_000);
        assert_eq!(place(&mut timeline, VIDEO, 0), (5_040, Repair::Jump));
        assert_eq!(place(&mut timeline, VIDEO, 40), (5_080, Repair::None));
    }

    #[test]
    fn another_publisher_goes_on_wherever_its_clock_is() {
        let mut timeline = Timeline::default();
        place(&mut timeline, VIDEO, 5_000);
        for ms in [4_990, 9_000] {
            let newest = timeline.newest_ms.unwrap();
            timeline.resume();
            assert_eq!(place(&mut timeline, VIDEO, ms), (newest + 40, Repair::None));
        }
    }

    proptest! {
        #[test]
        fn decode_times_never_fall_and_never_leap(script in prop::collection::vec((any::<bool>(), prop_oneof![-2_000i64..2_000, any::<i32>().prop_map(i64::from), any::<i64>()]), 1..200)) {
            let mut timeline = Timeline::default();
            let mut last: [Option<i64>; 2] = [None, None];
            let mut newest: Option<i64> = None;
            let mut input = 0i64;
            for (video, step) in script {
                // Timestamps of every protocol fit 42 bits of milliseconds by far.
                input = input.saturating_add(step).clamp(-(1 << 60), 1 << 60);
                let mut placed = frame(if video { VIDEO } else { AUDIO }, input);
                timeline.place(&mut placed);
                let ms = placed.dts.as_millis();
                let last = &mut last[usize::from(video)];
                prop_assert!(last.is_none_or(|last| ms >= last));
                prop_assert!(newest.is_none_or(|newest: i64| ms <= newest + MAX_STEP_MS));
                *last = Some(ms);
                newest = Some(newest.map_or(ms, |newest| newest.max(ms)));
            }
        }
    }
}
