//! Calls the other daemon: every request is sealed, and an answer without proof is no answer.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::endpoint::Endpoint;
use super::seal::{LinkKey, REQUEST_SEAL_HEADER, RESPONSE_SEAL_HEADER};
use super::tolerant;

/// Longest time until a connection is there: the other daemon runs on this machine or the next.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time from a request to the end of its answer, unless the caller says otherwise: what takes longer is stuck.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer: the snapshot of an engine with two thousand streams and a hundred thousand viewers.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// How long an idle connection is kept for the next call: shorter than the other side keeps it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a call has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nobody is there, or the connection was lost.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer is larger than any that is expected.
    #[error("the answer has more than {max} bytes")]
    TooLarge {
        /// Most bytes read.
        max: usize,
    },
    /// Who answered has not proved that it has our secret: a stranger on the port, or a daemon with another data folder.
    #[error("whoever answered (status {status}) does not have our secret")]
    Unproved {
        /// Status of the answer.
        status: u16,
    },
    /// The other daemon refuses the call.
    #[error("refused with {code}: {message}")]
    Refused {
        /// Status.
        code: u16,
        /// Its sentence.
        message: String,
    },
    /// The answer is proved, but cannot be understood.
    #[error("the answer cannot be understood: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The request cannot be made: the system has no random numbers, or the values are of no JSON.
    #[error("the request cannot be made: {0}")]
    Request(String),
}

impl LinkError {
    /// Whether nobody was there at all, as before the other daemon has started.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Calls one daemon. Clones share its connections.
#[derive(Clone, Debug)]
pub struct LinkClient {
    http: Client,
    address: SocketAddr,
    key: LinkKey,
}

/// The envelope of every answer.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    list: Value,
}

impl LinkClient {
    /// Will call the daemon at `address`, which has the secret of `key`. Follows no redirect and asks no proxy.
    ///
    /// # Errors
    /// [`LinkError::Request`] when the system refuses what a client needs.
    pub fn new(address: SocketAddr, key: LinkKey) -> Result<Self, LinkError> {
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            // Never over TLS: without this the root certificates of the system would have to be there.
            .tls_certs_only([])
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .build()
            .map_err(|error| LinkError::Request(chain(&error)))?;
        Ok(Self { http, address, key })
    }

    /// Whom it calls.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes one call, which may take [`CALL_TIMEOUT`]. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn call<E: Endpoint>(&self, request: &E::Request) -> Result<E::Response, LinkError> {
        self.call_within::<E>(request, CALL_TIMEOUT).await
    }

    /// Makes one call, which may take `patience`. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn call_within<E: Endpoint>(
        &self,
        request: &E::Request,
        patience: Duration,
    ) -> Result<E::Response, LinkError> {
        self.send(E::METHOD, E::PATH, request, patience).await
    }

    /// Calls a path that is no constant: `path` is as in the request line, with its query. An answer of several
    /// values is read from the `list` of the envelope, any other from its `data`.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn send<R: Serialize, T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        request: &R,
        patience: Duration,
    ) -> Result<T, LinkError> {
        let body = body_of(request)?;
        tokio::time::timeout(patience, self.exchange(method, path, body))
            .await
            .map_err(|_| LinkError::TimedOut(patience))?
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, LinkError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| LinkError::Request(error.to_string()))?;
        let seal = self.key.seal_request(unix_now_ms(), nonce, method, path, &body);
        let verb =
            Method::from_bytes(method.as_bytes()).map_err(|error| LinkError::Request(chain(&error)))?;
        let request = self
            .http
            .request(verb, format!("http://{}{path}", self.address))
            .header(REQUEST_SEAL_HEADER, seal.to_string())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body);
        let mut response = request.send().await.map_err(|error| LinkError::Unreachable(chain(&error)))?;
        let status = response.status().as_u16();
        let proof = response.headers().get(RESPONSE_SEAL_HEADER).cloned();
        let Some(proof) = proof else { return Err(LinkError::Unproved { status }) };
        let answer = read_bounded(&mut response, MAX_ANSWER_BYTES).await?;
        if !self.key.proves_response(&seal, status, &answer, proof.to_str().ok()) {
            return Err(LinkError::Unproved { status });
        }
        let (envelope, _): (Envelope, _) = tolerant::from_slice(&answer)?;
        if status != 200 {
            let message = envelope.message.unwrap_or_else(|| "without a reason".to_owned());
            return Err(LinkError::Refused { code: status, message });
        }
        let value = if envelope.list.is_null() { envelope.data } else { envelope.list };
        let (value, left_out) = tolerant::from_value(value)?;
        if !left_out.is_empty() {
            tracing::debug!(?left_out, path, "fields of a newer version are left out");
        }
        Ok(value)
    }
}

/// Nothing is sent for `()`.
fn body_of<R: Serialize>(request: &R) -> Result<Vec<u8>, LinkError> {
    let body = serde_json::to_vec(request).map_err(|error| LinkError::Request(error.to_string()))?;
    Ok(if body == b"null" { Vec::new() } else { body })
}

async fn read_bounded(response: &mut Response, max: usize) -> Result<Vec<u8>, LinkError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| LinkError::Unreachable(chain(&error)))? {
        if body.len() + chunk.len() > max {
            return Err(LinkError::TooLarge { max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The sentence of the innermost error, which says what happened; those around it say that a request failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The time in Unix milliseconds, by the wall clock.
#[must_use]
pub fn unix_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "pair_tests.rs"]
mod tests;
