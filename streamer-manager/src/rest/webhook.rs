//! Webhooks: who is told of events, and what became of each message.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use streamer_control::config::HttpUrl;
use utoipa::ToSchema;

use super::RestState;
use super::caller::Caller;
use super::change::{IfMatch, PatchBody, shown};
use super::entity::{Entity, find};
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::ApiError;
use super::page::{ListParams, NumberedParams, holds, numbered, paged};
use super::request::{Json, Named, Params};
use crate::clock::Clock;
use crate::document::{ConfigDocument, EntityKind, WebhookConfig};
use crate::store::deliveries::{Delivery, DeliveryState};

/// Somebody who is told of events, by HTTP requests.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes the webhooks of the document")]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookBody {
    /// Its name.
    #[schema(min_length = 2, max_length = 40, pattern = "^[A-Za-z0-9_-]+$")]
    name: String,
    /// Where the requests go.
    url: HttpUrl,
    /// The key they are signed with; masked in answers.
    #[schema(min_length = 1, max_length = 256)]
    secret: String,
    /// Kinds of events to send, such as `stream_published`; empty for all but those of viewers, which are many.
    #[serde(default)]
    events: Vec<String>,
    /// Whether it is told anything now.
    #[serde(default)]
    enabled: bool,
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryStateBody {
    /// It is to be sent, at once or again.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Failed,
}

/// One message to one webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryBody {
    /// Its number; later ones are larger.
    id: u64,
    /// Name of the webhook.
    webhook: String,
    /// Names the event.
    event_id: String,
    /// Kind of the event.
    kind: String,
    /// What is sent: JSON as a text.
    body: String,
    /// When the event was, Unix milliseconds.
    at_unix_ms: u64,
    /// What became of it.
    state: DeliveryStateBody,
    /// How often it was tried.
    attempts: u32,
    /// When it is due, if it waits, Unix milliseconds.
    next_unix_ms: u64,
    /// Status of the last answer, if there was one.
    last_status: Option<u16>,
    /// What went wrong last, if anything.
    last_error: Option<String>,
    /// When it was tried last, Unix milliseconds.
    tried_unix_ms: Option<u64>,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            webhook: delivery.webhook,
            event_id: delivery.event_id,
            kind: delivery.kind,
            body: delivery.body,
            at_unix_ms: delivery.at_unix_ms,
            state: match delivery.state {
                DeliveryState::Waiting => DeliveryStateBody::Waiting,
                DeliveryState::Delivered => DeliveryStateBody::Delivered,
                DeliveryState::Failed => DeliveryStateBody::Failed,
            },
            attempts: delivery.attempts,
            next_unix_ms: delivery.next_unix_ms,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            tried_unix_ms: delivery.tried_unix_ms,
        }
    }
}

impl Entity for WebhookConfig {
    const KIND: EntityKind = EntityKind::Webhook;
    const WHAT: &'static str = "webhook";
    const PATH: &'static str = "/v1/webhook";

    fn list(document: &ConfigDocument) -> &[Self] {
        &document.webhooks
    }

    fn list_mut(document: &mut ConfigDocument) -> &mut Vec<Self> {
        &mut document.webhooks
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn renamed(&self, other: &Self) -> Option<&'static str> {
        (self.name != other.name).then_some("name")
    }
}

/// List webhooks
#[utoipa::path(get, path = "/v1/webhook", tag = "webhook", params(ListParams),
    responses((status = 200, description = "A page of webhooks, by name. Secrets are masked.", body = ListBody<WebhookBody>)))]
pub(super) async fn list(State(state): State<RestState>, Params(params): Params<ListParams>) -> List<Value> {
    let config = state.config();
    let webhooks =
        config.document.webhooks.iter().filter(|webhook| holds(&webhook.name, params.text.as_ref()));
    let entries = webhooks.map(|webhook| (webhook.name.clone(), webhook)).collect();
    paged(entries, params.limit, params.after.as_ref(), shown).at(config.version.version)
}

