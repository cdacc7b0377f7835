//! Where the configuration is kept: the narrow interface that a database implements.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use streamer_control::link::manager_api::ConfigVersion;
use thiserror::Error;

use crate::document::{Change, ConfigDocument};

/// The configuration and the version it is.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredConfig {
    /// Its version.
    pub version: ConfigVersion,
    /// What it says.
    pub document: ConfigDocument,
}

/// One version in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, from 1 without gaps.
    pub version: u64,
    /// When it was made, Unix milliseconds.
    pub at_unix_ms: u64,
    /// Who made it: `user:name`, `token:name`, or `system`.
    pub actor: String,
    /// What it does, in a few words.
    pub summary: String,
    /// How many entities it changed.
    pub changed: u64,
}

/// A change to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The version it was made from; another one in force is a conflict.
    pub base: u64,
    /// When, Unix milliseconds.
    pub at_unix_ms: u64,
    /// Who.
    pub actor: String,
    /// What, in a few words.
    pub summary: String,
    /// The entities, before and after.
    pub changes: Vec<Change>,
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
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
    /// What is stored is of another form than this version of the program knows.
    #[error("what is stored cannot be read: {0}")]
    Corrupt(String),
    /// The database failed: a full or read-only disk, a lock held by another process.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// A store of the configuration and its history. Every commit is a transaction: after a crash the store holds all of
/// it or nothing, and what was acknowledged is there.
#[async_trait]
pub trait ConfigStore: Send + Sync {
    /// The configuration in force. A new store makes version 1 of the default.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn load(&self) -> Result<StoredConfig, StoreError>;

    /// Makes a new version; returns its number once it is safe on the disk.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when `commit.base` is not the newest version, else as the database fails; nothing is
    /// changed then.
    async fn commit(&self, commit: Commit) -> Result<u64, StoreError>;

    /// At most `limit` versions before `before` (from the newest without it), the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<Revision>, StoreError>;

    /// What `version` changed.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`] when it is not in the history, else as the database fails.
    async fn changes(&self, version: u64) -> Result<Vec<Change>, StoreError>;
}
