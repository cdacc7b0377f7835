//! Failures of the API: a status, a code for programs and a sentence for people, in the one envelope.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, for programs: these words stay, the sentences beside them may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// A parameter is missing or has a value that is not taken; `parameter` names it.
    ParameterNeeded,
    /// A parameter that this call does not know; `parameter` names it.
    ParameterUnknown,
    /// The body is no JSON.
    BadJson,
    /// The query string cannot be read.
    BadQuery,
    /// The request cannot be read.
    BadRequest,
    /// Nothing proves who asks, or what does is not valid or has expired.
    AuthenticationNeeded,
    /// Name and password do not belong together.
    AuthenticationFailed,
    /// Who asks may not do this.
    Forbidden,
    /// A change in a session needs the header field `X-CSRF-Token`.
    CsrfNeeded,
    /// There is no such thing.
    NotFound,
    /// There is no such path.
    PathUnknown,
    /// The path does not take this method.
    MethodNotAllowed,
    /// An application of this name is there already.
    DuplicatedApplication,
    /// Something of this name is there already.
    Duplicated,
    /// What is there does not allow it.
    Conflict,
    /// The idempotency key was used for another request, or that request is under way.
    IdempotencyConflict,
    /// The configuration is not of the version named by `If-Match` any more.
    VersionConflict,
    /// The body is longer than this call takes.
    BodyTooLarge,
    /// The body is not of the type that this call takes.
    ContentTypeUnsupported,
    /// Too many tries or too many readers; `Retry-After` says when to come again.
    TooManyRequests,
    /// The server failed; its log says why.
    InternalError,
    /// The engine or another part cannot be reached.
    NetworkException,
    /// The server is stopping, or this part of it is not there.
    Unavailable,
    /// The disk is full.
    DiskFull,
}

/// The body of a failure.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub code: u16,
    /// What went wrong, for programs.
    pub error: ErrorCode,
    /// What went wrong, in a short sentence.
    pub message: Cow<'static, str>,
    /// The parameter at fault, as a path into the body or the name in the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A failure.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    body: Box<ErrorBody>,
    field: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let body = ErrorBody { code: status.as_u16(), error, message, parameter: None, detail: None };
        Self { status, body: Box::new(body), field: None }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.body.detail = Some(detail.into());
        self
    }

    pub(super) fn with_field(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { field: Some((name, value)), ..self }
    }

    #[cfg(test)]
    pub(super) const fn body(&self) -> &ErrorBody {
        &self.body
    }

    /// A parameter is missing, or its value is not taken.
    pub(super) fn parameter(name: impl Into<String>) -> Self {
        let name = name.into();
        let message = format!("the parameter {name} is needed");
        let mut error = Self::new(StatusCode::BAD_REQUEST, ErrorCode::ParameterNeeded, message);
        error.body.parameter = Some(name);
        error
    }

    /// A parameter that this call does not know.
    pub(super) fn unknown_parameter(name: impl Into<String>) -> Self {
        let name = name.into();
        let message = format!("the parameter {name} is not known");
        let mut error = Self::new(StatusCode::BAD_REQUEST, ErrorCode::ParameterUnknown, message);
        error.body.parameter = Some(name);
        error
    }

    pub(super) fn bad_request(error: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, format!("there is no such {what}"))
    }

    pub(super) fn path_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::PathUnknown, "there is no such path")
    }

    pub(super) fn duplicated(what: &str) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Duplicated, format!("duplicated {what} name"))
    }

    pub(super) fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
    }

    pub(super) fn unauthenticated(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationNeeded, message)
            .with_field(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(super) fn forbidden(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
    }

    pub(super) fn too_many(message: &'static str, retry_after_s: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
            .with_field(header::RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// The engine or another part cannot be reached.
    pub(super) fn network() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::NetworkException, "network exception")
    }

    /// The server failed at `doing` something. Why goes to the log, not to whoever asked.
    pub(super) fn internal(doing: &str, why: &dyn std::fmt::Display) -> Self {
        tracing::error!(%why, "{doing} failed");
        let message = format!("{doing} failed,internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::InternalError, message)
    }

    pub(super) fn unavailable(message: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some((name, value)) = self.field {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
