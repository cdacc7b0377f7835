//! The rules of HTTP delivery without sockets: routes, client addresses, origins, framings, WebSocket.

pub mod coding;
pub mod dash;
pub mod forwarded;
pub mod framing;
pub mod hls;
pub mod origin;
pub mod range;
pub mod refusal;
pub mod route;
pub mod websocket;
