//! The configuration as one document, and the entities it consists of: what is stored, versioned and compared.

use std::collections::{BTreeMap, HashMap};
use std::slice;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use streamer_control::config::{
    AppConfig, FieldPath, ForwardConfig, HttpUrl, ManagedConfig, Problem, PullConfig, Secret,
};

/// Longest name of a webhook, in bytes: it is part of a path of the API.
pub const MAX_WEBHOOK_NAME_BYTES: usize = 40;
/// Webhooks of one manager: each event is sent to each of them.
pub const MAX_WEBHOOKS: usize = 64;

/// All that the manager stores and versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigDocument {
    /// What the engine is told.
    pub engine: ManagedConfig,
    /// Who is told of events.
    pub webhooks: Vec<WebhookConfig>,
}

/// Somebody who is told of events, by HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Unique name: 2 to 40 of `A-Z a-z 0-9 - _`.
    pub name: String,
    /// Where the requests go.
    pub url: HttpUrl,
    /// The key they are signed with.
    pub secret: Secret,
    /// Kinds of events to send, such as `stream_published`; empty for all but those of viewers, which are many.
    #[serde(default)]
    pub events: Vec<String>,
    /// Whether it is told anything now.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// Kinds of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// Settings of the engine as a whole; there is one, of an empty name.
    Settings,
    /// An application, by its name.
    App,
    /// A source stream, by `application/stream`.
    Pull,
    /// A forward, by `application/name`.
    Forward,
    /// A webhook, by its name.
    Webhook,
}

impl EntityKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Settings, Self::App, Self::Pull, Self::Forward, Self::Webhook];

    /// Its spelling in the store and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::App => "app",
            Self::Pull => "pull",
            Self::Forward => "forward",
            Self::Webhook => "webhook",
        }
    }

    /// The kind called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Names one entity.
pub type EntityId = (EntityKind, String);

/// One entity before and after a change; `None` where it was not or is no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its kind.
    pub kind: EntityKind,
    /// Its name.
    pub id: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
}

impl Change {
    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { before: self.after, after: self.before, ..self }
    }
}

fn app_id(app: &AppConfig) -> String {
    app.app_name.to_string()
}

fn pull_id(pull: &PullConfig) -> String {
    pull.key().to_string()
}

fn forward_id(forward: &ForwardConfig) -> String {
    format!("{}/{}", forward.app, forward.name)
}

fn webhook_id(webhook: &WebhookConfig) -> String {
    webhook.name.clone()
}

/// Adds to `changes` what differs, by name. Only that is made JSON: most of a large configuration stays as it is.
fn compare<T: PartialEq + Serialize>(
    changes: &mut Vec<Change>,
    kind: EntityKind,
    before: &[T],
    after: &[T],
    id: impl Fn(&T) -> String,
) -> Result<(), serde_json::Error> {
    let mut old: HashMap<String, &T> = before.iter().map(|entity| (id(entity), entity)).collect();
    for entity in after {
        let id = id(entity);
        let before = old.remove(&id);
        if before != Some(entity) {
            let before = before.map(serde_json::to_value).transpose()?;
            changes.push(Change { kind, id, before, after: Some(serde_json::to_value(entity)?) });
        }
    }
    for (id, entity) in old {
        changes.push(Change { kind, id, before: Some(serde_json::to_value(entity)?), after: None });
    }
    Ok(())
}

