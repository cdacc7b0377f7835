//! The store of segments: history that memory has no room for goes there and is read back from there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use streamer_core::{AppName, StreamKey};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::options::HlsStore;
use super::shared::SharedPresentation;
use crate::proto::hls::{
    Container, Edge, Evicted, FileName, ListOptions, Listed, PackagerOptions, Presentation, RenditionId,
    RunId, Segment, SegmentBody,
};

/// Jobs waiting for the store: what one presentation lets go of in a few seconds. When the store is slower than
/// that its oldest segments leave memory unstored.
pub const MAX_STORE_BACKLOG: usize = 64;

enum Job {
    Put(RenditionId, Arc<Segment>),
    Delete(RenditionId, Arc<Segment>),
}

/// The way of one presentation's segments to the store.
pub(crate) struct Spool {
    jobs: mpsc::Sender<Job>,
    /// Media sequence numbers below which segments were handed over, by rendition.
    handed: HashMap<RenditionId, u64>,
    /// Bytes of segments that may stay in memory; what is more goes to the store.
    max_memory_bytes: u64,
    /// What is listed stays in memory.
    list: ListOptions,
}

impl Spool {
    /// Starts the task that writes the segments of `shared`. It removes what former runs have left, and at the end
    /// of the presentation what this one has.
    pub(crate) fn start(
        store: HlsStore,
        key: StreamKey,
        container: Container,
        shared: SharedPresentation,
        packager: &PackagerOptions,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_STORE_BACKLOG);
        let writer = Writer { store, key, container, shared, stored_bytes: 0 };
        tokio::spawn(writer.run(queue));
        Self {
            jobs,
            handed: HashMap::new(),
            // Half, so that what waits for the store has room.
            max_memory_bytes: packager.max_bytes / 2,
            list: packager.list,
        }
    }

    /// Hands over the oldest segments of `presentation` that memory has no room for; they stay in memory until they
    /// are stored.
    pub(crate) fn spill(&mut self, presentation: &Presentation) {
        let mut waiting: Vec<(RenditionId, &Arc<Segment>)> = Vec::new();
        let mut held_bytes = 0;
        for rendition in &presentation.renditions {
            let handed = self.handed.get(&rendition.id).copied().unwrap_or_default();
            let in_memory = |segment: &&Arc<Segment>| {
                matches!(segment.body, SegmentBody::Memory(_)) && segment.msn >= handed
            };
            let listed = Listed::of(&rendition.window, Edge::Live, self.list);
            let first_listed = listed.segments.first().map_or(0, |first| first.msn);
            for segment in rendition.window.segments.iter().filter(in_memory) {
                held_bytes += segment.len_bytes;
                if segment.msn < first_listed {
                    waiting.push((rendition.id, segment));
                }
            }
        }
        waiting.sort_by_key(|(_, segment)| segment.start_unix_ms);
        for (rendition, segment) in waiting {
            if held_bytes <= self.max_memory_bytes
                || self.jobs.try_send(Job::Put(rendition, Arc::clone(segment))).is_err()
            {
                return;
            }
            held_bytes -= segment.len_bytes;
            self.handed.insert(rendition, segment.msn + 1);
        }
    }

    /// Has removed what has left its window.
    pub(crate) fn remove(&self, evicted: &[Evicted]) {
        let stored = evicted.iter().filter(|evicted| evicted.segment.body == SegmentBody::Stored);
        for Evicted { rendition, segment } in stored {
            // Without room it goes with the rest at the end.
            let _ = self.jobs.try_send(Job::Delete(*rendition, Arc::clone(segment)));
        }
    }
}

