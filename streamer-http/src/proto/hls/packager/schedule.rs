//! Cue points: where the segments of all renditions begin, decided by the leading track.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::WallClock;
use super::keys::{KeyRing, KeySource, Seal};
use super::options::PackagerOptions;
use super::ticks::{CUE_SCALE, millis, ticks_in};

/// How far the distance of two cue points stays below what rounds to more than `EXT-X-TARGETDURATION`: other
/// tracks cut up to a frame later, and may begin so much earlier where a timeline begins.
pub(super) const FOLLOWER_MARGIN: Duration = Duration::from_millis(150);
/// A duration that is longer by less than half a second is still rounded to the target (RFC 8216, 4.3.3.1).
const ROUNDING: Duration = Duration::from_millis(499);
/// How much longer than a whole number of seconds the first segment may be without the target becoming one more:
/// stamps jitter, and the later segments keep some room.
const TARGET_TOLERANCE: Duration = Duration::from_millis(250);
/// Bytes of the open segment after which it is cut at the next frame: ten seconds at 50 Mbit/s.
pub const MAX_SEGMENT_BYTES: u64 = 64 << 20;
/// Frames of one track in the open segment after which it is cut: ten seconds of 1 000 frames a second.
pub const MAX_SEGMENT_FRAMES: usize = 10_000;
/// How far written decode times may lag behind the real ones before the difference is told as a discontinuity
/// rather than absorbed: a player's buffer in low latency.
pub const MAX_DECODE_LAG: Duration = Duration::from_secs(1);

/// Largest leap of the timeline that is taken for a stall, which becomes a row of gaps; what leaps further begins
/// anew. The hub closes leaps of more than ten seconds.
pub const MAX_LEAP: Duration = Duration::from_secs(30);

/// Where a segment begins in every rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    pub(super) msn: u64,
    /// Presentation time of its first frame in the leading track.
    pub(super) at: i64,
    pub(super) discontinuity: bool,
    /// Discontinuities up to and including this cue's.
    pub(super) discontinuity_sequence: u64,
    /// Unix milliseconds at media time 0.
    pub(super) offset_ms: i64,
    /// Number of the key of its segment; `None` in the clear, or when there is none to be had.
    pub(super) key: Option<u32>,
    /// The timeline it is on.
    pub(super) timeline: CueTimeline,
}

/// What runs from one discontinuity to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CueTimeline {
    /// Its first cue.
    pub(super) at: i64,
    /// Unix milliseconds at media time 0, as of that cue, and never less than on the timeline before.
    pub(super) offset_ms: i64,
}

/// The open segment of the leading track as a decision needs it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Its media sequence number.
    pub(super) msn: Option<u64>,
    /// Ticks of media in it.
    pub(super) used: i64,
    pub(super) bytes: u64,
    pub(super) frames: usize,
    /// How far its decode times are behind those of the next frame.
    pub(super) lag: i64,
}

/// Whether a frame begins a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    No,
    /// At the frame.
    Here,
    /// At the frame, and the timeline begins anew.
    Discontinuity,
}

/// The cue points of one run, and what is known of the target duration.
#[derive(Debug)]
pub(super) struct Schedule {
    target_duration: Duration,
    max_first: Duration,
    /// Longest segment that is open while the target is not fixed.
    longest_open: Duration,
    /// `EXT-X-TARGETDURATION`, once it is fixed.
    target_duration_s: Option<u32>,
    cues: VecDeque<Cue>,
    next_msn: u64,
    discontinuities: u64,
    /// The next cue begins a timeline.
    restarting: bool,
    clock: WallClock,
    /// `None` in the clear.
    keys: Option<KeyRing>,
}

impl Schedule {
    pub(super) fn new(options: &PackagerOptions, first_msn: u64, clock: WallClock) -> Self {
        Self {
            target_duration: options.target_duration,
            max_first: options.max_segment.max(options.target_duration),
            longest_open: Duration::ZERO,
            target_duration_s: None,
            cues: VecDeque::new(),
            next_msn: first_msn,
            discontinuities: 0,
            restarting: true,
            clock,
            keys: None,
        }
    }

    /// Segments are encrypted with keys of `keys`.
    pub(super) fn encrypt(&mut self, keys: KeyRing) {
        self.keys = Some(keys);
    }

    /// Keys come from `source`, if there are to be any.
    pub(super) fn set_key_source(&mut self, source: KeySource) {
        if let Some(keys) = &mut self.keys {
            keys.set_source(source);
        }
    }

    /// How the media of the segment of `cue` leave.
    pub(super) fn seal(&self, cue: &Cue) -> Seal {
        self.keys.as_ref().map_or(Seal::Clear, |keys| {
            cue.key.and_then(|number| keys.get(number)).map_or(Seal::Withheld, Seal::With)
        })
    }

    pub(super) const fn clock(&mut self) -> &mut WallClock {
        &mut self.clock
    }

