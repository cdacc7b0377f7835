//! The one place that makes the envelope of every answer: `code` with `data`, `list` or `message`.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The body of every answer. `code` is the HTTP status.
#[derive(Serialize)]
struct Envelope<T> {
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<Vec<T>>,
}

fn answer<T: Serialize>(
    status: StatusCode,
    message: Option<Cow<'static, str>>,
    data: Option<T>,
    list: Option<Vec<T>>,
) -> Response {
    (status, Json(Envelope { code: status.as_u16(), message, data, list })).into_response()
}

/// An object.
pub(super) struct Data<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        answer(StatusCode::OK, None, Some(self.0), None)
    }
}

/// An array.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        answer(StatusCode::OK, None, None, Some(self.0))
    }
}

/// Success with a short sentence.
pub(super) struct Done(pub(super) &'static str);

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        answer::<()>(StatusCode::OK, Some(self.0.into()), None, None)
    }
}

/// Failure: a status and a short sentence.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) message: Cow<'static, str>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn not_found(message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        answer::<()>(self.status, Some(self.message), None, None)
    }
}
