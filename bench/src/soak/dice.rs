//! Chance that falls the same in every run: who comes when, where to, for how long, and how they leave.

use std::ops::Range;
use std::time::Duration;

/// xorshift64 (Marsaglia): plenty for load.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }

    /// A time within `range`, in milliseconds.
    pub(super) fn within_ms(&mut self, range: &Range<u64>) -> Duration {
        let breadth = (range.end - range.start).max(1) as usize;
        Duration::from_millis(range.start + self.below(breadth) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_bound_falls_and_none_beyond() {
        let mut dice = Dice::new();
        let mut fallen = [0; 6];
        for _ in 0..6_000 {
            fallen[dice.below(6)] += 1;
        }
        assert!(fallen.iter().all(|times| (800..1_200).contains(times)), "{fallen:?}");
        let range = 50..60;
        assert!((0..100).all(|_| range.contains(&(dice.within_ms(&range).as_millis() as u64))));
        assert_eq!(dice.within_ms(&(7..7)), Duration::from_millis(7));
    }
}
