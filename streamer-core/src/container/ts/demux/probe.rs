//! The wait at the start of a stream, until the configurations of its tracks are known.

use std::sync::Arc;

use crate::frame::Frame;

/// Longest wait in media time: one second, half of a usual GOP. A track that comes later changes the tracks.
pub const MAX_PROBED_TICKS: i64 = 90_000;
/// Frames that wait at most: one second of two video tracks and of sound in the shortest frames there are.
pub const MAX_PROBED_FRAMES: usize = 1_024;
/// Bytes that wait at most: one second at 32 Mbit/s.
pub const MAX_PROBED_BYTES: usize = 4 << 20;

/// Frames that wait.
#[derive(Debug, Default)]
pub(super) struct Probe {
    held: Vec<Arc<Frame>>,
    bytes: usize,
    settled: bool,
}

impl Probe {
    /// Whether the wait is over.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Holds a frame; returns whether the wait is over, because everything is known or a bound is reached.
    pub(super) fn hold(&mut self, frame: Arc<Frame>, complete: bool) -> bool {
        self.bytes += frame.data.len();
        self.held.push(frame);
        let span = match (self.held.first(), self.held.last()) {
            (Some(first), Some(last)) => last.dts.ticks().wrapping_sub(first.dts.ticks()),
            _ => 0,
        };
        complete
            || !(-MAX_PROBED_TICKS..MAX_PROBED_TICKS).contains(&span)
            || self.held.len() >= MAX_PROBED_FRAMES
            || self.bytes >= MAX_PROBED_BYTES
    }

    /// Ends the wait, and gives the frames that waited.
    pub(super) fn settle(&mut self) -> Vec<Arc<Frame>> {
        self.settled = true;
        self.bytes = 0;
        std::mem::take(&mut self.held)
    }
}
