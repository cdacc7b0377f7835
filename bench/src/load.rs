//! The load itself: one publisher and any number of viewers on one thread and one poll.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Token;
use thiserror::Error;

use crate::connection::Connection;
use crate::figures::microseconds;
use crate::http::{FlvClient, FlvError, TagError, TagReader};
use crate::publisher::{Publisher, Target};
use crate::reception::Reception;
use crate::rtmp::{Role, RtmpClient, SessionError};
use crate::source::{Arrived, Shape};
use crate::turns::{EventLoop, Ready, TurnError, Turns};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;
/// Viewers that take slowly take a share so often.
const SLOW_STEP: Duration = Duration::from_millis(20);

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
    Plain { index: usize, error: TagError },
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
    /// FLV over bare TCP, from the plain program.
    Plain,
}

#[derive(Debug)]
enum Client {
    Rtmp(RtmpClient),
    Flv(FlvClient),
    Plain(TagReader),
}

/// How a viewer takes what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// As it comes.
    All,
    /// So many bytes a second and no more, once it has its first picture.
    Slowly(u64),
    /// Nothing more, once it has its first picture.
    Nothing,
}

#[derive(Debug)]
struct Viewer {
    connection: Connection,
    client: Client,
    reception: Reception,
    taking: Taking,
    opened_ns: u64,
}

/// A publisher, its viewers, and what they measured.
#[derive(Debug)]
pub(crate) struct Load {
    target: Target,
    event_loop: EventLoop,
    audience: Audience,
    next_slow_step: Duration,
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
    /// Viewers that take slowly and have begun to.
    slow: Vec<usize>,
    /// Whether received bytes are acknowledged at once.
    acknowledges_at_once: bool,
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
            slow: Vec::new(),
            acknowledges_at_once: false,
        };
        Ok(Self { target, event_loop, audience, next_slow_step: Duration::ZERO })
    }

    /// Lets the viewers' kernel acknowledge what it receives at once (`TCP_QUICKACK`), not after a while.
    pub(crate) fn acknowledge_at_once(&mut self) {
        self.audience.acknowledges_at_once = true;
    }

    /// Begins to connect one more viewer, which takes all as it comes, and returns its number.
    pub(crate) fn add_viewer(&mut self, protocol: Protocol) -> Result<usize, LoadError> {
        self.add_viewer_taking(protocol, Taking::All)
    }

    /// Begins to connect one more viewer and returns its number.
    pub(crate) fn add_viewer_taking(
        &mut self,
        protocol: Protocol,
        taking: Taking,
    ) -> Result<usize, LoadError> {
        let viewers = &mut self.audience.viewers;
        let index = viewers.iter().position(Option::is_none).unwrap_or(viewers.len());
        let (app, stream) = (&self.target.app, &self.target.stream);
        let mut out = Vec::new();
        let path = &self.target.flv_path;
        let (client, address) = match protocol {
            Protocol::Rtmp => {
                let client = RtmpClient::new(Role::Play, app, stream, &mut out);
                (Client::Rtmp(client), self.target.rtmp)
            }
            Protocol::HttpFlv => (Client::Flv(FlvClient::new(false, path, &mut out)), self.target.http),
            Protocol::WsFlv => (Client::Flv(FlvClient::new(true, path, &mut out)), self.target.http),
            Protocol::Plain => (Client::Plain(TagReader::default()), self.target.http),
        };
        let opened_ns = self.audience.clock.elapsed().as_nanos() as u64;
        let connection = Connection::open(self.event_loop.registry(), Token(index), address, out)
            .map_err(LoadError::Connect)?;
        let viewer = Viewer { connection, client, reception: Reception::default(), taking, opened_ns };
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

    /// What each viewer that takes all received so far.
    pub(crate) fn receptions(&self) -> impl Iterator<Item = &Reception> {
        let viewers = self.audience.viewers.iter().flatten();
        viewers.filter(|viewer| viewer.taking == Taking::All).map(|viewer| &viewer.reception)
    }

    /// Number of viewers there are, the server has not closed.
    pub(crate) fn present(&self) -> usize {
        self.audience.viewers.iter().flatten().count()
    }

    /// From the beginning of a viewer's connect to its first whole key frame.
    pub(crate) fn join_time(&self, index: usize) -> Option<Duration> {
        let viewer = self.audience.viewers[index].as_ref()?;
        Some(Duration::from_nanos(viewer.reception.first_key_ns? - viewer.opened_ns))
    }

    /// Whether the publisher's frames flow.
    pub(crate) fn is_publishing(&self) -> bool {
        self.event_loop.publisher().is_some_and(Publisher::is_publishing)
    }

    /// Number of pictures published.
    pub(crate) fn pictures(&self) -> u64 {
        self.event_loop.publisher().map_or(0, Publisher::pictures)
    }

    /// Number of viewers of whose pictures or sound the last second is missing: they were cut off, even if nothing
    /// was skipped.
    pub(crate) fn behind(&self) -> usize {
        let sounds = self.event_loop.publisher().map_or(0, Publisher::sounds);
        self.receptions().filter(|reception| reception.is_behind(self.pictures(), sounds)).count()
    }

    /// From the publisher's send to the viewer's receive of each picture, in microseconds, since the last reset.
    pub(crate) fn delay_us(&self) -> &Histogram<u64> {
        &self.audience.delay_us
    }

    /// By how much the publisher's frames were late against their own schedule since the last reset.
    pub(crate) fn latest_publish(&self) -> Duration {
        self.event_loop.latest_publish()
    }

    /// Forgets the delays measured so far.
    pub(crate) fn reset_delays(&mut self) {
        self.audience.delay_us.reset();
        self.event_loop.reset_latest();
    }
}

