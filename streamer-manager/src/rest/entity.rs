//! Entities that the configuration lists and the API adds, changes and removes: the steps that are the same for each kind.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::RestState;
use super::caller::Caller;
use super::change::{Change, created, patched, replaced};
use super::envelope::Done;
use super::error::ApiError;
use crate::document::{ConfigDocument, EntityKind};

/// An entry of a list of the configuration.
pub(super) trait Entity: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: EntityKind;
    /// What it is called in messages: `add application success`.
    const WHAT: &'static str;
    /// What it is called when there is none of a name.
    const MISSING: &'static str = Self::WHAT;
    /// Its route; the path of one is this and its name behind a slash.
    const PATH: &'static str;

    /// The list.
    fn list(document: &ConfigDocument) -> &[Self];

    /// The list, to be changed.
    fn list_mut(document: &mut ConfigDocument) -> &mut Vec<Self>;

    /// Its name, unique among all of its kind, as it stands in its path: with its application in front where it
    /// belongs to one.
    fn name(&self) -> String;

    /// The parameter in which the name of `other` differs from its own, if it does.
    fn renamed(&self, other: &Self) -> Option<&'static str>;

    /// The failure to add one of a name that is there already.
    fn duplicated() -> ApiError {
        ApiError::duplicated(Self::WHAT)
    }
}

/// An entity that can be switched off and stay configured.
pub(super) trait Switch: Entity {
    /// Whether it is switched on.
    fn enabled(&mut self) -> &mut bool;
}

/// The entity called `name`.
pub(super) fn find<'a, E: Entity>(document: &'a ConfigDocument, name: &str) -> Result<&'a E, ApiError> {
    E::list(document)
        .iter()
        .find(|entity| entity.name() == name)
        .ok_or_else(|| ApiError::not_found(E::MISSING))
}

/// The same, to be changed.
fn find_mut<'a, E: Entity>(document: &'a mut ConfigDocument, name: &str) -> Result<&'a mut E, ApiError> {
    let mut list = E::list_mut(document).iter_mut();
    list.find(|entity| entity.name() == name).ok_or_else(|| ApiError::not_found(E::MISSING))
}

impl RestState {
    /// Does `doing` (`add`, `change`, ...) to the entity `name`, by `make`.
    pub(super) async fn edit_entity<E: Entity>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        doing: &str,
        name: &str,
        make: impl FnOnce(&mut ConfigDocument) -> Result<(), ApiError>,
    ) -> Result<Done, ApiError> {
        let doing = format!("{doing} {}", E::WHAT);
        let message = format!("{doing} success");
        let by = Change { caller, base, doing, kind: E::KIND, name: name.to_owned() };
        Ok(Done::new(message).at(self.edit(by, make).await?))
    }

    /// Adds what `body` says.
    pub(super) async fn add_entity<E: Entity>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        body: Value,
    ) -> Result<Done, ApiError> {
        let entity: E = created(body)?;
        let name = entity.name();
        let done = self.edit_entity::<E>(caller, base, "add", &name, |document| {
            if E::list(document).iter().any(|other| other.renamed(&entity).is_none()) {
                return Err(E::duplicated());
            }
            E::list_mut(document).push(entity);
            Ok(())
        });
        Ok(done.await?.about(format!("{}/{name}", E::PATH)))
    }

    /// Replaces the entity `name` by what `body` says.
    pub(super) async fn replace_entity<E: Entity>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        name: &str,
        body: Value,
    ) -> Result<Done, ApiError> {
        self.change_entity(caller, base, name, |old: &E| replaced(old, body)).await
    }

    /// Changes the fields of the entity `name` that `body` gives.
    pub(super) async fn patch_entity<E: Entity>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        name: &str,
        body: Value,
    ) -> Result<Done, ApiError> {
        self.change_entity(caller, base, name, |old: &E| patched(old, body)).await
    }

    async fn change_entity<E: Entity>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        name: &str,
        make: impl FnOnce(&E) -> Result<E, ApiError>,
    ) -> Result<Done, ApiError> {
        let change = |document: &mut ConfigDocument| {
            let entity = find_mut::<E>(document, name)?;
            let made = make(entity)?;
            if let Some(parameter) = entity.renamed(&made) {
                return Err(ApiError::parameter(parameter).detail("it must be as in the path"));
            }
            *entity = made;
            Ok(())
        };
        self.edit_entity::<E>(caller, base, "change", name, change).await
    }

    /// Removes the entity `name`.
    pub(super) async fn remove_entity<E: Entity>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        name: &str,
    ) -> Result<Done, ApiError> {
        let remove = |document: &mut ConfigDocument| {
            find::<E>(document, name)?;
            E::list_mut(document).retain(|entity| entity.name() != name);
            Ok(())
        };
        self.edit_entity::<E>(caller, base, "delete", name, remove).await
    }

    /// Switches the entity `name` on or off.
    pub(super) async fn switch_entity<E: Switch>(
        &self,
        caller: &Caller,
        base: Option<u64>,
        name: &str,
        on: bool,
    ) -> Result<Done, ApiError> {
        let switch = |document: &mut ConfigDocument| {
            *find_mut::<E>(document, name)?.enabled() = on;
            Ok(())
        };
        self.edit_entity::<E>(caller, base, if on { "start" } else { "stop" }, name, switch).await
    }
}
