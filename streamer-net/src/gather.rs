//! Fewer reads of a connection whose bytes nobody waits for.
//!
//! What a publisher sends comes in small messages, and each wakes a thread, is read and is acknowledged by itself. The
//! low-water mark of the socket (`SO_RCVLOWAT`) has the system keep quiet until several are there. The mark follows the
//! rate at which bytes come, and what stays below it is asked for after a while all the same.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::stream::Stream;

/// What one read is to take at most, in time; marks are powers of two, so that it is three quarters of that on the average.
/// For publishers of 77 messages a second it saves four tenths of the cost (`docs/performance.md`). Longer would save more, and
/// what the server tells of the stream would be older.
pub const GATHER_TIME: Duration = Duration::from_millis(50);
/// Longest that bytes lie unread while more are waited for: an encoder that says goodbye and waits for the answer does not
/// feel it.
pub const MAX_GATHER_WAIT: Duration = Duration::from_millis(100);
/// Most bytes for which the system keeps quiet: [`GATHER_TIME`] at 2.6 Mbit/s. Past that a read takes many messages as it
/// is.
pub const MAX_GATHERED_BYTES: u32 = 16 * 1024;
/// Bytes are counted for so long before a mark is made of them: a key frame's interval, as a rule.
const RATE_TIME: Duration = Duration::from_secs(1);
/// The mark at which each byte wakes.
const AT_ONCE: u32 = 1;

/// What is known of when bytes arrived that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// All that one read took had just arrived.
    Each,
    /// The last byte had just arrived, others perhaps before.
    Last,
    /// Nothing.
    Unknown,
}

/// Decides how many bytes are to lie unread before the task of a connection is woken.
#[derive(Debug)]
pub struct Gather {
    mark: Mark,
    /// What the socket was told.
    told: u32,
    /// The sum of all bytes read when the socket was last told to wake at once though it had been gathering.
    lowered_at: Option<u64>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Default for Gather {
    fn default() -> Self {
        Self { mark: Mark::default(), told: AT_ONCE, lowered_at: None, timer: None }
    }
}

impl Gather {
    /// To be called when all that was read is dealt with and a read of `stream` has left the waker of `cx`. `read` is the
    /// sum of all bytes read so far; `hurried`, whether somebody waits for what comes: then each byte wakes, at once, as it
    /// does over TLS, where it is not known how much of what arrived is still to come.
    pub fn rest(&mut self, stream: &Stream, read: u64, hurried: bool, cx: &mut Context<'_>) {
        if self.lowered_at.is_some_and(|then| then != read) {
            self.lowered_at = None;
        }
        if hurried || stream.encrypted() {
            self.mark = Mark::default();
            self.timer = None;
            return self.tell(stream, AT_ONCE, read);
        }
        let due = self.mark.rest(Instant::now(), read);
        self.tell(stream, self.mark.bytes(), read);
        if self.told == AT_ONCE {
            return;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // Each read moves the end of the wait on; the timer is only looked at when it fires.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                self.mark.waited();
                return self.tell(stream, AT_ONCE, read);
            }
            timer.as_mut().reset(due);
        }
    }

    /// What is known of when that arrived which was read since the last [`rest`](Self::rest).
    #[must_use]
    pub const fn arrival(&self) -> Arrival {
        match (self.lowered_at, self.told) {
            (Some(_), _) => Arrival::Unknown,
            (None, AT_ONCE) => Arrival::Each,
            (None, _) => Arrival::Last,
        }
    }

    /// Has the system wake at `mark` bytes. If they are there already, it does so now.
    fn tell(&mut self, stream: &Stream, mark: u32, read: u64) {
        if self.told == mark {
            return;
        }
        match set_low_water_mark(stream, mark) {
            Ok(()) => {
                if mark == AT_ONCE {
                    self.lowered_at = Some(read);
                }
                self.told = mark;
            }
            // Each byte wakes, as before.
            Err(error) => tracing::debug!(%error, "the system does not gather what arrives"),
        }
    }
}

#[cfg(target_os = "linux")]
mod option {
    use nix::libc;
    use nix::sys::socket::sockopt::SetStruct;

    /// `SO_RCVLOWAT`, see `socket(7)`.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct ReceiveLowWater;
    nix::setsockopt_impl!(
        ReceiveLowWater,
        libc::SOL_SOCKET,
        libc::SO_RCVLOWAT,
        libc::c_int,
        SetStruct<'_, libc::c_int>
    );
}

