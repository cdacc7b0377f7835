//! The engine on free ports of loopback, as the daemon runs it.

use std::net::SocketAddr;

use streamer_control::config::LoadedConfig;
use streamer_core::Registry;
use streamer_daemon::DataDir;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tts::{ENGINE, Engine, EngineOptions};

use crate::Outcome;

/// A running engine; dropping it ends it.
pub struct Server {
    // Dropped in this order: what the engine runs on goes after it.
    engine: Engine,
    _runtime: Runtime,
    _data: TempDir,
}

impl Server {
    /// Starts an engine whose APP `live` has the fields `app` (JSON, with a comma before them) besides its name.
    ///
    /// Viewers wait long for their publisher: encoders start slowly on a busy machine.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(app: &str) -> Outcome<Self> {
        let listener = r#"{ "bind": ["127.0.0.1"], "port": 0 }"#;
        let config = format!(
            r#"{{
                "listeners": {{ "rtmp": {listener}, "http": {listener}, "api": {listener} }},
                "manager": null,
                "vod": null,
                "apps": [{{
                    "app_name": "live", "source_type": "rtmp_push", "wait_for_publisher_ms": 60000 {app}
                }}]
            }}"#
        );
        let loaded = LoadedConfig::from_text(config, "the test's configuration".to_owned())?;
        let data = tempfile::tempdir()?;
        let data_dir = DataDir::open(data.path(), &ENGINE)?;
        let runtime = Runtime::new()?;
        let options = EngineOptions { loaded, config_file: None, data_dir, log: None };
        let engine = runtime.block_on(Engine::start(options))?;
        Ok(Self { engine, _runtime: runtime, _data: data })
    }

    /// RTMP address of `stream`.
    ///
    /// # Errors
    /// When RTMP is not listened on.
    pub fn rtmp(&self, stream: &str) -> Outcome<String> {
        Ok(format!("rtmp://{}/live/{stream}", first(&self.engine.addresses().rtmp)?))
    }

    /// HTTP-FLV address of `stream`.
    ///
    /// # Errors
    /// When HTTP is not listened on.
    pub fn http_flv(&self, stream: &str) -> Outcome<String> {
        Ok(format!("http://{}/live/{stream}/play.flv", first(&self.engine.addresses().http)?))
    }

    /// WebSocket-FLV address of `stream`.
    ///
    /// # Errors
    /// When HTTP is not listened on.
    pub fn ws_flv(&self, stream: &str) -> Outcome<String> {
        Ok(format!("ws://{}/live/{stream}/play.flv", first(&self.engine.addresses().http)?))
    }

    /// Address of the HLS playlist of `stream`, with segments in `container`.
    ///
    /// # Errors
    /// When HTTP is not listened on.
    pub fn hls(&self, stream: &str, container: Container) -> Outcome<String> {
        let file = match container {
            Container::Ts => "playlist.m3u8",
            Container::Fmp4 => "playlist_sfm4s.m3u8",
        };
        Ok(format!("http://{}/live/{stream}/{file}", first(&self.engine.addresses().http)?))
    }

    /// Address of the DASH manifest of `stream`.
    ///
    /// # Errors
    /// When HTTP is not listened on.
    pub fn dash(&self, stream: &str) -> Outcome<String> {
        Ok(format!("http://{}/live/{stream}/manifest.mpd", first(&self.engine.addresses().http)?))
    }

    /// The live streams.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.engine.registry()
    }
}

/// What HLS segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// MPEG-2 transport stream.
    Ts,
    /// Fragmented MP4.
    Fmp4,
}

fn first(addresses: &[SocketAddr]) -> Outcome<SocketAddr> {
    Ok(*addresses.first().ok_or("the engine does not listen there")?)
}
