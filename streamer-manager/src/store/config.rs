//! The interface of the store of the configuration and its history.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use streamer_control::link::manager_api::ConfigVersion;

use super::error::StoreError;
use crate::document::{Change, ConfigDocument};

/// Versions kept in the history, the newest: months of daily work. Older ones are forgotten.
pub const MAX_REVISIONS: u64 = 1_000;
/// Changes of entities kept in the history, over all versions: some hundred megabytes at worst, should every
/// version replace thousands of entities. The newest version is kept whole in any case.
pub const MAX_HISTORY_CHANGES: u64 = 100_000;
/// Most versions of the history in one answer: a page of the API, and one more that tells whether there is another.
pub const MAX_HISTORY_PAGE: u32 = 1_001;

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

    /// At most `limit` versions before `before` (from the newest without it), the newest first; never more than
    /// [`MAX_HISTORY_PAGE`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<Revision>, StoreError>;

    /// What `version` changed.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`] when it is not in the history, else as the database fails.
    async fn changes(&self, version: u64) -> Result<Vec<Change>, StoreError>;

    /// What all versions after `from` up to `to` changed together, in the order of kinds and names.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`] when `to` or a version between is not in the history, or `from` is after `to`;
    /// else as the database fails.
    async fn changes_between(&self, from: u64, to: u64) -> Result<Vec<Change>, StoreError>;
}
