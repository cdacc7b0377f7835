//! Sources: where media enters, and the loop that moves it into the hub.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use async_trait::async_trait;
use thiserror::Error;

use crate::frame::Media;
use crate::hub::{CloseReason, Publisher};

/// Why a source stopped before its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The source's own failure.
    #[error(transparent)]
    Failed(#[from] Box<dyn std::error::Error + Send + Sync>),
    /// The publisher was closed from the other side.
    #[error("closed: {0}")]
    Closed(CloseReason),
}

impl SourceError {
    /// Wraps a source's own error.
    pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Something that yields media: a protocol's publish session, a pull, a file, a test pattern.
#[async_trait]
pub trait Source: Send {
    /// The next medium in decode order; `None` is a clean end. Tracks come before the frames they govern.
    ///
    /// Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// [`SourceError::Failed`] with the source's own error; no call may follow.
    async fn next(&mut self) -> Result<Option<Media>, SourceError>;
}

/// Moves media from `source` to `publisher` until the source ends or fails, or the publisher is closed
/// (kicked, or taken over by another).
///
/// # Errors
/// The source's error, or [`SourceError::Closed`].
pub async fn ingest(source: &mut dyn Source, publisher: &mut Publisher) -> Result<(), SourceError> {
    let mut closed = pin!(publisher.closed());
    loop {
        let media = {
            let mut next = pin!(source.next());
            poll_fn(|cx| {
                if let Poll::Ready(reason) = closed.as_mut().poll(cx) {
                    return Poll::Ready(Err(SourceError::Closed(reason)));
                }
                next.as_mut().poll(cx)
            })
            .await?
        };
        match media {
            Some(media) => publisher.push(media),
            None => return Ok(()),
        }
    }
}
