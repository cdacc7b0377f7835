//! The load itself: one publisher and any number of viewers on one thread and one poll.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use thiserror::Error;

use crate::connection::Connection;
use crate::http::{FlvClient, FlvError};
use crate::reception::Reception;
use crate::rtmp::{CHUNK_SIZE, Control, Role, RtmpClient, SessionError, metadata, write_message};
use crate::source::{Arrived, Shape, Source};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;
/// The publisher looks at the clock at least once in so many events.
const EVENTS_BETWEEN_FRAMES: usize = 16;
/// A server that takes the publisher's bytes more slowly than this much behind is not keeping up.
const MAX_PUBLISH_BACKLOG_BYTES: usize = 8 << 20;
const PUBLISHER: Token = Token(0);

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("{what}: {error}")]
    Socket { what: &'static str, error: io::Error },
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("publisher: {0}")]
    Publisher(SessionError),
    #[error("viewer {index}: {error}")]
    Rtmp { index: usize, error: SessionError },
    #[error("viewer {index}: {error}")]
    Flv { index: usize, error: FlvError },
    #[error("viewer {index}: {error}")]
    Ended { index: usize, error: io::Error },
    #[error("the server is {bytes} bytes behind the publisher")]
    PublishBacklog { bytes: usize },
    #[error("not reached in {} s: {what}", limit.as_secs())]
    Timeout { what: String, limit: Duration },
}

/// How viewers receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    Rtmp,
    HttpFlv,
    WsFlv,
}

/// Where the server is and what is published.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) rtmp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) app: String,
    pub(crate) stream: String,
    pub(crate) bitrate: u64,
}

/// A histogram of times in microseconds, up to a minute, within a tenth of a percent.
pub(crate) fn microseconds() -> Result<Histogram<u64>, LoadError> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

#[derive(Debug)]
enum Client {
    Rtmp(RtmpClient),
    Flv(FlvClient),
}

#[derive(Debug)]
struct Viewer {
    connection: Connection,
    client: Client,
    reception: Reception,
    opened_ns: u64,
}

#[derive(Debug)]
struct Publisher {
    connection: Connection,
    client: RtmpClient,
    source: Option<Source>,
}

/// A publisher, its viewers, and what they measured.
#[derive(Debug)]
pub(crate) struct Load {
    target: Target,
    shape: Shape,
    clock: Instant,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    publisher: Publisher,
    viewers: Vec<Option<Viewer>>,
    /// Viewers that have had their first picture; counted here because it is asked for at every turn.
    receiving: usize,
    /// From the publisher's send to the viewer's receive of each picture, in microseconds, since the last reset.
    pub(crate) delay_us: Histogram<u64>,
    /// By how much the publisher's frames were late against their own schedule since the last reset.
    pub(crate) latest_publish: Duration,
}

impl Load {
    /// Begins to connect the publisher.
    pub(crate) fn new(target: Target) -> Result<Self, LoadError> {
        let socket = |error| LoadError::Socket { what: "publisher", error };
        let poll = Poll::new().map_err(socket)?;
        let mut out = Vec::new();
        let client = RtmpClient::new(Role::Publish, &target.app, &target.stream, &mut out);
        let connection = Connection::open(poll.registry(), PUBLISHER, target.rtmp, out).map_err(socket)?;
        Ok(Self {
            shape: Shape::new(target.bitrate),
            target,
            clock: Instant::now(),
            poll,
            events: Events::with_capacity(1024),
            buffer: vec![0; READ_BYTES],
            publisher: Publisher { connection, client, source: None },
            viewers: Vec::new(),
            receiving: 0,
            delay_us: microseconds()?,
            latest_publish: Duration::ZERO,
        })
    }

