//! Heads of answers: the fields every answer has, and the head of an HTTP/1 answer as bytes.

use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::Response;

use super::body::Body;
use crate::proto::origin::OriginVerdict;
use crate::proto::refusal::Refusal;
use crate::proto::route::{ALLOWED_METHODS, LiveFormat};

/// How long a browser may keep the answer to a preflight, in seconds; browsers cap it themselves.
const PREFLIGHT_MAX_AGE_S: &str = "86400";
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The fields by which a page learns that it may read the answer.
pub(crate) fn write_cors(headers: &mut HeaderMap, verdict: &OriginVerdict<'_>) {
    if let Some(allow) = verdict.allow.and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow);
    }
    if verdict.varies {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// The fields of a live stream. There is no length, and no proxy is to gather it.
pub(crate) fn write_live(headers: &mut HeaderMap, format: LiveFormat) {
    let media_type = match format {
        LiveFormat::Flv { .. } => "video/x-flv",
        LiveFormat::Ts => "video/mp2t",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// An answer of one sentence.
pub(crate) fn refusal(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::full(format!("{}\n", refusal.sentence)));
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match refusal.status {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    if let Some(seconds) = refusal.retry_after_s() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer to `OPTIONS`.
pub(crate) fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_MAX_AGE_S));
    response
}

/// The head of an HTTP/1.1 answer as bytes, with its date (RFC 9110, 6.6.1).
pub(crate) fn http1_head(status: StatusCode, headers: &HeaderMap) -> Bytes {
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(status.as_str().as_bytes());
    head.put_slice(b" ");
    head.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.put_slice(b"\r\n");
    for (name, value) in headers {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"date: ");
    head.put_slice(httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    head.put_slice(b"\r\n\r\n");
    // What is sent is kept until it is sent: no more than it needs.
    Bytes::copy_from_slice(&head)
}
