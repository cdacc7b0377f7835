//! Changes of the configuration: applications, source streams, forwards, settings, webhooks; versions and secrets.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, Api};

/// A pulled application with a source stream whose URL holds a secret.
async fn with_pull(api: &Api) {
    api.post("/v1/app", json!({"app_name": "pulled", "source_type": "rtmp_pull"})).await.of(200);
    let pull = json!({"app": "pulled", "stream": "a1", "urls": ["rtmp://user:word@host/live/a?token=x"]});
    api.post("/v1/stream", pull).await.of(200);
}

#[tokio::test]
async fn an_application_is_changed_whole_and_by_field() {
    let api = Api::new().await;
    let app = json!({"app_name": "cinema", "source_type": "rtmp_push", "max_viewers": 7});
    api.post("/v1/app", app).await.of(200);
    api.call("PATCH", "/v1/app/cinema", Some(json!({"hls": {"mode": "always"}}))).await.of(200);
    let now = api.get("/v1/app/cinema").await.of(200);
    assert_eq!((&now["data"]["max_viewers"], &now["data"]["hls"]["mode"]), (&json!(7), &json!("always")));
    api.call("PATCH", "/v1/app/cinema", Some(json!({"max_viewers": null}))).await.of(200);
    assert_ne!(api.get("/v1/app/cinema").await.of(200)["data"]["max_viewers"], 7);
    let whole = json!({"app_name": "cinema", "source_type": "rtmp_push"});
    api.call("PUT", "/v1/app/cinema", Some(whole.clone())).await.of(200);
    assert_eq!(api.get("/v1/app/cinema").await.of(200)["data"]["hls"]["mode"], "on_demand");
    let other = json!({"app_name": "theatre", "source_type": "rtmp_push"});
    assert_eq!(api.call("PUT", "/v1/app/cinema", Some(other)).await.of(400)["parameter"], "app_name");
    assert_eq!(api.call("PUT", "/v1/app/nothing", Some(whole)).await.error(404), "not_found");
    let unknown = api.call("PATCH", "/v1/app/cinema", Some(json!({"colour": 1}))).await;
    assert_eq!(unknown.error(400), "parameter_unknown");
    api.call("DELETE", "/v1/app/cinema", None).await.of(200);
    assert_eq!(api.call("DELETE", "/v1/app/cinema", None).await.error(404), "not_found");
}

#[tokio::test]
async fn secrets_are_masked_and_stay_when_they_come_back_masked() {
    let api = Api::new().await;
    with_pull(&api).await;
    let secret = json!({"app_name": "locked", "source_type": "rtmp_push", "publish_auth": {"shared_key": "hush-hush"}});
    api.post("/v1/app", secret).await.of(200);
    api.post(
        "/v1/webhook",
        json!({"name": "hook", "url": "https://a.example/?key=zzz", "secret": "hush-hush"}),
    )
    .await
    .of(200);
    for path in [
        "/v1/app",
        "/v1/app/locked",
        "/v1/stream",
        "/v1/stream/pulled/a1",
        "/v1/webhook",
        "/v1/webhook/hook",
        "/v1/config/history/2",
        "/v1/config/diff?from=1",
        "/v1/config/export",
    ] {
        let text = api.get(path).await.of(200).to_string();
        for hidden in ["hush-hush", "word", "token=x", "zzz"] {
            assert!(!text.contains(hidden), "{path}: {text}");
        }
    }
    let mut shown = api.get("/v1/app/locked").await.of(200)["data"].clone();
    assert_eq!(shown["publish_auth"]["shared_key"], "***");
    shown["max_viewers"] = json!(9);
    api.call("PUT", "/v1/app/locked", Some(shown)).await.of(200);
    api.call("PATCH", "/v1/stream/pulled/a1", Some(json!({"idle_ms": 1_000}))).await.of(200);
    let stored = serde_json::to_string(&api.configuration.current().document).unwrap();
    assert!(stored.contains("hush-hush") && stored.contains("user:word@host/live/a?token=x"), "{stored}");
    // A mask that stands for nothing is no secret.
    let masked =
        json!({"app_name": "other", "source_type": "rtmp_push", "publish_auth": {"shared_key": "***"}});
    assert_eq!(api.post("/v1/app", masked).await.of(400)["parameter"], "publish_auth.shared_key");
    let whole = api.get("/v1/config/export?secrets=true").await.of(200).to_string();
    assert!(whole.contains("hush-hush") && whole.contains("token=x"));
}

