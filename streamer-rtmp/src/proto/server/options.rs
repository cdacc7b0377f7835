//! How a server session behaves, what it allows, and how it fails.

use super::super::capabilities::Capabilities;
use super::super::chunk::{ChunkError, ChunkSize};
use super::super::command::CommandError;
use super::super::handshake::HandshakeError;
use super::super::message::MessageError;

/// Message streams that one connection may have open. A publisher uses one, a player of several renditions a few.
pub const MAX_MESSAGE_STREAMS: usize = 16;

/// Commands that are unknown or cannot be done, in a row without media between them, before the connection is given
/// up. Encoders send a handful at their start; a peer that sends thousands means harm or is broken.
pub const MAX_REFUSED_COMMANDS: usize = 1024;

/// How a server session behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerOptions {
    /// The chunk size announced when `connect` is accepted and used from then on.
    pub chunk_size: ChunkSize,
    /// The window announced: the peer should acknowledge every so many bytes.
    pub window_ack_bytes: u32,
    /// What is announced of Enhanced RTMP to peers that announce something themselves.
    pub capabilities: Capabilities,
    /// Whether `connect` waits for [`ServerSession::accept_connect`](super::ServerSession::accept_connect) or
    /// [`ServerSession::reject_connect`](super::ServerSession::reject_connect). Off by default: streams are judged,
    /// not connections.
    pub confirm_connect: bool,
}

/// What is announced unless the options say otherwise: a chunk holds all but large key frames, which keeps the
/// number of slices per message low; 60 000 stays below the 65 536 that some players take for their largest.
const DEFAULT_CHUNK_BYTES: u32 = 60_000;

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            chunk_size: ChunkSize::new(DEFAULT_CHUNK_BYTES).unwrap_or_default(),
            window_ack_bytes: super::super::acknowledge::DEFAULT_ACK_WINDOW_BYTES,
            capabilities: Capabilities::default(),
            confirm_connect: false,
        }
    }
}

/// Why a server session cannot go on, or cannot do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The chunk stream cannot be followed.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A control message is malformed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A command is malformed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A command before `connect`.
    #[error("a command before connect")]
    NotConnected,
    /// Too many commands that are unknown or cannot be done.
    #[error("more than {max} commands that are unknown or cannot be done")]
    TooManyRefusedCommands {
        /// The limit.
        max: usize,
    },
    /// A verdict or notice about a message stream on which nothing of the kind goes on (any more).
    #[error("message stream {message_stream} is not in a state for this")]
    WrongState {
        /// The message stream.
        message_stream: u32,
    },
}
