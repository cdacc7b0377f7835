//! A viewer's entry in its broadcast: who it is, what it was given, and the means to end it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use super::broadcast::{Broadcast, Shared};
use super::error::CloseReason;
use super::form::FormKey;
use super::stats::ViewerStats;
use super::wake::Signal;

/// Names a viewer within the process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewerId(pub u64);

/// Who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewerInfo {
    /// Short lower-case protocol name: `rtmp`, `http-flv`, ...
    pub protocol: &'static str,
    /// The peer's address, if it has one.
    pub peer: Option<SocketAddr>,
    /// Whether it is the server's own (forward, recorder, segmenter) and no audience.
    pub internal: bool,
    /// Whether a pull on demand runs for it: everybody but the server's own readers that take what is there.
    pub demands: bool,
}

impl ViewerInfo {
    /// A viewer at `peer` by `protocol`.
    #[must_use]
    pub const fn remote(protocol: &'static str, peer: Option<SocketAddr>) -> Self {
        Self { protocol, peer, internal: false, demands: true }
    }

    /// A reader of the server's own.
    #[must_use]
    pub const fn internal(protocol: &'static str) -> Self {
        Self { protocol, peer: None, internal: true, demands: false }
    }

    /// The same, but a pull on demand runs for it.
    #[must_use]
    pub const fn demanding(self) -> Self {
        Self { demands: true, ..self }
    }
}

#[derive(Debug)]
pub(crate) struct ViewerEntry {
    pub(crate) id: ViewerId,
    pub(crate) info: ViewerInfo,
    pub(crate) stats: ViewerStats,
    pub(crate) closed: Signal<CloseReason>,
}

impl ViewerEntry {
    pub(crate) fn new(id: ViewerId, info: ViewerInfo) -> Self {
        Self { id, info, stats: ViewerStats::default(), closed: Signal::new() }
    }

    /// Counts what was handed to the connection.
    pub(crate) fn record_sent(&self, bytes: usize, frames: u64) {
        self.stats.bytes.add(bytes as u64);
        self.stats.frames.add(frames);
    }
}

/// A viewer as seen from outside: its counters may be read and it may be closed.
#[derive(Clone, Debug)]
pub struct ViewerView {
    pub(crate) entry: Arc<ViewerEntry>,
    pub(crate) newest_dts_ms: Option<i64>,
}

impl ViewerView {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ViewerId {
        self.entry.id
    }

    /// Who it is.
    #[must_use]
    pub fn info(&self) -> &ViewerInfo {
        &self.entry.info
    }

    /// What it was given.
    #[must_use]
    pub fn stats(&self) -> &ViewerStats {
        &self.entry.stats
    }

    /// How far it was behind the live edge when this view was taken, in milliseconds of media; `None` until
    /// it was given anything.
    #[must_use]
    pub fn lag_ms(&self) -> Option<i64> {
        Some(self.newest_dts_ms?.saturating_sub(self.entry.stats.position_ms.get()?))
    }

    /// Ends it. Returns whether it had not been closed before.
    pub fn close(&self, reason: CloseReason) -> bool {
        self.entry.closed.set(reason)
    }
}

/// A viewer's own side of its entry; the entry goes when this is dropped.
pub struct Viewer {
    pub(crate) entry: Arc<ViewerEntry>,
    shared: Weak<Shared>,
    form: Option<FormKey>,
}

impl Viewer {
    pub(crate) const fn new(entry: Arc<ViewerEntry>, shared: Weak<Shared>, form: Option<FormKey>) -> Self {
        Self { entry, shared, form }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ViewerId {
        self.entry.id
    }

    /// Counts what was handed to the connection.
    pub fn record_sent(&self, bytes: usize, frames: u64) {
        self.entry.record_sent(bytes, frames);
    }

    pub(crate) fn record_lost(&self, frames: u64) {
        self.entry.stats.lost_frames.add(frames);
        self.entry.stats.skips.add(1);
    }

    /// Whether it is a viewer of `broadcast`; a later one of the same name is another.
    #[must_use]
    pub fn watches(&self, broadcast: &Broadcast) -> bool {
        std::ptr::eq(self.shared.as_ptr(), Arc::as_ptr(&broadcast.0))
    }

    /// Why somebody closed the viewer, if somebody did.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.entry.closed.get()
    }

    /// Waits until somebody closes the viewer.
    pub async fn closed(&self) -> CloseReason {
        self.entry.closed.wait().await
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.remove_viewer(&self.entry, self.form);
        }
    }
}
