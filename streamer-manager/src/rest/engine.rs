//! What the API asks of the engine, and what it answers with when the engine is away.

use std::sync::Arc;

use async_trait::async_trait;
use streamer_control::link::engine_api::Snapshot;
use streamer_control::link::manager_api::AppliedReport;
use thiserror::Error;

use super::error::ApiError;

/// The engine did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the engine cannot be reached: {0}")]
pub struct Unreachable(pub String);

/// What the API asks of the engine. Each call answers within a short time, or not at all.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The engine as it is now, or was a moment ago.
    ///
    /// # Errors
    /// [`Unreachable`].
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Unreachable>;

    /// Closes the publisher of a stream; whether there was one.
    ///
    /// # Errors
    /// [`Unreachable`].
    async fn close_publisher(&self, app: &str, stream: &str) -> Result<bool, Unreachable>;

    /// Closes a viewer of a stream; whether there was one.
    ///
    /// # Errors
    /// [`Unreachable`].
    async fn close_viewer(&self, app: &str, stream: &str, id: u64) -> Result<bool, Unreachable>;

    /// What the engine said last of a configuration, if it said anything.
    fn last_report(&self) -> Option<AppliedReport>;
}

impl From<Unreachable> for ApiError {
    fn from(error: Unreachable) -> Self {
        Self::network().detail(error.0)
    }
}
