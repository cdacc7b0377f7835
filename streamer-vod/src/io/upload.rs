//! Uploads that can be resumed: parts in a hidden folder of the root, renamed into place when they are whole.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::indexes::index_file;
use super::library::{Entry, EntryKind, Library, LibraryError, Shared, entry, modified_unix_ms};
use crate::proto::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::proto::name::AssetPath;
use crate::proto::webvtt::{Captions, MAX_CAPTIONS_BYTES};

/// The folder of parts. Its name begins with a dot, so that no URL reaches it.
const FOLDER: &str = ".uploads";
/// Longest chunk: it is held in memory while it is written.
pub const MAX_UPLOAD_CHUNK_BYTES: usize = 16 << 20;
/// Longest upload: a day at 20 Mbit/s.
pub const MAX_UPLOAD_BYTES: u64 = 256 << 30;
/// Uploads under way at once: more people than manage a library, and a bound on what lies about.
pub const MAX_UPLOADS: usize = 64;
/// How long an upload waits for its next chunk before it is given up.
pub const UPLOAD_EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);
/// Room that an upload leaves on the disk, for configuration, logs and recordings.
pub const MIN_FREE_BYTES: u64 = 256 << 20;
/// Longest description of an upload: a path and some numbers.
const MAX_DESCRIPTION_BYTES: u64 = 16 << 10;

/// Names an upload: 128 random bits, 32 digits in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(u128);

impl UploadId {
    fn new() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    fn part(self) -> String {
        format!("{self}.part")
    }

    fn description(self) -> String {
        format!("{self}.json")
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for UploadId {
    type Err = LibraryError;

    /// # Errors
    /// [`LibraryError::NotFound`] for what no upload is called.
    fn from_str(text: &str) -> Result<Self, LibraryError> {
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let id =
            (text.len() == 32 && text.as_bytes().iter().all(is_hex)).then(|| u128::from_str_radix(text, 16));
        id.and_then(Result::ok).map(Self).ok_or(NO_UPLOAD)
    }
}

/// An upload under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Where it goes when it is whole.
    pub path: AssetPath,
    /// Bytes it will have.
    pub total_bytes: u64,
    /// Bytes that are there: the offset of the next chunk.
    pub received_bytes: u64,
    /// When it is given up unless a chunk comes, in milliseconds since the epoch of Unix.
    pub expires_unix_ms: i64,
}

/// What is kept of an upload beside its bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    path: String,
    total_bytes: u64,
}

/// Uploads that somebody writes to just now.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    busy: Mutex<HashSet<UploadId>>,
    /// One upload is created at a time, so that they can be counted.
    creating: Mutex<()>,
}

/// An upload held by one caller.
struct Held<'a> {
    uploads: &'a Uploads,
    id: UploadId,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.uploads.busy.lock().remove(&self.id);
    }
}

impl Uploads {
    fn hold(&self, id: UploadId) -> Result<Held<'_>, LibraryError> {
        if self.busy.lock().insert(id) {
            Ok(Held { uploads: self, id })
        } else {
            Err(LibraryError::Conflict { reason: "the upload is being written to".to_owned() })
        }
    }
}

const NO_UPLOAD: LibraryError = LibraryError::NotFound { what: "upload" };

