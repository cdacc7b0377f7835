//! What an embedder chooses for the streams of one application.

use std::time::Duration;

use super::ring::RingLimits;

/// What happens when a second publisher wants a stream that has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicatePublish {
    /// The second one is refused.
    #[default]
    Reject,
    /// The second one takes the stream over; the first is closed. Viewers stay.
    TakeOver,
}

/// What happens to a viewer that is too slow for the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overrun {
    /// It goes on at the newest random access point.
    #[default]
    Resync,
    /// It is disconnected.
    Disconnect,
}

/// How long the bytes for viewers are gathered before they are written: what frames come within it leave
/// in one write. Half of a picture more than one picture at 30 per second, well under what anyone sees.
pub const DEFAULT_WRITE_WINDOW: Duration = Duration::from_millis(40);
/// Longest write window: beyond it the delay is worse than what the fewer writes save.
pub const MAX_WRITE_WINDOW: Duration = Duration::from_millis(350);
/// How long viewers wait for a publisher that went away: an encoder's usual reconnect takes 2 to 5 s.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long a viewer waits for a stream that is not there yet.
pub const DEFAULT_WAIT_FOR_PUBLISHER: Duration = Duration::from_secs(10);
/// Viewers of one stream unless set otherwise: five times what one core serves.
pub const DEFAULT_MAX_VIEWERS: usize = 50_000;

/// Options of the streams of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppOptions {
    /// What happens to a second publisher.
    pub duplicate: DuplicatePublish,
    /// What happens to a viewer that is too slow.
    pub overrun: Overrun,
    /// How long viewers wait for a publisher that went away; zero ends them at once.
    pub grace: Duration,
    /// How long a viewer waits for a stream that is not there yet; zero refuses it at once.
    pub wait_for_publisher: Duration,
    /// How long bytes for viewers are gathered; zero sends each frame at once. At most [`MAX_WRITE_WINDOW`].
    pub write_window: Duration,
    /// Most viewers of one stream.
    pub max_viewers: usize,
    /// Bounds of the rings, for media and for each form made from it.
    pub ring: RingLimits,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            duplicate: DuplicatePublish::default(),
            overrun: Overrun::default(),
            grace: DEFAULT_GRACE,
            wait_for_publisher: DEFAULT_WAIT_FOR_PUBLISHER,
            write_window: DEFAULT_WRITE_WINDOW,
            max_viewers: DEFAULT_MAX_VIEWERS,
            ring: RingLimits::default(),
        }
    }
}
