//! Both daemons on free ports of loopback and one data folder, and calls at the REST API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use streamer_control::config::{ListenerConfig, Loaded, LoadedConfig};
use streamer_daemon::DataDir;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tts::{ENGINE, Engine, EngineOptions};
use ttsm::files::{ConfigFiles, LoadedFiles};
use ttsm::{MANAGER, Manager, ManagerOptions};

use crate::Outcome;

/// Longest wait for something that is to become so.
const PATIENCE: Duration = Duration::from_secs(30);
const LISTENER: &str = r#"{ "bind": ["127.0.0.1"], "port": 0 }"#;

/// Manager and engine; dropping it ends both.
pub struct House {
    // Dropped in this order: what they run on goes after them.
    engine: Option<Engine>,
    manager: Option<Manager>,
    token: String,
    client: reqwest::Client,
    runtime: Runtime,
    data: TempDir,
}

impl House {
    /// Starts both, the engine on free ports by the manager's word.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start() -> Outcome<Self> {
        let (runtime, data) = (Runtime::new()?, tempfile::tempdir()?);
        let manager = runtime.block_on(manager(&data))?;
        let token = manager.first_start().ok_or("it is no first start")?.token.expose().to_owned();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut house = Self { engine: None, manager: Some(manager), token, client, runtime, data };
        let loopback: Value = serde_json::from_str(LISTENER)?;
        let listeners = json!({ "listeners": { "rtmp": loopback, "http": loopback } });
        let (code, answer) = house.call("PATCH", "/v1/settings", Some(listeners))?;
        if code != 200 {
            return Err(format!("{code}: {answer}").into());
        }
        house.start_engine()?;
        Ok(house)
    }

    /// Starts the engine.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_engine(&mut self) -> Outcome {
        let manager = self.manager.as_ref().map(|manager| first(&manager.addresses().config)).transpose()?;
        let manager = manager.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9)));
        let config = format!(
            r#"{{ "listeners": {{ "rtmp": {LISTENER}, "http": {LISTENER}, "api": {LISTENER} }},
                "manager": {{ "address": "{manager}" }}, "events": {{ "address": "{manager}" }}, "vod": null }}"#
        );
        let mut loaded = LoadedConfig::from_text(config, "engine.json".to_owned())?;
        if let Some(manager) = &self.manager {
            loaded.config.events.address = first(&manager.addresses().events)?;
            let vod = first(&manager.addresses().vod)?;
            loaded.config.vod = Some(ListenerConfig { bind: vec![vod.ip()], port: vod.port() });
        }
        let data_dir = DataDir::open(self.data.path(), &ENGINE)?;
        let options = EngineOptions { loaded, config_file: None, data_dir, log: None };
        self.engine = Some(self.runtime.block_on(Engine::start(options))?);
        Ok(())
    }

    /// Stops the engine.
    pub fn stop_engine(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            self.runtime.block_on(engine.shutdown());
        }
    }

    /// Stops the manager.
    pub fn stop_manager(&mut self) {
        if let Some(mut manager) = self.manager.take() {
            self.runtime.block_on(manager.shutdown());
        }
    }

    /// RTMP address of `app/stream`, where the engine listens now.
    ///
    /// # Errors
    /// When RTMP is not listened on.
    pub fn rtmp(&self, path: &str) -> Outcome<String> {
        let engine = self.engine.as_ref().ok_or("there is no engine")?;
        Ok(format!("rtmp://{}/{path}", first(&engine.addresses().rtmp)?))
    }

    /// HTTP address of `path`, where the engine listens now.
    ///
    /// # Errors
    /// When HTTP is not listened on.
    pub fn http(&self, path: &str) -> Outcome<String> {
        let engine = self.engine.as_ref().ok_or("there is no engine")?;
        Ok(format!("http://{}/{path}", first(&engine.addresses().http)?))
    }

    /// Folder of video on demand.
    #[must_use]
    pub fn vod_folder(&self) -> PathBuf {
        self.data.path().join("vod")
    }

    /// Calls the REST API with the first token; the status and the body.
    ///
    /// # Errors
    /// When there is no answer, or its body is no JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Outcome<(u16, Value)> {
        let manager = self.manager.as_ref().ok_or("there is no manager")?;
        let url = format!("http://{}{path}", first(&manager.addresses().rest)?);
        let mut request = self.client.request(method.parse()?, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            Ok((status, serde_json::from_slice(&answer.bytes().await?)?))
        })
    }

    /// Asks until `right` says so.
    ///
    /// # Errors
    /// When that takes too long, with the last answer.
    pub fn until(&self, path: &str, right: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, answer) = self.call("GET", path, None)?;
            if right(&answer) {
                return Ok(answer);
            }
            if Instant::now() > end {
                return Err(format!("{path} stays {answer}").into());
            }
        }
    }
}

async fn manager(data: &TempDir) -> Outcome<Manager> {
    let manager = format!(r#"{{ "listeners": {{ "config": {LISTENER}, "rest": {LISTENER} }} }}"#);
    let engine = format!(r#"{{ "events": {{ "address": "127.0.0.1:0" }}, "vod": {LISTENER} }}"#);
    let loaded = LoadedFiles {
        manager: Loaded::from_text(manager, "server.json".into())?,
        engine: Loaded::from_text(engine, "engine.json".into())?,
    };
    let data_dir = DataDir::open(data.path(), &MANAGER)?;
    let options =
        ManagerOptions { loaded, files: ConfigFiles::default(), data_dir, admin_password: None, log: None };
    Ok(Manager::start(options).await?)
}

fn first(addresses: &[SocketAddr]) -> Outcome<SocketAddr> {
    Ok(*addresses.first().ok_or("it does not listen there")?)
}
