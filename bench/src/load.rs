//! The load itself: one publisher and any number of viewers on one thread and one poll.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Token;
use thiserror::Error;

use crate::connection::Connection;
use crate::figures::microseconds;
use crate::http::{FlvClient, FlvError};
use crate::publisher::{Publisher, Target};
use crate::reception::Reception;
use crate::rtmp::{Role, RtmpClient, SessionError};
use crate::source::{Arrived, Shape};
use crate::turns::{EventLoop, Ready, TurnError, Turns};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("viewer: {0}")]
    Connect(io::Error),
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("viewer {index}: {error}")]
    Rtmp { index: usize, error: SessionError },
    #[error("viewer {index}: {error}")]
    Flv { index: usize, error: FlvError },
    #[error("viewer {index}: {error}")]
    Ended { index: usize, error: io::Error },
}

/// How viewers receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    Rtmp,
    HttpFlv,
    WsFlv,
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

/// A publisher, its viewers, and what they measured.
#[derive(Debug)]
pub(crate) struct Load {
    target: Target,
    event_loop: EventLoop,
    audience: Audience,
}

/// The viewers and what they measured.
#[derive(Debug)]
struct Audience {
    shape: Shape,
    clock: Instant,
    buffer: Vec<u8>,
    viewers: Vec<Option<Viewer>>,
    /// Viewers that have had their first picture; counted here because it is asked for at every turn.
    receiving: usize,
    delay_us: Histogram<u64>,
}

impl Load {
    /// Begins to connect the publisher.
    pub(crate) fn new(target: Target) -> Result<Self, LoadError> {
        let event_loop = EventLoop::publishing(&target)?;
        let audience = Audience {
            shape: Shape::new(target.bitrate),
            clock: event_loop.clock(),
            buffer: vec![0; READ_BYTES],
            viewers: Vec::new(),
            receiving: 0,
            delay_us: microseconds()?,
        };
        Ok(Self { target, event_loop, audience })
    }

    /// Begins to connect one more viewer and returns its number.
    pub(crate) fn add_viewer(&mut self, protocol: Protocol) -> Result<usize, LoadError> {
        let viewers = &mut self.audience.viewers;
        let index = viewers.iter().position(Option::is_none).unwrap_or(viewers.len());
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
        let opened_ns = self.audience.clock.elapsed().as_nanos() as u64;
        let connection = Connection::open(self.event_loop.registry(), Token(index), address, out)
            .map_err(LoadError::Connect)?;
        let viewer = Viewer { connection, client, reception: Reception::default(), opened_ns };
        if index == viewers.len() {
            viewers.push(None);
        }
        viewers[index] = Some(viewer);
        Ok(index)
    }

    /// Ends a viewer's connection.
    pub(crate) fn remove_viewer(&mut self, index: usize) {
        let removed = self.audience.viewers[index].take();
        self.audience.receiving -=
            usize::from(removed.is_some_and(|viewer| viewer.reception.next_picture() > 0));
    }

    /// Number of viewers that have had their first picture.
    pub(crate) fn receiving(&self) -> usize {
        self.audience.receiving
    }

    /// What each viewer received so far.
    pub(crate) fn receptions(&self) -> impl Iterator<Item = &Reception> {
        self.audience.viewers.iter().flatten().map(|viewer| &viewer.reception)
    }

    /// From the beginning of a viewer's connect to its first whole key frame.
    pub(crate) fn join_time(&self, index: usize) -> Option<Duration> {
        let viewer = self.audience.viewers[index].as_ref()?;
        Some(Duration::from_nanos(viewer.reception.first_key_ns? - viewer.opened_ns))
    }

    /// Whether the publisher's frames flow.
    pub(crate) fn is_publishing(&self) -> bool {
        self.event_loop.publisher.as_ref().is_some_and(Publisher::is_publishing)
    }

    /// Number of pictures published.
    pub(crate) fn pictures(&self) -> u64 {
        self.event_loop.publisher.as_ref().map_or(0, Publisher::pictures)
    }

    /// From the publisher's send to the viewer's receive of each picture, in microseconds, since the last reset.
    pub(crate) fn delay_us(&self) -> &Histogram<u64> {
        &self.audience.delay_us
    }

    /// By how much the publisher's frames were late against their own schedule since the last reset.
    pub(crate) fn latest_publish(&self) -> Duration {
        self.event_loop.publisher.as_ref().map_or(Duration::ZERO, |publisher| publisher.latest)
    }

    /// Forgets the delays measured so far.
    pub(crate) fn reset_delays(&mut self) {
        self.audience.delay_us.reset();
        if let Some(publisher) = &mut self.event_loop.publisher {
            publisher.latest = Duration::ZERO;
        }
    }
}

impl Turns for Load {
    type Error = LoadError;

    fn clock(&self) -> Instant {
        self.audience.clock
    }

    fn turn(&mut self, end: Duration) -> Result<(), LoadError> {
        let audience = &mut self.audience;
        self.event_loop.turn(end, |ready| audience.on_ready(ready))
    }
}

impl Audience {
    fn on_ready(&mut self, Ready { index, writable, readable }: Ready) -> Result<(), LoadError> {
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