    /// The target duration in seconds; `first`, the duration of the first complete segment, fixes it.
    pub(super) fn target_duration_s(&mut self, first: Duration) -> u32 {
        let seconds = |duration: Duration| duration.as_nanos().div_ceil(1_000_000_000);
        let made = first.max(self.longest_open).saturating_sub(TARGET_TOLERANCE);
        let longest = seconds(self.target_duration).max(seconds(made));
        *self.target_duration_s.get_or_insert(u32::try_from(longest.max(1)).unwrap_or(u32::MAX))
    }

    /// A segment is `open` and so long already: the target will be no less.
    pub(super) fn is_open(&mut self, open: Duration) {
        self.longest_open = self.longest_open.max(open);
    }

    /// The same, once it is fixed.
    pub(super) const fn fixed_target_s(&self) -> Option<u32> {
        self.target_duration_s
    }

    /// Longest duration of a segment.
    pub(super) fn longest_segment(&self) -> Duration {
        self.target_duration_s.map_or(self.max_first, |seconds| Duration::from_secs(seconds.into()))
            + ROUNDING
    }

    /// Longest distance of two cue points.
    fn longest_cue(&self) -> i64 {
        let longest = if self.target_duration_s.is_some() {
            self.longest_segment() - FOLLOWER_MARGIN
        } else {
            self.max_first
        };
        ticks_in(longest, CUE_SCALE).max(1)
    }

    /// What follows begins a timeline of its own, with a discontinuity unless it is the first.
    pub(super) const fn restart(&mut self) {
        self.restarting = true;
        self.clock.restart();
    }

    /// Makes a cue point.
    pub(super) fn cue(&mut self, at: i64, discontinuity: bool) {
        // Tracks that were ahead may have been written past the end of the leading one.
        let leap = ticks_in(MAX_LEAP, CUE_SCALE);
        let floor = self.cues.back().map(|newest| newest.at).filter(|newest| newest - at <= leap);
        let at = floor.map_or(at, |floor| floor.max(at));
        let discontinuity = !self.cues.is_empty() && (discontinuity || self.restarting);
        self.discontinuities += u64::from(discontinuity);
        let offset_ms = self.clock.next_offset_ms(discontinuity);
        let timeline = match self.cues.back().map(|newest| newest.timeline) {
            Some(timeline) if !discontinuity => timeline,
            before => {
                let least = before.map_or(i64::MIN, |before| before.offset_ms);
                CueTimeline { at, offset_ms: offset_ms.max(least) }
            }
        };
        let start_unix_ms = offset_ms.saturating_add(millis(at));
        self.cues.push_back(Cue {
            msn: self.next_msn,
            at,
            discontinuity,
            discontinuity_sequence: self.discontinuities,
            offset_ms,
            key: self.keys.as_mut().and_then(|keys| keys.at(start_unix_ms)),
            timeline,
        });
        self.next_msn += 1;
        self.restarting = false;
    }

    /// Media at `at` are there: makes the first cue, and those by time that a stalled leading track left out.
    pub(super) fn reach(&mut self, at: i64) {
        if self.restarting {
            self.cue(at, false);
        }
        let longest = self.longest_cue();
        while let Some(newest) = self.cues.back().filter(|newest| at.saturating_sub(newest.at) > longest) {
            self.cue(newest.at.saturating_add(longest), false);
        }
    }

    /// Whether a frame of the leading track at `at`, which is to last `interval`, begins a segment.
    pub(super) fn decide(&self, at: i64, sync: bool, interval: i64, progress: &Progress) -> Cut {
        let Some(newest) = self.cues.back() else { return Cut::Here };
        // Others have made a cue that this track has not come to, or comes to now.
        if progress.msn.is_none_or(|msn| msn < newest.msn) {
            return if Self::is_lagging(progress, newest.msn) { Cut::Discontinuity } else { Cut::No };
        }
        let elapsed = at.saturating_sub(newest.at);
        let target = ticks_in(self.target_duration, CUE_SCALE) - interval / 2;
        let longest = self.longest_cue();
        if Self::is_lagging(progress, newest.msn) {
            Cut::Discontinuity
        } else if sync && elapsed >= target.min(longest)
            || elapsed.max(progress.used).saturating_add(interval) > longest && elapsed > 0
            || progress.bytes >= MAX_SEGMENT_BYTES
            || progress.frames >= MAX_SEGMENT_FRAMES
        {
            Cut::Here
        } else {
            Cut::No
        }
    }

    /// Whether decode times are too far behind. After a gap they begin anew in any case.
    fn is_lagging(progress: &Progress, newest_msn: u64) -> bool {
        progress.lag > ticks_in(MAX_DECODE_LAG, CUE_SCALE)
            && progress.msn.is_some_and(|msn| msn + 1 >= newest_msn)
    }

    /// The cue that governs media at `at`: the last one before it, else the first.
    pub(super) fn governing(&self, at: i64) -> Option<Cue> {
        self.cues.iter().rev().find(|cue| cue.at <= at).or_else(|| self.cues.front()).copied()
    }

    /// The newest cue.
    pub(super) fn newest(&self) -> Option<Cue> {
        self.cues.back().copied()
    }

