//! Video on demand on a free port of loopback, over a folder of files.

use std::net::SocketAddr;
use std::path::Path;

use streamer_vod::{Vod, VodOptions, streamer_http::HttpOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::Outcome;
use crate::server::Container;
use crate::tools::clip;

/// A running server; dropping it ends it.
pub struct VodServer {
    address: SocketAddr,
    _runtime: Runtime,
    folder: TempDir,
}

impl VodServer {
    /// Starts a server over an empty folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let vod =
            Vod::open(VodOptions { roots: vec![folder.path().to_path_buf()], ..VodOptions::default() })?;
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(streamer_vod::run(listener, vod, HttpOptions::default(), CancellationToken::new()));
        Ok(Self { address, _runtime: runtime, folder })
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the clip `name` into the folder, as `path`.
    ///
    /// # Errors
    /// When the clip is missing, or cannot be copied.
    pub fn add(&self, name: &str, path: &str) -> Outcome {
        let target = self.folder().join(path);
        if let Some(above) = target.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::copy(clip(name)?, target)?;
        Ok(())
    }

    /// Address of the file `path` itself.
    #[must_use]
    pub fn file(&self, path: &str) -> String {
        format!("http://{}/vod/{path}", self.address)
    }

    /// Address of the HLS playlist of `path`, with segments in `container`.
    #[must_use]
    pub fn hls(&self, path: &str, container: Container) -> String {
        let file = match container {
            Container::Ts => "playlist.m3u8",
            Container::Fmp4 => "playlist_sfm4s.m3u8",
        };
        format!("{}/{file}", self.file(path))
    }
}
