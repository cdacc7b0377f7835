//! The sockets' side: connections, requests and the writing of live bodies.

mod admission;
mod body;
mod connection;
mod feed;
mod head;
pub(crate) mod hls;
mod http1;
mod http2;
mod outlet;
mod service;
mod session;
mod stall;

pub use body::{Body, BoxError};
pub(crate) use connection::{Port, Transport, serve};
pub use http1::MAX_REQUEST_HEAD_BYTES;
pub use http2::MAX_STREAMS_PER_CONNECTION;
pub use session::MAX_BYTES_AFTER_REQUEST;
