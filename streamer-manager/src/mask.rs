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