impl ConfigDocument {
    /// Its entities, by kind and name.
    ///
    /// # Errors
    /// Never for a document that was read or made by this crate: every type in it has a JSON form.
    pub fn entities(&self) -> Result<BTreeMap<EntityId, Value>, serde_json::Error> {
        let mut entities = BTreeMap::new();
        let mut put = |kind, id: String, value: serde_json::Result<Value>| {
            entities.insert((kind, id), value?);
            Ok::<(), serde_json::Error>(())
        };
        put(EntityKind::Settings, String::new(), serde_json::to_value(&self.engine.settings))?;
        for app in &self.engine.apps {
            put(EntityKind::App, app_id(app), serde_json::to_value(app))?;
        }
        for pull in &self.engine.pulls {
            put(EntityKind::Pull, pull_id(pull), serde_json::to_value(pull))?;
        }
        for forward in &self.engine.forwards {
            put(EntityKind::Forward, forward_id(forward), serde_json::to_value(forward))?;
        }
        for webhook in &self.webhooks {
            put(EntityKind::Webhook, webhook_id(webhook), serde_json::to_value(webhook))?;
        }
        Ok(entities)
    }

    /// The document that consists of `entities`; without settings they are the default ones.
    ///
    /// # Errors
    /// An entity of another form than this version knows.
    pub fn from_entities<'a>(
        entities: impl IntoIterator<Item = (EntityKind, &'a Value)>,
    ) -> Result<Self, serde_json::Error> {
        let mut document = Self::default();
        document.engine.apps.clear();
        for (kind, value) in entities {
            match kind {
                EntityKind::Settings => document.engine.settings = Deserialize::deserialize(value)?,
                EntityKind::App => document.engine.apps.push(Deserialize::deserialize(value)?),
                EntityKind::Pull => document.engine.pulls.push(Deserialize::deserialize(value)?),
                EntityKind::Forward => document.engine.forwards.push(Deserialize::deserialize(value)?),
                EntityKind::Webhook => document.webhooks.push(Deserialize::deserialize(value)?),
            }
        }
        Ok(document)
    }

    /// What changed from `self` to `after`, in the order of kinds and names. The order of entities is no change.
    ///
    /// # Errors
    /// As [`entities`](Self::entities).
    pub fn changes_to(&self, after: &Self) -> Result<Vec<Change>, serde_json::Error> {
        let mut changes = Vec::new();
        compare(
            &mut changes,
            EntityKind::Settings,
            slice::from_ref(&self.engine.settings),
            slice::from_ref(&after.engine.settings),
            |_| String::new(),
        )?;
        compare(&mut changes, EntityKind::App, &self.engine.apps, &after.engine.apps, app_id)?;
        compare(&mut changes, EntityKind::Pull, &self.engine.pulls, &after.engine.pulls, pull_id)?;
        compare(
            &mut changes,
            EntityKind::Forward,
            &self.engine.forwards,
            &after.engine.forwards,
            forward_id,
        )?;
        compare(&mut changes, EntityKind::Webhook, &self.webhooks, &after.webhooks, webhook_id)?;
        changes.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        Ok(changes)
    }

