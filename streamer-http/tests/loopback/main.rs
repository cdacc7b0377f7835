//! The media port over loopback: what players, browsers, proxies and strangers meet.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test says what it expects by failing"
)]

mod client;
mod flv;
mod hls;
mod http2;
mod limits;
mod requests;
mod server;
mod websocket;
