//! Reading requests: bodies, query strings and paths, each mistake as a failure of the API.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ApiError, ErrorCode};

/// Longest body of a request: an application with full address lists and a key, twice.
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// Longest body of an import: as long as the longest configuration file that is read.
pub const MAX_IMPORT_BYTES: usize = 8 << 20;
/// Longest text of a mistake in a body that is sent back, in bytes: the value at fault may be as long as the body.
pub const MAX_DETAIL_BYTES: usize = 512;

/// A body in JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_of_type(request.headers(), "application", &["json", "merge-patch+json"]) {
            return Err(wrong_type("application/json is expected"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        read(&bytes).map(Self)
    }
}

/// A body of bytes.
pub(super) struct Binary(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Binary {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_of_type(request.headers(), "application", &["octet-stream"]) {
            return Err(wrong_type("application/octet-stream is expected"));
        }
        Bytes::from_request(request, state).await.map(Self).map_err(|error| unread(&error))
    }
}

/// Parameters of the query string.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|error| {
            ApiError::bad_request(ErrorCode::BadQuery, "the query string cannot be read")
                .detail(cut(error.body_text()))
        })
    }
}

/// Parts of the path.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // A part of another form, as letters for a number, names nothing that is there.
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(names)| Self(names))
            .map_err(|_| ApiError::not_found("name"))
    }
}

fn is_of_type(headers: &HeaderMap, kind: &str, subtypes: &[&str]) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.split_once('/').is_some_and(|(given, subtype)| {
        given.eq_ignore_ascii_case(kind) && subtypes.iter().any(|known| subtype.eq_ignore_ascii_case(known))
    })
}

fn wrong_type(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::ContentTypeUnsupported, message)
}

fn unread(error: &BytesRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = "the body is longer than this call takes";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, message)
    } else {
        ApiError::bad_request(ErrorCode::BadRequest, "the body cannot be read")
    }
}

/// Reads a body.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // First whether it is JSON, then whether it is what is expected: so each mistake is called by its name.
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        ApiError::bad_request(ErrorCode::BadJson, "the body is no JSON").detail(cut(error.to_string()))
    })?;
    // Lists are read as the fields of a structure in their order, which nobody means.
    if !value.is_object() {
        return Err(ApiError::bad_request(ErrorCode::BadRequest, "the body is no object"));
    }
    from_value(value)
}

/// Reads what a change made of a stored value.
pub(super) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        of_json(&path, error.inner())
    })
}

fn of_json(path: &str, error: &serde_json::Error) -> ApiError {
    let path = if path == "." { "" } else { path };
    let text = error.to_string();
    let named =
        |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.split('`').next()).map(str::to_owned);
    if let Some(field) = named("missing field `") {
        let at = if path.is_empty() { field } else { format!("{path}.{field}") };
        return ApiError::parameter(at);
    }
    if text.starts_with("unknown field `") {
        // The path ends with the field itself.
        let field = named("unknown field `").unwrap_or_default();
        return ApiError::unknown_parameter(cut(if path.is_empty() { field } else { path.to_owned() }))
            .detail(cut(text));
    }
    if path.is_empty() {
        return ApiError::bad_request(ErrorCode::BadRequest, "the body is not of the form that is expected")
            .detail(cut(text));
    }
    ApiError::parameter(cut(path.to_owned())).detail(cut(text))
}

/// `text`, cut to [`MAX_DETAIL_BYTES`] at the end of a character.
fn cut(mut text: String) -> String {
    let end = (0..=text.len().min(MAX_DETAIL_BYTES)).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use streamer_control::config::{AppConfig, ForwardConfig};

    fn refused<T: DeserializeOwned>(text: &str) -> Value {
        let Err(error) = read::<T>(text.as_bytes()) else { panic!("{text} was read") };
        serde_json::to_value(error.body()).unwrap()
    }

    #[test]
    fn a_parameter_that_is_missing_or_not_taken_is_named_in_the_documented_words() {
        for (text, name) in [
            (r#"{"source_type": "rtmp_push"}"#, "app_name"),
            (r#"{"app_name": "live"}"#, "source_type"),
            (r#"{"app_name": "a/b", "source_type": "rtmp_push"}"#, "app_name"),
            (r#"{"app_name": 7, "source_type": "rtmp_push"}"#, "app_name"),
            (r#"{"app_name": "live", "source_type": "pigeon"}"#, "source_type"),
            (r#"{"app_name": "live", "source_type": "rtmp_push", "hls": {"mode": 1}}"#, "hls.mode"),
            (r#"{"app_name": "live", "source_type": "rtmp_push", "hls": {"disk": {}}}"#, "hls.disk.folder"),
        ] {
            let body = refused::<AppConfig>(text);
            assert_eq!(body["message"], format!("the parameter {name} is needed"), "{text}");
            assert_eq!((&body["error"], &body["parameter"]), (&"parameter_needed".into(), &name.into()));
        }
    }

    #[test]
    fn other_mistakes_have_codes_of_their_own() {
        for (text, code) in [
            ("", "bad_json"),
            ("{", "bad_json"),
            ("{}x", "bad_json"),
            ("[]", "bad_request"),
            ("7", "bad_request"),
            (r#"["live", "rtmp_push"]"#, "bad_request"),
            (r#"{"app_name": "live", "colour": 1}"#, "parameter_unknown"),
        ] {
            assert_eq!(refused::<AppConfig>(text)["error"], code, "{text}");
        }
        assert_eq!(refused::<AppConfig>(r#"{"colour": 1}"#)["parameter"], "colour");
    }

    #[test]
    fn details_at_their_limit() {
        let refused = |len: usize| {
            let body = refused::<ForwardConfig>(&format!("{{\"{}\": 1}}", "x".repeat(len)));
            body["parameter"].as_str().unwrap().len()
        };
        assert_eq!(refused(MAX_DETAIL_BYTES), MAX_DETAIL_BYTES);
        assert_eq!(refused(MAX_DETAIL_BYTES + 1), MAX_DETAIL_BYTES);
        assert_eq!(cut("ü".repeat(MAX_DETAIL_BYTES)).len(), MAX_DETAIL_BYTES);
        assert_eq!(cut(format!("a{}", "ü".repeat(MAX_DETAIL_BYTES))).len(), MAX_DETAIL_BYTES - 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = read::<AppConfig>(&bytes) {
                prop_assert_eq!(error.status, StatusCode::BAD_REQUEST);
            }
        }
    }
}
