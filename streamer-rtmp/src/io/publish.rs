//! A granted publish as a source of media.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use streamer_core::{Media, Source, SourceError};
use tokio::io::{AsyncRead, AsyncWrite};

use super::channel::Channel;
use super::deadline::IdleDeadline;
use super::demux::DemuxQueue;
use crate::error::RtmpError;
use crate::proto::server::{ServerEvent, ServerSession};
use crate::proto::status::codes;

/// How a publish came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishEnd {
    /// The publisher said so.
    Unpublished,
    /// The connection went without a word: it may come back.
    Disconnected,
}

/// The media of a granted publish.
pub struct PublishSource<'a, S> {
    channel: &'a mut Channel<S, ServerSession>,
    message_stream: u32,
    queue: DemuxQueue,
    idle: IdleDeadline,
    end: Option<PublishEnd>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> PublishSource<'a, S> {
    pub(crate) fn new(
        channel: &'a mut Channel<S, ServerSession>,
        message_stream: u32,
        idle_timeout: Duration,
    ) -> Self {
        Self {
            channel,
            message_stream,
            queue: DemuxQueue::default(),
            idle: IdleDeadline::new(idle_timeout),
            end: None,
        }
    }

    /// The connection it comes over.
    pub(crate) const fn stream(&self) -> &S {
        self.channel.stream()
    }

    /// Bytes read from the connection.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.channel.bytes_in
    }

    /// Whether all that was read makes whole messages.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.channel.session.is_between_messages()
    }

    /// How it ended, once [`next_media`](Self::next_media) has returned `None`.
    #[must_use]
    pub const fn end(&self) -> Option<PublishEnd> {
        self.end
    }

    /// The next medium; `None` when the publish is over. Cancel safe.
    ///
    /// # Errors
    /// [`RtmpError`] when the peer breaks the protocol, sends media that could be an attack, or nothing for
    /// too long.
    pub async fn next_media(&mut self) -> Result<Option<Media>, RtmpError> {
        poll_fn(|cx| self.poll_media(cx)).await
    }

    pub(crate) fn poll_media(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Media>, RtmpError>> {
        loop {
            if let Some(media) = self.queue.pop() {
                return Poll::Ready(Ok(Some(media)));
            }
            if self.end.is_some() {
                return Poll::Ready(Ok(None));
            }
            match self.channel.poll_event(cx) {
                Poll::Ready(event) => self.take(event?)?,
                Poll::Pending => return self.idle.poll_late("the publisher's next message", cx).map(Err),
            }
        }
    }

    fn take(&mut self, event: Option<ServerEvent>) -> Result<(), RtmpError> {
        match event {
            Some(ServerEvent::Media(message)) if message.message_stream == self.message_stream => {
                self.idle.touch();
                self.queue.push(message)
            }
            Some(ServerEvent::Unpublished { message_stream }) if message_stream == self.message_stream => {
                self.end = Some(PublishEnd::Unpublished);
                Ok(())
            }
            // One connection does one thing at a time.
            Some(ServerEvent::Publish(request)) => {
                let (code, reason) = (codes::PUBLISH_BAD_NAME, "This connection publishes already.");
                Ok(self.channel.session.reject_publish(request.message_stream, code, reason)?)
            }
            Some(ServerEvent::Play(request)) => {
                let (code, reason) = (codes::PLAY_FAILED, "This connection publishes already.");
                Ok(self.channel.session.reject_play(request.message_stream, code, reason)?)
            }
            Some(_) => Ok(()),
            None => {
                self.end = Some(PublishEnd::Disconnected);
                Ok(())
            }
        }
    }

    /// Messages and frames left out so far because they could not be used.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped() + self.channel.session.dropped_messages()
    }

    /// Ends the publish from this side with one sentence for the peer.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection is gone.
    pub async fn close(self, reason: &str) -> Result<(), RtmpError> {
        self.channel.session.end_publish(self.message_stream, codes::PUBLISH_REJECTED, reason)?;
        self.channel.flush().await
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Source for PublishSource<'_, S> {
    async fn next(&mut self) -> Result<Option<Media>, SourceError> {
        self.next_media().await.map_err(SourceError::failed)
    }
}
