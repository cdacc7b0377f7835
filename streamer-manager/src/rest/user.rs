//! Users and API tokens.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RestState;
use super::caller::{Caller, Target};
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::ApiError;
use super::page::{ListParams, holds, paged};
use super::request::{Json, Named, Params};
use crate::accounts::{NewToken, NewUser, Role, Scope, Token, User, UserChange};

/// What somebody may do.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes the roles of the accounts")]
pub(super) enum RoleText {
    /// Looks at everything but secrets.
    Viewer,
    /// Changes what concerns streams.
    Operator,
    /// Changes everything, accounts included.
    Administrator,
}

/// A user, without its secrets.
#[derive(Serialize, ToSchema)]
pub(super) struct UserBody {
    /// Its name.
    name: String,
    /// What it may do.
    #[schema(value_type = RoleText)]
    role: Role,
    /// Whether it is shut out.
    disabled: bool,
    /// When it was made, Unix milliseconds.
    created_unix_ms: u64,
    /// When it was changed last, Unix milliseconds.
    changed_unix_ms: u64,
    /// When it logged in last, Unix milliseconds.
    last_login_unix_ms: Option<u64>,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        let User { name, role, disabled, created_unix_ms, changed_unix_ms, last_login_unix_ms } = user;
        Self { name, role, disabled, created_unix_ms, changed_unix_ms, last_login_unix_ms }
    }
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUserBody {
    /// Its name, unique without regard to case.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.@-]+$")]
    name: String,
    /// Its password.
    #[schema(min_length = 8, max_length = 128, format = "password")]
    password: String,
    /// What it may do.
    #[schema(value_type = RoleText)]
    role: Role,
}

/// What to change of a user; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChangeBody {
    /// Another password. The sessions of the user end.
    #[serde(default)]
    #[schema(min_length = 8, max_length = 128, format = "password")]
    password: Option<String>,
    /// Another role.
    #[serde(default)]
    #[schema(value_type = Option<RoleText>)]
    role: Option<Role>,
    /// Whether it is shut out. If so its sessions end.
    #[serde(default)]
    disabled: Option<bool>,
}

/// List users
#[utoipa::path(get, path = "/v1/user", tag = "user", params(ListParams),
    responses((status = 200, description = "A page of users, by name.", body = ListBody<UserBody>)))]
pub(super) async fn list_users(
    State(state): State<RestState>,
    Params(params): Params<ListParams>,
) -> Result<List<UserBody>, ApiError> {
    let users = state.accounts().users().await?.into_iter();
    let found = users.filter(|user| holds(&user.name, params.text.as_ref()));
    let entries = found.map(|user| (user.name.clone(), user)).collect();
    Ok(paged(entries, params.limit, params.after.as_ref(), UserBody::from))
}

/// Add a user
#[utoipa::path(post, path = "/v1/user", tag = "user", request_body = NewUserBody,
    responses((status = 200, description = "The user was added.", body = DataBody<UserBody>)))]
pub(super) async fn add_user(
    State(state): State<RestState>,
    Json(body): Json<NewUserBody>,
) -> Result<Response, ApiError> {
    let new = NewUser { name: &body.name, password: &body.password, role: body.role };
    let user = state.accounts().add_user(new).await?;
    let mut response = Data::new(UserBody::from(user)).into_response();
    response.extensions_mut().insert(Target(format!("user:{}", body.name)));
    Ok(response)
}

/// Show a user
#[utoipa::path(get, path = "/v1/user/{name}", tag = "user", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The user.", body = DataBody<UserBody>)))]
pub(super) async fn show_user(
    State(state): State<RestState>,
    Named(name): Named<String>,
) -> Result<Data<UserBody>, ApiError> {
    Ok(Data::new(state.accounts().user(&name).await?.into()))
}

/// Change a user
#[utoipa::path(patch, path = "/v1/user/{name}", tag = "user", params(("name" = String, Path, description = "Its name")),
    request_body = UserChangeBody,
    responses((status = 200, description = "The user as it is now.", body = DataBody<UserBody>)))]
pub(super) async fn change_user(
    State(state): State<RestState>,
    Named(name): Named<String>,
    Json(body): Json<UserChangeBody>,
) -> Result<Data<UserBody>, ApiError> {
    let change = UserChange { password: body.password.as_deref(), role: body.role, disabled: body.disabled };
    Ok(Data::new(state.accounts().change_user(&name, change).await?.into()))
}

