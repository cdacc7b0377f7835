//! The engine's own HTTP API: health, metrics, what is live, and the means to end it.

mod envelope;
mod routes;
mod snapshot;
mod token;
mod view;

use std::sync::Arc;

use streamer_core::Registry;
use streamer_daemon::usage::Usage;
use streamer_http::Hls;
use tokio_util::sync::CancellationToken;

use crate::auth::AuthStats;
use crate::link::LinkState;
use crate::listeners::ListenerSet;
use crate::observe::Observer;
use crate::tasks::TaskSet;

pub use routes::router;
pub use token::Token;

/// File of the token in the data folder.
pub const TOKEN_FILE: &str = "engine-token";
/// Connections of the API at once: programs of the operator, not viewers.
pub const MAX_API_CONNECTIONS: usize = 256;

/// What the API serves from.
#[derive(Clone)]
pub struct ApiState {
    /// The live streams.
    pub registry: Registry,
    /// What is known of them beyond.
    pub observer: Arc<Observer>,
    /// Pulls and forwards.
    pub tasks: Arc<TaskSet>,
    /// The listeners.
    pub listeners: Arc<ListenerSet>,
    /// What is known of the link to the manager.
    pub link: Arc<LinkState>,
    /// What the process uses of the machine.
    pub usage: Arc<Usage>,
    /// HLS, which these serve.
    pub hls: Hls,
    /// What was asked of other servers about access.
    pub access: Arc<AuthStats>,
    /// What callers must show.
    pub token: Token,
    /// Whether the metrics are shown without it.
    pub open_metrics: bool,
    /// Cancelled when the engine stops.
    pub stopping: CancellationToken,
}
