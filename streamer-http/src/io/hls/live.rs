//! One container of one stream while it is made into segments, and for a while after its end.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use streamer_core::hub::{Broadcast, Delivery, Subscriber};
use streamer_core::{Media, StreamKey};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::options::{HlsAppOptions, HlsMode};
use super::rendered::{Cache, Kind, Rendered};
use super::shared::SharedPresentation;
use super::sink::HlsSink;
use crate::proto::hls::{Container, ListOptions, RenditionId};

/// How long a first request waits for the first segment, and a playlist for the first of its rendition: a GOP is
/// cut after ten seconds at the latest, and the media must come first.
pub const FIRST_SEGMENT_WAIT: Duration = Duration::from_secs(15);
/// How long an ended stream stays: players that are as far behind as they may be get to its end (RFC 8216,
/// 6.2.2), and who comes back from a pause sees that it has ended.
pub const ENDED_HOLD: Duration = Duration::from_secs(120);

/// Why no more segments are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The broadcast is over.
    Ended,
    /// Nobody asked any more.
    Idle,
    /// The server stops.
    Stopped,
}

/// What is made of one broadcast in one container.
pub(crate) struct Live {
    pub(crate) key: StreamKey,
    pub(crate) container: Container,
    pub(crate) shared: SharedPresentation,
    pub(crate) options: Arc<HlsAppOptions>,
    /// Gone when the broadcast has ended: it would keep its ring.
    broadcast: Mutex<Option<Broadcast>>,
    used_at: Mutex<Instant>,
    cache: Cache,
    /// A later broadcast of the same name has its place.
    pub(crate) replaced: CancellationToken,
}

impl Live {
    pub(crate) fn new(
        broadcast: Broadcast,
        container: Container,
        shared: SharedPresentation,
        options: Arc<HlsAppOptions>,
    ) -> Self {
        Self {
            key: broadcast.key().clone(),
            container,
            shared,
            options,
            broadcast: Mutex::new(Some(broadcast)),
            used_at: Mutex::new(Instant::now()),
            cache: Cache::default(),
            replaced: CancellationToken::new(),
        }
    }

    /// The broadcast, until it ends.
    pub(crate) fn broadcast(&self) -> Option<Broadcast> {
        self.broadcast.lock().clone()
    }

    pub(crate) fn list(&self) -> ListOptions {
        self.options.packager.list
    }

    /// The name of its viewers' protocol.
    pub(crate) fn protocol(&self) -> &'static str {
        protocol(self.container, &self.options)
    }

    /// Somebody asks: it is not idle.
    pub(crate) fn touch(&self) {
        *self.used_at.lock() = Instant::now();
    }

    /// The playlist `kind`, kept until something changes.
    pub(crate) fn playlist(
        &self,
        kind: Kind,
        render: impl FnOnce() -> Option<String>,
    ) -> Option<Arc<Rendered>> {
        self.cache.get(self.shared.version(), kind, render)
    }

    /// Waits until there is a complete segment of `rendition`, or with `None` of all; returns whether there is.
    pub(crate) async fn ready(&self, rendition: Option<RenditionId>) -> bool {
        let until = Instant::now() + FIRST_SEGMENT_WAIT;
        loop {
            let version = self.shared.version();
            let (ready, ended) = self.shared.read(|presentation| {
                let mut of = presentation
                    .renditions
                    .iter()
                    .filter(|of| rendition.is_none_or(|rendition| of.id == rendition))
                    .peekable();
                let any = of.peek().is_some();
                let ended = presentation.renditions.iter().all(|of| of.window.ended);
                (any && of.all(|of| !of.window.segments.is_empty()), ended)
            });
            if ready || (ended && self.broadcast().is_none()) {
                return ready;
            }
            if timeout_at(until, self.shared.changed(version)).await.is_err() {
                return false;
            }
        }
    }

    /// Feeds `sink` from `subscriber` until the broadcast ends, nobody asks any more, or the server stops.
    pub(crate) async fn feed(
        &self,
        sink: &mut HlsSink,
        mut subscriber: Subscriber,
        shutdown: &CancellationToken,
    ) -> Finish {
        loop {
            let mut delivery = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Finish::Stopped,
                delivery = subscriber.next() => delivery,
                () = self.idle() => return Finish::Idle,
            };
            // What is there already is taken in one go, and told once.
            loop {
                match delivery {
                    Some(Delivery::Header(tracks)) => sink.take(&Media::Tracks(tracks)),
                    Some(Delivery::Item(item)) => {
                        subscriber.viewer().record_sent(item.frame.data.len(), 1);
                        sink.take(&Media::Frame(item.frame));
                    }
                    Some(Delivery::Lost { .. }) => sink.lost(),
                    Some(Delivery::Interrupted) => sink.interrupted(),
                    Some(Delivery::Closed(_)) | None => {
                        *self.broadcast.lock() = None;
                        sink.end();
                        return Finish::Ended;
                    }
                }
                delivery = match subscriber.try_next() {
                    Some(delivery) => Some(delivery),
                    None => break,
                };
            }
            sink.tell();
        }
    }

    /// Ends when nobody has asked for as long as the application says; never where segments are always made.
    async fn idle(&self) {
        if self.options.mode == HlsMode::Always {
            return std::future::pending().await;
        }
        loop {
            let until = *self.used_at.lock() + self.options.idle;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// The name of the protocol in access requests and viewer lists.
pub(crate) fn protocol(container: Container, options: &HlsAppOptions) -> &'static str {
    match container {
        Container::Ts => "hls",
        Container::Fmp4 if options.packager.makes_parts(container) => "ll-hls",
        Container::Fmp4 => "hls-fmp4",
    }
}