/// Remove a user
///
/// Its sessions end. The last enabled administrator stays.
#[utoipa::path(delete, path = "/v1/user/{name}", tag = "user", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The user is gone.", body = DoneBody)))]
pub(super) async fn remove_user(
    State(state): State<RestState>,
    Named(name): Named<String>,
) -> Result<Done, ApiError> {
    state.accounts().remove_user(&name).await?;
    Ok(Done::new("delete user success"))
}

/// An API token, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenBody {
    /// Its name.
    name: String,
    /// What it may do.
    #[schema(value_type = RoleText)]
    role: Role,
    /// What of that it is limited to, such as `streams:read`; empty for all.
    scopes: Vec<String>,
    /// When it was made, Unix milliseconds.
    created_unix_ms: u64,
    /// Who made it.
    created_by: String,
    /// When it ends, Unix milliseconds; `null` for never.
    expires_unix_ms: Option<u64>,
    /// When it was used last, Unix milliseconds, to the minute.
    last_used_unix_ms: Option<u64>,
    /// The token itself, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> Self {
        let Token { name, role, scopes, created_unix_ms, created_by, expires_unix_ms, last_used_unix_ms } =
            token;
        let scopes = scopes.iter().map(ToString::to_string).collect();
        Self {
            name,
            role,
            scopes,
            created_unix_ms,
            created_by,
            expires_unix_ms,
            last_used_unix_ms,
            token: None,
        }
    }
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokenBody {
    /// Its name, unique without regard to case.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.@-]+$")]
    name: String,
    /// What it may do.
    #[schema(value_type = RoleText)]
    role: Role,
    /// What of that it is limited to: an area (`apps`, `streams`, `viewers`, `forwards`, `settings`, `webhooks`,
    /// `config`, `events`, `system`, `vod`, `accounts`) and `read` or `write`, such as `streams:read`; empty for all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// When it ends, Unix milliseconds; `null` for never.
    #[serde(default)]
    expires_unix_ms: Option<u64>,
}

/// List tokens
#[utoipa::path(get, path = "/v1/token", tag = "token", params(ListParams),
    responses((status = 200, description = "A page of tokens, by name.", body = ListBody<TokenBody>)))]
pub(super) async fn list_tokens(
    State(state): State<RestState>,
    Params(params): Params<ListParams>,
) -> Result<List<TokenBody>, ApiError> {
    let tokens = state.accounts().tokens().await?.into_iter();
    let found = tokens.filter(|token| holds(&token.name, params.text.as_ref()));
    let entries = found.map(|token| (token.name.clone(), token)).collect();
    Ok(paged(entries, params.limit, params.after.as_ref(), TokenBody::from))
}

/// Make a token
///
/// The answer shows the token; it cannot be shown again. Nobody gives away more than it has.
#[utoipa::path(post, path = "/v1/token", tag = "token", request_body = NewTokenBody,
    responses((status = 200, description = "The token.", body = DataBody<TokenBody>)))]
pub(super) async fn add_token(
    State(state): State<RestState>,
    caller: Caller,
    Json(body): Json<NewTokenBody>,
) -> Result<Response, ApiError> {
    let held = &caller.identity.scopes;
    let within = |scope: &Scope| held.iter().any(|held| held.includes(*scope));
    if !held.is_empty() && (body.scopes.is_empty() || !body.scopes.iter().all(within)) {
        return Err(ApiError::forbidden("a token that is limited to scopes gives away no others"));
    }
    let actor = caller.identity.actor();
    let new = NewToken {
        name: &body.name,
        role: body.role,
        scopes: &body.scopes,
        expires_unix_ms: body.expires_unix_ms,
        created_by: &actor,
    };
    let issued = state.accounts().add_token(new).await?;
    let shown = TokenBody { token: Some(issued.secret.expose().to_owned()), ..issued.token.into() };
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Data::new(shown)).into_response();
    response.extensions_mut().insert(Target(format!("token:{}", body.name)));
    Ok(response)
}

/// Remove a token
///
/// It is good for nothing at once.
#[utoipa::path(delete, path = "/v1/token/{name}", tag = "token",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The token is gone.", body = DoneBody)))]
pub(super) async fn remove_token(
    State(state): State<RestState>,
    Named(name): Named<String>,
) -> Result<Done, ApiError> {
    state.accounts().remove_token(&name).await?;
    Ok(Done::new("delete token success"))
}
