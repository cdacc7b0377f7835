//! The one place that makes the envelope of every answer of success: `code` with `data`, `list` or `message`.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Target;

/// An answer that is one object.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataBody<T> {
    /// The HTTP status.
    #[schema(minimum = 200, maximum = 200)]
    pub code: u16,
    /// The object.
    pub data: T,
}

/// An answer that is a page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListBody<T> {
    /// The HTTP status.
    #[schema(minimum = 200, maximum = 200)]
    pub code: u16,
    /// The entries of this page.
    pub list: Vec<T>,
    /// Entries of all pages; `null` where counting would cost more than the answer.
    pub total: Option<usize>,
    /// What to ask for as `after` to get the next page; `null` on the last one.
    pub next: Option<String>,
}

/// An answer that only says what was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoneBody {
    /// The HTTP status.
    #[schema(minimum = 200, maximum = 200)]
    pub code: u16,
    /// What was done.
    pub message: Cow<'static, str>,
}

/// Header fields that state of which version of the configuration an answer speaks (RFC 9110, 8.8.3).
fn etag(version: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(value) = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok()) {
        headers.insert(header::ETAG, value);
    }
    headers
}

/// An object.
#[derive(Debug)]
pub(super) struct Data<T> {
    data: T,
    version: Option<u64>,
}

impl<T> Data<T> {
    pub(super) const fn new(data: T) -> Self {
        Self { data, version: None }
    }

    /// Says of which version of the configuration it is.
    pub(super) fn at(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        let body = DataBody { code: StatusCode::OK.as_u16(), data: self.data };
        (etag(self.version), Json(body)).into_response()
    }
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct List<T> {
    pub(super) list: Vec<T>,
    pub(super) total: Option<usize>,
    pub(super) next: Option<String>,
    pub(super) version: Option<u64>,
}

impl<T> List<T> {
    /// All of a short list.
    pub(super) fn whole(list: Vec<T>) -> Self {
        Self { total: Some(list.len()), list, next: None, version: None }
    }

    /// Says of which version of the configuration it is.
    pub(super) fn at(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        let Self { list, total, next, version } = self;
        let body = ListBody { code: StatusCode::OK.as_u16(), list, total, next };
        (etag(version), Json(body)).into_response()
    }
}

/// Success with a short sentence.
#[derive(Debug)]
pub(super) struct Done {
    message: Cow<'static, str>,
    version: Option<u64>,
    about: Option<String>,
}

impl Done {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), version: None, about: None }
    }

    /// Says which version of the configuration was made.
    pub(super) fn at(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Says for the audit log what it was done to, where the path does not.
    pub(super) fn about(self, about: String) -> Self {
        Self { about: Some(about), ..self }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let body = DoneBody { code: StatusCode::OK.as_u16(), message: self.message };
        let mut response = (etag(self.version), Json(body)).into_response();
        if let Some(about) = self.about {
            response.extensions_mut().insert(Target(about));
        }
        response
    }
}
