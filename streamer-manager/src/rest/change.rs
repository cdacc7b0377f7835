//! Changing the configuration for a request: from the version the caller knows, in the caller's name; secrets that
//! come back as they were shown stay what they are.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use streamer_control::config::Problem;
use utoipa::ToSchema;

use super::RestState;
use super::caller::Caller;
use super::error::{ApiError, ErrorCode};
use super::request::from_value;
use crate::configuration::EditError;
use crate::document::{ConfigDocument, EntityKind};
use crate::mask;
use crate::store::StoreError;

/// Deepest nesting of a merge patch: configuration nests four deep.
pub const MAX_PATCH_DEPTH: usize = 16;

/// The version that the caller made the change from, by `If-Match` (RFC 9110, 13.1.1).
pub(super) struct IfMatch(pub(super) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        // No other form was ever given out as a version, so it is not that of the configuration.
        let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        version
            .and_then(|version| version.parse().ok())
            .map(|version| Self(Some(version)))
            .ok_or_else(version_conflict)
    }
}

/// A merge patch (RFC 7396): fields that are given replace those that are there.
#[derive(Deserialize, ToSchema)]
#[schema(value_type = Object)]
pub(super) struct PatchBody(pub(super) Value);

/// The configuration is of another version than the caller knows.
pub(super) fn version_conflict() -> ApiError {
    let message = "the configuration was changed meanwhile";
    ApiError::new(StatusCode::PRECONDITION_FAILED, ErrorCode::VersionConflict, message)
}

/// What a request changes, in whose name.
pub(super) struct Change<'a> {
    /// Who.
    pub(super) caller: &'a Caller,
    /// The version it was made from, if that matters.
    pub(super) base: Option<u64>,
    /// What is done, as `add application`.
    pub(super) doing: String,
    /// To what kind of entity.
    pub(super) kind: EntityKind,
    /// Its name.
    pub(super) name: String,
}

impl RestState {
    /// Makes a new version of the configuration; returns its number.
    pub(super) async fn edit(
        &self,
        by: Change<'_>,
        make: impl FnOnce(&mut ConfigDocument) -> Result<(), ApiError>,
    ) -> Result<u64, ApiError> {
        let summary = format!("{} {}", by.doing, by.name);
        let actor = by.caller.identity.actor();
        match self.configuration().edit_from(by.base, &actor, &summary, make).await {
            Ok(edited) => Ok(edited.config.version.version),
            Err(EditError::Refused(error)) => Err(error),
            Err(EditError::Invalid(problem)) => Err(invalid(&problem, by.kind)),
            Err(EditError::Stale { .. }) => Err(version_conflict()),
            Err(EditError::Store(error)) => Err(of_store(error, &by.doing)),
        }
    }
}

/// The failure for what the configuration would not be right with, when an entity of `kind` was changed.
pub(super) fn invalid(problem: &Problem, kind: EntityKind) -> ApiError {
    let path = problem.path.to_string();
    let own = match kind {
        EntityKind::Settings => path.strip_prefix("engine.settings.").map(str::to_owned),
        EntityKind::App => within(&path, "engine.apps["),
        EntityKind::Pull => within(&path, "engine.pulls["),
        EntityKind::Forward => within(&path, "engine.forwards["),
        EntityKind::Webhook => within(&path, "webhooks["),
    };
    match own {
        Some(parameter) => ApiError::parameter(parameter).detail(problem.message.clone()),
        None => ApiError::conflict("it does not go with the rest of the configuration")
            .detail(format!("{path}: {}", problem.message)),
    }
}

/// The path within an entry of a list.
fn within(path: &str, list: &str) -> Option<String> {
    path.strip_prefix(list)?.split_once("].").map(|(_, field)| field.to_owned())
}

/// The failure of the store while `doing` something.
pub(super) fn of_store(error: StoreError, doing: &str) -> ApiError {
    match error {
        StoreError::Exists { what, .. } => ApiError::duplicated(what),
        StoreError::Missing { what, .. } => ApiError::not_found(what),
        StoreError::NoVersion { .. } => ApiError::not_found("version"),
        StoreError::Conflict { .. } => version_conflict(),
        StoreError::TooMany { .. } | StoreError::LastAdministrator => ApiError::conflict(error.to_string()),
        StoreError::Full => {
            tracing::error!(%error, "{doing} failed");
            let status = StatusCode::INSUFFICIENT_STORAGE;
            ApiError::new(status, ErrorCode::DiskFull, "the disk is full")
        }
        other => ApiError::internal(doing, &other),
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        of_store(error, "asking the store")
    }
}

/// An entity as it is shown: its secrets masked.
pub(super) fn shown<T: Serialize>(entity: &T) -> Value {
    // Every type of the configuration has a JSON form.
    let mut value = serde_json::to_value(entity).unwrap_or_default();
    mask::mask(&mut value);
    value
}

/// A new entity.
pub(super) fn created<T: DeserializeOwned>(body: Value) -> Result<T, ApiError> {
    entity(body, None)
}

/// The entity that is to replace `old`.
pub(super) fn replaced<T: Serialize + DeserializeOwned>(old: &T, body: Value) -> Result<T, ApiError> {
    entity(body, Some(&serde_json::to_value(old).map_err(|error| ApiError::internal("reading", &error))?))
}

/// The entity `old` with some fields replaced.
pub(super) fn patched<T: Serialize + DeserializeOwned>(old: &T, patch: Value) -> Result<T, ApiError> {
    let old = serde_json::to_value(old).map_err(|error| ApiError::internal("reading", &error))?;
    let mut made = old.clone();
    merge(&mut made, patch)?;
    entity(made, Some(&old))
}

fn entity<T: DeserializeOwned>(mut body: Value, stored: Option<&Value>) -> Result<T, ApiError> {
    mask::unmask(&mut body, stored)
        .map_err(|problem| ApiError::parameter(problem.path.to_string()).detail(problem.message))?;
    from_value(body)
}

/// Merges `patch` into `target` (RFC 7396): objects field by field, `null` takes a field away, all else replaces.
///
/// # Errors
/// A patch that nests deeper than [`MAX_PATCH_DEPTH`].
pub(super) fn merge(target: &mut Value, patch: Value) -> Result<(), ApiError> {
    merge_at(target, patch, 0)
}

fn merge_at(target: &mut Value, patch: Value, depth: usize) -> Result<(), ApiError> {
    if depth > MAX_PATCH_DEPTH {
        return Err(ApiError::bad_request(ErrorCode::BadRequest, "the patch is nested too deep"));
    }
    let Value::Object(fields) = patch else {
        *target = patch;
        return Ok(());
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(object) = target {
        for (name, value) in fields {
            if value.is_null() {
                object.remove(&name);
            } else {
                merge_at(object.entry(name).or_insert(Value::Null), value, depth + 1)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_examples_of_the_specification() {
        // RFC 7396, appendix A.
        for (mut target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            merge(&mut target, patch).unwrap();
            assert_eq!(target, expected);
        }
    }

    #[test]
    fn nesting_at_its_limit() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(merge(&mut json!({}), nested(MAX_PATCH_DEPTH)).is_ok());
        assert!(merge(&mut json!({}), nested(MAX_PATCH_DEPTH + 1)).is_err());
    }
}
