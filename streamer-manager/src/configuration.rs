//! The configuration in force: reading it, editing it by one writer at a time, its history, export and import.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use streamer_control::config::{FieldPath, Problem};
use streamer_control::link::manager_api::ConfigVersion;
use thiserror::Error;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::clock::Clock;
use crate::document::{Change, ConfigDocument};
use crate::mask;
use crate::store::{Commit, ConfigStore, Revision, StoreError, StoredConfig};

/// Longest summary of a version, in bytes; a longer one is cut.
pub const MAX_SUMMARY_BYTES: usize = 256;
/// The form of what is exported.
pub const EXPORT_FORMAT: u32 = 1;

/// The configuration of one manager. Clones are handles on the same.
#[derive(Clone)]
pub struct Configuration(Arc<Inner>);

struct Inner {
    store: Arc<dyn ConfigStore>,
    clock: Clock,
    published: watch::Sender<Arc<StoredConfig>>,
    /// Held from the reading of what is changed until the change is stored and published.
    writer: Arc<Mutex<()>>,
}

/// Why an edit was not done. Nothing is changed then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError<E> {
    /// Whoever edits gave up.
    #[error("{0}")]
    Refused(E),
    /// What would come out cannot be used.
    #[error("{0}")]
    Invalid(Problem),
    /// Somebody else changed the configuration since the version that was expected.
    #[error("version {expected} was expected, version {newest} is in force")]
    Stale {
        /// The version that was expected.
        expected: u64,
        /// The version in force.
        newest: u64,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an edit came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited<T> {
    /// What whoever edits returned.
    pub value: T,
    /// The configuration in force after it.
    pub config: Arc<StoredConfig>,
    /// Whether there is a new version: an edit that changes nothing makes none.
    pub changed: bool,
}

/// A configuration that left the manager, to come back to it or to another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigExport {
    /// The form: [`EXPORT_FORMAT`].
    pub format: u32,
    /// The version it was.
    pub version: ConfigVersion,
    /// When it was exported, Unix milliseconds.
    pub exported_unix_ms: u64,
    /// Whether its secrets are in it, or masked.
    pub with_secrets: bool,
    /// The document.
    pub config: Value,
}

impl Configuration {
    /// The configuration in `store`.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn open(store: Arc<dyn ConfigStore>) -> Result<Self, StoreError> {
        Self::with_clock(store, Clock::system()).await
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn with_clock(store: Arc<dyn ConfigStore>, clock: Clock) -> Result<Self, StoreError> {
        let config = store.load().await?;
        let published = watch::Sender::new(Arc::new(config));
        Ok(Self(Arc::new(Inner { store, clock, published, writer: Arc::default() })))
    }

    /// The configuration in force.
    #[must_use]
    pub fn current(&self) -> Arc<StoredConfig> {
        Arc::clone(&self.0.published.borrow())
    }

