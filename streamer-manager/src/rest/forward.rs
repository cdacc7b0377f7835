//! Forwards: streams that are pushed to other servers, and how that goes.

use std::collections::HashMap;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use streamer_control::config::ForwardConfig;
use streamer_control::link::engine_api::TaskBody;
use utoipa::ToSchema;

use super::RestState;
use super::caller::Caller;
use super::change::{Change, IfMatch, PatchBody, created, patched, replaced, shown};
use super::engine::Unreachable;
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::ApiError;
use super::page::{StreamListParams, holds, paged};
use super::request::{Json, Named, Params};
use super::state::StreamState;
use crate::document::{ConfigDocument, EntityKind};

/// One forward.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ForwardView {
    /// The application of the stream.
    app: String,
    /// Its name, unique within the application.
    name: String,
    /// How it is configured. Secrets are masked.
    #[schema(value_type = ForwardConfig)]
    config: Value,
    /// How it is; `null` when the engine cannot be reached.
    state: Option<StreamState>,
    /// Why it is so, if there is more to say.
    reason: Option<String>,
    /// Payload bytes pushed.
    bytes: u64,
    /// Frames pushed.
    frames: u64,
    /// Payload bits per second pushed, mean of five seconds.
    bitrate_bps: u64,
    /// Why it failed last.
    last_error: Option<String>,
    /// Times it was tried again.
    retries: u64,
}

fn state_of(forward: &ForwardConfig, task: Option<&TaskBody>, reachable: bool) -> Option<StreamState> {
    let task = task.and_then(|task| StreamState::from_name(&task.state));
    let idle = if forward.enabled { StreamState::Waiting } else { StreamState::Stopped };
    reachable.then_some(task.unwrap_or(idle))
}

fn view(forward: &ForwardConfig, task: Option<&TaskBody>, unreachable: Option<&Unreachable>) -> ForwardView {
    let state = state_of(forward, task, unreachable.is_none());
    let last_error = task.and_then(|task| task.last_error.clone());
    let reason = match state {
        None => unreachable.map(ToString::to_string),
        Some(StreamState::Retrying) => last_error.clone(),
        Some(_) => None,
    };
    ForwardView {
        app: forward.app.to_string(),
        name: forward.name.to_string(),
        config: shown(forward),
        state,
        reason,
        bytes: task.map_or(0, |task| task.bytes),
        frames: task.map_or(0, |task| task.frames),
        bitrate_bps: task.map_or(0, |task| task.bitrate_bps),
        last_error,
        retries: task.map_or(0, |task| task.retries),
    }
}

/// The forwards among `tasks`, by application and name.
fn by_name(tasks: &[TaskBody]) -> HashMap<(&str, &str), &TaskBody> {
    let forwards = tasks.iter().filter(|task| task.kind == "forward");
    forwards.filter_map(|task| Some(((task.app.as_str(), task.name.as_deref()?), task))).collect()
}

fn same(one: &ForwardConfig, other: &ForwardConfig) -> bool {
    one.app == other.app && one.name == other.name
}

/// List forwards
#[utoipa::path(get, path = "/v1/forward", tag = "forward", params(StreamListParams),
    responses((status = 200, description = "A page of forwards, by application and name.", body = ListBody<ForwardView>)))]
pub(super) async fn list(
    State(state): State<RestState>,
    Params(params): Params<StreamListParams>,
) -> Result<List<ForwardView>, ApiError> {
    let config = state.config();
    let snapshot = state.engine().snapshot().await;
    let unreachable = snapshot.as_ref().err();
    let tasks = snapshot.as_ref().map(|snapshot| by_name(&snapshot.tasks)).unwrap_or_default();
    let task_of =
        |forward: &ForwardConfig| tasks.get(&(forward.app.as_str(), forward.name.as_str())).copied();
    let entries = config
        .document
        .engine
        .forwards
        .iter()
        .filter(|forward| params.app.as_ref().is_none_or(|wanted| wanted.0 == forward.app.as_str()))
        .filter(|forward| holds(forward.name.as_str(), params.text.as_ref()))
        .filter(|forward| {
            let state = state_of(forward, task_of(forward), unreachable.is_none());
            params.state.is_none_or(|wanted| state == Some(wanted))
        })
        .map(|forward| (format!("{}/{}", forward.app, forward.name), forward))
        .collect();
    let page = paged(entries, params.limit, params.after.as_ref(), |forward: &ForwardConfig| {
        view(forward, task_of(forward), unreachable)
    });
    Ok(page.at(config.version.version))
}

/// Show a forward
#[utoipa::path(get, path = "/v1/forward/{app}/{name}", tag = "forward",
    params(("app" = String, Path, description = "The application"), ("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The forward.", body = DataBody<ForwardView>)))]
pub(super) async fn show(
    State(state): State<RestState>,
    Named((app, name)): Named<(String, String)>,
) -> Result<Data<ForwardView>, ApiError> {
    let config = state.config();
    let mut forwards = config.document.engine.forwards.iter();
    let forward = forwards
        .find(|forward| forward.app.as_str() == app && forward.name.as_str() == name)
        .ok_or_else(|| ApiError::not_found("forward"))?;
    let snapshot = state.engine().snapshot().await;
    let tasks = snapshot.as_ref().map(|snapshot| by_name(&snapshot.tasks)).unwrap_or_default();
    let task = tasks.get(&(app.as_str(), name.as_str())).copied();
    Ok(Data::new(view(forward, task, snapshot.as_ref().err())).at(config.version.version))
}

