//! The segment timeline (ISO/IEC 23009-1, 5.3.9.6): when segments begin and how long they last, told shortly.

/// One or more segments of one length, each of which begins where the one before it ends: an `S` element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Ticks at which the first begins, where that is not the end of the run before.
    pub(super) begin: Option<i64>,
    /// Ticks that each lasts.
    pub(super) ticks: u64,
    /// Segments after the first.
    pub(super) repeated: u32,
}

/// The runs that segments make, each of which begins and lasts as long as its pair of ticks says.
pub(super) fn runs(segments: impl IntoIterator<Item = (i64, u64)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut end = None;
    for (begin, ticks) in segments {
        let is_next = end == Some(begin);
        match runs.last_mut().filter(|run| is_next && run.ticks == ticks) {
            Some(run) => run.repeated += 1,
            None => runs.push(Run { begin: (!is_next).then_some(begin), ticks, repeated: 0 }),
        }
        end = begin.checked_add_unsigned(ticks);
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a player makes of it.
    fn expand(runs: &[Run]) -> Vec<(i64, u64)> {
        let mut segments = Vec::new();
        let mut at = 0;
        for run in runs {
            at = run.begin.unwrap_or(at);
            for _ in 0..=run.repeated {
                segments.push((at, run.ticks));
                at += i64::try_from(run.ticks).unwrap();
            }
        }
        segments
    }

    #[test]
    fn equal_neighbours_are_told_once() {
        let segments = [(7, 2), (9, 2), (11, 3), (20, 3)];
        let run = |begin, ticks, repeated| Run { begin, ticks, repeated };
        assert_eq!(runs(segments), [run(Some(7), 2, 1), run(None, 3, 0), run(Some(20), 3, 0)]);
    }

    proptest! {
        #[test]
        fn runs_expand_to_the_segments(steps in prop::collection::vec((1u64..4, prop_oneof![9 => Just(0), 1 => 0i64..3]), 0..50)) {
            let mut at = 90_000;
            let segments: Vec<(i64, u64)> = steps.into_iter().map(|(ticks, hole)| {
                let begin = at + hole;
                at = begin + i64::try_from(ticks).unwrap();
                (begin, ticks)
            }).collect();
            prop_assert_eq!(expand(&runs(segments.clone())), segments);
        }
    }
}
