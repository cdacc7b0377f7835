//! What an embedder chooses for the HLS of one application.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use streamer_core::StreamName;

use crate::proto::hls::PackagerOptions;

/// How long segments are made after the last request for them: players come back from a pause of that length, and
/// a stream that nobody watches costs nothing soon.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(60);
/// Bytes that one container of one stream may have in the store of segments: three hours at 6 Mbit/s.
pub const DEFAULT_MAX_STORED_BYTES: u64 = 8 << 30;

/// When the streams of an application are made into segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HlsMode {
    /// Never: the URLs are 404.
    Off,
    /// From the first request on until nobody asks any more.
    #[default]
    OnDemand,
    /// From the beginning of each stream to its end; see [`Hls::run_always`](super::Hls::run_always).
    Always,
}

/// Where segments go that memory has no room for, and how many.
#[derive(Clone)]
pub struct HlsStore {
    /// The store. Objects are named `{app}/{stream}/{rendition}/{file}`.
    pub store: Arc<dyn ObjectStore>,
    /// Most bytes of one container of one stream.
    pub max_bytes: u64,
}

impl fmt::Debug for HlsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HlsStore").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

/// The HLS of the streams of one application.
#[derive(Clone, Debug)]
pub struct HlsAppOptions {
    /// When segments are made.
    pub mode: HlsMode,
    /// How long segments and parts are, what is listed, and how far back and in how much memory time-shift goes
    /// (`history` and `max_bytes`).
    pub packager: PackagerOptions,
    /// How long segments are made after the last request, on demand.
    pub idle: Duration,
    /// Names that are adaptive playlists: each lists those of its streams that are live, best first.
    pub adaptive: BTreeMap<StreamName, Vec<StreamName>>,
    /// Where the history goes that memory has no room for; without one it is let go.
    pub store: Option<HlsStore>,
}

impl Default for HlsAppOptions {
    fn default() -> Self {
        Self {
            mode: HlsMode::default(),
            packager: PackagerOptions::default(),
            idle: DEFAULT_IDLE,
            adaptive: BTreeMap::new(),
            store: None,
        }
    }
}
