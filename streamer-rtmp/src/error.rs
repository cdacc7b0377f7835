//! What can go wrong with an RTMP connection.

use std::io;
use std::time::Duration;

use streamer_core::container::flv::FlvError;
use streamer_core::hub::{CloseReason, PublishError, SubscribeError};
use streamer_core::{Denied, NameError};
use streamer_net::TlsError;
use thiserror::Error;

use crate::proto::chunk::ChunkError;
use crate::proto::client::ClientError;
use crate::proto::server::SessionError;
use crate::proto::url::UrlError;

/// Why an RTMP connection or server ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RtmpError {
    /// The network.
    #[error("network: {0}")]
    Io(#[from] io::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer breaks the protocol.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The server breaks the protocol.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A message cannot be written.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// Media that cannot be read.
    #[error(transparent)]
    Flv(#[from] FlvError),
    /// The URL of a pull or forward.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The peer named a stream by a name that cannot be one.
    #[error("name refused: {0}")]
    Name(#[from] NameError),
    /// The authorizer refused.
    #[error("refused: {0}")]
    Denied(#[from] Denied),
    /// The hub refused a publish.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The hub refused a viewer.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// Closed from inside: kicked, taken over, shut down.
    #[error("closed: {0}")]
    Closed(CloseReason),
    /// The other server refused, with its code and words.
    #[error("the server refused: {code} {description}")]
    Rejected {
        /// The status code, such as `NetStream.Publish.BadName`.
        code: String,
        /// The server's words.
        description: String,
    },
    /// A server sent us from one place to the next too often.
    #[error("redirected more than {max} times")]
    TooManyRedirects {
        /// The limit.
        max: usize,
    },
    /// The name has no address.
    #[error("{host} has no address that can be reached from here")]
    NoAddress {
        /// The name looked up.
        host: String,
    },
    /// A step took too long.
    #[error("{step} took longer than {timeout:?}")]
    Timeout {
        /// What was waited for.
        step: &'static str,
        /// The limit.
        timeout: Duration,
    },
    /// The peer took nothing of what was sent.
    #[error("the peer took nothing for {timeout:?}")]
    Stalled {
        /// The limit.
        timeout: Duration,
    },
    /// The peer closed before it was done.
    #[error("the peer closed the connection")]
    Disconnected,
    /// The system has no randomness.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl RtmpError {
    /// Whether the peer is merely gone: closed, or reset by its system.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        match self {
            Self::Disconnected => true,
            Self::Io(error) => matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
            ),
            _ => false,
        }
    }
}
