//! A subscriber: a viewer's cursor in a ring, told what it misses.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::cursor::{Cursor, Join, Step};
use super::error::CloseReason;
use super::fanout::{Fanout, FanoutWriter};
use super::item::{Batch, MediaItem};
use super::options::Overrun;
use super::outlet::Outlet;
use super::ring::RingItem;
use super::round::Round;
use super::seat::{Entrusted, Seat};
use super::viewer::{Viewer, ViewerInfo};
use super::wake::WakeSlot;

/// Who sends what comes next to a viewer.
pub enum Turn {
    /// The viewer's own task, as before.
    Own,
    /// The writer of the form, until [`Subscriber::poll_returned`] is ready. If the viewer is the first of its set, the
    /// writer is to be run in a task of its own.
    Writer(Option<Box<FanoutWriter>>),
}

/// How to subscribe.
#[derive(Clone, Debug)]
pub struct SubscribeOptions {
    /// Who subscribes.
    pub viewer: ViewerInfo,
    /// Where to begin.
    pub join: Join,
    /// What to do when too slow; `None` takes the application's choice.
    pub overrun: Option<Overrun>,
}

impl SubscribeOptions {
    /// Joins at the newest random access point, with the application's overrun policy.
    #[must_use]
    pub const fn new(viewer: ViewerInfo) -> Self {
        Self { viewer, join: Join::NewestSync, overrun: None }
    }
}

/// What a subscriber meets next.
#[derive(Clone, Debug)]
pub enum Delivery<T: RingItem = MediaItem> {
    /// The header that governs the items from here on: tracks, or bytes made from them.
    Header(Arc<T::Header>),
    /// An item.
    Item(T),
    /// Frames missed for being too slow; a random access point follows.
    Lost {
        /// How many.
        frames: u64,
    },
    /// The publisher is away and may come back; the subscriber decides how long it waits.
    Interrupted,
    /// Closed from the other side.
    Closed(CloseReason),
}

/// A reader of one broadcast, of its media or of a byte form made from it.
pub struct Subscriber<T: RingItem = MediaItem> {
    cursor: Cursor<T>,
    viewer: Viewer,
    overrun: Overrun,
    close_slot: WakeSlot,
    delegation: Option<Delegation>,
}

/// How a viewer of a form lets the form's writer send for it.
struct Delegation {
    fanout: Arc<Fanout>,
    /// Made when it is first needed: a viewer without an outlet needs none.
    seat: Option<Arc<Seat>>,
    outlet: Option<Box<dyn Outlet>>,
    entrusted: bool,
}

impl Drop for Delegation {
    fn drop(&mut self) {
        if self.entrusted
            && let Some(seat) = &self.seat
        {
            seat.take_back();
        }
    }
}

impl<T: RingItem> Subscriber<T> {
    pub(crate) fn new(cursor: Cursor<T>, viewer: Viewer, overrun: Overrun) -> Self {
        let close_slot = viewer.entry.closed.slot();
        Self { cursor, viewer, overrun, close_slot, delegation: None }
    }

