//! One try to deliver a message: a signed request, bounded in time and in what is read of the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, redirect};
use url::Url;

use super::sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
use super::target::{GuardedResolver, TargetPolicy};
use crate::document::WebhookConfig;

/// Longest try, the connection included: a receiver only has to take the message.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes kept of an answer, for the log that an operator reads; no more are read.
pub const MAX_ANSWER_BYTES: usize = 1_024;
/// Connections kept open to one receiver.
const IDLE_CONNECTIONS: usize = 1;

/// A message to one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The same for every try.
    pub id: &'a str,
    /// JSON.
    pub body: &'a str,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the receiver took it: it answered with a status of 200 to 299.
    pub delivered: bool,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it was not delivered, in words.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub answer: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// Sends messages. Clones share connections.
#[derive(Clone, Debug)]
pub struct Deliverer {
    client: Client,
    policy: TargetPolicy,
}

impl Deliverer {
    /// A sender that keeps to `policy`. No proxy of the environment is used: it would be the one that resolves names.
    ///
    /// # Errors
    /// When TLS cannot be used.
    pub fn new(policy: TargetPolicy) -> Result<Self, reqwest::Error> {
        Self::with_timeout(policy, DELIVERY_TIMEOUT)
    }

    /// The same with another time limit.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_timeout(policy: TargetPolicy, timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .dns_resolver(Arc::new(GuardedResolver(policy.clone())))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .timeout(timeout)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .user_agent(concat!("TiTopStreamer/", env!("CARGO_PKG_VERSION")))
        };
        // A machine without root certificates trusts nobody over HTTPS; receivers without it are told all the same.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Self { client, policy })
    }

    /// Tries once to deliver `message` at `at_unix_s`.
    pub async fn deliver(&self, webhook: &WebhookConfig, message: &Message<'_>, at_unix_s: u64) -> Outcome {
        let began = Instant::now();
        let mut outcome = match self.attempt(webhook, message, at_unix_s).await {
            Ok((status, answer)) => Outcome {
                delivered: status.is_success(),
                status: Some(status.as_u16()),
                error: refusal(status),
                answer,
                took_ms: 0,
            },
            Err(error) => Outcome {
                delivered: false,
                status: None,
                error: Some(error),
                answer: String::new(),
                took_ms: 0,
            },
        };
        outcome.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome
    }

    async fn attempt(
        &self,
        webhook: &WebhookConfig,
        message: &Message<'_>,
        at_unix_s: u64,
    ) -> Result<(StatusCode, String), String> {
        let url = Url::parse(webhook.url.as_str()).map_err(|error| error.to_string())?;
        self.policy.check_url(&url).map_err(|error| error.to_string())?;
        let signed = signature(webhook.secret.expose(), message.id, at_unix_s, message.body.as_bytes());
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header(ID_HEADER, message.id)
            .header(TIMESTAMP_HEADER, at_unix_s)
            .header(SIGNATURE_HEADER, signed)
            .body(message.body.to_owned());
        let mut answer = request.send().await.map_err(describe)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        // The status has decided; of a body that breaks off there is only less to show.
        while let Ok(Some(chunk)) = answer.chunk().await {
            let room = MAX_ANSWER_BYTES - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if bytes.len() == MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn refusal(status: StatusCode) -> Option<String> {
    match status {
        _ if status.is_success() => None,
        _ if status.is_redirection() => {
            Some(format!("the receiver answered {status}; redirects are not followed"))
        }
        _ => Some(format!("the receiver answered {status}")),
    }
}

/// The error and its causes, without the URL: that may hold a secret.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
