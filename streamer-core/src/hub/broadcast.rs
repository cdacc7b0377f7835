//! A broadcast: one live stream in the hub, with its ring, its viewers and the forms made from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::cursor::Cursor;
use super::error::{CloseReason, SubscribeError};
use super::event::EventKind;
use super::form::{Form, FormFeeder, FormKey, MAX_FORMS};
use super::item::{Batch, MediaItem};
use super::options::AppOptions;
use super::overload::Relief;
use super::publisher::{Ingest, PublisherInfo};
use super::registry::RegistryInner;
use super::ring::{Phase, Ring};
use super::stats::{AudienceTotals, IngestStats};
use super::subscriber::{SubscribeOptions, Subscriber};
use super::viewer::{Viewer, ViewerEntry, ViewerId, ViewerInfo, ViewerView};
use super::wake::{Signal, WakeSet, WakeSlot};
use crate::key::StreamKey;
use crate::track::Tracks;

/// Whether a broadcast is being fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BroadcastState {
    /// It has a publisher.
    Live,
    /// Its publisher is away and may come back.
    Interrupted,
    /// It is over.
    Ended,
}

/// What everyone who holds a broadcast shares.
pub(crate) struct Shared {
    pub(crate) key: StreamKey,
    pub(crate) options: Arc<AppOptions>,
    pub(crate) ring: Arc<Ring<MediaItem>>,
    pub(crate) stats: IngestStats,
    pub(crate) ingest: Mutex<Ingest>,
    pub(crate) tracks: RwLock<Arc<Tracks>>,
    pub(crate) key_frame_wish: Signal<()>,
    pub(crate) forms: Mutex<HashMap<FormKey, Form>>,
    audience: Mutex<Audience>,
    /// Publishers that wait for somebody to watch.
    first_viewer: Arc<WakeSet>,
    demand: Arc<WakeSet>,
    registry: Weak<RegistryInner>,
}

/// Who watches, and the sums of those who did.
#[derive(Default)]
struct Audience {
    viewers: BTreeMap<ViewerId, Arc<ViewerEntry>>,
    departed: BTreeMap<&'static str, AudienceTotals>,
}

static NEXT_VIEWER: AtomicU64 = AtomicU64::new(1);

impl Shared {
    pub(crate) fn new(
        key: StreamKey,
        options: Arc<AppOptions>,
        demand: Arc<WakeSet>,
        registry: Weak<RegistryInner>,
    ) -> Self {
        Self {
            ring: Arc::new(Ring::new(options.ring)),
            key,
            options,
            stats: IngestStats::default(),
            ingest: Mutex::default(),
            tracks: RwLock::default(),
            key_frame_wish: Signal::new(),
            forms: Mutex::default(),
            audience: Mutex::default(),
            first_viewer: Arc::default(),
            demand,
            registry,
        }
    }

    /// What gives way to overload at present.
    pub(crate) fn relief(&self) -> Relief {
        self.registry.upgrade().map_or_else(Relief::default, |registry| registry.relief())
    }

    pub(crate) fn tell(&self, kind: EventKind) {
        if let Some(registry) = self.registry.upgrade() {
            registry.events.tell(&self.key, kind);
        }
    }

    /// Whether it has a viewer that demands it.
    pub(crate) fn is_demanded(&self) -> bool {
        self.audience.lock().viewers.values().any(|viewer| viewer.info.demands)
    }

    /// Whether it has a viewer, the server's own readers included.
    pub(crate) fn is_watched(&self) -> bool {
        !self.audience.lock().viewers.is_empty()
    }

    /// A publisher's place among those who wait for somebody to watch.
    pub(crate) fn first_viewer_slot(&self) -> WakeSlot {
        WakeSlot::new(Arc::clone(&self.first_viewer))
    }

    /// Ends the broadcast for good if `epoch` is still the newest publisher's.
    pub(crate) fn end(self: &Arc<Self>, epoch: u64) {
        let registry = self.registry.upgrade();
        let ended = match &registry {
            Some(registry) => registry.remove(self, epoch),
            None => self.ingest.lock().epoch() == epoch,
        };
        if ended {
            self.ring.set_phase(Phase::Ended);
            self.tell(EventKind::Unpublished);
        }
    }

