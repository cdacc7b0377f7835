//! A seat: where a viewer leaves its place and its outlet while somebody else writes for it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};

use super::cursor::Place;
use super::item::Batch;
use super::outlet::Outlet;
use super::ring::Ring;
use super::round::{Call, Round};
use super::sync::Mutex;
use super::viewer::ViewerEntry;

/// What a viewer entrusts.
pub(crate) struct Entrusted {
    pub(crate) place: Place<Batch>,
    pub(crate) outlet: Box<dyn Outlet>,
    pub(crate) viewer: Arc<ViewerEntry>,
    pub(crate) waker: Waker,
}

/// Shared by a viewer's task and the writer of its set.
pub(crate) struct Seat(Mutex<State>);

struct State {
    held: Held,
    /// Whether the writer has the seat on its list, so that it is never there twice.
    listed: bool,
}

enum Held {
    Nothing,
    /// To be written for.
    Served(Entrusted),
    /// To be taken back by the viewer's task, with what its connection did not take.
    Returned(Entrusted, Bytes),
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { held: Held::Nothing, listed: false }))
    }

    /// Takes what is entrusted; returns whether the writer has yet to be told of the seat.
    pub(crate) fn entrust(&self, entrusted: Entrusted) -> bool {
        let mut state = self.0.lock();
        state.held = Held::Served(entrusted);
        !std::mem::replace(&mut state.listed, true)
    }

    /// Gives back what was entrusted and what the connection did not take.
    pub(crate) fn take_back(&self) -> Option<(Entrusted, Bytes)> {
        match std::mem::replace(&mut self.0.lock().held, Held::Nothing) {
            Held::Served(entrusted) => Some((entrusted, Bytes::new())),
            Held::Returned(entrusted, rest) => Some((entrusted, rest)),
            Held::Nothing => None,
        }
    }

    /// Ready when it is for the viewer's own task to go on.
    pub(crate) fn poll_returned(&self, cx: &Context<'_>) -> Poll<()> {
        match &mut self.0.lock().held {
            Held::Served(entrusted) => {
                entrusted.waker.clone_from(cx.waker());
                Poll::Pending
            }
            Held::Returned(..) | Held::Nothing => Poll::Ready(()),
        }
    }

    /// Sends what is new; returns whether the viewer is still to be written for.
    pub(crate) fn serve(&self, ring: &Ring<Batch>, round: &mut Round) -> bool {
        let mut state = self.0.lock();
        let Held::Served(Entrusted { place, outlet, viewer, .. }) = &mut state.held else { return false };
        let rest = loop {
            match round.call(place, ring) {
                Call::Wait => return true,
                Call::Return => break Bytes::new(),
                Call::Send => {}
            }
            let mut bytes = round.framed_for(&**outlet);
            let taken = outlet.send(&bytes);
            round.pass(place);
            viewer.record_sent(bytes.len(), round.frames());
            viewer.stats.position_ms.set(round.dts_ms());
            bytes.advance(taken.min(bytes.len()));
            if !bytes.is_empty() {
                break bytes;
            }
            if !round.more() {
                return true;
            }
        };
        let waker = state.give_back(rest);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        false
    }

    /// Leaves the viewer to its own task.
    pub(crate) fn give_back(&self) {
        let waker = self.0.lock().give_back(Bytes::new());
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes the seat off the list unless the viewer entrusted itself anew; returns whether it is off.
    pub(crate) fn unlist(&self) -> bool {
        let mut state = self.0.lock();
        state.listed = matches!(state.held, Held::Served(_));
        !state.listed
    }
}

impl State {
    /// Returns who is to be woken.
    fn give_back(&mut self, rest: Bytes) -> Option<Waker> {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Served(entrusted) => {
                let waker = entrusted.waker.clone();
                self.held = Held::Returned(entrusted, rest);
                Some(waker)
            }
            other => {
                self.held = other;
                None
            }
        }
    }
}
