//! Answers of HLS: the fields by which players and caches know what they may keep, and how long.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::Response;

use super::rendered::Rendered;
use crate::io::body::Body;
use crate::proto::coding::accepts_gzip;

/// How long a cache may keep a segment: its URL never means anything else. As long as caches care about.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// How long a cache may keep the news that something is not there: a second's rest for the server.
const MISSING: &str = "public, max-age=1";
/// How long a cache may keep the answer to a blocking reload, whose URL means one state of the playlist, in
/// target durations (second edition, appendix B.1).
const BLOCKING_TARGET_DURATIONS: u32 = 6;

/// How long an answer may be kept, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// A live playlist: half a target duration, so that a reader is never a whole one behind.
    Live { target_duration_s: u32 },
    /// The answer to a blocking reload.
    Blocking { target_duration_s: u32 },
    /// A blocking reload that ended before it was due: the next one must ask again.
    Never,
    /// It has a pass in it.
    Private,
    /// For good.
    Immutable,
}

impl Keep {
    fn value(self) -> HeaderValue {
        let max_age = |seconds: u32| {
            HeaderValue::from_str(&format!("public, max-age={seconds}"))
                .unwrap_or(HeaderValue::from_static("no-cache"))
        };
        match self {
            Self::Live { target_duration_s } => max_age((target_duration_s / 2).max(1)),
            Self::Blocking { target_duration_s } => {
                max_age(target_duration_s.saturating_mul(BLOCKING_TARGET_DURATIONS))
            }
            Self::Never => HeaderValue::from_static("no-cache"),
            Self::Private => HeaderValue::from_static("private, no-store"),
            Self::Immutable => HeaderValue::from_static(IMMUTABLE),
        }
    }
}

/// A playlist or a manifest, compressed for those who take it; 304 for who has it.
pub(crate) fn playlist(
    media_type: &'static str,
    rendered: &Rendered,
    request: &HeaderMap,
    keep: Keep,
    head: bool,
) -> Response<Body> {
    let accepts = text(request, &header::ACCEPT_ENCODING).is_some_and(accepts_gzip);
    let coded = if accepts { rendered.gzip() } else { rendered.plain() };
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::ETAG, coded.etag.clone());
    headers.insert(header::CACHE_CONTROL, keep.value());
    let has_it = has(request, &coded.etag);
    if !has_it {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CONTENT_LENGTH, coded.bytes.len().into());
        if accepts {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    let body = if head || has_it { Body::empty() } else { Body::full(Bytes::clone(&coded.bytes)) };
    let status = if has_it { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    response(status, headers, body)
}

/// The fields of a segment, a part or an initialization section of `len_bytes`.
pub(crate) fn media_fields(
    media_type: &'static str,
    etag: HeaderValue,
    len_bytes: u64,
    keep: Keep,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, len_bytes.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, keep.value());
    headers
}

pub(crate) fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Completes any answer of HLS: lets pages see how old it is, and caches keep for a moment that something is missing.
pub(crate) fn complete(response: &mut Response<Body>) {
    let missing = response.status() == StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        let exposed = HeaderValue::from_static("age, content-range, date, etag, retry-after");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    if missing {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(MISSING));
    }
}

/// Whether the client has what this tag names (RFC 9110, 13.1.2).
pub(crate) fn has(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let Some(etag) = etag.to_str().ok() else { return false };
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
