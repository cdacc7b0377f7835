//! The outlet of a player: its socket, as it is.

use bytes::Bytes;
use streamer_core::hub::{Outlet, join};
use streamer_net::SharedTcp;

/// Sends messages that are whole chunks already.
pub(super) struct SocketOutlet(pub(super) SharedTcp);

impl Outlet for SocketOutlet {
    fn framing(&self) -> u8 {
        0
    }

    fn frame(&self, parts: &[Bytes]) -> Bytes {
        join(parts)
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.0.try_write(bytes).unwrap_or(0)
    }
}
