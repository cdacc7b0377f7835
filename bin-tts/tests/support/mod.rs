//! An engine in process on free ports, an encoder for it, and a plain HTTP client.

#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use streamer_control::config::LoadedConfig;
use streamer_core::testing::Synthetic;
use streamer_daemon::DataDir;
use streamer_rtmp::{ClientOptions, RtmpError, RtmpForward, RtmpUrl};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tts::{ENGINE, Engine, EngineOptions};

/// Far more than anything here takes, far less than anyone waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The result of `work`, which must not hang.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes too long")
}

/// A configuration that listens on free ports of loopback and follows no manager, with `more` put over it.
pub(crate) fn config(more: Value) -> Value {
    let loopback = json!({ "bind": ["127.0.0.1"], "port": 0 });
    let listeners = json!({ "rtmp": loopback, "http": loopback, "api": loopback });
    let mut config = json!({ "listeners": listeners, "manager": null, "vod": null });
    merge(&mut config, more);
    config
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// An engine in process, with its configuration file in a folder of its own.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
}

impl Running {
    pub(crate) async fn start(more: Value) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), more).await
    }

    /// In a folder that may have been another engine's before.
    pub(crate) async fn start_in(folder: TempDir, more: Value) -> Self {
        write_config(folder.path(), &config(more));
        let path = folder.path().join("engine.json");
        let options = EngineOptions {
            loaded: LoadedConfig::read(&path).unwrap(),
            config_file: Some(path),
            data_dir: DataDir::open(&folder.path().join("data"), &ENGINE).unwrap(),
            log: None,
        };
        Self { engine: Engine::start(options).await.unwrap(), folder }
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("engine.json")
    }

    pub(crate) fn rewrite(&self, more: Value) {
        write_config(self.folder.path(), &config(more));
    }

    pub(crate) fn rtmp_url(&self, path: &str) -> RtmpUrl {
        format!("rtmp://{}/{path}", self.engine.addresses().rtmp[0]).parse().unwrap()
    }

    /// Publishes `path` and sends `pictures`, with the sound that belongs to them.
    pub(crate) async fn publish(&self, path: &str, pictures: u64) -> Result<Encoder, RtmpError> {
        let forward = soon(RtmpForward::connect(&self.rtmp_url(path), &ClientOptions::default())).await?;
        let mut encoder = Encoder { forward, media: Synthetic::new(10, 500).unwrap() };
        encoder.send(pictures).await?;
        Ok(encoder)
    }

    /// Asks the API with its token.
    pub(crate) async fn api(&self, method: &str, path: &str) -> (u16, Value) {
        let address = self.engine.addresses().api[0];
        let answer = request(address, method, path, Some(self.engine.token())).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null))
    }

    /// Asks the API again and again until `right` says so.
    pub(crate) async fn api_until(&self, path: &str, right: impl Fn(&Value) -> bool) -> Value {
        soon(async {
            loop {
                let (_, body) = self.api("GET", path).await;
                if right(&body) {
                    return body;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

pub(crate) fn write_config(folder: &Path, config: &Value) {
    std::fs::write(folder.join("engine.json"), serde_json::to_string_pretty(config).unwrap()).unwrap();
}

/// A publisher of synthetic media.
pub(crate) struct Encoder {
    pub(crate) forward: RtmpForward,
    pub(crate) media: Synthetic,
}

impl Encoder {
    pub(crate) async fn send(&mut self, pictures: u64) -> Result<(), RtmpError> {
        let mut sent = 0;
        while sent < pictures {
            let media = self.media.next().unwrap();
            if let streamer_core::Media::Frame(frame) = &media {
                sent += u64::from(frame.track == streamer_core::TrackId::video(0));
            }
            soon(self.forward.send_media(&media)).await?;
        }
        Ok(())
    }
}

/// What came back from HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One HTTP request of its own connection.
pub(crate) async fn request(address: SocketAddr, method: &str, path: &str, token: Option<&str>) -> Answer {
    soon(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    })
    .await
}
