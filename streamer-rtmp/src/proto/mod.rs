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
//! | [`url`] | `rtmp://` and `rtmps://` URLs |
//! | [`media`] | audio, video and data messages as sessions hand them out |
//! | [`mux`] | media to the chunks of messages, shared by all players |
//! | [`server`] | one connection seen from the server, all of the above together |
//! | [`client`] | the same seen from the client |

mod acknowledge;
mod aggregate;
mod backlog;
pub mod capabilities;
pub mod chunk;
pub mod client;
pub mod command;
pub mod handshake;
pub mod media;
pub mod message;
pub mod mux;
mod outbox;
pub mod server;
pub mod status;
pub mod stream_name;
pub mod url;

#[cfg(test)]
mod pair_tests;
#[cfg(test)]
mod transcript_tests;

pub use acknowledge::{DEFAULT_ACK_WINDOW_BYTES, MIN_ACK_WINDOW_BYTES};
pub use backlog::{MAX_PENDING_EVENTS, MAX_PENDING_OUTPUT_BYTES};
