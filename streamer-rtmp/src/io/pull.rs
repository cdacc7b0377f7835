//! A stream of another server as a source of media.

use std::future::poll_fn;
use std::task::{Context, Poll};

use async_trait::async_trait;
use streamer_core::{Media, Source, SourceError};

use super::connect::{Connected, connect, rejected};
use super::deadline::IdleDeadline;
use super::demux::DemuxQueue;
use crate::error::RtmpError;
use crate::options::ClientOptions;
use crate::proto::client::{ClientEvent, Purpose};
use crate::proto::url::RtmpUrl;

/// How much a server may send ahead of real time at the start, in milliseconds: what players usually ask for.
const BUFFER_MS: u32 = 3_000;

/// A stream that another server plays to us.
pub struct RtmpPull {
    connected: Connected,
    queue: DemuxQueue,
    idle: IdleDeadline,
    ended: bool,
    reconnect: Option<RtmpUrl>,
}

impl RtmpPull {
    /// Connects to `url` and asks to play.
    ///
    /// # Errors
    /// [`RtmpError`] when the server cannot be reached or refuses.
    pub async fn connect(url: &RtmpUrl, options: &ClientOptions) -> Result<Self, RtmpError> {
        let connected = connect(url, Purpose::Play { buffer_ms: BUFFER_MS }, options).await?;
        Ok(Self {
            connected,
            queue: DemuxQueue::default(),
            idle: IdleDeadline::new(options.timeouts.idle),
            ended: false,
            reconnect: None,
        })
    }

    /// Where it is connected to, redirects followed.
    #[must_use]
    pub const fn url(&self) -> &RtmpUrl {
        &self.connected.url
    }

    /// Where the server has asked to be connected to instead, if it has (Enhanced RTMP v2).
    #[must_use]
    pub const fn reconnect_requested(&self) -> Option<&RtmpUrl> {
        self.reconnect.as_ref()
    }

    /// The next medium; `None` when the server ended the stream. Cancel safe.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection fails or nothing comes for too long.
    pub async fn next_media(&mut self) -> Result<Option<Media>, RtmpError> {
        poll_fn(|cx| self.poll_media(cx)).await
    }

    fn poll_media(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Media>, RtmpError>> {
        loop {
            if let Some(media) = self.queue.pop() {
                return Poll::Ready(Ok(Some(media)));
            }
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            match self.connected.channel.poll_event(cx) {
                Poll::Ready(event) => match event? {
                    Some(ClientEvent::Media(message)) => {
                        self.idle.touch();
                        self.queue.push(message)?;
                    }
                    Some(ClientEvent::Rejected { code, description, .. }) => {
                        return Poll::Ready(Err(rejected(&code, &description)));
                    }
                    Some(ClientEvent::Ended { .. }) => self.ended = true,
                    Some(ClientEvent::ReconnectRequest { tc_url, .. }) => {
                        self.reconnect = Some(self.connected.elsewhere(tc_url.as_deref())?);
                    }
                    Some(_) => {}
                    None => return Poll::Ready(Err(RtmpError::Disconnected)),
                },
                Poll::Pending => return self.idle.poll_late("the server's next message", cx).map(Err),
            }
        }
    }
}

#[async_trait]
impl Source for RtmpPull {
    async fn next(&mut self) -> Result<Option<Media>, SourceError> {
        self.next_media().await.map_err(SourceError::failed)
    }
}
