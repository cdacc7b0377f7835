//! The 90 kHz clock of 33 bits: onto it, off it, and what the clock reference keeps (ISO/IEC 13818-1 2.4.2, 2.7).

use crate::time::{Timescale, Timestamp};

/// Where the muxer puts the instant 0 of the media timeline: ten seconds, so that clock references and decoding
/// times a little before it do not wrap. Players show times from the first one they see.
pub const START_OFFSET_TICKS: i64 = 10 * 90_000;
/// How far the clock reference runs ahead of the decoding time of the bytes it stands with: 200 ms, room for
/// the largest pictures to arrive and for sound and pictures that are not interleaved tightly.
pub const PCR_LEAD_TICKS: i64 = 18_000;
/// Longest time between clock references: 40 ms (DVB, ETSI TS 101 154 4.1.5.1; ISO/IEC 13818-1 2.7.2 asks for
/// 100 ms).
pub const PCR_INTERVAL_TICKS: i64 = 3_600;
/// Longest time between the tables of a continuous stream: 100 ms (ETSI TR 101 290 asks for 500 ms, Apple's
/// segmenter and receivers that join in the middle start sooner with less).
pub const PSI_INTERVAL_TICKS: i64 = 9_000;

/// The clock wraps after this many ticks.
const WRAP: i64 = 1 << 33;

/// The tick of an instant on the muxer's unwrapped clock.
pub(super) fn clock(at: Timestamp) -> i64 {
    at.rescale(Timescale::MPEG).ticks().wrapping_add(START_OFFSET_TICKS)
}

/// The 33 bits of a tick, before zero too.
pub(super) const fn wrap(ticks: i64) -> u64 {
    // Not negative: the mask keeps the low 33 bits.
    (ticks & (WRAP - 1)).unsigned_abs()
}

/// Makes a timeline without wraps of 33-bit times. All tracks of a program share one, so that they wrap
/// together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The tick nearest to the one before that has these 33 bits; the first stands for itself.
    pub(super) fn unwrap(&mut self, bits: u64) -> i64 {
        let ticks = near(self.last, bits);
        self.last = Some(ticks);
        ticks
    }

    /// The last tick given.
    pub(super) const fn last(&self) -> Option<i64> {
        self.last
    }
}

/// The tick nearest to `reference` that has these 33 bits.
pub(super) fn near(reference: Option<i64>, bits: u64) -> i64 {
    let bits = bits.cast_signed() & (WRAP - 1);
    let Some(reference) = reference else { return bits };
    let ahead = bits.wrapping_sub(reference) & (WRAP - 1);
    reference.wrapping_add(if ahead < WRAP / 2 { ahead } else { ahead - WRAP })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_and_a_little_before_it_do_not_wrap() {
        assert_eq!(wrap(clock(Timestamp::from_millis(0))), 900_000);
        assert_eq!(wrap(clock(Timestamp::from_millis(-9_000)) - PCR_LEAD_TICKS), 72_000);
        assert_eq!(wrap(clock(Timestamp::from_millis(-10_001))), (1 << 33) - 90);
        assert_eq!(wrap(1 << 33), 0);
    }

    #[test]
    fn wraps_go_on_and_back() {
        let mut unwrapper = Unwrapper::default();
        let times = [(1 << 33) - 10, 5, (1 << 33) - 5, 20].map(|bits| unwrapper.unwrap(bits));
        assert_eq!(times, [(1 << 33) - 10, (1 << 33) + 5, (1 << 33) - 5, (1 << 33) + 20]);
    }

    proptest! {
        #[test]
        fn any_steps_below_half_the_range_survive(start in any::<i32>(), steps in proptest::collection::vec(-(1i64 << 32)..(1 << 32), 0..50)) {
            let mut at = i64::from(start);
            let mut unwrapper = Unwrapper::default();
            let shift = unwrapper.unwrap(wrap(at)) - at;
            for step in steps {
                at += step;
                prop_assert_eq!(unwrapper.unwrap(wrap(at)), at + shift);
            }
        }

        #[test]
        fn any_time_has_33_bits(ticks in any::<i64>(), bits in any::<u64>(), reference in any::<i64>()) {
            prop_assert!(wrap(ticks) < 1 << 33);
            prop_assert_eq!(wrap(near(Some(reference), bits)), bits & ((1 << 33) - 1));
            let _ = clock(Timestamp::from_millis(ticks));
        }
    }
}
