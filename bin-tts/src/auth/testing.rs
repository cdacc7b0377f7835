//! A server that is asked, requests that ask, and keys that sign, for the tests of access.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::Value;
use streamer_core::{AccessRequest, Action, StreamKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::Outside;

pub(super) const NOW: u64 = 1_000_000;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answer(u16, String),
    /// A redirect to this place.
    Elsewhere(String),
    /// This status, and a body without end.
    Endless(u16),
    /// This status and a header that promises a body which never comes.
    Withheld(u16),
    /// The connection is closed.
    Close,
    /// Nothing, ever.
    Silence,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, String::new())
    }
}

/// An HTTP/1.1 server on a free port of loopback.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    reply: Mutex<Reply>,
    heard: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// Held closed, requests are heard and not answered.
    gate: Mutex<bool>,
    changed: Notify,
}

impl Backend {
    pub(super) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            reply: Mutex::new(reply),
            heard: Mutex::default(),
            connections: AtomicUsize::new(0),
            gate: Mutex::new(true),
            changed: Notify::new(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn set(&self, reply: Reply) {
        *self.state.reply.lock() = reply;
    }

    pub(super) fn gate(&self, open: bool) {
        *self.state.gate.lock() = open;
        self.state.changed.notify_waiters();
    }

    /// Head and body of every request so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.state.heard.lock().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Waits until `count` requests were heard.
    pub(super) async fn heard_of(&self, count: usize) {
        loop {
            let changed = self.state.changed.notified();
            if self.state.heard.lock().len() >= count {
                return;
            }
            changed.await;
        }
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        state.heard.lock().push(request);
        state.changed.notify_waiters();
        loop {
            let changed = state.changed.notified();
            if *state.gate.lock() {
                break;
            }
            changed.await;
        }
        let reply = state.reply.lock().clone();
        let (head, endless) = match reply {
            Reply::Answer(status, body) => {
                (format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()), false)
            }
            Reply::Elsewhere(place) => {
                (format!("HTTP/1.1 302 X\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"), false)
            }
            Reply::Endless(status) => (format!("HTTP/1.1 {status} X\r\n\r\n"), true),
            Reply::Withheld(status) => (format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n\r\n"), false),
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
        };
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        if endless {
            while stream.write_all(&[b' '; 1_024]).await.is_ok() {}
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                buffer.drain(..head.len() + 4 + length);
                return Some(text[..head.len() + 4 + length].to_owned());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

pub(super) fn outside() -> Outside {
    let loaded = streamer_control::config::LoadedConfig::embedded();
    let http = crate::options::http_client(&loaded).unwrap();
    Outside { http, stats: Arc::default(), now_unix_s: || NOW }
}

/// Asks `decide` about `action` of `key` by a peer at 192.0.2.7.
pub(super) async fn asking<T>(
    action: Action,
    key: &str,
    query: &str,
    decide: impl AsyncFnOnce(&AccessRequest<'_>) -> T,
) -> T {
    let key: StreamKey = key.parse().unwrap();
    let request = AccessRequest {
        action,
        key: &key,
        protocol: "http-flv",
        peer: Some("192.0.2.7:5000".parse().unwrap()),
        query,
        page_url: Some("https://www.example/watch"),
        encrypted: true,
    };
    decide(&request).await
}

pub(super) static RSA: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
pub(super) static EC: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());

pub(super) fn rsa_signer() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA.serialize_pem().as_bytes()).unwrap()
}

pub(super) fn ec_signer() -> EncodingKey {
    EncodingKey::from_ec_pem(EC.serialize_pem().as_bytes()).unwrap()
}

/// A token over `claims`.
pub(super) fn sign(algorithm: Algorithm, id: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: id.map(Into::into), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}