struct Writer {
    store: HlsStore,
    key: StreamKey,
    container: Container,
    shared: SharedPresentation,
    stored_bytes: u64,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        self.clear(None).await;
        while let Some(job) = queue.recv().await {
            match job {
                Job::Put(rendition, segment) => self.put(rendition, &segment).await,
                Job::Delete(rendition, segment) => self.delete(rendition, &segment).await,
            }
        }
        // A later run of the same name may have segments there already.
        let run = self.run_id();
        if run.is_some() {
            self.clear(run).await;
        }
    }

    async fn put(&mut self, rendition: RenditionId, segment: &Arc<Segment>) {
        let SegmentBody::Memory(pieces) = &segment.body else { return };
        let Some(path) = self.path(rendition, segment.msn) else { return };
        let payload: PutPayload = pieces.iter().cloned().collect();
        if let Err(error) = self.store.store.put(&path, payload).await {
            warn!(%error, key = %self.key, "a segment could not be stored");
            return;
        }
        let is_held = self.shared.write(|presentation| {
            let held = presentation
                .renditions
                .iter_mut()
                .find(|held| held.id == rendition)
                .and_then(|held| held.window.segments.iter_mut().find(|held| held.msn == segment.msn));
            let is_held = held.is_some();
            if let Some(held) = held.map(Arc::make_mut) {
                (held.body, held.parts) = (SegmentBody::Stored, Vec::new());
            }
            // It is not listed: no live playlist is another one.
            (is_held, false)
        });
        self.stored_bytes += segment.len_bytes;
        if !is_held {
            self.delete(rendition, segment).await;
        }
        while self.stored_bytes > self.store.max_bytes
            && let Some((rendition, oldest)) = self.take_oldest()
        {
            self.delete(rendition, &oldest).await;
        }
    }

    /// Takes the oldest segment stored out of its window.
    fn take_oldest(&self) -> Option<(RenditionId, Arc<Segment>)> {
        self.shared.write(|presentation| {
            let oldest = presentation
                .renditions
                .iter_mut()
                .filter(|rendition| {
                    let first = rendition.window.segments.front();
                    first.is_some_and(|first| first.body == SegmentBody::Stored)
                })
                .min_by_key(|rendition| rendition.window.segments.front().map(|first| first.start_unix_ms));
            let oldest = oldest.and_then(|oldest| Some((oldest.id, oldest.window.segments.pop_front()?)));
            let taken = oldest.is_some();
            (oldest, taken)
        })
    }

    async fn delete(&mut self, rendition: RenditionId, segment: &Segment) {
        self.stored_bytes = self.stored_bytes.saturating_sub(segment.len_bytes);
        if let Some(path) = self.path(rendition, segment.msn)
            && let Err(error) = self.store.store.delete(&path).await
        {
            debug!(%error, key = %self.key, "a segment could not be removed from the store");
        }
    }

    fn run_id(&self) -> Option<RunId> {
        self.shared.read(|presentation| presentation.renditions.first().map(|first| first.window.run))
    }

    fn path(&self, rendition: RenditionId, msn: u64) -> Option<Path> {
        self.run_id().map(|run| object_path(&self.key, rendition, FileName::Segment(run, msn)))
    }

    /// Removes the objects of this stream and container: of `run`, or all.
    async fn clear(&self, run: Option<RunId>) {
        let is_ours = |path: &Path| {
            let mut parts = path.parts().skip(2);
            let rendition = parts.next().and_then(|rendition| rendition.as_ref().parse::<RenditionId>().ok());
            let name = parts.next();
            rendition.is_some_and(|rendition| rendition.container() == self.container)
                && match (run, name.and_then(|name| FileName::parse(name.as_ref(), self.container).ok())) {
                    (Some(run), Some(FileName::Segment(of, _))) => of == run,
                    (Some(_), _) => false,
                    (None, _) => true,
                }
        };
        let prefix = Path::from_iter([self.key.app.as_str(), self.key.stream.as_str()]);
        clear(&self.store, &prefix, is_ours).await;
    }
}

/// Removes all that former runs of the streams of `app` have left in `store`: for the start of a server.
pub(crate) async fn clear_app(store: &HlsStore, app: &AppName) {
    clear(store, &Path::from_iter([app.as_str()]), |_| true).await;
}

async fn clear(store: &HlsStore, prefix: &Path, is_ours: impl Fn(&Path) -> bool) {
    let listed: Result<Vec<Path>, _> =
        store.store.list(Some(prefix)).map_ok(|object| object.location).try_collect().await;
    let removed = match listed {
        Ok(paths) => {
            let mut removed = Ok(());
            for path in paths.iter().filter(|path| is_ours(path)) {
                removed = removed.and(store.store.delete(path).await);
            }
            removed
        }
        Err(error) => Err(error),
    };
    if let Err(error) = removed {
        warn!(%error, %prefix, "what was left in the store of segments could not be removed");
    }
}

/// Reads `range` of a stored segment.
///
/// # Errors
/// The store's own.
pub(crate) async fn read(
    store: &HlsStore,
    key: &StreamKey,
    rendition: RenditionId,
    name: FileName,
    range: Range<u64>,
) -> Result<BoxStream<'static, object_store::Result<Bytes>>, object_store::Error> {
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let result = store.store.get_opts(&object_path(key, rendition, name), options).await?;
    Ok(result.into_stream())
}

/// Each part is a name that is valid by construction.
fn object_path(key: &StreamKey, rendition: RenditionId, name: FileName) -> Path {
    let (rendition, name) = (rendition.to_string(), name.display(rendition.container()).to_string());
    Path::from_iter([key.app.as_str(), key.stream.as_str(), &rendition, &name])
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::proto::hls::sample::{ts, window};

    #[tokio::test]
    async fn a_store_that_is_slow_holds_nobody_up() {
        let shared = SharedPresentation::new(Container::Ts);
        let held = ts(window(&[2_000; 2 * MAX_STORE_BACKLOG]));
        let packager = PackagerOptions { max_bytes: 0, ..PackagerOptions::default() };
        let store = HlsStore { store: Arc::new(InMemory::new()), max_bytes: u64::MAX };
        let key = "live/test".parse().unwrap();
        // The writer does not run while this task does.
        let mut spool = Spool::start(store, key, Container::Ts, shared, &packager);
        spool.spill(&held);
        assert_eq!(spool.handed[&RenditionId::Ts], MAX_STORE_BACKLOG as u64);
        assert_eq!(spool.jobs.capacity(), 0);
    }
}
