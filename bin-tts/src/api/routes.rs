//! The routes of the API.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use streamer_control::link::Endpoint;
use streamer_control::link::engine_api::{StreamBody, TakeSnapshot, TaskBody, ViewerBody};
use streamer_core::StreamKey;
use streamer_core::hub::{Broadcast, CloseReason};
use tokio::runtime::Handle;
use tracing::info;

use super::envelope::{ApiError, Data, Done, List};
use super::snapshot;
use super::view;
use super::{ApiState, token};
use crate::metrics::{self, AccessRow, HlsRow, ListenerRow, MediaPortRow, Scrape, TaskRow};
use crate::observe::StreamView;

/// The whole API; everything but `/healthz` asks for the token or a seal.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(show_metrics))
        .route("/v1/streams", get(list_streams))
        .route("/v1/streams/{app}/{stream}", get(show_stream))
        .route("/v1/streams/{app}/{stream}/viewers", get(list_viewers))
        .route("/v1/streams/{app}/{stream}/viewers/{id}", delete(close_viewer))
        .route("/v1/streams/{app}/{stream}/publisher", delete(close_publisher))
        .route("/v1/tasks", get(list_tasks))
        .route(TakeSnapshot::PATH, get(snapshot::take))
        .fallback(async || ApiError::not_found("there is no such path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
        })
        .layer(from_fn_with_state(state.clone(), token::guard))
        .with_state(state)
}

async fn health(State(state): State<ApiState>) -> Result<Done, ApiError> {
    if state.stopping.is_cancelled() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping"));
    }
    Ok(Done("ok"))
}

async fn show_metrics(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let mut scrape = Scrape::new(&state.observer.streams(), state.observer.rest());
    scrape.waiting = state.registry.waiting() as u64;
    scrape.runtime_tasks = Handle::current().metrics().num_alive_tasks() as u64;
    scrape.relief = state.registry.relief();
    let listeners = state.listeners.seen();
    scrape.listeners = listeners.iter().map(|of| listener_row(of.name, &of.connections)).collect();
    let media_ports = listeners.iter().filter_map(|of| Some(media_port_row(of.name, of.http.as_ref()?)));
    scrape.media_ports = media_ports.collect();
    let levels = state.hls.levels();
    scrape.hls = HlsRow {
        presentations: levels.presentations as u64,
        memory_bytes: levels.memory_bytes,
        stored_bytes: levels.stored_bytes,
        blocked_requests: levels.blocked_requests as u64,
        sessions: levels.sessions as u64,
    };
    let access = &state.access;
    scrape.access = AccessRow {
        asked: access.callbacks.load(Ordering::Relaxed),
        failed: access.callback_failures.load(Ordering::Relaxed),
        kept: access.callbacks_kept.load(Ordering::Relaxed),
        key_set_failures: access.key_set_failures.load(Ordering::Relaxed),
    };
    scrape.tasks = state.tasks.views().iter().map(task_row).collect();
    let text = metrics::render(scrape)
        .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

fn listener_row(listener: &'static str, stats: &streamer_net::AcceptStats) -> ListenerRow {
    ListenerRow {
        listener,
        open: stats.open() as u64,
        accepted: stats.accepted(),
        refused: vec![
            ("full", stats.refused_full()),
            ("address", stats.refused_address()),
            ("descriptors", stats.refused_descriptors()),
            ("tls", stats.failed_tls()),
        ],
    }
}

fn media_port_row(listener: &'static str, stats: &streamer_http::HttpStats) -> MediaPortRow {
    MediaPortRow {
        listener,
        requests: stats.requests.get(),
        viewers: vec![("http-flv", stats.flv_viewers.get()), ("ws-flv", stats.websocket_viewers.get())],
        hls: vec![
            ("multivariant_playlist", stats.hls_multivariant_playlists.get()),
            ("media_playlist", stats.hls_media_playlists.get()),
            ("blocking_reload", stats.hls_blocking_reloads.get()),
            ("late_reload", stats.hls_late_reloads.get()),
            ("segment", stats.hls_segments.get()),
            ("part", stats.hls_parts.get()),
            ("section", stats.hls_sections.get()),
            ("dash_manifest", stats.dash_manifests.get()),
            ("not_modified", stats.hls_not_modified.get()),
        ],
        refused: vec![
            ("not_found", stats.not_found.get()),
            ("forbidden", stats.forbidden.get()),
            ("unavailable", stats.unavailable.get()),
            ("bad_request", stats.bad_requests.get()),
        ],
        failed: vec![
            ("protocol", stats.protocol_errors.get()),
            ("header_timeout", stats.header_timeouts.get()),
            ("write_stall", stats.write_stalls.get()),
        ],
    }
}

fn task_row(task: &crate::tasks::TaskView) -> TaskRow {
    TaskRow {
        kind: task.kind,
        state: task.status.state().as_str(),
        retries: task.status.retries.get(),
        bytes: task.status.bytes.get(),
    }
}

async fn list_streams(State(state): State<ApiState>) -> List<StreamBody> {
    let now = SystemTime::now();
    List(state.observer.streams().iter().map(|stream| view::stream(stream, now)).collect())
}

fn find(state: &ApiState, app: &str, stream: &str) -> Result<StreamView, ApiError> {
    let key = StreamKey::new(app, stream)
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, format!("bad name: {error}")))?;
    state.observer.stream(&key).ok_or(ApiError::not_found("there is no such stream"))
}

async fn show_stream(
    State(state): State<ApiState>,
    Path((app, stream)): Path<(String, String)>,
) -> Result<Data<StreamBody>, ApiError> {
    Ok(Data(view::stream(&find(&state, &app, &stream)?, SystemTime::now())))
}

async fn list_viewers(
    State(state): State<ApiState>,
    Path((app, stream)): Path<(String, String)>,
) -> Result<List<ViewerBody>, ApiError> {
    let broadcast: Broadcast = find(&state, &app, &stream)?.broadcast;
    Ok(List(broadcast.viewers().iter().map(view::viewer).collect()))
}

async fn close_viewer(
    State(state): State<ApiState>,
    Path((app, stream, id)): Path<(String, String, String)>,
) -> Result<Done, ApiError> {
    let broadcast = find(&state, &app, &stream)?.broadcast;
    let viewers = broadcast.viewers();
    let viewer = id.parse().ok().and_then(|id: u64| viewers.iter().find(|viewer| viewer.id().0 == id));
    let viewer = viewer.ok_or(ApiError::not_found("there is no such viewer"))?;
    viewer.close(CloseReason::Kicked);
    info!(stream = %broadcast.key(), viewer = viewer.id().0, "viewer closed by the API");
    Ok(Done("viewer closed"))
}

async fn close_publisher(
    State(state): State<ApiState>,
    Path((app, stream)): Path<(String, String)>,
) -> Result<Done, ApiError> {
    let broadcast = find(&state, &app, &stream)?.broadcast;
    if !broadcast.close_publisher(CloseReason::Kicked) {
        return Err(ApiError::not_found("the stream has no publisher now"));
    }
    info!(stream = %broadcast.key(), "publisher closed by the API");
    Ok(Done("publisher closed"))
}

async fn list_tasks(State(state): State<ApiState>) -> List<TaskBody> {
    let tasks = state.tasks.views().into_iter();
    List(tasks.map(|task| view::task(&state.observer, task)).collect())
}
