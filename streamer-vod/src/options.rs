//! What an embedder chooses for video on demand.

use std::path::PathBuf;
use std::time::Duration;

use streamer_http::AllowedOrigins;

/// Target duration of segments: what RFC 8216's authors advise for video on demand.
pub const DEFAULT_SEGMENT_TARGET: Duration = Duration::from_secs(6);
/// Memory of indexes: those of some fifty films.
pub const DEFAULT_INDEX_CACHE_BYTES: u64 = 64 << 20;
/// Memory of segments made lately: what viewers who began together ask for.
pub const DEFAULT_SEGMENT_CACHE_BYTES: u64 = 32 << 20;
/// Memory of segments in the making, buffers included.
pub const MAX_MAKING_BYTES: u64 = 512 << 20;
/// Segments made at once: enough for a disk that answers slowly. What else there is to do is the processor's, and more
/// at once only drive each other's bytes out of its caches.
pub const MAX_MAKING: usize = 8;
/// Files indexed at once: each may hold a movie box of the largest size.
pub const MAX_OPENING: usize = 4;

/// Options of video on demand.
#[derive(Clone, Debug)]
pub struct VodOptions {
    /// Folders in which files are looked for, in this order. The first one takes uploads.
    pub roots: Vec<PathBuf>,
    /// How long segments are to be, about.
    pub segment_target: Duration,
    /// Memory of indexes.
    pub index_cache_bytes: u64,
    /// Memory of segments and playlists made lately.
    pub segment_cache_bytes: u64,
    /// The web pages that may read what is served.
    pub allowed_origins: AllowedOrigins,
}

impl Default for VodOptions {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            segment_target: DEFAULT_SEGMENT_TARGET,
            index_cache_bytes: DEFAULT_INDEX_CACHE_BYTES,
            segment_cache_bytes: DEFAULT_SEGMENT_CACHE_BYTES,
            allowed_origins: AllowedOrigins::default(),
        }
    }
}
