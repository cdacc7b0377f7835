//! Tells the hub how busy the threads that serve are, so that it gives way to overload in order.

use std::time::Duration;

use streamer_core::Registry;
use streamer_core::hub::{OVERLOAD_SAMPLE_INTERVAL, Overload, Relief};
use tokio::runtime::Handle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Watches the runtime it runs in until `stop`, and relieves `registry`.
pub async fn watch_load(registry: Registry, stop: CancellationToken) {
    let mut overload = Overload::default();
    let mut ticks = samples();
    let (mut before, mut since) = (busy(), Instant::now());
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let (now, elapsed) = (busy(), since.elapsed());
        since = Instant::now();
        let share = share(&before, &now, elapsed);
        before = now;
        let (had, relief) = (registry.relief(), overload.observe(share));
        if had != relief {
            registry.relieve(relief);
            tell(had, relief, share);
        }
    }
}

/// The first is due when there is a time to look back on.
fn samples() -> Interval {
    let mut ticks = interval_at(Instant::now() + OVERLOAD_SAMPLE_INTERVAL, OVERLOAD_SAMPLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// How long each worker of the runtime has been busy.
fn busy() -> Vec<Duration> {
    let metrics = Handle::current().metrics();
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).collect()
}

/// The share of `elapsed` in which the workers were busy, as a mean over them.
fn share(before: &[Duration], now: &[Duration], elapsed: Duration) -> f64 {
    let busy: Duration = before.iter().zip(now).map(|(before, now)| now.saturating_sub(*before)).sum();
    let room = elapsed.as_secs_f64() * now.len() as f64;
    if room > 0.0 { busy.as_secs_f64() / room } else { 0.0 }
}

fn tell(had: Relief, relief: Relief, share: f64) {
    let percent = format!("{:.0} %", share * 100.0);
    match (had.refuses_viewers, relief.refuses_viewers) {
        (false, true) => warn!(busy = percent, "the processor is short: new viewers are refused"),
        (true, false) => info!(busy = percent, "viewers are let in again"),
        _ if relief.widening > had.widening => {
            warn!(busy = percent, widening = relief.widening, "the processor is short: write windows widen");
        }
        _ => info!(busy = percent, widening = relief.widening, "write windows narrow again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_a_mean_over_the_workers() {
        let ms = |of: [u64; 2]| of.map(Duration::from_millis);
        let shares = share(&ms([100, 0]), &ms([600, 250]), Duration::from_millis(500));
        assert!((shares - 0.75).abs() < 1e-9);
        assert_eq!(share(&[], &[], Duration::ZERO), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_sample_is_shorter_than_the_others() {
        let (began, mut ticks) = (Instant::now(), samples());
        for number in 1..=2 {
            ticks.tick().await;
            assert!(began.elapsed() >= number * OVERLOAD_SAMPLE_INTERVAL, "{:?}", began.elapsed());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_busy_thread_is_seen() {
        let (before, began) = (busy(), Instant::now());
        let spinning = tokio::spawn(async move {
            while began.elapsed() < OVERLOAD_SAMPLE_INTERVAL {
                let turn = Instant::now();
                while turn.elapsed() < OVERLOAD_SAMPLE_INTERVAL / 20 {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        });
        spinning.await.unwrap();
        // The worker tells of itself when it goes to sleep, or every so many polls.
        while share(&before, &busy(), OVERLOAD_SAMPLE_INTERVAL) < 0.5 {
            assert!(began.elapsed() < 20 * OVERLOAD_SAMPLE_INTERVAL, "the work was not seen");
            tokio::task::yield_now().await;
        }
    }
}
