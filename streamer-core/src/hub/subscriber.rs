//! A subscriber: a viewer's cursor in a ring, told what it misses.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::cursor::{Cursor, Join, Step};
use super::error::CloseReason;
use super::item::MediaItem;
use super::options::Overrun;
use super::ring::RingItem;
use super::viewer::{Viewer, ViewerInfo};
use super::wake::WakeSlot;

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
}

impl<T: RingItem> Subscriber<T> {
    pub(crate) fn new(cursor: Cursor<T>, viewer: Viewer, overrun: Overrun) -> Self {
        let close_slot = viewer.entry.closed.slot();
        Self { cursor, viewer, overrun, close_slot }
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
