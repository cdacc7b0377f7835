//! Calls at the engine's API, for whoever asks the manager: live streams, viewers, tasks, and ending them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use streamer_control::link::engine_api::{Snapshot, StreamBody, TakeSnapshot, TaskBody, ViewerBody};
use streamer_control::link::{LinkClient, LinkError, LinkKey};
use thiserror::Error;

use crate::link::Presence;

/// Longest time for one call: who waits for it is a person or a program with other things to do.
pub const ENGINE_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call at the engine failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineCallError {
    /// No engine has called yet, so nobody knows where its API is.
    #[error("no engine has called since the manager was started")]
    NeverSeen,
    /// It has no API, or none that can be called.
    #[error("the engine has no API to call")]
    NoApi,
    /// It does not answer as it should.
    #[error("the engine does not answer: {0}")]
    Unreachable(LinkError),
    /// It refuses, as when there is no such stream.
    #[error("{message}")]
    Refused {
        /// Status of its answer.
        code: u16,
        /// Its sentence.
        message: String,
    },
}

impl From<LinkError> for EngineCallError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Refused { code, message } => Self::Refused { code, message },
            error => Self::Unreachable(error),
        }
    }
}

/// Calls the engine that showed itself last. Clones share its connections.
#[derive(Clone, Debug)]
pub struct EngineClient {
    presence: Presence,
    key: LinkKey,
    client: Arc<Mutex<Option<LinkClient>>>,
}

impl EngineClient {
    /// Will call the engine known to `presence`, with which it shares `key`.
    #[must_use]
    pub fn new(presence: Presence, key: LinkKey) -> Self {
        Self { presence, key, client: Arc::default() }
    }

    /// Everything, as of one number of the event messages.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn snapshot(&self) -> Result<Snapshot, EngineCallError> {
        Ok(self.client()?.call_within::<TakeSnapshot>(&(), ENGINE_CALL_TIMEOUT).await?)
    }

    /// The live streams.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn streams(&self) -> Result<Vec<StreamBody>, EngineCallError> {
        self.ask("GET", "/v1/streams").await
    }

    /// One live stream; [`EngineCallError::Refused`] with 404 if it is not live.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn stream(&self, app: &str, stream: &str) -> Result<StreamBody, EngineCallError> {
        self.ask("GET", &stream_path(app, stream, "")).await
    }

    /// The viewers of one stream.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn viewers(&self, app: &str, stream: &str) -> Result<Vec<ViewerBody>, EngineCallError> {
        self.ask("GET", &stream_path(app, stream, "/viewers")).await
    }

    /// Pulls and forwards.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn tasks(&self) -> Result<Vec<TaskBody>, EngineCallError> {
        self.ask("GET", "/v1/tasks").await
    }

    /// Ends one viewer.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn kick_viewer(&self, app: &str, stream: &str, viewer: u64) -> Result<(), EngineCallError> {
        self.ask("DELETE", &stream_path(app, stream, &format!("/viewers/{viewer}"))).await
    }

    /// Ends the publisher of a stream.
    ///
    /// # Errors
    /// [`EngineCallError`].
    pub async fn kick_publisher(&self, app: &str, stream: &str) -> Result<(), EngineCallError> {
        self.ask("DELETE", &stream_path(app, stream, "/publisher")).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, path: &str) -> Result<T, EngineCallError> {
        Ok(self.client()?.send(method, path, &(), ENGINE_CALL_TIMEOUT).await?)
    }

    fn client(&self) -> Result<LinkClient, EngineCallError> {
        let seen = self.presence.seen().ok_or(EngineCallError::NeverSeen)?;
        let address: SocketAddr = seen.api_address().ok_or(EngineCallError::NoApi)?;
        let mut client = self.client.lock();
        match client.as_ref().filter(|client| client.address() == address) {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(LinkClient::new(address, self.key.clone())?).clone()),
        }
    }
}

/// Names may come from a caller of the REST API: they stay one part of the path each.
fn stream_path(app: &str, stream: &str, rest: &str) -> String {
    let part = |name| utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("/v1/streams/{}/{}{rest}", part(app), part(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_the_path() {
        assert_eq!(stream_path("live", "a", "/viewers"), "/v1/streams/live/a/viewers");
        assert_eq!(stream_path("..", "a/b?c#d%2f", ""), "/v1/streams/%2E%2E/a%2Fb%3Fc%23d%252f");
    }

    #[tokio::test]
    async fn an_engine_that_never_called_is_said_to_have_never_called() {
        let client = EngineClient::new(Presence::default(), LinkKey::from_secret([1; 32]));
        assert!(matches!(client.streams().await, Err(EngineCallError::NeverSeen)));
    }
}
