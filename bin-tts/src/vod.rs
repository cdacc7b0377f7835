//! Video on demand on the media port: requests for it are passed on to the manager, and nothing else ever is.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, RANGE,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use streamer_control::config::ListenerConfig;
use streamer_http::{Body, Client, Fallback};
use tokio::time::timeout;
use tracing::debug;

/// Beginning of the paths that are passed on.
pub const VOD_PREFIX: &str = "/vod/";
/// Longest time to connect to the manager, which runs on this machine.
pub const VOD_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time until the manager begins to answer: a cold file is indexed first.
pub const VOD_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of the head of an answer: far more than the manager ever writes. Bodies are passed on in pieces of so many,
/// and small ones cost more than the bytes in them.
pub const MAX_VOD_HEAD_BYTES: usize = 256 << 10;
/// Connections to the manager that are kept for the next request.
pub const MAX_IDLE_VOD_CONNECTIONS: usize = 32;
/// How long one is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Fields of a request that the manager is told.
const PASSED_ON: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_ENCODING,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    ORIGIN,
    RANGE,
    USER_AGENT,
];
/// Fields of an answer that are about the connection to the manager alone (RFC 9110 7.6.1).
const OF_THE_CONNECTION: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Passes requests for video on demand on to the manager, and its answers back as they come.
pub struct VodPassage {
    to: SocketAddr,
    http: HttpClient<HttpConnector, Empty<Bytes>>,
}

impl VodPassage {
    /// To the manager that listens as `vod` says.
    #[must_use]
    pub fn to(vod: &ListenerConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(VOD_CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let mut builder = HttpClient::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_VOD_CONNECTIONS)
            .http1_max_buf_size(MAX_VOD_HEAD_BYTES);
        Self { to: SocketAddr::new(reached_at(&vod.bind), vod.port), http: builder.build(connector) }
    }

    async fn pass_on(&self, request: Request<Incoming>, client: Client) -> Result<Response<Body>, Refusal> {
        let (parts, _) = request.into_parts();
        let target = parts.uri.path_and_query().map(|target| target.as_str());
        let target = target.filter(|target| target.starts_with(VOD_PREFIX)).ok_or(Refusal::NotFound)?;
        if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Err(Refusal::Method);
        }
        let uri: Uri = format!("http://{}{target}", self.to).parse().map_err(|_| Refusal::NotFound)?;
        let mut onward = Request::new(Empty::new());
        (*onward.method_mut(), *onward.uri_mut()) = (parts.method, uri);
        *onward.headers_mut() = fields(&parts.headers, client);
        let answer = in_time(self.http.request(onward)).await?;
        let (mut parts, body) = answer.into_parts();
        for field in OF_THE_CONNECTION {
            parts.headers.remove(field);
        }
        Ok(Response::from_parts(parts, Body::new(body)))
    }
}

/// What `asking` gives within [`VOD_ANSWER_TIMEOUT`].
async fn in_time<T, E: Display>(asking: impl Future<Output = Result<T, E>>) -> Result<T, Refusal> {
    let answer = timeout(VOD_ANSWER_TIMEOUT, asking).await;
    let answer = answer.map_err(|_| Refusal::Away("no answer in time".to_owned()))?;
    answer.map_err(|error| Refusal::Away(error.to_string()))
}

/// The fields for the manager: those it knows what to do with, and who asks.
fn fields(of_client: &HeaderMap, client: Client) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for name in PASSED_ON {
        for value in of_client.get_all(&name) {
            fields.append(name.clone(), value.clone());
        }
    }
    if let Some(host) = of_client.get(HOST) {
        fields.insert(HOST, host.clone());
    }
    // The address is the client's own, or was told by a proxy that is trusted; what others wrote there is left out.
    if let Ok(address) = HeaderValue::from_str(&client.address.ip().to_string()) {
        fields.insert(HeaderName::from_static("x-forwarded-for"), address);
    }
    let scheme = if client.encrypted { "https" } else { "http" };
    fields.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(scheme));
    fields
}

/// An address of this machine under which a listener on `bind` is reached; loopback where it listens everywhere.
fn reached_at(bind: &[IpAddr]) -> IpAddr {
    let loopback = bind.iter().find(|address| address.is_loopback());
    let first = loopback.or_else(|| bind.first()).copied();
    first.filter(|address| !address.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// Why a request is not passed on, or has no answer.
enum Refusal {
    NotFound,
    Method,
    Away(String),
}

impl Refusal {
    fn answer(self) -> Response<Body> {
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method"),
            Self::Away(error) => {
                debug!(error, "video on demand is away");
                (StatusCode::BAD_GATEWAY, "video on demand is away")
            }
        };
        let body = serde_json::json!({ "code": status.as_u16(), "message": message }).to_string();
        let length = body.len();
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

#[async_trait]
impl Fallback for VodPassage {
    // `/vod/film.mp4/playlist.m3u8` reads like the playlist of a live stream.
    fn claims(&self, path: &str) -> bool {
        path.starts_with(VOD_PREFIX)
    }

    async fn serve(&self, request: Request<Incoming>, client: Client) -> Response<Body> {
        self.pass_on(request, client).await.unwrap_or_else(Refusal::answer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_manager_that_never_answers_is_given_up_after_its_time() {
        let began = Instant::now();
        let refused = in_time(std::future::pending::<Result<(), String>>()).await;
        assert!(matches!(refused, Err(Refusal::Away(_))));
        assert!((VOD_ANSWER_TIMEOUT..VOD_ANSWER_TIMEOUT + Duration::from_secs(1)).contains(&began.elapsed()));
    }

    #[test]
    fn the_manager_is_reached_on_loopback_if_it_can_be() {
        for (bind, expected) in [
            (vec!["::"], "127.0.0.1"),
            (vec!["0.0.0.0"], "127.0.0.1"),
            (vec!["10.0.0.1", "127.0.0.1"], "127.0.0.1"),
            (vec!["10.0.0.1"], "10.0.0.1"),
            (vec!["::1"], "::1"),
            (vec![], "127.0.0.1"),
        ] {
            let bind: Vec<IpAddr> = bind.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(reached_at(&bind).to_string(), expected, "{bind:?}");
        }
    }

    #[test]
    fn only_what_the_manager_needs_is_told_and_who_asks_is_ours_to_say() {
        let mut of_client = HeaderMap::new();
        for (name, value) in [
            ("range", "bytes=0-1"),
            ("if-none-match", "\"a\""),
            ("host", "a.test"),
            ("authorization", "Bearer secret"),
            ("cookie", "a=b"),
            ("connection", "upgrade"),
            ("x-forwarded-for", "192.0.2.9"),
            ("x-link-seal", "1.2.3"),
        ] {
            of_client.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let client = Client { address: "198.51.100.1:5".parse().unwrap(), encrypted: true };
        let fields = fields(&of_client, client);
        let mut names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "if-none-match", "range", "x-forwarded-for", "x-forwarded-proto"]);
        assert_eq!(fields["x-forwarded-for"], "198.51.100.1");
        assert_eq!(fields["x-forwarded-proto"], "https");
    }
}
