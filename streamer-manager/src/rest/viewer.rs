//! Viewers: who watches what, how far behind, and what they missed.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use streamer_control::link::engine_api::{StreamViewerBody, ViewerBody};
use utoipa::{IntoParams, ToSchema};

use super::RestState;
use super::envelope::{Done, DoneBody, List, ListBody};
use super::error::ApiError;
use super::page::{Cursor, Limit, SearchText, holds, paged};
use super::request::{Named, Params};

/// One viewer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ViewerView {
    /// Application of the stream.
    app: String,
    /// The stream.
    stream: String,
    /// The viewer, and what it was given.
    #[serde(flatten)]
    viewer: ViewerBody,
    /// Why it missed frames; `null` if it missed none.
    lost_because: Option<String>,
}

impl From<&StreamViewerBody> for ViewerView {
    fn from(body: &StreamViewerBody) -> Self {
        let viewer = body.viewer.clone();
        let lost_because = (viewer.lost_frames > 0).then(|| {
            format!("it read slower than the stream and was skipped forward {} times", viewer.skips)
        });
        Self { app: body.app.clone(), stream: body.stream.clone(), viewer, lost_because }
    }
}

/// Which viewers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ViewerParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, max_length = 1100)]
    after: Option<Cursor>,
    /// Only those of this application.
    #[param(value_type = Option<String>, max_length = 1100)]
    app: Option<Cursor>,
    /// Only those of streams of this name.
    #[param(value_type = Option<String>, max_length = 1100)]
    stream: Option<Cursor>,
    /// Only those of this protocol, such as `http-flv`.
    #[param(value_type = Option<String>, max_length = 200)]
    protocol: Option<SearchText>,
    /// Only those whose address holds this text.
    #[param(value_type = Option<String>, max_length = 200)]
    text: Option<SearchText>,
}

/// List viewers
#[utoipa::path(get, path = "/v1/viewer", tag = "viewer", params(ViewerParams),
    responses((status = 200, description = "A page of viewers, by stream and number.", body = ListBody<ViewerView>)))]
pub(super) async fn list(
    State(state): State<RestState>,
    Params(params): Params<ViewerParams>,
) -> Result<List<ViewerView>, ApiError> {
    let snapshot = state.engine().snapshot().await?;
    let is = |wanted: Option<&Cursor>, name: &str| wanted.is_none_or(|wanted| wanted.0 == name);
    let entries = snapshot
        .viewers
        .iter()
        .filter(|body| is(params.app.as_ref(), &body.app) && is(params.stream.as_ref(), &body.stream))
        .filter(|body| params.protocol.as_ref().is_none_or(|wanted| wanted.0 == body.viewer.protocol))
        .filter(|body| {
            let address = body.viewer.address.map(|address| address.to_string()).unwrap_or_default();
            holds(&address, params.text.as_ref())
        })
        // Numbers of one length, so that the order of texts is the order of numbers.
        .map(|body| (format!("{}/{}/{:020}", body.app, body.stream, body.viewer.id), body))
        .collect();
    Ok(paged(entries, params.limit, params.after.as_ref(), ViewerView::from))
}

/// Kick a viewer
#[utoipa::path(delete, path = "/v1/viewer/{app}/{stream}/{id}", tag = "viewer",
    params(
        ("app" = String, Path, description = "The application"),
        ("stream" = String, Path, description = "The stream"),
        ("id" = u64, Path, description = "Number of the viewer"),
    ),
    responses((status = 200, description = "The viewer is gone.", body = DoneBody)))]
pub(super) async fn kick(
    State(state): State<RestState>,
    Named((app, stream, id)): Named<(String, String, u64)>,
) -> Result<Done, ApiError> {
    if state.engine().close_viewer(&app, &stream, id).await? {
        Ok(Done::new("kick viewer success"))
    } else {
        Err(ApiError::not_found("viewer"))
    }
}
