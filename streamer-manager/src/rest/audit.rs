//! The audit log.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::RestState;
use super::envelope::{List, ListBody};
use super::error::ApiError;
use super::page::{Limit, SearchText, numbered};
use super::request::Params;
use crate::accounts::{AuditFilter, AuditRecord, Outcome};

/// How something went.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeBody {
    /// It was done.
    Done,
    /// It was not allowed.
    Refused,
    /// It was allowed and could not be done.
    Failed,
}

/// One entry. All its texts are data of strangers.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditBody {
    /// Its number; later ones are larger.
    id: u64,
    /// When, Unix milliseconds.
    at_unix_ms: u64,
    /// Who: `user:name`, `token:name`, `system`, or the name that was tried.
    actor: String,
    /// From where.
    address: Option<String>,
    /// What: `login`, `POST /v1/app`.
    action: String,
    /// What it was done to.
    target: String,
    /// How it went.
    outcome: OutcomeBody,
    /// Why, or what else is to be known.
    detail: String,
}

impl From<AuditRecord> for AuditBody {
    fn from(record: AuditRecord) -> Self {
        let entry = record.entry;
        Self {
            id: record.id,
            at_unix_ms: entry.at_unix_ms,
            actor: entry.actor,
            address: entry.address.map(|address| address.to_string()),
            action: entry.action,
            target: entry.target,
            outcome: match entry.outcome {
                Outcome::Done => OutcomeBody::Done,
                Outcome::Refused => OutcomeBody::Refused,
                Outcome::Failed => OutcomeBody::Failed,
            },
            detail: entry.detail,
        }
    }
}

/// Which entries of the audit log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// The `next` of the page before.
    after: Option<u64>,
    /// Only those of this actor.
    #[param(value_type = Option<String>, max_length = 200)]
    actor: Option<SearchText>,
    /// Only those of this action.
    #[param(value_type = Option<String>, max_length = 200)]
    action: Option<SearchText>,
    /// Only those that went so.
    outcome: Option<OutcomeBody>,
}

/// List the audit log
///
/// Every change, every refusal and every login, the newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditParams),
    responses((status = 200, description = "A page of entries.", body = ListBody<AuditBody>)))]
pub(super) async fn list(
    State(state): State<RestState>,
    Params(params): Params<AuditParams>,
) -> Result<List<AuditBody>, ApiError> {
    let outcome = params.outcome.map(|outcome| match outcome {
        OutcomeBody::Done => Outcome::Done,
        OutcomeBody::Refused => Outcome::Refused,
        OutcomeBody::Failed => Outcome::Failed,
    });
    let filter = AuditFilter {
        before: params.after,
        actor: params.actor.map(|text| text.0),
        action: params.action.map(|text| text.0),
        outcome,
        limit: params.limit.one_more(),
    };
    let records = state.accounts().audit_log(filter).await?;
    Ok(numbered(records, params.limit, |record| record.id))
}
