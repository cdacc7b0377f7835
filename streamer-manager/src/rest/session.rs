//! Sessions: logging in and out, and who one is.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RestState;
use super::caller::{Caller, PeerAddress};
use super::envelope::{Data, DataBody, Done, DoneBody};
use super::error::{ApiError, ErrorCode};
use super::request::Json;
use crate::accounts::{AccountError, Identity, IdentityKind, Role, UserChange};

/// Name of the cookie that holds the id of a session.
pub const SESSION_COOKIE: &str = "ttsm_session";

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    /// Name of the user.
    #[schema(max_length = 64)]
    name: String,
    /// Its password.
    #[schema(max_length = 128, format = "password")]
    password: String,
}

/// Who one is.
#[derive(Serialize, ToSchema)]
pub(super) struct WhoBody {
    /// Name of the user or the token.
    name: String,
    /// `session` or `token`.
    kind: &'static str,
    /// What it may do.
    #[schema(value_type = super::user::RoleText)]
    role: Role,
    /// What of that a token is limited to; empty for all.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<String>,
    /// What a change in a session must send in the header field `X-CSRF-Token`; `null` for a token.
    csrf_token: Option<String>,
    /// When the session ends at the latest, Unix milliseconds; only right after the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_unix_ms: Option<u64>,
}

impl WhoBody {
    fn new(identity: &Identity, expires_unix_ms: Option<u64>) -> Self {
        Self {
            name: identity.name.clone(),
            kind: if identity.kind == IdentityKind::Token { "token" } else { "session" },
            role: identity.role,
            scopes: identity.scopes.iter().map(ToString::to_string).collect(),
            csrf_token: identity.csrf.as_ref().map(|csrf| csrf.expose().to_owned()),
            expires_unix_ms,
        }
    }
}

/// The value of `Set-Cookie`; an empty id takes the cookie away (RFC 6265bis, 4.1).
fn cookie(id: &str, secure: bool) -> Option<HeaderValue> {
    let age = if id.is_empty() { "; Max-Age=0" } else { "" };
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{SESSION_COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict{age}{secure}"))
        .ok()
}

fn with_cookie(mut response: Response, id: &str, secure: bool) -> Response {
    if let Some(cookie) = cookie(id, secure) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Log in
///
/// Begins a session: its id is in the cookie of the answer. Tries are limited for each address and each name.
#[utoipa::path(post, path = "/v1/session", tag = "session", request_body = LoginBody,
    responses((status = 200, description = "You are logged in.", body = DataBody<WhoBody>)))]
pub(super) async fn login(
    State(state): State<RestState>,
    PeerAddress(address): PeerAddress,
    Json(body): Json<LoginBody>,
) -> Result<Response, ApiError> {
    let login = state.accounts().login(&body.name, &body.password, address).await?;
    let who = WhoBody::new(&login.identity, Some(login.expires_unix_ms));
    let response = ([(header::CACHE_CONTROL, "no-store")], Data::new(who)).into_response();
    Ok(with_cookie(response, login.session.expose(), state.secure_cookies()))
}

/// Who am I
#[utoipa::path(get, path = "/v1/session", tag = "session",
    responses((status = 200, description = "Who the token or session belongs to.", body = DataBody<WhoBody>)))]
pub(super) async fn whoami(caller: Caller) -> Response {
    let who = WhoBody::new(&caller.identity, None);
    ([(header::CACHE_CONTROL, "no-store")], Data::new(who)).into_response()
}

/// Log out
///
/// Ends the session of the cookie. A token has no session; it is removed at `/v1/token`.
#[utoipa::path(delete, path = "/v1/session", tag = "session",
    responses((status = 200, description = "The session is over.", body = DoneBody)))]
pub(super) async fn logout(State(state): State<RestState>, caller: Caller) -> Result<Response, ApiError> {
    let session =
        caller.session.ok_or_else(|| ApiError::conflict("there is no session: a token was shown"))?;
    state.accounts().logout(&session, caller.address).await?;
    Ok(with_cookie(Done::new("logged out").into_response(), "", state.secure_cookies()))
}

/// A new password of one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    /// The password so far.
    #[schema(max_length = 128, format = "password")]
    old_password: String,
    /// The new one, 8 to 128 characters.
    #[schema(min_length = 8, max_length = 128, format = "password")]
    new_password: String,
}

/// Change my password
///
/// Ends all sessions of the user, this one too.
#[utoipa::path(put, path = "/v1/session/password", tag = "session", request_body = PasswordBody,
    responses((status = 200, description = "The password is changed.", body = DoneBody)))]
pub(super) async fn change_password(
    State(state): State<RestState>,
    caller: Caller,
    Json(body): Json<PasswordBody>,
) -> Result<Response, ApiError> {
    if caller.identity.kind == IdentityKind::Token {
        return Err(ApiError::conflict("a token has no password"));
    }
    let name = &caller.identity.name;
    state.accounts().authenticate_password(name, &body.old_password, caller.address).await.map_err(
        |error| {
            match error {
                // Not 401: the session is good, what was sent with it is not.
                AccountError::BadCredentials => {
                    ApiError::parameter("old_password").detail("it is not the password")
                }
                other => other.into(),
            }
        },
    )?;
    let change = UserChange { password: Some(&body.new_password), ..UserChange::default() };
    state.accounts().change_user(name, change).await.map_err(|error| renamed(error, "new_password"))?;
    Ok(with_cookie(Done::new("change password success").into_response(), "", state.secure_cookies()))
}

/// The failure, which names the field as it is called in the body.
fn renamed(error: AccountError, field: &'static str) -> ApiError {
    match error {
        AccountError::Invalid { message, .. } => ApiError::parameter(field).detail(message),
        other => other.into(),
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::BadCredentials => Self::new(
                axum::http::StatusCode::UNAUTHORIZED,
                ErrorCode::AuthenticationFailed,
                "wrong name or password",
            ),
            AccountError::Unauthenticated => Self::unauthenticated("the token or session is not valid"),
            AccountError::Throttled { retry_after_ms } => {
                Self::too_many("too many attempts: try again later", retry_after_ms.div_ceil(1_000).max(1))
            }
            AccountError::Busy => Self::too_many("too many logins at once: try again", 1),
            AccountError::Invalid { field, message } => Self::parameter(field).detail(message),
            AccountError::Store(error) => error.into(),
            other => Self::internal("the accounts", &other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let text = |id, secure| cookie(id, secure).unwrap().to_str().unwrap().to_owned();
        assert_eq!(text("abc", false), "ttsm_session=abc; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(text("abc", true), "ttsm_session=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(text("", false).contains("Max-Age=0"));
    }
}
