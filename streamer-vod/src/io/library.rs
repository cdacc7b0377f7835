//! The library: what lies below a root, listed, described and deleted. Uploads are in the module beside.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;
use streamer_core::{MediaKind, TrackId};
use streamer_http::proto::hls::Container;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::indexes::Identity;
use super::root::Root;
use super::upload::Uploads;
use crate::error::VodError;
use crate::options::VodOptions;
use crate::proto::index::{AssetIndex, SourceFormat, TrackIndex};
use crate::proto::name::{AssetPath, NameError};
use crate::proto::playlist::language_tag;
use crate::proto::presentation::carries;
use crate::proto::route::playlist_path;
use crate::vod::Vod;

/// Entries of one folder that are listed: past it a folder is to be divided.
pub const MAX_FOLDER_ENTRIES: usize = 100_000;
/// Most entries of one page.
pub const MAX_PAGE_ENTRIES: usize = 1_000;

/// Why the library did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// There is nothing of this name, or no such upload.
    #[error("there is no such {what}")]
    NotFound {
        /// `asset`, `folder` or `upload`.
        what: &'static str,
    },
    /// The name is none that an asset may have.
    #[error(transparent)]
    BadName(#[from] NameError),
    /// The file is no media that can be served.
    #[error("not media that can be served: {reason}")]
    NotMedia {
        /// What is wrong with it.
        reason: String,
    },
    /// More than a limit allows.
    #[error("{what}: {value}, the limit is {max}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        value: u64,
        /// The bound.
        max: u64,
    },
    /// It does not go with what is there: a name that is taken, a chunk that does not continue the upload, an upload
    /// that is not complete or being written to.
    #[error("{reason}")]
    Conflict {
        /// What it does not go with.
        reason: String,
    },
    /// There is no room on the disk.
    #[error("the disk is full: {needed_bytes} bytes are needed, {available_bytes} are free")]
    Full {
        /// Bytes that were to be written.
        needed_bytes: u64,
        /// Bytes that there are.
        available_bytes: u64,
    },
    /// The file system refuses, for instance because it is read-only.
    #[error("file system: {0}")]
    Io(#[source] io::Error),
}

impl LibraryError {
    pub(crate) const ASSET: Self = Self::NotFound { what: "asset" };

    /// An error of the file system about an asset.
    pub(crate) fn of_asset(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::ASSET } else { Self::Io(error) }
    }
}

impl From<Errno> for LibraryError {
    fn from(error: Errno) -> Self {
        Self::of_asset(error.into())
    }
}

/// What an entry of a folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A folder; one that holds renditions plays as one asset.
    Folder,
    /// A media file: `.mp4`, `.m4v`, `.m4a`, `.mov`, `.flv`, `.ts`.
    Media,
    /// Subtitles: `.vtt`.
    Subtitles,
    /// A list of renditions: `.smil`, `.json`.
    Manifest,
    /// Anything else; it is not served.
    Other,
}

impl EntryKind {
    /// What a file of this name is.
    #[must_use]
    pub fn of_file(path: &AssetPath) -> Self {
        match path.extension().as_str() {
            "mp4" | "m4v" | "m4a" | "mov" | "flv" | "ts" => Self::Media,
            "vtt" => Self::Subtitles,
            "smil" | "json" => Self::Manifest,
            _ => Self::Other,
        }
    }
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, from the root.
    pub path: AssetPath,
    /// What it is.
    pub kind: EntryKind,
    /// Length of a file; 0 of a folder.
    pub size_bytes: u64,
    /// When it was last written to, in milliseconds since the epoch of Unix.
    pub modified_unix_ms: i64,
}

/// A page of a folder's entries, folders first, then by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The entries of the page.
    pub entries: Vec<Entry>,
    /// Entries of the whole folder.
    pub total: usize,
}

/// What is known of a media file.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetInfo {
    /// Its entry in its folder.
    pub entry: Entry,
    /// What the file is: `mp4`, `flv` or `ts`.
    pub format: &'static str,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
    /// Average rate of all tracks, in bits per second.
    pub bitrate_bps: u64,
    /// The tracks that can be played, video first.
    pub tracks: Vec<TrackInfo>,
    /// Path of its playlist in transport streams, escaped for a URL; `None` where they carry none of its tracks.
    pub ts_playlist: Option<String>,
    /// Path of its playlist in fMP4, likewise.
    pub fmp4_playlist: Option<String>,
}