impl Library {
    /// Begins an upload of `total_bytes` that is to become the file `path`.
    ///
    /// # Errors
    /// [`LibraryError::BadName`], [`LibraryError::NotMedia`] for an extension that is not served,
    /// [`LibraryError::Conflict`] when there is a file of this name, [`LibraryError::TooLarge`] past
    /// [`MAX_UPLOAD_BYTES`] or [`MAX_UPLOADS`], [`LibraryError::Full`], [`LibraryError::Io`].
    pub async fn create_upload(&self, path: &str, total_bytes: u64) -> Result<Upload, LibraryError> {
        let path = AssetPath::new(path)?;
        if matches!(EntryKind::of_file(&path), EntryKind::Other | EntryKind::Folder) {
            let reason = "files of this extension are not served".to_owned();
            return Err(LibraryError::NotMedia { reason });
        }
        within("bytes of an upload", total_bytes, MAX_UPLOAD_BYTES)?;
        self.blocking(move |shared| {
            if shared.root.stat(&path).is_ok() {
                return Err(taken());
            }
            let folder = folder(shared)?;
            let _one = shared.uploads.creating.lock();
            within("uploads under way", ids(&folder)?.len() as u64 + 1, MAX_UPLOADS as u64)?;
            room(&folder, total_bytes)?;
            let id = UploadId::new().map_err(LibraryError::Io)?;
            let description = Description { path: path.as_str().to_owned(), total_bytes };
            let description =
                serde_json::to_vec(&description).map_err(|error| LibraryError::Io(error.into()))?;
            create(&folder, &id.part(), &[])?;
            if let Err(error) = create(&folder, &id.description(), &description) {
                remove(&folder, id);
                return Err(error);
            }
            status(&folder, id)
        })
        .await
    }

    /// Appends `chunk` (at most [`MAX_UPLOAD_CHUNK_BYTES`]) to an upload. `offset` says where it belongs and has to be
    /// what [`Upload::received_bytes`] is: a chunk that was sent twice is refused.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Conflict`] for another offset and while another chunk is written,
    /// [`LibraryError::TooLarge`] for a chunk that is too long or goes past the announced end, [`LibraryError::Full`],
    /// [`LibraryError::Io`]. After an error the upload is as it was.
    pub async fn append(&self, id: UploadId, offset: u64, chunk: Bytes) -> Result<Upload, LibraryError> {
        within("bytes of a chunk", chunk.len() as u64, MAX_UPLOAD_CHUNK_BYTES as u64)?;
        self.blocking(move |shared| {
            let _held = shared.uploads.hold(id)?;
            let folder = folder(shared)?;
            let mut upload = status(&folder, id)?;
            if offset != upload.received_bytes {
                let reason = format!("the next chunk begins at byte {}", upload.received_bytes);
                return Err(LibraryError::Conflict { reason });
            }
            let end = offset.saturating_add(chunk.len() as u64);
            within("bytes of an upload", end, upload.total_bytes)?;
            let file = open(&folder, &id.part(), OFlags::WRONLY)?;
            if let Err(error) = file.write_all_at(&chunk, offset) {
                // What was written of it would be counted as received.
                if let Err(error) = file.set_len(offset) {
                    warn!(%id, %error, "a part of a chunk stays in an upload");
                }
                return Err(written(&folder, error, chunk.len() as u64));
            }
            upload.received_bytes = end;
            upload.expires_unix_ms = now_unix_ms().saturating_add(expiry_ms());
            Ok(upload)
        })
        .await
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Io`].
    pub async fn upload(&self, id: UploadId) -> Result<Upload, LibraryError> {
        self.blocking(move |shared| status(&folder(shared)?, id)).await
    }

    /// The uploads under way.
    ///
    /// # Errors
    /// [`LibraryError::Io`].
    pub async fn uploads(&self) -> Result<Vec<Upload>, LibraryError> {
        self.blocking(|shared| {
            let folder = folder(shared)?;
            Ok(ids(&folder)?.into_iter().filter_map(|id| status(&folder, id).ok()).collect())
        })
        .await
    }

    /// Puts a whole upload into its place, atomically: nobody sees half a file. Folders that are missing are made.
    /// With `replace` a file of the same name gives way.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Conflict`] when bytes are missing or there is a file of this name,
    /// [`LibraryError::NotMedia`] for what cannot be served (the upload stays), [`LibraryError::Full`],
    /// [`LibraryError::Io`].
    pub async fn finish_upload(&self, id: UploadId, replace: bool) -> Result<Entry, LibraryError> {
        self.blocking(move |shared| {
            let _held = shared.uploads.hold(id)?;
            let folder = folder(shared)?;
            let Upload { path, total_bytes, received_bytes, .. } = status(&folder, id)?;
            if received_bytes != total_bytes {
                let reason = format!("{received_bytes} of {total_bytes} bytes are there");
                return Err(LibraryError::Conflict { reason });
            }
            let file = open(&folder, &id.part(), OFlags::RDONLY)?;
            check_media(&file, total_bytes, &path)?;
            file.sync_all().map_err(|error| written(&folder, error, 0))?;
            let target =
                shared.root.make_folder(&path.parent()).map_err(|error| written(&folder, error, 0))?;
            put_in_place(&folder, &id.part(), &target, path.file_name(), replace)?;
            remove(&folder, id);
            info!(%path, bytes = total_bytes, "uploaded");
            let stat = shared.root.stat(&path).map_err(LibraryError::of_asset)?;
            entry(path, &stat).ok_or(LibraryError::ASSET)
        })
        .await
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`LibraryError::NotFound`], [`LibraryError::Conflict`] while a chunk is written, [`LibraryError::Io`].
    pub async fn abort_upload(&self, id: UploadId) -> Result<(), LibraryError> {
        self.blocking(move |shared| {
            let _held = shared.uploads.hold(id)?;
            let folder = folder(shared)?;
            status(&folder, id)?;
            remove(&folder, id);
            Ok(())
        })
        .await
    }

