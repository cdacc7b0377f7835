//! Tasks that keep a connection up (pulls, forwards): their state as anyone may read it, and the pause
//! before they try again.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;

use crate::hub::Counter;

/// What a task is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// It waits for what it needs first: the stream to forward, a viewer for a pull on demand.
    #[default]
    Waiting,
    /// It is connecting.
    Connecting,
    /// Media flow.
    Streaming,
    /// It failed and will try again; see [`TaskStatus::last_error`].
    Retrying,
    /// It was stopped.
    Stopped,
}

impl TaskState {
    /// `waiting`, `connecting`, `streaming`, `retrying` or `stopped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Streaming => "streaming",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a task is doing, at one moment.
#[derive(Debug, Default)]
struct Now {
    state: TaskState,
    last_error: Option<String>,
    /// Of several places, the one media flow from while they flow.
    place: usize,
}

/// The state of a task, shared between the task and those who look.
#[derive(Debug, Default)]
pub struct TaskStatus {
    now: Mutex<Now>,
    /// Times it tried again.
    pub retries: Counter,
    /// Payload bytes moved since it began.
    pub bytes: Counter,
    /// Frames moved since it began.
    pub frames: Counter,
}

impl TaskStatus {
    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.now.lock().state
    }

    /// Why it failed last; kept until the next failure, also while media flow again.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.now.lock().last_error.clone()
    }

    /// Which of its places media flow from or to, the best being 0; `None` while none flow.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        let now = self.now.lock();
        (now.state == TaskState::Streaming).then_some(now.place)
    }

    /// Takes note of a new state.
    pub fn set(&self, state: TaskState) {
        self.now.lock().state = state;
    }

    /// Takes note that media flow from or to the place of that number.
    pub fn streams_at(&self, place: usize) {
        let mut now = self.now.lock();
        (now.state, now.place) = (TaskState::Streaming, place);
    }

    /// Takes note of a failure after which the task tries again.
    pub fn failed(&self, error: &dyn fmt::Display) {
        let last_error = Some(error.to_string());
        let mut now = self.now.lock();
        (now.state, now.last_error) = (TaskState::Retrying, last_error);
        drop(now);
        self.retries.add(1);
    }

    /// Counts what was moved.
    pub fn moved(&self, bytes: usize, frames: u64) {
        self.bytes.add(bytes as u64);
        self.frames.add(frames);
    }
}

/// First pause after a failure: short, most failures are a restart on the other side.
pub const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause: an operator who repairs the other side should not have to wait longer.
pub const MAX_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The pauses between tries: doubled each time up to a cap, then spread so that many tasks which failed
/// together do not come back together.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause. `random` is any number uniform over `u32`; the pause lies between half and all of
    /// the doubled one.
    pub fn next_pause(&mut self, random: u32) -> Duration {
        let doubled = FIRST_RETRY_PAUSE.saturating_mul(1 << self.failures.min(16)).min(MAX_RETRY_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let half = doubled / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// It worked: the next failure pauses briefly again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_failure_is_told_and_stays_readable() {
        let status = TaskStatus::default();
        status.set(TaskState::Connecting);
        status.failed(&"refused");
        assert_eq!((status.state(), status.retries.get()), (TaskState::Retrying, 1));
        status.set(TaskState::Streaming);
        assert_eq!(status.last_error().as_deref(), Some("refused"));
    }

    #[test]
    fn a_place_is_told_only_while_media_flow() {
        let status = TaskStatus::default();
        assert_eq!(status.place(), None);
        status.streams_at(2);
        assert_eq!((status.state(), status.place()), (TaskState::Streaming, Some(2)));
        status.failed(&"gone");
        assert_eq!(status.place(), None);
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_again_after_success() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..9).map(|_| backoff.next_pause(u32::MAX).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.next_pause(0), FIRST_RETRY_PAUSE / 2);
    }

    proptest! {
        #[test]
        fn every_pause_is_between_half_and_all(failures in 0u32..200, random in any::<u32>()) {
            let pause = Backoff { failures }.next_pause(random);
            let full = Backoff { failures }.next_pause(u32::MAX);
            prop_assert!(pause >= full / 2 && pause <= full && full <= MAX_RETRY_PAUSE);
        }
    }
}
