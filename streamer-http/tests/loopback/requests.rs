//! Requests that get no media: refusals, preflights, proxies, strangers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hyper::body::Incoming;
use streamer_core::{AccessRequest, Authorizer, Denied, DeniedKind, Gateway, Registry};
use streamer_http::{AllowedOrigins, Body, Client, Fallback, HttpOptions, ProxyHeader};

use super::client::{get, request, send};
use super::server::{impatient, start, start_guarded, start_with};

const PLAY: &str = "/live/test/play.flv";

#[derive(Debug)]
struct Asked {
    key: String,
    protocol: &'static str,
    peer: SocketAddr,
    query: String,
    page_url: Option<String>,
}

#[derive(Default)]
struct Guard {
    denied: Option<Denied>,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Authorizer for Guard {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        self.asked.lock().unwrap().push(Asked {
            key: request.key.to_string(),
            protocol: request.protocol,
            peer: request.peer.unwrap(),
            query: request.query.to_owned(),
            page_url: request.page_url.map(str::to_owned),
        });
        self.denied.clone().map_or(Ok(()), Err)
    }
}

/// Never decides.
struct Undecided;

#[async_trait]
impl Authorizer for Undecided {
    async fn authorize(&self, _request: &AccessRequest<'_>) -> Result<(), Denied> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_decision_that_does_not_come_is_a_refusal() {
    let gateway = Gateway::guarded(Registry::default(), Arc::new(Undecided));
    let options = HttpOptions { authorize_timeout: Duration::from_millis(10), ..HttpOptions::default() };
    let server = start_with(options, gateway).await;
    let mut response = get(server.address, PLAY).await;
    assert_eq!(response.status, 503);
    assert!(response.text().await.contains("took too long"));
}

#[tokio::test]
async fn a_denial_is_said_with_its_status_before_anything_else_is_looked_at() {
    for (kind, status) in [
        (DeniedKind::BadToken, 403),
        (DeniedKind::Expired, 403),
        (DeniedKind::NotAllowed, 403),
        (DeniedKind::UnknownApp, 404),
        (DeniedKind::Full, 503),
        (DeniedKind::Unavailable, 503),
    ] {
        let denied = Some(Denied::new(kind, "Not today."));
        let guard = Arc::new(Guard { denied, ..Guard::default() });
        let server = start_guarded(Arc::clone(&guard) as Arc<dyn Authorizer>).await;
        let mut response = get(server.address, PLAY).await;
        assert_eq!((response.status, response.text().await.as_str()), (status, "Not today.\n"));
        assert_eq!(response.header("retry-after").is_some(), status == 503);
        assert_eq!(guard.asked.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_authorizer_hears_all_that_matters_once() {
    let guard = Arc::new(Guard::default());
    let server = start_guarded(Arc::clone(&guard) as Arc<dyn Authorizer>).await;
    let target = format!("{PLAY}?token=a%20b&only-audio");
    request(server.address, "GET", &target, "Referer: https://page.test/x\r\n").await;
    let asked = guard.asked.lock().unwrap();
    let [asked] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((asked.key.as_str(), asked.protocol), ("live/test", "http-flv"));
    assert!(asked.peer.ip().is_loopback());
    assert_eq!(asked.query, "token=a%20b&only-audio");
    assert_eq!(asked.page_url.as_deref(), Some("https://page.test/x"));
}

#[tokio::test]
async fn only_trusted_proxies_name_the_client() {
    for (trusted, field, lines, expected) in [
        (vec![], ProxyHeader::XForwardedFor, "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1"),
        (
            vec!["127.0.0.0/8"],
            ProxyHeader::XForwardedFor,
            "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n",
            "192.0.2.7",
        ),
        (vec!["127.0.0.0/8"], ProxyHeader::XForwardedFor, "Forwarded: for=6.6.6.6\r\n", "127.0.0.1"),
        (vec!["127.0.0.0/8"], ProxyHeader::Forwarded, "Forwarded: for=192.0.2.9\r\n", "192.0.2.9"),
    ] {
        let guard = Arc::new(Guard::default());
        let trusted_proxies = trusted.iter().map(|network: &&str| network.parse().unwrap()).collect();
        let options = HttpOptions { trusted_proxies, proxy_header: field, ..HttpOptions::default() };
        let gateway = Gateway::guarded(Registry::new(impatient()), Arc::clone(&guard) as Arc<dyn Authorizer>);
        let server = start_with(options, gateway).await;
        request(server.address, "GET", PLAY, lines).await;
        let peer = guard.asked.lock().unwrap()[0].peer;
        assert_eq!(peer.ip().to_string(), expected, "{lines}");
    }
}

#[tokio::test]
async fn bad_requests_get_a_sentence_that_repeats_nothing() {
    let server = start().await;
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/live/test", 404),
        ("GET", "/live/%3Cscript%3E/play.flv", 400),
        ("GET", "/live/%2e%2e/play.flv", 400),
        ("GET", "/live/a%00b/play.flv", 400),
        ("GET", "/live/test/play.flv?only-audio=%3Cb%3E", 400),
        ("GET", "/live/test/play.flv?only-audio&only-video", 400),
        ("POST", PLAY, 405),
        ("BREW", PLAY, 405),
    ] {
        let mut response = request(server.address, method, target, "").await;
        assert_eq!(response.status, status, "{method} {target}");
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let text = response.text().await;
        assert!(text.ends_with(".\n") && !text.contains(['<', '%']), "{text}");
        assert_eq!(response.header("allow").is_some(), status == 405);
    }
    assert_eq!((server.stats.not_found.get(), server.stats.bad_requests.get()), (2, 7));
}

#[tokio::test]
async fn what_is_no_http_is_answered_400_and_cut() {
    let server = start().await;
    for request in [
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let mut response = send(server.address, request).await;
        assert_eq!(response.status, 400, "{request:?}");
        assert!(response.piece().await.is_none());
    }
}

#[tokio::test]
async fn a_browser_is_told_what_it_may() {
    let server = start().await;
    let fields = "Origin: https://page.test\r\nAccess-Control-Request-Method: GET\r\n";
    let response = request(server.address, "OPTIONS", PLAY, fields).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert!(response.header("access-control-max-age").is_some());

    let allowed_origins = AllowedOrigins::Listed(vec!["https://page.test".to_owned()]);
    let options = HttpOptions { allowed_origins, ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let allowed = |origin: &'static str| {
        let address = server.address;
        async move {
            let response = request(address, "GET", PLAY, &format!("Origin: {origin}\r\n")).await;
            assert_eq!(response.header("vary"), Some("origin"));
            response.header("access-control-allow-origin").map(str::to_owned)
        }
    };
    assert_eq!(allowed("https://page.test").await.as_deref(), Some("https://page.test"));
    assert_eq!(allowed("https://evil.test").await, None);
}

struct Pages;

#[async_trait]
impl Fallback for Pages {
    async fn serve(&self, request: hyper::Request<Incoming>, client: Client) -> hyper::Response<Body> {
        assert!(client.address.ip().is_loopback() && !client.encrypted);
        hyper::Response::new(Body::full(format!("page of {}", request.uri().path())))
    }
}

#[tokio::test]
async fn other_paths_may_be_served_on_the_same_port() {
    let options = HttpOptions { fallback: Some(Arc::new(Pages)), ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    assert_eq!(get(server.address, "/vod/a.mp4").await.text().await, "page of /vod/a.mp4");
    assert_eq!(get(server.address, PLAY).await.status, 404);
}