    /// Deletes the uploads that had no chunk for [`UPLOAD_EXPIRY`] and answers how many. To be called now and then.
    ///
    /// # Errors
    /// [`LibraryError::Io`].
    pub async fn expire_uploads(&self) -> Result<usize, LibraryError> {
        self.expire_uploads_at(now_unix_ms()).await
    }

    async fn expire_uploads_at(&self, now_unix_ms: i64) -> Result<usize, LibraryError> {
        self.blocking(move |shared| {
            let folder = folder(shared)?;
            let mut expired = 0;
            for id in ids(&folder)? {
                let Ok(_held) = shared.uploads.hold(id) else { continue };
                let part = rustix::fs::statat(&folder, id.part(), AtFlags::SYMLINK_NOFOLLOW);
                let touched = part.map_or(i64::MIN, |stat| modified_unix_ms(&stat));
                if touched.saturating_add(expiry_ms()) <= now_unix_ms {
                    remove(&folder, id);
                    info!(%id, "gave up an upload that nobody went on with");
                    expired += 1;
                }
            }
            Ok(expired)
        })
        .await
    }
}

fn within(what: &'static str, value: u64, max: u64) -> Result<(), LibraryError> {
    if value > max { Err(LibraryError::TooLarge { what, value, max }) } else { Ok(()) }
}

/// Sees whether a file can be served under its name.
fn check_media(file: &File, len_bytes: u64, path: &AssetPath) -> Result<(), LibraryError> {
    let refused = |reason: String| Err(LibraryError::NotMedia { reason });
    match EntryKind::of_file(path) {
        EntryKind::Media => match index_file(file, len_bytes, path).map_err(LibraryError::Io)? {
            Ok(_) => Ok(()),
            Err(error) => refused(error.to_string()),
        },
        EntryKind::Subtitles => {
            let mut text = Vec::new();
            file.take(MAX_CAPTIONS_BYTES as u64 + 1).read_to_end(&mut text).map_err(LibraryError::Io)?;
            Captions::parse(&text).map_or_else(|error| refused(error.to_string()), |_| Ok(()))
        }
        EntryKind::Manifest => {
            let mut text = Vec::new();
            file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut text).map_err(LibraryError::Io)?;
            Manifest::parse(path, &text).map_or_else(|error| refused(error.to_string()), |_| Ok(()))
        }
        _ => Ok(()),
    }
}

fn taken() -> LibraryError {
    LibraryError::Conflict { reason: "there is a file of this name".to_owned() }
}

fn folder(shared: &Shared) -> Result<OwnedFd, LibraryError> {
    shared.root.make_own_folder(FOLDER).map_err(LibraryError::Io)
}

