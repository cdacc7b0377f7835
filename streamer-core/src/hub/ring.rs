//! The ring: the newest items of one broadcast, held once for all its readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use super::sync::RwLock;
use super::wake::{WakeSet, WakeSlot};

/// What a ring holds: media, or bytes made from it once for everybody.
pub trait RingItem: Clone + Send + Sync + 'static {
    /// What a reader must have before the item: tracks, or the bytes made from them.
    type Header: Send + Sync + 'static;

    /// The header in force for this item. Items governed by one header share one `Arc`.
    fn header(&self) -> &Arc<Self::Header>;
    /// Whether a reader can begin here.
    fn random_access(&self) -> bool;
    /// Bytes it holds.
    fn byte_len(&self) -> usize;
    /// Frames it stands for, to count losses in.
    fn frame_count(&self) -> u64;
    /// Decode time of its first frame in milliseconds.
    fn dts_ms(&self) -> i64;
}

/// How much a ring holds. Whole GOPs leave as soon as what follows them covers `hold`; the three other
/// bounds hold in any case, also for a stream that never sends another random access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLimits {
    /// Media time kept behind the newest item besides the newest GOP: how far a reader may fall back.
    pub hold: Duration,
    /// Most media time held.
    pub max_duration: Duration,
    /// Most bytes held, save that the newest item always is.
    pub max_bytes: usize,
    /// Most items held.
    pub max_items: usize,
}

/// Media time a ring keeps behind the live edge by default: what a viewer may lag before it is skipped
/// forward; long enough for a network hiccup, short enough that hundreds of idle streams stay small.
pub const DEFAULT_RING_HOLD: Duration = Duration::from_secs(3);
/// Most media time in a ring: the 30 s GOPs seen in the field can still be joined at their start.
pub const MAX_RING_DURATION: Duration = Duration::from_secs(35);
/// Most bytes in a ring: 30 s at 16 Mbit/s, or four frames of 16 MiB.
pub const MAX_RING_BYTES: usize = 64 << 20;
/// Most items in a ring: 35 s of 120 pictures and 100 audio frames a second.
pub const MAX_RING_ITEMS: usize = 8_192;

/// Room is made for one item more to each eight: what is copied while a ring fills stays some eight times what is in it.
const GROWTH_PART: usize = 8;
/// Room is made for as many items at least.
const MIN_GROWTH: usize = 16;

impl Default for RingLimits {
    fn default() -> Self {
        Self {
            hold: DEFAULT_RING_HOLD,
            max_duration: MAX_RING_DURATION,
            max_bytes: MAX_RING_BYTES,
            max_items: MAX_RING_ITEMS,
        }
    }
}

/// Whether more items will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Items are being pushed.
    Live,
    /// The publisher is away and may come back.
    Interrupted,
    /// No more items.
    Ended,
}

pub(crate) struct Slot<T> {
    pub(crate) item: T,
    /// Frames pushed before this item since the ring began.
    pub(crate) frames_before: u64,
}

/// A random access point that is held.
struct SyncPoint {
    seq: u64,
    dts_ms: i64,
}

/// What a ring holds at one moment, as readers see it.
pub(crate) struct Held<T> {
    slots: VecDeque<Slot<T>>,
    /// Sequence number of the slot at the front.
    first_seq: u64,
    /// Decoding time of the item at the front. Kept here, as those of the random access points are, so that appending does
    /// not look at items of seconds ago, which the cache has long lost.
    first_ms: i64,
    /// The random access points held, oldest first.
    syncs: VecDeque<SyncPoint>,
    frames: u64,
    bytes: usize,
    phase: Phase,
    /// Grows when the phase changes, so that each reader is told once.
    phase_changes: u64,
}

impl<T> Held<T> {
    pub(crate) const fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The sequence number the next item pushed will have.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first_seq + self.slots.len() as u64
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Slot<T>> {
        usize::try_from(seq.checked_sub(self.first_seq)?).ok().and_then(|index| self.slots.get(index))
    }

    pub(crate) fn oldest_sync(&self) -> Option<u64> {
        self.syncs.front().map(|sync| sync.seq)
    }

    pub(crate) fn newest_sync(&self) -> Option<u64> {
        self.syncs.back().map(|sync| sync.seq)
    }

    /// The first random access point at or after `seq`.
    pub(crate) fn sync_from(&self, seq: u64) -> Option<u64> {
        self.syncs.get(self.syncs.partition_point(|sync| sync.seq < seq)).map(|sync| sync.seq)
    }

    pub(crate) const fn phase(&self) -> (Phase, u64) {
        (self.phase, self.phase_changes)
    }
}

