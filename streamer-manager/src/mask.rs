//! Showing the configuration to somebody who does not need its secrets, and taking it back from there.
//!
//! Secrets are shown as [`MASK`]; of a URL its user, password, query and fragment are. Who sends back what was shown
//! means the secret that is stored. A URL keeps its hidden parts only as long as the rest of it is the same: else
//! whoever may change the host of a URL could have its password sent there.

use std::collections::HashMap;

use serde_json::Value;
use streamer_control::config::{FieldPath, Problem};
use url::Url;

use crate::document::{Change, ConfigDocument};

/// What stands for a secret.
pub const MASK: &str = "***";

/// Names of the fields that hold a secret.
const SECRET_FIELDS: [&str; 2] = ["secret", "shared_key"];
/// Names of the fields that hold a URL, or a list of them.
const URL_FIELDS: [&str; 3] = ["url", "urls", "jwks_url"];

/// Masks all secrets in the JSON form of an entity, of a document, or of anything that holds them.
pub fn mask(value: &mut Value) {
    mask_field(value, "");
}

fn mask_field(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                mask_field(value, name);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                mask_field(element, name);
            }
        }
        Value::String(text) if SECRET_FIELDS.contains(&name) => *text = MASK.to_owned(),
        Value::String(text) if URL_FIELDS.contains(&name) => *text = masked_url(text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A change with its secrets masked.
#[must_use]
pub fn masked_change(mut change: Change) -> Change {
    for side in [&mut change.before, &mut change.after].into_iter().flatten() {
        mask(side);
    }
    change
}

/// A URL with its user, password, query and fragment masked. What cannot be read as a URL is masked whole.
#[must_use]
pub fn masked_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return MASK.to_owned() };
    let credentials = !url.username().is_empty() || url.password().is_some();
    if !credentials && url.query().is_none() && url.fragment().is_none() {
        return text.to_owned();
    }
    if credentials && (url.set_username(MASK).is_err() || url.set_password(None).is_err()) {
        return MASK.to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    if url.fragment().is_some() {
        url.set_fragment(Some(MASK));
    }
    url.into()
}

/// Puts the stored secrets in place of the masks of `value`, the JSON form of an entity; `stored` is the entity of
/// that name in force, if there is one.
///
/// # Errors
/// A mask that stands for nothing: there is no such entity, it has no such secret, or its URL was another one.
pub fn unmask(value: &mut Value, stored: Option<&Value>) -> Result<(), Problem> {
    unmask_field(value, stored, "", FieldPath::default())
}

