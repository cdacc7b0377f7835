//! Another server: an engine alone, which streams are fetched from and pushed to.

use serde_json::json;
use streamer_control::config::ports;
use tempfile::TempDir;

use crate::Outcome;
use crate::daemon::{Daemon, listener, media_listeners};
use crate::place::Place;

/// An engine without a manager, with the APP `live`; dropping it ends it.
#[derive(Debug)]
pub struct Elsewhere {
    engine: Daemon,
    place: Place,
    _folder: TempDir,
}

impl Elsewhere {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &str) -> Outcome<Self> {
        let (place, folder) = (Place::claim()?, tempfile::tempdir()?);
        let mut listeners = media_listeners(&place);
        listeners["api"] = listener(&place, ports::ENGINE_API);
        let config = json!({ "listeners": listeners, "manager": null, "vod": null });
        std::fs::write(folder.path().join("engine.json"), config.to_string())?;
        let mut engine = Daemon::tts(program, folder.path());
        engine.start()?;
        Ok(Self { engine, place, _folder: folder })
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Outcome {
        self.engine.kill()
    }

    /// Starts it again after [`kill`](Self::kill), where it was.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Outcome {
        self.engine.start()
    }

    /// RTMP address of `stream`.
    #[must_use]
    pub fn rtmp(&self, stream: &str) -> String {
        format!("rtmp://{}/live/{stream}", self.place.port(ports::RTMP))
    }

    /// HTTP-FLV address of `stream`.
    #[must_use]
    pub fn http_flv(&self, stream: &str) -> String {
        format!("http://{}/live/{stream}/play.flv", self.place.port(ports::HTTP))
    }
}
