//! Settings of the engine as a whole.

use axum::extract::State;
use serde_json::Value;
use streamer_control::config::EngineSettings;

use super::RestState;
use super::caller::Caller;
use super::change::{Change, IfMatch, PatchBody, patched, replaced, shown};
use super::envelope::{Data, DataBody, Done, DoneBody};
use super::error::ApiError;
use super::request::Json;
use crate::document::EntityKind;

/// Show the settings
#[utoipa::path(get, path = "/v1/settings", tag = "settings",
    responses((status = 200, description = "The settings of the engine.", body = DataBody<EngineSettings>)))]
pub(super) async fn show(State(state): State<RestState>) -> Data<Value> {
    let config = state.config();
    Data::new(shown(&config.document.engine.settings)).at(config.version.version)
}

async fn change(
    state: &RestState,
    caller: &Caller,
    base: Option<u64>,
    make: impl FnOnce(&EngineSettings) -> Result<EngineSettings, ApiError>,
) -> Result<Done, ApiError> {
    let (doing, kind, name) = ("change settings".to_owned(), EntityKind::Settings, String::new());
    let version = state
        .edit(Change { caller, base, doing, kind, name }, |document| {
            document.engine.settings = make(&document.engine.settings)?;
            Ok(())
        })
        .await?;
    Ok(Done::new("change settings success").at(version))
}

/// Replace the settings
///
/// What is left out gets its default. A listener moves to another port without dropping what runs.
#[utoipa::path(put, path = "/v1/settings", tag = "settings", request_body = EngineSettings,
    responses((status = 200, description = "The settings were changed.", body = DoneBody)))]
pub(super) async fn replace(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    change(&state, &caller, base, |old| replaced(old, body)).await
}

/// Change the settings
///
/// Fields that are given replace those that are there (RFC 7396); `null` brings back the default.
#[utoipa::path(patch, path = "/v1/settings", tag = "settings", request_body = PatchBody,
    responses((status = 200, description = "The settings were changed.", body = DoneBody)))]
pub(super) async fn patch(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(PatchBody(body)): Json<PatchBody>,
) -> Result<Done, ApiError> {
    change(&state, &caller, base, |old| patched(old, body)).await
}
