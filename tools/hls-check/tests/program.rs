//! The program `hls-check`: exit codes and JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::process::{Command, Output};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

/// An ended playlist of one TS segment with a single packet.
async fn serve(extinf: &'static str) -> String {
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:{extinf},\ns.vtt\n#EXT-X-ENDLIST\n");
    let router = Router::new()
        .route(
            "/p.m3u8",
            get(move || async move { ([(CONTENT_TYPE, "application/vnd.apple.mpegurl")], playlist) }),
        )
        .route("/s.vtt", get(|| async { ([(CONTENT_TYPE, "text/vtt")], "WEBVTT\n") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/p.m3u8", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn check(arguments: Vec<String>) -> Output {
    let run = move || Command::new(env!("CARGO_BIN_EXE_hls-check")).args(arguments).output().unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_tell_right_from_wrong_from_not_run() {
    let right = check(vec![serve("1").await]).await;
    let text = String::from_utf8_lossy(&right.stdout).into_owned();
    assert_eq!(right.status.code(), Some(0), "{text}");
    assert!(text.ends_with("ok: 0 errors, 0 warnings\n"), "{text}");

    let wrong = check(vec![serve("2").await, "--json".to_owned()]).await;
    assert_eq!(wrong.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(report["findings"][0]["rule"], "target-duration-exceeded", "{report}");
    assert_eq!(report["checked"]["segments"], 1, "{report}");

    let allowed =
        check(vec![serve("2").await, "--allow".to_owned(), "target-duration-exceeded".to_owned()]).await;
    assert_eq!(allowed.status.code(), Some(0));

    let absent = check(vec!["http://127.0.0.1:1/p.m3u8".to_owned()]).await;
    assert_eq!(absent.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("cannot be fetched"));
}
