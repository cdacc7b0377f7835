//! The Config Server: engines follow the configuration here, and tell what became of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, on};
use streamer_control::link::client::unix_now_ms;
use streamer_control::link::manager_api::{
    AppliedReport, FollowConfig, FollowRequest, FollowResponse, MAX_FOLLOW_WAIT_MS, ReportApplied,
};
use streamer_control::link::serve::{Answer, Asked, Refused, filter, guard};
use streamer_control::link::{Endpoint, LinkKey};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::presence::Presence;
use crate::event::Event;
use crate::store::StoredConfig;
use crate::view::Events;

/// Engines that wait at once for another configuration: there is one, and the calls it has given up.
pub const MAX_WAITING_ENGINES: usize = 32;

/// What the Config Server answers from.
#[derive(Clone)]
pub struct ConfigServer {
    /// The configuration in force.
    pub configs: watch::Receiver<Arc<StoredConfig>>,
    /// Where it notes who asks and what is reported.
    pub presence: Presence,
    /// Where it tells what is reported.
    pub events: Events,
    /// Ends all waiting.
    pub stopping: CancellationToken,
}

#[derive(Clone)]
struct Serving {
    server: ConfigServer,
    waiting: Arc<Semaphore>,
}

impl ConfigServer {
    /// Its routes; nothing of a request is read that is not sealed with `key`.
    pub fn router(self, key: LinkKey) -> Router {
        let serving = Serving { server: self, waiting: Arc::new(Semaphore::new(MAX_WAITING_ENGINES)) };
        Router::new()
            .route(FollowConfig::PATH, call::<FollowConfig, _, _>(follow))
            .route(ReportApplied::PATH, call::<ReportApplied, _, _>(report))
            .fallback(async || Refused {
                status: StatusCode::NOT_FOUND,
                message: "there is no such call".into(),
            })
            .layer(from_fn_with_state(key, guard))
            .with_state(serving)
    }
}

/// The route of one call.
fn call<E: Endpoint, H, T>(handler: H) -> MethodRouter<Serving>
where
    H: axum::handler::Handler<T, Serving>,
    T: 'static,
{
    filter::<E>().map_or_else(MethodRouter::new, |filter| on(filter, handler))
}

async fn follow(
    State(Serving { mut server, waiting }): State<Serving>,
    Asked(request): Asked<FollowRequest>,
) -> Result<Answer<FollowResponse>, Refused> {
    let known = request.known.clone();
    let patience = Duration::from_millis(request.wait_ms.min(MAX_FOLLOW_WAIT_MS));
    server.presence.saw(request, unix_now_ms());
    let Ok(_place) = waiting.try_acquire() else {
        let message = format!("{MAX_WAITING_ENGINES} engines wait already");
        return Err(Refused { status: StatusCode::SERVICE_UNAVAILABLE, message: message.into() });
    };
    // Whatever ends the wait, the answer is what is in force then.
    tokio::select! {
        _ = timeout(patience, server.configs.wait_for(|config| Some(&config.version) != known.as_ref())) => {}
        () = server.stopping.cancelled() => {}
    }
    let current = Arc::clone(&server.configs.borrow());
    let config = (Some(&current.version) != known.as_ref()).then(|| current.document.engine.clone());
    Ok(Answer(FollowResponse { version: current.version.clone(), config }))
}

async fn report(
    State(Serving { server, .. }): State<Serving>,
    Asked(report): Asked<AppliedReport>,
) -> Answer<()> {
    let now = unix_now_ms();
    let version = report.version.version;
    info!(version, applied = ?report.applied, took_ms = report.took_ms, "the engine follows");
    if !report.needs_restart.is_empty() {
        warn!(version, fields = ?report.needs_restart, "a restart of the engine is needed for a part of it");
    }
    let (took_ms, needs_restart) = (report.took_ms, report.needs_restart.clone());
    server.events.tell(now, now, Event::ConfigApplied { version, took_ms, needs_restart });
    if !report.refused.is_empty() {
        for refusal in &report.refused {
            warn!(version, path = refusal.path, reason = refusal.reason, "the engine refuses a part of it");
        }
        server.events.tell(now, now, Event::ConfigRefused { version, refused: report.refused.clone() });
    }
    server.presence.reported(report, now);
    Answer(())
}

#[cfg(test)]
#[path = "config_server_tests.rs"]
mod tests;
