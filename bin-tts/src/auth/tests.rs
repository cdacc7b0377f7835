//! Applications decide, by their own rules and the clock.

use super::*;
use streamer_core::StreamKey;
use streamer_core::access::SharedKey;

use super::testing::{Backend, NOW, Reply, outside};

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
    let authorizer = authorizer();
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
    let authorizer = authorizer();
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
    let authorizer = authorizer();
    authorizer.set_apps(&apps()[..1]);
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "").await, Some(DeniedKind::UnknownApp));
    assert_eq!(ask(&authorizer, Action::Play, "open/a", "").await, None);
}

#[test]
fn the_wall_clock_is_after_this_was_written() {
    assert!(unix_now_s() > 1_700_000_000);
}

fn authorizer() -> Arc<AppAuthorizer> {
    AppAuthorizer::with_clock(&apps(), outside().http, || NOW)
}

fn guarded(auth: &serde_json::Value) -> Vec<AppConfig> {
    let app = serde_json::json!({ "app_name": "guarded", "source_type": "rtmp_push", "play_auth": auth });
    vec![serde_json::from_value(app).unwrap()]
}

#[tokio::test]
async fn all_that_is_set_holds_together() {
    let backend = Backend::start(Reply::status(200)).await;
    let callback = |networks: &str| {
        guarded(&serde_json::json!({
            "shared_key": "out", "jwt": { "keys": { "secret": "hush" } }, "deny": [networks],
            "callback": { "url": backend.url("/ask"), "cache_s": 0 },
        }))
    };
    let authorizer = AppAuthorizer::with_clock(&callback("192.0.2.0/24"), outside().http, || NOW);
    let key: StreamKey = "guarded/a".parse().unwrap();
    let signed = SharedKey::new("out").sign(&key, NOW);
    let claims = serde_json::json!({ "exp": NOW + 60 });
    let hush = jsonwebtoken::EncodingKey::from_secret(b"hush");
    let token = testing::sign(jsonwebtoken::Algorithm::HS256, None, &hush, &claims);
    let by_token = format!("token={token}");
    // `ask` comes without an address, which is on no list; here it has one that is refused.
    let here = testing::asking(Action::Play, "guarded/a", &signed, async |request| {
        authorizer.authorize(request).await
    });
    assert_eq!(here.await.map_err(|denied| denied.kind), Err(DeniedKind::NotAllowed));
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "").await, Some(DeniedKind::BadToken));
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "token=x").await, Some(DeniedKind::BadToken));
    assert!(backend.heard().is_empty(), "only those with a right token are asked about");
    // One token is enough, whatever the other is.
    for query in [&signed, &by_token, &format!("{signed}&token=x"), &format!("sign=x&expires=1&{by_token}")] {
        assert_eq!(ask(&authorizer, Action::Play, "guarded/a", query).await, None, "{query}");
    }
    assert_eq!(backend.heard().len(), 4);
    backend.set(Reply::status(403));
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", &signed).await, Some(DeniedKind::NotAllowed));
}

#[tokio::test]
async fn what_a_rule_has_learnt_outlives_changes_of_others() {
    let backend = Backend::start(Reply::status(200)).await;
    let config = |url: &str| {
        let auth = serde_json::json!({ "callback": { "url": backend.url(url), "cache_s": 3600 } });
        [apps(), guarded(&auth)].concat().into_iter().rev().take(2).collect::<Vec<_>>()
    };
    let authorizer = AppAuthorizer::with_clock(&config("/one"), outside().http, || NOW);
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "").await, None);
    authorizer.set_apps(&config("/one")[..1]);
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "").await, None);
    assert_eq!(backend.heard().len(), 1);
    authorizer.set_apps(&config("/two"));
    assert_eq!(ask(&authorizer, Action::Play, "guarded/a", "").await, None);
    assert_eq!(backend.heard().len(), 2, "another callback is asked");
}
