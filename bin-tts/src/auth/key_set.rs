//! The public keys of an issuer (RFC 7517): fetched when they are needed, kept while the issuer is away.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use streamer_control::config::HttpUrl;
use streamer_core::{Denied, DeniedKind};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::Outside;
use super::jwt::VerifyingKey;

/// Bytes of a key set that are read: sets hold a few keys of a kilobyte or two.
pub const MAX_KEY_SET_BYTES: usize = 256 << 10;
/// Keys of a set that are used: a token without a key's name is tried with each.
pub const MAX_KEYS: usize = 32;
/// Longest time to fetch a set: what remains of the ten seconds that a decision may take is the viewer's.
pub const KEY_SET_TIMEOUT: Duration = Duration::from_secs(5);
/// A set older than this is fetched anew beside the decisions, so that a key that was withdrawn goes.
pub const KEY_SET_TTL: Duration = Duration::from_secs(600);
/// Shortest time between two fetches: tokens with made-up key names must not become requests.
pub const MIN_KEY_SET_INTERVAL: Duration = Duration::from_secs(10);

struct Held {
    keys: Arc<[VerifyingKey]>,
    fetched_at: Instant,
}

/// The key set at one URL.
pub(super) struct KeySet {
    url: HttpUrl,
    outside: Outside,
    held: ArcSwapOption<Held>,
    /// When it was tried last; locked while it is being fetched.
    tried_at: Mutex<Option<Instant>>,
}

impl KeySet {
    pub(super) fn new(url: &HttpUrl, outside: &Outside) -> Arc<Self> {
        let (held, tried_at) = (ArcSwapOption::default(), Mutex::default());
        Arc::new(Self { url: url.clone(), outside: outside.clone(), held, tried_at })
    }

    /// The keys among which the one called `id` should be. What is held is good for as long as it has that key;
    /// it is fetched anew when it has not, and beside the decision when it has grown old.
    pub(super) async fn keys(self: &Arc<Self>, id: Option<&str>) -> Result<Arc<[VerifyingKey]>, Denied> {
        let held = self.held.load_full();
        let known = held.filter(|held| id.is_none() || held.keys.iter().any(|key| key.id.as_deref() == id));
        if let Some(held) = known {
            if held.fetched_at.elapsed() >= KEY_SET_TTL {
                drop(self.refresh(held.fetched_at));
            }
            return Ok(Arc::clone(&held.keys));
        }
        let began = Instant::now();
        // In a task of its own: others wait for the same keys when this peer goes away. A panic leaves what is held.
        let _ = self.refresh(began).await;
        let held = self.held.load_full();
        held.map(|held| Arc::clone(&held.keys))
            .ok_or(Denied::new(DeniedKind::Unavailable, "the keys of tokens are not there now"))
    }

    /// Fetches, unless a fetch that was waited for came after `seen` or it was tried a moment ago.
    fn refresh(self: &Arc<Self>, seen: Instant) -> tokio::task::JoinHandle<()> {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let mut tried_at = this.tried_at.lock().await;
            let newer = this.held.load().as_ref().is_some_and(|held| held.fetched_at > seen);
            if newer || tried_at.is_some_and(|tried| tried.elapsed() < MIN_KEY_SET_INTERVAL) {
                return;
            }
            *tried_at = Some(Instant::now());
            let fetched = timeout(KEY_SET_TIMEOUT, this.fetch()).await;
            let late = |_| format!("took longer than {} s", KEY_SET_TIMEOUT.as_secs());
            match fetched.map_err(late).flatten() {
                Ok(keys) => {
                    info!(url = %this.url, keys = keys.len(), "keys of tokens fetched");
                    this.held.store(Some(Arc::new(Held { keys, fetched_at: Instant::now() })));
                }
                Err(error) => {
                    this.outside.stats.key_set_failures.fetch_add(1, Relaxed);
                    let kept = this.held.load().is_some();
                    warn!(url = %this.url, %error, kept, "keys of tokens cannot be fetched");
                }
            }
        })
    }

    async fn fetch(&self) -> Result<Arc<[VerifyingKey]>, String> {
        // The URL may hold secrets: errors are told without it.
        let told = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.outside.http.get(self.url.as_str()).send().await.map_err(told)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > MAX_KEY_SET_BYTES {
                return Err(format!("more than {MAX_KEY_SET_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        read(&body)
    }
}

/// The keys of a set that can check signatures. Others, such as secrets and keys for encryption, are passed over.
fn read(text: &[u8]) -> Result<Arc<[VerifyingKey]>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(text).map_err(|error| format!("no key set: {error}"))?;
    let keys: Arc<[VerifyingKey]> = set.keys.into_iter().filter_map(verifying_key).take(MAX_KEYS).collect();
    if keys.is_empty() { Err("the set has no key that could be used".into()) } else { Ok(keys) }
}

fn verifying_key(value: Value) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let public = matches!(jwk.algorithm, AlgorithmParameters::RSA(_) | AlgorithmParameters::EllipticCurve(_));
    let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
    if !public || !signs {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        Some(algorithm) => Some(algorithm.to_string().parse::<Algorithm>().ok()?),
        None => None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(VerifyingKey { id: jwk.common.key_id, algorithm, key })
}

#[cfg(test)]
mod tests;