    /// The cue of segment `msn`.
    pub(super) fn get(&self, msn: u64) -> Option<Cue> {
        let oldest = self.cues.front()?.msn;
        self.cues.get(usize::try_from(msn.checked_sub(oldest)?).ok()?).copied()
    }

    /// Forgets the cues of segments that all tracks have completed; the newest is kept.
    pub(super) fn forget_before(&mut self, msn: u64) {
        while self.cues.len() > 1 && self.cues.front().is_some_and(|cue| cue.msn < msn) {
            self.cues.pop_front();
        }
        let oldest = self.cues.front().and_then(|cue| cue.key);
        if let (Some(keys), Some(oldest)) = (&mut self.keys, oldest) {
            keys.forget_before(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 90_000;

    fn schedule() -> Schedule {
        let mut schedule = Schedule::new(&PackagerOptions::default(), 7, WallClock::new(0, Some(0)));
        schedule.reach(0);
        schedule
    }

    fn at(seconds: i64) -> Progress {
        Progress { msn: Some(7), used: seconds * SECOND, ..Progress::default() }
    }

    #[test]
    fn a_sync_frame_at_the_target_less_half_a_frame_cuts() {
        let schedule = schedule();
        let decide = |ticks, sync| schedule.decide(ticks, sync, 3_600, &at(0));
        assert_eq!(decide(2 * SECOND - 1_801, true), Cut::No);
        assert_eq!(decide(2 * SECOND - 1_800, true), Cut::Here);
        assert_eq!(decide(2 * SECOND, false), Cut::No);
    }

    #[test]
    fn a_gop_without_end_is_cut_by_time_and_the_target_follows_the_first_segment() {
        let mut schedule = schedule();
        assert_eq!(schedule.decide(10 * SECOND - 3_600, false, 3_600, &at(0)), Cut::No);
        assert_eq!(schedule.decide(10 * SECOND - 3_599, false, 3_600, &at(0)), Cut::Here);
        schedule.is_open(Duration::from_millis(3_250));
        assert_eq!(schedule.target_duration_s(Duration::from_secs(1)), 3, "stamps jitter");
        assert_eq!(schedule.target_duration_s(Duration::from_secs(9)), 3, "constant");
        let longest = 3 * SECOND + 349 * 90;
        assert_eq!(schedule.decide(longest - 3_600, false, 3_600, &at(0)), Cut::No);
        assert_eq!(schedule.decide(longest - 3_599, false, 3_600, &at(0)), Cut::Here);
        assert_eq!(schedule.longest_segment(), Duration::from_millis(3_499));
    }

    #[test]
    fn bytes_and_frames_of_a_segment_are_bounded() {
        let schedule = schedule();
        let decide =
            |bytes, frames| schedule.decide(SECOND, false, 3_600, &Progress { bytes, frames, ..at(1) });
        assert_eq!(decide(MAX_SEGMENT_BYTES - 1, MAX_SEGMENT_FRAMES - 1), Cut::No);
        assert_eq!(decide(MAX_SEGMENT_BYTES, 0), Cut::Here);
        assert_eq!(decide(0, MAX_SEGMENT_FRAMES), Cut::Here);
    }

    #[test]
    fn decode_times_may_lag_a_second() {
        let mut schedule = schedule();
        let decide =
            |schedule: &Schedule, lag| schedule.decide(SECOND, false, 3_600, &Progress { lag, ..at(1) });
        assert_eq!(decide(&schedule, SECOND), Cut::No);
        assert_eq!(decide(&schedule, SECOND + 1), Cut::Discontinuity);
        schedule.cue(SECOND, false);
        assert_eq!(decide(&schedule, SECOND + 1), Cut::Discontinuity);
        schedule.cue(SECOND, false);
        assert_eq!(decide(&schedule, SECOND + 1), Cut::No, "a gap lies between");
    }

    #[test]
    fn a_stall_is_cut_by_time_and_a_new_timeline_is_a_discontinuity() {
        let mut schedule = schedule();
        schedule.target_duration_s(Duration::from_secs(2));
        let step = 2 * SECOND + 349 * 90;
        schedule.reach(2 * step + 1);
        assert_eq!(
            schedule.newest().map(|cue| (cue.msn, cue.at, cue.discontinuity)),
            Some((9, 2 * step, false))
        );
        schedule.restart();
        schedule.reach(step);
        let newest = schedule.newest().map(|cue| (cue.msn, cue.at, cue.discontinuity));
        assert_eq!(newest, Some((10, 2 * step, true)), "not before what there is");
        assert_eq!(schedule.governing(step + 1).map(|cue| cue.msn), Some(8));
        assert_eq!(schedule.governing(-1).map(|cue| cue.msn), Some(7));
        schedule.forget_before(10);
        assert_eq!(
            (schedule.get(9), schedule.get(10).map(|cue| cue.discontinuity_sequence)),
            (None, Some(1))
        );
        schedule.forget_before(99);
        assert!(schedule.newest().is_some());
    }
}
