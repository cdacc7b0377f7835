//! Pulls and forwards: those that are configured run, each with a state that anyone may read.

use std::sync::Arc;

use parking_lot::Mutex;
use streamer_control::config::{ForwardConfig, PullConfig};
use streamer_core::task::TaskStatus;
use streamer_core::{Registry, StreamKey};
use streamer_rtmp::{ForwardOptions, PullOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The entry of a task in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEntry {
    /// Fetches its stream.
    Pull(PullConfig),
    /// Pushes its stream elsewhere.
    Forward(ForwardConfig),
}

impl TaskEntry {
    /// `pull` or `forward`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pull(_) => "pull",
            Self::Forward(_) => "forward",
        }
    }

    /// Whether both are the same task, though perhaps configured differently: a stream has one pull, and an
    /// application one forward of a name.
    fn is_same_task(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pull(a), Self::Pull(b)) => a.key() == b.key(),
            (Self::Forward(a), Self::Forward(b)) => a.name == b.name && a.app == b.app,
            _ => false,
        }
    }

    /// Where the media come from or go to, without secrets.
    fn urls(&self) -> Vec<String> {
        match self {
            Self::Pull(pull) => pull.urls.iter().map(ToString::to_string).collect(),
            Self::Forward(forward) => vec![forward.url.to_string()],
        }
    }
}

/// What a task means to RTMP.
#[derive(Clone)]
pub enum TaskOptions {
    /// Fetches its stream.
    Pull(PullOptions),
    /// Pushes its stream elsewhere.
    Forward(ForwardOptions),
}

/// A task as it is configured, and what that means to RTMP.
#[derive(Clone)]
pub struct TaskSpec {
    /// Its entry in the configuration.
    pub entry: TaskEntry,
    /// The stream, the other servers and how they are reached.
    pub options: TaskOptions,
}

impl TaskSpec {
    /// The stream in our own hub.
    const fn key(&self) -> &StreamKey {
        match &self.options {
            TaskOptions::Pull(pull) => &pull.key,
            TaskOptions::Forward(forward) => &forward.key,
        }
    }
}

/// A task as anyone may see it.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// `pull` or `forward`.
    pub kind: &'static str,
    /// Name of a forward.
    pub name: Option<String>,
    /// The stream.
    pub key: StreamKey,
    /// Where from or where to, without secrets.
    pub urls: Vec<String>,
    /// How it goes.
    pub status: Arc<TaskStatus>,
}

struct Task {
    spec: TaskSpec,
    status: Arc<TaskStatus>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// The tasks that run.
pub struct TaskSet {
    registry: Registry,
    tasks: Mutex<Vec<Task>>,
}

impl TaskSet {
    /// None yet; they will work on `registry`.
    #[must_use]
    pub fn new(registry: Registry) -> Arc<Self> {
        Arc::new(Self { registry, tasks: Mutex::default() })
    }

    /// Makes the tasks those of `specs`: what is new is started, what is gone is stopped, what changed is
    /// started again after its former self has ended, and the rest is left alone. Returns what was done, in
    /// words. Must be called within a tokio runtime.
    pub fn apply(&self, specs: Vec<TaskSpec>) -> Vec<String> {
        let mut words = Vec::new();
        let mut tasks = self.tasks.lock();
        let mut before = std::mem::take(&mut *tasks);
        for spec in specs {
            let position = before.iter().position(|task| task.spec.entry.is_same_task(&spec.entry));
            let former = match position.map(|index| before.swap_remove(index)) {
                Some(task) if task.spec.entry == spec.entry => {
                    tasks.push(task);
                    continue;
                }
                former => former,
            };
            let action = if former.is_some() { "changed" } else { "started" };
            words.push(format!("{} of {} {action}", spec.entry.kind(), spec.key()));
            tasks.push(self.start(spec, former));
        }
        for task in before {
            words.push(format!("{} of {} stopped", task.spec.entry.kind(), task.spec.key()));
            task.stop.cancel();
        }
        words
    }

    fn start(&self, spec: TaskSpec, former: Option<Task>) -> Task {
        let status = Arc::<TaskStatus>::default();
        let stop = CancellationToken::new();
        let running = {
            let (spec, registry) = (spec.clone(), self.registry.clone());
            let (status, stop) = (Arc::clone(&status), stop.clone());
            tokio::spawn(async move {
                if let Some(former) = former {
                    former.stop.cancel();
                    // It publishes under the same name: it must have let go first. A panic is its end as well.
                    let _ = former.running.await;
                }
                info!(kind = spec.entry.kind(), stream = %spec.key(), urls = ?spec.entry.urls(), "task begins");
                match spec.options {
                    TaskOptions::Pull(options) => streamer_rtmp::pull(options, registry, status, stop).await,
                    TaskOptions::Forward(options) => {
                        streamer_rtmp::forward(options, registry, status, stop).await;
                    }
                }
            })
        };
        Task { spec, status, stop, running }
    }

    /// The tasks, pulls first, in the order of their streams.
    #[must_use]
    pub fn views(&self) -> Vec<TaskView> {
        let mut views: Vec<TaskView> = self
            .tasks
            .lock()
            .iter()
            .map(|task| TaskView {
                kind: task.spec.entry.kind(),
                name: match &task.spec.entry {
                    TaskEntry::Pull(_) => None,
                    TaskEntry::Forward(forward) => Some(forward.name.to_string()),
                },
                key: task.spec.key().clone(),
                urls: task.spec.entry.urls(),
                status: Arc::clone(&task.status),
            })
            .collect();
        views.sort_by(|a, b| (b.kind, &a.key, &a.name).cmp(&(a.kind, &b.key, &b.name)));
        views
    }

    /// How each task goes.
    #[must_use]
    pub fn statuses(&self) -> Vec<Arc<TaskStatus>> {
        self.tasks.lock().iter().map(|task| Arc::clone(&task.status)).collect()
    }

    /// Stops all tasks and waits until they have ended.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in &tasks {
            task.stop.cancel();
        }
        for task in tasks {
            // A task that panicked has ended as well.
            let _ = task.running.await;
        }
    }
}
