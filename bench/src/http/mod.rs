//! The client's side of HTTP without sockets, made for load: a player of HTTP-FLV and WebSocket-FLV, and plain requests.

mod body;
mod client;
mod exchange;
mod flv;

pub(crate) use client::{FlvClient, FlvError};
pub(crate) use exchange::{AnswerError, Exchange};
pub(crate) use flv::{FILE_HEADER, TagError, TagReader, TagSplitter, write_tag};