/// What is known of a track.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackInfo {
    /// Its name in the file: `video0`, `audio1`.
    pub id: TrackId,
    /// Name of the codec: `H264`, `AAC`.
    pub codec: &'static str,
    /// The codec as players name it (RFC 6381), where there is such a name.
    pub codec_string: Option<String>,
    /// Size of the picture, in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Pictures a second on the average; of video.
    pub frame_rate: Option<f64>,
    /// Sampling frequency in hertz; of audio.
    pub sample_rate_hz: Option<u32>,
    /// Channels; of audio.
    pub channels: Option<u8>,
    /// Language tag (BCP 47), where the file tells it.
    pub language: Option<String>,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
    /// Average rate in bits per second.
    pub bitrate_bps: u64,
}

impl AssetInfo {
    fn of(entry: Entry, index: &AssetIndex) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let track = |track: &TrackIndex| TrackInfo {
            id: track.id,
            codec: track.codec.name(),
            codec_string: track.codec.rfc6381(),
            resolution: track.codec.resolution().map(|size| (size.width, size.height)),
            frame_rate: (track.kind() == MediaKind::Video).then(|| track.rate()),
            sample_rate_hz: track.codec.sample_rate_hz(),
            channels: track.codec.channels(),
            language: track.language.map(language_tag),
            duration_ms: millis(track.duration()),
            bitrate_bps: track.bitrate_bps(),
        };
        let format = match index.format {
            SourceFormat::Mp4 => "mp4",
            SourceFormat::Flv => "flv",
            SourceFormat::Ts { .. } => "ts",
        };
        let tracks: Vec<TrackInfo> = index.tracks.iter().map(track).collect();
        let bitrate_bps = tracks.iter().map(|track| track.bitrate_bps).sum();
        let playlist = |container| {
            let carried = index.tracks.iter().any(|track| carries(container, &track.codec));
            carried.then(|| playlist_path(&entry.path, container))
        };
        Self {
            ts_playlist: playlist(Container::Ts),
            fmp4_playlist: playlist(Container::Fmp4),
            entry,
            format,
            duration_ms: millis(index.duration()),
            bitrate_bps,
            tracks,
        }
    }
}

/// A library below one root. Clones share it. Paths are as [`AssetPath::new`] reads them: decoded, without a slash in
/// front; the empty path is the root.
#[derive(Clone, Debug)]
pub struct Library {
    pub(crate) shared: Arc<Shared>,
    pub(crate) vod: Vod,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) root: Arc<Root>,
    pub(super) uploads: Uploads,
}

impl Shared {
    pub(crate) fn new(root: Arc<Root>) -> Self {
        Self { root, uploads: Uploads::default() }
    }
}

impl Library {
    /// The library below `root`, with caches of its own. Where files are served as well, take
    /// [`Vod::library`](crate::Vod::library).
    ///
    /// # Errors
    /// [`LibraryError::Io`] when the folder cannot be opened.
    pub fn open(root: &Path) -> Result<Self, LibraryError> {
        let options = VodOptions { roots: vec![root.to_path_buf()], ..VodOptions::default() };
        let vod = Vod::open(options).map_err(|error| LibraryError::Io(io::Error::other(error)))?;
        vod.library().ok_or(LibraryError::NotFound { what: "folder" })
    }

