//! The outlet of a player: its socket, as it is.

use bytes::{Bytes, BytesMut};
use streamer_core::hub::{Outlet, frame_in};
use streamer_net::SharedTcp;

/// Sends messages that are whole chunks already.
pub(super) struct SocketOutlet(pub(super) SharedTcp);

impl Outlet for SocketOutlet {
    fn framing(&self) -> u8 {
        0
    }

    fn frame(&self, parts: &[Bytes], room: &mut BytesMut) -> Bytes {
        frame_in(room, &[], parts, &[])
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.0.try_write(bytes).unwrap_or(0)
    }
}
