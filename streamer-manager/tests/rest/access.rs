//! The table of access, held against every route and against real answers.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;
use streamer_manager::accounts::{Area, Role, Scope};
use streamer_manager::rest::access::{Need, TABLE};

use crate::support::Api;

/// The path of a route with names that are of nothing.
fn of_nothing(path: &str) -> String {
    path.replace("{app}", "nothing")
        .replace("{stream}", "nothing")
        .replace("{name}", "nothing")
        .replace("{id}", "0")
        .replace("{version}", "0")
}

#[tokio::test]
async fn every_route_is_in_the_table_and_in_the_document() {
    let api = Api::new().await;
    let document = api.get("/v1/openapi.json").await.body;
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.insert((method.to_uppercase(), path.clone()));
        }
    }
    // The document does not describe itself.
    documented.insert(("GET".into(), "/v1/openapi.json".into()));
    let table: BTreeSet<_> = TABLE.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(table, documented);
}

#[tokio::test]
async fn every_role_is_answered_as_the_table_says() {
    let api = Api::new().await;
    for role in Role::ALL {
        let token = api.token(role, &[]).await;
        for row in TABLE {
            let body = (row.method != "GET").then(|| json!({}));
            let answer = api.call_as(&token, row.method, &of_nothing(row.path), body).await;
            let status = answer.status.as_u16();
            // No engine is there to be asked.
            let fits = status < 500 || answer.body["error"] == "network_exception";
            match row.need {
                Need::Role(least, _) if role < least => assert_eq!(status, 403, "{role}: {row:?}"),
                _ => assert!(status != 403 && fits, "{role}: {row:?}: {status}"),
            }
        }
    }
}

#[tokio::test]
async fn nobody_gets_nothing() {
    let api = Api::new().await;
    for row in TABLE {
        let request = |authorization: Option<&str>| {
            let mut request = Request::builder().method(row.method).uri(of_nothing(row.path));
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            request.body(Body::empty()).unwrap()
        };
        for authorization in [None, Some("Bearer wrong"), Some("Basic YTpi"), Some("Bearer ")] {
            let answer = api.send(request(authorization)).await;
            if row.need == Need::Open {
                assert_ne!(answer.status, 401, "{row:?}");
            } else {
                assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
                assert_eq!(answer.error(401), "authentication_needed", "{row:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_limited_to_its_scopes() {
    let api = Api::new().await;
    for scope in [Scope::read(Area::Apps), Scope::write(Area::Streams)] {
        let token = api.token(Role::Administrator, &[scope]).await;
        for row in TABLE {
            let Need::Role(_, needed) = row.need else { continue };
            let body = (row.method != "GET").then(|| json!({}));
            let status = api.call_as(&token, row.method, &of_nothing(row.path), body).await.status;
            assert_eq!(status != 403, scope.includes(needed), "{scope}: {row:?}: {status}");
        }
    }
    let limited = api.token(Role::Administrator, &[Scope::write(Area::Accounts)]).await;
    let more = json!({"name": "more", "role": "administrator"});
    assert_eq!(api.call_as(&limited, "POST", "/v1/token", Some(more)).await.error(403), "forbidden");
    let same = json!({"name": "same", "role": "administrator", "scopes": ["accounts:read"]});
    api.call_as(&limited, "POST", "/v1/token", Some(same)).await.of(200);
}

#[tokio::test]
async fn changes_and_refusals_are_in_the_audit_log() {
    let api = Api::new().await;
    let viewer = api.token(Role::Viewer, &[]).await;
    api.post("/v1/app", json!({"app_name": "noted", "source_type": "rtmp_push"})).await.of(200);
    api.call_as(&viewer, "DELETE", "/v1/app/noted", None).await.of(403);
    api.post("/v1/session", json!({"name": "nobody", "password": "nothing"})).await.of(401);
    let log = api.get("/v1/audit").await.of(200);
    let entries: Vec<_> = log["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            assert!(entry["actor"] == "system" || entry["address"] == "127.0.0.1", "{entry}");
            (text("actor"), text("action"), text("target"), text("outcome"))
        })
        .collect();
    let entry = |actor: &str, action: &str, target: &str, outcome: &str| {
        (actor.to_owned(), action.to_owned(), target.to_owned(), outcome.to_owned())
    };
    assert_eq!(entries[0], entry("nobody", "login", "", "refused"));
    assert_eq!(entries[1], entry("token:viewer-", "DELETE /v1/app/{app}", "/v1/app/noted", "refused"));
    assert_eq!(
        (entries[2].1.as_str(), entries[2].2.as_str(), entries[2].3.as_str()),
        ("POST /v1/app", "/v1/app/noted", "done")
    );
    let only = api.get("/v1/audit?outcome=refused&limit=1").await.of(200);
    assert_eq!((only["list"].as_array().unwrap().len(), only["next"].is_string()), (1, true));
}
