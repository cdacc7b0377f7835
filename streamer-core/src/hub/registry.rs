//! The registry: which streams are live, and where those who look for one find it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::Poll;

use parking_lot::{Mutex, RwLock};

use super::broadcast::{Broadcast, BroadcastState, Shared};
use super::demand::Demand;
use super::error::{PublishError, SubscribeError};
use super::event::{EventKind, EventLog, Events};
use super::options::{AppOptions, DuplicatePublish};
use super::overload::Relief;
use super::publisher::{Publisher, PublisherInfo};
use super::wake::{WakeSet, WakeSlot};
use crate::key::{AppName, StreamKey};

/// Parts of the map, each behind a lock of its own: enough that publishes rarely meet on a few cores.
const SHARDS: usize = 16;
/// Broadcasts live at once: what file descriptors and memory of one machine can feed.
pub const MAX_BROADCASTS: usize = 20_000;
/// Viewers that wait for streams that are not there, over the whole registry: each costs a connection and
/// gives nothing back, so fewer of them than of viewers are allowed.
pub const MAX_WAITING: usize = 10_000;

#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) broadcast: Option<Broadcast>,
    waiters: Arc<WakeSet>,
    pub(crate) waiting: usize,
    /// Those who look whether the stream is wanted; its broadcasts share it.
    pub(crate) demand: Arc<WakeSet>,
    pub(crate) watching: usize,
}

impl Entry {
    /// Whether nothing is left that needs the entry.
    pub(crate) const fn is_idle(&self) -> bool {
        self.broadcast.is_none() && self.waiting == 0 && self.watching == 0
    }
}

pub(crate) struct RegistryInner {
    shards: Vec<Mutex<HashMap<StreamKey, Entry>>>,
    hasher: RandomState,
    apps: RwLock<HashMap<AppName, Arc<AppOptions>>>,
    default_options: RwLock<Arc<AppOptions>>,
    live: AtomicUsize,
    waiting: AtomicUsize,
    widening: AtomicU8,
    refuses_viewers: AtomicBool,
    pub(crate) events: EventLog,
}

