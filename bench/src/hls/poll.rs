//! The poll run: connections that ask for segments, or for a playlist, again as soon as they are answered.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Token;
use serde::Serialize;
use thiserror::Error;

use super::fetch::{FetchError, fetch};
use super::playlist::{resolve, segments};
use crate::connection::Connection;
use crate::figures::{Generator, Quantiles, ServerCost, microseconds};
use crate::http::{AnswerError, Exchange};
use crate::procfs::{own_cpu_s, usage_of_trees};
use crate::turns::{EventLoop, Ready, TurnError, Turns};

/// Pollers that may wait for their first answer at the same time: below any server's listen backlog.
const MAX_JOINING: usize = 64;
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// Between the last poller's first answer and the measurement.
const SETTLE: Duration = Duration::from_secs(1);
/// Enough for the head of an answer, or for a whole playlist.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of a segment taken away at once; never touched, so its size costs nothing.
const DISCARD_BYTES: usize = 4 << 20;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Segments,
    Playlist,
}

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) http: SocketAddr,
    /// Path of a media playlist.
    pub(crate) playlist: String,
    pub(crate) what: What,
    /// How many of the newest segments are asked for in turn, at most. Those of a live stream must stay fetchable for
    /// longer than the run lasts.
    pub(crate) segments: usize,
    pub(crate) pollers: usize,
    pub(crate) duration: Duration,
    /// The server's processes, when it runs on this machine.
    pub(crate) server_pids: Vec<u32>,
}

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum PollError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{playlist} lists no segments")]
    NoSegments { playlist: String },
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("poller {index}: {error}")]
    Socket { index: usize, error: io::Error },
    #[error("poller {index}: {error}")]
    Answer { index: usize, error: AnswerError },
    #[error("{path} had {found} bytes, should have {expected}")]
    Length { path: String, found: usize, expected: usize },
    #[error("{path} was no playlist")]
    NoPlaylist { path: String },
    #[error("the usage of the processes cannot be read: {0}")]
    Usage(io::Error),
}

/// The figures of a run in which every answer was right.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    what: What,
    /// Segments that were asked for in turn, or the one playlist.
    resources: usize,
    pollers: usize,
    seconds: f64,
    answers: u64,
    answers_per_s: f64,
    /// Bytes of the bodies.
    body_bytes: u64,
    server: Option<ServerCost>,
    server_cpu_s_per_gb: Option<f64>,
    server_cpu_us_per_answer: Option<f64>,
    /// From the request to the last byte of its answer.
    answered_us: Quantiles,
    generator: Generator,
}

/// Something that is asked for.
#[derive(Debug)]
struct Resource {
    path: String,
    /// `None` when the length may change.
    bytes: Option<usize>,
}

#[derive(Debug)]
struct Poller {
    connection: Connection,
    exchange: Exchange,
    resource: usize,
    asked: Duration,
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan) -> Result<Figures, PollError> {
    let look = || usage_of_trees(&plan.server_pids).map_err(PollError::Usage);
    let own = || own_cpu_s().map_err(PollError::Usage);
    let event_loop = EventLoop::new()?;
    let crowd = Crowd {
        address: plan.http,
        clock: event_loop.clock(),
        resources: resources(plan)?,
        pollers: Vec::with_capacity(plan.pollers),
        buffer: vec![0; DISCARD_BYTES],
        joined: 0,
        begun: false,
        answers: 0,
        body_bytes: 0,
        answered_us: microseconds()?,
    };
    let mut load = PollLoad { event_loop, crowd };
    for joining in 1..=plan.pollers {
        load.add_poller()?;
        load.run_until("pollers joining", JOIN_LIMIT, |load| joining - load.crowd.joined < MAX_JOINING)?;
    }
    load.run_until("all pollers joined", JOIN_LIMIT, |load| load.crowd.joined == plan.pollers)?;
    load.crowd.begin()?;
    load.run_for(SETTLE)?;

    load.crowd.answered_us.reset();
    let (answers_before, bytes_before) = (load.crowd.answers, load.crowd.body_bytes);
    let (began, before, own_before) = (load.clock().elapsed(), look()?, own()?);
    load.run_for(plan.duration)?;
    let (after, own_after) = (look()?, own()?);
    let seconds = (load.clock().elapsed() - began).as_secs_f64();
    let answers = load.crowd.answers - answers_before;
    let body_bytes = load.crowd.body_bytes - bytes_before;

    let server = before.zip(after).map(|(before, after)| ServerCost::between(before, after, seconds));
    Ok(Figures {
        what: plan.what,
        resources: load.crowd.resources.len(),
        pollers: plan.pollers,
        seconds,
        answers,
        answers_per_s: answers as f64 / seconds,
        body_bytes,
        server_cpu_s_per_gb: server.as_ref().map(|cost| cost.cpu_s * 1e9 / body_bytes as f64),
        server_cpu_us_per_answer: server.as_ref().map(|cost| cost.cpu_s * 1e6 / answers as f64),
        server,
        answered_us: (&load.crowd.answered_us).into(),
        generator: Generator::between(own_before, own_after, seconds, Duration::ZERO),
    })
}

