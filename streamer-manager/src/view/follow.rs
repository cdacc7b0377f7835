//! Follows the engine: receives its datagrams, fetches snapshots where one is needed, notices that it is away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use streamer_control::link::client::unix_now_ms;
use streamer_control::link::engine_api::Snapshot;
use streamer_control::link::{Datagram, LinkKey, MAX_DATAGRAM_BYTES};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::engine::{EngineCallError, EngineClient};
use super::events::Events;
use super::state::EngineView;
use crate::event::Event;
use crate::link::{EngineSeen, Presence};

/// Silence after which the engine is asked: it repeats its last number once a second.
pub const SILENCE: Duration = Duration::from_secs(5);
/// How long a datagram that is missing may be late before a snapshot is fetched.
pub const REORDER_WAIT: Duration = Duration::from_millis(50);
/// From one snapshot to the next one that is wanted: bounds what a network that loses much costs the engine.
pub const SNAPSHOT_PAUSE: Duration = Duration::from_millis(500);
/// From a call that failed to the next.
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Pause after the socket failed.
const SOCKET_PAUSE: Duration = Duration::from_millis(100);

/// Whether the engine can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It has not been yet.
    #[default]
    Never,
    /// It answers.
    Reached {
        /// Since when, Unix milliseconds.
        since_unix_ms: u64,
        /// Names its run.
        run: String,
    },
    /// It does not answer.
    Lost {
        /// Since when, Unix milliseconds.
        since_unix_ms: u64,
        /// Why.
        reason: String,
    },
}

/// Keeps the view of the engine. Clones are handles on the same.
#[derive(Clone)]
pub struct Follower {
    view: Arc<Mutex<EngineView>>,
    reach: Arc<watch::Sender<Reach>>,
    events: Events,
    presence: Presence,
    engine: EngineClient,
    key: LinkKey,
}

type Fetch = Pin<Box<dyn Future<Output = Result<Snapshot, EngineCallError>> + Send>>;

impl Follower {
    /// Will follow the engine known to `presence`, with which it shares `key`, and tell `events`.
    #[must_use]
    pub fn new(events: Events, presence: Presence, engine: EngineClient, key: LinkKey) -> Self {
        Self { view: Arc::default(), reach: Arc::default(), events, presence, engine, key }
    }

    /// Whether the engine can be reached.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach.borrow().clone()
    }

    /// The same, and a wake-up with each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Reach> {
        self.reach.subscribe()
    }

    /// Follows with the datagrams of `socket` until `shutdown`.
    pub async fn run(&self, socket: UdpSocket, shutdown: CancellationToken) {
        let mut seen = self.presence.subscribe();
        // One more than any of ours has, so that a longer one is seen to be.
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES + 1];
        let mut heard = Instant::now();
        let mut not_before = heard;
        let mut fetch: Option<Fetch> = None;
        loop {
            let known = seen.borrow().is_some();
            let due = if self.view.lock().wants_snapshot() { not_before } else { heard + SILENCE };
            let may_fetch = fetch.is_none() && known;
            tokio::select! {
                () = shutdown.cancelled() => return,
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((len, peer)) => match Datagram::decode(&buffer[..len], &self.key) {
                        Some(datagram) => {
                            let now = Instant::now();
                            heard = now;
                            let wanted = self.view.lock().wants_snapshot();
                            self.hear(datagram);
                            if !wanted {
                                // Nothing was missing before: what is missing now may only be late.
                                not_before = not_before.max(now + REORDER_WAIT);
                            }
                        }
                        None => debug!(%peer, "a datagram that is not ours is left out"),
                    },
                    Err(error) => {
                        warn!(%error, "event messages cannot be received");
                        sleep(SOCKET_PAUSE).await;
                    }
                },
                Ok(()) = seen.changed() => {
                    let current = seen.borrow_and_update().clone();
                    self.show(current.as_ref());
                    (fetch, not_before) = (None, Instant::now());
                }
                () = sleep_until(due), if may_fetch => {
                    let engine = self.engine.clone();
                    fetch = Some(Box::pin(async move { engine.snapshot().await }));
                }
                fetched = next(&mut fetch) => {
                    fetch = None;
                    let now = Instant::now();
                    heard = now;
                    not_before = now + match fetched {
                        Ok(snapshot) => {
                            self.found(&snapshot);
                            SNAPSHOT_PAUSE
                        }
                        Err(error) => {
                            self.lost(&error.to_string());
                            RETRY_PAUSE
                        }
                    };
                }
            }
        }
    }

    fn hear(&self, datagram: Datagram) {
        let told = self.view.lock().apply_datagram(datagram);
        self.events.tell_all(unix_now_ms(), told);
    }

    /// Another run of the engine, or another place of its API: it is asked at once.
    fn show(&self, seen: Option<&EngineSeen>) {
        if let Some(seen) = seen {
            info!(run = seen.run, version = seen.program_version, api = ?seen.api, "an engine follows");
        }
        self.view.lock().doubt();
    }

    fn found(&self, snapshot: &Snapshot) {
        let now = unix_now_ms();
        let other = self.reach.send_if_modified(|reach| {
            let same = matches!(reach, Reach::Reached { run, .. } if *run == snapshot.engine);
            if !same {
                *reach = Reach::Reached { since_unix_ms: now, run: snapshot.engine.clone() };
            }
            !same
        });
        if other {
            let (engine, program_version) = (snapshot.engine.clone(), snapshot.program_version.clone());
            self.events.tell(now, now, Event::EngineUp { engine, program_version });
        }
        let told = self.view.lock().apply_snapshot(snapshot, now);
        self.events.tell_all(now, told);
    }

    fn lost(&self, reason: &str) {
        let now = unix_now_ms();
        self.view.lock().doubt();
        let first = self.reach.send_if_modified(|reach| {
            let first = !matches!(reach, Reach::Lost { .. });
            if first {
                *reach = Reach::Lost { since_unix_ms: now, reason: reason.to_owned() };
            }
            first
        });
        if first {
            warn!(reason, "the engine does not answer");
            self.events.tell(now, now, Event::EngineDown { reason: reason.to_owned() });
        }
    }
}

async fn next(fetch: &mut Option<Fetch>) -> Result<Snapshot, EngineCallError> {
    match fetch {
        Some(fetch) => fetch.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
