//! What becomes of a stream whose publisher went without a word.

use std::time::Duration;

use streamer_core::hub::Publisher;

/// Keeps the stream for the grace time of its application, for its publisher to come back.
pub(crate) fn hold(publisher: Publisher) {
    let grace = publisher.broadcast().options().grace;
    if grace > Duration::ZERO {
        let interrupted = publisher.interrupt();
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            drop(interrupted);
        });
    }
}
