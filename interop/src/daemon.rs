//! A daemon of ours as a process of its own, which can be killed and started again where it was.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use streamer_control::config::ports;
use streamer_daemon::testing::RunningDaemon;

use crate::Outcome;
use crate::place::Place;

/// One of the two daemons.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    name: &'static str,
    config: &'static str,
    folder: PathBuf,
    running: Option<RunningDaemon>,
}

impl Daemon {
    /// `tts` of `program`, with the `engine.json` of `folder`; not started yet.
    #[must_use]
    pub fn tts(program: &str, folder: &Path) -> Self {
        Self::new(program, "tts", "engine.json", folder)
    }

    /// `ttsm` of `program`, with the `server.json` and `engine.json` of `folder`; not started yet.
    #[must_use]
    pub fn ttsm(program: &str, folder: &Path) -> Self {
        Self::new(program, "ttsm", "server.json", folder)
    }

    fn new(program: &str, name: &'static str, config: &'static str, folder: &Path) -> Self {
        Self { program: program.into(), name, config, folder: folder.to_path_buf(), running: None }
    }

    /// Starts it and waits until it is ready. Its state is in the folder `data` beside its configuration.
    ///
    /// # Errors
    /// With its log, when it does not start.
    pub fn start(&mut self) -> Outcome {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env_clear().env("HOME", &self.folder);
        command.args([self.name, "--config", self.config, "--data-dir", "data"]);
        self.running = Some(RunningDaemon::start(&mut command)?);
        Ok(())
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Outcome {
        let mut running = self.running.take().ok_or_else(|| format!("{} does not run", self.name))?;
        running.kill()?;
        Ok(())
    }
}

/// The listener at `place` for what users have at the port `documented`, as configuration has it.
#[must_use]
pub fn listener(place: &Place, documented: u16) -> Value {
    json!({ "bind": [place.address()], "port": place.port(documented).port() })
}

/// The listeners for media of an engine at `place`, as configuration has them.
#[must_use]
pub fn media_listeners(place: &Place) -> Value {
    json!({ "rtmp": listener(place, ports::RTMP), "http": listener(place, ports::HTTP) })
}
