//! The publisher of a run: the synthetic stream, sent by RTMP or as bare FLV at its own pace.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Registry, Token};
use thiserror::Error;

use crate::connection::Connection;
use crate::http::{FILE_HEADER, write_tag};
use crate::rtmp::{CHUNK_SIZE, Control, Role, RtmpClient, SessionError, metadata, write_message};
use crate::source::{Message, Source};

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
    /// Where the stream is served by HTTP-FLV.
    pub(crate) flv_path: String,
    pub(crate) bitrate: u64,
    /// Whether the server is the plain program: it takes FLV over bare TCP where others take RTMP, and serves it where
    /// others serve HTTP.
    pub(crate) plain: bool,
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

/// A connection that publishes.
#[derive(Debug)]
pub(crate) struct Publisher {
    connection: Connection,
    /// The RTMP session; without one the connection carries bare FLV.
    client: Option<RtmpClient>,
    bitrate: u64,
    source: Option<Source>,
    /// By how much the frames were late against their own schedule, at most, since this was last set to zero.
    pub(crate) latest: Duration,
}

impl Publisher {
    /// Begins to connect.
    pub(crate) fn open(registry: &Registry, token: Token, target: &Target) -> Result<Self, PublishError> {
        let mut out = Vec::new();
        let rtmp = |out| RtmpClient::new(Role::Publish, &target.app, &target.stream, out);
        let client = (!target.plain).then(|| rtmp(&mut out));
        let connection = Connection::open(registry, token, target.rtmp, out)?;
        Ok(Self { connection, client, bitrate: target.bitrate, source: None, latest: Duration::ZERO })
    }

    /// Says that this is the end, as encoders do; the connection ends when this is dropped.
    pub(crate) fn end(&mut self) -> Result<(), PublishError> {
        if let Some(client) = self.client.as_ref().filter(|client| client.is_ready()) {
            client.end_publishing(&mut self.connection.out);
        }
        Ok(self.connection.flush()?)
    }

    /// Has the connection end with a reset.
    pub(crate) fn end_by_reset(&self) -> Result<(), PublishError> {
        Ok(self.connection.end_by_reset()?)
    }

    /// Whether the frames flow.
    pub(crate) fn is_publishing(&self) -> bool {
        self.source.is_some()
    }

    /// Number of pictures published.
    pub(crate) fn pictures(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::pictures)
    }

    /// Number of audio frames published.
    pub(crate) fn sounds(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::sounds)
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
            write(&mut self.connection.out, self.client.as_ref(), &source.next(now_ns));
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
            if let Some(client) = client {
                client.handle_input(&buffer[..length], &mut connection.out, &mut |_| {})?;
            }
            connection.flush()?;
        }
        if source.is_none() && client.as_ref().map_or(writable, RtmpClient::is_ready) {
            match client {
                Some(client) => {
                    let address = (4, Control::DATA, client.stream_id());
                    write_message(&mut connection.out, CHUNK_SIZE, address, 0, &metadata());
                }
                None => connection.out.extend_from_slice(FILE_HEADER),
            }
            for (kind, body) in Source::headers() {
                write(&mut connection.out, client.as_ref(), &Message { kind, timestamp_ms: 0, body: &body });
            }
            *source = Some(Source::new(self.bitrate, now.as_nanos() as u64));
            connection.flush()?;
        }
        Ok(())
    }
}

/// Appends a message, or the tag that it is without a session.
fn write(out: &mut Vec<u8>, session: Option<&RtmpClient>, message: &Message<'_>) {
    let tag_type = message.kind.tag_type();
    match session {
        Some(session) => {
            let address = (tag_type - 2, tag_type, session.stream_id());
            write_message(out, CHUNK_SIZE, address, message.timestamp_ms, message.body);
        }
        None => write_tag(out, tag_type, message.timestamp_ms, message.body),
    }
}
