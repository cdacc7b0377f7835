//! Why a store did not do what it was asked.

use thiserror::Error;

/// Why the store did not do what it was asked. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else changed the configuration meanwhile.
    #[error("version {base} is not the newest any more: that is {newest}")]
    Conflict {
        /// The version that the change was made from.
        base: u64,
        /// The newest one.
        newest: u64,
    },
    /// There is no such version, or it is too old to be known.
    #[error("version {version} is not in the history")]
    NoVersion {
        /// The version.
        version: u64,
    },
    /// There is something of that name already.
    #[error("there is a {what} named `{name}` already")]
    Exists {
        /// What: `user`, `token`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is nothing of that name.
    #[error("there is no {what} `{name}`")]
    Missing {
        /// What: `user`, `token`, `delivery`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// No more are kept.
    #[error("there are {max} {what}s already, which is the most")]
    TooMany {
        /// What: `user`, `token`.
        what: &'static str,
        /// The most that are kept.
        max: u64,
    },
    /// Nobody would be left who may administer.
    #[error("at least one enabled administrator must remain")]
    LastAdministrator,
    /// What is stored is damaged, or of another form than this version of the program knows.
    #[error("what is stored cannot be read: {0}")]
    Corrupt(String),
    /// The database was made by a newer version of the program.
    #[error(
        "the database is of schema version {found}, this program knows {known} at most: it needs a newer one"
    )]
    Newer {
        /// Schema version of the database.
        found: i64,
        /// The newest one this program knows.
        known: i64,
    },
    /// Another process has the database.
    #[error("the database {path} is in use by another process")]
    Locked {
        /// The file.
        path: String,
    },
    /// The file that is open is not the one at its path any more: what is written to it would be lost.
    #[error(
        "the database file {path} was removed or replaced while in use: nothing is written any more; \
         what is known can still be read and exported, then the manager must be restarted"
    )]
    Removed {
        /// The file.
        path: String,
    },
    /// There is no room to write.
    #[error("the disk of the database is full")]
    Full,
    /// The file, its folder or its disk cannot be written.
    #[error("the database cannot be written: it is read-only")]
    ReadOnly,
    /// The database failed otherwise.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