fn by<'a>(caller: &'a Caller, base: Option<u64>, doing: &'static str, name: String) -> Change<'a> {
    Change { caller, base, doing, kind: EntityKind::Forward, name }
}

fn find<'a>(
    document: &'a mut ConfigDocument,
    app: &str,
    name: &str,
) -> Result<&'a mut ForwardConfig, ApiError> {
    let mut forwards = document.engine.forwards.iter_mut();
    forwards
        .find(|forward| forward.app.as_str() == app && forward.name.as_str() == name)
        .ok_or_else(|| ApiError::not_found("forward"))
}

/// Add a forward
///
/// A stream that the engine pushes to another server, watched or not, however it came in.
#[utoipa::path(post, path = "/v1/forward", tag = "forward", request_body = ForwardConfig,
    responses((status = 200, description = "The forward was added.", body = DoneBody)))]
pub(super) async fn add(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    let forward: ForwardConfig = created(body)?;
    let key = format!("{}/{}", forward.app, forward.name);
    let version = state
        .edit(by(&caller, base, "add forward", key.clone()), |document| {
            if document.engine.forwards.iter().any(|other| same(other, &forward)) {
                return Err(ApiError::duplicated("forward"));
            }
            document.engine.forwards.push(forward);
            Ok(())
        })
        .await?;
    Ok(Done::new("add forward success").at(version).about(format!("/v1/forward/{key}")))
}

/// Changes one forward to what `make` makes of it.
async fn change(
    state: &RestState,
    caller: &Caller,
    base: Option<u64>,
    (app, name): (String, String),
    make: impl FnOnce(&ForwardConfig) -> Result<ForwardConfig, ApiError>,
) -> Result<Done, ApiError> {
    let by = by(caller, base, "change forward", format!("{app}/{name}"));
    let version = state
        .edit(by, |document| {
            let forward = find(document, &app, &name)?;
            let made = make(forward)?;
            if !same(&made, forward) {
                let other = if made.app == forward.app { "name" } else { "app" };
                return Err(ApiError::parameter(other).detail("it must be as in the path"));
            }
            *forward = made;
            Ok(())
        })
        .await?;
    Ok(Done::new("change forward success").at(version))
}

/// Replace a forward
///
/// What is left out gets its default. A masked secret stays what it is.
#[utoipa::path(put, path = "/v1/forward/{app}/{name}", tag = "forward", request_body = ForwardConfig,
    params(("app" = String, Path, description = "The application"), ("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The forward was changed.", body = DoneBody)))]
pub(super) async fn replace(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    change(&state, &caller, base, name, |old| replaced(old, body)).await
}

/// Change a forward
///
/// Fields that are given replace those that are there (RFC 7396); `null` brings back the default.
#[utoipa::path(patch, path = "/v1/forward/{app}/{name}", tag = "forward", request_body = PatchBody,
    params(("app" = String, Path, description = "The application"), ("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The forward was changed.", body = DoneBody)))]
pub(super) async fn patch(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<(String, String)>,
    Json(PatchBody(body)): Json<PatchBody>,
) -> Result<Done, ApiError> {
    change(&state, &caller, base, name, |old| patched(old, body)).await
}

/// Remove a forward
#[utoipa::path(delete, path = "/v1/forward/{app}/{name}", tag = "forward",
    params(("app" = String, Path, description = "The application"), ("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The forward is gone.", body = DoneBody)))]
pub(super) async fn remove(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, name)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    let version = state
        .edit(by(&caller, base, "delete forward", format!("{app}/{name}")), |document| {
            find(document, &app, &name)?;
            let other =
                |forward: &ForwardConfig| forward.app.as_str() != app || forward.name.as_str() != name;
            document.engine.forwards.retain(other);
            Ok(())
        })
        .await?;
    Ok(Done::new("delete forward success").at(version))
}

/// Start a forward
#[utoipa::path(post, path = "/v1/forward/{app}/{name}/start", tag = "forward",
    params(("app" = String, Path, description = "The application"), ("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "It is switched on.", body = DoneBody)))]
pub(super) async fn start(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, name)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    let by = by(&caller, base, "start forward", format!("{app}/{name}"));
    let version = state.edit(by, |document| switch(document, &app, &name, true)).await?;
    Ok(Done::new("start forward success").at(version))
}

/// Stop a forward
///
/// It stays configured.
#[utoipa::path(post, path = "/v1/forward/{app}/{name}/stop", tag = "forward",
    params(("app" = String, Path, description = "The application"), ("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "It is switched off.", body = DoneBody)))]
pub(super) async fn stop(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, name)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    let by = by(&caller, base, "stop forward", format!("{app}/{name}"));
    let version = state.edit(by, |document| switch(document, &app, &name, false)).await?;
    Ok(Done::new("stop forward success").at(version))
}

fn switch(document: &mut ConfigDocument, app: &str, name: &str, enabled: bool) -> Result<(), ApiError> {
    find(document, app, name)?.enabled = enabled;
    Ok(())
}