    /// The same with its entities in the order of their names, as they are stored.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.engine.apps.sort_by_cached_key(app_id);
        self.engine.pulls.sort_by_cached_key(pull_id);
        self.engine.forwards.sort_by_cached_key(forward_id);
        self.webhooks.sort_by_cached_key(webhook_id);
        self
    }

    /// The same after `changes`.
    ///
    /// # Errors
    /// An entity of another form than this version knows.
    pub fn with_changes(&self, changes: Vec<Change>) -> Result<Self, serde_json::Error> {
        let mut entities = self.entities()?;
        for Change { kind, id, after, .. } in changes {
            match after {
                Some(value) => entities.insert((kind, id), value),
                None => entities.remove(&(kind, id)),
            };
        }
        Self::from_entities(entities.iter().map(|((kind, _), value)| (*kind, value)))
    }

    /// The first problem with what is configured, or none.
    ///
    /// # Errors
    /// The problem and the path of the field at fault.
    pub fn check(&self) -> Result<(), Problem> {
        self.engine.check().map_err(|mut problem| {
            problem.path = FieldPath::field("engine").join(problem.path);
            problem
        })?;
        let at = FieldPath::field("webhooks");
        if self.webhooks.len() > MAX_WEBHOOKS {
            return Err(at.problem(format!("at most {MAX_WEBHOOKS} are allowed")));
        }
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let at = at.clone().index(index).key("name");
            let name = &webhook.name;
            let fits = (2..=MAX_WEBHOOK_NAME_BYTES).contains(&name.len());
            if !fits || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                return Err(
                    at.problem(format!("2 to {MAX_WEBHOOK_NAME_BYTES} of A-Z a-z 0-9 - _ are needed"))
                );
            }
            if self.webhooks[..index].iter().any(|other| other.name == *name) {
                return Err(at.problem(format!("there is a webhook named `{name}` already")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ConfigDocument {
        serde_json::from_str(text).unwrap()
    }

    fn webhook(name: &str) -> WebhookConfig {
        serde_json::from_value(serde_json::json!({"name": name, "url": "https://a.example/", "secret": "s"}))
            .unwrap()
    }

    #[test]
    fn a_document_is_its_entities() {
        let document = read(
            r#"{"engine": {"apps": [{"app_name": "pulled", "source_type": "rtmp_pull"}],
                "pulls": [{"app": "pulled", "stream": "a1", "urls": ["rtmp://host/live/a"]}],
                "forwards": [{"name": "up", "app": "pulled", "stream": "a1", "url": "rtmp://host/live/b"}]},
                "webhooks": [{"name": "w1", "url": "https://a.example/", "secret": "s"}]}"#,
        );
        let entities = document.entities().unwrap();
        assert_eq!(entities.len(), 5);
        let again =
            ConfigDocument::from_entities(entities.iter().map(|((kind, _), value)| (*kind, value))).unwrap();
        assert_eq!(again, document);
        let empty = ConfigDocument::from_entities([]).unwrap();
        let all = empty.changes_to(&document).unwrap();
        assert_eq!(all.len(), 4, "settings are the default ones in both: {all:?}");
        assert_eq!(empty.with_changes(all).unwrap(), document);
    }

    #[test]
    fn a_change_taken_back_is_none() {
        let before = ConfigDocument::default();
        let mut after = before.clone();
        after.engine.apps[0].max_viewers = 7;
        after.webhooks.push(webhook("w1"));
        let changes = before.changes_to(&after).unwrap();
        let named: Vec<_> = changes.iter().map(|change| (change.kind, change.id.as_str())).collect();
        assert_eq!(named, [(EntityKind::App, "live"), (EntityKind::Webhook, "w1")]);
        let back: Vec<Change> = changes.into_iter().map(Change::inverse).collect();
        assert_eq!(after.changes_to(&before).unwrap(), back);
        assert_eq!(before.changes_to(&before).unwrap(), []);
    }

    #[test]
    fn webhooks_at_their_limits() {
        let with = |names: Vec<String>| {
            let webhooks = names.iter().map(|name| webhook(name)).collect();
            ConfigDocument { webhooks, ..ConfigDocument::default() }.check()
        };
        let numbered = |count: usize| (0..count).map(|number| format!("w{number}")).collect();
        assert!(with(numbered(MAX_WEBHOOKS)).is_ok());
        assert!(with(numbered(MAX_WEBHOOKS + 1)).is_err());
        assert!(with(vec!["n".repeat(MAX_WEBHOOK_NAME_BYTES)]).is_ok());
        for bad in ["n".repeat(MAX_WEBHOOK_NAME_BYTES + 1), "n".into(), "a/b".into(), "a b".into()] {
            assert!(with(vec![bad.clone()]).is_err(), "{bad}");
        }
        let twice = with(vec!["aa".into(), "aa".into()]).unwrap_err();
        assert_eq!(twice.path.to_string(), "webhooks[1].name");
    }

    #[test]
    fn a_problem_of_the_engine_is_named_from_the_root() {
        let mut document = ConfigDocument::default();
        document.engine.apps[0].max_viewers = 0;
        assert_eq!(document.check().unwrap_err().path.to_string(), "engine.apps[0].max_viewers");
    }
}
