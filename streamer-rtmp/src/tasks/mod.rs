//! Pull and forward as tasks that keep themselves up.

mod forward;
mod places;
mod pull;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use forward::{ForwardOptions, forward};
pub use pull::{OnDemand, PROBE_TIMEOUT, PULL_SETTLE, PullOptions, pull};

use crate::proto::url::RtmpUrl;

/// How one try came to its end, short of an error.
enum Ended {
    /// The stream ended; the task goes on with the next one.
    Stream,
    /// The other server asked to be connected to at another place.
    Elsewhere(RtmpUrl),
    /// The task is to stop.
    Stopped,
}

/// Waits; `false` when the task is to stop meanwhile.
async fn pause(wait: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = shutdown.cancelled() => false,
    }
}

/// Without randomness the pauses are merely not spread.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}
