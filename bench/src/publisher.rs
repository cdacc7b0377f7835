//! The publisher of a run: the synthetic stream, sent by RTMP at its own pace.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Registry, Token};
use thiserror::Error;

use crate::connection::Connection;
use crate::rtmp::{CHUNK_SIZE, Control, Role, RtmpClient, SessionError, metadata, write_message};
use crate::source::Source;

/// A server that takes the publisher's bytes more slowly than this much behind is not keeping up.
const MAX_PUBLISH_BACKLOG_BYTES: usize = 8 << 20;
/// A publisher hears little: acknowledgements and answers to commands.
const READ_BYTES: usize = 4096;

/// Where the server is and what is published.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) rtmp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) app: String,
    pub(crate) stream: String,
    pub(crate) bitrate: u64,
}

/// Why the publisher cannot go on.
#[derive(Debug, Error)]
pub(crate) enum PublishError {
    #[error("publisher: {0}")]
    Socket(#[from] io::Error),
    #[error("publisher: {0}")]
    Session(#[from] SessionError),
    #[error("the server is {bytes} bytes behind the publisher")]
    Backlog { bytes: usize },
}

/// An RTMP session that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    connection: Connection,
    client: RtmpClient,
    bitrate: u64,
    source: Option<Source>,
    /// By how much the frames were late against their own schedule, at most, since this was last set to zero.
    pub(crate) latest: Duration,
}

impl Publisher {
    /// Begins to connect.
    pub(crate) fn open(registry: &Registry, token: Token, target: &Target) -> Result<Self, PublishError> {
        let mut out = Vec::new();
        let client = RtmpClient::new(Role::Publish, &target.app, &target.stream, &mut out);
        let connection = Connection::open(registry, token, target.rtmp, out)?;
        Ok(Self { connection, client, bitrate: target.bitrate, source: None, latest: Duration::ZERO })
    }

    /// Whether the frames flow.
    pub(crate) fn is_publishing(&self) -> bool {
        self.source.is_some()
    }

    /// Number of pictures published.
    pub(crate) fn pictures(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::pictures)
    }

    /// When the next frame is to be sent, since the start of the run; `None` before the session stands.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.source.as_ref().map(|source| Duration::from_nanos(source.due_ns()))
    }

    /// Sends the frames whose time has come; `now` is the time since the start of the run.
    pub(crate) fn publish_due(&mut self, now: impl Fn() -> Duration) -> Result<(), PublishError> {
        let Some(source) = &mut self.source else { return Ok(()) };
        loop {
            let now_ns = now().as_nanos() as u64;
            let due_ns = source.due_ns();
            if due_ns > now_ns {
                return Ok(());
            }
            self.latest = self.latest.max(Duration::from_nanos(now_ns - due_ns));
            let message = source.next(now_ns);
            let tag_type = message.kind.tag_type();
            let address = (tag_type - 2, tag_type, self.client.stream_id());
            let out = &mut self.connection.out;
            write_message(out, CHUNK_SIZE, address, message.timestamp_ms, message.body);
            self.connection.flush()?;
            let bytes = self.connection.waiting();
            if bytes > MAX_PUBLISH_BACKLOG_BYTES {
                return Err(PublishError::Backlog { bytes });
            }
        }
    }

    /// The socket is ready; the first frame is due at `now` if that completes the session.
    pub(crate) fn on_ready(
        &mut self,
        writable: bool,
        readable: bool,
        now: Duration,
    ) -> Result<(), PublishError> {
        let Self { connection, client, source, .. } = self;
        if writable {
            connection.on_writable()?;
        }
        let mut buffer = [0; READ_BYTES];
        while readable && let Some(length) = connection.read(&mut buffer)? {
            client.handle_input(&buffer[..length], &mut connection.out, &mut |_| {})?;
            if source.is_none() && client.is_ready() {
                let id = client.stream_id();
                write_message(&mut connection.out, CHUNK_SIZE, (4, Control::DATA, id), 0, &metadata());
                for (kind, body) in Source::headers() {
                    let tag_type = kind.tag_type();
                    write_message(&mut connection.out, CHUNK_SIZE, (tag_type - 2, tag_type, id), 0, &body);
                }
                *source = Some(Source::new(self.bitrate, now.as_nanos() as u64));
            }
            connection.flush()?;
        }
        Ok(())
    }
}