impl Turns for Load {
    type Error = LoadError;

    fn clock(&self) -> Instant {
        self.audience.clock
    }

    fn turn(&mut self, end: Duration) -> Result<(), LoadError> {
        let Self { event_loop, audience, next_slow_step, .. } = self;
        let slow = !audience.slow.is_empty();
        let end = if slow { end.min(*next_slow_step) } else { end };
        event_loop.turn(end, |ready| audience.on_ready(ready))?;
        let now = audience.clock.elapsed();
        if slow && now >= *next_slow_step {
            *next_slow_step = now + SLOW_STEP;
            audience.take_slowly();
        }
        Ok(())
    }
}

impl Audience {
    fn on_ready(&mut self, Ready { index, writable, readable }: Ready) -> Result<(), LoadError> {
        // An event may wait for a viewer that was removed in the same turn.
        let Some(viewer) = &mut self.viewers[index] else { return Ok(()) };
        let taking = viewer.taking;
        if taking != Taking::All && viewer.has_begun() {
            return Ok(());
        }
        if writable {
            viewer.connection.on_writable().map_err(|error| LoadError::Ended { index, error })?;
        }
        if readable {
            while self.read(index, READ_BYTES)? == READ_BYTES {}
        }
        if matches!(taking, Taking::Slowly(_)) && self.viewers[index].as_ref().is_some_and(Viewer::has_begun)
        {
            self.slow.push(index);
        }
        Ok(())
    }

    /// Lets the slow viewers take their share; those that the server has closed are gone.
    fn take_slowly(&mut self) {
        let slow = std::mem::take(&mut self.slow);
        for index in slow {
            let Some(Taking::Slowly(bytes_per_s)) = self.viewers[index].as_ref().map(|viewer| viewer.taking)
            else {
                continue;
            };
            let share = bytes_per_s as usize * SLOW_STEP.as_millis() as usize / 1000;
            match self.read(index, share.clamp(1, READ_BYTES)) {
                Ok(_) => self.slow.push(index),
                Err(_) => self.viewers[index] = None,
            }
        }
    }

    /// Reads up to `most` bytes of a viewer; how many there were.
    fn read(&mut self, index: usize, most: usize) -> Result<usize, LoadError> {
        let ended = |error| LoadError::Ended { index, error };
        let Some(Viewer { connection, client, reception, taking, .. }) = &mut self.viewers[index] else {
            return Ok(0);
        };
        let Some(length) = connection.read(&mut self.buffer[..most]).map_err(ended)? else { return Ok(0) };
        if self.acknowledges_at_once {
            connection.acknowledge_at_once().map_err(ended)?;
        }
        let now_ns = self.clock.elapsed().as_nanos() as u64;
        let (shape, delay_us) = (self.shape, &mut self.delay_us);
        let (first, timed) = (reception.next_picture() == 0, *taking == Taking::All);
        let mut on_media = |arrived: Arrived<'_>| {
            if let Some(stamp) = reception.on_media(shape, arrived, now_ns)
                && timed
            {
                delay_us.saturating_record(now_ns.saturating_sub(stamp.sent_ns) / 1000);
            }
        };
        let mut input = &self.buffer[..length];
        match client {
            Client::Rtmp(client) => client
                .handle_input(input, &mut connection.out, &mut on_media)
                .map_err(|error| LoadError::Rtmp { index, error })?,
            Client::Flv(client) => {
                client.handle_input(input, &mut on_media).map_err(|error| LoadError::Flv { index, error })?;
            }
            Client::Plain(tags) => {
                let plain = |error| LoadError::Plain { index, error };
                while let Some(tag) = tags.next(&mut input).map_err(plain)? {
                    on_media(tag);
                }
            }
        }
        self.receiving += usize::from(first && reception.next_picture() > 0);
        if connection.waiting() > 0 {
            connection.flush().map_err(ended)?;
        }
        Ok(length)
    }
}

impl Viewer {
    /// Whether it has its first picture.
    fn has_begun(&self) -> bool {
        self.reception.next_picture() > 0
    }
}
