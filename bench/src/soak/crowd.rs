//! The crowd: guests of all kinds who come and go for as long as they are let.

use std::collections::BTreeMap;
use std::time::Duration;

use mio::Token;
use serde::Serialize;
use thiserror::Error;

use super::dice::Dice;
use super::guest::{Gone, Guest, Manner};
use super::kind::{FLAPPING_STREAMS, Kind, RETURNING_STREAMS, Streams, Visits};
use super::malformed::Malformed;
use crate::publisher::Target;
use crate::turns::{EventLoop, TurnError};

/// How often guests come, leave and look at the clock.
const TICK: Duration = Duration::from_millis(5);
/// Guests at once; past it nobody comes. Far more than the rates make when the server answers.
const MAX_GUESTS: usize = 8_192;
/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;

/// Why the crowd is no use.
#[derive(Debug, Error)]
pub(crate) enum CrowdError {
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("{kind:?}: nobody listens: {error}")]
    Unreachable { kind: Kind, error: String },
    #[error("the server has {MAX_GUESTS} guests and ends none")]
    Overfull,
    #[error("of {arrived} guests of kind {kind:?} none was served{last}")]
    Unserved { kind: Kind, arrived: u64, last: String },
}

/// What became of the guests of one kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) arrived: u64,
    /// Had what they came for.
    pub(super) served: u64,
    /// The server ended or refused them before they left.
    pub(super) ended: u64,
    /// Why, of the last.
    #[serde(skip)]
    last: Option<String>,
}

/// The crowd.
#[derive(Debug)]
pub(super) struct Crowd {
    target: Target,
    malformed: Malformed,
    event_loop: EventLoop,
    dice: Dice,
    visits: Vec<(Visits, Duration)>,
    guests: Vec<Option<Guest>>,
    vacant: Vec<usize>,
    buffer: Vec<u8>,
    tallies: BTreeMap<Kind, Tally>,
}

impl Crowd {
    /// A crowd around the stream of `target`, which somebody else publishes.
    pub(super) fn new(target: Target, malformed: Malformed, visits: Vec<Visits>) -> Result<Self, CrowdError> {
        Ok(Self {
            target,
            malformed,
            event_loop: EventLoop::new()?,
            dice: Dice::new(),
            visits: visits.into_iter().map(|visits| (visits, Duration::ZERO)).collect(),
            guests: Vec::new(),
            vacant: Vec::new(),
            buffer: vec![0; READ_BYTES],
            tallies: BTreeMap::new(),
        })
    }

    /// Lets guests come and go for `duration`, and then all leave.
    pub(super) fn run(mut self, duration: Duration) -> Result<BTreeMap<Kind, Tally>, CrowdError> {
        let clock = self.event_loop.clock();
        while clock.elapsed() < duration {
            self.arrive(clock.elapsed())?;
            self.look_at_the_clock()?;
            let end = clock.elapsed() + TICK;
            while clock.elapsed() < end {
                self.turn(end)?;
            }
        }
        for guest in std::mem::take(&mut self.guests).into_iter().flatten() {
            self.tallies.entry(guest.kind).or_default().served += u64::from(guest.served);
            guest.leave(Manner::Abruptly);
        }
        for (&kind, tally) in &mut self.tallies {
            if kind.is_served() && tally.served == 0 {
                let last = tally.last.take().map(|last| format!("; the last: {last}")).unwrap_or_default();
                return Err(CrowdError::Unserved { kind, arrived: tally.arrived, last });
            }
        }
        Ok(self.tallies)
    }

    fn turn(&mut self, end: Duration) -> Result<(), CrowdError> {
        let Self { event_loop, guests, buffer, tallies, vacant, .. } = self;
        let clock = event_loop.clock();
        event_loop.turn(end, |ready| {
            let place = &mut guests[ready.index];
            let Some(guest) = place else { return Ok(()) };
            match guest.on_ready(ready.writable, ready.readable, clock.elapsed(), buffer) {
                Ok(()) => Ok(()),
                Err(gone) => {
                    let ended = end_of(guest, &gone, tallies);
                    *place = None;
                    vacant.push(ready.index);
                    ended
                }
            }
        })
    }

