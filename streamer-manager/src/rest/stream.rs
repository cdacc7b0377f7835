//! Streams: those that are configured and those that are live, as one list.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use streamer_control::config::PullConfig;
use streamer_control::link::engine_api::{
    AudienceBody, IngestBody, PublisherBody, Snapshot, StreamBody, TaskBody, TrackBody,
};
use utoipa::ToSchema;

use super::RestState;
use super::caller::Caller;
use super::change::{IfMatch, PatchBody, shown};
use super::engine::Unreachable;
use super::entity::{Entity, Switch};
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::ApiError;
use super::page::{StreamListParams, holds, paged};
use super::request::{Json, Named, Params};
use super::state::StreamState;
use crate::document::{ConfigDocument, EntityKind};

/// One stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamView {
    /// Its application.
    app: String,
    /// Its name.
    stream: String,
    /// How it is; `null` when the engine cannot be reached.
    state: Option<StreamState>,
    /// Why it is so, if there is more to say.
    reason: Option<String>,
    /// How it is fetched; `null` for a stream that is pushed. Secrets are masked.
    #[schema(value_type = Option<PullConfig>)]
    source: Option<Value>,
    /// The one of its URLs that it is fetched from now, without query, user and password; `null` while none gives media.
    current_url: Option<String>,
    /// When it began, Unix milliseconds; `null` while it is not live.
    since_unix_ms: Option<u64>,
    /// How long it is live, milliseconds.
    uptime_ms: Option<u64>,
    /// Who publishes it.
    publisher: Option<PublisherBody>,
    /// Its tracks, with codec, resolution and what else the codec says.
    tracks: Vec<TrackBody>,
    /// What came in: bytes, frames, bit rate, pictures per second, GOP.
    ingest: Option<IngestBody>,
    /// Viewers there now, the server's own readers included.
    viewer_count: u64,
    /// Viewers and what they were given, by protocol.
    audience: BTreeMap<String, AudienceBody>,
    /// Why fetching failed last.
    last_error: Option<String>,
    /// Times fetching was tried again.
    retries: u64,
}

/// What is known of one stream.
#[derive(Clone, Copy, Default)]
struct Known<'a> {
    source: Option<&'a PullConfig>,
    live: Option<&'a StreamBody>,
    task: Option<&'a TaskBody>,
}

impl Known<'_> {
    fn state(&self, reachable: bool) -> Option<StreamState> {
        if !reachable {
            return None;
        }
        let live = self.live.and_then(|live| StreamState::from_name(&live.state));
        let task = self.task.and_then(|task| StreamState::from_name(&task.state));
        // A stream that waits for its publisher is better described by what its pull does meanwhile.
        let stopped = self.source.is_some_and(|source| !source.enabled).then_some(StreamState::Stopped);
        live.filter(|state| *state == StreamState::Streaming)
            .or(stopped)
            .or(task.filter(|state| *state != StreamState::Streaming))
            .or(live)
            .or(Some(StreamState::Waiting))
    }

    fn view(self, app: &str, stream: &str, unreachable: Option<&Unreachable>) -> StreamView {
        let state = self.state(unreachable.is_none());
        let last_error = self.task.and_then(|task| task.last_error.clone());
        let reason = match state {
            None => unreachable.map(ToString::to_string),
            Some(StreamState::Retrying) => last_error.clone(),
            Some(_) => None,
        };
        StreamView {
            app: app.to_owned(),
            stream: stream.to_owned(),
            state,
            reason,
            source: self.source.map(shown),
            current_url: self.task.and_then(|task| task.current_url.clone()),
            since_unix_ms: self.live.map(|live| live.since_unix_ms),
            uptime_ms: self.live.map(|live| live.uptime_ms),
            publisher: self.live.map(|live| live.publisher.clone()),
            tracks: self.live.map(|live| live.tracks.clone()).unwrap_or_default(),
            ingest: self.live.map(|live| live.ingest.clone()),
            viewer_count: self.live.map_or(0, |live| live.viewer_count),
            audience: self.live.map(|live| live.audience.clone()).unwrap_or_default(),
            last_error,
            retries: self.task.map_or(0, |task| task.retries),
        }
    }
}

type Streams<'a> = HashMap<(&'a str, &'a str), Known<'a>>;

/// Everything known of the streams that `wanted` lets through.
fn known<'a>(
    document: &'a ConfigDocument,
    snapshot: Option<&'a Snapshot>,
    wanted: impl Fn(&str, &str) -> bool,
) -> Streams<'a> {
    let mut streams = Streams::new();
    for pull in &document.engine.pulls {
        let (app, stream) = (pull.app.as_str(), pull.stream.as_str());
        if wanted(app, stream) {
            streams.entry((app, stream)).or_default().source = Some(pull);
        }
    }
    for live in snapshot.into_iter().flat_map(|snapshot| &snapshot.streams) {
        if wanted(&live.app, &live.stream) {
            streams.entry((&live.app, &live.stream)).or_default().live = Some(live);
        }
    }
    for task in snapshot.into_iter().flat_map(|snapshot| &snapshot.tasks) {
        if task.kind == "pull"
            && let Some(stream) = streams.get_mut(&(task.app.as_str(), task.stream.as_str()))
        {
            stream.task = Some(task);
        }
    }
    streams
}

impl Entity for PullConfig {
    const KIND: EntityKind = EntityKind::Pull;
    const WHAT: &'static str = "stream";
    const MISSING: &'static str = "source stream";
    const PATH: &'static str = "/v1/stream";

    fn list(document: &ConfigDocument) -> &[Self] {
        &document.engine.pulls
    }

    fn list_mut(document: &mut ConfigDocument) -> &mut Vec<Self> {
        &mut document.engine.pulls
    }

