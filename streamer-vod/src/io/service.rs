//! Requests answered, whichever server they came by.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use streamer_http::Body;
use streamer_http::proto::coding::accepts_gzip;
use streamer_http::proto::hls::Container;
use streamer_http::proto::range::byte_range;
use tracing::{debug, warn};

use super::indexes::Identity;
use super::library::EntryKind;
use super::progressive::FileBody;
use super::segments::Product;
use super::shelf::blocking;
use crate::error::VodError;
use crate::proto::name::AssetPath;
use crate::proto::presentation::{Part, RenditionName};
use crate::proto::route::{RenditionFile, Resource, RouteError, route};
use crate::vod::Vod;

/// How long a cache may keep what has the state of the files in its name: as long as caches care about.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// How long a cache may keep a playlist or a file: the next one of the name is seen soon after.
const MUTABLE: &str = "public, max-age=10";
const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";
/// How long a browser may keep the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE_S: &str = "86400";

/// What a request has besides its path.
struct Ask {
    headers: HeaderMap,
    head: bool,
}

/// What is sent, and what is said of it.
struct Content {
    media_type: &'static str,
    etag: String,
    modified: Option<SystemTime>,
    keep: &'static str,
}

impl Vod {
    /// Answers `request`, whose path begins with `/vod/`. The body of the request is not looked at.
    ///
    /// What cannot be served is answered with a JSON object of `code` and `message`.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body> {
        let (parts, _) = request.into_parts();
        let path = parts.uri.path();
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let answered = match parts.method {
            Method::OPTIONS => Ok(preflight()),
            Method::GET | Method::HEAD => {
                let ask = Ask { head: parts.method == Method::HEAD, headers: parts.headers };
                self.get(path, &ask).await
            }
            _ => Err(VodError::Method),
        };
        let mut response = answered.unwrap_or_else(|error| {
            match &error {
                VodError::Name(why) => warn!(path, %why, "refused: no name of a file"),
                VodError::Io(_) => warn!(path, %error, "not served"),
                _ => debug!(path, %error, "not served"),
            }
            refusal(&error)
        });
        self.write_cors(origin.as_ref(), response.headers_mut());
        response
    }

    async fn get(&self, path: &str, ask: &Ask) -> Result<Response<Body>, VodError> {
        let route = route(path).map_err(|error| match error {
            RouteError::Name(error) => VodError::Name(error),
            _ => VodError::NotFound,
        })?;
        let (product, version) = match route.resource {
            Resource::File => return self.file(route.path, ask).await,
            Resource::Multivariant(container) => (Product::Multivariant(container), None),
            Resource::Rendition(name, RenditionFile::Playlist) => (Product::Playlist(name), None),
            Resource::Rendition(name, RenditionFile::Init { version }) => {
                (Product::Init(name), Some(version))
            }
            Resource::Rendition(name, RenditionFile::Segment { version, number }) => {
                (Product::Segment(name, number), Some(version))
            }
        };
        let loaded = self.load(&route.path).await?;
        let held = loaded.presentation.version;
        if version.is_some_and(|version| version != held) {
            // Of a file that was replaced since.
            return Err(VodError::NotFound);
        }
        let accepted = ask.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let gzip = product.is_playlist() && accepted.is_some_and(accepts_gzip);
        let bytes = self.inner.segments.get(&loaded, product, gzip).await?;
        let coding = if gzip { "-gz" } else { "" };
        let content = Content {
            media_type: media_type(product),
            etag: format!("\"{held:x}{}{coding}\"", tag(product)),
            modified: None,
            keep: if product.is_playlist() { MUTABLE } else { IMMUTABLE },
        };
        let mut response = send(ask, &content, bytes.len() as u64, |range| {
            let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
            Body::full(Bytes::clone(&bytes).slice(at(range.start)..at(range.end)))
        });
        if product.is_playlist() {
            let headers = response.headers_mut();
            headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
            if gzip {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        Ok(response)
    }

    /// A file as it is.
    async fn file(&self, path: AssetPath, ask: &Ask) -> Result<Response<Body>, VodError> {
        let media_type = file_type(&path).ok_or(VodError::NotFound)?;
        let roots = Arc::clone(&self.inner.roots);
        let (file, identity) = blocking(move || {
            for root in roots.iter() {
                match root.open_file(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    opened => {
                        let (file, stat) = opened.map_err(VodError::Io)?;
                        return Ok((Arc::new(file), Identity::of(&stat)));
                    }
                }
            }
            Err(VodError::NotFound)
        })
        .await?;
        let (seconds, nanos) = identity.modified;
        let since = Duration::new(u64::try_from(seconds).unwrap_or(0), 0);
        let content = Content {
            media_type,
            etag: format!("\"{:x}-{seconds:x}.{nanos:x}\"", identity.size),
            modified: SystemTime::UNIX_EPOCH.checked_add(since),
            keep: MUTABLE,
        };
        Ok(send(ask, &content, identity.size, |range| Body::new(FileBody::new(file, range))))
    }

    fn write_cors(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
        let verdict = self.inner.options.allowed_origins.judge(origin);
        if let Some(allow) = verdict.allow.and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow);
            let exposed = HeaderValue::from_static("age, content-length, content-range, date, etag");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        if verdict.varies {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// The answer of `len_bytes`, or of what is wanted of them; 304 for who has them, 416 for what is not in them.
fn send(
    ask: &Ask,
    content: &Content,
    len_bytes: u64,
    body: impl FnOnce(std::ops::Range<u64>) -> Body,
) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    insert(&mut headers, header::ETAG, &content.etag);
    insert(&mut headers, header::CACHE_CONTROL, content.keep);
    let modified = content.modified.map(httpdate::fmt_http_date);
    if let Some(modified) = &modified {
        insert(&mut headers, header::LAST_MODIFIED, modified);
    }
    if has_it(&ask.headers, content) {
        return response(StatusCode::NOT_MODIFIED, headers, Body::empty());
    }
    insert(&mut headers, header::CONTENT_TYPE, content.media_type);
    insert(&mut headers, header::ACCEPT_RANGES, "bytes");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The part of something else would be no use (RFC 9110 13.1.5).
    let still = ask.headers.get(header::IF_RANGE).is_none_or(|condition| {
        condition.as_bytes() == content.etag.as_bytes()
            || modified.as_ref().is_some_and(|modified| condition.as_bytes() == modified.as_bytes())
    });
    let wanted = ask.headers.get(header::RANGE).filter(|_| still).and_then(|range| range.to_str().ok());
    let Ok(range) = wanted.map_or(Ok(None), |field| byte_range(field, len_bytes)) else {
        insert(&mut headers, header::CONTENT_RANGE, &format!("bytes */{len_bytes}"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response(StatusCode::RANGE_NOT_SATISFIABLE, headers, Body::empty());
    };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    if let Some(range) = &range {
        let last = range.end.saturating_sub(1);
        insert(&mut headers, header::CONTENT_RANGE, &format!("bytes {}-{last}/{len_bytes}", range.start));
    }
    let range = range.unwrap_or(0..len_bytes);
    headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    response(status, headers, if ask.head { Body::empty() } else { body(range) })
}

/// Whether the client has it already (RFC 9110 13.1.2, 13.1.3).
fn has_it(request: &HeaderMap, content: &Content) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        return request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == content.etag || tag == "*");
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    match (since.and_then(|since| httpdate::parse_http_date(since).ok()), content.modified) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn refusal(error: &VodError) -> Response<Body> {
    let status = error.status();
    // What went wrong within is for the log alone.
    let message = match error {
        VodError::Io(_) | VodError::Root { .. } => "the file cannot be read now".to_owned(),
        error => error.to_string(),
    };
    let body = serde_json::json!({ "code": status.as_u16(), "message": message });
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    }
    response(status, headers, Body::full(body.to_string()))
}

fn preflight() -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_MAX_AGE_S));
    response(StatusCode::NO_CONTENT, headers, Body::empty())
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What tells products of one state apart.
fn tag(product: Product) -> String {
    let name = |name: RenditionName| format!("-{name}");
    match product {
        Product::Multivariant(Container::Ts) => "-ts".to_owned(),
        Product::Multivariant(Container::Fmp4) => "-fmp4".to_owned(),
        Product::Playlist(rendition) => name(rendition),
        Product::Init(rendition) => name(rendition) + "-init",
        Product::Segment(rendition, number) => format!("{}-{number}", name(rendition)),
    }
}

const fn media_type(product: Product) -> &'static str {
    match product {
        Product::Multivariant(_) | Product::Playlist(_) => "application/vnd.apple.mpegurl",
        Product::Init(name) | Product::Segment(name, _) => match name.part {
            Part::Ts | Part::TsAudio(_) => "video/mp2t",
            Part::Video(_) => "video/mp4",
            Part::Audio(_) => "audio/mp4",
            Part::Text(_) => "text/vtt; charset=utf-8",
        },
    }
}

/// The media type of a file that is served as it is.
fn file_type(path: &AssetPath) -> Option<&'static str> {
    Some(match (EntryKind::of_file(path), path.extension().as_str()) {
        (EntryKind::Subtitles, _) => "text/vtt; charset=utf-8",
        (EntryKind::Media, "mov") => "video/quicktime",
        (EntryKind::Media, "m4a") => "audio/mp4",
        (EntryKind::Media, "flv") => "video/x-flv",
        (EntryKind::Media, "ts") => "video/mp2t",
        (EntryKind::Media, _) => "video/mp4",
        _ => return None,
    })
}
