//! WebSocket (RFC 6455) as a server that sends media and has nothing to hear: handshake, frame headers, and
//! a reader that keeps no message.

mod frame;
mod handshake;
mod reader;

pub use frame::{CloseCode, MAX_CONTROL_BYTES, Opcode, frame_header};
pub use handshake::{HandshakeError, MAX_SUBPROTOCOL_BYTES, Upgrade, upgrade};
pub use reader::{MAX_CLIENT_MESSAGE_BYTES, PeerFrame, PeerReader};
