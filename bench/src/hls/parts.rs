//! The parts run: players that wait for each partial segment with a blocking reload, and how late they have it.
//!
//! The frames of a part are known from their stamps, which one connection reads out of each part. A player's
//! delay is from the publisher's send of the last frame of the part it waited for to the last byte of the
//! playlist that lists that part.

use std::io;
use std::time::{Duration, Instant};

use mio::Token;
use serde::Serialize;
use thiserror::Error;

use super::availability::{Availability, PartError};
use super::playlist::{PartId, PlaylistError, read_parts, resolve};
use crate::connection::Connection;
use crate::figures::{Generator, Quantiles, ServerCost};
use crate::http::{AnswerError, Exchange};
use crate::procfs::{own_cpu_s, usage_of_trees};
use crate::publisher::{Publisher, Target};
use crate::turns::{EventLoop, Ready, TurnError, Turns};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Players that may wait for their first playlist at the same time: below any server's listen backlog.
const MAX_JOINING: usize = 64;
/// The first playlist takes the server a few GOPs.
const JOIN_LIMIT: Duration = Duration::from_secs(30);
/// Between the last player's first playlist and the measurement: more than one segment.
const SETTLE: Duration = Duration::from_secs(3);
/// For the parts of the last answers to be read.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 64 * 1024;
/// The connection that reads the parts.
const READER: usize = 0;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Path of a Low-Latency media playlist of video.
    pub(crate) playlist: String,
    pub(crate) waiters: usize,
    pub(crate) duration: Duration,
    /// The server's processes, when it runs on this machine.
    pub(crate) server_pids: Vec<u32>,
}

/// Why a run has no figures.
#[derive(Debug, Error)]
pub(crate) enum PartsError {
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("connection {index}: {error}")]
    Socket { index: usize, error: io::Error },
    #[error("connection {index}: {error}")]
    Answer { index: usize, error: AnswerError },
    #[error("waiter {index}: {error}")]
    Playlist { index: usize, error: PlaylistError },
    #[error("the answer to a blocking reload for {asked:?} has no such part; {next:?} comes next")]
    TooEarly { asked: PartId, next: PartId },
    #[error(transparent)]
    Part(#[from] PartError),
    #[error("no part became available")]
    NoParts,
    #[error("the usage of the processes cannot be read: {0}")]
    Usage(io::Error),
}

/// The figures of a run in which every answer held what it was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    waiters: usize,
    seconds: f64,
    /// Parts that became available in that time, and pictures in a part.
    parts: u64,
    pictures_per_part: f64,
    answers: u64,
    /// Answers that came so late that the part after was listed, too.
    late: u64,
    /// From the publisher's send of the last frame of a part to the answer that lists it.
    delay_us: Quantiles,
    server: Option<ServerCost>,
    generator: Generator,
}

/// Runs the plan.
pub(crate) fn run(target: &Target, plan: &Plan) -> Result<Figures, PartsError> {
    let look = || usage_of_trees(&plan.server_pids).map_err(PartsError::Usage);
    let own = || own_cpu_s().map_err(PartsError::Usage);
    let event_loop = EventLoop::publishing(target)?;
    let audience = Audience {
        clock: event_loop.clock(),
        playlist: plan.playlist.clone(),
        buffer: vec![0; READ_BYTES],
        players: Vec::with_capacity(plan.waiters + 1),
        joined: 0,
        availability: Availability::new()?,
    };
    let mut load = PartsLoad { target: target.clone(), event_loop, audience };
    let is_publishing = |load: &PartsLoad| load.publisher().is_some_and(Publisher::is_publishing);
    load.run_until("publishing", CONNECT_LIMIT, is_publishing)?;
    load.add_player(Role::Reader)?;
    for joining in 1..=plan.waiters {
        load.add_player(Role::Waiter { asked: None })?;
        load.run_until("waiters joining", JOIN_LIMIT, |load| joining - load.audience.joined < MAX_JOINING)?;
    }
    load.run_until("all waiters joined", JOIN_LIMIT, |load| load.audience.joined == plan.waiters)?;
    load.run_for(SETTLE)?;

    load.audience.availability.measuring = true;
    load.event_loop.reset_latest();
    let (began, before, own_before) = (load.clock().elapsed(), look()?, own()?);
    load.run_for(plan.duration)?;
    load.audience.availability.measuring = false;
    let (after, own_after) = (look()?, own()?);
    let seconds = (load.clock().elapsed() - began).as_secs_f64();
    let latest_publish = load.event_loop.latest_publish();
    load.run_until("all parts read", DRAIN_LIMIT, |load| load.audience.availability.is_settled())?;

    let Availability { parts, pictures, late, delay_us, .. } = &load.audience.availability;
    if delay_us.is_empty() {
        return Err(PartsError::NoParts);
    }
    Ok(Figures {
        waiters: plan.waiters,
        seconds,
        parts: *parts,
        pictures_per_part: *pictures as f64 / (*parts).max(1) as f64,
        answers: delay_us.len(),
        late: *late,
        delay_us: delay_us.into(),
        server: before.zip(after).map(|(before, after)| ServerCost::between(before, after, seconds)),
        generator: Generator::between(own_before, own_after, seconds, latest_publish),
    })
}

