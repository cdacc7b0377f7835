//! A small RTMP client without sockets, made for load: it looks at the first bytes of media and drops the rest.
//!
//! Deliberately independent of the server's own implementation, so that the two cannot share a misreading.

mod amf;
mod chunk;
mod client;

pub(crate) use chunk::{Control, write_message};
pub(crate) use client::{CHUNK_SIZE, HANDSHAKE_BYTES, Role, RtmpClient, SessionError, metadata};
