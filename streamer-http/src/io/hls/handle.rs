//! The handle of HLS: what each application may, and which streams are being made into segments.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use streamer_core::hub::{
    Broadcast, EventKind, Heard, Join, Overrun, SubscribeError, SubscribeOptions, ViewerInfo,
};
use streamer_core::{AppName, Registry, StreamKey, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::live::{ENDED_HOLD, Finish, Live};
use super::options::{HlsAppOptions, HlsMode};
use super::session::Sessions;
use super::sink::HlsSink;
use super::store::clear_app;
use crate::proto::hls::{Container, SegmentBody};

/// The name under which the segmenter reads a broadcast. It is no audience.
const SEGMENTER: &str = "hls-segmenter";

/// HLS of all streams, shared by all listeners. Cloning it clones a handle.
#[derive(Clone, Default)]
pub struct Hls(Arc<Inner>);

#[derive(Default)]
struct Inner {
    apps: RwLock<HashMap<AppName, Arc<HlsAppOptions>>>,
    default_options: RwLock<Arc<HlsAppOptions>>,
    lives: Mutex<HashMap<(StreamKey, Container), Arc<Live>>>,
    sessions: Sessions,
}

/// What HLS holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HlsLevels {
    /// Presentations: containers of streams, ended ones that are still served included.
    pub presentations: usize,
    /// Bytes of segments in memory.
    pub memory_bytes: u64,
    /// Bytes of segments in stores.
    pub stored_bytes: u64,
    /// Requests held open for media to come.
    pub blocked_requests: usize,
    /// Viewers and passes.
    pub sessions: usize,
}

impl std::fmt::Debug for Hls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hls").field(&self.levels()).finish()
    }
}

impl Hls {
    /// A handle whose `default_options` hold for every application that has none of its own.
    #[must_use]
    pub fn new(default_options: HlsAppOptions) -> Self {
        let hls = Self::default();
        *hls.0.default_options.write() = Arc::new(default_options);
        hls
    }

    /// Sets the options of `app`; they hold for presentations that begin from now on.
    pub fn set_app_options(&self, app: AppName, options: HlsAppOptions) {
        self.0.apps.write().insert(app, Arc::new(options));
    }

    /// Takes the options of `app` away; the default ones hold again.
    pub fn remove_app_options(&self, app: &AppName) {
        self.0.apps.write().remove(app);
    }

    /// The options in force for `app`.
    #[must_use]
    pub fn app_options(&self, app: &AppName) -> Arc<HlsAppOptions> {
        let own = self.0.apps.read().get(app).cloned();
        own.unwrap_or_else(|| Arc::clone(&self.0.default_options.read()))
    }

    /// What is held now.
    #[must_use]
    pub fn levels(&self) -> HlsLevels {
        let lives: Vec<Arc<Live>> = self.0.lives.lock().values().cloned().collect();
        let mut levels = HlsLevels {
            presentations: lives.len(),
            sessions: self.0.sessions.count(),
            ..HlsLevels::default()
        };
        for live in lives {
            levels.blocked_requests += live.shared.held();
            live.shared.read(|presentation| {
                for segment in presentation.renditions.iter().flat_map(|rendition| &rendition.window.segments)
                {
                    match segment.body {
                        SegmentBody::Memory(_) => levels.memory_bytes += segment.len_bytes,
                        SegmentBody::Stored => levels.stored_bytes += segment.len_bytes,
                        SegmentBody::Missing => {}
                    }
                }
            });
        }
        levels
    }

    /// Removes what former runs of the streams of `app` have left in its store, if it has one. For the start of a
    /// server: streams that come again clean up after themselves.
    pub async fn clear_store(&self, app: &AppName) {
        if let Some(store) = &self.app_options(app).store {
            clear_app(store, app).await;
        }
    }

    /// Makes segments of every stream of `registry` whose application says [`HlsMode::Always`], in both containers,
    /// until `shutdown`.
    pub async fn run_always(&self, registry: &Registry, shutdown: &CancellationToken) {
        let mut events = registry.events();
        for broadcast in registry.snapshot() {
            self.always(&broadcast, shutdown);
        }
        while let Some(heard) = shutdown.run_until_cancelled(events.next()).await {
            match heard {
                Heard::Event(event) if event.kind == EventKind::Published => {
                    if let Some(broadcast) = registry.get(&event.key) {
                        self.always(&broadcast, shutdown);
                    }
                }
                Heard::Event(_) => {}
                Heard::Missed(_) => {
                    for broadcast in registry.snapshot() {
                        self.always(&broadcast, shutdown);
                    }
                }
            }
        }
    }