    /// The configuration in force, and a wake-up with each new version.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<StoredConfig>> {
        self.0.published.subscribe()
    }

    /// Changes the configuration: `change` is given the newest version, and what it leaves is checked, stored and
    /// published, in this order. The change is whole or not at all, also if the caller stops waiting.
    ///
    /// # Errors
    /// [`EditError`].
    pub async fn edit<T, E>(
        &self,
        actor: &str,
        summary: &str,
        change: impl FnOnce(&mut ConfigDocument) -> Result<T, E>,
    ) -> Result<Edited<T>, EditError<E>> {
        self.edit_from(None, actor, summary, change).await
    }

    /// The same only if version `expected` is in force.
    ///
    /// # Errors
    /// [`EditError`].
    pub async fn edit_from<T, E>(
        &self,
        expected: Option<u64>,
        actor: &str,
        summary: &str,
        change: impl FnOnce(&mut ConfigDocument) -> Result<T, E>,
    ) -> Result<Edited<T>, EditError<E>> {
        let writer = Arc::clone(&self.0.writer).lock_owned().await;
        let before = self.current();
        let newest = before.version.version;
        if let Some(expected) = expected.filter(|&expected| expected != newest) {
            return Err(EditError::Stale { expected, newest });
        }
        let mut document = before.document.clone();
        let value = change(&mut document).map_err(EditError::Refused)?;
        document.check().map_err(EditError::Invalid)?;
        let changes = before.document.changes_to(&document).map_err(corrupt)?;
        if changes.is_empty() {
            return Ok(Edited { value, config: before, changed: false });
        }
        let mut summary = summary.to_owned();
        crate::accounts::audit::cut(&mut summary, MAX_SUMMARY_BYTES);
        let commit = Commit {
            base: newest,
            at_unix_ms: self.0.clock.now_unix_ms(),
            actor: actor.to_owned(),
            summary,
            changes,
        };
        // On a task of its own: a caller that goes away must not leave a version stored and not published.
        let stored = tokio::spawn(self.clone().store(writer, commit, document.sorted())).await;
        let stored = stored.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())));
        match stored {
            Ok(config) => Ok(Edited { value, config, changed: true }),
            Err(StoreError::Conflict { base, newest }) => Err(EditError::Stale { expected: base, newest }),
            Err(error) => Err(error.into()),
        }
    }

    async fn store(
        self,
        _writer: OwnedMutexGuard<()>,
        commit: Commit,
        document: ConfigDocument,
    ) -> Result<Arc<StoredConfig>, StoreError> {
        let config = match self.0.store.commit(commit).await {
            Ok(version) => {
                let store = self.current().version.store.clone();
                Arc::new(StoredConfig { version: ConfigVersion { store, version }, document })
            }
            Err(error) => {
                // Another manager was first, or nobody knows what came to the disk: what is stored decides.
                if let Ok(config) = self.0.store.load().await {
                    self.0.published.send_if_modified(|current| {
                        let other = **current != config;
                        *current = Arc::new(config);
                        other
                    });
                }
                return Err(error);
            }
        };
        self.0.published.send_replace(Arc::clone(&config));
        Ok(config)
    }

    /// At most `limit` versions before `before` (from the newest without it), the newest first.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<Revision>, StoreError> {
        self.0.store.history(before, limit).await
    }

    /// What `version` changed, its secrets masked.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`], else as the store fails.
    pub async fn changes(&self, version: u64) -> Result<Vec<Change>, StoreError> {
        let changes = self.0.store.changes(version).await?;
        Ok(changes.into_iter().map(mask::masked_change).collect())
    }

    /// What changes on the way from version `from` to version `to`, forward or back, its secrets masked. A change of
    /// a secret alone is shown as two sides that look the same.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`], else as the store fails.
    pub async fn diff(&self, from: u64, to: u64) -> Result<Vec<Change>, StoreError> {
        let changes = self.way(from, to).await?;
        Ok(changes.into_iter().map(mask::masked_change).collect())
    }

    async fn way(&self, from: u64, to: u64) -> Result<Vec<Change>, StoreError> {
        if from <= to {
            return self.0.store.changes_between(from, to).await;
        }
        let back = self.0.store.changes_between(to, from).await?;
        Ok(back.into_iter().map(Change::inverse).collect())
    }

    /// Makes a new version that says what version `to` said.
    ///
    /// # Errors
    /// [`EditError::Invalid`] when that cannot be used any more, [`StoreError::NoVersion`] when it is not in the
    /// history; else as [`edit_from`](Self::edit_from).
    pub async fn rollback(
        &self,
        to: u64,
        expected: Option<u64>,
        actor: &str,
    ) -> Result<Edited<()>, EditError<Problem>> {
        let newest = self.current().version.version;
        if let Some(expected) = expected.filter(|&expected| expected != newest) {
            return Err(EditError::Stale { expected, newest });
        }
        // Before the first version there was nothing, which is no configuration.
        if to == 0 {
            return Err(StoreError::NoVersion { version: to }.into());
        }
        let changes = self.way(newest, to).await.map_err(|error| match error {
            StoreError::NoVersion { .. } => StoreError::NoVersion { version: to },
            other => other,
        })?;
        let summary = format!("roll back to version {to}");
        self.edit_from(Some(newest), actor, &summary, |document| {
            *document = document
                .with_changes(changes)
                .map_err(|error| FieldPath::default().problem(error.to_string()))?;
            Ok(())
        })
        .await
    }

    /// The whole configuration; without `with_secrets` they are masked. Users and tokens are no part of it.
    ///
    /// # Errors
    /// Never for what this crate stored.
    pub fn export(&self, with_secrets: bool) -> Result<ConfigExport, StoreError> {
        let current = self.current();
        let mut config = serde_json::to_value(&current.document).map_err(corrupt)?;
        if !with_secrets {
            mask::mask(&mut config);
        }
        let (version, exported_unix_ms) = (current.version.clone(), self.0.clock.now_unix_ms());
        Ok(ConfigExport { format: EXPORT_FORMAT, version, exported_unix_ms, with_secrets, config })
    }

    /// Replaces the whole configuration. Secrets that are masked in `config` are those that are stored.
    ///
    /// # Errors
    /// [`EditError::Refused`] names what cannot be read and where; else as [`edit_from`](Self::edit_from).
    pub async fn import(
        &self,
        config: Value,
        expected: Option<u64>,
        actor: &str,
    ) -> Result<Edited<()>, EditError<Problem>> {
        self.edit_from(expected, actor, "import", |document| {
            *document = read_document(config, document)?;
            Ok(())
        })
        .await
    }

    /// What an import of `config` would change, its secrets masked, without doing it.
    ///
    /// # Errors
    /// [`EditError::Refused`] and [`EditError::Invalid`] as for [`import`](Self::import).
    pub fn preview_import(&self, config: Value) -> Result<Vec<Change>, EditError<Problem>> {
        let current = self.current();
        let document = read_document(config, &current.document).map_err(EditError::Refused)?;
        document.check().map_err(EditError::Invalid)?;
        let changes = current.document.changes_to(&document).map_err(corrupt)?;
        Ok(changes.into_iter().map(mask::masked_change).collect())
    }
}

/// The document of which `config` is the JSON form, with the secrets of `stored` where it holds masks.
fn read_document(mut config: Value, stored: &ConfigDocument) -> Result<ConfigDocument, Problem> {
    // A list would be read as well, as the fields in their order, and an empty one as the default of everything.
    for (pointer, at) in [("", FieldPath::default()), ("/engine", FieldPath::field("engine"))] {
        if config.pointer(pointer).is_some_and(|value| !value.is_object()) {
            return Err(at.problem("an object is expected"));
        }
    }
    mask::unmask_document(&mut config, stored)?;
    serde_path_to_error::deserialize(config).map_err(|error| {
        let at = error.path().to_string();
        let at = if at == "." { FieldPath::default() } else { FieldPath::field(&at) };
        at.problem(error.into_inner().to_string())
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests;
