//! Answers the other daemon: a request must prove itself before anything of it is read, and the answer proves us.

use std::borrow::Cow;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::client::{MAX_ANSWER_BYTES, unix_now_ms};
use super::endpoint::Endpoint;
use super::seal::{LinkKey, REQUEST_SEAL_HEADER, RESPONSE_SEAL_HEADER, SealError};
use super::tolerant;

/// Most bytes of a sealed request: a report that refuses thousands of things, each with its reason.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;

/// Whether `request` says that it is sealed; whether it truly is, [`guard`] finds out.
#[must_use]
pub fn is_sealed(request: &Request) -> bool {
    request.headers().contains_key(REQUEST_SEAL_HEADER)
}

/// Lets sealed requests pass, and seals their answers. As a middleware:
/// `axum::middleware::from_fn_with_state(key, serve::guard)`.
pub async fn guard(State(key): State<LinkKey>, request: Request, next: Next) -> Response {
    if !is_sealed(&request) {
        return refuse(StatusCode::UNAUTHORIZED, &SealError::Missing.to_string());
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the request is cut, or larger than any that is expected",
        );
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let header = parts.headers.get(REQUEST_SEAL_HEADER).and_then(|value| value.to_str().ok());
    let proved = key.prove_request(unix_now_ms(), header, parts.method.as_str(), path, &body);
    let seal = match proved {
        Ok(seal) => seal,
        Err(error) => {
            warn!(%error, path = %path.escape_debug(), "a call over the link is refused");
            return refuse(StatusCode::UNAUTHORIZED, &error.to_string());
        }
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MAX_ANSWER_BYTES).await else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the answer is larger than any that is expected");
    };
    let proof = key.seal_response(&seal, parts.status.as_u16(), &body);
    if let Ok(proof) = HeaderValue::from_str(&proof) {
        parts.headers.insert(RESPONSE_SEAL_HEADER, proof);
    }
    // Set anew by whoever writes the answer, for what is now one piece.
    parts.headers.remove(header::TRANSFER_ENCODING);
    Response::from_parts(parts, Body::from(body))
}

/// The filter for a route of `E`: `Router::new().route(E::PATH, on(filter::<E>(), handler))`. `None` for a method that
/// routes do not know.
#[must_use]
pub fn filter<E: Endpoint>() -> Option<MethodFilter> {
    MethodFilter::try_from(axum::http::Method::from_bytes(E::METHOD.as_bytes()).ok()?).ok()
}

/// The request of a call, as a handler takes it. Fields that we do not know are left out.
#[derive(Clone, Copy, Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let refused = |error: String| Refused { status: StatusCode::BAD_REQUEST, message: error.into() };
        let body = Bytes::from_request(request, state).await.map_err(|error| refused(error.body_text()))?;
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        tolerant::from_slice(body).map(|(asked, _)| Self(asked)).map_err(|error| refused(error.to_string()))
    }
}

/// The answer of a call, in the envelope of the API.
#[derive(Clone, Copy, Debug)]
pub struct Answer<T>(pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<T> {
            code: u16,
            data: T,
        }
        axum::Json(Envelope { code: 200, data: self.0 }).into_response()
    }
}

/// A call that is refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Status of the answer.
    pub status: StatusCode,
    /// Why, in one sentence.
    pub message: Cow<'static, str>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(self.status, &self.message)
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "code": status.as_u16(), "message": message });
    (status, axum::Json(body)).into_response()
}