impl<T: RingItem> Held<T> {
    fn evict_front(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.item.byte_len();
            if self.oldest_sync() == Some(self.first_seq) {
                self.syncs.pop_front();
            }
            self.first_seq += 1;
            self.first_ms = self.slots.front().map_or(self.first_ms, |slot| slot.item.dts_ms());
        }
    }

    /// Appends an item and lets go of what is no longer to be held.
    fn push(&mut self, item: T, limits: &RingLimits) {
        let dts_ms = item.dts_ms();
        if item.random_access() {
            self.syncs.push_back(SyncPoint { seq: self.next_seq(), dts_ms });
        }
        if self.slots.is_empty() {
            self.first_ms = dts_ms;
        }
        self.bytes += item.byte_len();
        let frames_before = self.frames;
        self.frames += item.frame_count();
        if self.slots.len() == self.slots.capacity() {
            // Items take the places of all that there is room for in turn: doubled, it would be twice the memory at worst.
            self.slots.reserve_exact((self.slots.len() / GROWTH_PART).max(MIN_GROWTH));
        }
        self.slots.push_back(Slot { item, frames_before });
        self.evict(dts_ms, limits);
    }

    fn evict(&mut self, newest_ms: i64, limits: &RingLimits) {
        let hold_ms = millis(limits.hold);
        // When the media from the second random access point on covers the hold, what is before it can go.
        while let Some(&SyncPoint { seq, dts_ms }) = self.syncs.get(1)
            && newest_ms.saturating_sub(dts_ms) >= hold_ms
        {
            while self.first_seq < seq {
                self.evict_front();
            }
        }
        let max_ms = millis(limits.max_duration);
        while self.slots.len() > 1
            && (self.slots.len() > limits.max_items
                || self.bytes > limits.max_bytes
                || newest_ms.saturating_sub(self.first_ms) > max_ms)
        {
            self.evict_front();
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A sequence-numbered window of items: at once the GOP cache and everyone's queue.
pub(crate) struct Ring<T> {
    held: RwLock<Held<T>>,
    /// The readers that wait, dealt out over as many sets as they may be woken in turn.
    wakes: Box<[Arc<WakeSet>]>,
    next_set: AtomicUsize,
    limits: RingLimits,
}

impl<T: RingItem> Ring<T> {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self::in_turns(limits, 1)
    }

    /// A ring whose readers can be woken in `turns` parts.
    pub(crate) fn in_turns(limits: RingLimits, turns: usize) -> Self {
        Self {
            held: RwLock::new(Held {
                slots: VecDeque::new(),
                first_seq: 0,
                first_ms: 0,
                syncs: VecDeque::new(),
                frames: 0,
                bytes: 0,
                phase: Phase::Live,
                phase_changes: 0,
            }),
            wakes: (0..turns.max(1)).map(|_| Arc::default()).collect(),
            next_set: AtomicUsize::new(0),
            limits,
        }
    }

    /// Appends `item` and evicts what is past the limits; nothing is appended once ended. Wakes nobody:
    /// the caller does that once for all it appends.
    pub(crate) fn append(&self, item: T) {
        let mut held = self.held.write();
        if held.phase == Phase::Ended {
            return;
        }
        held.phase = Phase::Live;
        held.push(item, &self.limits);
    }

    /// Wakes all readers that wait.
    pub(crate) fn wake(&self, scratch: &mut Vec<Waker>) {
        self.wakes.iter().for_each(|wake| wake.wake_all_in(scratch));
    }

    /// Wakes the readers that wait of those sets whose bit is 1 in `sets`.
    pub(crate) fn wake_sets(&self, sets: u16, scratch: &mut Vec<Waker>) {
        for (index, wake) in self.wakes.iter().enumerate() {
            if sets >> index & 1 == 1 {
                wake.wake_all_in(scratch);
            }
        }
    }

    /// Goes on after an interruption.
    pub(crate) fn resume(&self) {
        self.set_phase(Phase::Live);
    }

    /// Changes the phase and wakes all readers; an ended ring stays ended.
    pub(crate) fn set_phase(&self, phase: Phase) {
        {
            let mut held = self.held.write();
            if held.phase == phase || held.phase == Phase::Ended {
                return;
            }
            held.phase = phase;
            held.phase_changes += 1;
        }
        self.wakes.iter().for_each(|wake| wake.wake_all());
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&Held<T>) -> R) -> R {
        look(&self.held.read())
    }

    /// How many sets readers are dealt out over.
    pub(crate) const fn sets(&self) -> usize {
        self.wakes.len()
    }

    /// The set of one reader more.
    pub(crate) fn next_set(&self) -> usize {
        self.next_set.fetch_add(1, Ordering::Relaxed) % self.wakes.len()
    }

    /// A place to wait in with the readers of set `set`.
    pub(crate) fn wake_slot_of(&self, set: usize) -> WakeSlot {
        WakeSlot::new(Arc::clone(&self.wakes[set]))
    }

    /// Bytes and items held.
    pub(crate) fn occupancy(&self) -> (usize, usize) {
        self.read(|held| (held.bytes, held.slots.len()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An item of one frame, for the tests of the ring and its cursors.
    #[derive(Clone, Debug)]
    pub(crate) struct Probe {
        pub(crate) header: Arc<u32>,
        pub(crate) number: u64,
        pub(crate) sync: bool,
        pub(crate) bytes: usize,
        pub(crate) ms: i64,
    }

    impl RingItem for Probe {
        type Header = u32;
        fn header(&self) -> &Arc<u32> {
            &self.header
        }
        fn random_access(&self) -> bool {
            self.sync
        }
        fn byte_len(&self) -> usize {
            self.bytes
        }
        fn frame_count(&self) -> u64 {
            1
        }
        fn dts_ms(&self) -> i64 {
            self.ms
        }
    }

    pub(crate) fn probe(number: u64, sync: bool, ms: i64) -> Probe {
        thread_local!(static HEADER: Arc<u32> = Arc::new(7));
        Probe { header: HEADER.with(Arc::clone), number, sync, bytes: 10, ms }
    }

    #[test]
    fn whole_gops_leave_when_the_rest_covers_the_hold() {
        let ring = Ring::new(RingLimits { hold: Duration::from_secs(3), ..RingLimits::default() });
        for number in 0..10 {
            ring.append(probe(number, number % 2 == 0, i64::try_from(number).unwrap() * 1_000));
        }
        // Newest at 9 s: the GOPs at 0, 2 and 4 are covered by the one at 6, which covers 3 s itself.
        ring.read(|held| assert_eq!((held.first_seq(), held.oldest_sync()), (6, Some(6))));
    }

    #[test]
    fn room_is_made_for_little_more_than_what_is_held() {
        let ring = Ring::new(RingLimits::default());
        for number in 0..2_000 {
            ring.append(probe(number, false, 0));
            ring.read(|held| {
                let (len, room) = (held.slots.len(), held.slots.capacity());
                assert!(room <= len + (len / GROWTH_PART).max(MIN_GROWTH), "{room} for {len}");
            });
        }
    }

    #[test]
    fn a_stream_without_sync_stays_within_each_bound() {
        let tight = RingLimits {
            hold: Duration::from_secs(3),
            max_duration: Duration::from_secs(5),
            max_bytes: 1_000,
            max_items: 50,
        };
        for (step_ms, expected) in [(1_000, 6), (1, 50)] {
            let ring = Ring::new(tight);
            for number in 0..1_000 {
                ring.append(probe(number, false, i64::try_from(number).unwrap() * step_ms));
            }
            assert_eq!(ring.occupancy().1, expected);
        }
        let ring = Ring::new(tight);
        for number in 0..100 {
            ring.append(Probe { bytes: 400, ..probe(number, false, 0) });
        }
        assert_eq!(ring.occupancy(), (800, 2));
        ring.append(Probe { bytes: 5_000, ..probe(100, false, 0) });
        assert_eq!(ring.occupancy(), (5_000, 1), "the newest item is held however large");
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_the_counts_agree(items in prop::collection::vec((any::<bool>(), 0usize..500, -50i64..3_000), 1..300)) {
            let limits = RingLimits { hold: Duration::from_secs(3), max_duration: Duration::from_secs(20), max_bytes: 20_000, max_items: 100 };
            let ring = Ring::new(limits);
            let mut ms = 0;
            for (number, (sync, bytes, step)) in items.into_iter().enumerate() {
                ms += step;
                ring.append(Probe { bytes, ..probe(number as u64, sync, ms) });
                ring.read(|held| {
                    assert!(held.slots.len() <= limits.max_items);
                    assert!(held.bytes <= limits.max_bytes || held.slots.len() == 1);
                    assert_eq!(held.bytes, held.slots.iter().map(|slot| slot.item.bytes).sum::<usize>());
                    let syncs: Vec<u64> = (held.first_seq..held.next_seq()).filter(|&seq| held.get(seq).unwrap().item.sync).collect();
                    assert_eq!(syncs, held.syncs.iter().map(|sync| sync.seq).collect::<Vec<_>>());
                    assert_eq!(held.first_ms, held.slots[0].item.ms);
                });
            }
        }
    }
}
