//! The configuration over a real store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::document::EntityKind;
use crate::store::SqliteStore;
use crate::store::sqlite::DATABASE_FILE;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Opened {
    configuration: Configuration,
    store: SqliteStore,
    _folder: TempDir,
}

async fn opened() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join(DATABASE_FILE)).await.unwrap();
    let time = AtomicU64::new(1_000);
    let clock = Clock::new(move || time.fetch_add(1, Ordering::Relaxed));
    let configuration = Configuration::with_clock(Arc::new(store.clone()), clock).await.unwrap();
    Opened { configuration, store, _folder: folder }
}

async fn set_viewers(configuration: &Configuration, viewers: usize) -> Edited<()> {
    let summary = format!("viewers {viewers}");
    let change = |document: &mut ConfigDocument| {
        document.engine.apps[0].max_viewers = viewers;
        Ok::<(), Problem>(())
    };
    configuration.edit("user:ann", &summary, change).await.unwrap()
}

fn viewers(configuration: &Configuration) -> usize {
    configuration.current().document.engine.apps[0].max_viewers
}

#[tokio::test]
async fn an_edit_is_stored_and_published() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    let mut told = configuration.subscribe();
    let edited = set_viewers(configuration, 7).await;
    assert!(edited.changed);
    assert_eq!(edited.config.version.version, 2);
    assert!(told.has_changed().unwrap());
    assert_eq!(*told.borrow_and_update(), edited.config);
    assert_eq!(configuration.current(), edited.config);
    assert_eq!(opened.store.load().await.unwrap(), *edited.config);
    let newest = configuration.history(None, 1).await.unwrap().remove(0);
    let expected = Revision {
        version: 2,
        at_unix_ms: 1_000,
        actor: "user:ann".into(),
        summary: "viewers 7".into(),
        changed: 1,
    };
    assert_eq!(newest, expected);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_no_version() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    let told = configuration.subscribe();
    set_viewers(configuration, 7).await;
    let again = set_viewers(configuration, 7).await;
    assert!(!again.changed);
    assert_eq!(again.config.version.version, 2);
    let reordered = configuration.edit("system", "order", |document| {
        document.engine.apps.reverse();
        Ok::<(), Problem>(())
    });
    assert!(!reordered.await.unwrap().changed);
    assert_eq!(told.borrow().version.version, 2);
    assert_eq!(configuration.history(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_edit_that_is_refused_changes_nothing() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    let before = configuration.current();
    let gave_up = configuration.edit("user:ann", "x", |document| {
        document.engine.apps.clear();
        Err::<(), _>("no")
    });
    assert!(matches!(gave_up.await, Err(EditError::Refused("no"))));
    let bad = configuration.edit("user:ann", "x", |document| {
        document.engine.apps[0].max_viewers = 0;
        Ok::<(), Problem>(())
    });
    let error = bad.await.unwrap_err();
    assert!(error.to_string().starts_with("engine.apps[0].max_viewers: "), "{error}");
    let stale = configuration.edit_from(Some(2), "user:ann", "x", |document| {
        document.engine.apps.clear();
        Ok::<(), Problem>(())
    });
    assert!(matches!(stale.await, Err(EditError::Stale { expected: 2, newest: 1 })));
    opened.store.close().await;
    let closed = configuration.edit("user:ann", "x", |document| {
        document.engine.apps.clear();
        Ok::<(), Problem>(())
    });
    assert!(matches!(closed.await, Err(EditError::Store(StoreError::Closed))));
    assert_eq!(configuration.current(), before);
}

#[tokio::test]
async fn writers_go_one_after_the_other() {
    let opened = opened().await;
    let mut tasks = tokio::task::JoinSet::new();
    set_viewers(&opened.configuration, 100).await;
    for _ in 0..20 {
        let configuration = opened.configuration.clone();
        tasks.spawn(async move {
            let add = |document: &mut ConfigDocument| {
                document.engine.apps[0].max_viewers += 1;
                Ok::<(), Problem>(())
            };
            configuration.edit("system", "one more", add).await.is_ok()
        });
    }
    while let Some(done) = tasks.join_next().await {
        assert!(done.unwrap());
    }
    assert_eq!(viewers(&opened.configuration), 120);
    assert_eq!(opened.configuration.current().version.version, 22);
}

/// A store whose commits wait at a gate.
struct Gated {
    store: SqliteStore,
    gate: Semaphore,
}

#[async_trait]
impl ConfigStore for Gated {
    async fn load(&self) -> Result<StoredConfig, StoreError> {
        self.store.load().await
    }

    async fn commit(&self, commit: Commit) -> Result<u64, StoreError> {
        let _permit = self.gate.acquire().await;
        self.store.commit(commit).await
    }

    async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<Revision>, StoreError> {
        self.store.history(before, limit).await
    }

    async fn changes(&self, version: u64) -> Result<Vec<Change>, StoreError> {
        self.store.changes(version).await
    }

    async fn changes_between(&self, from: u64, to: u64) -> Result<Vec<Change>, StoreError> {
        self.store.changes_between(from, to).await
    }
}

#[tokio::test]
async fn an_edit_that_nobody_waits_for_is_whole() {
    let opened = opened().await;
    let gated = Arc::new(Gated { store: opened.store.clone(), gate: Semaphore::new(0) });
    let configuration = Configuration::open(Arc::clone(&gated) as Arc<dyn ConfigStore>).await.unwrap();
    let mut told = configuration.subscribe();
    let impatient = tokio::time::timeout(Duration::ZERO, set_viewers(&configuration, 7)).await;
    assert!(impatient.is_err());
    assert_eq!(configuration.current().version.version, 1);
    gated.gate.add_permits(1);
    let published = tokio::time::timeout(PATIENCE, told.changed()).await;
    published.expect("the edit goes on by itself").unwrap();
    assert_eq!(viewers(&configuration), 7);
    assert_eq!(opened.store.load().await.unwrap(), *configuration.current());
}

#[tokio::test]
async fn a_change_by_another_manager_is_taken_over() {
    let opened = opened().await;
    let mine = &opened.configuration;
    let other = Configuration::open(Arc::new(opened.store.clone())).await.unwrap();
    set_viewers(&other, 7).await;
    let stale = mine.edit("user:ann", "x", |document| {
        document.engine.apps[0].max_viewers = 9;
        Ok::<(), Problem>(())
    });
    assert!(matches!(stale.await, Err(EditError::Stale { expected: 1, newest: 2 })));
    assert_eq!(viewers(mine), 7);
    set_viewers(mine, 9).await;
    assert_eq!(mine.current().version.version, 3);
}

#[tokio::test]
async fn rolling_back_restores_and_is_a_version_itself() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    set_viewers(configuration, 7).await;
    let second = configuration.current().document.clone();
    let add = |document: &mut ConfigDocument| {
        let app = json!({ "app_name": "pulled", "source_type": "rtmp_pull" });
        document.engine.apps.push(serde_json::from_value(app).unwrap());
        let pull = json!({ "app": "pulled", "stream": "s", "urls": ["rtmp://user:hush@h/a/b?t=hush"] });
        document.engine.pulls.push(serde_json::from_value(pull).unwrap());
        document.engine.apps.retain(|app| app.app_name.as_str() != "live");
        Ok::<(), Problem>(())
    };
    configuration.edit("user:ann", "pull", add).await.unwrap();
    let third = configuration.current().document.clone();
    let back = configuration.rollback(2, Some(3), "user:bob").await.unwrap();
    assert_eq!((back.config.version.version, &back.config.document), (4, &second));
    let newest = configuration.history(None, 1).await.unwrap().remove(0);
    let expected = ("user:bob", "roll back to version 2", 3);
    assert_eq!((newest.actor.as_str(), newest.summary.as_str(), newest.changed), expected);
    assert_eq!(configuration.rollback(3, None, "user:bob").await.unwrap().config.document, third);
    assert!(!configuration.rollback(3, None, "user:bob").await.unwrap().changed);

    let forward = configuration.diff(2, 3).await.unwrap();
    let names: Vec<_> = forward.iter().map(|change| (change.kind, change.id.as_str())).collect();
    let expected = [(EntityKind::App, "live"), (EntityKind::App, "pulled"), (EntityKind::Pull, "pulled/s")];
    assert_eq!(names, expected);
    assert!(!serde_json::to_string(&forward).unwrap().contains("hush"));
    let inverse: Vec<Change> = forward.iter().cloned().map(Change::inverse).collect();
    assert_eq!(configuration.diff(3, 2).await.unwrap(), inverse);
    assert_eq!(configuration.changes(3).await.unwrap(), forward);
    assert_eq!(configuration.diff(2, 4).await.unwrap(), []);

    for unknown in [0, 9] {
        let missing = configuration.rollback(unknown, None, "user:bob").await;
        let Err(EditError::Store(error)) = missing else { panic!("{unknown}: {missing:?}") };
        assert_eq!(error, StoreError::NoVersion { version: unknown });
    }
    let stale = configuration.rollback(2, Some(4), "user:bob").await;
    assert!(matches!(stale, Err(EditError::Stale { expected: 4, newest: 5 })));
}

