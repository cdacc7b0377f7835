//! What an error of `SQLite` means to whoever runs the manager.

use std::io;
use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What `error` means for the database at `path`.
pub(super) fn failed(error: &Error, path: &Path) -> StoreError {
    let Error::SqliteFailure(failure, _) = error else {
        return match error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => StoreError::Corrupt(error.to_string()),
            _ => StoreError::Failed(error.to_string()),
        };
    };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Locked { path: path.display().to_string() }
        }
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Failed(format!("{}: {error}", path.display())),
    }
}

/// What an error of the file system means for the database at `path`.
pub(super) fn unusable(error: &io::Error, path: &Path) -> StoreError {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => StoreError::ReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Failed(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn each_code_has_its_meaning() {
        let path = Path::new("/data/manager.db");
        let meaning = |code| failed(&Error::SqliteFailure(ffi::Error::new(code), None), path);
        let locked = StoreError::Locked { path: "/data/manager.db".into() };
        assert_eq!(meaning(ffi::SQLITE_BUSY), locked);
        assert_eq!(meaning(ffi::SQLITE_FULL), StoreError::Full);
        for code in [ffi::SQLITE_READONLY, ffi::SQLITE_READONLY_DIRECTORY, ffi::SQLITE_PERM] {
            assert_eq!(meaning(code), StoreError::ReadOnly);
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
            assert!(matches!(meaning(code), StoreError::Corrupt(_)));
        }
        let other = meaning(ffi::SQLITE_IOERR_FSYNC);
        assert!(matches!(&other, StoreError::Failed(text) if text.contains("/data/manager.db")), "{other}");
    }

    #[test]
    fn errors_of_the_file_system_have_the_same_meanings() {
        let meaning = |kind: io::ErrorKind| unusable(&kind.into(), Path::new("/d"));
        assert_eq!(meaning(io::ErrorKind::ReadOnlyFilesystem), StoreError::ReadOnly);
        assert_eq!(meaning(io::ErrorKind::StorageFull), StoreError::Full);
        assert!(matches!(meaning(io::ErrorKind::NotFound), StoreError::Failed(_)));
    }
}