#[tokio::test]
async fn a_source_stream_needs_its_application_and_goes_with_it() {
    let api = Api::new().await;
    let pull = |app: &str| json!({"app": app, "stream": "b", "urls": ["rtmp://host/live/b"]});
    assert_eq!(api.post("/v1/stream", pull("nothing")).await.of(400)["parameter"], "app");
    assert_eq!(api.post("/v1/stream", pull("live")).await.of(400)["parameter"], "app");
    with_pull(&api).await;
    assert_eq!(
        api.post("/v1/stream", json!({"app": "pulled", "stream": "a1", "urls": ["rtmp://host/live/b"]}))
            .await
            .error(409),
        "duplicated"
    );
    api.call("POST", "/v1/stream/pulled/a1/stop", None).await.of(200);
    assert_eq!(api.get("/v1/stream/pulled/a1").await.of(200)["data"]["source"]["enabled"], false);
    api.call("POST", "/v1/stream/pulled/a1/start", None).await.of(200);
    assert_eq!(
        api.call("PATCH", "/v1/stream/pulled/a1", Some(json!({"stream": "a2"}))).await.of(400)["parameter"],
        "stream"
    );
    assert_eq!(
        api.call("PATCH", "/v1/app/pulled", Some(json!({"source_type": "rtmp_push"}))).await.error(409),
        "conflict"
    );
    assert_eq!(api.call("DELETE", "/v1/app/pulled", None).await.error(409), "conflict");
    api.call("DELETE", "/v1/app/pulled?cascade=true", None).await.of(200);
    assert!(api.configuration.current().document.engine.pulls.is_empty());
}

#[tokio::test]
async fn a_forward_comes_changes_and_goes() {
    let api = Api::new().await;
    let forward = json!({"name": "up", "app": "live", "stream": "a1", "url": "rtmp://host/live/b?k=1"});
    api.post("/v1/forward", forward.clone()).await.of(200);
    assert_eq!(api.post("/v1/forward", forward).await.error(409), "duplicated");
    api.call("PATCH", "/v1/forward/live/up", Some(json!({"ssl": true, "local_address": "127.0.0.1"})))
        .await
        .of(200);
    api.call("POST", "/v1/forward/live/up/stop", None).await.of(200);
    let shown = api.get("/v1/forward/live/up").await.of(200);
    let config = &shown["data"]["config"];
    assert_eq!(
        (&config["ssl"], &config["enabled"], &config["url"]),
        (&json!(true), &json!(false), &json!("rtmp://host/live/b?***"))
    );
    let other = json!({"name": "down", "app": "live", "stream": "a1", "url": "rtmp://host/live/b"});
    assert_eq!(api.call("PUT", "/v1/forward/live/up", Some(other)).await.of(400)["parameter"], "name");
    api.call("DELETE", "/v1/forward/live/up", None).await.of(200);
    assert_eq!(api.get("/v1/forward").await.of(200)["total"], 0);
}

#[tokio::test]
async fn settings_are_checked() {
    let api = Api::new().await;
    api.call("PATCH", "/v1/settings", Some(json!({"log_level": "debug"}))).await.of(200);
    let settings = api.get("/v1/settings").await.of(200)["data"].clone();
    assert_eq!(settings["log_level"], "debug");
    let bad =
        api.call("PATCH", "/v1/settings", Some(json!({"limits": {"max_connections": 0}}))).await.of(400);
    assert_eq!(bad["parameter"], "limits.max_connections");
    api.call("PUT", "/v1/settings", Some(settings)).await.of(200);
    api.call("PUT", "/v1/settings", Some(json!({}))).await.of(200);
    assert_eq!(api.get("/v1/settings").await.of(200)["data"]["log_level"], "info");
}