#[tokio::test]
async fn a_version_that_cannot_be_used_any_more_is_not_restored() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    set_viewers(configuration, 7).await;
    // As an older program may have left it, which knew fewer rules.
    let mut app = serde_json::to_value(&configuration.current().document.engine.apps[0]).unwrap();
    let good = app.clone();
    app["max_viewers"] = json!(0);
    let commit = |base, before: Value, after: Value| Commit {
        base,
        at_unix_ms: 0,
        actor: "system".into(),
        summary: String::new(),
        changes: vec![Change {
            kind: EntityKind::App,
            id: "live".into(),
            before: Some(before),
            after: Some(after),
        }],
    };
    opened.store.commit(commit(2, good.clone(), app.clone())).await.unwrap();
    opened.store.commit(commit(3, app.clone(), good)).await.unwrap();
    let configuration = Configuration::open(Arc::new(opened.store.clone())).await.unwrap();
    let error = configuration.rollback(3, None, "user:bob").await.unwrap_err();
    assert!(error.to_string().contains("engine.apps[0].max_viewers"), "{error}");
    assert_eq!(configuration.current().version.version, 4);
}

#[tokio::test]
async fn an_export_comes_back() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    let with_secret = json!({
        "engine": { "apps": [{ "app_name": "live", "source_type": "rtmp_push",
            "publish_auth": { "shared_key": "hush" } }] },
        "webhooks": [{ "name": "w1", "url": "https://a.example/?k=hush", "secret": "hush" }]
    });
    let preview = configuration.preview_import(with_secret.clone()).unwrap();
    assert_eq!(preview.len(), 2);
    assert!(!serde_json::to_string(&preview).unwrap().contains("hush"));
    assert_eq!(configuration.current().version.version, 1);
    configuration.import(with_secret, Some(1), "user:ann").await.unwrap();
    let imported = configuration.current();
    assert_eq!(imported.document.webhooks[0].secret.expose(), "hush");
    let (whole, masked) = (configuration.export(true).unwrap(), configuration.export(false).unwrap());
    assert_eq!((whole.format, &whole.version), (EXPORT_FORMAT, &imported.version));
    assert!(whole.config.to_string().contains("hush"));
    assert!(!serde_json::to_string(&masked).unwrap().contains("hush"));
    for export in [whole.config.clone(), masked.config] {
        assert!(!configuration.import(export, None, "user:ann").await.unwrap().changed);
    }
    let edited = configuration.import(json!({}), None, "user:ann").await.unwrap();
    assert_eq!(edited.config.document, ConfigDocument::default());
    configuration.import(whole.config, None, "user:ann").await.unwrap();
    assert_eq!(configuration.current().document, imported.document);
}

