//! Fan-out: one task writes for many viewers, instead of waking a task for each of them.
//!
//! A viewer that has all there is entrusts its place in the ring and its [`Outlet`] to the writer of its set and
//! sleeps. When the set's turn comes the writer gathers what is new once and offers it to each connection. A viewer whose
//! connection does not take all of it, or whose next step is anything but a batch, gets its place back with the rest
//! and goes on by itself.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::item::Batch;
#[cfg(doc)]
use super::outlet::Outlet;
use super::ring::Ring;
use super::round::Round;
use super::seat::Seat;
use super::sync::Mutex;
use super::wake::WakeSlot;

/// Viewers that are written to before other tasks of the thread have their turn: a tenth of a millisecond.
pub const SEATS_PER_POLL: usize = 16;

/// The writers of a form, one for each set of viewers that are woken together.
pub(crate) struct Fanout {
    ring: Arc<Ring<Batch>>,
    sets: Box<[Mutex<Set>]>,
}

#[derive(Default)]
struct Set {
    /// Seats that the writer does not know of yet.
    arrivals: Vec<Arc<Seat>>,
    has_writer: bool,
}

impl Fanout {
    pub(crate) fn new(ring: Arc<Ring<Batch>>) -> Self {
        let sets = (0..ring.sets()).map(|_| Mutex::default()).collect();
        Self { ring, sets }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring<Batch>> {
        &self.ring
    }

    /// Puts `seat` on the list of set `set`. Returns the set's writer if it had none.
    pub(crate) fn list(self: &Arc<Self>, set: usize, seat: Arc<Seat>) -> Option<FanoutWriter> {
        let set_of = self.sets.get(set)?;
        let mut state = set_of.lock();
        state.arrivals.push(seat);
        let needed = !std::mem::replace(&mut state.has_writer, true);
        drop(state);
        needed.then(|| FanoutWriter {
            fanout: Arc::clone(self),
            set,
            seats: Vec::new(),
            at: None,
            round: Round::new(),
            wake: self.ring.wake_slot_of(set),
            retired: false,
        })
    }
}

/// Writes for the viewers of one set. It is to be run in a task of its own; dropped, it leaves them to theirs.
pub struct FanoutWriter {
    fanout: Arc<Fanout>,
    set: usize,
    seats: Vec<Arc<Seat>>,
    /// The seat that the turn under way has come to.
    at: Option<usize>,
    round: Round,
    wake: WakeSlot,
    retired: bool,
}

impl FanoutWriter {
    /// Writes until no viewer is left.
    pub fn run(mut self) -> impl Future<Output = ()> + Send {
        poll_fn(move |cx| self.poll(cx))
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let at = self.at.unwrap_or_else(|| {
            // Before anything is read: what comes from here on wakes the task again.
            self.wake.register(cx);
            if let Some(set) = self.fanout.sets.get(self.set) {
                self.seats.append(&mut set.lock().arrivals);
            }
            0
        });
        let until = self.serve(at);
        if until < self.seats.len() {
            self.at = Some(until);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.at = None;
        self.round.forget();
        if self.seats.is_empty() && self.retire() {
            return Poll::Ready(());
        }
        if self.wake.is_woken() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Serves some of the seats from `at` on; returns the one it came to.
    fn serve(&mut self, mut at: usize) -> usize {
        for _ in 0..SEATS_PER_POLL {
            let Some(seat) = self.seats.get(at) else { break };
            if seat.serve(&self.fanout.ring, &mut self.round) || !seat.unlist() {
                at += 1;
            } else {
                self.seats.swap_remove(at);
            }
        }
        at
    }

    /// Ends unless somebody has just come.
    fn retire(&mut self) -> bool {
        let Some(set) = self.fanout.sets.get(self.set) else { return true };
        let mut state = set.lock();
        self.retired = state.arrivals.is_empty();
        state.has_writer = !self.retired;
        self.retired
    }
}

impl Drop for FanoutWriter {
    fn drop(&mut self) {
        if self.retired {
            return;
        }
        if let Some(set) = self.fanout.sets.get(self.set) {
            let mut state = set.lock();
            state.has_writer = false;
            self.seats.append(&mut state.arrivals);
        }
        for seat in self.seats.drain(..) {
            seat.give_back();
            seat.unlist();
        }
    }
}