async fn with_field(api: &Api, name: &str, value: &str, method: &str, path: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", api.first.token.expose()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(name, value);
    api.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_change_from_an_old_version_is_refused() {
    let api = Api::new().await;
    let etag = api.get("/v1/app/live").await.headers[header::ETAG].to_str().unwrap().to_owned();
    let change = async |etag: &str, value: u64| {
        with_field(&api, "If-Match", etag, "PATCH", "/v1/app/live", json!({"max_viewers": value})).await
    };
    let done = change(&etag, 5).await;
    let newer = done.headers[header::ETAG].to_str().unwrap().to_owned();
    done.of(200);
    assert_ne!(etag, newer);
    assert_eq!(change(&etag, 6).await.error(412), "version_conflict");
    for wrong in ["\"x\"", "W/\"1\"", "7", ""] {
        assert_eq!(change(wrong, 6).await.error(412), "version_conflict", "{wrong}");
    }
    change("*", 6).await.of(200);
    assert_eq!(change(&newer, 7).await.error(412), "version_conflict");
}

#[tokio::test]
async fn an_idempotency_key_creates_once() {
    let api = Api::new().await;
    let body = |name: &str| json!({"app_name": name, "source_type": "rtmp_push"});
    let add = async |key: &str, name: &str| {
        with_field(&api, "Idempotency-Key", key, "POST", "/v1/app", body(name)).await
    };
    let first = add("k1", "once").await;
    let etag = first.headers[header::ETAG].clone();
    let first = first.of(200);
    let again = add("k1", "once").await;
    assert_eq!(again.headers[header::ETAG], etag);
    assert_eq!(again.of(200), first);
    assert_eq!(add("k1", "other").await.error(409), "idempotency_conflict");
    assert_eq!(add("k2", "once").await.error(409), "duplicated_application");
    let max = streamer_manager::rest::idempotency::MAX_IDEMPOTENCY_KEY_BYTES;
    add(&"k".repeat(max), "longest").await.of(200);
    assert_eq!(add(&"k".repeat(max + 1), "longer").await.of(400)["parameter"], "Idempotency-Key");
    let (one, other) = tokio::join!(add("k3", "both"), add("k3", "both"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [200, 200 | 409]), "{statuses:?}");
    assert_eq!(api.get("/v1/app?text=both").await.of(200)["total"], 1);
}

#[tokio::test]
async fn history_difference_rollback_export_and_import() {
    let api = Api::new().await;
    let before = api.get("/v1/config/export?secrets=true").await.of(200)["data"].clone();
    api.post("/v1/app", json!({"app_name": "new", "source_type": "rtmp_push"})).await.of(200);
    let version = api.get("/v1/config").await.of(200)["data"]["version"].as_u64().unwrap();
    let history = api.get("/v1/config/history?limit=1").await.of(200);
    assert_eq!(history["list"][0]["summary"], "add application new");
    assert_eq!(history["next"], version.to_string());
    let changes = api.get(&format!("/v1/config/history/{version}")).await.of(200);
    assert_eq!((&changes["list"][0]["kind"], &changes["list"][0]["before"]), (&json!("app"), &json!(null)));
    let back = api.get(&format!("/v1/config/diff?from={version}&to={}", version - 1)).await.of(200);
    assert_eq!(back["list"][0]["after"], json!(null));
    assert_eq!(api.get("/v1/config/diff?from=1&to=999").await.error(404), "not_found");
    api.post("/v1/config/rollback", json!({"version": version - 1})).await.of(200);
    assert_eq!(api.get("/v1/app/new").await.error(404), "not_found");
    assert_eq!(api.post("/v1/config/rollback", json!({"version": 999})).await.error(404), "not_found");
    api.post("/v1/app", json!({"app_name": "newer", "source_type": "rtmp_push"})).await.of(200);
    api.post("/v1/config/import", before.clone()).await.of(200);
    let after = api.get("/v1/config/export?secrets=true").await.of(200)["data"].clone();
    assert_eq!(after["config"], before["config"]);
    let mut broken = before;
    broken["config"]["engine"]["apps"][0]["max_viewers"] = json!(0);
    assert_eq!(
        api.post("/v1/config/import", broken.clone()).await.of(400)["parameter"],
        "config.engine.apps[0].max_viewers"
    );
    broken["format"] = json!(2);
    assert_eq!(api.post("/v1/config/import", broken).await.of(400)["parameter"], "format");
}

#[tokio::test]
async fn messages_of_a_webhook_are_listed_and_sent_again() {
    use streamer_manager::rest::page::MAX_PAGE;
    use streamer_manager::store::DeliveryStore;
    use streamer_manager::store::deliveries::NewDelivery;
    let api = Api::new().await;
    api.post("/v1/webhook", json!({"name": "hook", "url": "https://a.example/", "secret": "s"}))
        .await
        .of(200);
    assert_eq!(api.get("/v1/webhook/hook/delivery").await.of(200)["list"], json!([]));
    let new = NewDelivery {
        webhook: "hook".into(),
        event_id: "e".into(),
        kind: "stream_published".into(),
        body: "{}".into(),
        at_unix_ms: 1,
    };
    let id = api.store.enqueue(vec![new]).await.unwrap()[0];
    let again = api.call("POST", &format!("/v1/webhook/hook/delivery/{id}/redeliver"), None).await.of(200);
    assert_ne!(again["data"]["id"], id);
    let listed = api.get("/v1/webhook/hook/delivery?limit=1").await.of(200);
    assert_eq!(
        (&listed["list"][0]["event_id"], &listed["next"]),
        (&json!("e"), &again["data"]["id"].to_string().into())
    );
    let many = vec![api.store.delivery(id).await.unwrap().unwrap(); 2 * MAX_PAGE - 1];
    let new = many.into_iter().map(|old| NewDelivery {
        webhook: old.webhook,
        event_id: old.event_id,
        kind: old.kind,
        body: old.body,
        at_unix_ms: old.at_unix_ms,
    });
    api.store.enqueue(new.collect()).await.unwrap();
    let largest = async |after: &str| {
        let page = api.get(&format!("/v1/webhook/hook/delivery?limit={MAX_PAGE}{after}")).await.of(200);
        (page["list"].as_array().unwrap().len(), page["next"].as_str().map(str::to_owned))
    };
    let (there, next) = largest("").await;
    assert_eq!(there, MAX_PAGE);
    assert_eq!(largest(&format!("&after={}", next.unwrap())).await, (MAX_PAGE, None));
    assert_eq!(
        api.call("POST", &format!("/v1/webhook/other/delivery/{id}/redeliver"), None).await.error(404),
        "not_found"
    );
    assert_eq!(api.get("/v1/webhook/other/delivery").await.error(404), "not_found");
    api.call("DELETE", "/v1/webhook/hook", None).await.of(200);
    assert!(api.store.deliveries(None, None, 10).await.unwrap().is_empty());
}
