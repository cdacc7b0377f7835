//! Applications.

use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use streamer_control::config::AppConfig;
use utoipa::IntoParams;

use super::RestState;
use super::caller::Caller;
use super::change::{Change, IfMatch, PatchBody, created, patched, replaced, shown};
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::{ApiError, ErrorCode};
use super::page::{Cursor, Limit, SearchText, holds, paged};
use super::request::{Json, Named, Params};
use crate::document::{ConfigDocument, EntityKind};

fn by<'a>(caller: &'a Caller, base: Option<u64>, doing: &'static str, name: String) -> Change<'a> {
    Change { caller, base, doing, kind: EntityKind::App, name }
}

fn find<'a>(document: &'a mut ConfigDocument, name: &str) -> Result<&'a mut AppConfig, ApiError> {
    let mut apps = document.engine.apps.iter_mut();
    apps.find(|app| app.app_name.as_str() == name).ok_or_else(|| ApiError::not_found("application"))
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
    let mut apps = config.document.engine.apps.iter();
    let app = apps.find(|app| app.app_name.as_str() == name);
    let app = app.ok_or_else(|| ApiError::not_found("application"))?;
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
    let app: AppConfig = created(body)?;
    let name = app.app_name.to_string();
    let version = state
        .edit(by(&caller, base, "add application", name.clone()), |document| {
            if document.engine.apps.iter().any(|other| other.app_name == app.app_name) {
                return Err(ApiError::new(
                    axum::http::StatusCode::CONFLICT,
                    ErrorCode::DuplicatedApplication,
                    "duplicated application name",
                ));
            }
            document.engine.apps.push(app);
            Ok(())
        })
        .await?;
    Ok(Done::new("add application success").at(version).about(format!("/v1/app/{name}")))
}

/// Changes one application to what `make` makes of it.
async fn change(
    state: &RestState,
    caller: &Caller,
    base: Option<u64>,
    name: String,
    make: impl FnOnce(&AppConfig) -> Result<AppConfig, ApiError>,
) -> Result<Done, ApiError> {
    let version = state
        .edit(by(caller, base, "change application", name.clone()), |document| {
            let app = find(document, &name)?;
            let made = make(app)?;
            if made.app_name != app.app_name {
                return Err(ApiError::parameter("app_name").detail("it must be as in the path"));
            }
            *app = made;
            Ok(())
        })
        .await?;
    Ok(Done::new("change application success").at(version))
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
    change(&state, &caller, base, name, |old| replaced(old, body)).await
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
    change(&state, &caller, base, name, |old| patched(old, body)).await
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
    let version = state
        .edit(by(&caller, base, "delete application", name.clone()), |document| {
            find(document, &name)?;
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
        .await?;
    Ok(Done::new("delete application success").at(version))
}
