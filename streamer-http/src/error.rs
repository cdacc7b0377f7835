//! What can go wrong with the port and with one connection.

use std::error::Error as _;
use std::time::Duration;

use streamer_core::hub::CloseReason;
use streamer_net::TlsError;
use thiserror::Error;

/// Why the port could not be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How a connection ended other than cleanly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer sent what is no HTTP, or went away within a message.
    #[error("HTTP: {0}")]
    Http(#[source] hyper::Error),
    /// The header of a request did not come in time.
    #[error("no complete request in time")]
    HeaderTimeout,
    /// Reading or writing failed.
    #[error("connection: {0}")]
    Io(std::io::Error),
    /// The peer took nothing of what was written to it.
    #[error("the peer took nothing for {} s", after.as_secs_f32())]
    Stalled {
        /// The limit.
        after: Duration,
    },
    /// The peer broke the WebSocket protocol and was told so with this code (RFC 6455, 7.4).
    #[error("WebSocket closed with code {code}")]
    WebSocket {
        /// The code.
        code: u16,
    },
    /// The peer went on sending though nothing more was to be said.
    #[error("more than {max} bytes after the request")]
    Chatter {
        /// The limit.
        max: usize,
    },
    /// The viewer was put out while it took nothing.
    #[error(transparent)]
    Closed(CloseReason),
}

/// The error with which a writer learns that its peer stalled.
#[derive(Debug, Error)]
#[error("the peer took nothing for {} s", after.as_secs_f32())]
pub(crate) struct Stalled {
    pub(crate) after: Duration,
}

fn stalled(error: &std::io::Error) -> Option<ConnectionError> {
    let stalled = error.get_ref()?.downcast_ref::<Stalled>()?;
    Some(ConnectionError::Stalled { after: stalled.after })
}

impl From<std::io::Error> for ConnectionError {
    fn from(error: std::io::Error) -> Self {
        stalled(&error).unwrap_or(Self::Io(error))
    }
}

impl From<hyper::Error> for ConnectionError {
    fn from(error: hyper::Error) -> Self {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(stalled) = inner.downcast_ref().and_then(stalled) {
                return stalled;
            }
            cause = inner.source();
        }
        if error.is_timeout() { Self::HeaderTimeout } else { Self::Http(error) }
    }
}
