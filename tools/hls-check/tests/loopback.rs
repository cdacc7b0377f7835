//! The same origin behind a socket: real HTTP, real gzip, real time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hls_check::{LowLatency, Options, Report, RunError, run};
use support::origin::{HEAD_START_MS, Origin, Shape};
use support::sim::call;

fn range(value: &str) -> Option<(u64, Option<u64>)> {
    let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok().filter(|end| *end < 1 << 40)))
}

async fn answer(origin: Origin, begin: Instant, request: Request<Body>) -> Response<Body> {
    let elapsed = || HEAD_START_MS + u64::try_from(begin.elapsed().as_millis()).unwrap();
    let wanted = request.headers().get("range").and_then(|value| range(value.to_str().ok()?));
    let answer = origin.respond(&call(&request.uri().to_string(), wanted, elapsed()));
    tokio::time::sleep(Duration::from_millis(answer.at.saturating_sub(elapsed()))).await;
    let mut response = Response::builder().status(answer.status);
    let mut body = answer.body;
    for (name, value) in answer.headers {
        if name == "content-encoding" {
            assert_eq!(request.headers()["accept-encoding"], "gzip");
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
        }
        response = response.header(name, value);
    }
    response.body(body.into()).unwrap()
}

/// Follows `file` of the origin for two seconds.
async fn follow(origin: Origin, file: &str) -> Result<Report, RunError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let begin = Instant::now();
    let router = Router::new().fallback(move |request| answer(origin, begin, request));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut options = Options::new(format!("http://{address}/live/{file}"));
    options.duration = Duration::from_secs(2);
    options.low_latency = LowLatency::Require;
    let report = run(options).await;
    server.abort();
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_stream_over_http() {
    let shape = Shape { reports: true, ranges: true, ..Shape::low_latency() };
    let report = follow(Origin::right(shape), "main.m3u8").await.unwrap();
    // How long an answer takes is the machine's affair here; what is in it is not.
    assert!(
        report.findings.iter().all(|listed| listed.finding.rule.id == "blocking-reload-slow"),
        "{report}"
    );
    assert!(report.checked.deltas_compared > 0 && report.checked.hints > 0, "{report}");
    assert!(report.checked.blocking_reloads > 0 && report.checked.segments_joined > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_over_http() {
    let mut origin = Origin::right(Shape::low_latency());
    origin.answer = |call, answer| {
        if call.file.starts_with("vs") {
            answer.body.push(0);
        }
    };
    let report = follow(origin, "video.m3u8").await.unwrap();
    assert!(!report.passed() && report.rules().contains("segment-differs-from-parts"), "{report}");
}

#[tokio::test]
async fn what_is_not_there_is_no_report() {
    let missing = follow(Origin::right(Shape::low_latency()), "missing.m3u8").await;
    assert!(matches!(&missing, Err(RunError::Unreachable { why, .. }) if why == "status 404"), "{missing:?}");
    let refused = run(Options::new("http://127.0.0.1:1/p.m3u8")).await;
    assert!(matches!(refused, Err(RunError::Unreachable { .. })), "{refused:?}");
    let scheme = run(Options::new("ftp://127.0.0.1/p.m3u8")).await;
    assert!(matches!(scheme, Err(RunError::Url { .. })), "{scheme:?}");
    let mut options = Options::new("http://127.0.0.1:1/p.m3u8");
    options.allow.push("no-such-rule".to_owned());
    assert!(matches!(run(options).await, Err(RunError::UnknownRule { .. })));
}
