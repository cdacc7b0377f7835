//! The outlet of a live body: its socket, and the framing of what is sent with one call.

use bytes::{Bytes, BytesMut};
use streamer_core::hub::{Outlet, join};
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

    fn frame(&self, parts: &[Bytes]) -> Bytes {
        let content = parts.iter().map(Bytes::len).sum();
        let (prefix, suffix) = (self.framing.prefix(content), self.framing.suffix());
        let (prefix, suffix) = (prefix.as_slice(), suffix);
        if prefix.is_empty() && suffix.is_empty() {
            return join(parts);
        }
        let mut framed = BytesMut::with_capacity(prefix.len() + content + suffix.len());
        framed.extend_from_slice(prefix);
        parts.iter().for_each(|part| framed.extend_from_slice(part));
        framed.extend_from_slice(suffix);
        framed.freeze()
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.socket.try_write(bytes).unwrap_or(0)
    }
}
