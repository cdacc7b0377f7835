//! The file of the link's secret: made by whichever daemon starts first, read by the other, never seen half written.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use super::seal::{LINK_SECRET_BYTES, LINK_SECRET_FILE, LinkKey};

/// Most bytes read of the file: the digits, and room for white space around them.
pub const MAX_SECRET_FILE_BYTES: u64 = 256;

/// Why there is no secret.
#[derive(Debug, Error)]
#[error("{path}: cannot be {action}: {source}", path = path.display())]
pub struct SecretFileError {
    /// The file.
    pub path: PathBuf,
    /// What was tried, as in "cannot be read".
    pub action: &'static str,
    /// Why.
    pub source: io::Error,
}

/// The key of the secret kept in `folder`, made at random if there is none yet. The file is its owner's alone. Any
/// number of processes may call this at once: all get the same key.
///
/// # Errors
/// [`SecretFileError`] naming the file that cannot be read, written or understood.
pub fn link_key(folder: &Path) -> Result<LinkKey, SecretFileError> {
    let path = folder.join(LINK_SECRET_FILE);
    match read(&path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
            make(folder, &path)?;
            read(&path)
        }
        read => read,
    }
}

fn read(path: &Path) -> Result<LinkKey, SecretFileError> {
    let failed = |action, source| SecretFileError { path: path.to_path_buf(), action, source };
    let file = File::open(path).map_err(|source| failed("read", source))?;
    let mut text = String::new();
    file.take(MAX_SECRET_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|source| failed("read", source))?;
    let key = (text.len() as u64 <= MAX_SECRET_FILE_BYTES).then(|| LinkKey::from_hex(&text)).flatten();
    let Some(key) = key else {
        let expected = format!("it does not hold {} hexadecimal digits", 2 * LINK_SECRET_BYTES);
        return Err(failed(
            "used as the secret of the link",
            io::Error::new(io::ErrorKind::InvalidData, expected),
        ));
    };
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|source| failed("kept from others", source))?;
    Ok(key)
}

/// Writes a new secret beside its place and moves it there whole, unless there is one by now.
fn make(folder: &Path, path: &Path) -> Result<(), SecretFileError> {
    let failed = |source| SecretFileError { path: path.to_path_buf(), action: "written", source };
    let mut secret = [0; LINK_SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| failed(io::Error::other(error)))?;
    // Made with mode 0600.
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(file, "{}", Digits(&secret)).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error.error)),
        _ => Ok(()),
    }
}

struct Digits<'a>(&'a [u8]);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// What only holders of the same secret say alike.
    fn mark(key: &LinkKey) -> String {
        key.seal_request(1, [0; 16], "GET", "/", b"").to_string()
    }

    #[test]
    fn whoever_comes_first_makes_it_and_all_have_the_same() {
        const AT_ONCE: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(AT_ONCE);
        let mut marks: Vec<String> = std::thread::scope(|scope| {
            let come = || {
                barrier.wait();
                mark(&link_key(folder.path()).unwrap())
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(come)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        marks.push(mark(&link_key(folder.path()).unwrap()));
        assert!(marks.iter().all(|other| *other == marks[0]), "{marks:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(mark(&link_key(other.path()).unwrap()), marks[0]);
    }

    #[test]
    fn it_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        link_key(folder.path()).unwrap();
        let path = folder.path().join(LINK_SECRET_FILE);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        link_key(folder.path()).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn another_content_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LINK_SECRET_FILE);
        let digits = "ab".repeat(LINK_SECRET_BYTES);
        let room = usize::try_from(MAX_SECRET_FILE_BYTES).unwrap() - digits.len();
        fs::write(&path, format!("{digits}{}", " ".repeat(room))).unwrap();
        assert!(link_key(folder.path()).is_ok());
        for bad in [String::new(), "secret".into(), format!("{digits}{}", " ".repeat(room + 1))] {
            fs::write(&path, &bad).unwrap();
            let error = link_key(folder.path()).unwrap_err().to_string();
            assert!(error.contains("link-secret: cannot be used"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = link_key(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/link-secret: cannot be written: "), "{error}");
    }
}
