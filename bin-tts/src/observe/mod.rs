//! Watches the hub and the tasks: since when each stream is live, rates, and sums that survive a stream.

mod counters;
mod load;
mod rates;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use streamer_core::hub::{Broadcast, EventKind, Heard};
use streamer_core::task::TaskStatus;
use streamer_core::{Registry, StreamKey};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::tasks::TaskSet;

pub use counters::StreamCounters;
pub use load::watch_load;
pub use rates::Rates;
use rates::{StreamSample, Window};

/// How often rates are sampled.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Streams that have labels of their own in the metrics: some forty series each, and a metrics server
/// feels ten thousands. Those that come when the labels are used up are summed under one label.
pub const MAX_LABELLED_STREAMS: usize = 500;

/// What is known of the live streams and the tasks beyond what they tell themselves.
pub struct Observer {
    registry: Registry,
    tasks: Arc<TaskSet>,
    max_labelled: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    streams: HashMap<StreamKey, Observed>,
    labelled: usize,
    /// What the streams without labels of their own have done, those that ended included.
    rest: StreamCounters,
    /// Bytes of each task, by the address of its status, which is held so that it stays its own.
    tasks: HashMap<usize, (Arc<TaskStatus>, Window<u64>)>,
}

struct Observed {
    broadcast: Broadcast,
    since: SystemTime,
    labelled: bool,
    window: Window<StreamSample>,
    /// What of it is in the sums of the rest.
    counted: StreamCounters,
}

/// One stream, as the observer knows it.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// The stream.
    pub broadcast: Broadcast,
    /// When it began.
    pub since: SystemTime,
    /// Its rates over the last seconds.
    pub rates: Rates,
    /// Whether it has labels of its own in the metrics.
    pub labelled: bool,
}

impl Observer {
    /// Watches `registry` and `tasks`; at most `max_labelled` streams have labels of their own at once.
    #[must_use]
    pub fn new(registry: Registry, tasks: Arc<TaskSet>, max_labelled: usize) -> Arc<Self> {
        Arc::new(Self { registry, tasks, max_labelled, inner: Mutex::default() })
    }

    /// Samples and listens until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut events = self.registry.events();
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => self.sample(Instant::now(), SystemTime::now()),
                heard = events.next() => self.hear(heard),
            }
        }
    }

    fn hear(&self, heard: Heard) {
        let Heard::Event(event) = heard else { return };
        match event.kind {
            EventKind::Published => {
                info!(stream = %event.key, "stream began");
                if let Some(broadcast) = self.registry.get(&event.key) {
                    self.inner.lock().begin(broadcast, SystemTime::now(), self.max_labelled);
                }
            }
            EventKind::Interrupted => info!(stream = %event.key, "publisher away"),
            EventKind::Resumed => info!(stream = %event.key, "publisher back"),
            EventKind::Unpublished => info!(stream = %event.key, "stream ended"),
            _ => {}
        }
    }

    /// Takes one sample of everything that is live and of every task.
    pub fn sample(&self, at: Instant, now: SystemTime) {
        let live = self.registry.snapshot();
        let tasks = self.tasks.statuses();
        let mut inner = self.inner.lock();
        let ended: Vec<StreamKey> = inner
            .streams
            .iter()
            .filter(|(key, held)| {
                live.binary_search_by(|other| other.key().cmp(key))
                    .map_or(true, |i| live[i] != held.broadcast)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in &ended {
            inner.end(key);
        }
        for broadcast in live {
            inner.begin(broadcast, now, self.max_labelled);
        }
        inner.sample_tasks(at, tasks);
        let Inner { streams, rest, .. } = &mut *inner;
        for held in streams.values_mut() {
            held.window.push(at, StreamSample::of(held.broadcast.stats()));
            held.count(rest);
        }
    }

    /// Payload bits per second that the task with this `status` moves, mean of the last seconds.
    #[must_use]
    pub fn task_bitrate_bps(&self, status: &Arc<TaskStatus>) -> u64 {
        self.inner.lock().task_bitrate_bps(status)
    }

    /// Everything that is live, in the order of the names.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamView> {
        let live = self.registry.snapshot();
        let mut inner = self.inner.lock();
        live.into_iter().map(|broadcast| inner.view(broadcast, self.max_labelled)).collect()
    }

    /// The stream called `key`, if it is live.
    #[must_use]
    pub fn stream(&self, key: &StreamKey) -> Option<StreamView> {
        let broadcast = self.registry.get(key)?;
        Some(self.inner.lock().view(broadcast, self.max_labelled))
    }

    /// What the streams without labels of their own have done since the start, at the last sample.
    #[must_use]
    pub fn rest(&self) -> StreamCounters {
        self.inner.lock().rest.clone()
    }
}

impl Inner {
    /// Takes one sample of `statuses` and forgets all other tasks.
    fn sample_tasks(&mut self, at: Instant, statuses: Vec<Arc<TaskStatus>>) {
        let mut before = std::mem::take(&mut self.tasks);
        for status in statuses {
            let key = Arc::as_ptr(&status).addr();
            let (_, mut window) =
                before.remove(&key).unwrap_or_else(|| (Arc::clone(&status), Window::default()));
            window.push(at, status.bytes.get());
            self.tasks.insert(key, (status, window));
        }
    }

    fn task_bitrate_bps(&self, status: &Arc<TaskStatus>) -> u64 {
        self.tasks.get(&Arc::as_ptr(status).addr()).map_or(0, |(_, window)| window.bitrate_bps())
    }

    /// Takes note of a stream that is live, unless it is known.
    fn begin(&mut self, broadcast: Broadcast, now: SystemTime, max_labelled: usize) {
        if self.streams.get(broadcast.key()).is_some_and(|held| held.broadcast == broadcast) {
            return;
        }
        self.end(broadcast.key());
        let labelled = self.labelled < max_labelled;
        self.labelled += usize::from(labelled);
        let observed = Observed {
            since: now,
            labelled,
            window: Window::default(),
            counted: StreamCounters::default(),
            broadcast,
        };
        self.streams.insert(observed.broadcast.key().clone(), observed);
    }

    fn end(&mut self, key: &StreamKey) {
        if let Some(mut held) = self.streams.remove(key) {
            held.count(&mut self.rest);
            self.labelled -= usize::from(held.labelled);
        }
    }

    fn view(&mut self, broadcast: Broadcast, max_labelled: usize) -> StreamView {
        self.begin(broadcast.clone(), SystemTime::now(), max_labelled);
        let held = self.streams.get(broadcast.key());
        StreamView {
            since: held.map_or(SystemTime::UNIX_EPOCH, |held| held.since),
            rates: held.map(|held| held.window.rates()).unwrap_or_default(),
            labelled: held.is_some_and(|held| held.labelled),
            broadcast,
        }
    }
}

impl Observed {
    /// Adds what is new to the sums of the rest, if it belongs there.
    fn count(&mut self, rest: &mut StreamCounters) {
        if !self.labelled {
            let now = StreamCounters::read(&self.broadcast);
            rest.add_increase(&self.counted, &now);
            self.counted = now;
        }
    }
}

#[cfg(test)]
mod tests;