    /// Nanoseconds since the start.
    fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Begins to connect one more viewer and returns its number.
    pub(crate) fn add_viewer(&mut self, protocol: Protocol) -> Result<usize, LoadError> {
        let index = self.viewers.iter().position(Option::is_none).unwrap_or(self.viewers.len());
        let (app, stream) = (&self.target.app, &self.target.stream);
        let mut out = Vec::new();
        let path = format!("/{app}/{stream}/play.flv");
        let (client, address) = match protocol {
            Protocol::Rtmp => {
                let client = RtmpClient::new(Role::Play, app, stream, &mut out);
                (Client::Rtmp(client), self.target.rtmp)
            }
            Protocol::HttpFlv => (Client::Flv(FlvClient::new(false, &path, &mut out)), self.target.http),
            Protocol::WsFlv => (Client::Flv(FlvClient::new(true, &path, &mut out)), self.target.http),
        };
        let opened_ns = self.now_ns();
        let connection = Connection::open(self.poll.registry(), Token(index + 1), address, out)
            .map_err(|error| LoadError::Socket { what: "viewer", error })?;
        let viewer = Viewer { connection, client, reception: Reception::default(), opened_ns };
        if index == self.viewers.len() {
            self.viewers.push(None);
        }
        self.viewers[index] = Some(viewer);
        Ok(index)
    }

    /// Ends a viewer's connection.
    pub(crate) fn remove_viewer(&mut self, index: usize) {
        let removed = self.viewers[index].take();
        self.receiving -= usize::from(removed.is_some_and(|viewer| viewer.reception.next_picture() > 0));
    }

    /// Number of viewers that have had their first picture.
    pub(crate) fn receiving(&self) -> usize {
        self.receiving
    }

    /// What each viewer received so far.
    pub(crate) fn receptions(&self) -> impl Iterator<Item = &Reception> {
        self.viewers.iter().flatten().map(|viewer| &viewer.reception)
    }

    /// From the beginning of a viewer's connect to its first whole key frame.
    pub(crate) fn join_time(&self, index: usize) -> Option<Duration> {
        let viewer = self.viewers[index].as_ref()?;
        Some(Duration::from_nanos(viewer.reception.first_key_ns? - viewer.opened_ns))
    }

    /// Whether the publisher's frames flow.
    pub(crate) fn is_publishing(&self) -> bool {
        self.publisher.source.is_some()
    }

    /// Number of pictures published.
    pub(crate) fn pictures(&self) -> u64 {
        self.publisher.source.as_ref().map_or(0, Source::pictures)
    }

    /// Forgets the delays measured so far.
    pub(crate) fn reset_delays(&mut self) {
        self.delay_us.reset();
        self.latest_publish = Duration::ZERO;
    }

