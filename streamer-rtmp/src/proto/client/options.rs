//! What a client session should do, what it tells, and how it fails.

use super::super::acknowledge::DEFAULT_ACK_WINDOW_BYTES;
use super::super::capabilities::Capabilities;
use super::super::chunk::{ChunkError, ChunkSize};
use super::super::command::{CommandError, PublishKind};
use super::super::handshake::{HandshakeError, HandshakeMode};
use super::super::media::MediaMessage;
use super::super::message::MessageError;
use super::super::url::RtmpUrl;

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Send media.
    Publish(PublishKind),
    /// Receive live media.
    Play {
        /// How much the server may send ahead, in milliseconds.
        buffer_ms: u32,
    },
}

/// What a client session should do.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientOptions {
    /// `app` of `connect`.
    pub app: String,
    /// `tcUrl` of `connect`.
    pub tc_url: String,
    /// The stream name, query string included.
    pub stream: String,
    /// Publish or play.
    pub purpose: Purpose,
    /// Plain or digest handshake.
    pub handshake: HandshakeMode,
    /// The chunk size announced and used.
    pub chunk_size: ChunkSize,
    /// The window announced to the server.
    pub window_ack_bytes: u32,
    /// `flashVer` of `connect`; a few servers judge by it. [`PUBLISHER_VERSION`] or [`PLAYER_VERSION`] when `None`.
    pub flash_ver: Option<String>,
    /// What is announced of Enhanced RTMP.
    pub capabilities: Capabilities,
}

/// `flashVer` of a publisher: the name that servers have taken for an encoder since Flash Media Live Encoder.
pub const PUBLISHER_VERSION: &str = "FMLE/3.0 (compatible; TiTopStreamer)";

/// `flashVer` of a player.
pub const PLAYER_VERSION: &str = "LNX 9,0,124,2";

/// The chunk size until the options say otherwise: large enough to cost nothing, small enough for servers that
/// limit it.
const DEFAULT_CHUNK_BYTES: u32 = 4096;

impl ClientOptions {
    /// For the stream at `url`, all else by default.
    pub fn new(url: &RtmpUrl, purpose: Purpose) -> Self {
        Self {
            app: url.app.clone(),
            tc_url: url.tc_url(),
            stream: url.stream.clone(),
            purpose,
            handshake: HandshakeMode::Plain,
            chunk_size: ChunkSize::new(DEFAULT_CHUNK_BYTES).unwrap_or_default(),
            window_ack_bytes: DEFAULT_ACK_WINDOW_BYTES,
            flash_ver: None,
            capabilities: Capabilities::default(),
        }
    }
}

/// Something the server did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// `connect` was accepted; what the server announced of Enhanced RTMP.
    Connected(Capabilities),
    /// The publish was accepted: media may be sent. Or the play was: media follows.
    Ready {
        /// The message stream.
        message_stream: u32,
    },
    /// Media of a play.
    Media(MediaMessage),
    /// The connection, the publish or the play was refused; nothing follows.
    Rejected {
        /// The code of the status.
        code: String,
        /// Its description.
        description: String,
        /// Where to try instead.
        redirect: Option<Redirect>,
    },
    /// What was accepted has ended by the server's wish; nothing follows.
    Ended {
        /// The code of the status, or the name of the event that said so.
        code: String,
        /// Its description.
        description: String,
    },
    /// The server asks to connect again at the next key frame, and goes on meanwhile (Enhanced RTMP v2).
    ReconnectRequest {
        /// Where, where it is another place; may be relative, see [`RtmpUrl::with_tc_url`].
        tc_url: Option<String>,
        /// A sentence for people.
        description: String,
    },
}

/// Where a server sends its client (`ex` of `NetConnection.Connect.Rejected`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `redirect2` where sent, else `redirect`.
    pub target: String,
    /// Whether `target` is the URL of the stream (`redirect2`) and not the `tcUrl` to find it at.
    pub is_stream_url: bool,
}

impl Redirect {
    /// The URL to go on with, for one who came by `from`.
    ///
    /// # Errors
    /// [`UrlError`](super::super::url::UrlError) when the server sent no usable URL.
    pub fn resolve(&self, from: &RtmpUrl) -> Result<RtmpUrl, super::super::url::UrlError> {
        if self.is_stream_url { self.target.parse() } else { from.with_tc_url(&self.target) }
    }
}

/// Why a client session cannot go on, or cannot do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
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
    /// Media was to be sent where no publish is accepted.
    #[error("no publish is accepted")]
    NotReady,
}