/// The uploads in the folder, those that lack their part or their description included.
fn ids(folder: &OwnedFd) -> Result<HashSet<UploadId>, LibraryError> {
    let mut ids = HashSet::new();
    for found in Dir::read_from(folder.as_fd()).map_err(|error| LibraryError::Io(error.into()))? {
        let found = found.map_err(|error| LibraryError::Io(error.into()))?;
        let id: Option<UploadId> =
            found.file_name().to_str().ok().and_then(|name| name.split_once('.')?.0.parse().ok());
        ids.extend(id);
    }
    Ok(ids)
}

fn status(folder: &OwnedFd, id: UploadId) -> Result<Upload, LibraryError> {
    let stat = rustix::fs::statat(folder, id.part(), AtFlags::SYMLINK_NOFOLLOW).map_err(of_upload)?;
    let mut text = Vec::new();
    let description = open(folder, &id.description(), OFlags::RDONLY)?;
    description.take(MAX_DESCRIPTION_BYTES).read_to_end(&mut text).map_err(LibraryError::Io)?;
    // Half of one is left by a crash: it was never acknowledged.
    let Description { path, total_bytes } = serde_json::from_slice(&text).map_err(|_| NO_UPLOAD)?;
    Ok(Upload {
        id,
        path: AssetPath::new(&path)?,
        total_bytes,
        received_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        expires_unix_ms: modified_unix_ms(&stat).saturating_add(expiry_ms()),
    })
}

fn of_upload(error: Errno) -> LibraryError {
    if error == Errno::NOENT { NO_UPLOAD } else { LibraryError::Io(error.into()) }
}

fn open(folder: &OwnedFd, name: &str, flags: OFlags) -> Result<File, LibraryError> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).map(File::from).map_err(of_upload)
}

fn create(folder: &OwnedFd, name: &str, content: &[u8]) -> Result<(), LibraryError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o644));
    let written_to = file.map_err(Into::into).and_then(|file| File::from(file).write_all(content));
    written_to.map_err(|error| written(folder, error, content.len() as u64))
}

fn remove(folder: &OwnedFd, id: UploadId) {
    for name in [id.part(), id.description()] {
        match rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => warn!(name, %error, "a file of an upload could not be deleted"),
        }
    }
}

fn put_in_place(
    from: &OwnedFd,
    part: &str,
    to: &OwnedFd,
    name: &str,
    replace: bool,
) -> Result<(), LibraryError> {
    let done = if replace {
        rustix::fs::renameat(from, part, to, name)
    } else {
        match rustix::fs::renameat_with(from, part, to, name, RenameFlags::NOREPLACE) {
            // Some network file systems cannot; a hard link does not replace either.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::linkat(from, part, to, name, AtFlags::empty()),
            done => done,
        }
    };
    match done {
        Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => Err(taken()),
        Err(error) => Err(written(from, error.into(), 0)),
        Ok(()) => Ok(()),
    }
}

/// What an error of writing `needed_bytes` means.
fn written(folder: &OwnedFd, error: io::Error, needed_bytes: u64) -> LibraryError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if full {
        return LibraryError::Full { needed_bytes, available_bytes: available(folder).unwrap_or(0) };
    }
    LibraryError::Io(error)
}