    /// Lets `duration` pass.
    pub(crate) fn run_for(&mut self, duration: Duration) -> Result<(), LoadError> {
        let end = self.clock.elapsed() + duration;
        while self.clock.elapsed() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Runs until `done`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Timeout`] when `limit` passes first.
    pub(crate) fn run_until(
        &mut self,
        what: &str,
        limit: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), LoadError> {
        let end = self.clock.elapsed() + limit;
        while !done(self) {
            if self.clock.elapsed() >= end {
                return Err(LoadError::Timeout { what: what.to_owned(), limit });
            }
            self.turn(end)?;
        }
        Ok(())
    }

    /// Waits for events, but not past the next frame or `end`, and handles them.
    fn turn(&mut self, end: Duration) -> Result<(), LoadError> {
        self.publish_due()?;
        let due = self.publisher.source.as_ref().map_or(end, |source| Duration::from_nanos(source.due_ns()));
        let timeout = due.min(end).saturating_sub(self.clock.elapsed());
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, Some(timeout));
        if let Err(error) = polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(LoadError::Socket { what: "poll", error });
        }
        for (count, event) in events.iter().enumerate() {
            if count % EVENTS_BETWEEN_FRAMES == EVENTS_BETWEEN_FRAMES - 1 {
                self.publish_due()?;
            }
            match event.token() {
                PUBLISHER => self.on_publisher(event.is_writable(), event.is_readable())?,
                Token(number) => self.on_viewer(number - 1, event.is_writable(), event.is_readable())?,
            }
        }
        self.events = events;
        Ok(())
    }

    /// Sends the frames whose time has come.
    fn publish_due(&mut self) -> Result<(), LoadError> {
        let Publisher { connection, client, source: Some(source) } = &mut self.publisher else {
            return Ok(());
        };
        loop {
            let now_ns = self.clock.elapsed().as_nanos() as u64;
            let due_ns = source.due_ns();
            if due_ns > now_ns {
                return Ok(());
            }
            self.latest_publish = self.latest_publish.max(Duration::from_nanos(now_ns - due_ns));
            let message = source.next(now_ns);
            let tag_type = message.kind.tag_type();
            let address = (tag_type - 2, tag_type, client.stream_id());
            write_message(&mut connection.out, CHUNK_SIZE, address, message.timestamp_ms, message.body);
            connection.flush().map_err(|error| LoadError::Socket { what: "publisher", error })?;
            let bytes = connection.waiting();
            if bytes > MAX_PUBLISH_BACKLOG_BYTES {
                return Err(LoadError::PublishBacklog { bytes });
            }
        }
    }

    fn on_publisher(&mut self, writable: bool, readable: bool) -> Result<(), LoadError> {
        let socket = |error| LoadError::Socket { what: "publisher", error };
        let Publisher { connection, client, source } = &mut self.publisher;
        if writable {
            connection.on_writable().map_err(socket)?;
        }
        while readable && let Some(length) = connection.read(&mut self.buffer).map_err(socket)? {
            client
                .handle_input(&self.buffer[..length], &mut connection.out, &mut |_| {})
                .map_err(LoadError::Publisher)?;
            if source.is_none() && client.is_ready() {
                let id = client.stream_id();
                write_message(&mut connection.out, CHUNK_SIZE, (4, Control::DATA, id), 0, &metadata());
                for (kind, body) in Source::headers() {
                    let tag_type = kind.tag_type();
                    write_message(&mut connection.out, CHUNK_SIZE, (tag_type - 2, tag_type, id), 0, &body);
                }
                *source = Some(Source::new(self.target.bitrate, self.clock.elapsed().as_nanos() as u64));
            }
            connection.flush().map_err(socket)?;
        }
        Ok(())
    }

    fn on_viewer(&mut self, index: usize, writable: bool, readable: bool) -> Result<(), LoadError> {
        let ended = |error| LoadError::Ended { index, error };
        // An event may wait for a viewer that was removed in the same turn.
        let Some(Viewer { connection, client, reception, .. }) = &mut self.viewers[index] else {
            return Ok(());
        };
        if writable {
            connection.on_writable().map_err(ended)?;
        }
        while readable && let Some(length) = connection.read(&mut self.buffer).map_err(ended)? {
            let now_ns = self.clock.elapsed().as_nanos() as u64;
            let (shape, delay_us) = (self.shape, &mut self.delay_us);
            let first = reception.next_picture() == 0;
            let mut on_media = |arrived: Arrived<'_>| {
                if let Some(stamp) = reception.on_media(shape, arrived, now_ns) {
                    delay_us.saturating_record(now_ns.saturating_sub(stamp.sent_ns) / 1000);
                }
            };
            let input = &self.buffer[..length];
            match client {
                Client::Rtmp(client) => client
                    .handle_input(input, &mut connection.out, &mut on_media)
                    .map_err(|error| LoadError::Rtmp { index, error })?,
                Client::Flv(client) => client
                    .handle_input(input, &mut on_media)
                    .map_err(|error| LoadError::Flv { index, error })?,
            }
            self.receiving += usize::from(first && reception.next_picture() > 0);
            if connection.waiting() > 0 {
                connection.flush().map_err(ended)?;
            }
            if length < READ_BYTES {
                break;
            }
        }
        Ok(())
    }
}
