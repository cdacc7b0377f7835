//! The turns of a run: one clock and one poll for all connections, with the publishers, if there are any, among them.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry, Token};
use thiserror::Error;

use crate::publisher::{PublishError, Publisher, Target};

/// Publishers look at the clock at least once in so many events.
const EVENTS_BETWEEN_FRAMES: usize = 16;
/// Tokens of publishers begin here; those below are everyone else's.
const FIRST_PUBLISHER: usize = usize::MAX / 2;

/// Why no turn follows.
#[derive(Debug, Error)]
pub(crate) enum TurnError {
    #[error("poll: {0}")]
    Poll(#[from] io::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("not reached in {} s: {what}", limit.as_secs())]
    Timeout { what: String, limit: Duration },
}

/// What a connection is ready for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// The token it was registered with.
    pub(crate) index: usize,
    pub(crate) writable: bool,
    pub(crate) readable: bool,
}

/// Clock, poll, and publishers.
#[derive(Debug)]
pub(crate) struct EventLoop {
    clock: Instant,
    poll: Poll,
    events: Events,
    pub(crate) publishers: Vec<Publisher>,
}

impl EventLoop {
    /// An event loop without a publisher, whose clock begins now.
    pub(crate) fn new() -> Result<Self, TurnError> {
        Ok(Self {
            clock: Instant::now(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            publishers: Vec::new(),
        })
    }

    /// An event loop with a publisher that begins to connect.
    pub(crate) fn publishing(target: &Target) -> Result<Self, TurnError> {
        let mut this = Self::new()?;
        this.add_publisher(target)?;
        Ok(this)
    }

    /// Lets one more publisher begin to connect.
    pub(crate) fn add_publisher(&mut self, target: &Target) -> Result<(), TurnError> {
        let token = Token(FIRST_PUBLISHER + self.publishers.len());
        self.publishers.push(Publisher::open(self.poll.registry(), token, target)?);
        Ok(())
    }

    /// The publisher of the stream that all watch, if there is one.
    pub(crate) fn publisher(&self) -> Option<&Publisher> {
        self.publishers.first()
    }

    /// By how much the publishers' frames were late against their own schedule, at most, since the last reset.
    pub(crate) fn latest_publish(&self) -> Duration {
        self.publishers.iter().map(|publisher| publisher.latest).max().unwrap_or_default()
    }

    /// Forgets how late the publishers were.
    pub(crate) fn reset_latest(&mut self) {
        for publisher in &mut self.publishers {
            publisher.latest = Duration::ZERO;
        }
    }

    /// Where connections are registered, each with its index as token.
    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// The clock, whose start is the start of the run.
    pub(crate) fn clock(&self) -> Instant {
        self.clock
    }

    /// Waits for events, but not past the next frame or `end`, and shows each to `on_ready`.
    pub(crate) fn turn<E: From<TurnError>>(
        &mut self,
        end: Duration,
        mut on_ready: impl FnMut(Ready) -> Result<(), E>,
    ) -> Result<(), E> {
        self.publish_due()?;
        let due = self.publishers.iter().filter_map(Publisher::due).min().unwrap_or(end);
        let timeout = due.min(end).saturating_sub(self.clock.elapsed());
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        if let Err(error) = self.poll.poll(&mut events, Some(timeout))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(TurnError::Poll(error).into());
        }
        for (count, event) in events.iter().enumerate() {
            if count % EVENTS_BETWEEN_FRAMES == EVENTS_BETWEEN_FRAMES - 1 {
                self.publish_due()?;
            }
            let (writable, readable) = (event.is_writable(), event.is_readable());
            let Token(index) = event.token();
            match index.checked_sub(FIRST_PUBLISHER).and_then(|index| self.publishers.get_mut(index)) {
                Some(publisher) => publisher
                    .on_ready(writable, readable, self.clock.elapsed())
                    .map_err(TurnError::Publish)?,
                None => on_ready(Ready { index, writable, readable })?,
            }
        }
        self.events = events;
        Ok(())
    }

    /// Sends the frames whose time has come.
    fn publish_due(&mut self) -> Result<(), TurnError> {
        for publisher in &mut self.publishers {
            publisher.publish_due(|| self.clock.elapsed())?;
        }
        Ok(())
    }
}

/// Something that goes on turn by turn.
pub(crate) trait Turns {
    type Error: From<TurnError>;

    /// The clock, whose start is the start of the run.
    fn clock(&self) -> Instant;

    /// Waits for events, but not past `end`, and handles them.
    fn turn(&mut self, end: Duration) -> Result<(), Self::Error>;

    /// Lets `duration` pass.
    fn run_for(&mut self, duration: Duration) -> Result<(), Self::Error> {
        let end = self.clock().elapsed() + duration;
        while self.clock().elapsed() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Runs until `done`.
    ///
    /// # Errors
    ///
    /// [`TurnError::Timeout`] when `limit` passes first.
    fn run_until(
        &mut self,
        what: &str,
        limit: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), Self::Error> {
        let end = self.clock().elapsed() + limit;
        while !done(self) {
            if self.clock().elapsed() >= end {
                return Err(TurnError::Timeout { what: what.to_owned(), limit }.into());
            }
            self.turn(end)?;
        }
        Ok(())
    }
}