#[cfg(target_os = "linux")]
fn set_low_water_mark(stream: &Stream, bytes: u32) -> io::Result<()> {
    let bytes = i32::try_from(bytes).map_err(io::Error::other)?;
    Ok(nix::sys::socket::setsockopt(stream.tcp(), option::ReceiveLowWater, &bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn set_low_water_mark(_: &Stream, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The mark that suits what has come so far.
#[derive(Debug, Default)]
struct Mark {
    /// A power of two; 0 before the rate is known.
    suits: u32,
    /// Bytes have waited long enough: none is made to wait before some are read.
    waited: bool,
    /// When bytes were last read, and the sum of all then.
    newest: Option<(Instant, u64)>,
    /// As `newest`, where the rate is counted from.
    counted_from: Option<(Instant, u64)>,
}

impl Mark {
    fn bytes(&self) -> u32 {
        if self.waited { AT_ONCE } else { self.suits.max(AT_ONCE) }
    }

    /// Takes note that `read` bytes in all were read by `now`. Returns until when bytes may wait.
    fn rest(&mut self, now: Instant, read: u64) -> Instant {
        let (mut newest, known) = self.newest.unwrap_or((now, read));
        if known != read {
            newest = now;
            self.waited = false;
        }
        self.newest = Some((newest, read));
        let (from, already) = *self.counted_from.get_or_insert((now, read));
        let counted = now.saturating_duration_since(from);
        if counted >= RATE_TIME {
            self.suits = suiting(read.saturating_sub(already), counted);
            self.counted_from = Some((now, read));
        }
        newest + MAX_GATHER_WAIT
    }

    /// Bytes have waited long enough.
    const fn waited(&mut self) {
        self.waited = true;
    }
}

/// The largest power of two that comes within [`GATHER_TIME`] if `bytes` came within `time`.
fn suiting(bytes: u64, time: Duration) -> u32 {
    let gathered = u128::from(bytes) * GATHER_TIME.as_nanos() / time.as_nanos().max(1);
    let gathered = u32::try_from(gathered).unwrap_or(MAX_GATHERED_BYTES).min(MAX_GATHERED_BYTES);
    gathered.checked_ilog2().map_or(0, |log| 1 << log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_is_a_power_of_two_that_the_rate_reaches_in_time() {
        for (bytes_per_s, mark) in
            [(0, 0), (19, 0), (20, 1), (25_600, 1_024), (40_959, 1_024), (40_960, 2_048), (320_000, 8_192)]
        {
            assert_eq!(suiting(bytes_per_s, Duration::from_secs(1)), mark, "{bytes_per_s}");
            assert_eq!(suiting(bytes_per_s * 3, Duration::from_secs(3)), mark, "{bytes_per_s}");
        }
        for bytes_per_s in [u64::from(MAX_GATHERED_BYTES) * 20, 1 << 30, u64::MAX] {
            assert_eq!(suiting(bytes_per_s, Duration::from_secs(1)), MAX_GATHERED_BYTES, "{bytes_per_s}");
        }
    }

    #[test]
    fn nothing_is_gathered_before_the_rate_is_known_or_after_a_wait() {
        let began = Instant::now();
        let mut mark = Mark::default();
        for step in 0..10 {
            mark.rest(began + RATE_TIME / 10 * step, 3_000 * u64::from(step));
            assert_eq!(mark.bytes(), AT_ONCE, "{step}");
        }
        let at = began + RATE_TIME;
        assert_eq!(mark.rest(at, 30_000), at + MAX_GATHER_WAIT);
        assert_eq!(mark.bytes(), 1_024);
        // Polled for another reason.
        assert_eq!(mark.rest(at + Duration::from_millis(7), 30_000), at + MAX_GATHER_WAIT);
        assert_eq!(mark.bytes(), 1_024);
        mark.waited();
        mark.rest(at + Duration::from_millis(101), 30_000);
        assert_eq!(mark.bytes(), AT_ONCE);
        mark.rest(at + Duration::from_millis(102), 30_010);
        assert_eq!(mark.bytes(), 1_024, "bytes have come");
    }

    proptest! {
        #[test]
        fn no_mark_is_past_the_limit_and_none_is_reached_late(steps in prop::collection::vec((0u64..3_000_000_000, 0u64..1_000_000), 1..50)) {
            let (mut now, mut read) = (Instant::now(), 0);
            let mut mark = Mark::default();
            for (nanos, bytes) in steps {
                now += Duration::from_nanos(nanos);
                read += bytes;
                let until = mark.rest(now, read);
                prop_assert!(until <= now + MAX_GATHER_WAIT);
                prop_assert!((AT_ONCE..=MAX_GATHERED_BYTES).contains(&mark.bytes()) && mark.bytes().is_power_of_two());
            }
        }
    }
}
