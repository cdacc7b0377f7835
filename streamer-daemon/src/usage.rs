//! What the process uses of the machine.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use streamer_control::link::engine_api::ProcessBody;
use tokio::time::{MissedTickBehavior, interval};

/// How often the processor time is sampled.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Samples held: the mean is over five seconds.
const MAX_SAMPLES: usize = 6;

/// Samples of the processor time of the process.
#[derive(Debug, Default)]
pub struct Usage(Mutex<VecDeque<(Instant, Duration)>>);

impl Usage {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Samples for ever.
    pub async fn run(&self) {
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sample(Instant::now(), cpu_time());
        }
    }

    fn sample(&self, at: Instant, used: Duration) {
        let mut samples = self.0.lock();
        samples.push_back((at, used));
        while samples.len() > MAX_SAMPLES {
            samples.pop_front();
        }
    }

    fn cpu_percent(&self, at: Instant, used: Duration) -> f64 {
        let Some((since, before)) = self.0.lock().front().copied() else { return 0.0 };
        let elapsed = at.saturating_duration_since(since).as_secs_f64();
        if elapsed > 0.0 { 100.0 * used.saturating_sub(before).as_secs_f64() / elapsed } else { 0.0 }
    }

    /// What the process uses now. What the system does not tell is 0.
    #[must_use]
    pub fn now(&self) -> ProcessBody {
        let used = cpu_time();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        ProcessBody {
            pid: std::process::id(),
            cpu_ms: u64::try_from(used.as_millis()).unwrap_or(u64::MAX),
            cpu_percent: self.cpu_percent(Instant::now(), used),
            resident_bytes: number_of(&status, "VmRSS:") * 1_024,
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            threads: number_of(&status, "Threads:"),
        }
    }
}

/// Processor time of all threads since the process began.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The number in the line of `status` that begins with `name`.
fn number_of(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something_of_everything() {
        let body = Usage::new().now();
        assert_eq!(body.pid, std::process::id());
        assert!(body.resident_bytes > 1 << 20 && body.open_files > 2 && body.threads > 0, "{body:?}");
        let begun = cpu_time();
        while cpu_time() < begun + Duration::from_millis(2) {}
        assert!(Usage::new().now().cpu_ms > body.cpu_ms);
    }

    #[test]
    fn the_share_of_a_processor_is_of_the_last_samples() {
        let (usage, began) = (Usage::new(), Instant::now());
        let at = |s: u64| began + Duration::from_secs(s);
        assert!(usage.cpu_percent(at(0), Duration::ZERO).abs() < 1e-9, "before the first sample");
        for second in 0..100 {
            usage.sample(at(second), Duration::from_secs(second) / 2);
        }
        assert_eq!(usage.0.lock().len(), MAX_SAMPLES);
        let percent = usage.cpu_percent(at(100), Duration::from_secs(50));
        assert!((percent - 50.0).abs() < 0.01, "{percent}");
        let percent = usage.cpu_percent(at(100), Duration::from_secs(56));
        assert!((percent - 150.0).abs() < 0.01, "{percent}");
    }

    #[test]
    fn a_line_that_is_not_there_is_nothing() {
        assert_eq!(number_of("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), 12);
        assert_eq!(number_of("Name:\tx\n", "VmRSS:"), 0);
    }
}
