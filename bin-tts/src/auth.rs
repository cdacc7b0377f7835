//! Who may publish and play at this engine: what the applications say, by the wall clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use streamer_control::config::{AppConfig, AuthConfig, SourceType};
use streamer_core::access::SharedKey;
use streamer_core::{AccessRequest, Action, AppName, Authorizer, Denied, DeniedKind};

/// Decides by the applications' own rules. They can be exchanged while it runs; who is in stays in.
pub struct AppAuthorizer {
    apps: ArcSwap<HashMap<AppName, AppRules>>,
    now_unix_s: fn() -> u64,
}

struct AppRules {
    takes_pushes: bool,
    publish: Rule,
    play: Rule,
}

enum Rule {
    Open,
    Signed(SharedKey),
    Closed,
}

impl Rule {
    fn of(auth: Option<&AuthConfig>) -> Self {
        match auth {
            None => Self::Open,
            Some(AuthConfig { shared_key: Some(key), jwt: None, callback: None, allow, deny })
                if allow.is_empty() && deny.is_empty() =>
            {
                Self::Signed(SharedKey::new(key.expose()))
            }
            Some(_) => Self::Closed,
        }
    }
}

impl AppRules {
    fn of(app: &AppConfig) -> Self {
        Self {
            takes_pushes: app.source_type == SourceType::RtmpPush,
            publish: Rule::of(app.publish_auth.as_ref()),
            play: Rule::of(app.play_auth.as_ref()),
        }
    }
}

impl AppAuthorizer {
    /// Guards `apps` by the wall clock.
    #[must_use]
    pub fn new(apps: &[AppConfig]) -> Arc<Self> {
        Self::with_clock(apps, unix_now_s)
    }

    fn with_clock(apps: &[AppConfig], now_unix_s: fn() -> u64) -> Arc<Self> {
        let authorizer = Self { apps: ArcSwap::default(), now_unix_s };
        authorizer.set_apps(apps);
        Arc::new(authorizer)
    }

    /// From now on `apps` decide.
    pub fn set_apps(&self, apps: &[AppConfig]) {
        let rules = apps.iter().map(|app| (app.app_name.clone(), AppRules::of(app))).collect();
        self.apps.store(Arc::new(rules));
    }
}

fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[async_trait]
impl Authorizer for AppAuthorizer {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let apps = self.apps.load();
        let Some(app) = apps.get(&request.key.app) else {
            return Err(Denied::new(DeniedKind::UnknownApp, "there is no such application"));
        };
        let key = match request.action {
            Action::Publish if !app.takes_pushes => {
                let message = "the application takes no pushes: the server fetches its streams";
                return Err(Denied::new(DeniedKind::NotAllowed, message));
            }
            Action::Publish => &app.publish,
            Action::Play => &app.play,
        };
        match key {
            Rule::Signed(key) => key.verify(request.key, request.query, (self.now_unix_s)()),
            Rule::Open => Ok(()),
            Rule::Closed => Err(Denied::new(DeniedKind::Unavailable, "nobody decides about this yet")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamer_core::StreamKey;

    const NOW: u64 = 1_000_000;

    fn apps() -> Vec<AppConfig> {
        let text = r#"{"apps": [
            {"app_name": "open", "source_type": "rtmp_push"},
            {"app_name": "guarded", "source_type": "rtmp_push",
             "publish_auth": {"shared_key": "in"}, "play_auth": {"shared_key": "out"}},
            {"app_name": "pulled", "source_type": "rtmp_pull"}]}"#;
        streamer_control::config::LoadedConfig::from_text(text.into(), "test".into()).unwrap().config.apps
    }

    async fn ask(authorizer: &AppAuthorizer, action: Action, key: &str, query: &str) -> Option<DeniedKind> {
        let key: StreamKey = key.parse().unwrap();
        let request = AccessRequest {
            action,
            key: &key,
            protocol: "rtmp",
            peer: None,
            query,
            page_url: None,
            encrypted: false,
        };
        authorizer.authorize(&request).await.err().map(|denied| denied.kind)
    }

    #[tokio::test]
    async fn applications_decide() {
        let authorizer = AppAuthorizer::with_clock(&apps(), || NOW);
        for (action, key, expected) in [
            (Action::Publish, "open/a", None),
            (Action::Play, "open/a", None),
            (Action::Publish, "pulled/a", Some(DeniedKind::NotAllowed)),
            (Action::Play, "pulled/a", None),
            (Action::Publish, "absent/a", Some(DeniedKind::UnknownApp)),
            (Action::Play, "absent/a", Some(DeniedKind::UnknownApp)),
            (Action::Publish, "guarded/a", Some(DeniedKind::BadToken)),
            (Action::Play, "guarded/a", Some(DeniedKind::BadToken)),
        ] {
            assert_eq!(ask(&authorizer, action, key, "").await, expected, "{action:?} {key}");
        }
    }

    #[tokio::test]
    async fn tokens_are_for_one_action_and_expire_by_the_clock() {
        let authorizer = AppAuthorizer::with_clock(&apps(), || NOW);
        let key: StreamKey = "guarded/a".parse().unwrap();
        let (publish, play) = (SharedKey::new("in"), SharedKey::new("out"));
        let query = publish.sign(&key, NOW);
        assert_eq!(ask(&authorizer, Action::Publish, "guarded/a", &query).await, None);
        assert_eq!(ask(&authorizer, Action::Play, "guarded/a", &query).await, Some(DeniedKind::BadToken));
        let query = play.sign_tx(&key, NOW);
        assert_eq!(ask(&authorizer, Action::Play, "guarded/a", &query).await, None);
        let query = publish.sign(&key, NOW - 1);
        assert_eq!(ask(&authorizer, Action::Publish, "guarded/a", &query).await, Some(DeniedKind::Expired));
    }

    #[tokio::test]
    async fn rules_can_be_exchanged() {
        let authorizer = AppAuthorizer::with_clock(&apps(), || NOW);
        authorizer.set_apps(&apps()[..1]);
        assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "").await, Some(DeniedKind::UnknownApp));
        assert_eq!(ask(&authorizer, Action::Play, "open/a", "").await, None);
    }

    #[test]
    fn the_wall_clock_is_after_this_was_written() {
        assert!(unix_now_s() > 1_700_000_000);
    }
}
