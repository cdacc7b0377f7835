//! One viewer's live body, piece by piece: the header of a file where there is one, then what the form's ring delivers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use streamer_core::MediaKind;
use streamer_core::container::flv::flv_header;
use streamer_core::hub::{Batch, Broadcast, CloseReason, Delivery, Outlet, Subscriber, Turn};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::body::BoxError;
use crate::proto::route::{LiveFormat, LiveRequest, Selection};

/// Bytes to send, shared with the other viewers, and the frames in them.
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) frames: u64,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedEnd {
    /// The stream ended, or its publisher stayed away for longer than the grace time.
    Ended,
    /// The viewer was closed.
    Closed(CloseReason),
}

/// What one viewer is sent.
pub(crate) struct Feed {
    subscriber: Subscriber<Batch>,
    state: State,
    grace: Duration,
    /// Runs while the publisher is away.
    away: Option<Pin<Box<Sleep>>>,
}

enum State {
    /// Nothing was sent: the tracks, which the file header tells of, are not known before the first header.
    Fresh(Broadcast, Selection),
    /// The file header was sent, this comes behind it.
    Begun(Bytes),
    Running,
}

impl Feed {
    pub(crate) fn new(subscriber: Subscriber<Batch>, broadcast: &Broadcast, request: &LiveRequest) -> Self {
        let state = match request.format {
            LiveFormat::Flv { .. } => State::Fresh(broadcast.clone(), request.selection),
            // A transport stream begins with its tables, which are its header.
            LiveFormat::Ts => State::Running,
        };
        Self { subscriber, state, grace: broadcast.options().grace, away: None }
    }

    /// The next piece, never empty; the end is told again if asked again.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, FeedEnd>> {
        if let State::Begun(header) = &mut self.state {
            let bytes = std::mem::take(header);
            self.state = State::Running;
            if !bytes.is_empty() {
                return Poll::Ready(Ok(Piece { bytes, frames: 0 }));
            }
        }
        loop {
            let Poll::Ready(delivery) = self.subscriber.poll_next(cx) else { break };
            match delivery {
                Some(Delivery::Header(header)) => {
                    let bytes = if let State::Fresh(broadcast, selection) = &self.state {
                        let file_header = file_header(broadcast, *selection);
                        self.state = State::Begun(Bytes::clone(&header));
                        file_header
                    } else {
                        Bytes::clone(&header)
                    };
                    if !bytes.is_empty() {
                        return Poll::Ready(Ok(Piece { bytes, frames: 0 }));
                    }
                }
                Some(Delivery::Item(batch)) => {
                    self.away = None;
                    if !batch.bytes.is_empty() {
                        return Poll::Ready(Ok(Piece { bytes: batch.bytes, frames: batch.frames }));
                    }
                }
                // Counted by the hub; what comes next is a random access point.
                Some(Delivery::Lost { .. }) => {}
                Some(Delivery::Interrupted) => self.away = Some(Box::pin(sleep(self.grace))),
                Some(Delivery::Closed(reason)) => return Poll::Ready(Err(FeedEnd::Closed(reason))),
                None => return Poll::Ready(Err(FeedEnd::Ended)),
            }
        }
        match &mut self.away {
            Some(away) => away.as_mut().poll(cx).map(|()| Err(FeedEnd::Ended)),
            None => Poll::Pending,
        }
    }

    /// Whether the viewer was closed, for a writer that is held up and does not ask for more.
    pub(crate) fn poll_closed(&mut self, cx: &Context<'_>) -> Poll<CloseReason> {
        self.subscriber.poll_closed(cx)
    }

    /// Says where the form's writer can send the body to.
    pub(crate) fn set_outlet(&mut self, outlet: Box<dyn Outlet>) {
        self.subscriber.set_outlet(outlet);
    }

    /// Lets the form's writer send what comes next, where only pieces can; see [`Subscriber::entrust`].
    pub(crate) fn entrust(&mut self, cx: &Context<'_>) -> Turn {
        match (&self.state, &self.away) {
            (State::Running, None) => self.subscriber.entrust(cx),
            _ => Turn::Own,
        }
    }

    /// Whether the form's writer sends, or has stopped to.
    pub(crate) fn is_entrusted(&self) -> bool {
        self.subscriber.is_entrusted()
    }

    /// See [`Subscriber::poll_returned`].
    pub(crate) fn poll_returned(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.subscriber.poll_returned(cx)
    }

    /// See [`Subscriber::take_back`].
    pub(crate) fn take_back(&mut self) -> Bytes {
        self.subscriber.take_back()
    }

    /// Counts what was handed to the connection.
    pub(crate) fn record_sent(&self, bytes: usize, frames: u64) {
        self.subscriber.viewer().record_sent(bytes, frames);
    }
}

