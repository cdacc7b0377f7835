//! The engine's side of the link: it follows the manager's configuration and tells the manager what happens.

mod events;
mod follow;
mod last_good;
mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use streamer_control::config::EngineConfig;
use streamer_control::link::manager_api::ConfigVersion;
use streamer_control::link::{LinkClient, LinkKey};
use streamer_daemon::DaemonError;
use tracing::error;

use crate::running::Running;

pub use events::{HEARTBEAT_INTERVAL, TASK_LOOK_INTERVAL};
pub use follow::MAX_FOLLOW_PAUSE;
pub(crate) use last_good::LastGood;
pub use last_good::{LAST_GOOD_FILE, MAX_LAST_GOOD_BYTES};
pub use pace::MAX_EVENTS_PER_S;

/// What is known of the link, whether there is a manager or not.
pub struct LinkState {
    /// Names this run of the engine.
    pub run: String,
    /// The secret that engine and manager share.
    pub key: LinkKey,
    began: Instant,
    seq: AtomicU64,
    version: Mutex<Option<ConfigVersion>>,
}

impl LinkState {
    /// Of a run that begins now.
    ///
    /// # Errors
    /// [`DaemonError::System`] when the system has no random numbers.
    pub fn new(key: LinkKey) -> Result<Arc<Self>, DaemonError> {
        let run = format!("{:032x}", u128::from_ne_bytes(random()?));
        Ok(Arc::new(Self {
            run,
            key,
            began: Instant::now(),
            seq: AtomicU64::new(0),
            version: Mutex::default(),
        }))
    }

    /// How long the engine runs.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// Number of the last event.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// Numbers one event.
    fn next_seq(&self) -> u64 {
        self.skip(1)
    }

    /// Numbers events that are told to nobody. Returns the number of the last one.
    fn skip(&self, events: u64) -> u64 {
        self.seq.fetch_add(events, Ordering::AcqRel) + events
    }

    /// The manager's configuration that holds.
    #[must_use]
    pub fn version(&self) -> Option<ConfigVersion> {
        self.version.lock().clone()
    }

    pub(crate) fn set_version(&self, version: Option<ConfigVersion>) {
        *self.version.lock() = version;
    }
}

fn random<const N: usize>() -> Result<[u8; N], DaemonError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| DaemonError::System {
        what: "random numbers for the link",
        source: std::io::Error::other(error),
    })?;
    Ok(bytes)
}

/// Follows the manager that `config` names, if it names one, and tells it what happens from now on. Call it before
/// anything is served, so that no event is missed.
pub(crate) fn begin(running: &Arc<Running>, config: &EngineConfig) {
    let Some(manager) = &config.manager else { return };
    let sender = events::Sender::new(Arc::clone(&running.link), config.events.address);
    match sender {
        Ok(sender) => {
            let (hub, tasks) = (running.registry.clone(), Arc::clone(&running.tasks));
            let stop = running.shutdown.clone();
            running.spawn_work("events", events::run(sender, hub, tasks, stop));
        }
        Err(error) => error!(%error, "the manager is told of no events"),
    }
    match LinkClient::new(manager.address, running.link.key.clone()) {
        Ok(client) => {
            let (stop, follow) = (running.shutdown.clone(), follow::follow(Arc::clone(running), client));
            running.spawn_work("link", async move {
                stop.run_until_cancelled(follow).await;
            });
        }
        Err(error) => error!(%error, "the manager is not followed"),
    }
}
