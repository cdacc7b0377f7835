//! Viewers of a form take turns: who is woken when within the write window.
//!
//! Were all woken at once, the last of thousands would wait for the writes to all the others, and so would
//! whoever else needs the processor. Each viewer is woken once in each window either way, so its writes stay as
//! few and its media wait no longer than the window.

use std::time::Duration;

/// Most parts that the viewers of one form are woken in. Beyond it a part holds more than
/// [`VIEWERS_PER_TURN`]; more parts would cost frames that leave in more and smaller buffers.
pub const MAX_TURNS: usize = u16::BITS as usize;
/// Viewers that are woken together: some 3 ms of writing, little beside the shortest window that is of use.
pub const VIEWERS_PER_TURN: usize = 128;
/// Shortest time between two turns: timers of runtimes tell milliseconds apart, no less.
pub const MIN_TURN: Duration = Duration::from_millis(2);

/// How many turns `readers` take within `window`: a power of two, so that it divides [`MAX_TURNS`] evenly.
pub(crate) fn turns_for(readers: usize, window: Duration) -> u32 {
    let wanted = readers.div_ceil(VIEWERS_PER_TURN).min(MAX_TURNS);
    let possible = usize::try_from(window.as_nanos() / MIN_TURN.as_nanos()).unwrap_or(MAX_TURNS);
    let turns = wanted.min(possible).max(1);
    // Rounded down where the window ends it, else up.
    let turns = if wanted <= possible { turns.next_power_of_two() } else { 1 << turns.ilog2() };
    u32::try_from(turns.min(MAX_TURNS)).unwrap_or(1)
}

/// Whose turn it is, and who was not told of the newest batch yet. Viewers are dealt out over [`MAX_TURNS`] sets;
/// each bit stands for one.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    untold: u16,
    turn: u32,
}

impl Turns {
    /// There is something new.
    pub(crate) const fn appended(&mut self) {
        self.untold = u16::MAX;
    }

    /// Whether everybody was told of all there is.
    pub(crate) const fn all_told(&self) -> bool {
        self.untold == 0
    }

    /// The sets whose turn it is, of `turns`, and that were not told yet; they count as told from now on.
    pub(crate) fn next(&mut self, turns: u32) -> u16 {
        let turn = self.turn % turns;
        self.turn = self.turn.wrapping_add(1);
        let theirs = (0..u16::BITS).filter(|set| set % turns == turn).fold(0, |sets, set| sets | 1 << set);
        let due = self.untold & theirs;
        self.untold &= !theirs;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_viewers_are_woken_together_and_many_in_parts_no_shorter_than_a_timer_can_tell() {
        let ms = Duration::from_millis;
        let cases = [
            (1, 40, 1),
            (VIEWERS_PER_TURN, 40, 1),
            (VIEWERS_PER_TURN + 1, 40, 2),
            (5 * VIEWERS_PER_TURN, 40, 8),
            (100_000, 40, 16),
            (100_000, 350, 16),
            (100_000, 30, 8),
            (100_000, 3, 1),
            (100_000, 0, 1),
        ];
        for (readers, window, turns) in cases {
            assert_eq!(turns_for(readers, ms(window)), turns, "{readers} viewers in {window} ms");
        }
    }

    proptest! {
        /// Whatever the number of turns becomes, each set is told of each batch, and within the turns that a
        /// round then has, counted anew when the number changes.
        #[test]
        fn everybody_is_told_once_within_a_round(script in prop::collection::vec((0u32..5, any::<bool>()), 1..200)) {
            let mut turns = Turns::default();
            for (power, appended) in script {
                let count = 1 << power;
                if appended {
                    turns.appended();
                    let mut told = 0u16;
                    for _ in 0..count {
                        prop_assert!(!turns.all_told());
                        let due = turns.next(count);
                        prop_assert_eq!(told & due, 0);
                        told |= due;
                    }
                    prop_assert_eq!(told, u16::MAX);
                    prop_assert!(turns.all_told());
                } else {
                    turns.next(count);
                }
            }
        }
    }
}
