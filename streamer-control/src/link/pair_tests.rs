//! Client and server of the link together, and each with a stranger.

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::on;
use axum::{Json, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::link::manager_api::{AppliedReport, ConfigVersion, Refusal, ReportApplied};
use crate::link::serve::{self, Answer, Asked, MAX_REQUEST_BYTES, Refused};

struct Echo;

impl Endpoint for Echo {
    const METHOD: &'static str = "POST";
    const PATH: &'static str = "/echo";
    type Request = String;
    type Response = String;
}

struct Nothing;

impl Endpoint for Nothing {
    const METHOD: &'static str = "GET";
    const PATH: &'static str = "/nothing";
    type Request = ();
    type Response = ();
}

fn key(byte: u8) -> LinkKey {
    LinkKey::from_secret([byte; 32])
}

fn routes() -> Router {
    Router::new()
        .route(
            Echo::PATH,
            on(serve::filter::<Echo>().unwrap(), async |Asked(text): Asked<String>| Answer(text)),
        )
        .route(
            Nothing::PATH,
            on(serve::filter::<Nothing>().unwrap(), async |Asked(()): Asked<()>| Answer(())),
        )
        .route(
            ReportApplied::PATH,
            on(serve::filter::<ReportApplied>().unwrap(), async |Asked(report): Asked<AppliedReport>| {
                let refused = report.refused.len();
                Refused { status: StatusCode::CONFLICT, message: format!("{refused} refused").into() }
            }),
        )
        .route("/list", axum::routing::get(async || Json(serde_json::json!({"code": 200, "list": [1, 2]}))))
        .layer(DefaultBodyLimit::disable())
}

async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn served() -> SocketAddr {
    listen(routes().layer(from_fn_with_state(key(1), serve::guard))).await
}

async fn client() -> LinkClient {
    LinkClient::new(served().await, key(1)).unwrap()
}

#[tokio::test]
async fn a_call_comes_back() {
    let client = client().await;
    assert_eq!(client.call::<Echo>(&"hello".to_owned()).await.unwrap(), "hello");
    client.call::<Nothing>(&()).await.unwrap();
    let list: Vec<u8> = client.send("GET", "/list?all=1", &(), CALL_TIMEOUT).await.unwrap();
    assert_eq!(list, [1, 2]);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let report = AppliedReport {
        engine: "run".into(),
        version: ConfigVersion { store: "s".into(), version: 1 },
        applied: Vec::new(),
        refused: vec![Refusal { path: "settings.tls".into(), reason: "why".into() }],
        needs_restart: Vec::new(),
        took_ms: 1,
    };
    let error = client().await.call::<ReportApplied>(&report).await.unwrap_err();
    assert!(matches!(&error, LinkError::Refused { code: 409, message } if message == "1 refused"), "{error}");
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_refused_and_not_the_connection() {
    let client = client().await;
    let bad = client.send::<_, String>("POST", "/echo", &5, CALL_TIMEOUT).await.unwrap_err();
    assert!(matches!(bad, LinkError::Refused { code: 400, .. }), "{bad}");
    let absent = client.send::<_, String>("GET", "/absent", &(), CALL_TIMEOUT).await.unwrap_err();
    // Axum's own answer has no envelope, but it is proved all the same.
    assert!(matches!(absent, LinkError::Malformed(_)), "{absent}");
}

#[tokio::test]
async fn a_server_with_another_secret_or_none_is_not_believed() {
    let other = listen(routes().layer(from_fn_with_state(key(2), serve::guard))).await;
    let error = LinkClient::new(other, key(1)).unwrap().call::<Echo>(&"x".into()).await.unwrap_err();
    assert!(matches!(error, LinkError::Unproved { status: 401 }), "{error}");
    let stranger = listen(routes()).await;
    let error = LinkClient::new(stranger, key(1)).unwrap().call::<Echo>(&"x".into()).await.unwrap_err();
    assert!(matches!(error, LinkError::Unproved { status: 200 }), "{error}");
}

#[tokio::test]
async fn an_answer_with_a_forged_proof_is_not_believed() {
    async fn forge(mut response: axum::response::Response) -> axum::response::Response {
        response.headers_mut().insert(RESPONSE_SEAL_HEADER, "00".repeat(32).parse().unwrap());
        response
    }
    let router = routes().layer(axum::middleware::map_response(forge));
    let error =
        LinkClient::new(listen(router).await, key(1)).unwrap().call::<Echo>(&"x".into()).await.unwrap_err();
    assert!(matches!(error, LinkError::Unproved { status: 200 }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let to = served().await;
    let away = Router::new()
        .fallback(async move || axum::response::Redirect::temporary(&format!("http://{to}/echo")));
    let away = listen(away.layer(from_fn_with_state(key(1), serve::guard))).await;
    let error = LinkClient::new(away, key(1)).unwrap().call::<Echo>(&"x".into()).await.unwrap_err();
    assert!(matches!(error, LinkError::Malformed(_) | LinkError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = LinkClient::new(listener.local_addr().unwrap(), key(1)).unwrap();
    drop(listener);
    let error = client.call::<Nothing>(&()).await.unwrap_err();
    assert!(error.is_absence(), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = LinkClient::new(listener.local_addr().unwrap(), key(1)).unwrap();
    let patience = Duration::from_millis(20);
    let error = client.call_within::<Nothing>(&(), patience).await.unwrap_err();
    assert!(matches!(error, LinkError::TimedOut(waited) if waited == patience), "{error}");
}

/// Sends `head` and reads the whole answer.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_without_a_seal_and_one_sent_again_are_refused() {
    let address = served().await;
    let bare = raw(address, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(bare.starts_with("HTTP/1.1 401") && !bare.contains(RESPONSE_SEAL_HEADER), "{bare}");
    let seal = key(1).seal_request(unix_now_ms(), [7; 16], "GET", "/nothing", b"");
    let request = format!(
        "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{REQUEST_SEAL_HEADER}: {seal}\r\n\r\n"
    );
    let first = raw(address, &request).await;
    assert!(first.starts_with("HTTP/1.1 200") && first.contains(RESPONSE_SEAL_HEADER), "{first}");
    let again = raw(address, &request).await;
    assert!(again.starts_with("HTTP/1.1 401") && again.contains("used before"), "{again}");
    let elsewhere = request.replace("GET /nothing", "GET /list");
    assert!(raw(address, &elsewhere).await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn a_request_at_its_limit() {
    let client = client().await;
    let quotes = 2;
    let text = "x".repeat(MAX_REQUEST_BYTES - quotes);
    assert_eq!(client.call::<Echo>(&text).await.unwrap().len(), text.len());
    // Refused before it is proved, so that the refusal has no proof either; the connection may be cut first.
    let error = client.call::<Echo>(&format!("{text}x")).await.unwrap_err();
    assert!(matches!(error, LinkError::Unproved { status: 413 } | LinkError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn an_answer_at_its_limit() {
    for (len, fits) in [(10, true), (11, false)] {
        let address = listen(Router::new().fallback(async move || vec![0_u8; len])).await;
        let mut response = Client::new().get(format!("http://{address}/")).send().await.unwrap();
        assert_eq!(read_bounded(&mut response, 10).await.is_ok(), fits, "{len}");
    }
}