    /// Describes the media file `path`.
    ///
    /// # Errors
    /// [`LibraryError::BadName`], [`LibraryError::NotFound`], [`LibraryError::NotMedia`] for a file that cannot be
    /// played, [`LibraryError::Io`].
    pub async fn info(&self, path: &str) -> Result<AssetInfo, LibraryError> {
        let path = AssetPath::new(path)?;
        if path.is_root() {
            return Err(LibraryError::BadName(NameError::Empty));
        }
        let wanted = path.clone();
        let opened =
            self.blocking(move |shared| shared.root.open_file(&wanted).map_err(LibraryError::of_asset));
        let (file, stat) = opened.await?;
        if EntryKind::of_file(&path) != EntryKind::Media {
            return Err(LibraryError::NotMedia { reason: "the name is none of a media file".to_owned() });
        }
        let index = self.vod.inner.indexes.get(&Arc::new(file), Identity::of(&stat), &path).await;
        let index = index.map_err(|error| match error {
            VodError::Index(error) => LibraryError::NotMedia { reason: error.to_string() },
            VodError::Io(error) => LibraryError::Io(error),
            error => LibraryError::Io(io::Error::other(error)),
        })?;
        let entry = entry(path, &stat).ok_or(LibraryError::ASSET)?;
        Ok(AssetInfo::of(entry, &index))
    }

    /// Lists `limit` entries (at most [`MAX_PAGE_ENTRIES`]) of `folder` from the one at index `offset` on. Hidden files,
    /// names that cannot be asked for, and links that lead out of the root are left out.
    ///
    /// # Errors
    /// [`LibraryError::BadName`], [`LibraryError::NotFound`], [`LibraryError::TooLarge`] for a folder of more than
    /// [`MAX_FOLDER_ENTRIES`], [`LibraryError::Io`].
    pub async fn list(&self, folder: &str, offset: usize, limit: usize) -> Result<Listing, LibraryError> {
        let folder = AssetPath::new(folder)?;
        self.blocking(move |shared| {
            let mut entries = entries(&shared.root, &folder, MAX_FOLDER_ENTRIES)?;
            let total = entries.len();
            entries.sort_unstable_by(|a, b| {
                let order = |entry: &Entry| entry.kind != EntryKind::Folder;
                order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path))
            });
            let entries = entries.into_iter().skip(offset).take(limit.min(MAX_PAGE_ENTRIES)).collect();
            Ok(Listing { entries, total })
        })
        .await
    }

    /// Deletes the file `path`, or the empty folder. Who is being sent the file gets the rest of it.
    ///
    /// # Errors
    /// [`LibraryError::BadName`], [`LibraryError::NotFound`], [`LibraryError::Conflict`] for a folder that is not empty,
    /// [`LibraryError::Io`].
    pub async fn delete(&self, path: &str) -> Result<(), LibraryError> {
        let path = AssetPath::new(path)?;
        if path.is_root() {
            return Err(LibraryError::BadName(NameError::Empty));
        }
        self.blocking(move |shared| {
            let parent = shared.root.open_folder(&path.parent()).map_err(LibraryError::of_asset)?;
            let name = path.file_name();
            // The link itself is deleted, never what it leads to.
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match rustix::fs::unlinkat(&parent, name, flags) {
                Err(Errno::NOTEMPTY) => {
                    Err(LibraryError::Conflict { reason: "the folder is not empty".to_owned() })
                }
                deleted => Ok(deleted?),
            }
        })
        .await
    }

    /// Does `work` where blocking is allowed.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, LibraryError> + Send + 'static,
    ) -> Result<T, LibraryError> {
        let shared = Arc::clone(&self.shared);
        match spawn_blocking(move || work(&shared)).await {
            Ok(result) => result,
            // The runtime shuts down.
            Err(error) => Err(LibraryError::Io(io::Error::other(error))),
        }
    }
}

fn entries(root: &Root, folder: &AssetPath, max: usize) -> Result<Vec<Entry>, LibraryError> {
    let opened = root.open_folder(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LibraryError::NotFound { what: "folder" },
        _ => LibraryError::Io(error),
    })?;
    let mut entries = Vec::new();
    for found in Dir::read_from(opened.as_fd()).map_err(|error| LibraryError::Io(error.into()))? {
        let found = found.map_err(|error| LibraryError::Io(error.into()))?;
        let path = found.file_name().to_str().ok().and_then(|name| folder.join(name).ok());
        let Some((path, stat)) = path.and_then(|path| root.stat(&path).ok().map(|stat| (path, stat))) else {
            continue;
        };
        if entries.len() >= max {
            let (what, max) = ("entries of a folder", max as u64);
            return Err(LibraryError::TooLarge { what, value: max + 1, max });
        }
        entries.extend(entry(path, &stat));
    }
    Ok(entries)
}

