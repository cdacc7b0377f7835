//! A granted play: as a sink of its own, and as a viewer of the bytes made once for all players.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use streamer_core::container::flv;
use streamer_core::hub::{
    Batch, Broadcast, CloseReason, Delivery, FormKey, Join, MAX_ROUND_BYTES, SubscribeOptions, Subscriber,
    Turn, ViewerInfo,
};
use streamer_core::mux::Muxer;
use streamer_core::{Media, Sink, SinkError};
use streamer_net::{SharedTcp, pacer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::channel::Channel;
use super::outlet::SocketOutlet;
use crate::error::RtmpError;
use crate::options::GOODBYE_TIMEOUT;
use crate::proto::mux::{MuxOptions, RtmpMuxer};
use crate::proto::server::{PlayEnd, PlayNotice, ServerEvent, ServerSession};
use crate::proto::status::codes;

/// How a play came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayOutcome {
    /// The stream ended.
    StreamEnded,
    /// The player closed its stream; the connection may ask for another.
    Stopped,
    /// The player is gone.
    Disconnected,
    /// It was closed from inside.
    Closed(CloseReason),
}

/// A granted play. Feed it as a [`Sink`], or let it [`watch`](Self::watch) a broadcast.
pub struct Player<'a, S> {
    channel: &'a mut Channel<S, ServerSession>,
    options: MuxOptions,
    /// What a sink of its own needs and a viewer does not.
    own: Option<Box<Own>>,
    paused: bool,
    dry: bool,
    share: fn(&S) -> Option<SharedTcp>,
}

struct Own {
    muxer: RtmpMuxer,
    parts: Vec<Bytes>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Player<'a, S> {
    pub(crate) fn new(channel: &'a mut Channel<S, ServerSession>, options: MuxOptions) -> Self {
        Self { channel, options, own: None, paused: false, dry: false, share: |_| None }
    }

    /// Lets the writers of the form write to the socket, if `share` tells of one.
    pub(crate) fn sharing(self, share: fn(&S) -> Option<SharedTcp>) -> Self {
        Self { share, ..self }
    }

    /// Watches `broadcast` until it ends, the player leaves or is closed. The bytes are those made once for
    /// all players of the same form.
    ///
    /// # Errors
    /// [`RtmpError`] when the connection fails, stalls, or the broadcast takes no more viewers.
    pub fn watch(
        self,
        broadcast: &Broadcast,
        viewer: ViewerInfo,
    ) -> impl Future<Output = Result<PlayOutcome, RtmpError>> + Send {
        let mut player = self;
        let subscribe = SubscribeOptions::new(viewer);
        // Every viewer has one of these for as long as it watches. A block holds what it is given once, an asynchronous
        // function twice; what is said in the end is boxed.
        async move {
            let subscriber = match player.subscribe(broadcast, &subscribe) {
                Ok(subscriber) => subscriber,
                Err(error) => {
                    Box::pin(
                        player.end(PlayEnd::Failed { description: "The stream takes no more viewers." }),
                    )
                    .await?;
                    return Err(error);
                }
            };
            let mut watch = Watch { player: &mut player, subscriber };
            let outcome = loop {
                match poll_fn(|cx| watch.poll(cx)).await? {
                    Step::Done(outcome) => break outcome,
                    Step::Refilter => {
                        watch.subscriber = watch.player.subscribe(broadcast, &subscribe)?;
                        watch.subscriber.skip(Join::NextSync);
                    }
                }
            };
            drop(watch);
            Box::pin(player.say(outcome)).await?;
            Ok(outcome)
        }
    }

    /// Tells the player how it came to its end, unless it knows.
    async fn say(&mut self, outcome: PlayOutcome) -> Result<(), RtmpError> {
        match outcome {
            PlayOutcome::StreamEnded => self.end(PlayEnd::Unpublished).await,
            PlayOutcome::Closed(reason) => {
                let description = reason.to_string();
                // One that takes nothing does not hear it; it is simply cut.
                let said = self.end(PlayEnd::Failed { description: &description });
                timeout(GOODBYE_TIMEOUT, said).await.unwrap_or(Ok(()))
            }
            PlayOutcome::Stopped | PlayOutcome::Disconnected => Ok(()),
        }
    }

