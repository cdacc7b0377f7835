//! The program on free ports of loopback, in a folder of the test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use streamer_daemon::testing::RunningDaemon;

/// What it is started with.
pub(crate) const START: &[&str] = &["--config", "server.json", "--data-dir", "state"];

/// The program in `folder`, with nothing of the tester's environment.
pub(crate) fn ttsm(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttsm"));
    command.current_dir(folder).env_clear().env("HOME", folder);
    command
}

/// Writes both of its files: free ports of loopback, and the fields of `server` besides.
pub(crate) fn write(folder: &Path, server: &Value) {
    let listener = json!({ "bind": ["127.0.0.1"], "port": 0 });
    let mut config = server.clone();
    config["listeners"] = json!({ "config": listener, "rest": listener });
    let engine = json!({ "events": { "address": "127.0.0.1:0" }, "vod": listener });
    for (name, content) in [("server.json", config), ("engine.json", engine)] {
        std::fs::write(folder.join(name), content.to_string()).unwrap();
    }
}

pub(crate) fn start(folder: &Path) -> RunningDaemon {
    RunningDaemon::start(ttsm(folder).args(START)).unwrap()
}

/// The origin of its Rest Server: `127.0.0.1:PORT`.
pub(crate) fn rest(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("state/manager-addresses.json")).unwrap();
    let addresses: Value = serde_json::from_str(&text).unwrap();
    addresses["rest"][0].as_str().unwrap().to_owned()
}

/// The token of its first start.
pub(crate) fn token(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("state/initial-credentials")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("token: ")).unwrap().to_owned()
}

/// Calls at the Rest Server.
pub(crate) struct Api {
    /// `http://127.0.0.1:PORT`.
    pub(crate) origin: String,
    pub(crate) token: String,
    pub(crate) client: reqwest::Client,
}

impl Api {
    /// Calls at the one that runs in `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { origin: format!("http://{}", rest(folder)), token: token(folder), client }
    }

    /// Status and body.
    ///
    /// # Errors
    /// When there is no answer, or only a part of one.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}{path}", self.origin);
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap()))
    }
}
