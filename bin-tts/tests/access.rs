//! Who may publish and play, by every method on every protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use streamer_core::access::SharedKey;
use streamer_rtmp::{ClientOptions, RtmpError, RtmpForward, RtmpPull};
use support::{Encoder, Running, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ACTIONS: [&str; 2] = ["publish", "play"];

/// One way to guard an application, and what lets in by it.
struct Method {
    app: &'static str,
    auth: Value,
    right: fn(action: &str) -> String,
    wrong: Vec<String>,
}

fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signed(app: &str, expires_unix_s: u64) -> String {
    SharedKey::new("key").sign(&format!("{app}/test").parse().unwrap(), expires_unix_s)
}

fn token(secret: &str, action: &str, expires_unix_s: u64) -> String {
    let claims = json!({ "exp": expires_unix_s, "app": "by-token", "stream": "test", "action": action });
    let key = EncodingKey::from_secret(secret.as_bytes());
    format!("token={}", encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap())
}

fn methods(callback: &str) -> Vec<Method> {
    let later = unix_now_s() + 600;
    vec![
        Method {
            app: "by-key",
            auth: json!({ "shared_key": "key" }),
            right: |_| signed("by-key", unix_now_s() + 600),
            wrong: vec![String::new(), signed("other", later), signed("by-key", unix_now_s() - 60)],
        },
        Method {
            app: "by-token",
            auth: json!({ "jwt": { "keys": { "secret": "hush" } } }),
            right: |action| token("hush", action, unix_now_s() + 600),
            wrong: vec![
                String::new(),
                token("else", "play", later),
                token("hush", "neither", later),
                token("hush", "play", unix_now_s() - 60),
            ],
        },
        Method {
            app: "by-callback",
            auth: json!({ "callback": { "url": callback } }),
            right: |_| "user=ann".into(),
            wrong: vec![String::new(), "user=bob".into()],
        },
        Method {
            app: "by-address",
            auth: json!({ "allow": ["127.0.0.0/8"] }),
            right: |_| String::new(),
            wrong: Vec::new(),
        },
    ]
}

/// A callback that lets Ann in.
async fn lets_ann_in() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            while !text.ends_with("}") {
                let mut piece = vec![0; 4_096];
                let len = stream.read(&mut piece).await.unwrap();
                text.push_str(std::str::from_utf8(&piece[..len]).unwrap());
            }
            let status = if text.contains(r#""query":{"user":"ann"}"#) { 200 } else { 403 };
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    });
    address
}

/// Status and the first bytes of what follows the header.
async fn get(address: SocketAddr, path: &str, websocket: bool) -> (u16, String) {
    soon(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let connection = if websocket {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        } else {
            "Connection: close"
        };
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{connection}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let ended = stream.read_buf(&mut bytes).await.unwrap() == 0;
            let text = String::from_utf8_lossy(&bytes);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                // A live body has no end, and a refusal of a WebSocket leaves the connection open.
                let live = status == 200 && path.contains("/play.");
                let begun = (live || websocket) && !body.is_empty();
                if ended || begun || status == 101 {
                    return (status, body.to_owned());
                }
            }
            assert!(!ended, "{path}: no answer");
        }
    })
    .await
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Publishes as an encoder does, at its own pace, until it is dropped.
async fn feed(running: &Running, path: &str) -> tokio::task::JoinHandle<()> {
    let mut encoder: Encoder = running.publish(path, 1).await.unwrap();
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(4));
        while encoder.send(1).await.is_ok() {
            clock.tick().await;
        }
    })
}