#[tokio::test]
async fn an_import_that_cannot_be_read_says_where() {
    let opened = opened().await;
    for (config, place) in [
        (json!({ "engine": { "apps": [{ "app_name": "a b" }] } }), "engine.apps[0].app_name"),
        (json!({ "engine": { "planets": [] } }), "engine.planets"),
        (
            json!({ "webhooks": [{ "name": "w1", "url": "https://h/", "secret": "***" }] }),
            "webhooks[0].secret",
        ),
        (json!([]), "an object is expected"),
        (json!({ "engine": [] }), "engine: an object is expected"),
    ] {
        let error = opened.configuration.import(config, None, "user:ann").await.unwrap_err();
        let EditError::Refused(problem) = error else { panic!("{error}") };
        let text = format!("{}: {}", problem.path, problem.message);
        assert!(text.contains(place), "{text}");
    }
    assert_eq!(opened.configuration.current().version.version, 1);
}

#[tokio::test]
async fn a_summary_at_its_limit() {
    let opened = opened().await;
    for (len, viewers) in [(MAX_SUMMARY_BYTES, 7), (MAX_SUMMARY_BYTES + 1, 8)] {
        let change = |document: &mut ConfigDocument| {
            document.engine.apps[0].max_viewers = viewers;
            Ok::<(), Problem>(())
        };
        opened.configuration.edit("system", &"s".repeat(len), change).await.unwrap();
        let newest = opened.configuration.history(None, 1).await.unwrap().remove(0);
        assert_eq!(newest.summary.len(), MAX_SUMMARY_BYTES);
    }
}

#[tokio::test]
async fn a_large_configuration_is_edited_and_read_back() {
    let opened = opened().await;
    let configuration = &opened.configuration;
    let large = |document: &mut ConfigDocument| {
        for number in 0..200 {
            let app = json!({ "app_name": format!("app{number}"), "source_type": "rtmp_pull" });
            document.engine.apps.push(serde_json::from_value(app).unwrap());
        }
        for number in 0..2_000 {
            let (app, stream) = (format!("app{}", number % 200), format!("stream{number}"));
            let url = format!("rtmp://source.example/live/{stream}?token=t{number}");
            let pull = json!({ "app": app, "stream": stream, "urls": [url] });
            document.engine.pulls.push(serde_json::from_value(pull).unwrap());
        }
        Ok::<(), Problem>(())
    };
    let edited = configuration.edit("system", "large", large).await.unwrap();
    assert_eq!(opened.store.load().await.unwrap(), *edited.config);
    let mut slowest = 0;
    for number in 0..10 {
        let begun = Instant::now();
        let change = |document: &mut ConfigDocument| {
            document.engine.pulls[number * 100].enabled = false;
            Ok::<(), Problem>(())
        };
        configuration.edit("system", "one", change).await.unwrap();
        slowest = slowest.max(begun.elapsed().as_micros());
    }
    println!("slowest edit of one of 2 000 pulls: {slowest} us");
    assert_eq!(configuration.history(None, 1).await.unwrap()[0].changed, 1);
    let back = configuration.rollback(1, None, "system").await.unwrap();
    assert_eq!(back.config.document, ConfigDocument::default());
}
