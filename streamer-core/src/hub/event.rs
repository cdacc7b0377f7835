//! What happens in a registry, told to whoever listens, bounded for those who do not keep up.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::cursor::{Cursor, Join, Step};
use super::ring::{Ring, RingItem, RingLimits};
use super::viewer::{ViewerId, ViewerInfo};
use crate::key::StreamKey;

/// Events held for listeners that are behind: a burst of every stream of a large server at once.
pub const MAX_HELD_EVENTS: usize = 4_096;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A stream began.
    Published,
    /// Its publisher is away and may come back.
    Interrupted,
    /// A publisher continues the stream: the same one back, or one that took it over.
    Resumed,
    /// The stream ended.
    Unpublished,
    /// The tracks or their configuration changed.
    TracksChanged,
    /// A viewer came.
    ViewerJoined(ViewerId, ViewerInfo),
    /// A viewer left, which was given so many bytes.
    ViewerLeft(ViewerId, ViewerInfo, u64),
    /// Somebody waits for a stream that is not there: a pull on demand may start it.
    Wanted,
}

/// An event and the stream it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The stream.
    pub key: StreamKey,
    /// What happened to it.
    pub kind: EventKind,
    epoch: Arc<()>,
}

impl RingItem for Event {
    type Header = ();

    fn header(&self) -> &Arc<()> {
        &self.epoch
    }

    fn random_access(&self) -> bool {
        true
    }

    fn byte_len(&self) -> usize {
        0
    }

    fn frame_count(&self) -> u64 {
        1
    }

    fn dts_ms(&self) -> i64 {
        0
    }
}

/// Where a registry's events are told.
pub(crate) struct EventLog {
    ring: Arc<Ring<Event>>,
    epoch: Arc<()>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        let limits = RingLimits { hold: Duration::MAX, max_items: MAX_HELD_EVENTS, ..RingLimits::default() };
        Self { ring: Arc::new(Ring::new(limits)), epoch: Arc::default() }
    }

    pub(crate) fn tell(&self, key: &StreamKey, kind: EventKind) {
        self.ring.append(Event { key: key.clone(), kind, epoch: Arc::clone(&self.epoch) });
        self.ring.wake(&mut Vec::new());
    }

    pub(crate) fn listen(&self) -> Events {
        Events { cursor: Cursor::new(Arc::clone(&self.ring), Join::NextSync) }
    }
}

/// A listener's place among the events.
pub struct Events {
    cursor: Cursor<Event>,
}

/// What a listener hears next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Event),
    /// Events missed for listening too slowly: a snapshot of the registry tells what holds now.
    Missed(u64),
}

impl Events {
    /// The next event from the moment of listening on. Cancel safe; pends for ever on a quiet registry.
    pub async fn next(&mut self) -> Heard {
        loop {
            match poll_fn(|cx| self.cursor.poll_step(cx)).await {
                Step::Item(event) => return Heard::Event(event),
                Step::Lost { frames } => return Heard::Missed(frames),
                Step::Header(_) | Step::Interrupted | Step::Ended => {}
            }
        }
    }
}
