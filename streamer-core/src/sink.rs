//! Sinks: where media leaves, and the loop that moves it out of the hub.

use async_trait::async_trait;
use thiserror::Error;

use crate::frame::Media;
use crate::hub::{CloseReason, Delivery, Subscriber};

/// Why a sink stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The sink's own failure.
    #[error(transparent)]
    Failed(#[from] Box<dyn std::error::Error + Send + Sync>),
    /// The subscriber was closed from the other side.
    #[error("closed: {0}")]
    Closed(CloseReason),
}

impl SinkError {
    /// Wraps a sink's own error.
    pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Something that takes media: a forward, a recorder, a segmenter, a test.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next medium in decode order. May wait: the hub holds what a slow sink has not taken yet
    /// within its bounds, then skips it forward to a random access point.
    ///
    /// # Errors
    /// [`SinkError::Failed`] with the sink's own error; no call but drop may follow.
    async fn send(&mut self, media: Media) -> Result<(), SinkError>;

    /// Completes what was sent. Called once, after the stream's clean end.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    async fn finish(&mut self) -> Result<(), SinkError>;
}

/// Moves media from `subscriber` to `sink` until the stream ends, the sink fails, or the subscriber is
/// closed. Frames lost to a slow sink are counted by the subscriber's viewer entry.
///
/// # Errors
/// The sink's error, or [`SinkError::Closed`].
pub async fn egress(subscriber: &mut Subscriber, sink: &mut dyn Sink) -> Result<(), SinkError> {
    while let Some(delivery) = subscriber.next().await {
        let media = match delivery {
            Delivery::Header(tracks) => Media::Tracks(tracks),
            Delivery::Item(item) => {
                subscriber.viewer().record_sent(item.frame.data.len(), 1);
                Media::Frame(item.frame)
            }
            Delivery::Closed(reason) => return Err(SinkError::Closed(reason)),
            Delivery::Lost { .. } | Delivery::Interrupted => continue,
        };
        sink.send(media).await?;
    }
    sink.finish().await
}