fn unmask_field(value: &mut Value, stored: Option<&Value>, name: &str, at: FieldPath) -> Result<(), Problem> {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                unmask_field(value, stored.and_then(|stored| stored.get(name)), name, at.clone().key(name))?;
            }
        }
        Value::Array(elements) => {
            let held = stored.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for (index, element) in elements.iter_mut().enumerate() {
                let at = at.clone().index(index);
                // A URL may have moved within its list.
                let same = held.get(index).filter(|held| shown_as(held, element));
                let stored = same
                    .or_else(|| held.iter().find(|held| shown_as(held, element)))
                    .or_else(|| held.get(index));
                unmask_field(element, stored, name, at)?;
            }
        }
        Value::String(text) if SECRET_FIELDS.contains(&name) && text == MASK => {
            let Some(secret) = stored.and_then(Value::as_str) else {
                return Err(at.problem(format!("`{MASK}` stands for a stored secret, and there is none")));
            };
            secret.clone_into(text);
        }
        Value::String(text) if URL_FIELDS.contains(&name) && is_masked_url(text) => {
            let Some(url) = stored.and_then(Value::as_str).filter(|stored| masked_url(stored) == *text)
            else {
                let message = format!("`{MASK}` stands for parts of the stored URL, and that is another one");
                return Err(at.problem(message));
            };
            url.clone_into(text);
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn shown_as(stored: &Value, shown: &Value) -> bool {
    matches!((stored, shown), (Value::String(stored), Value::String(shown)) if masked_url(stored) == *shown)
}

fn is_masked_url(text: &str) -> bool {
    if text == MASK {
        return true;
    }
    Url::parse(text)
        .is_ok_and(|url| url.username() == MASK || url.query() == Some(MASK) || url.fragment() == Some(MASK))
}

/// Puts the stored secrets in place of the masks of `value`, the JSON form of a whole document; `stored` is the one
/// in force.
///
/// # Errors
/// As [`unmask`], with the path from the root of the document.
pub fn unmask_document(value: &mut Value, stored: &ConfigDocument) -> Result<(), Problem> {
    let stored =
        serde_json::to_value(stored).map_err(|error| FieldPath::default().problem(error.to_string()))?;
    for (list, id) in [
        (&["engine", "apps"][..], &["app_name"][..]),
        (&["engine", "pulls"], &["app", "stream"]),
        (&["engine", "forwards"], &["app", "name"]),
        (&["webhooks"], &["name"]),
    ] {
        let pointer = format!("/{}", list.join("/"));
        let (Some(entities), Some(held)) = (
            value.pointer_mut(&pointer).and_then(Value::as_array_mut),
            stored.pointer(&pointer).and_then(Value::as_array),
        ) else {
            continue;
        };
        let at = list.iter().fold(FieldPath::default(), |at, name| at.key(name));
        let held: HashMap<Vec<&str>, &Value> =
            held.iter().filter_map(|entity| Some((id_of(entity, id)?, entity))).collect();
        for (index, entity) in entities.iter_mut().enumerate() {
            let stored = id_of(entity, id).and_then(|id| held.get(&id).copied());
            unmask_field(entity, stored, "", at.clone().index(index))?;
        }
    }
    if let (Some(settings), Some(held)) =
        (value.pointer_mut("/engine/settings"), stored.pointer("/engine/settings"))
    {
        unmask_field(settings, Some(held), "", FieldPath::field("engine").key("settings"))?;
    }
    Ok(())
}

fn id_of<'a>(entity: &'a Value, fields: &[&str]) -> Option<Vec<&'a str>> {
    fields.iter().map(|field| entity.get(field)?.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::fs;
    use std::path::Path;

    /// A document with a secret in each place that there is.
    fn full() -> ConfigDocument {
        let document = json!({
            "engine": {
                "apps": [{
                    "app_name": "live", "source_type": "rtmp_push",
                    "publish_auth": {
                        "shared_key": "hush-1", "jwt": { "keys": { "secret": "hush-2" } },
                        "callback": { "url": "http://hush-3:hush-4@host/ask?key=hush-5#hush-6" }
                    },
                    "play_auth": { "jwt": { "keys": { "jwks_url": "https://host/keys?k=hush-7" } } }
                }, { "app_name": "pulled", "source_type": "rtmp_pull" }],
                "pulls": [{ "app": "pulled", "stream": "s", "urls": [
                    "rtmp://hush-8:hush-9@one/live/a", "rtmp://two/live/a?token=hush-10", "rtmp://three/live/a"
                ] }],
                "forwards": [{
                    "name": "up", "app": "live", "stream": "s", "url": "rtmps://host/live/x?sign=hush-11"
                }]
            },
            "webhooks": [{ "name": "w1", "url": "https://host/hook?key=hush-12", "secret": "hush-13" }]
        });
        let document: ConfigDocument = serde_json::from_value(document).unwrap();
        document.check().unwrap();
        document
    }

    fn masked(document: &ConfigDocument) -> Value {
        let mut value = serde_json::to_value(document).unwrap();
        mask(&mut value);
        value
    }

    #[test]
    fn nothing_secret_is_shown_and_the_rest_is() {
        let text = masked(&full()).to_string();
        assert!(!text.contains("hush"), "{text}");
        for shown in
            ["rtmp://***@one/live/a", "rtmp://two/live/a?***", "rtmp://three/live/a", "https://host/hook?***"]
        {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        // What is shown has the form of a document: another manager and a console can read it.
        serde_json::from_str::<ConfigDocument>(&text).unwrap();
    }

    #[test]
    fn what_was_shown_comes_back_whole() {
        let document = full();
        let mut shown = masked(&document);
        unmask_document(&mut shown, &document).unwrap();
        assert_eq!(serde_json::from_value::<ConfigDocument>(shown).unwrap(), document);
        let mut change = full().changes_to(&ConfigDocument::default()).unwrap().remove(0);
        let stored = change.before.clone();
        change = masked_change(change);
        let mut entity = change.before.unwrap();
        unmask(&mut entity, stored.as_ref()).unwrap();
        assert_eq!(Some(entity), stored);
    }

    #[test]
    fn urls_may_move_within_their_list() {
        let document = full();
        let mut shown = masked(&document);
        let urls = shown.pointer_mut("/engine/pulls/0/urls").unwrap().as_array_mut().unwrap();
        urls.reverse();
        urls.push(json!("rtmp://four/live/a?token=new"));
        unmask_document(&mut shown, &document).unwrap();
        let expected = json!([
            "rtmp://three/live/a",
            "rtmp://two/live/a?token=hush-10",
            "rtmp://hush-8:hush-9@one/live/a",
            "rtmp://four/live/a?token=new"
        ]);
        assert_eq!(shown.pointer("/engine/pulls/0/urls"), Some(&expected));
    }

    #[test]
    fn a_mask_that_stands_for_nothing_is_refused() {
        for (pointer, value, place) in [
            // Whoever may change a host is not sent the password of the old one.
            ("/engine/pulls/0/urls/0", json!("rtmp://***@evil/live/a"), "engine.pulls[0].urls[0]"),
            ("/webhooks/0/url", json!("https://evil/hook?***"), "webhooks[0].url"),
            ("/engine/forwards/0/url", json!("***"), "engine.forwards[0].url"),
            ("/webhooks/0/name", json!("other"), "webhooks[0]."),
            ("/engine/apps/0/play_auth/shared_key", json!("***"), "engine.apps[0].play_auth.shared_key"),
            ("/engine/apps/0/app_name", json!("other"), "engine.apps[0]."),
        ] {
            let document = full();
            let mut shown = masked(&document);
            *shown.pointer_mut(pointer).unwrap() = value;
            let problem = unmask_document(&mut shown, &document).unwrap_err();
            assert!(problem.path.to_string().starts_with(place), "{pointer}: {}", problem.path);
            assert!(!problem.message.contains("hush"), "{}", problem.message);
        }
    }

    #[test]
    fn urls_that_parsers_read_in_their_own_way() {
        for text in [
            "http:hush:hush@host/",
            "http:\\hush:hush@host/",
            "ht\ntp://hush@host/",
            "http://hush@hush@host/?hush",
            "http://:hush@host/",
            "rtmp://hush:hush@[::1]:1/a/b?hush#hush",
            "hush@host",
        ] {
            let shown = masked_url(text);
            assert!(!shown.contains("hush"), "{text}: {shown}");
        }
        assert_eq!(masked_url("rtmp://host:1936/live/a"), "rtmp://host:1936/live/a");
    }

    /// A field of a secret type that this module does not know would be shown to everybody.
    #[test]
    fn every_field_of_a_secret_type_is_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = Vec::new();
        let mut files: Vec<_> = fs::read_dir(root.join("streamer-control/src/config"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.push(root.join("streamer-manager/src/document.rs"));
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let declared = text.split("#[cfg(test)]").next().unwrap();
            for line in declared.lines().map(str::trim) {
                for (kind, fields) in
                    [("Secret", &SECRET_FIELDS[..]), ("HttpUrl", &URL_FIELDS), ("StreamUrl", &URL_FIELDS)]
                {
                    let holds = ["", "Option<", "Vec<"]
                        .iter()
                        .any(|outer| line.contains(&format!(": {outer}{kind}")) && line.starts_with("pub "));
                    if let Some((name, _)) =
                        line.trim_start_matches("pub ").split_once(": ").filter(|_| holds)
                    {
                        assert!(!name.contains('('), "{line}");
                        assert!(fields.contains(&name), "{}: {line}", file.display());
                        found.push(name.to_owned());
                    }
                    if let Some(variant) = line.strip_suffix(&format!("({kind}),")) {
                        let name =
                            if variant == "JwksUrl" { "jwks_url".to_owned() } else { variant.to_lowercase() };
                        assert!(fields.contains(&name.as_str()), "{}: {line}", file.display());
                        found.push(name);
                    }
                }
            }
        }
        for name in SECRET_FIELDS.iter().chain(&URL_FIELDS) {
            assert!(found.iter().any(|found| found == name), "{name}: {found:?}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let field = prop::sample::select(vec!["secret", "shared_key", "url", "urls", "name", "keys"]);
        let text = prop_oneof![
            Just(MASK.to_owned()),
            Just("rtmp://***@h/a/b?***".to_owned()),
            "[a-z]{2,5}://([a-z]{0,3}:[a-z]{0,3}@)?[a-z]{1,3}(:[0-9]{1,5})?/[a-z/]{0,6}(\\?[a-z*]{0,4})?",
            ".{0,12}",
        ];
        let leaf =
            prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), text.prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((field.clone(), inner), 0..4).prop_map(|fields| Value::Object(
                    fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn masking_twice_is_masking_once(value in json_value()) {
            let mut once = value;
            mask(&mut once);
            let mut twice = once.clone();
            mask(&mut twice);
            prop_assert_eq!(twice, once);
        }

        #[test]
        fn any_json_is_answered(shown in json_value(), stored in json_value()) {
            let _ = unmask(&mut shown.clone(), Some(&stored));
            let _ = unmask_document(&mut shown.clone(), &full());
        }

        #[test]
        fn a_url_shows_no_more_than_its_place(user in "[a-z]{1,8}", word in "[a-z]{1,8}", query in "[a-z=&]{1,8}") {
            let shown = masked_url(&format!("https://Q{user}Q:Q{word}Q@host/path?Q{query}Q"));
            prop_assert_eq!(shown, "https://***@host/path?***");
        }
    }
}
