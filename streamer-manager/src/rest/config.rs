//! The configuration as a whole: its version, history, differences, export and import.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::RestState;
use super::caller::Caller;
use super::change::{IfMatch, of_store, version_conflict};
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::ApiError;
use super::page::{NumberedParams, numbered};
use super::request::{Json, Named, Params};
use crate::configuration::{ConfigExport, EditError, Edited};
use crate::document::Change;
use crate::store::Revision;

/// Which configuration is in force, and where it has come to.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionBody {
    /// Names the store.
    store: String,
    /// Number of the version.
    version: u64,
    /// The version that the engine said last that it applied; `null` if it said nothing yet.
    applied_version: Option<u64>,
}

/// Show the version in force
#[utoipa::path(get, path = "/v1/config", tag = "configuration",
    responses((status = 200, description = "The version.", body = DataBody<VersionBody>)))]
pub(super) async fn version(State(state): State<RestState>) -> Data<VersionBody> {
    let version = state.config().version.clone();
    let report = state.engine().last_report();
    let applied = report.filter(|report| report.version.store == version.store);
    let applied_version = applied.map(|report| report.version.version);
    let number = version.version;
    Data::new(VersionBody { store: version.store, version: number, applied_version }).at(number)
}

/// One version in the history.
#[derive(Serialize, ToSchema)]
pub(super) struct RevisionBody {
    /// Its number, from 1 without gaps.
    version: u64,
    /// When it was made, Unix milliseconds.
    at_unix_ms: u64,
    /// Who made it.
    actor: String,
    /// What it does, in a few words.
    summary: String,
    /// How many entities it changed.
    changed: u64,
}

impl From<Revision> for RevisionBody {
    fn from(revision: Revision) -> Self {
        let Revision { version, at_unix_ms, actor, summary, changed } = revision;
        Self { version, at_unix_ms, actor, summary, changed }
    }
}

/// One entity before and after a change; `null` where it was not or is no more. Secrets are masked.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangeBody {
    /// Its kind: `settings`, `app`, `pull`, `forward`, `webhook`.
    kind: &'static str,
    /// Its name.
    id: String,
    /// Before.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// After.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

impl From<Change> for ChangeBody {
    fn from(change: Change) -> Self {
        Self { kind: change.kind.as_str(), id: change.id, before: change.before, after: change.after }
    }
}

/// List the history
#[utoipa::path(get, path = "/v1/config/history", tag = "configuration", params(NumberedParams),
    responses((status = 200, description = "A page of versions, the newest first.", body = ListBody<RevisionBody>)))]
pub(super) async fn history(
    State(state): State<RestState>,
    Params(params): Params<NumberedParams>,
) -> Result<List<RevisionBody>, ApiError> {
    let rows = state.configuration().history(params.after, params.limit.one_more()).await?;
    Ok(numbered(rows, params.limit, |row| row.version))
}

/// Show what a version changed
#[utoipa::path(get, path = "/v1/config/history/{version}", tag = "configuration",
    params(("version" = u64, Path, description = "Number of the version")),
    responses((status = 200, description = "Its changes.", body = ListBody<ChangeBody>)))]
pub(super) async fn changes(
    State(state): State<RestState>,
    Named(version): Named<u64>,
) -> Result<List<ChangeBody>, ApiError> {
    let changes = state.configuration().changes(version).await?;
    Ok(List::whole(changes.into_iter().map(ChangeBody::from).collect()))
}

/// Two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffParams {
    /// Before.
    from: u64,
    /// After; the version in force unless it is given.
    to: Option<u64>,
}

/// Show the difference of two versions
#[utoipa::path(get, path = "/v1/config/diff", tag = "configuration", params(DiffParams),
    responses((status = 200, description = "What changes on the way.", body = ListBody<ChangeBody>)))]
pub(super) async fn diff(
    State(state): State<RestState>,
    Params(params): Params<DiffParams>,
) -> Result<List<ChangeBody>, ApiError> {
    let to = params.to.unwrap_or_else(|| state.config().version.version);
    let changes = state.configuration().diff(params.from, to).await?;
    Ok(List::whole(changes.into_iter().map(ChangeBody::from).collect()))
}

