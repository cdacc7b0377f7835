//! The OpenAPI document: made from the types and the table of access, kept as bytes.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::access::{self, Need};
use super::idempotency::IDEMPOTENT_PATHS;
use crate::accounts::Area;

/// The document before the routes are in it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "TiTopStreamer REST API",
        description = "Requests and answers are JSON. Status 200 is success, everything else is a failure; every body has `code` \
            equal to the status. Objects are in `data`, arrays in `list`, errors have a code for programs in `error` \
            and a short sentence in `message`. Names are case-sensitive.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(super::error::ErrorBody))
)]
pub(super) struct Document;

/// Failures that any call may answer.
const ALWAYS: &[StatusCode] = &[
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];
/// Failures of calls that ask who calls.
const AUTHENTICATED: &[StatusCode] =
    &[StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
/// Failures of calls that change something.
const CHANGING: &[StatusCode] = &[
    StatusCode::CONFLICT,
    StatusCode::PRECONDITION_FAILED,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::INSUFFICIENT_STORAGE,
];

fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "A parameter is missing, unknown or has a value that is not taken.",
        StatusCode::UNAUTHORIZED => "Nothing valid shows who calls.",
        StatusCode::FORBIDDEN => "Who calls may not do this.",
        StatusCode::NOT_FOUND => "There is no such thing.",
        StatusCode::CONFLICT => "It does not go with what is there, as a name that is taken.",
        StatusCode::PRECONDITION_FAILED => "The configuration is of another version than `If-Match` says.",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too long.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body is of another type.",
        StatusCode::TOO_MANY_REQUESTS => "Too many tries or readers; `Retry-After` says when to come again.",
        StatusCode::SERVICE_UNAVAILABLE => "This part of the server is not there now.",
        StatusCode::INSUFFICIENT_STORAGE => "The disk is full.",
        _ => "The server failed, or cannot reach the engine.",
    }
}

/// The document as it is served: with the failures of each call, whom it is for, and names for generated clients.
pub(super) fn finished(document: &utoipa::openapi::OpenApi) -> Result<Value, serde_json::Error> {
    let mut root = serde_json::to_value(document)?;
    root["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    root["components"]["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
        "session": {
            "type": "apiKey", "in": "cookie", "name": super::session::SESSION_COOKIE,
            "description": "The cookie of a session; changes need its `csrf_token` in the header field X-CSRF-Token too."
        },
    });
    without_bounds_of_types(&mut root);
    let Some(paths) = root.get_mut("paths").and_then(Value::as_object_mut) else { return Ok(root) };
    for (path, item) in paths {
        for (method, call) in item.as_object_mut().into_iter().flatten() {
            if let (Ok(method), Some(call)) =
                (Method::from_bytes(method.to_ascii_uppercase().as_bytes()), call.as_object_mut())
            {
                complete(&method, path, call);
            }
        }
    }
    Ok(root)
}

/// Takes away the formats of numbers that are never negative: they speak of types with a sign, which end halfway.
fn without_bounds_of_types(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let formats = ["int32", "int64"];
            let bounded =
                fields.get("format").and_then(Value::as_str).is_some_and(|name| formats.contains(&name));
            if bounded && fields.contains_key("minimum") {
                fields.remove("format");
            }
            fields.values_mut().for_each(without_bounds_of_types);
        }
        Value::Array(values) => values.iter_mut().for_each(without_bounds_of_types),
        _ => {}
    }
}

fn complete(method: &Method, path: &str, call: &mut Map<String, Value>) {
    let name: Vec<&str> = path.split(['/', '.', '{', '}']).filter(|part| !part.is_empty()).collect();
    let name = format!("{}_{}", method.as_str().to_ascii_lowercase(), name.join("_"));
    call.insert("operationId".into(), name.into());
    let need = access::need(method, path);
    let open = need == Some(Need::Open);
    let changing = *method != Method::GET;
    let mut failures = ALWAYS.to_vec();
    if !open || changing {
        failures.extend(AUTHENTICATED);
    }
    if changing {
        failures.extend(CHANGING);
    }
    let who = match need {
        None => return,
        Some(Need::Open) => "open to everybody".to_owned(),
        Some(Need::Known) => "for whoever is logged in".to_owned(),
        Some(Need::Role(role, scope)) => format!("for the role {role} and above; scope `{scope}`"),
    };
    let text = call.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{text}\n\nAccess: {who}.").trim_start().to_owned();
    call.insert("description".into(), text.into());
    call.insert("security".into(), if open { json!([]) } else { json!([{"token": []}, {"session": []}]) });
    if let Some(answers) = call.get_mut("responses").and_then(Value::as_object_mut) {
        for status in failures {
            let schema = json!({"$ref": "#/components/schemas/ErrorBody"});
            let answer = json!({
                "description": meaning(status),
                "content": {"application/json": {"schema": schema}}
            });
            answers.entry(status.as_str()).or_insert(answer);
        }
    }
    let mut fields = Vec::new();
    if changing && changes_configuration(need) {
        fields.push(("If-Match", "Only if the configuration is of this version: the `ETag` of an answer."));
    }
    if *method == Method::POST && IDEMPOTENT_PATHS.contains(&path) {
        fields.push(("Idempotency-Key", "The same key with the same request gets the same answer again."));
    }
    if fields.is_empty() {
        return;
    }
    let parameters = call.entry("parameters").or_insert_with(|| json!([]));
    for (name, description) in fields {
        let parameter = json!({
            "name": name, "in": "header", "required": false, "description": description, "schema": {"type": "string"}
        });
        parameters.as_array_mut().into_iter().for_each(|list| list.push(parameter.clone()));
    }
}

/// Whether a call with this need makes a new version of the configuration.
fn changes_configuration(need: Option<Need>) -> bool {
    let Some(Need::Role(_, scope)) = need else { return false };
    matches!(scope.area, Area::Apps | Area::Streams | Area::Forwards | Area::Settings | Area::Webhooks)
}
