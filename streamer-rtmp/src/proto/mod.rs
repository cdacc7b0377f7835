//! The protocol as pure state machines: bytes in, events and bytes out; no socket, no clock, no runtime.
//!
//! | module | what |
//! |---|---|
//! | [`handshake`] | RTMP 1.0 section 5.2, plain and with digests |
//! | [`chunk`] | RTMP 1.0 section 5.3, chunks to messages and back |

pub mod chunk;
pub mod handshake;
