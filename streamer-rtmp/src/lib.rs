//! RTMP and enhanced RTMP: server, pull and forward.
//!
//! [`run`] serves a listener: publishers feed the registry of its gateway, players read from it. One level
//! below, [`accept_stream`] gives single requests to accept or reject over any stream of bytes.
//! [`RtmpPull`] and [`RtmpForward`] are the other side, as a [`Source`](streamer_core::Source) and a
//! [`Sink`](streamer_core::Sink); [`pull`] and [`forward`] keep them up. [`proto`] is all of the protocol
//! without a socket.
//!
//! | specification | what is implemented |
//! |---|---|
//! | Adobe RTMP 1.0 | handshake, chunk stream, control messages, commands of publish and play |
//! | digest handshake (of Flash Media Server 3) | both schemes, as server and client |
//! | Adobe AMF 0 and AMF 3 | through [`streamer_core::container::flv`] |
//! | Enhanced RTMP v1 and v2 (Veovera) | FourCC codecs, multitrack, `ModEx`, capabilities, reconnect request |
//!
//! `docs/rtmp.md` goes clause by clause.
//!
//! # Sending to many
//!
//! The chunks for players are made once for each broadcast and form ([`proto::mux`]): every message begins
//! with a type 0 chunk and an absolute timestamp, so the bytes depend on nothing that a player was sent
//! before. A player's task takes ready buffers and writes them with one vectored write.

mod error;
mod grace;
mod io;
mod options;
pub mod proto;
mod run;
mod tasks;

pub use error::RtmpError;
pub use io::{
    Play, PlayOutcome, Player, Publish, PublishEnd, PublishSource, Request, RtmpForward, RtmpPull,
    ServerConnection, accept_stream,
};
pub use options::{
    AUTHORIZE_TIMEOUT, CONNECT_TIMEOUT, ClientOptions, ClientTimeouts, GOODBYE_TIMEOUT, HANDSHAKE_TIMEOUT,
    MAX_REDIRECTS, PUBLISH_IDLE_TIMEOUT, PULL_IDLE_TIMEOUT, REQUEST_TIMEOUT, RtmpOptions, Timeouts,
    WRITE_STALL_TIMEOUT,
};
pub use proto::url::RtmpUrl;
pub use run::{run, run_counted};
pub use tasks::{ForwardOptions, OnDemand, PROBE_TIMEOUT, PULL_SETTLE, PullOptions, forward, pull};
