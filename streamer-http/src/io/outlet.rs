//! The outlet of a live body: its socket, and the framing of what is sent with one call.

use bytes::{Bytes, BytesMut};
use streamer_core::hub::{Outlet, frame_in};
use streamer_net::SharedTcp;

use crate::proto::framing::Framing;

/// Sends all that is given at a time as one piece.
pub(super) struct FramedOutlet {
    pub(super) socket: SharedTcp,
    pub(super) framing: Framing,
}

impl Outlet for FramedOutlet {
    fn framing(&self) -> u8 {
        self.framing as u8
    }

    fn frame(&self, parts: &[Bytes], room: &mut BytesMut) -> Bytes {
        let prefix = self.framing.prefix(parts.iter().map(Bytes::len).sum());
        frame_in(room, prefix.as_slice(), parts, self.framing.suffix())
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.socket.try_write(bytes).unwrap_or(0)
    }
}
