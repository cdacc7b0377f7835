//! Applications.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use streamer_control::config::AppConfig;
use utoipa::IntoParams;

use super::RestState;
use super::caller::Caller;
use super::change::{IfMatch, PatchBody, shown};
use super::entity::{Entity, find};
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::{ApiError, ErrorCode};
use super::page::{Cursor, Limit, SearchText, holds, paged};
use super::request::{Json, Named, Params};
use crate::document::{ConfigDocument, EntityKind};

impl Entity for AppConfig {
    const KIND: EntityKind = EntityKind::App;
    const WHAT: &'static str = "application";
    const PATH: &'static str = "/v1/app";

    fn list(document: &ConfigDocument) -> &[Self] {
        &document.engine.apps
    }

    fn list_mut(document: &mut ConfigDocument) -> &mut Vec<Self> {
        &mut document.engine.apps
    }

    fn name(&self) -> String {
        self.app_name.to_string()
    }

    fn renamed(&self, other: &Self) -> Option<&'static str> {
        (self.app_name != other.app_name).then_some("app_name")
    }

    fn duplicated() -> ApiError {
        // The words of the documented call.
        let message = "duplicated application name";
        ApiError::new(StatusCode::CONFLICT, ErrorCode::DuplicatedApplication, message)
    }
}

/// Which applications.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct AppParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, max_length = 1100)]
    after: Option<Cursor>,
    /// Only those whose name holds this text, without regard to case.
    #[param(value_type = Option<String>, max_length = 200)]
    text: Option<SearchText>,
    /// Only those of this type, without regard to case.
    #[param(value_type = Option<String>, max_length = 200)]
    source_type: Option<SearchText>,
}

/// List applications
#[utoipa::path(get, path = "/v1/app", tag = "application", params(AppParams),
    responses((status = 200, description = "A page of applications, by name. Secrets are masked.", body = ListBody<AppConfig>)))]
pub(super) async fn list(State(state): State<RestState>, Params(params): Params<AppParams>) -> List<Value> {
    let config = state.config();
    let apps = config.document.engine.apps.iter();
    let is_wanted = |app: &&AppConfig| {
        let kind = app.source_type.as_str();
        params.source_type.as_ref().is_none_or(|wanted| wanted.0.eq_ignore_ascii_case(kind))
            && holds(app.app_name.as_str(), params.text.as_ref())
    };
    let entries = apps.filter(is_wanted).map(|app| (app.app_name.to_string(), app)).collect();
    paged(entries, params.limit, params.after.as_ref(), shown).at(config.version.version)
}

/// Show an application
#[utoipa::path(get, path = "/v1/app/{app}", tag = "application",
    params(("app" = String, Path, description = "Its name")),
    responses((status = 200, description = "The application. Secrets are masked.", body = DataBody<AppConfig>)))]
pub(super) async fn show(
    State(state): State<RestState>,
    Named(name): Named<String>,
) -> Result<Data<Value>, ApiError> {
    let config = state.config();
    let app: &AppConfig = find(&config.document, &name)?;
    Ok(Data::new(shown(app)).at(config.version.version))
}

/// Add an application
///
/// `app_name` and `source_type` are needed, everything else has a default.
#[utoipa::path(post, path = "/v1/app", tag = "application", request_body = AppConfig,
    responses((status = 200, description = "The application was added.", body = DoneBody)))]
pub(super) async fn add(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.add_entity::<AppConfig>(&caller, base, body).await
}

/// Replace an application
///
/// What is left out gets its default. A masked secret stays what it is.
#[utoipa::path(put, path = "/v1/app/{app}", tag = "application", request_body = AppConfig,
    params(("app" = String, Path, description = "Its name")),
    responses((status = 200, description = "The application was changed.", body = DoneBody)))]
pub(super) async fn replace(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<String>,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.replace_entity::<AppConfig>(&caller, base, &name, body).await
}

/// Change an application
///
/// Fields that are given replace those that are there (RFC 7396); `null` brings back the default.
#[utoipa::path(patch, path = "/v1/app/{app}", tag = "application", request_body = PatchBody,
    params(("app" = String, Path, description = "Its name")),
    responses((status = 200, description = "The application was changed.", body = DoneBody)))]
pub(super) async fn patch(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<String>,
    Json(PatchBody(body)): Json<PatchBody>,
) -> Result<Done, ApiError> {
    state.patch_entity::<AppConfig>(&caller, base, &name, body).await
}

/// What goes with an application.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveParams {
    /// Whether its source streams and forwards go with it; otherwise it must have none.
    #[param(value_type = Option<bool>)]
    cascade: bool,
}

/// Remove an application
///
/// Who publishes to it or watches it is disconnected.
#[utoipa::path(delete, path = "/v1/app/{app}", tag = "application",
    params(("app" = String, Path, description = "Its name"), RemoveParams),
    responses((status = 200, description = "The application is gone.", body = DoneBody)))]
pub(super) async fn remove(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<String>,
    Params(params): Params<RemoveParams>,
) -> Result<Done, ApiError> {
    state
        .edit_entity::<AppConfig>(&caller, base, "delete", &name, |document| {
            find::<AppConfig>(document, &name)?;
            let engine = &mut document.engine;
            let (pulls, forwards) = (engine.pulls.len(), engine.forwards.len());
            engine.apps.retain(|app| app.app_name.as_str() != name);
            engine.pulls.retain(|pull| pull.app.as_str() != name);
            engine.forwards.retain(|forward| forward.app.as_str() != name);
            let (pulls, forwards) = (pulls - engine.pulls.len(), forwards - engine.forwards.len());
            if params.cascade || pulls + forwards == 0 {
                return Ok(());
            }
            Err(ApiError::conflict("the application has source streams or forwards").detail(format!(
                "{pulls} source streams and {forwards} forwards; cascade=true takes them too"
            )))
        })
        .await
}
