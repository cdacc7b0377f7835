//! Which of several places a pull goes to next, and when it looks at a better one. Pure: time is an argument.

use std::time::Duration;

/// The places of one stream in order of preference, by their number from 0.
///
/// - After a failure the best place that was not tried in this round is next; once all were, a new round begins
///   with the best. A place that gives media begins a new round, so that after its failure the best is next.
/// - While a stand-in gives media, the places before it are looked at once every `return_every`.
#[derive(Debug)]
pub(crate) struct Places {
    current: usize,
    tried: Vec<bool>,
    return_every: Option<Duration>,
    look_at: Option<Duration>,
}

impl Places {
    /// `count` places, at least one; `return_every` is `None` to stay with a stand-in until it fails.
    pub(crate) fn new(count: usize, return_every: Option<Duration>) -> Self {
        Self { current: 0, tried: vec![false; count.max(1)], return_every, look_at: None }
    }

    /// The place to be at.
    pub(crate) const fn current(&self) -> usize {
        self.current
    }

    /// The current place failed.
    pub(crate) fn failed(&mut self) {
        self.look_at = None;
        if let Some(tried) = self.tried.get_mut(self.current) {
            *tried = true;
        }
        self.current = self.tried.iter().position(|tried| !tried).unwrap_or_else(|| {
            self.tried.fill(false);
            0
        });
    }

    /// The current place gives media, at `now` on any steady clock.
    pub(crate) fn gives_media(&mut self, now: Duration) {
        self.tried.fill(false);
        if self.current > 0 && self.look_at.is_none() {
            self.look_at = self.return_every.map(|every| now + every);
        }
    }

    /// When the better places are to be looked at.
    pub(crate) const fn look_at(&self) -> Option<Duration> {
        self.look_at
    }

    /// The better places were looked at until `now` and none gave media.
    pub(crate) fn none_is_better(&mut self, now: Duration) {
        self.look_at = self.return_every.map(|every| now + every);
    }

    /// `place` gave media when it was looked at: the pull is there from now on.
    pub(crate) fn go_to(&mut self, place: usize, now: Duration) {
        self.current = place.min(self.current);
        self.look_at = None;
        self.gives_media(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVERY: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(places: &mut Places, times: usize) -> Vec<usize> {
        let next = |_| {
            places.failed();
            places.current()
        };
        (0..times).map(next).collect()
    }

    #[test]
    fn places_that_give_nothing_are_tried_in_turn() {
        let mut places = Places::new(3, Some(EVERY));
        assert_eq!(places.current(), 0);
        assert_eq!(fail(&mut places, 6), [1, 2, 0, 1, 2, 0]);
        assert_eq!(fail(&mut Places::new(1, None), 3), [0, 0, 0]);
    }

    #[test]
    fn after_a_place_that_gave_media_the_best_of_the_others_is_next() {
        let mut places = Places::new(3, Some(EVERY));
        fail(&mut places, 1);
        places.gives_media(at(0));
        assert_eq!(fail(&mut places, 4), [0, 2, 0, 1]);
    }

    #[test]
    fn better_places_are_looked_at_in_turn_while_a_stand_in_gives_media() {
        let mut places = Places::new(3, Some(EVERY));
        places.gives_media(at(1));
        assert_eq!(places.look_at(), None, "none is better");
        fail(&mut places, 2);
        assert_eq!(places.look_at(), None, "nothing streams");
        places.gives_media(at(10));
        places.gives_media(at(20));
        assert_eq!(places.look_at(), Some(at(40)), "from its first media on");
        places.none_is_better(at(45));
        assert_eq!(places.look_at(), Some(at(75)));
        places.go_to(1, at(80));
        assert_eq!((places.current(), places.look_at()), (1, Some(at(110))), "still a stand-in");
        places.go_to(0, at(120));
        assert_eq!((places.current(), places.look_at()), (0, None));
    }

    #[test]
    fn without_a_return_it_stays() {
        let mut places = Places::new(2, None);
        fail(&mut places, 1);
        places.gives_media(at(0));
        assert_eq!(places.look_at(), None);
        places.none_is_better(at(0));
        assert_eq!(places.look_at(), None);
    }

    proptest! {
        /// However it goes, a place is one of those there are, and in each round of failures each is tried.
        #[test]
        fn every_place_gets_its_turn(
            count in 1usize..6,
            media in proptest::collection::vec(any::<bool>(), 0..40),
        ) {
            let mut places = Places::new(count, Some(EVERY));
            for (second, gives) in media.into_iter().enumerate() {
                if gives { places.gives_media(at(second as u64)) } else { places.failed() }
                prop_assert!(places.current() < count);
                prop_assert!(places.look_at().is_none() || places.current() > 0);
            }
            let tried: std::collections::BTreeSet<_> = fail(&mut places, 2 * count).into_iter().collect();
            prop_assert_eq!(tried.len(), count);
        }
    }
}
