//! The documented call, to the letter, and the envelope of every failure.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use streamer_control::config::RESERVED_APP_NAMES;
use streamer_manager::rest::request::{MAX_BODY_BYTES, MAX_IMPORT_BYTES};

use crate::support::{Answer, Api};

#[tokio::test]
async fn adding_an_application_answers_as_documented() {
    let api = Api::new().await;
    let add = async |body: Value| api.post("/v1/app", body).await;
    let right = json!({"app_name": "cinema", "source_type": "rtmp_push"});
    assert_eq!(add(right.clone()).await.of(200), json!({"code": 200, "message": "add application success"}));
    let twice = add(right).await.of(409);
    assert_eq!(twice["message"], "duplicated application name");
    assert_eq!(twice["error"], "duplicated_application");
    for (body, name) in [
        (json!({}), "app_name"),
        (json!({"source_type": "rtmp_push"}), "app_name"),
        (json!({"app_name": "", "source_type": "rtmp_push"}), "app_name"),
        (json!({"app_name": null, "source_type": "rtmp_push"}), "app_name"),
        (json!({"app_name": "two words", "source_type": "rtmp_push"}), "app_name"),
        (json!({"app_name": "vod", "source_type": "rtmp_push"}), "app_name"),
        (json!({"app_name": "other"}), "source_type"),
        (json!({"app_name": "other", "source_type": "carrier_pigeon"}), "source_type"),
        (json!({"app_name": "other", "source_type": "gb28181"}), "source_type"),
        (json!({"app_name": "other", "source_type": "rtmp_push", "max_viewers": 0}), "max_viewers"),
    ] {
        let answer = add(body.clone()).await.of(400);
        assert_eq!(answer["message"], format!("the parameter {name} is needed"), "{body}");
    }
    // The beginning of the paths of video on demand is nobody's name; others that only look like it are.
    let reserved = streamer_vod::proto::route::PREFIX.trim_matches('/');
    assert_eq!(RESERVED_APP_NAMES, [reserved]);
    for name in ["VOD", "vods"] {
        add(json!({"app_name": name, "source_type": "rtmp_push"})).await.of(200);
    }
    // Values of source_type are compared without regard to case, everything else with.
    add(json!({"app_name": "Cinema", "source_type": "RTMP_Push"})).await.of(200);
    assert_eq!(
        add(json!({"App_Name": "x1", "source_type": "rtmp_push"})).await.error(400),
        "parameter_unknown"
    );
    assert_eq!(api.get("/v1/App").await.error(404), "path_unknown");
    assert_eq!(api.get("/v1/app/CINEMA").await.error(404), "not_found");
}

async fn raw(api: &Api, method: &str, path: &str, content_type: Option<&str>, body: Vec<u8>) -> Answer {
    let token = format!("Bearer {}", api.first.token.expose());
    let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, token);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    api.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn every_mistake_of_a_request_is_in_the_envelope() {
    let api = Api::new().await;
    let json = Some("application/json");
    for (method, path, kind, body, status, error) in [
        ("POST", "/v1/app", json, &b"{"[..], 400, "bad_json"),
        ("POST", "/v1/app", json, b"", 400, "bad_json"),
        ("POST", "/v1/app", json, b"\xff\xfe", 400, "bad_json"),
        ("POST", "/v1/app", json, b"[]", 400, "bad_request"),
        ("POST", "/v1/app", Some("text/plain"), b"{}", 415, "content_type_unsupported"),
        ("POST", "/v1/app", None, b"{}", 415, "content_type_unsupported"),
        ("GET", "/v1/app?limit=0", None, b"", 400, "bad_query"),
        ("GET", "/v1/app?limit=1001", None, b"", 400, "bad_query"),
        ("GET", "/v1/app?colour=red", None, b"", 400, "bad_query"),
        ("GET", "/v1/nothing", None, b"", 404, "path_unknown"),
        ("GET", "/", None, b"", 404, "path_unknown"),
        ("GET", "/v1/app/%ff", None, b"", 404, "not_found"),
        ("GET", "/v1/config/history/seven", None, b"", 404, "not_found"),
        ("TRACE", "/v1/app", None, b"", 405, "method_not_allowed"),
        ("PUT", "/v1/app", json, b"{}", 405, "method_not_allowed"),
        ("POST", "/healthz", None, b"", 405, "method_not_allowed"),
    ] {
        let answer = raw(&api, method, path, kind, body.to_vec()).await;
        assert_eq!(answer.error(status), error, "{method} {path}");
    }
    let refused = raw(&api, "PUT", "/v1/app", json, b"{}".to_vec()).await;
    assert_eq!(refused.headers[header::ALLOW], "GET, POST, HEAD");
}

#[tokio::test]
async fn bodies_at_their_limit() {
    let api = Api::new().await;
    let padded = |len: usize| {
        let mut body = br#"{"app_name": "padded", "source_type": "rtmp_push"}"#.to_vec();
        body.resize(len, b' ');
        body
    };
    let json = Some("application/json");
    raw(&api, "POST", "/v1/app", json, padded(MAX_BODY_BYTES)).await.of(200);
    let refused = raw(&api, "POST", "/v1/app", json, padded(MAX_BODY_BYTES + 1)).await;
    assert_eq!(refused.error(413), "body_too_large");
    let import = async |len: usize| raw(&api, "POST", "/v1/config/import", json, padded(len)).await;
    assert_eq!(import(MAX_IMPORT_BYTES).await.error(400), "parameter_unknown");
    assert_eq!(import(MAX_IMPORT_BYTES + 1).await.error(413), "body_too_large");
}

#[tokio::test]
async fn what_strangers_write_comes_back_as_data() {
    let api = Api::new().await;
    for text in [
        "'; DROP TABLE users; --",
        "<script>alert(1)</script>",
        "$(reboot)",
        "a\u{0}b",
        "../../etc/passwd",
        "\u{202e}x",
    ] {
        let webhook = json!({"name": "hook", "url": "https://a.example/", "secret": "s", "events": [text]});
        api.post("/v1/webhook", webhook).await.of(200);
        assert_eq!(api.get("/v1/webhook/hook").await.of(200)["data"]["events"][0], text);
        api.call("DELETE", "/v1/webhook/hook", None).await.of(200);
        let refused =
            api.post("/v1/user", json!({"name": text, "password": "long enough", "role": "viewer"})).await;
        assert_eq!(refused.of(400)["parameter"], "name");
    }
    assert_eq!(api.get("/v1/user").await.of(200)["total"], 1);
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_own_request_alone() {
    // Which listeners there are is told by whoever embeds the API; here that breaks.
    let api = Api::with_listeners(Arc::new(|| panic!("a secret of the inside"))).await;
    for _ in 0..2 {
        let failed = api.get("/v1/system").await.of(500);
        let expected = json!({
            "code": 500, "error": "internal_error", "message": "the request failed,internal error"
        });
        assert_eq!(failed, expected);
        api.get("/v1/app").await.of(200);
    }
}
