//! The engine as the API asks it: over the link, and not more often than a reader can tell.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use streamer_control::link::engine_api::Snapshot;
use streamer_control::link::manager_api::AppliedReport;
use tokio::sync::Mutex;

use super::engine::{Engine, Unreachable};
use crate::link::Presence;
use crate::view::{EngineCallError, EngineClient};

/// How long a snapshot answers further questions: a page that asks for several lists asks the engine once, and what
/// it shows is younger than anyone can see.
pub const SNAPSHOT_AGE: Duration = Duration::from_millis(200);

/// The engine that follows this manager.
pub struct LiveEngine {
    client: EngineClient,
    presence: Presence,
    kept: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl LiveEngine {
    /// The engine that `presence` knows, asked by `client`.
    #[must_use]
    pub fn new(client: EngineClient, presence: Presence) -> Self {
        Self { client, presence, kept: Mutex::default() }
    }
}

fn unreachable(error: &EngineCallError) -> Unreachable {
    Unreachable(error.to_string())
}

/// Whether there was what was to be closed.
fn was_there(result: Result<(), EngineCallError>) -> Result<bool, Unreachable> {
    match result {
        Ok(()) => Ok(true),
        Err(EngineCallError::Refused { code: 404, .. }) => Ok(false),
        Err(error) => Err(unreachable(&error)),
    }
}

#[async_trait]
impl Engine for LiveEngine {
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Unreachable> {
        // Held while it is asked: who comes meanwhile gets the same answer.
        let mut kept = self.kept.lock().await;
        if let Some((at, snapshot)) = &*kept
            && at.elapsed() < SNAPSHOT_AGE
        {
            return Ok(Arc::clone(snapshot));
        }
        *kept = None;
        let snapshot = Arc::new(self.client.snapshot().await.map_err(|error| unreachable(&error))?);
        *kept = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    async fn close_publisher(&self, app: &str, stream: &str) -> Result<bool, Unreachable> {
        was_there(self.client.kick_publisher(app, stream).await)
    }

    async fn close_viewer(&self, app: &str, stream: &str, id: u64) -> Result<bool, Unreachable> {
        was_there(self.client.kick_viewer(app, stream, id).await)
    }

    fn last_report(&self) -> Option<AppliedReport> {
        self.presence.last_report().map(|report| report.report)
    }
}
