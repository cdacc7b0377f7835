//! A small HTTP-FLV and WebSocket-FLV player without sockets, made for load.

mod body;
mod client;
mod flv;

pub(crate) use client::{FlvClient, FlvError};