#[derive(Debug)]
struct PartsLoad {
    target: Target,
    event_loop: EventLoop,
    audience: Audience,
}

impl PartsLoad {
    fn publisher(&self) -> Option<&Publisher> {
        self.event_loop.publisher()
    }

    fn add_player(&mut self, role: Role) -> Result<(), PartsError> {
        let index = self.audience.players.len();
        let (mut exchange, mut out) = (Exchange::new(true), Vec::new());
        if role != Role::Reader {
            exchange.ask(&self.audience.playlist, &mut out);
        }
        let connection = Connection::open(self.event_loop.registry(), Token(index), self.target.http, out)
            .map_err(|error| PartsError::Socket { index, error })?;
        self.audience.players.push(Player { connection, exchange, role });
        Ok(())
    }
}

impl Turns for PartsLoad {
    type Error = PartsError;

    fn clock(&self) -> Instant {
        self.audience.clock
    }

    fn turn(&mut self, end: Duration) -> Result<(), PartsError> {
        let audience = &mut self.audience;
        self.event_loop.turn(end, |ready| audience.on_ready(ready))
    }
}

/// What a connection is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Reads each part once.
    Reader,
    /// Waits for each part; `asked` is `None` before its first playlist.
    Waiter { asked: Option<PartId> },
}

#[derive(Debug)]
struct Player {
    connection: Connection,
    exchange: Exchange,
    role: Role,
}

impl Player {
    fn ask(&mut self, path: &str) -> io::Result<()> {
        self.exchange.ask(path, &mut self.connection.out);
        self.connection.flush()
    }
}

/// The players and what they found.
#[derive(Debug)]
struct Audience {
    clock: Instant,
    playlist: String,
    buffer: Vec<u8>,
    /// The reader, then the waiters.
    players: Vec<Player>,
    /// Waiters that have had their first playlist.
    joined: usize,
    availability: Availability,
}

impl Audience {
    fn on_ready(&mut self, Ready { index, writable, readable }: Ready) -> Result<(), PartsError> {
        let socket = |error| PartsError::Socket { index, error };
        let Some(player) = self.players.get_mut(index) else { return Ok(()) };
        if writable {
            player.connection.on_writable().map_err(socket)?;
        }
        while readable && let Some(length) = player.connection.read(&mut self.buffer).map_err(socket)? {
            let input = &self.buffer[..length];
            player.exchange.handle_input(input).map_err(|error| PartsError::Answer { index, error })?;
            if player.exchange.is_whole() {
                // Nothing can be there before the next request has left.
                let now_ns = self.clock.elapsed().as_nanos() as u64;
                match player.role {
                    Role::Reader => self.availability.on_part(player.exchange.body())?,
                    Role::Waiter { asked } => self.on_playlist(index, asked, now_ns)?,
                }
                return self.read_next_part();
            }
            if length < READ_BYTES {
                break;
            }
        }
        Ok(())
    }

    fn on_playlist(&mut self, index: usize, asked: Option<PartId>, now_ns: u64) -> Result<(), PartsError> {
        let Self { playlist, players, availability, joined, .. } = self;
        let player = &mut players[index];
        let text = String::from_utf8_lossy(player.exchange.body());
        let (mut listed, mut newest) = (None, None);
        let next = read_parts(&text, |id, uri| {
            // A part past the last one of its segment is the first of the segment after.
            if listed.is_none() && asked.is_some_and(|asked| asked <= id) {
                listed = Some(id);
            }
            newest = Some(id);
            if availability.is_new(id) {
                availability.on_listed(id, resolve(playlist, uri));
            }
        })
        .map_err(|error| PartsError::Playlist { index, error })?;
        match (asked, listed) {
            (None, _) => *joined += 1,
            (Some(asked), None) => return Err(PartsError::TooEarly { asked, next }),
            (Some(_), Some(id)) => availability.on_answer(id, newest > listed, now_ns),
        }
        let joint = if playlist.contains('?') { '&' } else { '?' };
        let path = format!("{playlist}{joint}_HLS_msn={}&_HLS_part={}", next.msn, next.part);
        player.role = Role::Waiter { asked: Some(next) };
        player.ask(&path).map_err(|error| PartsError::Socket { index, error })
    }

    /// Lets the reader go on when it is idle and there is something to read.
    fn read_next_part(&mut self) -> Result<(), PartsError> {
        match (self.availability.next_to_read(), self.players.get_mut(READER)) {
            (Some(path), Some(reader)) => {
                reader.ask(&path).map_err(|error| PartsError::Socket { index: READER, error })
            }
            _ => Ok(()),
        }
    }
}