    /// Lets those in whose time has come.
    fn arrive(&mut self, now: Duration) -> Result<(), CrowdError> {
        for index in 0..self.visits.len() {
            while self.visits[index].1 <= now {
                let (visits, next) = &mut self.visits[index];
                // From half to one and a half of the mean, so that kinds do not come in step.
                let spread = 0.5 + self.dice.below(1_000) as f64 / 1_000.0;
                *next += Duration::from_secs_f64(spread / visits.per_s);
                let visits = visits.clone();
                self.welcome(&visits, now)?;
            }
        }
        Ok(())
    }

    fn welcome(&mut self, visits: &Visits, now: Duration) -> Result<(), CrowdError> {
        let index = self.vacant.pop().unwrap_or(self.guests.len());
        if index >= MAX_GUESTS {
            return Err(CrowdError::Overfull);
        }
        if index == self.guests.len() {
            self.guests.push(None);
        }
        let target = self.target_of(visits.streams);
        let leaves = now + self.dice.within_ms(&visits.stay_ms);
        let registry = self.event_loop.registry();
        let tally = self.tallies.entry(visits.kind).or_default();
        tally.arrived += 1;
        let (malformed, dice) = (&self.malformed, &mut self.dice);
        match Guest::open(visits.kind, registry, Token(index), &target, malformed, dice, leaves) {
            Ok(guest) => self.guests[index] = Some(guest),
            Err(gone) => {
                self.vacant.push(index);
                let error = gone.to_string();
                return Err(CrowdError::Unreachable { kind: visits.kind, error });
            }
        }
        Ok(())
    }

    fn target_of(&mut self, streams: Streams) -> Target {
        let dice = &mut self.dice;
        let flapping = |dice: &mut Dice| format!("flapping-{}", dice.below(FLAPPING_STREAMS));
        let returning = |dice: &mut Dice| format!("returning-{}", dice.below(RETURNING_STREAMS));
        let stream = match streams {
            Streams::Flapping => flapping(dice),
            Streams::Any | Streams::Lasting if dice.below(2) == 0 => self.target.stream.clone(),
            Streams::Any if dice.below(2) == 0 => flapping(dice),
            Streams::Any | Streams::Lasting | Streams::Returning => returning(dice),
        };
        let flv_path = format!("/{}/{stream}/play.flv", self.target.app);
        Target { stream, flv_path, ..self.target.clone() }
    }

    /// Does what is due, and lets those leave who have stayed long enough.
    fn look_at_the_clock(&mut self) -> Result<(), CrowdError> {
        let clock = self.event_loop.clock();
        for (index, place) in self.guests.iter_mut().enumerate() {
            let Some(guest) = place else { continue };
            if guest.leaves > clock.elapsed() {
                let Err(gone) = guest.on_time(|| clock.elapsed()) else { continue };
                let ended = end_of(guest, &gone, &mut self.tallies);
                *place = None;
                self.vacant.push(index);
                ended?;
            } else if let Some(guest) = place.take() {
                self.vacant.push(index);
                self.tallies.entry(guest.kind).or_default().served += u64::from(guest.served);
                let manners = [Manner::Orderly, Manner::Abruptly, Manner::Reset];
                guest.leave(manners[self.dice.below(manners.len())]);
            }
        }
        Ok(())
    }
}

/// Counts a guest whom the server has ended.
fn end_of(guest: &Guest, gone: &Gone, tallies: &mut BTreeMap<Kind, Tally>) -> Result<(), CrowdError> {
    let kind = guest.kind;
    if gone.is_unreachable() {
        return Err(CrowdError::Unreachable { kind, error: gone.to_string() });
    }
    let tally = tallies.entry(kind).or_default();
    tally.served += u64::from(guest.served);
    tally.ended += 1;
    tally.last = Some(gone.to_string());
    Ok(())
}
