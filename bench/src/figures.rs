//! What all runs report alike: times as quantiles, the server's cost, and the generator's own load.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

use crate::procfs::Usage;

/// A histogram of times in microseconds, up to a minute, within a tenth of a percent.
pub(crate) fn microseconds() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
}

/// Times in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Quantiles {
    p50: u64,
    p99: u64,
    max: u64,
}

impl From<&Histogram<u64>> for Quantiles {
    fn from(times_us: &Histogram<u64>) -> Self {
        let at = |quantile| times_us.value_at_quantile(quantile);
        Self { p50: at(0.5), p99: at(0.99), max: times_us.max() }
    }
}

/// What a run cost the server.
#[derive(Debug, Serialize)]
pub(crate) struct ServerCost {
    pub(crate) cpu_s: f64,
    /// Share of one core it used.
    cpu: f64,
    /// Resident memory at the end.
    pub(crate) rss_bytes: u64,
}

impl ServerCost {
    /// The cost of `seconds` between two looks at the server.
    pub(crate) fn between(before: Usage, after: Usage, seconds: f64) -> Self {
        let cpu_s = after.cpu_s - before.cpu_s;
        Self { cpu_s, cpu: cpu_s / seconds, rss_bytes: after.rss_bytes }
    }
}

/// Whether the generator itself was the bottleneck.
#[derive(Debug, Serialize)]
pub(crate) struct Generator {
    /// Share of one core it used.
    cpu: f64,
    /// By how much its latest frame missed its time.
    latest_publish_us: u64,
}

impl Generator {
    /// The load of `seconds` between two looks at our own CPU time.
    pub(crate) fn between(before_s: f64, after_s: f64, seconds: f64, latest_publish: Duration) -> Self {
        Self { cpu: (after_s - before_s) / seconds, latest_publish_us: latest_publish.as_micros() as u64 }
    }
}
