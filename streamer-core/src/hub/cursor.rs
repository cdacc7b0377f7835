//! A reader's place in a ring.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::ring::{Held, Phase, Ring, RingItem};
use super::wake::WakeSlot;

/// Where a reader begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// At the newest random access point held, else at the next one: first picture at once.
    #[default]
    NewestSync,
    /// At the next random access point: lowest latency.
    NextSync,
    /// At the oldest random access point held: all there is.
    OldestHeld,
}

impl Join {
    fn seq<T>(self, held: &Held<T>) -> u64 {
        let sync = match self {
            Self::NewestSync => held.newest_sync(),
            Self::OldestHeld => held.oldest_sync(),
            Self::NextSync => None,
        };
        sync.unwrap_or_else(|| held.next_seq())
    }
}

/// What a cursor meets next.
pub(crate) enum Step<T: RingItem> {
    /// The header that governs the items from here on.
    Header(Arc<T::Header>),
    /// An item.
    Item(T),
    /// Frames the reader was too slow for; a random access point follows.
    Lost { frames: u64 },
    /// The publisher is away and may come back.
    Interrupted,
    /// Nothing more will come.
    Ended,
}

/// A reader of a ring. It never enters a GOP but at its start.
pub(crate) struct Cursor<T: RingItem> {
    ring: Arc<Ring<T>>,
    place: Place<T>,
    /// The set of readers it is woken with.
    set: usize,
    wake: WakeSlot,
}

/// A reader's place in a ring.
pub(crate) struct Place<T: RingItem> {
    pub(crate) next_seq: u64,
    /// Frames pushed before the item it expects next.
    pub(crate) next_frame: u64,
    header: Option<Arc<T::Header>>,
    /// Go on at a random access point only.
    seek_sync: bool,
    /// Whether an item was read: what passes before that is not lost.
    joined: bool,
    pub(crate) phase_changes: u64,
}

impl<T: RingItem> Clone for Place<T> {
    fn clone(&self) -> Self {
        Self { header: self.header.clone(), ..*self }
    }
}

impl<T: RingItem> Place<T> {
    /// Whether items follow one another from here: it has begun and seeks nothing.
    pub(crate) const fn is_running(&self) -> bool {
        self.joined && !self.seek_sync
    }

    /// Whether an item governed by `header` can follow as it is.
    pub(crate) fn runs_under(&self, header: &Arc<T::Header>) -> bool {
        self.header.as_ref().is_some_and(|known| Arc::ptr_eq(known, header))
    }

    fn step(&mut self, held: &Held<T>) -> Option<Step<T>> {
        if self.next_seq < held.first_seq() {
            // Evicted: forward to the newest random access point, to be live again.
            self.next_seq = Join::NewestSync.seq(held);
            self.seek_sync = true;
        }
        if self.seek_sync {
            match held.sync_from(self.next_seq) {
                Some(seq) => {
                    self.next_seq = seq;
                    self.seek_sync = false;
                }
                None => self.next_seq = held.next_seq(),
            }
        }
        let Some(slot) = held.get(self.next_seq) else { return self.phase_step(held) };
        if self.joined && slot.frames_before > self.next_frame {
            let frames = slot.frames_before - self.next_frame;
            self.next_frame = slot.frames_before;
            return Some(Step::Lost { frames });
        }
        let header = slot.item.header();
        if !self.runs_under(header) {
            self.header = Some(Arc::clone(header));
            return Some(Step::Header(Arc::clone(header)));
        }
        self.joined = true;
        self.next_seq += 1;
        self.next_frame = slot.frames_before + slot.item.frame_count();
        Some(Step::Item(slot.item.clone()))
    }

    fn phase_step(&mut self, held: &Held<T>) -> Option<Step<T>> {
        match held.phase() {
            (Phase::Ended, _) => Some(Step::Ended),
            (Phase::Interrupted, changes) if changes != self.phase_changes => {
                self.phase_changes = changes;
                Some(Step::Interrupted)
            }
            (Phase::Interrupted | Phase::Live, _) => None,
        }
    }

    fn skip(&mut self, next_seq: u64) {
        self.next_seq = self.next_seq.max(next_seq);
        self.seek_sync = true;
        self.joined = false;
    }
}

impl<T: RingItem> Cursor<T> {
    pub(crate) fn new(ring: Arc<Ring<T>>, join: Join) -> Self {
        let place = Place {
            next_seq: ring.read(|held| join.seq(held)),
            next_frame: 0,
            header: None,
            seek_sync: true,
            joined: false,
            phase_changes: 0,
        };
        let set = ring.next_set();
        Self { place, set, wake: ring.wake_slot_of(set), ring }
    }

    pub(crate) const fn set(&self) -> usize {
        self.set
    }

    pub(crate) const fn place(&self) -> &Place<T> {
        &self.place
    }

    /// Goes on at `place`.
    pub(crate) fn go_on_at(&mut self, place: Place<T>) {
        self.place = place;
    }

    /// Is woken no more until it is polled again.
    pub(crate) fn withdraw(&self) {
        self.wake.withdraw();
    }

