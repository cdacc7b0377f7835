//! The library: what lies below a root, listed, described and deleted. Uploads are in the module beside.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::root::Root;
use super::upload::Uploads;
use crate::proto::name::{AssetPath, NameError};

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

/// A library below one root. Clones share it. Paths are as [`AssetPath::new`] reads them: decoded, without a slash in
/// front; the empty path is the root.
#[derive(Clone, Debug)]
pub struct Library {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) root: Arc<Root>,
    pub(super) uploads: Uploads,
}

impl Library {
    /// The library below `root`.
    ///
    /// # Errors
    /// [`LibraryError::Io`] when the folder cannot be opened.
    pub fn open(root: &Path) -> Result<Self, LibraryError> {
        let root = Arc::new(Root::open(root).map_err(LibraryError::Io)?);
        Ok(Self { shared: Arc::new(Shared { root, uploads: Uploads::default() }) })
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
