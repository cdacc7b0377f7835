//! Video on demand on the engine's HTTP port: what is passed on to the manager, what is not, and a manager that is away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tts::vod::MAX_VOD_HEAD_BYTES;

use support::{Running, request, soon};

/// A manager that answers each request with `answer` and tells the head of it.
async fn manager(answer: String) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            tell.send(String::from_utf8(head).unwrap().to_lowercase()).unwrap();
            // The other side may have given up on it.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, heads)
}

async fn engine(vod: SocketAddr) -> Running {
    Running::start(json!({ "vod": { "bind": [vod.ip()], "port": vod.port() } })).await
}

fn answer(fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nConnection: close\r\n{fields}\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn what_is_asked_and_answered_passes_through() {
    let fields = "ETag: \"a\"\r\nContent-Range: bytes 1-4/9\r\nContent-Type: video/mp4\r\n";
    let (vod, mut heads) = manager(answer(fields, "body")).await;
    let running = engine(vod).await;
    let mut stream = TcpStream::connect(running.engine.addresses().http[0]).await.unwrap();
    let asked = "GET /vod/a/b%20c.mp4?x=1 HTTP/1.1\r\nHost: media.test\r\nRange: bytes=1-4\r\nIf-Range: \"a\"\r\n\
                 Authorization: Bearer secret\r\nX-Forwarded-For: 192.0.2.1\r\nX-Link-Seal: 1\r\nConnection: close\r\n\r\n";
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut said = String::new();
    soon(stream.read_to_string(&mut said)).await.unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 206") && body == "body", "{said}");
    for field in ["etag: \"a\"", "content-range: bytes 1-4/9", "content-type: video/mp4"] {
        assert!(head.contains(field), "{field}: {head}");
    }
    let passed = soon(heads.recv()).await.unwrap();
    assert!(passed.starts_with("get /vod/a/b%20c.mp4?x=1 http/1.1\r\n"), "{passed}");
    for field in ["host: media.test", "range: bytes=1-4", "if-range: \"a\"", "x-forwarded-for: 127.0.0.1"] {
        assert!(passed.contains(&format!("{field}\r\n")), "{field}: {passed}");
    }
    for field in ["authorization", "192.0.2.1", "x-link-seal"] {
        assert!(!passed.contains(field), "{field}: {passed}");
    }
}

#[tokio::test]
async fn what_reads_like_a_live_stream_is_passed_on_too() {
    let (vod, mut heads) = manager(answer("", "a list")).await;
    let running = engine(vod).await;
    let http = running.engine.addresses().http[0];
    let said = request(http, "GET", "/vod/film.mp4/playlist.m3u8", None).await;
    assert_eq!((said.status, said.body.as_str()), (206, "a list"));
    assert!(heads.recv().await.unwrap().starts_with("get /vod/film.mp4/playlist.m3u8 "));
}

#[tokio::test]
async fn no_other_path_and_no_other_method_is_passed_on() {
    let (vod, mut heads) = manager(answer("", "never")).await;
    let running = engine(vod).await;
    let http = running.engine.addresses().http[0];
    for (method, path, status) in [
        ("GET", "/v1/app", 404),
        ("GET", "/vod", 404),
        ("GET", "/vodx/a", 404),
        ("GET", "/link/v1/config", 404),
        ("POST", "/vod/a", 405),
        ("DELETE", "/vod/a", 405),
    ] {
        let said = request(http, method, path, None).await;
        assert_eq!(said.status, status, "{method} {path}: {}", said.body);
    }
    assert!(heads.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_is_the_clients_to_follow() {
    let (elsewhere, mut heads) = manager(answer("", "never")).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/vod/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let (vod, _heads) = manager(redirect).await;
    let running = engine(vod).await;
    let said = request(running.engine.addresses().http[0], "GET", "/vod/a", None).await;
    assert!(said.status == 302 && said.head.contains("location: http://"), "{}", said.head);
    assert!(heads.try_recv().is_err());
}

#[tokio::test]
async fn a_manager_that_is_away_is_a_bad_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = engine(listener.local_addr().unwrap()).await;
    drop(listener);
    let said = request(running.engine.addresses().http[0], "GET", "/vod/a", None).await;
    let body: Value = serde_json::from_str(&said.body).unwrap();
    assert_eq!((said.status, body["code"].as_u64()), (502, Some(502)));
    assert_eq!(body["message"], "video on demand is away");
}

#[tokio::test]
async fn the_head_of_an_answer_at_its_limit() {
    for (len, status) in [(MAX_VOD_HEAD_BYTES / 2, 206), (2 * MAX_VOD_HEAD_BYTES, 502)] {
        let (vod, _heads) = manager(answer(&format!("X-Long: {}\r\n", "x".repeat(len)), "body")).await;
        let running = engine(vod).await;
        let said = request(running.engine.addresses().http[0], "GET", "/vod/a", None).await;
        assert_eq!(said.status, status, "{len}");
    }
}