/// Show a webhook
#[utoipa::path(get, path = "/v1/webhook/{name}", tag = "webhook",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The webhook. Secrets are masked.", body = DataBody<WebhookBody>)))]
pub(super) async fn show(
    State(state): State<RestState>,
    Named(name): Named<String>,
) -> Result<Data<Value>, ApiError> {
    let config = state.config();
    let webhook: &WebhookConfig = find(&config.document, &name)?;
    Ok(Data::new(shown(webhook)).at(config.version.version))
}

/// Add a webhook
#[utoipa::path(post, path = "/v1/webhook", tag = "webhook", request_body = WebhookBody,
    responses((status = 200, description = "The webhook was added.", body = DoneBody)))]
pub(super) async fn add(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.add_entity::<WebhookConfig>(&caller, base, body).await
}

/// Replace a webhook
///
/// What is left out gets its default. A masked secret stays what it is.
#[utoipa::path(put, path = "/v1/webhook/{name}", tag = "webhook", request_body = WebhookBody,
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The webhook was changed.", body = DoneBody)))]
pub(super) async fn replace(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<String>,
    Json(body): Json<Value>,
) -> Result<Done, ApiError> {
    state.replace_entity::<WebhookConfig>(&caller, base, &name, body).await
}

/// Change a webhook
///
/// Fields that are given replace those that are there (RFC 7396); `null` brings back the default.
#[utoipa::path(patch, path = "/v1/webhook/{name}", tag = "webhook", request_body = PatchBody,
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The webhook was changed.", body = DoneBody)))]
pub(super) async fn patch(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<String>,
    Json(PatchBody(body)): Json<PatchBody>,
) -> Result<Done, ApiError> {
    state.patch_entity::<WebhookConfig>(&caller, base, &name, body).await
}

/// Remove a webhook
///
/// Its messages are forgotten.
#[utoipa::path(delete, path = "/v1/webhook/{name}", tag = "webhook",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The webhook is gone.", body = DoneBody)))]
pub(super) async fn remove(
    State(state): State<RestState>,
    caller: Caller,
    IfMatch(base): IfMatch,
    Named(name): Named<String>,
) -> Result<Done, ApiError> {
    let done = state.remove_entity::<WebhookConfig>(&caller, base, &name).await?;
    state.deliveries().forget_webhook(&name).await?;
    Ok(done)
}

/// List the messages of a webhook
///
/// Those that wait and those that are done with, the newest first.
#[utoipa::path(get, path = "/v1/webhook/{name}/delivery", tag = "webhook",
    params(("name" = String, Path, description = "Its name"), NumberedParams),
    responses((status = 200, description = "A page of messages.", body = ListBody<DeliveryBody>)))]
pub(super) async fn deliveries(
    State(state): State<RestState>,
    Named(name): Named<String>,
    Params(params): Params<NumberedParams>,
) -> Result<List<DeliveryBody>, ApiError> {
    find::<WebhookConfig>(&state.config().document, &name)?;
    let rows = state.deliveries().deliveries(Some(&name), params.after, params.limit.one_more()).await?;
    Ok(numbered(rows, params.limit, |row| row.id))
}

/// Number of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedeliveredBody {
    /// Number of the new message.
    id: u64,
}

/// Send a message again
#[utoipa::path(post, path = "/v1/webhook/{name}/delivery/{id}/redeliver", tag = "webhook",
    params(("name" = String, Path, description = "Name of the webhook"), ("id" = u64, Path, description = "Number of the message")),
    responses((status = 200, description = "It is in the queue anew.", body = DataBody<RedeliveredBody>)))]
pub(super) async fn redeliver(
    State(state): State<RestState>,
    Named((name, id)): Named<(String, u64)>,
) -> Result<Data<RedeliveredBody>, ApiError> {
    let delivery = state.deliveries().delivery(id).await?;
    if delivery.is_none_or(|delivery| delivery.webhook != name) {
        return Err(ApiError::not_found("delivery"));
    }
    let id = state.webhooks().redeliver(id, Clock::system().now_unix_ms()).await?;
    Ok(Data::new(RedeliveredBody { id }))
}
