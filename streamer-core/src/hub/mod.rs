//! The hub: publishers feed broadcasts, subscribers read them, nobody waits for anybody.
//!
//! A [`Registry`] holds the live streams by name. [`Registry::publish`] gives the [`Publisher`] of one; a
//! [`Subscriber`] is a cursor in the broadcast's ring, which is at once the GOP cache and everyone's
//! queue. The ring is bounded; whoever falls out of it goes on at a random access point and is told how
//! many frames were lost. What is the same for all viewers of a protocol is made once, as a form
//! ([`Broadcast::subscribe_form`]).

mod broadcast;
mod cursor;
mod demand;
mod error;
mod event;
mod fanout;
mod form;
mod item;
mod options;
mod outlet;
mod overload;
mod publisher;
mod registry;
mod ring;
mod round;
mod seat;
mod stats;
mod subscriber;
mod sync;
pub mod timeline;
mod turns;
mod viewer;
mod wake;

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;

pub use broadcast::{Broadcast, BroadcastState};
pub use cursor::Join;
pub use demand::Demand;
pub use error::{CloseReason, PublishError, SubscribeError};
pub use event::{Event, EventKind, Events, Heard, MAX_HELD_EVENTS};
pub use fanout::{FanoutWriter, SEATS_PER_POLL};
pub use form::{FormFeeder, FormKey, MAX_BATCH_BYTES, MAX_FORMS};
pub use item::{Batch, MediaItem};
pub use options::{
    AppOptions, DEFAULT_GRACE, DEFAULT_MAX_VIEWERS, DEFAULT_WAIT_FOR_PUBLISHER, DEFAULT_WRITE_WINDOW,
    DuplicatePublish, MAX_WRITE_WINDOW, Overrun,
};
pub use outlet::{Outlet, frame_in};
pub use overload::{
    ADMIT_UP_TO, MAX_WIDENING, NARROW_UP_TO, OVERLOAD_SAMPLE_INTERVAL, Overload, REFUSE_FROM, Relief,
    SAMPLES_TO_ACT, SAMPLES_TO_NARROW, WIDEN_FROM,
};
pub use publisher::{Interrupted, Publisher, PublisherInfo};
pub use registry::{MAX_BROADCASTS, MAX_WAITING, Registry};
pub use ring::{DEFAULT_RING_HOLD, MAX_RING_BYTES, MAX_RING_DURATION, MAX_RING_ITEMS, RingItem, RingLimits};
pub use round::{MAX_ROUND_BYTES, MAX_ROUND_PARTS};
pub use stats::{AudienceTotals, Counter, Gauge, IngestStats, ViewerStats};
pub use subscriber::{Delivery, SubscribeOptions, Subscriber, Turn};
pub use turns::{MAX_TURNS, MIN_TURN, VIEWERS_PER_TURN};
pub use viewer::{Viewer, ViewerId, ViewerInfo, ViewerView};
