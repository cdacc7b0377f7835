//! The configuration and its history in the database.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use streamer_control::link::manager_api::ConfigVersion;

use super::{Failure, SqliteStore, int, uint};
use crate::document::{Change, ConfigDocument, EntityId, EntityKind};
use crate::store::config::{MAX_HISTORY_CHANGES, MAX_HISTORY_PAGE, MAX_REVISIONS};
use crate::store::{Commit, ConfigStore, Revision, StoreError, StoredConfig};

#[async_trait]
impl ConfigStore for SqliteStore {
    async fn load(&self) -> Result<StoredConfig, StoreError> {
        if let Some(config) = self.read(load).await? {
            return Ok(config);
        }
        self.write(|database| {
            // Another manager may have been faster.
            if newest(database)?.is_none() {
                let changes = ConfigDocument::from_entities([])?.changes_to(&ConfigDocument::default())?;
                let (actor, summary) = ("system".to_owned(), "the default configuration".to_owned());
                store(database, &Commit { base: 0, at_unix_ms: 0, actor, summary, changes }, 1)?;
            }
            let config = load(database)?;
            config.ok_or_else(|| StoreError::Corrupt("there is no version".into()).into())
        })
        .await
    }

    async fn commit(&self, commit: Commit) -> Result<u64, StoreError> {
        self.write(move |database| {
            let newest = newest(database)?.unwrap_or(0);
            if commit.base != newest {
                return Err(StoreError::Conflict { base: commit.base, newest }.into());
            }
            let version = newest + 1;
            store(database, &commit, version)?;
            forget(database, version, MAX_REVISIONS, MAX_HISTORY_CHANGES)?;
            Ok(version)
        })
        .await
    }

    async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<Revision>, StoreError> {
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT version, at_unix_ms, actor, summary, changed FROM revisions WHERE version < ?1
                 ORDER BY version DESC LIMIT ?2",
            )?;
            let before = before.map_or(i64::MAX, int);
            let rows = statement.query_map(params![before, limit.min(MAX_HISTORY_PAGE)], |row| {
                Ok(Revision {
                    version: uint(row.get(0)?),
                    at_unix_ms: uint(row.get(1)?),
                    actor: row.get(2)?,
                    summary: row.get(3)?,
                    changed: uint(row.get(4)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn changes(&self, version: u64) -> Result<Vec<Change>, StoreError> {
        self.changes_between(version.saturating_sub(1), version).await
    }

    async fn changes_between(&self, from: u64, to: u64) -> Result<Vec<Change>, StoreError> {
        self.read(move |database| changes_between(database, from, to)).await
    }
}

fn newest(database: &Connection) -> Result<Option<u64>, Failure> {
    let version: Option<i64> =
        database.query_row("SELECT max(version) FROM revisions", [], |row| row.get(0))?;
    Ok(version.map(uint))
}

/// The configuration in force; `None` in a new store.
fn load(database: &rusqlite::Transaction<'_>) -> Result<Option<StoredConfig>, Failure> {
    let Some(version) = newest(database)? else { return Ok(None) };
    let store = database.query_row("SELECT value FROM meta WHERE name = 'store'", [], |row| row.get(0))?;
    let mut statement = database.prepare("SELECT kind, id, value FROM entities ORDER BY kind, id")?;
    let mut rows = statement.query([])?;
    let mut entities = Vec::new();
    while let Some(row) = rows.next()? {
        let value: Value = serde_json::from_str(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        entities.push((kind(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?, value));
    }
    let document = ConfigDocument::from_entities(entities.iter().map(|(kind, value)| (*kind, value)))?;
    let version = ConfigVersion { store, version };
    Ok(Some(StoredConfig { version, document: document.sorted() }))
}

fn kind(name: &str) -> Result<EntityKind, StoreError> {
    EntityKind::from_name(name)
        .ok_or_else(|| StoreError::Corrupt(format!("there is no kind of entity `{name}`")))
}

fn store(database: &Connection, commit: &Commit, version: u64) -> Result<(), Failure> {
    let version = int(version);
    database.execute(
        "INSERT INTO revisions (version, at_unix_ms, actor, summary, changed) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            version,
            int(commit.at_unix_ms),
            commit.actor,
            commit.summary,
            int(commit.changes.len() as u64)
        ],
    )?;
    let mut note = database.prepare_cached(
        "INSERT INTO changes (version, kind, id, before, after) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut put = database.prepare_cached(
        "INSERT INTO entities (kind, id, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
    )?;
    let mut remove = database.prepare_cached("DELETE FROM entities WHERE kind = ?1 AND id = ?2")?;
    for Change { kind, id, before, after } in &commit.changes {
        let kind = kind.as_str();
        let before = before.as_ref().map(ToString::to_string);
        let after = after.as_ref().map(ToString::to_string);
        match &after {
            Some(value) => put.execute(params![kind, id, value])?,
            None => remove.execute(params![kind, id])?,
        };
        note.execute(params![version, kind, id, before, after])?;
    }
    Ok(())
}

/// Drops the oldest versions until there are at most `max_revisions`, and at most `max_changes` changes in them;
/// version `newest` stays.
fn forget(database: &Connection, newest: u64, max_revisions: u64, max_changes: u64) -> Result<(), Failure> {
    let too_many = database
        .prepare_cached(
            "SELECT max(version) FROM (
                 SELECT version, sum(changed) OVER (ORDER BY version DESC) AS total FROM revisions
             ) WHERE total > ?1",
        )?
        .query_row([int(max_changes)], |row| row.get::<_, Option<i64>>(0))?;
    let last =
        newest.saturating_sub(max_revisions).max(too_many.map_or(0, uint)).min(newest.saturating_sub(1));
    database.prepare_cached("DELETE FROM revisions WHERE version <= ?1")?.execute([int(last)])?;
    Ok(())
}

fn changes_between(database: &rusqlite::Transaction<'_>, from: u64, to: u64) -> Result<Vec<Change>, Failure> {
    if from > to {
        return Err(StoreError::NoVersion { version: from }.into());
    }
    // Versions have no gaps, and the oldest go first: if the first one and the last one are there, so are all.
    let first = if from == to { to } else { from + 1 };
    for version in [to, first] {
        database
            .prepare_cached("SELECT 1 FROM revisions WHERE version = ?1")?
            .query_row([int(version)], |_| Ok(()))
            .optional()?
            .ok_or(StoreError::NoVersion { version })?;
    }
    let mut statement = database.prepare_cached(
        "SELECT kind, id, before, after FROM changes WHERE version > ?1 AND version <= ?2 ORDER BY version",
    )?;
    let mut rows = statement.query([int(from), int(to)])?;
    // Of an entity that changed several times, what was before the first and after the last.
    let mut sides: BTreeMap<EntityId, (Option<String>, Option<String>)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let kind = kind(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        let (before, after) = (row.get(2)?, row.get(3)?);
        sides
            .entry((kind, row.get(1)?))
            .and_modify(|sides| sides.1.clone_from(&after))
            .or_insert((before, after));
    }
    let mut changes = Vec::new();
    let read = |text: Option<String>| text.map(|text| serde_json::from_str::<Value>(&text)).transpose();
    for ((kind, id), (before, after)) in sides {
        let (before, after) = (read(before)?, read(after)?);
        if before != after {
            changes.push(Change { kind, id, before, after });
        }
    }
    Ok(changes)
}