fn file_header(broadcast: &Broadcast, selection: Selection) -> Bytes {
    let tracks = broadcast.tracks();
    let has = |kind, left_out| selection != left_out && tracks.first(kind).is_some();
    let header =
        flv_header(has(MediaKind::Audio, Selection::OnlyVideo), has(MediaKind::Video, Selection::OnlyAudio));
    Bytes::copy_from_slice(&header)
}

/// The feed as a body, for HTTP/2 where the connection is shared.
pub(crate) struct FeedBody {
    feed: Feed,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl FeedBody {
    pub(crate) fn new(feed: Feed, shutdown: CancellationToken) -> Self {
        Self { feed, shutdown: Box::pin(shutdown.cancelled_owned()) }
    }
}

impl http_body::Body for FeedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // hyper asks no more after the end, so the future is not polled again once it is ready.
        if self.shutdown.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.feed.poll_next(cx)) {
            Ok(piece) => {
                self.feed.record_sent(piece.bytes.len(), piece.frames);
                Some(Ok(Frame::data(piece.bytes)))
            }
            Err(FeedEnd::Ended | FeedEnd::Closed(_)) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use streamer_core::codec::{Codec, G711Config, G711Law};
    use streamer_core::container::flv::Dialect;
    use streamer_core::hub::{AppOptions, PublisherInfo};
    use streamer_core::{Frame, Media, Publisher, Registry, Timescale, Timestamp, Track, TrackId, Tracks};
    use tokio::time::advance;

    use super::super::admission::subscribe;
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn publish(registry: &Registry) -> Publisher {
        let key = "live/test".parse().unwrap();
        let mut publisher = registry.publish(&key, PublisherInfo::default()).unwrap();
        let id = TrackId::audio(0);
        let codec = Codec::G711(G711Config { law: G711Law::A, sample_rate_hz: 8_000, channels: 1 });
        let list = vec![Track { id, timescale: Timescale::MILLIS, codec }];
        publisher.push(Media::Tracks(Arc::new(Tracks { list, metadata: Vec::new() })));
        let (at, data) = (Timestamp::from_millis(0), Bytes::from_static(b"sound"));
        publisher.push(Media::Frame(Arc::new(Frame { track: id, dts: at, pts: at, sync: true, data })));
        publisher
    }

    /// Frames that are ready, and how the feed ended if it did.
    async fn drain(feed: &mut Feed) -> (u64, Option<FeedEnd>) {
        let mut frames = 0;
        loop {
            // The feeder runs when this task lets it.
            tokio::task::yield_now().await;
            match feed.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(piece)) => frames += piece.frames,
                Poll::Ready(Err(end)) => return (frames, Some(end)),
                Poll::Pending => return (frames, None),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_ends_with_the_publishers_return_or_the_feed() {
        let options = AppOptions { grace: GRACE, write_window: Duration::ZERO, ..AppOptions::default() };
        let registry = Registry::new(options);
        let publisher = publish(&registry);
        let key = "live/test".parse().unwrap();
        let request =
            LiveRequest { key, selection: Selection::All, format: LiveFormat::Flv { enhanced: None } };
        let peer = "192.0.2.1:1".parse().unwrap();
        let mut feed = subscribe(&publisher.broadcast(), &request, Dialect::Legacy, "test", peer).unwrap();
        assert_eq!(drain(&mut feed).await, (1, None));

        let _away = publisher.interrupt();
        assert_eq!(drain(&mut feed).await, (0, None));
        advance(GRACE / 2).await;
        assert_eq!(drain(&mut feed).await, (0, None));
        let back = publish(&registry);
        assert_eq!(drain(&mut feed).await, (1, None));
        advance(2 * GRACE).await;
        assert_eq!(drain(&mut feed).await, (0, None), "it is back: its silence is no absence");

        let _away = back.interrupt();
        assert_eq!(drain(&mut feed).await, (0, None));
        advance(GRACE).await;
        assert_eq!(drain(&mut feed).await, (0, Some(FeedEnd::Ended)));
    }
}
