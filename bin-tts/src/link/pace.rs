//! How many events are sent: more than a second's worth at once is left to a snapshot.

use std::time::{Duration, Instant};

/// Events sent in one second. A manager takes several times as many; when more viewers come than that, numbers are
/// left out, and the manager asks for a snapshot, which tells of all of them at once.
pub const MAX_EVENTS_PER_S: u32 = 1_000;

/// Counts the events of each second.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    sent: u32,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, sent: 0 }
    }

    /// Whether one more may be sent `now`.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let admitted = self.sent < MAX_EVENTS_PER_S;
        self.sent += u32::from(admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_second_at_their_limit() {
        let began = Instant::now();
        let mut pace = Pace::new(began);
        let late = began + Duration::from_millis(999);
        assert!((0..MAX_EVENTS_PER_S).all(|_| pace.admits(late)));
        assert!(!pace.admits(late));
        assert!(pace.admits(began + Duration::from_secs(1)), "the next second has its own");
        assert!((1..MAX_EVENTS_PER_S).all(|_| pace.admits(began + Duration::from_secs(1))));
        assert!(!pace.admits(began + Duration::from_secs(1)));
    }
}