    /// The next step, if one can be made now.
    pub(crate) fn try_step(&mut self) -> Option<Step<T>> {
        let place = &mut self.place;
        self.ring.read(|held| place.step(held))
    }

    /// The next step; leaves a waker when there is none yet.
    pub(crate) fn poll_step(&mut self, cx: &Context<'_>) -> Poll<Step<T>> {
        if let Some(step) = self.try_step() {
            return Poll::Ready(step);
        }
        self.wake.register(cx);
        self.try_step().map_or(Poll::Pending, Poll::Ready)
    }

    /// Goes forward to where `join` says, never back. Frames passed over are not counted as lost: the
    /// reader asked for it.
    pub(crate) fn skip(&mut self, join: Join) {
        self.place.skip(self.ring.read(|held| join.seq(held)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::RingLimits;
    use super::super::ring::tests::{Probe, probe};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn limits() -> RingLimits {
        RingLimits {
            hold: Duration::from_secs(2),
            max_duration: Duration::from_secs(10),
            max_bytes: 10_000,
            max_items: 20,
        }
    }

    fn numbers(cursor: &mut Cursor<Probe>) -> (Vec<u64>, u64) {
        let (mut read, mut lost) = (Vec::new(), 0);
        while let Some(step) = cursor.try_step() {
            match step {
                Step::Item(item) => read.push(item.number),
                Step::Lost { frames } => lost += frames,
                Step::Header(_) | Step::Interrupted => {}
                Step::Ended => break,
            }
        }
        (read, lost)
    }

    #[test]
    fn each_join_begins_where_it_says() {
        let ring = Arc::new(Ring::new(RingLimits { hold: Duration::from_secs(60), ..RingLimits::default() }));
        for number in 0..7 {
            ring.append(probe(number, number % 3 == 0, 0));
        }
        let mut newest = Cursor::new(Arc::clone(&ring), Join::NewestSync);
        let mut next = Cursor::new(Arc::clone(&ring), Join::NextSync);
        let mut oldest = Cursor::new(Arc::clone(&ring), Join::OldestHeld);
        for number in 7..11 {
            ring.append(probe(number, number % 3 == 0, 0));
        }
        assert_eq!(numbers(&mut newest), ((6..11).collect(), 0));
        assert_eq!(numbers(&mut next), ((9..11).collect(), 0));
        assert_eq!(numbers(&mut oldest), ((0..11).collect(), 0));
    }

    #[test]
    fn an_evicted_cursor_is_told_its_loss_and_goes_on_at_a_sync() {
        let ring = Arc::new(Ring::new(limits()));
        ring.append(probe(0, true, 0));
        let mut cursor = Cursor::new(Arc::clone(&ring), Join::NewestSync);
        assert_eq!(numbers(&mut cursor), (vec![0], 0));
        for number in 1..100 {
            ring.append(probe(number, number == 95, 0));
        }
        assert_eq!(numbers(&mut cursor), ((95..100).collect(), 94));
    }

    #[test]
    fn an_interruption_is_told_once_and_the_end_after_it() {
        let ring = Arc::new(Ring::new(limits()));
        ring.append(probe(0, true, 0));
        let mut cursor = Cursor::new(Arc::clone(&ring), Join::NewestSync);
        ring.set_phase(Phase::Interrupted);
        let steps: Vec<_> = std::iter::from_fn(|| cursor.try_step()).collect();
        assert!(matches!(steps[..], [Step::Header(_), Step::Item(_), Step::Interrupted]));
        ring.append(probe(1, true, 1));
        assert!(matches!(cursor.try_step(), Some(Step::Item(_))));
        ring.set_phase(Phase::Interrupted);
        assert!(matches!(cursor.try_step(), Some(Step::Interrupted)));
        assert!(cursor.try_step().is_none());
        ring.set_phase(Phase::Ended);
        ring.append(probe(2, true, 2));
        assert!(matches!(cursor.try_step(), Some(Step::Ended)));
    }

    proptest! {
        /// However items and reads interleave: what is read rises, what is missing is counted, and after
        /// a gap the next item is a random access point.
        #[test]
        fn no_gap_but_before_a_sync(script in prop::collection::vec((any::<bool>(), 0usize..60), 1..40)) {
            let ring = Arc::new(Ring::new(limits()));
            let mut cursor = Cursor::new(Arc::clone(&ring), Join::NewestSync);
            let (mut pushed, mut expected, mut began) = (0, 0, false);
            for (sync, count) in script {
                for index in 0..count {
                    ring.append(probe(pushed, sync && index == count / 2, 0));
                    pushed += 1;
                }
                let mut lost = 0;
                while let Some(step) = cursor.try_step() {
                    match step {
                        Step::Item(item) => {
                            if !began || item.number != expected {
                                prop_assert!(item.sync);
                            }
                            if began {
                                prop_assert_eq!(item.number, expected + lost);
                            }
                            (began, expected, lost) = (true, item.number + 1, 0);
                        }
                        Step::Lost { frames } => lost += frames,
                        Step::Header(_) => {}
                        Step::Interrupted | Step::Ended => prop_assert!(false),
                    }
                }
            }
        }
    }
}