    fn name(&self) -> String {
        format!("{}/{}", self.app, self.stream)
    }

    fn renamed(&self, other: &Self) -> Option<&'static str> {
        if self.app == other.app { (self.stream != other.stream).then_some("stream") } else { Some("app") }
    }
}

impl Switch for PullConfig {
    fn enabled(&mut self) -> &mut bool {
        &mut self.enabled
    }
}

/// List streams
///
/// Those that are configured and those that are live, over all applications or of one. While the engine cannot be
/// reached only the configured ones are known, and their `state` is `null`.
#[utoipa::path(get, path = "/v1/stream", tag = "stream", params(StreamListParams),
    responses((status = 200, description = "A page of streams, by application and name.", body = ListBody<StreamView>)))]
pub(super) async fn list(
    State(state): State<RestState>,
    Params(params): Params<StreamListParams>,
) -> Result<List<StreamView>, ApiError> {
    let config = state.config();
    let snapshot = state.engine().snapshot().await;
    let (snapshot, unreachable) = (snapshot.as_deref().ok(), snapshot.as_ref().err());
    let streams = known(&config.document, snapshot, |app, stream| {
        params.app.as_ref().is_none_or(|wanted| wanted.0 == app) && holds(stream, params.text.as_ref())
    });
    let entries = streams
        .into_iter()
        .filter(|(_, known)| {
            params.state.is_none_or(|wanted| known.state(unreachable.is_none()) == Some(wanted))
        })
        .map(|((app, stream), known)| (format!("{app}/{stream}"), (app, stream, known)))
        .collect();
    let page = paged(entries, params.limit, params.after.as_ref(), |(app, stream, known)| {
        known.view(app, stream, unreachable)
    });
    Ok(page.at(config.version.version))
}

/// Show a stream
#[utoipa::path(get, path = "/v1/stream/{app}/{stream}", tag = "stream",
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "The stream.", body = DataBody<StreamView>)))]
pub(super) async fn show(
    State(state): State<RestState>,
    Named((app, stream)): Named<(String, String)>,
) -> Result<Data<StreamView>, ApiError> {
    let config = state.config();
    let snapshot = state.engine().snapshot().await;
    let (snapshot, unreachable) = (snapshot.as_deref().ok(), snapshot.as_ref().err());
    let streams = known(&config.document, snapshot, |a, s| a == app && s == stream);
    match (streams.get(&(app.as_str(), stream.as_str())), unreachable) {
        (Some(known), _) => Ok(Data::new(known.view(&app, &stream, unreachable)).at(config.version.version)),
        // It may well be live: nobody knows.
        (None, Some(unreachable)) => Err(unreachable.clone().into()),
        (None, None) => Err(ApiError::not_found("stream")),
    }
}

/// Add a source stream
///
/// A stream that the engine fetches; its application is of type `rtmp_pull`.
#[utoipa::path(post, path = "/v1/stream", tag = "stream", request_body = PullConfig,
    responses((status = 200, description = "The source stream was added.", body = DoneBody)))]
pub(super) async fn add(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.add_entity::<PullConfig>(&caller, base, body).await
}

/// Replace a source stream
///
/// What is left out gets its default. A masked secret stays what it is.
#[utoipa::path(put, path = "/v1/stream/{app}/{stream}", tag = "stream", request_body = PullConfig,
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "The source stream was changed.", body = DoneBody)))]
pub(super) async fn replace(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, stream)): Named<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.replace_entity::<PullConfig>(&caller, base, &format!("{app}/{stream}"), body).await
}

/// Change a source stream
///
/// Fields that are given replace those that are there (RFC 7396); `null` brings back the default.
#[utoipa::path(patch, path = "/v1/stream/{app}/{stream}", tag = "stream", request_body = PatchBody,
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "The source stream was changed.", body = DoneBody)))]
pub(super) async fn patch(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, stream)): Named<(String, String)>,
    Json(PatchBody(body)): Json<PatchBody>,
) -> Result<Done, ApiError> {
    state.patch_entity::<PullConfig>(&caller, base, &format!("{app}/{stream}"), body).await
}

/// Remove a source stream
#[utoipa::path(delete, path = "/v1/stream/{app}/{stream}", tag = "stream",
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "The source stream is gone.", body = DoneBody)))]
pub(super) async fn remove(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, stream)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    state.remove_entity::<PullConfig>(&caller, base, &format!("{app}/{stream}")).await
}

/// Start a source stream
#[utoipa::path(post, path = "/v1/stream/{app}/{stream}/start", tag = "stream",
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "It is switched on.", body = DoneBody)))]
pub(super) async fn start(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, stream)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    state.switch_entity::<PullConfig>(&caller, base, &format!("{app}/{stream}"), true).await
}

/// Stop a source stream
///
/// It stays configured.
#[utoipa::path(post, path = "/v1/stream/{app}/{stream}/stop", tag = "stream",
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "It is switched off.", body = DoneBody)))]
pub(super) async fn stop(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named((app, stream)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    state.switch_entity::<PullConfig>(&caller, base, &format!("{app}/{stream}"), false).await
}

/// Kick the publisher of a stream
///
/// It may come back unless the application refuses it.
#[utoipa::path(delete, path = "/v1/stream/{app}/{stream}/publisher", tag = "stream",
    params(("app" = String, Path, description = "The application"), ("stream" = String, Path, description = "The stream")),
    responses((status = 200, description = "The publisher is gone.", body = DoneBody)))]
pub(super) async fn kick(
    State(state): State<RestState>,
    Named((app, stream)): Named<(String, String)>,
) -> Result<Done, ApiError> {
    if state.engine().close_publisher(&app, &stream).await? {
        Ok(Done::new("kick publisher success"))
    } else {
        Err(ApiError::not_found("publisher"))
    }
}