    pub(crate) fn remove_viewer(&self, entry: &ViewerEntry, form: Option<FormKey>) {
        let left = {
            let mut audience = self.audience.lock();
            let left = audience.viewers.remove(&entry.id).is_some();
            if left {
                audience.departed.entry(entry.info.protocol).or_default().count(&entry.stats);
            }
            left
        };
        if left {
            self.demand.wake_all();
            self.tell(EventKind::ViewerLeft(entry.id, entry.info.clone(), entry.stats.bytes.get()));
        }
        if let Some(key) = form
            && let Some(form) = self.forms.lock().get_mut(&key)
        {
            form.leave();
        }
    }
}

/// One live stream in the hub. Cloning it clones a handle.
#[derive(Clone)]
pub struct Broadcast(pub(crate) Arc<Shared>);

impl std::fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Broadcast").field(&self.0.key).finish()
    }
}

impl PartialEq for Broadcast {
    /// Whether both are handles of the same broadcast; a later one of the same name is another.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Broadcast {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> &StreamKey {
        &self.0.key
    }

    /// The options of its application when it began.
    #[must_use]
    pub fn options(&self) -> &AppOptions {
        &self.0.options
    }

    /// Whether it is being fed.
    #[must_use]
    pub fn state(&self) -> BroadcastState {
        match self.0.ring.read(|held| held.phase().0) {
            Phase::Live => BroadcastState::Live,
            Phase::Interrupted => BroadcastState::Interrupted,
            Phase::Ended => BroadcastState::Ended,
        }
    }

    /// The tracks in force.
    #[must_use]
    pub fn tracks(&self) -> Arc<Tracks> {
        Arc::clone(&self.0.tracks.read())
    }

    /// What it has taken in.
    #[must_use]
    pub fn stats(&self) -> &IngestStats {
        &self.0.stats
    }

    /// Bytes and frames held in its ring.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        self.0.ring.occupancy()
    }

    /// Bytes held in the rings of its forms.
    #[must_use]
    pub fn held_in_forms(&self) -> usize {
        self.0.forms.lock().values().map(|form| form.ring().occupancy().0).sum()
    }

    /// Who publishes it, or published it last.
    #[must_use]
    pub fn publisher(&self) -> PublisherInfo {
        self.0.ingest.lock().info().clone()
    }

    /// Closes its publisher. Returns whether there was one.
    pub fn close_publisher(&self, reason: CloseReason) -> bool {
        self.state() == BroadcastState::Live && self.0.ingest.lock().closed().set(reason)
    }

    /// Its viewers, in the order they came.
    #[must_use]
    pub fn viewers(&self) -> Vec<ViewerView> {
        let newest_dts_ms = self.0.stats.newest_dts_ms.get();
        let view = |entry: &Arc<ViewerEntry>| ViewerView { entry: Arc::clone(entry), newest_dts_ms };
        self.0.audience.lock().viewers.values().map(view).collect()
    }

    /// How many viewers it has, the server's own readers included.
    #[must_use]
    pub fn viewer_count(&self) -> usize {
        self.0.audience.lock().viewers.len()
    }

    /// What its viewers were given, those who left included, by protocol. The server's own readers count as
    /// the protocol they name.
    #[must_use]
    pub fn audience(&self) -> BTreeMap<&'static str, AudienceTotals> {
        let audience = self.0.audience.lock();
        let mut totals = audience.departed.clone();
        for entry in audience.viewers.values() {
            let totals = totals.entry(entry.info.protocol).or_default();
            totals.count(&entry.stats);
            totals.present += 1;
        }
        totals
    }

    /// Asks the publisher for a random access point, if its protocol can.
    pub fn wish_key_frame(&self) {
        self.0.key_frame_wish.set(());
    }

    /// Makes an entry for a viewer that reads what others make of the broadcast, segments for one, and so has no
    /// place in a ring. The caller counts what it sends by [`Viewer::record_sent`] and heeds
    /// [`Viewer::close_reason`].
    ///
    /// # Errors
    /// [`SubscribeError::TooManyViewers`] or [`SubscribeError::Overloaded`].
    pub fn admit(&self, viewer: ViewerInfo) -> Result<Viewer, SubscribeError> {
        self.admit_to(viewer, None)
    }

    fn admit_to(&self, viewer: ViewerInfo, form: Option<FormKey>) -> Result<Viewer, SubscribeError> {
        if !viewer.internal && self.0.relief().refuses_viewers {
            return Err(SubscribeError::Overloaded);
        }
        let max = self.0.options.max_viewers;
        let id = ViewerId(NEXT_VIEWER.fetch_add(1, Ordering::Relaxed));
        let entry = Arc::new(ViewerEntry::new(id, viewer.clone()));
        let first = {
            let viewers = &mut self.0.audience.lock().viewers;
            // The server's own readers are no audience: a full house must not stop a recording.
            if !viewer.internal && viewers.len() >= max {
                return Err(SubscribeError::TooManyViewers { max });
            }
            viewers.insert(id, Arc::clone(&entry));
            viewers.len() == 1
        };
        if first {
            self.0.first_viewer.wake_all();
        }
        self.0.demand.wake_all();
        self.0.tell(EventKind::ViewerJoined(id, viewer));
        Ok(Viewer::new(entry, Arc::downgrade(&self.0), form))
    }

    /// Subscribes to the media.
    ///
    /// # Errors
    /// [`SubscribeError::TooManyViewers`] or [`SubscribeError::Overloaded`].
    pub fn subscribe(&self, options: &SubscribeOptions) -> Result<Subscriber, SubscribeError> {
        let viewer = self.admit_to(options.viewer.clone(), None)?;
        let cursor = Cursor::new(Arc::clone(&self.0.ring), options.join);
        if !self.0.ring.read(|held| held.newest_sync().is_some()) {
            self.wish_key_frame();
        }
        Ok(Subscriber::new(cursor, viewer, options.overrun.unwrap_or(self.0.options.overrun)))
    }

    /// Subscribes to the byte form `form`, made once for all its viewers. The first one is also given the
    /// feeder that makes it, and must see that [`FormFeeder::run`] runs, in a task of its own.
    ///
    /// # Errors
    /// [`SubscribeError::TooManyViewers`], [`SubscribeError::Overloaded`] or [`SubscribeError::TooManyForms`].
    pub fn subscribe_form(
        &self,
        form: FormKey,
        options: &SubscribeOptions,
    ) -> Result<(Subscriber<Batch>, Option<FormFeeder>), SubscribeError> {
        let (fanout, feeder) = {
            let mut forms = self.0.forms.lock();
            if forms.len() >= MAX_FORMS && !forms.contains_key(&form) {
                return Err(SubscribeError::TooManyForms { max: MAX_FORMS });
            }
            let mut feeder = None;
            let entry = forms.entry(form).or_insert_with(|| {
                let entry = Form::new(self.0.options.ring);
                feeder = Some(FormFeeder::new(&self.0, form, Arc::clone(entry.ring())));
                entry
            });
            entry.join();
            (Arc::clone(entry.fanout()), feeder)
        };
        let viewer = match self.admit_to(options.viewer.clone(), Some(form)) {
            Ok(viewer) => viewer,
            Err(error) => {
                // A feeder made above is dropped with this and takes the form away again.
                if let Some(entry) = self.0.forms.lock().get_mut(&form) {
                    entry.leave();
                }
                return Err(error);
            }
        };
        let cursor = Cursor::new(Arc::clone(fanout.ring()), options.join);
        if !self.0.ring.read(|held| held.newest_sync().is_some()) {
            self.wish_key_frame();
        }
        let overrun = options.overrun.unwrap_or(self.0.options.overrun);
        Ok((Subscriber::new(cursor, viewer, overrun).with_fanout(fanout), feeder))
    }
}
