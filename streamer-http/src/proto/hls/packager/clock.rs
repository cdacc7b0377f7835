//! The wall clock of the media: which instant a moment of the timeline is (`EXT-X-PROGRAM-DATE-TIME`).
//!
//! A frame arrives some time after it was made, never before: the smallest distance seen between arrival and
//! decode time is the best guess of the distance between the two clocks. It is taken at the start and kept;
//! a drift of the encoder's clock is followed in small steps, one a segment, and taken over whole at a
//! discontinuity. Wall-clock time never falls.

/// Distance that the guess may be off before it is followed: jitter of the network, not drift.
pub const DRIFT_TOLERANCE_MS: i64 = 50;
/// Most that the wall clock is moved from one segment to the next: below what a player notices, and enough for
/// an encoder whose clock is off by one part in a thousand.
pub const MAX_SLEW_MS: i64 = 5;

/// Maps the media timeline to Unix time.
#[derive(Debug)]
pub(super) struct WallClock {
    /// Unix milliseconds at media time 0.
    offset_ms: Option<i64>,
    /// Smallest distance seen since the newest cue point.
    smallest_ms: Option<i64>,
    /// Frames decoded before this are from before the start: they came in a burst.
    live_from_ms: i64,
}

impl WallClock {
    /// A clock that starts at `now_unix_ms`, when the newest frame of the broadcast had `newest_dts_ms`.
    pub(super) fn new(now_unix_ms: i64, newest_dts_ms: Option<i64>) -> Self {
        Self {
            offset_ms: newest_dts_ms.map(|newest| now_unix_ms.saturating_sub(newest)),
            smallest_ms: None,
            live_from_ms: newest_dts_ms.unwrap_or(i64::MIN),
        }
    }

    /// A frame decoded at `dts_ms` arrived at `now_unix_ms`.
    pub(super) fn observe(&mut self, now_unix_ms: i64, dts_ms: i64) {
        let distance = now_unix_ms.saturating_sub(dts_ms);
        if dts_ms >= self.live_from_ms {
            self.smallest_ms = Some(self.smallest_ms.map_or(distance, |smallest| smallest.min(distance)));
        }
    }

    /// What was seen so far says nothing of what follows.
    pub(super) const fn restart(&mut self) {
        self.smallest_ms = None;
    }

    /// The offset from media time to Unix time for what begins now.
    pub(super) fn next_offset_ms(&mut self, discontinuity: bool) -> i64 {
        let seen = self.smallest_ms.take();
        let offset = match (self.offset_ms, seen) {
            (None, seen) => seen.unwrap_or(0),
            (Some(offset), None) => offset,
            // Media time goes on over a discontinuity; were the offset to fall, so might the wall clock.
            (Some(offset), Some(seen)) if discontinuity => seen.max(offset),
            (Some(offset), Some(seen)) => {
                let drift = seen.saturating_sub(offset);
                let beyond = drift.signum() * (drift.saturating_abs() - DRIFT_TOLERANCE_MS).max(0);
                offset.saturating_add(beyond.clamp(-MAX_SLEW_MS, MAX_SLEW_MS))
            }
        };
        self.offset_ms = Some(offset);
        offset
    }
}

/// The wall clock at which the segments of one rendition begin: it never falls, and what that holds it up by is
/// given back in small steps.
///
/// Segments can be shorter than the clock is moved back from one to the next, gaps above all. Were each simply
/// held at the one before it, a row of them would gather a debt, and the first long segment behind them would
/// pay it at once: a step that is no slew. So it is paid one slew a segment, beside the one that the clock of the
/// media may make.
#[derive(Debug, Default)]
pub(super) struct SegmentClock {
    /// Where the newest segment began; `None` before the first.
    newest_unix_ms: Option<i64>,
    /// How far that is past what the clock of the media says.
    held_up_ms: i64,
}

impl SegmentClock {
    /// When a segment begins that begins at `unix_ms` by the clock of the media. A discontinuity takes that over
    /// whole, as far as time does not fall.
    pub(super) fn begin(&mut self, unix_ms: i64, discontinuity: bool) -> i64 {
        let held_up_ms = if discontinuity { 0 } else { (self.held_up_ms - MAX_SLEW_MS).max(0) };
        let slewed = unix_ms.saturating_add(held_up_ms);
        let begins = self.newest_unix_ms.map_or(slewed, |newest| newest.max(slewed));
        self.newest_unix_ms = Some(begins);
        self.held_up_ms = begins.saturating_sub(unix_ms);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_clock_never_falls_and_gives_back_in_slews() {
        let mut clock = SegmentClock::default();
        assert_eq!(clock.begin(1_000, true), 1_000);
        let short: Vec<_> = (1..=4).map(|index| clock.begin(1_000 - index * MAX_SLEW_MS, false)).collect();
        assert_eq!(short, [1_000; 4], "held up by four steps back");
        let long: Vec<_> =
            (1..=5).map(|index| clock.begin(index * 2_000 + 980, false) - index * 2_000).collect();
        assert_eq!(long, [995, 990, 985, 980, 980]);
    }

    #[test]
    fn a_segment_clock_takes_a_discontinuity_over_whole() {
        let mut clock = SegmentClock::default();
        assert_eq!(clock.begin(1_000, true), 1_000);
        assert_eq!(clock.begin(900, false), 1_000);
        assert_eq!(clock.begin(2_900, true), 2_900);
        assert_eq!(clock.begin(4_900, false), 4_900);
        assert_eq!(clock.begin(3_000, true), 4_900, "but does not fall");
    }

    #[test]
    fn the_start_is_anchored_at_the_newest_frame_and_not_at_the_burst() {
        let mut clock = WallClock::new(1_000_000, Some(30_000));
        for dts in [10_000, 20_000, 29_000] {
            clock.observe(1_000_000, dts);
        }
        assert_eq!(clock.next_offset_ms(false), 970_000);
        let mut clock = WallClock::new(1_000_000, None);
        clock.observe(1_000_100, 40);
        clock.observe(1_000_110, 80);
        assert_eq!(clock.next_offset_ms(false), 1_000_030, "the smallest distance");
    }

    #[test]
    fn jitter_is_ignored_and_drift_is_followed_in_small_steps() {
        let mut clock = WallClock::new(1_000_000, Some(0));
        let mut segment = |at: i64, late: i64| {
            clock.observe(1_000_000 + at + late, at);
            clock.next_offset_ms(false)
        };
        assert_eq!(segment(2_000, DRIFT_TOLERANCE_MS), 1_000_000);
        assert_eq!(segment(4_000, DRIFT_TOLERANCE_MS + 2), 1_000_002);
        assert_eq!(segment(6_000, 900), 1_000_002 + MAX_SLEW_MS);
        assert_eq!(segment(8_000, -900), 1_000_002);
    }

    #[test]
    fn a_discontinuity_takes_a_new_anchor_that_does_not_fall() {
        let mut clock = WallClock::new(1_000_000, Some(0));
        clock.observe(1_030_040, 40);
        assert_eq!(clock.next_offset_ms(true), 1_030_000);
        clock.observe(1_020_080, 80);
        assert_eq!(clock.next_offset_ms(true), 1_030_000);
    }
}