/// What there is to ask for; each segment is fetched once to know its length.
fn resources(plan: &Plan) -> Result<Vec<Resource>, PollError> {
    let playlist = fetch(plan.http, &plan.playlist)?;
    if plan.what == What::Playlist {
        return Ok(vec![Resource { path: plan.playlist.clone(), bytes: None }]);
    }
    let text = String::from_utf8_lossy(&playlist);
    let listed: Vec<&str> = segments(&text).collect();
    let newest = &listed[listed.len().saturating_sub(plan.segments)..];
    if newest.is_empty() {
        return Err(PollError::NoSegments { playlist: plan.playlist.clone() });
    }
    let resource = |uri: &&str| {
        let path = resolve(&plan.playlist, uri);
        let bytes = Some(fetch(plan.http, &path)?.len());
        Ok(Resource { path, bytes })
    };
    newest.iter().map(resource).collect()
}

#[derive(Debug)]
struct PollLoad {
    event_loop: EventLoop,
    crowd: Crowd,
}

impl PollLoad {
    fn add_poller(&mut self) -> Result<(), PollError> {
        let Self { event_loop, crowd } = self;
        let index = crowd.pollers.len();
        // Pollers begin at different segments and go on in the same order, so that all are in use at any time.
        let resource = index % crowd.resources.len();
        let keeps_body = crowd.resources[resource].bytes.is_none();
        let (mut exchange, mut out) = (Exchange::new(keeps_body), Vec::new());
        exchange.ask(&crowd.resources[resource].path, &mut out);
        let address = crowd.address;
        let connection = Connection::open(event_loop.registry(), Token(index), address, out)
            .map_err(|error| PollError::Socket { index, error })?;
        let asked = crowd.clock.elapsed();
        crowd.pollers.push(Poller { connection, exchange, resource, asked });
        Ok(())
    }
}

impl Turns for PollLoad {
    type Error = PollError;

    fn clock(&self) -> Instant {
        self.crowd.clock
    }

    fn turn(&mut self, end: Duration) -> Result<(), PollError> {
        let crowd = &mut self.crowd;
        self.event_loop.turn(end, |ready| crowd.on_ready(ready))
    }
}

/// The pollers and what they were answered.
#[derive(Debug)]
struct Crowd {
    address: SocketAddr,
    clock: Instant,
    resources: Vec<Resource>,
    pollers: Vec<Poller>,
    buffer: Vec<u8>,
    /// Pollers that have had their first answer; they ask again when all have.
    joined: usize,
    begun: bool,
    answers: u64,
    body_bytes: u64,
    answered_us: Histogram<u64>,
}

impl Poller {
    fn ask(&mut self, resources: &[Resource], now: Duration) -> io::Result<()> {
        self.asked = now;
        self.exchange.ask(&resources[self.resource].path, &mut self.connection.out);
        self.connection.flush()
    }
}

impl Crowd {
    /// Lets all pollers ask again, and go on asking.
    fn begin(&mut self) -> Result<(), PollError> {
        self.begun = true;
        let now = self.clock.elapsed();
        for (index, poller) in self.pollers.iter_mut().enumerate() {
            poller.ask(&self.resources, now).map_err(|error| PollError::Socket { index, error })?;
        }
        Ok(())
    }

    fn on_ready(&mut self, Ready { index, writable, readable }: Ready) -> Result<(), PollError> {
        let socket = |error| PollError::Socket { index, error };
        let Some(poller) = self.pollers.get_mut(index) else { return Ok(()) };
        let Poller { connection, exchange, resource, asked } = poller;
        if writable {
            connection.on_writable().map_err(socket)?;
        }
        if !readable {
            return Ok(());
        }
        loop {
            let before = exchange.arrived();
            let missing = exchange.missing();
            let wanted;
            let length = if missing > 0 && self.resources[*resource].bytes.is_some() {
                wanted = missing.min(DISCARD_BYTES);
                let length = connection.discard(&mut self.buffer[..wanted]).map_err(socket)?;
                exchange.skipped(length.unwrap_or(0));
                length
            } else {
                wanted = READ_BYTES;
                let length = connection.read(&mut self.buffer[..wanted]).map_err(socket)?;
                let input = &self.buffer[..length.unwrap_or(0)];
                exchange.handle_input(input).map_err(|error| PollError::Answer { index, error })?;
                length
            };
            let Some(length) = length else { return Ok(()) };
            self.body_bytes += (exchange.arrived() - before) as u64;
            if exchange.is_whole() {
                check(exchange, &self.resources[*resource])?;
                let now = self.clock.elapsed();
                self.answered_us.saturating_record((now - *asked).as_micros() as u64);
                self.answers += 1;
                *resource = (*resource + 1) % self.resources.len();
                if !self.begun {
                    self.joined += 1;
                    return Ok(());
                }
                // Nothing can be there before the server has this; what comes then is an event of its own.
                return poller.ask(&self.resources, now).map_err(socket);
            }
            if length < wanted {
                return Ok(());
            }
        }
    }
}

/// Whether the answer is what was asked for.
fn check(exchange: &Exchange, resource: &Resource) -> Result<(), PollError> {
    let path = || resource.path.clone();
    match resource.bytes {
        Some(expected) if exchange.arrived() != expected => {
            Err(PollError::Length { path: path(), found: exchange.arrived(), expected })
        }
        None if !exchange.body().starts_with(b"#EXTM3U\n") => Err(PollError::NoPlaylist { path: path() }),
        _ => Ok(()),
    }
}