/// A version to go back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackBody {
    /// Number of the version.
    version: u64,
}

/// The failure of an edit of the whole document.
fn of_whole(error: EditError<streamer_control::config::Problem>, doing: &str) -> ApiError {
    match error {
        EditError::Refused(problem) | EditError::Invalid(problem) => {
            let path = problem.path.to_string();
            ApiError::parameter(if path.is_empty() { "config".to_owned() } else { format!("config.{path}") })
                .detail(problem.message)
        }
        EditError::Stale { .. } => version_conflict(),
        EditError::Store(error) => of_store(error, doing),
    }
}

fn done(message: &'static str, edited: &Edited<()>) -> Done {
    let version = edited.config.version.version;
    Done::new(message).at(version).about(format!("version:{version}"))
}

/// Go back to a version
///
/// Makes a new version that says what that one said.
#[utoipa::path(post, path = "/v1/config/rollback", tag = "configuration", request_body = RollbackBody,
    responses((status = 200, description = "It is in force.", body = DoneBody)))]
pub(super) async fn rollback(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<RollbackBody>,
) -> Result<Done, ApiError> {
    let actor = caller.identity.actor();
    let edited = state.configuration().rollback(body.version, base, &actor).await;
    let edited = edited.map_err(|error| match error {
        // A version that was right once and is not now: it goes with another version of the program.
        EditError::Invalid(problem) => ApiError::conflict("that version cannot be used any more")
            .detail(format!("{}: {}", problem.path, problem.message)),
        other => of_whole(other, "rollback"),
    })?;
    Ok(done("rollback success", &edited))
}

/// What to export.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// Whether with its secrets; otherwise they are masked.
    #[param(value_type = Option<bool>)]
    secrets: bool,
}

/// A whole configuration.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportBody {
    /// The form; this version writes and reads form 1.
    #[schema(minimum = 1, maximum = 1)]
    format: u32,
    /// The version it was.
    #[serde(default)]
    version: Option<streamer_control::link::manager_api::ConfigVersion>,
    /// When it was exported, Unix milliseconds.
    #[serde(default)]
    exported_unix_ms: Option<u64>,
    /// Whether its secrets are in it, or masked.
    #[serde(default)]
    with_secrets: bool,
    /// The document: `engine` with `settings`, `apps`, `pulls` and `forwards`, and `webhooks`.
    #[schema(value_type = Object)]
    config: Value,
}

impl From<ConfigExport> for ExportBody {
    fn from(export: ConfigExport) -> Self {
        let ConfigExport { format, version, exported_unix_ms, with_secrets, config } = export;
        Self {
            format,
            version: Some(version),
            exported_unix_ms: Some(exported_unix_ms),
            with_secrets,
            config,
        }
    }
}

/// Export the configuration
///
/// Users and tokens are no part of it.
#[utoipa::path(get, path = "/v1/config/export", tag = "configuration", params(ExportParams),
    responses((status = 200, description = "The configuration.", body = DataBody<ExportBody>)))]
pub(super) async fn export(
    State(state): State<RestState>,
    Params(params): Params<ExportParams>,
) -> Result<Data<ExportBody>, ApiError> {
    let export = state.configuration().export(params.secrets)?;
    let version = export.version.version;
    Ok(Data::new(export.into()).at(version))
}

/// Import a configuration
///
/// The body is the `data` of an export. It replaces everything; masked secrets are those that are stored.
#[utoipa::path(post, path = "/v1/config/import", tag = "configuration", request_body = ExportBody,
    responses((status = 200, description = "It is in force.", body = DoneBody)))]
pub(super) async fn import(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<ExportBody>,
) -> Result<Done, ApiError> {
    if body.format != crate::configuration::EXPORT_FORMAT {
        return Err(ApiError::parameter("format").detail("this version reads form 1"));
    }
    let edited = state.configuration().import(body.config, base, &caller.identity.actor()).await;
    Ok(done("import success", &edited.map_err(|error| of_whole(error, "import"))?))
}