impl RegistryInner {
    pub(crate) fn relief(&self) -> Relief {
        Relief {
            widening: self.widening.load(Ordering::Relaxed),
            refuses_viewers: self.refuses_viewers.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn with_shard<R>(
        &self,
        key: &StreamKey,
        work: impl FnOnce(&mut HashMap<StreamKey, Entry>) -> R,
    ) -> R {
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        work(&mut self.shards[index].lock())
    }

    /// Takes `shared` out if `epoch` is still its newest publisher's; returns whether it was.
    pub(crate) fn remove(&self, shared: &Arc<Shared>, epoch: u64) -> bool {
        self.with_shard(&shared.key, |shard| {
            // Under the shard's lock, so that no publisher can resume it in between.
            if shared.ingest.lock().epoch() != epoch {
                return false;
            }
            if let Some(entry) = shard.get_mut(&shared.key)
                && entry.broadcast.as_ref().is_some_and(|held| Arc::ptr_eq(&held.0, shared))
            {
                entry.broadcast = None;
                self.live.fetch_sub(1, Ordering::Relaxed);
                entry.demand.wake_all();
                if entry.is_idle() {
                    shard.remove(&shared.key);
                }
            }
            true
        })
    }
}

/// The live streams. Cloning it clones a handle.
#[derive(Clone)]
pub struct Registry(pub(crate) Arc<RegistryInner>);

impl Default for Registry {
    fn default() -> Self {
        Self::new(AppOptions::default())
    }
}

impl Registry {
    /// An empty registry; `default_options` hold for every application that has none of its own.
    #[must_use]
    pub fn new(default_options: AppOptions) -> Self {
        Self(Arc::new(RegistryInner {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            apps: RwLock::default(),
            default_options: RwLock::new(Arc::new(default_options)),
            live: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            widening: AtomicU8::new(0),
            refuses_viewers: AtomicBool::new(false),
            events: EventLog::new(),
        }))
    }

    /// Sets the options of `app`; they hold for streams that begin from now on.
    pub fn set_app_options(&self, app: AppName, options: AppOptions) {
        self.0.apps.write().insert(app, Arc::new(options));
    }

    /// Takes the options of `app` away; the default ones hold again.
    pub fn remove_app_options(&self, app: &AppName) {
        self.0.apps.write().remove(app);
    }

    /// The options in force for `app`.
    #[must_use]
    pub fn app_options(&self, app: &AppName) -> Arc<AppOptions> {
        let own = self.0.apps.read().get(app).cloned();
        own.unwrap_or_else(|| Arc::clone(&self.0.default_options.read()))
    }

    /// Gives the relief that an [`Overload`](super::Overload) decided on. It holds at once, for all streams.
    pub fn relieve(&self, relief: Relief) {
        self.0.widening.store(relief.widening, Ordering::Relaxed);
        self.0.refuses_viewers.store(relief.refuses_viewers, Ordering::Relaxed);
    }

    /// The relief in force.
    #[must_use]
    pub fn relief(&self) -> Relief {
        self.0.relief()
    }

    /// Begins to publish `key`, or goes on with it when its publisher is away or is to be taken over.
    ///
    /// # Errors
    /// [`PublishError`] when the stream has a publisher that stays, or too many streams are live.
    pub fn publish(&self, key: &StreamKey, info: PublisherInfo) -> Result<Publisher, PublishError> {
        let options = self.app_options(&key.app);
        let (publisher, kind) = self.0.with_shard(key, |shard| {
            let entry = shard.entry(key.clone()).or_default();
            let (shared, kind) = match &entry.broadcast {
                Some(held) => {
                    if held.state() == BroadcastState::Live && options.duplicate == DuplicatePublish::Reject {
                        return Err(PublishError::AlreadyPublished(key.clone()));
                    }
                    (Arc::clone(&held.0), EventKind::Resumed)
                }
                None => {
                    if self.0.live.load(Ordering::Relaxed) >= MAX_BROADCASTS {
                        if entry.is_idle() {
                            shard.remove(key);
                        }
                        return Err(PublishError::TooManyBroadcasts { max: MAX_BROADCASTS });
                    }
                    self.0.live.fetch_add(1, Ordering::Relaxed);
                    let demand = Arc::clone(&entry.demand);
                    let shared = Arc::new(Shared::new(key.clone(), options, demand, Arc::downgrade(&self.0)));
                    entry.broadcast = Some(Broadcast(Arc::clone(&shared)));
                    (shared, EventKind::Published)
                }
            };
            let (epoch, closed) = shared.ingest.lock().begin(info);
            shared.ring.resume();
            shared.stats.publishers.add(1);
            entry.waiters.wake_all();
            Ok((Publisher::new(shared, epoch, closed), kind))
        })?;
        self.0.events.tell(key, kind);
        Ok(publisher)
    }

    /// The broadcast of `key`, if there is one now.
    #[must_use]
    pub fn get(&self, key: &StreamKey) -> Option<Broadcast> {
        self.0.with_shard(key, |shard| shard.get(key).and_then(|entry| entry.broadcast.clone()))
    }

    /// Waits until there is a broadcast of `key`. The caller bounds how long.
    ///
    /// # Errors
    /// [`SubscribeError::TooManyWaiting`] at once.
    pub async fn wait(&self, key: &StreamKey) -> Result<Broadcast, SubscribeError> {
        if let Some(broadcast) = self.get(key) {
            return Ok(broadcast);
        }
        let mut waiting = Waiting::enter(self, key)?;
        self.0.events.tell(key, EventKind::Wanted);
        Ok(poll_fn(|cx| {
            waiting.slot.register(cx);
            self.get(key).map_or(Poll::Pending, Poll::Ready)
        })
        .await)
    }

    /// Watches whether anybody wants `key`, be it live or not.
    #[must_use]
    pub fn demand(&self, key: &StreamKey) -> Demand {
        Demand::new(self, key)
    }

    /// Everything that is live now, in the order of the names.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Broadcast> {
        let mut all: Vec<Broadcast> = Vec::new();
        for shard in &self.0.shards {
            all.extend(shard.lock().values().filter_map(|entry| entry.broadcast.clone()));
        }
        all.sort_by(|a, b| a.key().cmp(b.key()));
        all
    }

    /// How many viewers wait for streams that are not there.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Listens to what happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.0.events.listen()
    }
}

/// A place among those who wait for a stream, given back when dropped.
struct Waiting<'a> {
    registry: &'a Registry,
    key: &'a StreamKey,
    slot: WakeSlot,
}

impl<'a> Waiting<'a> {
    fn enter(registry: &'a Registry, key: &'a StreamKey) -> Result<Self, SubscribeError> {
        if registry.0.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            registry.0.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(SubscribeError::TooManyWaiting { max: MAX_WAITING });
        }
        let slot = registry.0.with_shard(key, |shard| {
            let entry = shard.entry(key.clone()).or_default();
            entry.waiting += 1;
            entry.demand.wake_all();
            WakeSlot::new(Arc::clone(&entry.waiters))
        });
        Ok(Self { registry, key, slot })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.registry.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.registry.0.with_shard(self.key, |shard| {
            if let Some(entry) = shard.get_mut(self.key) {
                entry.waiting -= 1;
                entry.demand.wake_all();
                if entry.is_idle() {
                    shard.remove(self.key);
                }
            }
        });
    }
}