    fn subscribe(
        &self,
        broadcast: &Broadcast,
        subscribe: &SubscribeOptions,
    ) -> Result<Subscriber<Batch>, RtmpError> {
        let form = FormKey { protocol: "rtmp", variant: self.options.variant() };
        let (mut subscriber, feeder) = broadcast.subscribe_form(form, subscribe)?;
        if let Some(feeder) = feeder {
            tokio::spawn(feeder.run(RtmpMuxer::new(self.options), pacer()));
        }
        if let Some(socket) = (self.share)(self.channel.stream()) {
            subscriber.set_outlet(Box::new(SocketOutlet(socket)));
        }
        Ok(subscriber)
    }

    async fn end(&mut self, end: PlayEnd<'_>) -> Result<(), RtmpError> {
        self.channel.session.end_play(self.options.message_stream, end)?;
        self.channel.flush().await
    }

    fn poll_watch(
        &mut self,
        subscriber: &mut Subscriber<Batch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Step, RtmpError>> {
        if subscriber.is_entrusted() {
            let heard = self.channel.poll_event(cx);
            if heard.is_pending() && !self.channel.has_output() && subscriber.poll_returned(cx).is_pending() {
                return Poll::Pending;
            }
            self.channel.resume(subscriber.take_back());
            if let Poll::Ready(event) = heard
                && let Some(step) = self.take_event(event?, subscriber)?
            {
                return Poll::Ready(Ok(step));
            }
        }
        // What the player says comes first: it may not want what is next.
        while let Poll::Ready(event) = self.channel.poll_event(cx) {
            if let Some(step) = self.take_event(event?, subscriber)? {
                return Poll::Ready(Ok(step));
            }
        }
        loop {
            let mut waiting = false;
            while !waiting && !self.paused && self.channel.queued() < MAX_ROUND_BYTES {
                match subscriber.poll_next(cx) {
                    Poll::Ready(delivery) => {
                        if let Some(outcome) = self.take_delivery(delivery, subscriber)? {
                            return Poll::Ready(Ok(Step::Done(outcome)));
                        }
                    }
                    Poll::Pending => waiting = true,
                }
            }
            match self.channel.poll_flush(cx) {
                Poll::Ready(result) => result?,
                // A player that takes nothing must not keep an operator from ending it.
                Poll::Pending => {
                    return subscriber
                        .poll_closed(cx)
                        .map(|reason| Ok(Step::Done(PlayOutcome::Closed(reason))));
                }
            }
            if waiting && !self.paused && !self.dry {
                self.entrust(subscriber, cx);
            }
            if waiting || self.paused {
                return Poll::Pending;
            }
        }
    }

    /// Leaves what comes next to the writer of the form, where the connection allows that.
    fn entrust(&mut self, subscriber: &mut Subscriber<Batch>, cx: &Context<'_>) {
        if let Turn::Writer(writer) = subscriber.entrust(cx) {
            self.channel.hold();
            if let Some(writer) = writer {
                tokio::spawn(writer.run());
            }
        }
    }

    fn take_delivery(
        &mut self,
        delivery: Option<Delivery<Batch>>,
        subscriber: &Subscriber<Batch>,
    ) -> Result<Option<PlayOutcome>, RtmpError> {
        match delivery {
            Some(Delivery::Header(header)) => self.channel.queue(Bytes::clone(&header)),
            Some(Delivery::Item(batch)) => {
                if std::mem::take(&mut self.dry) {
                    self.channel.session.notify_play(self.options.message_stream, PlayNotice::Published)?;
                }
                subscriber.viewer().record_sent(batch.bytes.len(), batch.frames);
                self.channel.queue(batch.bytes);
            }
            Some(Delivery::Lost { .. }) => {}
            Some(Delivery::Interrupted) => {
                self.dry = true;
                self.channel.session.notify_play(self.options.message_stream, PlayNotice::Dry)?;
            }
            Some(Delivery::Closed(reason)) => return Ok(Some(PlayOutcome::Closed(reason))),
            None => return Ok(Some(PlayOutcome::StreamEnded)),
        }
        Ok(None)
    }

    fn take_event(
        &mut self,
        event: Option<ServerEvent>,
        subscriber: &mut Subscriber<Batch>,
    ) -> Result<Option<Step>, RtmpError> {
        let this = self.options.message_stream;
        match event {
            None => return Ok(Some(Step::Done(PlayOutcome::Disconnected))),
            Some(ServerEvent::StreamClosed { message_stream }) if message_stream == this => {
                return Ok(Some(Step::Done(PlayOutcome::Stopped)));
            }
            Some(ServerEvent::Paused { message_stream, paused, .. }) if message_stream == this => {
                if self.paused && !paused {
                    subscriber.skip(Join::NewestSync);
                }
                self.paused = paused;
            }
            Some(ServerEvent::ReceiveAudio { message_stream, receive }) if message_stream == this => {
                return Ok(self.refilter(flv::MuxOptions { audio: receive, ..self.options.media }));
            }
            Some(ServerEvent::ReceiveVideo { message_stream, receive }) if message_stream == this => {
                return Ok(self.refilter(flv::MuxOptions { video: receive, ..self.options.media }));
            }
            // One connection does one thing at a time.
            Some(ServerEvent::Publish(request)) => {
                let (code, reason) = (codes::PUBLISH_BAD_NAME, "This connection plays already.");
                self.channel.session.reject_publish(request.message_stream, code, reason)?;
            }
            Some(ServerEvent::Play(request)) => {
                let (code, reason) = (codes::PLAY_FAILED, "This connection plays already.");
                self.channel.session.reject_play(request.message_stream, code, reason)?;
            }
            Some(_) => {}
        }
        Ok(None)
    }

    fn refilter(&mut self, media: flv::MuxOptions) -> Option<Step> {
        let changed = media != self.options.media;
        self.options.media = media;
        changed.then_some(Step::Refilter)
    }
}

enum Step {
    Done(PlayOutcome),
    Refilter,
}

/// A player while it watches.
struct Watch<'p, 'a, S: AsyncRead + AsyncWrite + Unpin + Send> {
    player: &'p mut Player<'a, S>,
    subscriber: Subscriber<Batch>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Watch<'_, '_, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, RtmpError>> {
        self.player.poll_watch(&mut self.subscriber, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Drop for Watch<'_, '_, S> {
    /// Also when the server stops meanwhile: what the player is told then begins behind a whole message.
    fn drop(&mut self) {
        if self.subscriber.is_entrusted() {
            self.player.channel.resume(self.subscriber.take_back());
        }
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink for Player<'_, S> {
    async fn send(&mut self, media: Media) -> Result<(), SinkError> {
        let own = self
            .own
            .get_or_insert_with(|| Box::new(Own { muxer: RtmpMuxer::new(self.options), parts: Vec::new() }));
        let muxed = own.muxer.mux(&media, &mut own.parts);
        for part in own.parts.drain(..) {
            self.channel.queue(part);
        }
        muxed.map_err(SinkError::failed)?;
        loop {
            // Answers and closes of the player are seen between two media.
            let polled = poll_fn(|cx| match self.channel.poll_event(cx) {
                Poll::Ready(event) => Poll::Ready(event.map(Some)),
                Poll::Pending => self.channel.poll_flush(cx).map(|flushed| flushed.map(|()| None)),
            });
            match polled.await.map_err(SinkError::failed)? {
                None => return Ok(()),
                Some(Some(ServerEvent::StreamClosed { .. }) | None) => {
                    return Err(SinkError::failed(RtmpError::Disconnected));
                }
                Some(Some(_)) => {}
            }
        }
    }

    async fn finish(&mut self) -> Result<(), SinkError> {
        self.end(PlayEnd::Unpublished).await.map_err(SinkError::failed)
    }
}
