//! Both daemons as processes at one address of loopback with one data folder, and calls at the REST API.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use streamer_control::config::ports;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::daemon::{Daemon, listener, media_listeners};
use crate::place::Place;

/// Longest wait for something that is to become so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Manager and engine; dropping it ends both.
pub struct House {
    // Dropped in this order: what they run on goes after them.
    engine: Daemon,
    manager: Daemon,
    token: String,
    client: reqwest::Client,
    runtime: Runtime,
    place: Place,
    folder: TempDir,
}

impl House {
    /// Starts both daemons of `program`; where the engine listens for media it has by the manager's word.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(program: &str) -> Outcome<Self> {
        let (place, folder) = (Place::claim()?, tempfile::tempdir()?);
        let config = place.port(ports::MANAGER);
        let server = json!({
            "listeners": { "config": listener(&place, ports::MANAGER), "rest": listener(&place, ports::REST) },
        });
        let mut listeners = media_listeners(&place);
        listeners["api"] = listener(&place, ports::ENGINE_API);
        let engine = json!({
            "listeners": listeners,
            "manager": { "address": config },
            "events": { "address": place.port(ports::EVENTS) },
            "vod": listener(&place, ports::VOD),
        });
        std::fs::write(folder.path().join("server.json"), server.to_string())?;
        std::fs::write(folder.path().join("engine.json"), engine.to_string())?;
        let mut manager = Daemon::ttsm(program, folder.path());
        manager.start()?;
        let credentials = std::fs::read_to_string(folder.path().join("data/initial-credentials"))?;
        let token = credentials.lines().find_map(|line| line.strip_prefix("token: ")).ok_or("no token")?;
        let mut house = Self {
            engine: Daemon::tts(program, folder.path()),
            manager,
            token: token.to_owned(),
            client: reqwest::Client::builder().no_proxy().build()?,
            runtime: Runtime::new()?,
            place,
            folder,
        };
        let settings = json!({ "listeners": media_listeners(&house.place) });
        house.change("PATCH", "/v1/settings", settings)?;
        house.start_engine()?;
        Ok(house)
    }

    /// Starts the engine.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_engine(&mut self) -> Outcome {
        self.engine.start()
    }

    /// Kills the engine (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_engine(&mut self) -> Outcome {
        self.engine.kill()
    }

    /// Starts the manager.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_manager(&mut self) -> Outcome {
        self.manager.start()
    }

    /// Kills the manager (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_manager(&mut self) -> Outcome {
        self.manager.kill()
    }

    /// RTMP address of `path`.
    #[must_use]
    pub fn rtmp(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.place.port(ports::RTMP))
    }

    /// HTTP address of `path` at the engine.
    #[must_use]
    pub fn http(&self, path: &str) -> String {
        format!("http://{}/{path}", self.place.port(ports::HTTP))
    }

    /// Address of `path` of the REST API.
    #[must_use]
    pub fn rest(&self, path: &str) -> String {
        format!("http://{}{path}", self.place.port(ports::REST))
    }

    /// The data folder of both.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Folder of video on demand.
    #[must_use]
    pub fn vod_folder(&self) -> PathBuf {
        self.data_folder().join("vod")
    }

    /// Calls the REST API with the first token; the status and the body.
    ///
    /// # Errors
    /// When there is no answer, or its body is no JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Outcome<(u16, Value)> {
        let mut request = self.client.request(method.parse()?, self.rest(path)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            Ok((status, serde_json::from_slice(&answer.bytes().await?)?))
        })
    }

    /// Changes the configuration; its version from then on.
    ///
    /// # Errors
    /// With the answer, when the change is not taken.
    pub fn change(&self, method: &str, path: &str, body: Value) -> Outcome<u64> {
        let (status, answer) = self.call(method, path, Some(body))?;
        if status != 200 {
            return Err(format!("{method} {path}: {answer}").into());
        }
        let (_, config) = self.call("GET", "/v1/config", None)?;
        Ok(config["data"]["version"].as_u64().ok_or("no version")?)
    }

    /// Waits until the engine has `version` of the configuration.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn applied(&self, version: u64) -> Outcome {
        let is_there = |system: &Value| system["data"]["engine"]["config_version"].as_u64() >= Some(version);
        self.until("/v1/system", is_there).map(drop)
    }

    /// Waits until the events that `query` asks for are `count`, the newest first.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn told(&self, query: &str, count: usize) -> Outcome<Vec<Value>> {
        let list = |answer: &Value| answer["list"].as_array().cloned().unwrap_or_default();
        let answer = self.until(&format!("/v1/event?{query}"), |answer| list(answer).len() == count)?;
        Ok(list(&answer))
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
