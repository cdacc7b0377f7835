//! A sink that publishes to another server.

use std::future::poll_fn;
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use streamer_core::container::flv::{self, Dialect};
use streamer_core::mux::Muxer;
use streamer_core::{Media, Sink, SinkError};

use super::connect::{Connected, connect, rejected};
use crate::error::RtmpError;
use crate::options::ClientOptions;
use crate::proto::client::{ClientEvent, Purpose};
use crate::proto::command::PublishKind;
use crate::proto::mux::{MuxOptions, RtmpMuxer};
use crate::proto::url::RtmpUrl;

/// A stream that we publish to another server.
pub struct RtmpForward {
    connected: Connected,
    muxer: RtmpMuxer,
    parts: Vec<Bytes>,
    reconnect: Option<RtmpUrl>,
}

impl RtmpForward {
    /// Connects to `url` and asks to publish.
    ///
    /// # Errors
    /// [`RtmpError`] when the server cannot be reached or refuses.
    pub async fn connect(url: &RtmpUrl, options: &ClientOptions) -> Result<Self, RtmpError> {
        let connected = connect(url, Purpose::Publish(PublishKind::Live), options).await?;
        let dialect =
            if connected.capabilities.is_enhanced() { Dialect::Enhanced } else { options.unannounced };
        let muxer = RtmpMuxer::new(MuxOptions {
            message_stream: connected.message_stream,
            chunk_size: connected.channel.session.chunk_size(),
            media: flv::MuxOptions { dialect, ..flv::MuxOptions::default() },
            for_publish: true,
        });
        Ok(Self { connected, muxer, parts: Vec::new(), reconnect: None })
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

    /// Sends one medium and waits until the kernel has taken it.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection fails or the server ends the publish.
    pub async fn send_media(&mut self, media: &Media) -> Result<(), RtmpError> {
        self.muxer.mux(media, &mut self.parts)?;
        for part in self.parts.drain(..) {
            self.connected.channel.queue(part);
        }
        loop {
            let channel = &mut self.connected.channel;
            // What the server says is heard between two media.
            let heard = poll_fn(|cx| match channel.poll_event(cx) {
                Poll::Ready(event) => Poll::Ready(event.map(Some)),
                Poll::Pending => channel.poll_flush(cx).map(|flushed| flushed.map(|()| None)),
            });
            match heard.await? {
                None => return Ok(()),
                Some(Some(
                    ClientEvent::Rejected { code, description, .. }
                    | ClientEvent::Ended { code, description },
                )) => return Err(rejected(&code, &description)),
                Some(Some(ClientEvent::ReconnectRequest { tc_url, .. })) => {
                    self.reconnect = Some(self.connected.elsewhere(tc_url.as_deref())?);
                }
                Some(Some(_)) => {}
                Some(None) => return Err(RtmpError::Disconnected),
            }
        }
    }

    /// Says goodbye and closes.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection is gone before that.
    pub async fn close(&mut self) -> Result<(), RtmpError> {
        self.connected.channel.session.finish()?;
        self.connected.channel.shutdown().await
    }
}

#[async_trait]
impl Sink for RtmpForward {
    async fn send(&mut self, media: Media) -> Result<(), SinkError> {
        self.send_media(&media).await.map_err(SinkError::failed)
    }

    async fn finish(&mut self) -> Result<(), SinkError> {
        self.close().await.map_err(SinkError::failed)
    }
}
