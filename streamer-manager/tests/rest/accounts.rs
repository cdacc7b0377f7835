//! Sessions, users and tokens.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, Api};

async fn in_session(
    api: &Api,
    cookie: &str,
    csrf: Option<&str>,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let mut request =
        Request::builder().method(method).uri(path).header(header::COOKIE, format!("x=y; {cookie}"));
    if let Some(csrf) = csrf {
        request = request.header("X-CSRF-Token", csrf);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    api.send(request.body(body).unwrap()).await
}

async fn log_in(api: &Api, name: &str, password: &str) -> (String, String) {
    let answer = api.post("/v1/session", json!({"name": name, "password": password})).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let csrf = answer.of(200)["data"]["csrf_token"].as_str().unwrap().to_owned();
    (cookie.split(';').next().unwrap().to_owned(), csrf)
}

#[tokio::test]
async fn a_session_begins_changes_and_ends() {
    let api = Api::new().await;
    let (cookie, csrf) = log_in(&api, &api.first.user, api.first.password.expose()).await;
    let who = in_session(&api, &cookie, None, "GET", "/v1/session", None).await.of(200);
    assert_eq!((&who["data"]["kind"], &who["data"]["role"]), (&json!("session"), &json!("administrator")));
    let app = json!({"app_name": "by-session", "source_type": "rtmp_push"});
    for wrong in [None, Some("wrong"), Some("")] {
        let refused = in_session(&api, &cookie, wrong, "POST", "/v1/app", Some(app.clone())).await;
        assert_eq!(refused.error(403), "csrf_needed");
    }
    in_session(&api, &cookie, Some(&csrf), "POST", "/v1/app", Some(app)).await.of(200);
    let out = in_session(&api, &cookie, Some(&csrf), "DELETE", "/v1/session", None).await;
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    out.of(200);
    assert_eq!(
        in_session(&api, &cookie, None, "GET", "/v1/app", None).await.error(401),
        "authentication_needed"
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_tries_are_limited() {
    let api = Api::new().await;
    let log_in = async |password: &str| {
        api.post("/v1/session", json!({"name": &api.first.user, "password": password})).await
    };
    assert_eq!(log_in("wrong password").await.error(401), "authentication_failed");
    let mut refused = None;
    for _ in 0..streamer_manager::accounts::throttle::ADDRESS_BURST {
        let answer = log_in("wrong password").await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("tries are limited");
    assert!(refused.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.error(429), "too_many_requests");
}

#[tokio::test]
async fn ones_own_password_is_changed_with_the_old_one() {
    let api = Api::new().await;
    let (cookie, csrf) = log_in(&api, &api.first.user, api.first.password.expose()).await;
    let change = async |old: &str, new: &str| {
        let body = json!({"old_password": old, "new_password": new});
        in_session(&api, &cookie, Some(&csrf), "PUT", "/v1/session/password", Some(body)).await
    };
    assert_eq!(change("wrong password", "another password").await.of(400)["parameter"], "old_password");
    assert_eq!(change(api.first.password.expose(), "short").await.of(400)["parameter"], "new_password");
    change(api.first.password.expose(), "another password").await.of(200);
    in_session(&api, &cookie, None, "GET", "/v1/session", None).await.of(401);
    log_in(&api, &api.first.user, "another password").await;
    let by_token = json!({"old_password": "a", "new_password": "b"});
    assert_eq!(api.call("PUT", "/v1/session/password", Some(by_token)).await.error(409), "conflict");
}

#[tokio::test]
async fn users_come_change_and_go() {
    let api = Api::new().await;
    let ann = json!({"name": "ann", "password": "long enough", "role": "operator"});
    let made = api.post("/v1/user", ann.clone()).await.of(200);
    assert!(made["data"].get("password").is_none() && made["data"].get("password_hash").is_none());
    assert_eq!(api.post("/v1/user", ann).await.error(409), "duplicated");
    let changed = api.call("PATCH", "/v1/user/ann", Some(json!({"role": "viewer"}))).await.of(200);
    assert_eq!(changed["data"]["role"], "viewer");
    let (cookie, _) = log_in(&api, "ann", "long enough").await;
    api.call("PATCH", "/v1/user/ann", Some(json!({"disabled": true}))).await.of(200);
    in_session(&api, &cookie, None, "GET", "/v1/session", None).await.of(401);
    api.call("DELETE", "/v1/user/ann", None).await.of(200);
    assert_eq!(api.get("/v1/user/ann").await.error(404), "not_found");
    let last = format!("/v1/user/{}", api.first.user);
    assert_eq!(api.call("DELETE", &last, None).await.error(409), "conflict");
}

#[tokio::test]
async fn a_token_is_shown_once_and_removed_at_once() {
    let api = Api::new().await;
    let body = json!({"name": "robot", "role": "viewer", "scopes": ["apps:read"]});
    let made = api.post("/v1/token", body.clone()).await;
    assert_eq!(made.headers[header::CACHE_CONTROL], "no-store");
    let token = made.of(200)["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(api.post("/v1/token", body).await.error(409), "duplicated");
    api.call_as(&token, "GET", "/v1/app", None).await.of(200);
    let listed = api.get("/v1/token?text=ROB").await.of(200);
    assert_eq!((&listed["total"], &listed["list"][0]["scopes"]), (&json!(1), &json!(["apps:read"])));
    assert!(!listed.to_string().contains(&token));
    api.call("DELETE", "/v1/token/robot", None).await.of(200);
    api.call_as(&token, "GET", "/v1/app", None).await.of(401);
}
