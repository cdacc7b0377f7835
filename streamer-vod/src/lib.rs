//! Video on demand: files below a root, and the library that manages them.
//!
//! [`Library`] lists, deletes and takes uploads of what lies below a root.

mod io;
pub mod proto;

pub use io::library::{
    Entry, EntryKind, Library, LibraryError, Listing, MAX_FOLDER_ENTRIES, MAX_PAGE_ENTRIES,
};
pub use io::upload::{
    MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNK_BYTES, MAX_UPLOADS, MIN_FREE_BYTES, UPLOAD_EXPIRY, Upload, UploadId,
};
