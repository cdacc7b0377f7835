//! The REST API over its router: contract, access, and every group of routes, with a store of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod access;
mod accounts;
mod changes;
mod contract;
mod documented;
mod events;
mod live;
mod support;
mod vod;
