//! Video on demand: files below a root as HLS, made on the fly, and the library that manages them.
//!
//! [`Vod`] answers requests below `/vod/`; [`run`] serves a listener with it. [`Library`] lists, describes and deletes
//! files, and takes uploads.
//!
//! | request | answer |
//! |---|---|
//! | `GET /vod/{path}/playlist.m3u8`, `playlist_sfm4s.m3u8` | HLS in MPEG-TS or in fMP4 |
//! | `GET /vod/{path}/media/{rendition}/{file}` | what those playlists refer to |
//! | `GET /vod/{path}` | the file itself, whole or in part |
//! | `HEAD`, `OPTIONS` | the header fields of these, what a browser asks before |
//!
//! A file is opened by reading its tables ([`proto::mp4`]), which are kept packed ([`proto::samples`]). They are cut at
//! random access points ([`proto::timeline`]); a segment is what lies between two cuts ([`proto::slice`]), read from
//! the file when it is asked for. Nothing is decoded, and the media are never copied to disk.

mod error;
mod io;
mod options;
pub mod proto;
mod run;
mod vod;

pub use error::VodError;
pub use io::library::{
    AssetInfo, Entry, EntryKind, Library, LibraryError, Listing, MAX_FOLDER_ENTRIES, MAX_PAGE_ENTRIES,
    TrackInfo,
};
pub use io::progressive::PIECE_BYTES;
pub use io::upload::{
    MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNK_BYTES, MAX_UPLOADS, MIN_FREE_BYTES, UPLOAD_EXPIRY, Upload, UploadId,
};
pub use options::{
    DEFAULT_INDEX_CACHE_BYTES, DEFAULT_SEGMENT_CACHE_BYTES, DEFAULT_SEGMENT_TARGET, MAX_MAKING,
    MAX_MAKING_BYTES, MAX_OPENING, VodOptions,
};
pub use run::run;
pub use streamer_http;
pub use vod::Vod;
