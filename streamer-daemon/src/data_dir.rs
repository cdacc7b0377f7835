//! The data folder: made for its owner alone, used by one engine and one manager at a time; files are written
//! whole, and secrets are made once.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use streamer_control::link::{LinkKey, link_key};
use tempfile::NamedTempFile;

use crate::daemon::Daemon;
use crate::error::DaemonError;

/// Random bytes of a secret: as strong as any key.
const SECRET_BYTES: usize = 32;
/// Most bytes read of the file of a secret: an operator may have put one of their own there.
pub const MAX_SECRET_FILE_BYTES: u64 = 256;

/// The folder in which a daemon keeps its state. It is locked until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Arc<File>,
}

impl DataDir {
    /// Opens `path`, made for its owner alone if it is not there, tries that it can be written, and locks it for
    /// `daemon`.
    ///
    /// # Errors
    /// [`DaemonError::DataDirInUse`] when another of the same role has it, else [`DaemonError::DataDir`]; both name the
    /// path.
    pub fn open(path: &Path, daemon: &Daemon) -> Result<Self, DaemonError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| failed(path, "made", source))?;
        NamedTempFile::new_in(path).map_err(|source| failed(path, "written to", source))?;
        Ok(Self { path: path.to_path_buf(), _lock: Arc::new(lock(path, daemon)?) })
    }

    /// The path of the file `name` in it.
    #[must_use]
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The secret in the file `name`: the one kept, or a new one of 64 hexadecimal digits. It is readable by its
    /// owner alone. Two processes that ask at once are given the same one.
    ///
    /// # Errors
    /// [`DaemonError`] when the file cannot be read or written, is empty or too long, or the system has no
    /// random numbers.
    pub fn secret(&self, name: &str) -> Result<String, DaemonError> {
        let path = self.file(name);
        match read_secret(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_secret(&path)?,
            kept => return kept.map_err(|source| failed(&path, "used as a secret", source)),
        }
        // Read again: another process may have been first.
        read_secret(&path).map_err(|source| failed(&path, "used as a secret", source))
    }

    /// The secret that engine and manager share; made if there is none yet.
    ///
    /// # Errors
    /// [`DaemonError::DataDir`] when it cannot be read, written or understood.
    pub fn link_key(&self) -> Result<LinkKey, DaemonError> {
        link_key(&self.path).map_err(|error| failed(&error.path, error.action, error.source))
    }

    fn make_secret(&self, path: &Path) -> Result<(), DaemonError> {
        let mut random = [0; SECRET_BYTES];
        getrandom::fill(&mut random).map_err(|error| DaemonError::System {
            what: "random numbers for a secret",
            source: io::Error::other(error),
        })?;
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let write = || {
            let mut file = NamedTempFile::new_in(&self.path)?;
            writeln!(file, "{secret}")?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(path) {
                Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
                _ => Ok(()),
            }
        };
        write().map_err(|source| failed(path, "written", source))
    }

    /// Puts `content` in the file `name`, all at once: a reader sees the old or the new, never a part.
    ///
    /// # Errors
    /// [`DaemonError::DataDir`].
    pub fn replace(&self, name: &str, content: &str) -> Result<(), DaemonError> {
        let path = self.file(name);
        let write = || {
            let mut file = NamedTempFile::new_in(&self.path)?;
            file.write_all(content.as_bytes())?;
            // Else a machine that loses its power may keep the name and lose the content.
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| failed(&path, "written", source))
    }

    /// Takes the file `name` away, if it is there.
    ///
    /// # Errors
    /// [`DaemonError::DataDir`].
    pub fn remove(&self, name: &str) -> Result<(), DaemonError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(&path, "removed", source)),
            _ => Ok(()),
        }
    }
}

/// The secret in the file at `path`, which is made readable by its owner alone.
fn read_secret(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let len = File::open(path)?.take(MAX_SECRET_FILE_BYTES + 1).read_to_string(&mut text)?;
    let secret = text.trim();
    let reason = if secret.is_empty() {
        "it is empty"
    } else if len as u64 > MAX_SECRET_FILE_BYTES {
        "it is too long"
    } else if secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        return Ok(secret.to_owned());
    } else {
        "it holds more than visible ASCII characters"
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

fn lock(folder: &Path, daemon: &Daemon) -> Result<File, DaemonError> {
    let path = folder.join(daemon.lock_file());
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|source| failed(&path, "written", source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(DaemonError::DataDirInUse { path: folder.to_path_buf(), role: daemon.role })
        }
        Err(TryLockError::Error(source)) => Err(failed(&path, "locked", source)),
    }
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> DaemonError {
    DaemonError::DataDir { path: path.to_path_buf(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "engine-token";
    const ENGINE: Daemon =
        Daemon { process: "tts", role: "engine", config_file: "engine.json", config_variable: "TTS_CONFIG" };

    fn open(path: &Path) -> Result<DataDir, DaemonError> {
        DataDir::open(path, &ENGINE)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folder_and_secret_are_their_owners_alone_and_the_secret_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let data = open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let secret = data.secret(SECRET).unwrap();
        assert_eq!(secret.len(), 2 * SECRET_BYTES);
        assert_eq!(mode(&data.file(SECRET)), 0o600);
        assert_eq!(data.secret(SECRET).unwrap(), secret);
        let other = open(&root.path().join("c")).unwrap().secret(SECRET).unwrap();
        assert_ne!(other, secret);
    }

    #[test]
    fn a_secret_at_its_limits() {
        let root = tempfile::tempdir().unwrap();
        let data = open(root.path()).unwrap();
        let longest = "t".repeat(usize::try_from(MAX_SECRET_FILE_BYTES).unwrap());
        data.replace(SECRET, &longest).unwrap();
        assert_eq!(data.secret(SECRET).unwrap(), longest);
        for bad in [String::new(), format!("{longest}t"), "two words".into()] {
            data.replace(SECRET, &bad).unwrap();
            assert!(data.secret(SECRET).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_is_made_once_however_many_ask() {
        let root = tempfile::tempdir().unwrap();
        let data = open(root.path()).unwrap();
        let asked: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| data.secret(SECRET).unwrap())).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(asked.iter().all(|secret| *secret == asked[0]), "{asked:?}");
        data.link_key().unwrap();
    }

    #[test]
    fn a_file_is_replaced_whole_and_removed_once() {
        let root = tempfile::tempdir().unwrap();
        let data = open(root.path()).unwrap();
        data.replace("x", "one").unwrap();
        data.replace("x", "two").unwrap();
        assert_eq!(fs::read_to_string(data.file("x")).unwrap(), "two");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing is left beside it and the lock");
        data.remove("x").unwrap();
        data.remove("x").unwrap();
    }

    #[test]
    fn one_of_each_role_at_a_time_has_it() {
        let root = tempfile::tempdir().unwrap();
        let first = open(root.path()).unwrap();
        let clone = first.clone();
        drop(first);
        let refused = open(root.path()).unwrap_err();
        assert!(
            matches!(&refused, DaemonError::DataDirInUse { path, role: "engine" } if path == root.path()),
            "{refused}"
        );
        let manager = Daemon { process: "ttsm", role: "manager", ..ENGINE };
        DataDir::open(root.path(), &manager).unwrap();
        drop(clone);
        open(root.path()).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = open(&root.path().join("file/data")).unwrap_err().to_string();
        assert!(error.contains("file/data: cannot be made: "), "{error}");
    }
}
