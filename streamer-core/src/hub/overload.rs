//! Overload: what gives way, and in which order, when the processor is short.
//!
//! First the write windows widen, step by step up to [`MAX_WRITE_WINDOW`]: fewer and larger writes cost less, and
//! all that a viewer notices is delay. Only when they are at their widest and the processor is still busy all the
//! time are new viewers refused, so that those who watch go on undisturbed. Both are taken back as soon as there is
//! room again. The hub has no clock and knows no thread: whoever runs it tells, at a steady beat, how busy it was.

use std::time::Duration;

use super::options::MAX_WRITE_WINDOW;

/// Beat of the samples that [`Overload::observe`] is given: short enough to act within a second, long enough that
/// one burst of joins is no overload.
pub const OVERLOAD_SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// Busy share of the time from which windows widen: beyond it queues grow faster than they are worked off.
pub const WIDEN_FROM: f64 = 0.90;
/// Busy share up to which windows narrow again: twice as many writes still fit below [`WIDEN_FROM`], so a step
/// back does not call for the next step up.
pub const NARROW_UP_TO: f64 = 0.40;
/// Busy share from which new viewers are refused once the windows are at their widest.
pub const REFUSE_FROM: f64 = 0.97;
/// Busy share up to which they are let in again.
pub const ADMIT_UP_TO: f64 = 0.85;
/// Samples in a row that widen the windows, that refuse viewers or let them in again: one second.
pub const SAMPLES_TO_ACT: u32 = 2;
/// Samples in a row that narrow the windows: five seconds, for calm is worth waiting for.
pub const SAMPLES_TO_NARROW: u32 = 10;
/// Steps of widening: each doubles the window, and from none at all it takes so many to the longest.
pub const MAX_WIDENING: u8 = 5;
/// What a window that is shorter counts as when it is doubled: one of zero could not widen else.
const SHORTEST_WIDENED: Duration = Duration::from_millis(20);

/// What gives way at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relief {
    /// How often write windows are doubled, up to [`MAX_WIDENING`].
    pub widening: u8,
    /// Whether new viewers are refused.
    pub refuses_viewers: bool,
}

impl Relief {
    /// The write window to keep where an application chose `window`. At most [`MAX_WRITE_WINDOW`].
    #[must_use]
    pub fn window(self, window: Duration) -> Duration {
        let widened = match self.widening {
            0 => window,
            steps => window.max(SHORTEST_WIDENED).saturating_mul(1 << steps.min(MAX_WIDENING)),
        };
        widened.min(MAX_WRITE_WINDOW)
    }
}

/// Decides on relief from how busy the server is.
#[derive(Debug, Default)]
pub struct Overload {
    relief: Relief,
    busy: u32,
    calm: u32,
    full: u32,
    room: u32,
}

impl Overload {
    /// Takes a sample: the share of the last [`OVERLOAD_SAMPLE_INTERVAL`], 0 to 1, in which the threads that serve
    /// were busy. Returns the relief to give from now on.
    pub fn observe(&mut self, share: f64) -> Relief {
        let count = |counter: &mut u32, holds: bool| {
            *counter = if holds { *counter + 1 } else { 0 };
            *counter
        };
        let widest = self.relief.widening == MAX_WIDENING;
        if count(&mut self.busy, share >= WIDEN_FROM) >= SAMPLES_TO_ACT && !widest {
            self.relief.widening += 1;
            self.busy = 0;
        }
        if count(&mut self.full, widest && share >= REFUSE_FROM) >= SAMPLES_TO_ACT {
            self.relief.refuses_viewers = true;
        }
        if count(&mut self.room, share <= ADMIT_UP_TO) >= SAMPLES_TO_ACT {
            self.relief.refuses_viewers = false;
        }
        if count(&mut self.calm, share <= NARROW_UP_TO) >= SAMPLES_TO_NARROW && self.relief.widening > 0 {
            self.relief.widening -= 1;
            self.calm = 0;
        }
        self.relief
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(overload: &mut Overload, samples: u32, share: f64) -> Relief {
        (0..samples).fold(overload.relief, |_, _| overload.observe(share))
    }

    #[test]
    fn windows_widen_first_then_viewers_are_refused_and_both_are_taken_back() {
        let mut overload = Overload::default();
        let relief = |widening, refuses_viewers| Relief { widening, refuses_viewers };
        assert_eq!(after(&mut overload, SAMPLES_TO_ACT - 1, 1.0), relief(0, false), "a burst is no overload");
        assert_eq!(after(&mut overload, 1, 0.5), relief(0, false));
        assert_eq!(after(&mut overload, SAMPLES_TO_ACT, WIDEN_FROM), relief(1, false));
        assert_eq!(after(&mut overload, SAMPLES_TO_ACT * 4, 1.0), relief(MAX_WIDENING, false));
        assert_eq!(after(&mut overload, 100, WIDEN_FROM), relief(MAX_WIDENING, false), "it is enough");
        assert_eq!(after(&mut overload, SAMPLES_TO_ACT, REFUSE_FROM), relief(MAX_WIDENING, true));
        assert_eq!(after(&mut overload, 100, ADMIT_UP_TO + 0.01), relief(MAX_WIDENING, true));
        assert_eq!(after(&mut overload, SAMPLES_TO_ACT, ADMIT_UP_TO), relief(MAX_WIDENING, false));
        assert_eq!(after(&mut overload, SAMPLES_TO_NARROW, NARROW_UP_TO), relief(MAX_WIDENING - 1, false));
        assert_eq!(after(&mut overload, 1_000, 0.0), relief(0, false));
    }

    #[test]
    fn a_window_doubles_with_each_step_and_is_never_too_long() {
        let ms = Duration::from_millis;
        let windows = |window| {
            (0..=MAX_WIDENING).map(move |widening| {
                Relief { widening, refuses_viewers: false }.window(ms(window)).as_millis()
            })
        };
        assert_eq!(windows(0).collect::<Vec<_>>(), [0, 40, 80, 160, 320, 350]);
        assert_eq!(windows(40).collect::<Vec<_>>(), [40, 80, 160, 320, 350, 350]);
        assert_eq!(windows(350).collect::<Vec<_>>(), [350; 6]);
        assert_eq!(Relief::default().window(Duration::MAX), MAX_WRITE_WINDOW);
    }

    proptest! {
        /// Whatever the load does, nobody is refused while a window could still widen.
        #[test]
        fn nobody_is_refused_before_the_windows_are_at_their_widest(shares in prop::collection::vec(0.0f64..1.2, 1..500)) {
            let mut overload = Overload::default();
            let mut before = Relief::default();
            for share in shares {
                let relief = overload.observe(share);
                prop_assert!(relief.widening <= MAX_WIDENING && relief.widening.abs_diff(before.widening) <= 1);
                prop_assert!(!relief.refuses_viewers || before.refuses_viewers || before.widening == MAX_WIDENING);
                before = relief;
            }
        }
    }
}
