//! The database on good and on bad days.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::params;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::accounts::audit::{AuditEntry, AuditFilter, Outcome};
use crate::accounts::role::{Area, Role, Scope};
use crate::document::{Change, EntityKind};
use crate::store::accounts::{
    AccountStore, MAX_AUDIT_ENTRIES, MAX_AUDIT_PAGE, MAX_SESSIONS_PER_USER, MAX_TOKENS, MAX_USERS,
    StoredSession, StoredToken, StoredUser, UserUpdate,
};
use crate::store::config::{MAX_HISTORY_CHANGES, MAX_REVISIONS};
use crate::store::deliveries::{
    AfterAttempt, Attempt, DeliveryState, DeliveryStore, MAX_DELIVERIES_PER_WEBHOOK, MAX_DELIVERY_BODY_BYTES,
    MAX_DELIVERY_ERROR_BYTES, MAX_DELIVERY_PAGE, NewDelivery,
};
use crate::store::{Commit, ConfigStore};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    (folder, path)
}

async fn opened() -> (TempDir, PathBuf, SqliteStore) {
    let (folder, path) = folder();
    let store = SqliteStore::open(&path).await.unwrap();
    store.load().await.unwrap();
    (folder, path, store)
}

async fn refusal(path: &Path) -> StoreError {
    match SqliteStore::open(path).await {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

/// A commit that makes `text` the secret of a webhook.
fn commit(base: u64, text: &str) -> Commit {
    let webhook = json!({
        "name": "w1", "url": "https://a.example/", "secret": text, "events": [], "enabled": true
    });
    Commit {
        base,
        at_unix_ms: 7,
        actor: "user:ann".into(),
        summary: text.into(),
        changes: vec![Change {
            kind: EntityKind::Webhook,
            id: "w1".into(),
            before: None,
            after: Some(webhook),
        }],
    }
}

async fn pragma(store: &SqliteStore, text: String) {
    let set = move |database: &mut Database| {
        database.connection.query_row(&text, [], |_| Ok(())).ok();
        Ok(())
    };
    store.call(set).await.unwrap();
}

#[tokio::test]
async fn a_new_store_is_private_and_keeps_its_name() {
    let (_folder, path, store) = opened().await;
    let first = store.load().await.unwrap();
    assert_eq!(first.version.version, 1);
    assert_eq!(first.document, crate::document::ConfigDocument::default());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    store.close().await;
    assert_eq!(store.load().await, Err(StoreError::Closed));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let again = SqliteStore::open(&path).await.unwrap();
    assert_eq!(again.load().await.unwrap(), first);
    assert_eq!(mode(&path), 0o600);
    let (_other_folder, _, other) = opened().await;
    assert_ne!(other.load().await.unwrap().version.store, first.version.store);
}

#[tokio::test]
async fn a_commit_from_an_old_version_is_a_conflict_and_changes_nothing() {
    let (_folder, _, store) = opened().await;
    assert_eq!(store.commit(commit(1, "one")).await, Ok(2));
    for base in [0, 1, 3] {
        let conflict = StoreError::Conflict { base, newest: 2 };
        assert_eq!(store.commit(commit(base, "two")).await, Err(conflict));
    }
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.version.version, loaded.document.webhooks[0].secret.expose()), (2, "one"));
    assert_eq!(store.history(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_process_and_one_handle_have_the_file() {
    let (_folder, path, store) = opened().await;
    assert_eq!(refusal(&path).await, StoreError::Locked { path: path.display().to_string() });
    store.close().await;
    let again = SqliteStore::open(&path).await.unwrap();
    assert_eq!(again.load().await.unwrap().version.version, 1);
}

#[tokio::test]
async fn a_database_that_somebody_writes_to_is_locked() {
    let (_folder, path, store) = opened().await;
    store.close().await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(other);
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_not_written_any_more() {
    for (name, replace) in [("manager.db", false), ("manager.db", true), ("manager.db-wal", false)] {
        let (folder, path, store) = opened().await;
        store.commit(commit(1, "kept")).await.unwrap();
        let taken = folder.path().join(name);
        if replace {
            fs::copy(&taken, folder.path().join("copy")).unwrap();
            fs::rename(folder.path().join("copy"), &taken).unwrap();
        } else {
            fs::remove_file(&taken).unwrap();
        }
        let removed = StoreError::Removed { path: taken.display().to_string() };
        assert_eq!(store.commit(commit(2, "lost")).await, Err(removed), "{name}");
        let known = store.load().await.unwrap();
        assert_eq!((known.version.version, known.document.webhooks[0].secret.expose()), (2, "kept"));
        store.close().await;
        assert_eq!(path.exists(), replace || name != "manager.db");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let (_folder, _, store) = opened().await;
    store.commit(commit(1, "kept")).await.unwrap();
    pragma(&store, "PRAGMA max_page_count = 1".into()).await;
    let large = commit(2, &"x".repeat(64 << 10));
    assert_eq!(store.commit(large.clone()).await, Err(StoreError::Full));
    let known = store.load().await.unwrap();
    assert_eq!((known.version.version, known.document.webhooks[0].secret.expose()), (2, "kept"));
    pragma(&store, "PRAGMA max_page_count = 100000".into()).await;
    assert_eq!(store.commit(large).await, Ok(3));
}

#[tokio::test]
async fn what_cannot_be_written_says_so() {
    // Not even the superuser makes files there.
    let error = refusal(Path::new("/sys/manager.db")).await;
    assert_eq!(error, StoreError::ReadOnly);
    let (_folder, _, store) = opened().await;
    pragma(&store, "PRAGMA query_only = 1".into()).await;
    assert_eq!(store.commit(commit(1, "x")).await, Err(StoreError::ReadOnly));
    assert_eq!(store.load().await.unwrap().version.version, 1);
    let missing = refusal(Path::new("/nowhere/at/all/manager.db")).await;
    assert!(missing.to_string().contains("/nowhere/at/all/manager.db"), "{missing}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let (_folder, path) = folder();
    fs::write(&path, "this is no database".repeat(1_000)).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");

    let (_folder, path, store) = opened().await;
    store.close().await;
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    let mut scratched = whole.clone();
    scratched[4_096..].chunks_mut(4_096).for_each(|page| page[..64].fill(0xa5));
    fs::write(&path, &scratched).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    fs::write(&path, &whole).unwrap();
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn an_entity_of_another_form_is_refused() {
    for (column, value) in [("value", "{"), ("value", "{\"app_name\": 7}"), ("kind", "planet")] {
        let (_folder, path, store) = opened().await;
        store.close().await;
        let by_hand = Connection::open(&path).unwrap();
        by_hand.execute(&format!("UPDATE entities SET {column} = ?1 WHERE kind = 'app'"), [value]).unwrap();
        drop(by_hand);
        let store = SqliteStore::open(&path).await.unwrap();
        assert!(matches!(store.load().await, Err(StoreError::Corrupt(_))), "{value}");
    }
}

#[tokio::test]
async fn the_history_at_its_limit() {
    let (_folder, _, store) = opened().await;
    store
        .write(|database| {
            for version in 2..=MAX_REVISIONS {
                database.execute("INSERT INTO revisions VALUES (?1, 0, 'a', 's', 1)", [int(version)])?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let oldest = async || store.history(Some(3), 1).await.unwrap().pop().map(|revision| revision.version);
    assert_eq!(oldest().await, Some(2));
    assert!(store.changes(1).await.is_ok());
    assert_eq!(store.commit(commit(MAX_REVISIONS, "x")).await, Ok(MAX_REVISIONS + 1));
    assert_eq!(store.changes(1).await, Err(StoreError::NoVersion { version: 1 }));
    assert_eq!(oldest().await, Some(2));
    let all = store.history(None, u32::MAX).await.unwrap();
    assert_eq!(all.len() as u64, MAX_REVISIONS);
    // Nothing of a version that is forgotten stays behind.
    let left = store.read(|database| {
        Ok(database.query_row("SELECT count(*) FROM changes WHERE version = 1", [], |row| row.get(0))?)
    });
    assert_eq!(left.await, Ok(0_i64));
}

#[tokio::test]
async fn the_changes_of_the_history_at_their_limit() {
    let (_folder, _, store) = opened().await;
    let pretend = |version: u64, changed: u64| {
        store.write(move |database| {
            let update = "UPDATE revisions SET changed = ?2 WHERE version = ?1";
            database.execute(update, params![int(version), int(changed)])?;
            Ok(())
        })
    };
    store.commit(commit(1, "two")).await.unwrap();
    pretend(2, MAX_HISTORY_CHANGES - 1).await.unwrap();
    // One change more fills the history up to its limit, without those of version 1.
    store.commit(commit(2, "three")).await.unwrap();
    let versions = async || {
        let all = store.history(None, 10).await.unwrap();
        all.into_iter().map(|revision| revision.version).collect::<Vec<_>>()
    };
    assert_eq!(versions().await, [3, 2]);
    store.commit(commit(3, "four")).await.unwrap();
    assert_eq!(versions().await, [4, 3]);
    pretend(4, MAX_HISTORY_CHANGES * 2).await.unwrap();
    store.commit(commit(4, "five")).await.unwrap();
    assert_eq!(versions().await, [5]);
}

#[tokio::test]
async fn changes_over_several_versions_are_one_each() {
    let (_folder, _, store) = opened().await;
    for (base, text) in [(1, "one"), (2, "two"), (3, "three")] {
        let mut commit = commit(base, text);
        commit.changes[0].before = store
            .load()
            .await
            .unwrap()
            .document
            .webhooks
            .first()
            .map(|webhook| serde_json::to_value(webhook).unwrap());
        store.commit(commit).await.unwrap();
    }
    let secrets = |changes: Vec<Change>| -> Vec<[Option<String>; 2]> {
        let secret =
            |side: Option<serde_json::Value>| side.map(|side| side["secret"].as_str().unwrap().into());
        changes.into_iter().map(|change| [secret(change.before), secret(change.after)]).collect()
    };
    let between = async |from, to| secrets(store.changes_between(from, to).await.unwrap());
    assert_eq!(between(1, 4).await, [[None, Some("three".into())]]);
    assert_eq!(between(2, 4).await, [[Some("one".into()), Some("three".into())]]);
    assert_eq!(between(3, 3).await, Vec::<[Option<String>; 2]>::new());
    for (from, to, missing) in [(1, 5, 5), (4, 3, 4), (5, 5, 5)] {
        let error = StoreError::NoVersion { version: missing };
        assert_eq!(store.changes_between(from, to).await, Err(error), "{from} {to}");
    }
}

fn user(name: &str, role: Role) -> StoredUser {
    StoredUser {
        name: name.into(),
        password_hash: "hash".into(),
        role,
        disabled: false,
        created_unix_ms: 1,
        changed_unix_ms: 1,
        last_login_unix_ms: None,
    }
}

fn token(name: &str, hash: u8) -> StoredToken {
    StoredToken {
        name: name.into(),
        hash: [hash; 32],
        role: Role::Viewer,
        scopes: vec![Scope::read(Area::Apps), Scope::write(Area::Vod)],
        created_unix_ms: 1,
        created_by: "system".into(),
        expires_unix_ms: Some(u64::MAX >> 1),
        last_used_unix_ms: None,
    }
}

#[tokio::test]
async fn accounts_read_as_they_were_written() {
    let (_folder, _, store) = opened().await;
    store.add_user(user("Ann", Role::Operator)).await.unwrap();
    store.add_token(token("ci", 1)).await.unwrap();
    assert_eq!(store.user("ANN").await.unwrap(), Some(user("Ann", Role::Operator)));
    assert_eq!(store.user("ann%").await.unwrap(), None);
    assert_eq!(store.token([1; 32]).await.unwrap(), Some(token("ci", 1)));
    assert_eq!(store.token([2; 32]).await.unwrap(), None);
    let exists = |what, name: &str| Err(StoreError::Exists { what, name: name.into() });
    assert_eq!(store.add_user(user("aNN", Role::Viewer)).await, exists("user", "aNN"));
    assert_eq!(store.add_token(token("CI", 2)).await, exists("token", "CI"));
    store.touch_token([1; 32], 9).await.unwrap();
    assert_eq!(store.tokens().await.unwrap()[0].last_used_unix_ms, Some(9));
    store.remove_token("CI").await.unwrap();
    let missing = Err(StoreError::Missing { what: "token", name: "ci".into() });
    assert_eq!(store.remove_token("ci").await, missing);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (_folder, _, store) = opened().await;
    assert_eq!(store.add_first(user("admin", Role::Administrator), token("initial", 1)).await, Ok(true));
    assert_eq!(store.add_first(user("other", Role::Administrator), token("initial", 2)).await, Ok(false));
    store.add_user(user("ann", Role::Operator)).await.unwrap();
    let demote = UserUpdate { role: Some(Role::Viewer), ..UserUpdate::default() };
    let disable = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
    let last = Err(StoreError::LastAdministrator);
    assert_eq!(store.change_user("admin", demote.clone(), 2).await, last);
    assert_eq!(store.change_user("admin", disable.clone(), 2).await, last);
    assert_eq!(store.remove_user("admin").await, last);
    assert_eq!(store.user("admin").await.unwrap(), Some(user("admin", Role::Administrator)));
    let promote = UserUpdate { role: Some(Role::Administrator), ..UserUpdate::default() };
    store.change_user("ann", promote, 3).await.unwrap();
    store.change_user("admin", disable, 4).await.unwrap();
    assert_eq!(store.remove_user("ann").await, last);
    store.remove_user("admin").await.unwrap();
}

#[tokio::test]
async fn users_and_tokens_at_their_limits() {
    let (_folder, _, store) = opened().await;
    store
        .write(|database| {
            for number in 1..MAX_USERS {
                let insert = "INSERT INTO users VALUES (?1, 'h', 'viewer', 0, 0, 0, NULL)";
                database.execute(insert, [format!("u{number}")])?;
            }
            for number in 1..MAX_TOKENS {
                let insert = "INSERT INTO tokens VALUES (?1, ?2, 'viewer', '[]', 0, 's', NULL, NULL)";
                let hash: Vec<u8> = number.to_be_bytes().repeat(4);
                database.execute(insert, params![format!("t{number}"), hash])?;
            }
            Ok(())
        })
        .await
        .unwrap();
    store.add_user(user("last", Role::Viewer)).await.unwrap();
    store.add_token(token("last", 1)).await.unwrap();
    let too_many = |what, max| Err(StoreError::TooMany { what, max });
    assert_eq!(store.add_user(user("more", Role::Viewer)).await, too_many("user", MAX_USERS));
    assert_eq!(store.add_token(token("more", 2)).await, too_many("token", MAX_TOKENS));
}

#[tokio::test]
async fn sessions_at_their_limit_and_gone_with_their_user() {
    let (_folder, _, store) = opened().await;
    store.add_user(user("admin", Role::Administrator)).await.unwrap();
    store.add_user(user("ann", Role::Viewer)).await.unwrap();
    let session = |number: u64| StoredSession {
        hash: [number as u8; 32],
        user: "ann".into(),
        created_unix_ms: 100 + number,
        last_used_unix_ms: 100 + number,
    };
    for number in 0..=MAX_SESSIONS_PER_USER {
        store.add_session(session(number), 0).await.unwrap();
    }
    let alive = async |number: u64| store.session([number as u8; 32]).await.unwrap().is_some();
    assert!(!alive(0).await && alive(1).await && alive(MAX_SESSIONS_PER_USER).await);
    store.add_session(session(99), 104).await.unwrap();
    assert!(!alive(3).await && alive(4).await, "those that began too long ago are over");
    let password = UserUpdate { password_hash: Some("other".into()), ..UserUpdate::default() };
    store.change_user("ann", password, 5).await.unwrap();
    assert!(!alive(99).await);
    store.add_session(session(1), 0).await.unwrap();
    assert_eq!(store.user("ann").await.unwrap().unwrap().last_login_unix_ms, Some(101));
    store.remove_user("ann").await.unwrap();
    assert!(!alive(1).await);
    let missing = Err(StoreError::Missing { what: "user", name: "ann".into() });
    assert_eq!(store.add_session(session(2), 0).await, missing);
}

fn entry(actor: &str, outcome: Outcome) -> AuditEntry {
    AuditEntry {
        at_unix_ms: 5,
        actor: actor.into(),
        address: Some("2001:db8::1".parse().unwrap()),
        action: "login".into(),
        target: String::new(),
        outcome,
        detail: String::new(),
    }
}

#[tokio::test]
async fn the_audit_log_at_its_limit() {
    let (_folder, _, store) = opened().await;
    store.audit(entry("user:ann", Outcome::Done)).await.unwrap();
    store
        .write(|database| {
            let insert = "INSERT INTO audit VALUES (NULL, 0, 'a', NULL, 'b', '', 'refused', '')";
            for _ in 0..MAX_AUDIT_ENTRIES {
                database.execute(insert, [])?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let refused = async || {
        let count = "SELECT count(*), min(id) FROM audit WHERE outcome = 'refused'";
        let read = |database: &Transaction<'_>| {
            Ok(database.query_row(count, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?)
        };
        store.read(read).await.unwrap()
    };
    assert_eq!(refused().await, (int(MAX_AUDIT_ENTRIES), 2));
    store.audit(entry("eve", Outcome::Refused)).await.unwrap();
    assert_eq!(refused().await, (int(MAX_AUDIT_ENTRIES), 3));
    let filter = |outcome| AuditFilter { outcome, limit: 10, ..AuditFilter::default() };
    let done = store.audit_log(filter(Some(Outcome::Done))).await.unwrap();
    assert_eq!(done.len(), 1, "who is refused pushes nothing out that was done");
    assert_eq!(done[0].entry, entry("user:ann", Outcome::Done));
    let newest = store.audit_log(filter(None)).await.unwrap();
    assert_eq!((newest.len(), newest[0].entry.actor.as_str()), (10, "eve"));
    let page = |limit| AuditFilter { limit, ..AuditFilter::default() };
    for (asked, given) in [(MAX_AUDIT_PAGE, MAX_AUDIT_PAGE), (MAX_AUDIT_PAGE + 1, MAX_AUDIT_PAGE)] {
        assert_eq!(store.audit_log(page(asked)).await.unwrap().len() as u32, given);
    }
    let of_eve = AuditFilter { actor: Some("eve".into()), limit: 10, ..AuditFilter::default() };
    assert_eq!(store.audit_log(of_eve).await.unwrap().len(), 1);
}

fn delivery(webhook: &str, body: String) -> NewDelivery {
    let (webhook, event_id, kind) = (webhook.into(), "e1".into(), "stream_published".into());
    NewDelivery { webhook, event_id, kind, body, at_unix_ms: 100 }
}

#[tokio::test]
async fn a_delivery_goes_through_the_queue() {
    let (_folder, path, store) = opened().await;
    let ids = store.enqueue(vec![delivery("a", "1".into()), delivery("b", "2".into())]).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(100)));
    assert!(store.due("a", 99, 10).await.unwrap().is_empty());
    let due = store.due("a", 100, 10).await.unwrap();
    assert_eq!((due.len(), due[0].id, due[0].body.as_str(), due[0].attempts), (1, ids[0], "1", 0));
    let attempt = |then| Attempt {
        at_unix_ms: 150,
        status: Some(503),
        error: Some("x".repeat(MAX_DELIVERY_ERROR_BYTES + 1)),
        then,
    };
    store.note_attempt(ids[0], attempt(AfterAttempt::Retry(200))).await.unwrap();
    store.note_attempt(ids[1], attempt(AfterAttempt::GiveUp)).await.unwrap();
    // The queue outlives the process.
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.next_due().await, Ok(Some(200)));
    let again = store.delivery(ids[0]).await.unwrap().unwrap();
    assert_eq!((again.state, again.attempts, again.next_unix_ms), (DeliveryState::Waiting, 1, 200));
    assert_eq!((again.last_status, again.tried_unix_ms), (Some(503), Some(150)));
    assert_eq!(again.last_error.unwrap().len(), MAX_DELIVERY_ERROR_BYTES);
    let delivered =
        Attempt { at_unix_ms: 210, status: Some(200), error: None, then: AfterAttempt::Delivered };
    store.note_attempt(ids[0], delivered).await.unwrap();
    assert_eq!(store.next_due().await, Ok(None));
    let redelivered = store.redeliver(ids[1], 300).await.unwrap();
    assert_eq!(store.due("b", 300, 10).await.unwrap()[0].id, redelivered);
    let listed = async |webhook, before| {
        let page = store.deliveries(webhook, before, 10).await.unwrap();
        page.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, None).await, [redelivered, ids[1], ids[0]]);
    assert_eq!(listed(Some("b"), Some(redelivered)).await, [ids[1]]);
    assert_eq!(store.forget_webhook("b").await, Ok(2));
    let missing = Err(StoreError::Missing { what: "delivery", name: ids[1].to_string() });
    assert_eq!(store.redeliver(ids[1], 300).await, missing);
}

#[tokio::test]
async fn the_queue_at_its_limits() {
    let (_folder, _, store) = opened().await;
    let many = (0..MAX_DELIVERIES_PER_WEBHOOK).map(|number| delivery("a", number.to_string())).collect();
    let ids = store.enqueue(many).await.unwrap();
    store.enqueue(vec![delivery("b", "other".into())]).await.unwrap();
    let taken = Attempt { at_unix_ms: 1, status: Some(200), error: None, then: AfterAttempt::Delivered };
    store.note_attempt(ids[5], taken).await.unwrap();
    let there = async |index: usize| store.delivery(ids[index]).await.unwrap().is_some();
    assert!(there(0).await && there(5).await);
    store.enqueue(vec![delivery("a", "more".into())]).await.unwrap();
    assert!(there(0).await && !there(5).await, "the finished one goes first");
    store.enqueue(vec![delivery("a", "more".into())]).await.unwrap();
    assert!(!there(0).await && there(1).await);
    assert_eq!(store.deliveries(Some("b"), None, 10).await.unwrap().len(), 1);
    for (asked, given) in [(MAX_DELIVERY_PAGE, MAX_DELIVERY_PAGE), (MAX_DELIVERY_PAGE + 1, MAX_DELIVERY_PAGE)]
    {
        assert_eq!(store.deliveries(Some("a"), None, asked).await.unwrap().len() as u32, given);
    }

    let body = |len: usize| vec![delivery("c", "x".into()), delivery("c", "x".repeat(len))];
    assert!(store.enqueue(body(MAX_DELIVERY_BODY_BYTES)).await.is_ok());
    assert!(store.enqueue(body(MAX_DELIVERY_BODY_BYTES + 1)).await.is_err());
    assert_eq!(store.deliveries(Some("c"), None, 10).await.unwrap().len(), 2, "all or none");
}

#[tokio::test]
async fn a_call_goes_on_when_nobody_waits_for_it() {
    let (_folder, _, store) = opened().await;
    let (begin, begun) = std::sync::mpsc::channel::<()>();
    let blocked = store.clone();
    let (reached, at_work) = oneshot::channel();
    let block = tokio::spawn(async move {
        let wait = move |_: &mut Database| {
            reached.send(()).ok();
            Ok(begun.recv().is_ok())
        };
        blocked.call(wait).await
    });
    at_work.await.unwrap();
    let committed = tokio::time::timeout(Duration::ZERO, store.commit(commit(1, "x"))).await;
    assert!(committed.is_err());
    begin.send(()).unwrap();
    block.await.unwrap().unwrap();
    assert_eq!(store.load().await.unwrap().version.version, 2);
}

#[tokio::test]
async fn calls_that_wait_at_their_limit() {
    let (_folder, _, store) = opened().await;
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (reached, at_work) = oneshot::channel();
    let busy = store.clone();
    let busy = tokio::spawn(async move {
        let wait = move |_: &mut Database| {
            reached.send(()).ok();
            Ok(ended.recv().is_ok())
        };
        busy.call(wait).await
    });
    at_work.await.unwrap();
    // Each is asked once to go on, without the yielding of a busy task in between.
    let call = || Box::pin(tokio::task::unconstrained(store.call(|_| Ok(()))));
    let mut waiting = Vec::new();
    for place in 1..=MAX_QUEUED_CALLS + 1 {
        let mut call = call();
        assert!(futures_util::poll!(&mut call).is_pending());
        waiting.push(call);
        assert_eq!(store.messages.capacity(), MAX_QUEUED_CALLS.saturating_sub(place));
    }
    end.send(()).unwrap();
    busy.await.unwrap().unwrap();
    // The one that had no place gets one.
    for call in waiting {
        call.await.unwrap();
    }
    assert_eq!(store.messages.capacity(), MAX_QUEUED_CALLS);
}

#[tokio::test]
async fn the_log_is_cut_to_its_limit_after_a_large_change() {
    let (_folder, path, store) = opened().await;
    let log = || i64::try_from(fs::metadata(path.with_extension("db-wal")).unwrap().len()).unwrap();
    let change = async |bytes: i64| {
        let insert = "INSERT OR REPLACE INTO meta (name, value) VALUES ('large', hex(zeroblob(?1 / 2)))";
        store.write(move |database| Ok(database.execute(insert, [bytes])?)).await.unwrap();
    };
    // All of it goes to the log first and then to the database; the next change begins the log anew.
    change(KEPT_LOG_BYTES / 2).await;
    let kept = log();
    change(1).await;
    assert!(kept >= KEPT_LOG_BYTES / 2 && log() == kept, "a log of {kept} bytes is kept, not {}", log());
    change(KEPT_LOG_BYTES + 1).await;
    assert!(log() > KEPT_LOG_BYTES);
    change(1).await;
    assert_eq!(log(), KEPT_LOG_BYTES);
}

/// Texts of strangers: any characters, and what is dangerous elsewhere.
fn text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "'; DROP TABLE users; --",
        "\" OR \"\"=\"",
        "<script>alert(1)</script>",
        "$(reboot)`id`",
        "%s%n\\0\u{0}end",
        "\u{202e}\u{feff}é\u{1f600}",
        "?1 :name @x",
    ]);
    prop_oneof![
        nasty.prop_map(str::to_owned),
        ".{0,40}",
        prop::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_text_is_data(texts in prop::collection::vec(text(), 6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, path) = folder();
            let store = SqliteStore::open(&path).await.unwrap();
            store.load().await.unwrap();
            let [a, b, c, d, e, f] = <[String; 6]>::try_from(texts).unwrap();
            let mut commit = commit(1, "x");
            (commit.actor, commit.summary) = (a.clone(), b.clone());
            commit.changes[0].before = Some(json!({ "text": c.clone() }));
            store.commit(commit.clone()).await.unwrap();
            let newest = store.history(None, 1).await.unwrap().remove(0);
            assert_eq!((newest.actor, newest.summary), (a.clone(), b.clone()));
            assert_eq!(store.changes(2).await.unwrap(), commit.changes);

            let mut noted = entry(&a, Outcome::Refused);
            (noted.action, noted.target, noted.detail) = (b.clone(), c.clone(), d.clone());
            store.audit(noted.clone()).await.unwrap();
            let filter = AuditFilter { actor: Some(a.clone()), action: Some(b), limit: 9, ..AuditFilter::default() };
            assert_eq!(store.audit_log(filter).await.unwrap()[0].entry, noted);

            let mut sent = delivery(&c, d);
            (sent.event_id, sent.kind) = (e.clone(), f.clone());
            let id = store.enqueue(vec![sent.clone()]).await.unwrap()[0];
            let read = store.due(&c, 100, 1).await.unwrap().remove(0);
            assert_eq!((read.id, read.webhook, read.body), (id, sent.webhook, sent.body));
            assert_eq!((read.event_id, read.kind), (e.clone(), f.clone()));

            let mut known = user(&e, Role::Viewer);
            known.password_hash.clone_from(&f);
            store.add_user(known.clone()).await.unwrap();
            assert_eq!(store.user(&e).await.unwrap(), Some(known));
            assert_eq!(store.users().await.unwrap().len(), 1);
            store.close().await;
        });
    }
}