    fn always(&self, broadcast: &Broadcast, shutdown: &CancellationToken) {
        if self.app_options(&broadcast.key().app).mode == HlsMode::Always {
            for container in [Container::Ts, Container::Fmp4] {
                if let Err(error) = self.open(broadcast, container, shutdown) {
                    debug!(%error, key = %broadcast.key(), "no segments are made");
                }
            }
        }
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// What is held of `key` in `container`, live or ended.
    pub(crate) fn held(&self, key: &StreamKey, container: Container) -> Option<Arc<Live>> {
        self.0.lives.lock().get(&(key.clone(), container)).cloned()
    }

    /// What is made of `broadcast` in `container`; the first who asks sets it going, until `shutdown`.
    ///
    /// # Errors
    /// [`SubscribeError`]; none is known to happen to a reader of the server's own.
    pub(crate) fn open(
        &self,
        broadcast: &Broadcast,
        container: Container,
        shutdown: &CancellationToken,
    ) -> Result<Arc<Live>, SubscribeError> {
        let mut lives = self.0.lives.lock();
        let place = (broadcast.key().clone(), container);
        if let Some(held) = lives.get(&place) {
            if held.broadcast().as_ref() == Some(broadcast) {
                return Ok(Arc::clone(held));
            }
            held.replaced.cancel();
        }
        let options = self.app_options(&place.0.app);
        let subscriber = broadcast.subscribe(&SubscribeOptions {
            viewer: ViewerInfo::internal(SEGMENTER),
            join: Join::OldestHeld,
            overrun: Some(Overrun::Resync),
        })?;
        let newest_dts = broadcast.stats().newest_dts_ms.get().map(Timestamp::from_millis);
        let mut sink = HlsSink::new(container, options.packager.clone(), newest_dts);
        if let Some(store) = &options.store {
            sink.store(store.clone(), place.0.clone(), &options.packager);
        }
        let live = Arc::new(Live::new(broadcast.clone(), container, sink.presentation(), options));
        lives.insert(place, Arc::clone(&live));
        drop(lives);
        debug!(key = %live.key, ?container, "segments are made");
        let (hls, making, shutdown) = (self.clone(), Arc::clone(&live), shutdown.clone());
        tokio::spawn(Box::pin(async move {
            let finish = making.feed(&mut sink, subscriber, &shutdown).await;
            debug!(key = %making.key, ?container, ?finish, "no more segments are made");
            if finish == Finish::Ended {
                tokio::select! {
                    () = sleep(ENDED_HOLD) => {}
                    () = making.replaced.cancelled() => {}
                    () = shutdown.cancelled() => {}
                }
            }
            // What the store has of it goes with the sink.
            hls.remove(&making);
            drop(sink);
        }));
        Ok(live)
    }

    fn remove(&self, live: &Arc<Live>) {
        let mut lives = self.0.lives.lock();
        let place = (live.key.clone(), live.container);
        if lives.get(&place).is_some_and(|held| Arc::ptr_eq(held, live)) {
            lives.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use streamer_core::hub::PublisherInfo;
    use streamer_core::testing::Synthetic;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_ended_stream_goes_after_a_while() {
        let (registry, hls, shutdown) = (Registry::default(), Hls::default(), CancellationToken::new());
        let key = "live/test".parse().unwrap();
        let mut publisher = registry.publish(&key, PublisherInfo::default()).unwrap();
        Synthetic::new(25, 100).unwrap().take(500).for_each(|media| publisher.push(media));
        let live = hls.open(&publisher.broadcast(), Container::Ts, &shutdown).unwrap();
        assert!(live.ready(None).await);
        drop(publisher);
        let ended = Instant::now();
        while hls.held(&key, Container::Ts).is_some() {
            sleep(ENDED_HOLD / 1_000).await;
        }
        let held = ended.elapsed();
        assert!(held >= ENDED_HOLD && held < ENDED_HOLD + ENDED_HOLD / 100, "{held:?}");
        assert_eq!(hls.levels(), HlsLevels::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_media_is_not_waited_for_for_ever() {
        let (registry, hls, shutdown) = (Registry::default(), Hls::default(), CancellationToken::new());
        let publisher = registry.publish(&"live/test".parse().unwrap(), PublisherInfo::default()).unwrap();
        let live = hls.open(&publisher.broadcast(), Container::Ts, &shutdown).unwrap();
        let asked = Instant::now();
        assert!(!live.ready(None).await);
        assert_eq!(asked.elapsed().as_secs(), crate::FIRST_SEGMENT_WAIT.as_secs());
    }
}
