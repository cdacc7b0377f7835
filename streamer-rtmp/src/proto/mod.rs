//! The protocol as pure state machines: bytes in, events and bytes out; no socket, no clock, no runtime.
//!
//! | module | what |
//! |---|---|
//! | [`handshake`] | RTMP 1.0 section 5.2, plain and with digests |
//! | [`chunk`] | RTMP 1.0 section 5.3, chunks to messages and back |
//! | [`message`] | RTMP 1.0 sections 5.4 and 7.1.7, control messages |
//! | [`command`], [`status`] | RTMP 1.0 section 7.2, commands and what answers them |
//! | [`capabilities`] | Enhanced RTMP v1 and v2, what `connect` announces |
//! | [`stream_name`] | how clients split a URL into application, stream and query |
//! | [`server`] | one connection seen from the server, all of the above together |

mod acknowledge;
mod aggregate;
pub mod capabilities;
pub mod chunk;
pub mod command;
pub mod handshake;
pub mod message;
mod outbox;
pub mod server;
pub mod status;
pub mod stream_name;

pub use acknowledge::{DEFAULT_ACK_WINDOW_BYTES, MIN_ACK_WINDOW_BYTES};