fn available(folder: &OwnedFd) -> Result<u64, Errno> {
    let stat = rustix::fs::fstatvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn room(folder: &OwnedFd, needed_bytes: u64) -> Result<(), LibraryError> {
    let available_bytes = available(folder).map_err(|error| LibraryError::Io(error.into()))?;
    if needed_bytes.saturating_add(MIN_FREE_BYTES) > available_bytes {
        return Err(LibraryError::Full { needed_bytes, available_bytes });
    }
    Ok(())
}

fn expiry_ms() -> i64 {
    i64::try_from(UPLOAD_EXPIRY.as_millis()).unwrap_or(i64::MAX)
}

fn now_unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn library() -> (tempfile::TempDir, Library) {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path()).unwrap();
        (folder, library)
    }

    #[tokio::test]
    async fn an_upload_goes_on_where_it_stopped() {
        let (folder, library) = library();
        let upload = library.create_upload("films/new/a.vtt", 12).await.unwrap();
        assert_eq!((upload.received_bytes, upload.path.as_str()), (0, "films/new/a.vtt"));
        let id = upload.id;
        assert_eq!(library.append(id, 0, Bytes::from("WEBVTT")).await.unwrap().received_bytes, 6);
        // Another process takes it up.
        let library = Library::open(folder.path()).unwrap();
        assert_eq!(library.upload(id).await.unwrap().received_bytes, 6);
        assert_eq!(library.uploads().await.unwrap().len(), 1);
        for offset in [0, 5, 7] {
            let refused = library.append(id, offset, Bytes::from("\n\n")).await;
            assert!(matches!(refused, Err(LibraryError::Conflict { .. })), "{refused:?}");
        }
        assert!(matches!(library.finish_upload(id, false).await, Err(LibraryError::Conflict { .. })));
        assert!(!folder.path().join("films").exists(), "nobody sees half a file");
        let past = library.append(id, 6, Bytes::from("1234567")).await;
        assert!(matches!(past, Err(LibraryError::TooLarge { value: 13, max: 12, .. })));
        library.append(id, 6, Bytes::from("\n\n\n\n\n\n")).await.unwrap();
        let entry = library.finish_upload(id, false).await.unwrap();
        assert_eq!((entry.size_bytes, entry.kind), (12, EntryKind::Subtitles));
        assert_eq!(fs::read(folder.path().join("films/new/a.vtt")).unwrap(), b"WEBVTT\n\n\n\n\n\n");
        assert!(matches!(library.upload(id).await, Err(LibraryError::NotFound { what: "upload" })));
        assert_eq!(library.uploads().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_not_overwritten_unasked() {
        let (folder, library) = library();
        let first = library.create_upload("a.vtt", 8).await.unwrap();
        let second = library.create_upload("a.vtt", 8).await.unwrap();
        library.append(first.id, 0, Bytes::from("WEBVTT 1")).await.unwrap();
        library.append(second.id, 0, Bytes::from("WEBVTT 2")).await.unwrap();
        library.finish_upload(first.id, false).await.unwrap();
        assert!(matches!(library.finish_upload(second.id, false).await, Err(LibraryError::Conflict { .. })));
        assert_eq!(fs::read(folder.path().join("a.vtt")).unwrap(), b"WEBVTT 1");
        library.finish_upload(second.id, true).await.unwrap();
        assert_eq!(fs::read(folder.path().join("a.vtt")).unwrap(), b"WEBVTT 2");
        assert!(matches!(library.create_upload("a.vtt", 1).await, Err(LibraryError::Conflict { .. })));
    }

    #[tokio::test]
    async fn what_cannot_be_served_does_not_come_into_its_place() {
        let (folder, library) = library();
        for name in ["a.mp4", "a.vtt", "a.smil", "a.json", "a.ts"] {
            let upload = library.create_upload(name, 5).await.unwrap();
            library.append(upload.id, 0, Bytes::from("wrong")).await.unwrap();
            let refused = library.finish_upload(upload.id, false).await;
            assert!(matches!(refused, Err(LibraryError::NotMedia { .. })), "{refused:?}");
            assert!(!folder.path().join(name).exists());
        }
        let media = include_bytes!("../../testdata/ffmpeg_progressive.mp4");
        let upload = library.create_upload("films/b.mp4", media.len() as u64).await.unwrap();
        library.append(upload.id, 0, Bytes::from_static(media)).await.unwrap();
        library.finish_upload(upload.id, false).await.unwrap();
        let info = library.info("films/b.mp4").await.unwrap();
        let tracks: Vec<_> =
            info.tracks.iter().map(|track| (track.codec, track.resolution, track.channels)).collect();
        assert_eq!(tracks, [("H264", Some((64, 48)), None), ("AAC", None, Some(1))]);
        assert_eq!(info.tracks[1].language.as_deref(), Some("fr"));
        assert!((660..700).contains(&info.duration_ms) && info.bitrate_bps > 1_000, "{info:?}");
    }

    #[tokio::test]
    async fn names_and_kinds_are_checked_first() {
        let (_folder, library) = library();
        for name in ["../a.mp4", "/etc/a.mp4", ".uploads/a.mp4", "a\\b.mp4", "a\0.mp4"] {
            let refused = library.create_upload(name, 1).await;
            assert!(matches!(refused, Err(LibraryError::BadName(_))), "{name}: {refused:?}");
        }
        for name in ["a.exe", "a", "mp4"] {
            let refused = library.create_upload(name, 1).await;
            assert!(matches!(refused, Err(LibraryError::NotMedia { .. })), "{name}: {refused:?}");
        }
        for id in ["", "../../etc/passwd", "0", "G0000000000000000000000000000000"] {
            assert!(matches!(id.parse::<UploadId>(), Err(LibraryError::NotFound { .. })));
        }
        let id = UploadId::new().unwrap();
        assert_eq!(id.to_string().parse::<UploadId>().unwrap(), id);
    }

    #[tokio::test]
    async fn sizes_and_numbers_at_their_limits() {
        let (_folder, library) = library();
        let past = library.create_upload("a.mp4", MAX_UPLOAD_BYTES + 1).await;
        assert!(matches!(past, Err(LibraryError::TooLarge { max: MAX_UPLOAD_BYTES, .. })));
        // It would not fit this disk either, but that is another error.
        let at = library.create_upload("a.mp4", MAX_UPLOAD_BYTES).await;
        assert!(matches!(at, Ok(_) | Err(LibraryError::Full { .. })), "{at:?}");
        let upload = library.create_upload("b.mp4", 64 << 20).await.unwrap();
        let chunk = Bytes::from(vec![0; MAX_UPLOAD_CHUNK_BYTES + 1]);
        let past = library.append(upload.id, 0, chunk.clone()).await;
        assert!(matches!(past, Err(LibraryError::TooLarge { .. })));
        library.append(upload.id, 0, chunk.slice(1..)).await.unwrap();
        let held = library.uploads().await.unwrap().len();
        for number in held..MAX_UPLOADS {
            library.create_upload(&format!("{number}.mp4"), 1).await.unwrap();
        }
        let past = library.create_upload("past.mp4", 1).await;
        assert!(matches!(past, Err(LibraryError::TooLarge { what: "uploads under way", .. })));
        library.abort_upload(upload.id).await.unwrap();
        library.create_upload("past.mp4", 1).await.unwrap();
    }

    #[tokio::test]
    async fn a_disk_without_room_is_told() {
        let (_folder, library) = library();
        let held = folder(&library.shared).unwrap();
        let available = available(&held).unwrap();
        let full = library.create_upload("a.mp4", available.min(MAX_UPLOAD_BYTES)).await;
        if available <= MAX_UPLOAD_BYTES {
            assert!(matches!(full, Err(LibraryError::Full { .. })), "{full:?}");
        }
        let error = io::Error::from(Errno::NOSPC);
        assert!(matches!(written(&held, error, 7), LibraryError::Full { needed_bytes: 7, .. }));
        let error = io::Error::from(Errno::ROFS);
        assert!(matches!(written(&held, error, 7), LibraryError::Io(_)));
    }

    #[tokio::test]
    async fn what_nobody_goes_on_with_expires() {
        let (folder, library) = library();
        let upload = library.create_upload("a.mp4", 2).await.unwrap();
        library.append(upload.id, 0, Bytes::from("1")).await.unwrap();
        // Left by a crash between two files.
        fs::write(folder.path().join(".uploads").join(UploadId::new().unwrap().description()), "{").unwrap();
        assert_eq!(library.expire_uploads_at(upload.expires_unix_ms - 60_000).await.unwrap(), 1);
        assert_eq!(library.uploads().await.unwrap().len(), 1);
        assert_eq!(library.expire_uploads_at(upload.expires_unix_ms + 60_000).await.unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path().join(".uploads")).unwrap().count(), 0);
    }
}
