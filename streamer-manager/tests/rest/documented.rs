//! The document of the API and the page that shows it.

use axum::http::header;
use serde_json::Value;
use streamer_manager::rest::access::{Need, TABLE};
use streamer_manager::rest::docs::CONTENT_SECURITY_POLICY;

use crate::support::Api;

#[tokio::test]
async fn the_document_is_whole() {
    let api = Api::new().await;
    let document = api.get("/v1/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut names = std::collections::BTreeSet::new();
    for row in TABLE.iter().filter(|row| row.path != "/v1/openapi.json") {
        let call = &document["paths"][row.path][row.method.to_lowercase()];
        assert!(names.insert(call["operationId"].as_str().unwrap().to_owned()), "{row:?}");
        assert!(!call["summary"].as_str().unwrap().is_empty(), "{row:?}");
        assert_eq!(call["security"].as_array().unwrap().is_empty(), row.need == Need::Open, "{row:?}");
        assert!(call["responses"]["200"].is_object() && call["responses"]["400"].is_object(), "{row:?}");
    }
    references(&document, &document);
}

/// Every reference leads somewhere.
fn references(root: &Value, at: &Value) {
    match at {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(root.pointer(pointer).is_some(), "{target}");
            }
            fields.values().for_each(|value| references(root, value));
        }
        Value::Array(values) => values.iter().for_each(|value| references(root, value)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_is_served_with_its_policy() {
    let api = Api::new().await;
    for (path, kind) in [
        ("/v1/docs", "text/html"),
        ("/v1/docs/reader.js", "text/javascript"),
        ("/v1/docs/reader.css", "text/css"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.headers[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
        assert!(answer.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind));
    }
}
