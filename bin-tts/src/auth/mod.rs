//! Who may publish and play at this engine: what the applications say, by the wall clock.
//!
//! | file | what |
//! |---|---|
//! | `rules` | one rule of an application: addresses, tokens and the callback together |
//! | `address` | lists of networks |
//! | `jwt` | JSON Web Tokens |
//! | `key_set` | the public keys of an issuer, fetched and kept |
//! | `callback` | the question to another server, its answers kept |

mod address;
mod callback;
mod jwt;
mod key_set;
mod rules;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use streamer_control::config::{AppConfig, AuthConfig, SourceType};
use streamer_core::{AccessRequest, Action, AppName, Authorizer, Denied, DeniedKind};

pub use callback::{MAX_ANSWER_BYTES, MAX_ASKED_AT_ONCE, MAX_KEPT_ANSWERS, MAX_MESSAGE_CHARS};
pub use jwt::{JwtKeyError, MAX_TOKEN_BYTES, check_public_key};
pub use key_set::{KEY_SET_TIMEOUT, KEY_SET_TTL, MAX_KEY_SET_BYTES, MAX_KEYS, MIN_KEY_SET_INTERVAL};
use rules::Rule;

/// What was asked of other servers, for the metrics.
#[derive(Debug, Default)]
pub struct AuthStats {
    /// Questions sent to callbacks.
    pub callbacks: AtomicU64,
    /// Questions that callbacks failed to answer.
    pub callback_failures: AtomicU64,
    /// Questions answered by what a callback said before.
    pub callbacks_kept: AtomicU64,
    /// Key sets that could not be fetched.
    pub key_set_failures: AtomicU64,
}

/// What rules ask other servers with.
#[derive(Clone)]
struct Outside {
    http: reqwest::Client,
    stats: Arc<AuthStats>,
    now_unix_s: fn() -> u64,
}

/// Decides by the applications' own rules. They can be exchanged while it runs; who is in stays in.
pub struct AppAuthorizer {
    apps: ArcSwap<HashMap<AppName, AppRules>>,
    outside: Outside,
}

struct AppRules {
    takes_pushes: bool,
    publish: Option<Arc<Rule>>,
    play: Option<Arc<Rule>>,
}

impl AppRules {
    /// The rules of `app`. Those that `former` had and are not changed go on with what they have learnt.
    fn of(app: &AppConfig, former: Option<&Self>, outside: &Outside) -> Self {
        let rule = |auth: Option<&AuthConfig>, former: Option<&Arc<Rule>>| {
            let auth = auth?;
            let same = former.filter(|rule| rule.is_of(auth)).cloned();
            Some(same.unwrap_or_else(|| Arc::new(Rule::new(auth, outside))))
        };
        Self {
            takes_pushes: app.source_type == SourceType::RtmpPush,
            publish: rule(app.publish_auth.as_ref(), former.and_then(|former| former.publish.as_ref())),
            play: rule(app.play_auth.as_ref(), former.and_then(|former| former.play.as_ref())),
        }
    }
}

impl AppAuthorizer {
    /// Guards `apps` by the wall clock; other servers are asked through `http`, which must follow no redirects.
    #[must_use]
    pub fn new(apps: &[AppConfig], http: reqwest::Client) -> Arc<Self> {
        Self::with_clock(apps, http, unix_now_s)
    }

    fn with_clock(apps: &[AppConfig], http: reqwest::Client, now_unix_s: fn() -> u64) -> Arc<Self> {
        let outside = Outside { http, stats: Arc::default(), now_unix_s };
        let authorizer = Self { apps: ArcSwap::default(), outside };
        authorizer.set_apps(apps);
        Arc::new(authorizer)
    }

    /// From now on `apps` decide.
    pub fn set_apps(&self, apps: &[AppConfig]) {
        let former = self.apps.load();
        let rules = |app: &AppConfig| AppRules::of(app, former.get(&app.app_name), &self.outside);
        let apps = apps.iter().map(|app| (app.app_name.clone(), rules(app))).collect();
        self.apps.store(Arc::new(apps));
    }

    /// What was asked of other servers.
    #[must_use]
    pub const fn stats(&self) -> &Arc<AuthStats> {
        &self.outside.stats
    }
}

fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[async_trait]
impl Authorizer for AppAuthorizer {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let rule = {
            let apps = self.apps.load();
            let Some(app) = apps.get(&request.key.app) else {
                return Err(Denied::new(DeniedKind::UnknownApp, "there is no such application"));
            };
            match request.action {
                Action::Publish if !app.takes_pushes => {
                    let message = "the application takes no pushes: the server fetches its streams";
                    return Err(Denied::new(DeniedKind::NotAllowed, message));
                }
                Action::Publish => app.publish.clone(),
                Action::Play => app.play.clone(),
            }
        };
        match rule {
            Some(rule) => rule.decide(request).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
