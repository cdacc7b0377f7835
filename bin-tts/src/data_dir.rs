//! The data folder: made for its owner alone, used by one engine at a time; holds the API token and the
//! addresses bound.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::error::EngineError;

/// File of the API token.
pub const TOKEN_FILE: &str = "engine-token";
/// File of the addresses the engine listens on.
pub const ADDRESSES_FILE: &str = "engine-addresses.json";
/// File whose lock says that an engine uses the folder. It stays when the engine ends; the lock does not,
/// however the engine ends.
pub const LOCK_FILE: &str = "engine.lock";
/// Random bytes of an API token: as strong as any key.
const TOKEN_BYTES: usize = 32;
/// Most bytes read of a token file: an operator may have put a token of their own there.
pub const MAX_TOKEN_BYTES: u64 = 256;

/// The folder in which the engine keeps its state. It is locked until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Arc<File>,
}

impl DataDir {
    /// Opens `path`, made for its owner alone if it is not there, tries that it can be written, and locks it.
    ///
    /// # Errors
    /// [`EngineError::DataDirInUse`] when another engine has it, else [`EngineError::DataDir`]; both name the
    /// path.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| failed(path, "made", source))?;
        NamedTempFile::new_in(path).map_err(|source| failed(path, "written to", source))?;
        Ok(Self { path: path.to_path_buf(), _lock: Arc::new(lock(path)?) })
    }

    /// The path of the file `name` in it.
    #[must_use]
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The API token: the one kept, or a new one. It is readable by its owner alone.
    ///
    /// # Errors
    /// [`EngineError`] when the file cannot be read or written, is empty or too long, or the system has no
    /// random numbers.
    pub fn token(&self) -> Result<String, EngineError> {
        let path = self.file(TOKEN_FILE);
        match fs::File::open(&path) {
            Ok(file) => {
                let unusable = |source| failed(&path, "used as the API token", source);
                let mut text = String::new();
                let len = file.take(MAX_TOKEN_BYTES + 1).read_to_string(&mut text).map_err(unusable)?;
                let token = text.trim();
                let reason = if token.is_empty() {
                    "it is empty"
                } else if len as u64 > MAX_TOKEN_BYTES {
                    "it is too long"
                } else if token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(unusable)?;
                    return Ok(token.to_owned());
                } else {
                    "it holds more than visible ASCII characters"
                };
                Err(unusable(io::Error::new(io::ErrorKind::InvalidData, reason)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_token(&path),
            Err(source) => Err(failed(&path, "read", source)),
        }
    }

    /// Puts `content` in the file `name`, all at once: a reader sees the old or the new, never a part.
    ///
    /// # Errors
    /// [`EngineError::DataDir`].
    pub fn replace(&self, name: &str, content: &str) -> Result<(), EngineError> {
        let path = self.file(name);
        let write = || {
            let mut file = NamedTempFile::new_in(&self.path)?;
            file.write_all(content.as_bytes())?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| failed(&path, "written", source))
    }

    /// Takes the file `name` away, if it is there.
    ///
    /// # Errors
    /// [`EngineError::DataDir`].
    pub fn remove(&self, name: &str) -> Result<(), EngineError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(&path, "removed", source)),
            _ => Ok(()),
        }
    }
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    let path = folder.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|source| failed(&path, "written", source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::DataDirInUse { path: folder.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(failed(&path, "locked", source)),
    }
}

fn make_token(path: &Path) -> Result<String, EngineError> {
    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random).map_err(|error| EngineError::System {
        what: "random numbers for the API token",
        source: io::Error::other(error),
    })?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(|source| failed(path, "written", source))?;
    writeln!(file, "{token}").map_err(|source| failed(path, "written", source))?;
    Ok(token)
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> EngineError {
    EngineError::DataDir { path: path.to_path_buf(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folder_and_token_are_their_owners_alone_and_the_token_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let data = DataDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let token = data.token().unwrap();
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        assert_eq!(mode(&data.file(TOKEN_FILE)), 0o600);
        assert_eq!(data.token().unwrap(), token);
        let other = DataDir::open(&root.path().join("c")).unwrap().token().unwrap();
        assert_ne!(other, token);
    }

    #[test]
    fn a_token_at_its_limits() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::open(root.path()).unwrap();
        let longest = "t".repeat(usize::try_from(MAX_TOKEN_BYTES).unwrap());
        data.replace(TOKEN_FILE, &longest).unwrap();
        assert_eq!(data.token().unwrap(), longest);
        for bad in [String::new(), format!("{longest}t"), "two words".into()] {
            data.replace(TOKEN_FILE, &bad).unwrap();
            assert!(data.token().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_removed_once() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::open(root.path()).unwrap();
        data.replace("x", "one").unwrap();
        data.replace("x", "two").unwrap();
        assert_eq!(fs::read_to_string(data.file("x")).unwrap(), "two");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing is left beside it and the lock");
        data.remove("x").unwrap();
        data.remove("x").unwrap();
    }

    #[test]
    fn one_engine_at_a_time_has_it() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDir::open(root.path()).unwrap();
        let clone = first.clone();
        drop(first);
        let refused = DataDir::open(root.path()).unwrap_err();
        assert!(matches!(&refused, EngineError::DataDirInUse { path } if path == root.path()), "{refused}");
        drop(clone);
        DataDir::open(root.path()).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = DataDir::open(&root.path().join("file/data")).unwrap_err().to_string();
        assert!(error.contains("file/data: cannot be made: "), "{error}");
    }
}