const PROTOCOLS: [(&str, bool, u16); 7] = [
    ("play.flv", false, 200),
    ("play.flv", true, 101),
    ("play.ts", false, 200),
    ("play.ts", true, 101),
    ("playlist.m3u8", false, 200),
    ("playlist_sfm4s.m3u8", false, 200),
    ("manifest.mpd", false, 200),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_decides_on_every_protocol() {
    let callback = lets_ann_in().await;
    let methods = methods(&format!("http://{callback}/ask"));
    let apps: Vec<Value> = methods
        .iter()
        .map(|method| {
            json!({
                "app_name": method.app, "source_type": "rtmp_push", "grace_ms": 0,
                "publish_auth": method.auth, "play_auth": method.auth, "hls": { "segment_ms": 500 },
            })
        })
        .collect();
    let running = Running::start(json!({ "apps": apps })).await;
    let http = running.engine.addresses().http[0];
    for method in &methods {
        let path = format!("{}/test", method.app);
        for wrong in &method.wrong {
            let url = running.rtmp_url(&with_query(&path, wrong));
            let refused = soon(RtmpForward::connect(&url, &ClientOptions::default())).await.err();
            assert!(matches!(refused, Some(RtmpError::Rejected { .. })), "publish {url}: {refused:?}");
        }
        assert!(running.engine.registry().snapshot().is_empty(), "nothing was taken in");
        let feeding = feed(&running, &with_query(&path, &(method.right)(ACTIONS[0]))).await;

        let right = (method.right)(ACTIONS[1]);
        let play = running.rtmp_url(&with_query(&path, &right));
        let mut player = soon(RtmpPull::connect(&play, &ClientOptions::default())).await.unwrap();
        assert!(soon(player.next_media()).await.unwrap().is_some());
        for wrong in &method.wrong {
            let url = running.rtmp_url(&with_query(&path, wrong));
            let refused = soon(RtmpPull::connect(&url, &ClientOptions::default())).await.err();
            assert!(matches!(refused, Some(RtmpError::Rejected { .. })), "play {url}: {refused:?}");
        }
        for (file, websocket, granted) in PROTOCOLS {
            let file = format!("/{path}/{file}");
            for wrong in &method.wrong {
                let (status, body) = get(http, &with_query(&file, wrong), websocket).await;
                assert_eq!(status, 403, "{file}?{wrong}");
                assert!(!body.contains("FLV") && !body.contains("#EXTM3U"), "{file}?{wrong}: {body}");
            }
            let (status, _) = get(http, &with_query(&file, &right), websocket).await;
            assert_eq!(status, granted, "{file}?{right} over websocket: {websocket}");
        }
        hls_goes_on_with_a_pass(http, &path, &right, !method.wrong.is_empty()).await;
        feeding.abort();
        let gone = async |path: &str| running.engine.registry().get(&path.parse().unwrap()).is_none();
        soon(async {
            while !gone(&path).await {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// From the playlist to the media: where credentials are needed, only who came with some gets a segment.
async fn hls_goes_on_with_a_pass(http: SocketAddr, path: &str, right: &str, guarded: bool) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into).collect()
    };
    let (_, multivariant) = get(http, &with_query(&format!("/{path}/playlist.m3u8"), right), false).await;
    let index = lines(&multivariant).remove(0);
    let folder = format!("/{path}/{}", index.rsplit_once('/').map_or("", |(folder, _)| folder));
    let (status, playlist) = get(http, &format!("/{path}/{index}"), false).await;
    assert_eq!(status, 200, "{index}");
    let segment = lines(&playlist).remove(0);
    for (uri, file) in [(&index, format!("/{path}/{index}")), (&segment, format!("{folder}/{segment}"))] {
        assert_eq!(get(http, &file, false).await.0, 200, "{file}");
        assert_eq!(uri.contains("?pass="), guarded, "{uri}");
        if guarded {
            let bare = file.split('?').next().unwrap();
            assert_eq!(get(http, bare, false).await.0, 403, "{bare}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_refused_gets_nothing_on_any_protocol() {
    let auth = json!({ "shared_key": "key", "deny": ["127.0.0.0/8"] });
    let app = json!({
        "app_name": "away", "source_type": "rtmp_push", "publish_auth": auth, "play_auth": auth,
    });
    let running = Running::start(json!({ "apps": [app] })).await;
    let right = signed("away", unix_now_s() + 600);
    let url = running.rtmp_url(&with_query("away/test", &right));
    let options = ClientOptions::default();
    assert!(matches!(soon(RtmpForward::connect(&url, &options)).await, Err(RtmpError::Rejected { .. })));
    assert!(matches!(soon(RtmpPull::connect(&url, &options)).await, Err(RtmpError::Rejected { .. })));
    for (file, websocket, _) in PROTOCOLS {
        let path = with_query(&format!("/away/test/{file}"), &right);
        assert_eq!(get(running.engine.addresses().http[0], &path, websocket).await.0, 403, "{file}");
    }
}

#[tokio::test]
async fn a_public_key_that_is_none_is_refused_with_its_line() {
    let broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let app = json!({
        "app_name": "live", "source_type": "rtmp_push", "play_auth": { "jwt": { "keys": { "public_key": broken } } },
    });
    let text = support::config(json!({ "apps": [app] })).to_string();
    let loaded = streamer_control::config::LoadedConfig::from_text(text, "engine.json".into()).unwrap();
    let error = tts::options::check_public_keys(&loaded).unwrap_err().to_string();
    assert!(error.contains("apps[0].play_auth.jwt.keys.public_key: no public key"), "{error}");
}
