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
use super::change::{IfMatch, PatchBody, shown};
use super::engine::Unreachable;
use super::entity::{Entity, Switch, find};
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

impl Entity for ForwardConfig {
    const KIND: EntityKind = EntityKind::Forward;
    const WHAT: &'static str = "forward";
    const PATH: &'static str = "/v1/forward";

    fn list(document: &ConfigDocument) -> &[Self] {
        &document.engine.forwards
    }

    fn list_mut(document: &mut ConfigDocument) -> &mut Vec<Self> {
        &mut document.engine.forwards
    }

    fn name(&self) -> String {
        format!("{}/{}", self.app, self.name)
    }

    fn renamed(&self, other: &Self) -> Option<&'static str> {
        if self.app == other.app { (self.name != other.name).then_some("name") } else { Some("app") }
    }
}

impl Switch for ForwardConfig {
    fn enabled(&mut self) -> &mut bool {
        &mut self.enabled
    }
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
        .map(|forward| (forward.name(), forward))
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
    let forward: &ForwardConfig = find(&config.document, &format!("{app}/{name}"))?;
    let snapshot = state.engine().snapshot().await;
    let tasks = snapshot.as_ref().map(|snapshot| by_name(&snapshot.tasks)).unwrap_or_default();
    let task = tasks.get(&(app.as_str(), name.as_str())).copied();
    Ok(Data::new(view(forward, task, snapshot.as_ref().err())).at(config.version.version))
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
    state.add_entity::<ForwardConfig>(&caller, base, body).await
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
    Named((app, name)): Named<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.replace_entity::<ForwardConfig>(&caller, base, &format!("{app}/{name}"), body).await
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
    Named((app, name)): Named<(String, String)>,
    Json(PatchBody(body)): Json<PatchBody>,
) -> Result<Done, ApiError> {
    state.patch_entity::<ForwardConfig>(&caller, base, &format!("{app}/{name}"), body).await
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
    state.remove_entity::<ForwardConfig>(&caller, base, &format!("{app}/{name}")).await
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
    state.switch_entity::<ForwardConfig>(&caller, base, &format!("{app}/{name}"), true).await
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
    state.switch_entity::<ForwardConfig>(&caller, base, &format!("{app}/{name}"), false).await
}
