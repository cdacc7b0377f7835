//! The files of the database on the disk: made private, and watched for being taken away while in use.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::failure::unusable;
use crate::store::StoreError;

/// Names a file whatever its path.
type Inode = (u64, u64);

/// The database file and its write-ahead log, as they were when the database was opened.
pub(super) struct Files {
    path: PathBuf,
    opened: [(PathBuf, Inode); 2],
}

impl Files {
    /// Makes the file if there is none. It is never opened here once it exists: closing it would give up the locks
    /// that this process holds on it (POSIX record locks belong to the process).
    pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mode = fs::metadata(path).map_err(|error| unusable(&error, path))?.mode();
                if mode & 0o077 == 0 {
                    return Ok(());
                }
                fs::set_permissions(path, Permissions::from_mode(0o600))
                    .map_err(|error| unusable(&error, path))
            }
            Err(error) => Err(unusable(&error, path)),
        }
    }

    /// Notes which files are open.
    pub(super) fn note(path: &Path) -> Result<Self, StoreError> {
        let mut log = OsString::from(path);
        log.push("-wal");
        let note = |path: PathBuf| {
            let inode = inode(&path).map_err(|error| unusable(&error, &path))?;
            Ok((path, inode))
        };
        Ok(Self { path: path.to_path_buf(), opened: [note(path.to_path_buf())?, note(log.into())?] })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what is written would be found again.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.opened {
            match inode(path) {
                Ok(there) if there == *opened => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&error, path)),
                _ => return Err(StoreError::Removed { path: path.display().to_string() }),
            }
        }
        Ok(())
    }
}

fn inode(path: &Path) -> io::Result<Inode> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