/// What `stat` tells of `path`; `None` for what is neither file nor folder.
pub(super) fn entry(path: AssetPath, stat: &Stat) -> Option<Entry> {
    let (kind, size_bytes) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => (EntryKind::Folder, 0),
        FileType::RegularFile => (EntryKind::of_file(&path), u64::try_from(stat.st_size).unwrap_or(0)),
        _ => return None,
    };
    Some(Entry { path, kind, size_bytes, modified_unix_ms: modified_unix_ms(stat) })
}

/// When the file was last written to.
pub(super) fn modified_unix_ms(stat: &Stat) -> i64 {
    let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn library() -> (tempfile::TempDir, Library) {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path()).unwrap();
        (folder, library)
    }

    #[tokio::test]
    async fn a_folder_is_listed_page_by_page() {
        let (folder, library) = library();
        for name in ["b.mp4", "a.MOV", "c.vtt", "d.smil", "e.txt", ".hidden.mp4", "bad\\name.mp4"] {
            fs::write(folder.path().join(name), "12345").unwrap();
        }
        fs::create_dir(folder.path().join("z")).unwrap();
        symlink("/etc", folder.path().join("etc")).unwrap();
        let all = library.list("", 0, 100).await.unwrap();
        let found: Vec<_> = all.entries.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
        use EntryKind::{Folder, Manifest, Media, Other, Subtitles};
        let expected = [
            ("z", Folder),
            ("a.MOV", Media),
            ("b.mp4", Media),
            ("c.vtt", Subtitles),
            ("d.smil", Manifest),
            ("e.txt", Other),
        ];
        assert_eq!(found, expected);
        assert_eq!(all.entries[1].size_bytes, 5);
        assert!(all.entries[1].modified_unix_ms > 1_600_000_000_000);
        let page = library.list("", 1, 2).await.unwrap();
        assert_eq!((page.entries, page.total), (all.entries[1..3].to_vec(), 6));
        assert!(matches!(library.list("y", 0, 1).await, Err(LibraryError::NotFound { what: "folder" })));
        assert!(matches!(library.list("a.MOV", 0, 1).await, Err(LibraryError::NotFound { .. })));
        assert!(matches!(library.list("../x", 0, 1).await, Err(LibraryError::BadName(NameError::Dot))));
        assert!(matches!(library.list("etc", 0, 1).await, Err(LibraryError::NotFound { .. })));
    }

    #[test]
    fn entries_at_their_limit() {
        let (folder, library) = library();
        for name in ["a", "b", "c"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = |max| entries(&library.shared.root, &AssetPath::root(), max);
        assert_eq!(found(3).unwrap().len(), 3);
        assert!(matches!(found(2), Err(LibraryError::TooLarge { value: 3, max: 2, .. })));
    }

    #[tokio::test]
    async fn files_and_empty_folders_are_deleted() {
        let (folder, library) = library();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept.mp4"), "x").unwrap();
        symlink(outside.path().join("kept.mp4"), folder.path().join("link.mp4")).unwrap();
        symlink(outside.path(), folder.path().join("out")).unwrap();
        fs::create_dir(folder.path().join("films")).unwrap();
        fs::write(folder.path().join("films/a.mp4"), "x").unwrap();
        assert!(matches!(library.delete("films").await, Err(LibraryError::Conflict { .. })));
        assert!(matches!(library.delete("films/b.mp4").await, Err(LibraryError::NotFound { .. })));
        assert!(matches!(library.delete("out/kept.mp4").await, Err(LibraryError::NotFound { .. })));
        assert!(matches!(library.delete("").await, Err(LibraryError::BadName(_))));
        assert!(matches!(library.delete("films/../films/a.mp4").await, Err(LibraryError::BadName(_))));
        library.delete("films/a.mp4").await.unwrap();
        library.delete("films").await.unwrap();
        library.delete("link.mp4").await.unwrap();
        assert!(outside.path().join("kept.mp4").exists());
        assert_eq!(library.list("", 0, 9).await.unwrap().total, 0);
    }
}