    /// What comes next; `None` when the broadcast has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery<T>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for hand-written futures.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Delivery<T>>> {
        if let Poll::Ready(reason) = self.viewer.entry.closed.poll(&mut self.close_slot, cx) {
            return Poll::Ready(Some(Delivery::Closed(reason)));
        }
        match self.cursor.poll_step(cx) {
            Poll::Ready(step) => Poll::Ready(self.deliver(step)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether somebody closed the subscriber, without taking anything: for a writer that is held up by its
    /// peer and so cannot ask for more.
    pub fn poll_closed(&mut self, cx: &Context<'_>) -> Poll<CloseReason> {
        self.viewer.entry.closed.poll(&mut self.close_slot, cx)
    }

    /// What is there now: `None` when the subscriber would have to wait or the broadcast has ended.
    pub fn try_next(&mut self) -> Option<Delivery<T>> {
        if let Some(reason) = self.viewer.entry.closed.get() {
            return Some(Delivery::Closed(reason));
        }
        let step = self.cursor.try_step()?;
        self.deliver(step)
    }

    fn deliver(&mut self, step: Step<T>) -> Option<Delivery<T>> {
        Some(match step {
            Step::Header(header) => Delivery::Header(header),
            Step::Item(item) => {
                self.viewer.entry.stats.position_ms.set(item.dts_ms());
                Delivery::Item(item)
            }
            Step::Interrupted => Delivery::Interrupted,
            Step::Ended => return None,
            Step::Lost { frames } => {
                self.viewer.record_lost(frames);
                if self.overrun == Overrun::Disconnect {
                    self.viewer.entry.closed.set(CloseReason::TooSlow);
                    Delivery::Closed(CloseReason::TooSlow)
                } else {
                    Delivery::Lost { frames }
                }
            }
        })
    }

    /// Goes forward to where `join` says, as after a pause; what is passed over is not counted as lost.
    pub fn skip(&mut self, join: Join) {
        self.cursor.skip(join);
    }

    /// The viewer's entry in the broadcast.
    #[must_use]
    pub const fn viewer(&self) -> &Viewer {
        &self.viewer
    }
}

impl Subscriber<Batch> {
    pub(crate) fn with_fanout(self, fanout: Arc<Fanout>) -> Self {
        let delegation = Delegation { fanout, seat: None, outlet: None, entrusted: false };
        Self { delegation: Some(delegation), ..self }
    }

    /// Says where the form's writer can send the viewer's bytes to; without it [`entrust`](Self::entrust) does nothing.
    pub fn set_outlet(&mut self, outlet: Box<dyn Outlet>) {
        if let Some(delegation) = &mut self.delegation {
            delegation.outlet = Some(outlet);
        }
    }

    /// Lets the form's writer send what comes next, if the viewer has all that came before: call it when
    /// [`poll_next`](Self::poll_next) is pending and nothing waits to be sent. From then on nobody else may write to
    /// the connection before [`take_back`](Self::take_back).
    pub fn entrust(&mut self, cx: &Context<'_>) -> Turn {
        let (cursor, viewer) = (&self.cursor, &self.viewer);
        let Some(delegation) = &mut self.delegation else { return Turn::Own };
        if delegation.entrusted || !cursor.place().is_running() {
            return Turn::Own;
        }
        let Some(outlet) = delegation.outlet.take() else { return Turn::Own };
        cursor.withdraw();
        let seat = delegation.seat.get_or_insert_with(|| Arc::new(Seat::new()));
        let newcomer = seat.entrust(Entrusted {
            place: cursor.place().clone(),
            outlet,
            viewer: Arc::clone(&viewer.entry),
            waker: cx.waker().clone(),
        });
        delegation.entrusted = true;
        let fanout = &delegation.fanout;
        let writer = newcomer.then(|| fanout.list(cursor.set(), Arc::clone(seat))).flatten();
        // What came while it changed hands: the set's turn for it may be over.
        seat.serve(fanout.ring(), &mut Round::new());
        Turn::Writer(writer.map(Box::new))
    }

    /// Whether the form's writer sends for the viewer, or has stopped to and [`take_back`](Self::take_back) is due.
    #[must_use]
    pub fn is_entrusted(&self) -> bool {
        self.delegation.as_ref().is_some_and(|delegation| delegation.entrusted)
    }

    /// Ready when the viewer's own task is to go on: the connection did not take all, or something else than a batch
    /// comes next, or somebody closed the viewer.
    pub fn poll_returned(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(Delegation { seat: Some(seat), entrusted: true, .. }) = &self.delegation else {
            return Poll::Ready(());
        };
        if seat.poll_returned(cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_closed(cx).map(|_| ())
    }

    /// Ends what [`entrust`](Self::entrust) began. Returns what the connection did not take, which is to be sent
    /// before anything else.
    pub fn take_back(&mut self) -> Bytes {
        let Some(delegation) = &mut self.delegation else { return Bytes::new() };
        delegation.entrusted = false;
        let Some((entrusted, rest)) = delegation.seat.as_ref().and_then(|seat| seat.take_back()) else {
            return Bytes::new();
        };
        delegation.outlet = Some(entrusted.outlet);
        self.cursor.go_on_at(entrusted.place);
        rest
    }
}
