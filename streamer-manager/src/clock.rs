//! The wall clock as a value: so that expiry and jumps of the clock can be shown without waiting.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time, in milliseconds of Unix time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The clock of the machine. Before 1970 it says 0.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// A clock that says what `now_unix_ms` returns.
    #[must_use]
    pub fn new(now_unix_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_unix_ms))
    }

    /// The time, in milliseconds of Unix time.
    #[must_use]
    pub fn now_unix_ms(&self) -> u64 {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_unix_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_machine_is_past_the_year_2020() {
        assert!(Clock::system().now_unix_ms() > 1_577_836_800_000);
        assert_eq!(Clock::new(|| 7).now_unix_ms(), 7);
    }
}
