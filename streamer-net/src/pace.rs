//! Waits that follow each other without their lateness adding up.

use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for steps that repeat. Each wait ends its duration after the end that was due of the one before, so a
/// step that ran late makes the next wait shorter; after a whole wait was missed it counts from now.
pub fn pacer() -> impl FnMut(Duration) -> Sleep + Send {
    let mut due = Instant::now();
    move |wait| {
        let now = Instant::now();
        due = Some(due + wait).filter(|next| *next > now).unwrap_or(now + wait);
        sleep_until(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lateness_does_not_add_up_and_a_pause_is_not_caught_up_with() {
        let began = Instant::now();
        let mut pace = pacer();
        for _ in 0..10 {
            pace(Duration::from_millis(40)).await;
            tokio::time::advance(Duration::from_millis(7)).await;
        }
        assert_eq!(began.elapsed(), Duration::from_millis(10 * 40 + 7));
        tokio::time::advance(Duration::from_secs(3)).await;
        let paused = Instant::now();
        pace(Duration::from_millis(40)).await;
        assert_eq!(paused.elapsed(), Duration::from_millis(40));
    }
}
