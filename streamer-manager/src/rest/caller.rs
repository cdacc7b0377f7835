//! Who calls: found out once for each request, checked against the table, noted in the audit log.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::RestState;
use super::access::{self, Need};
use super::error::{ApiError, ErrorCode};
use super::session::SESSION_COOKIE;
use crate::accounts::{AccountError, AuditEntry, Credential, Identity, Outcome};
use crate::clock::Clock;

/// Longest header field with a credential that is looked at, in bytes: browsers send every cookie of the host.
pub const MAX_CREDENTIAL_FIELD_BYTES: usize = 8 << 10;

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) identity: Identity,
    pub(super) address: Option<IpAddr>,
    /// The id of the session, of one who has a session.
    pub(super) session: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(needed)
    }
}

/// Address of whoever calls, if the server says it.
pub(super) struct PeerAddress(pub(super) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for PeerAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(address(&parts.extensions)))
    }
}

/// What a change was made to, for the audit log, where the path alone does not say it.
#[derive(Clone, Debug)]
pub(super) struct Target(pub(super) String);

fn address(extensions: &axum::http::Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

fn needed() -> ApiError {
    ApiError::unauthenticated("an API token or a session is needed")
}

/// The token of `Authorization: Bearer …` (RFC 6750, 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?;
    let text = Some(value).filter(|value| value.len() <= MAX_CREDENTIAL_FIELD_BYTES)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The id of the session in the cookies (RFC 6265, 4.2).
fn session(headers: &HeaderMap) -> Option<&str> {
    let fields = headers.get_all(header::COOKIE).into_iter();
    let short = fields.filter(|value| value.len() <= MAX_CREDENTIAL_FIELD_BYTES);
    let pairs = short.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value)
}

const fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Finds out who calls.
async fn authenticate(
    state: &RestState,
    method: &Method,
    headers: &HeaderMap,
    address: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    let credential = match (bearer(headers), session(headers)) {
        (Some(token), _) => Credential::Bearer(token),
        (None, Some(session)) => Credential::Session(session),
        (None, None) => return Err(needed()),
    };
    let identity = state.accounts().authenticate(credential).await.map_err(|error| match error {
        AccountError::Unauthenticated => ApiError::unauthenticated("the token or session is not valid"),
        other => ApiError::from(other),
    })?;
    let session = match credential {
        Credential::Session(session) => Some(session.to_owned()),
        Credential::Bearer(_) => None,
    };
    if session.is_some() && !is_safe(method) {
        let sent = headers.get("x-csrf-token").map_or(&[][..], HeaderValue::as_bytes);
        let expected = identity.csrf.as_ref().map(|csrf| csrf.expose().as_bytes());
        if !expected.is_some_and(|expected| bool::from(expected.ct_eq(sent))) {
            let message = "a change in a session needs its token in the header field X-CSRF-Token";
            return Err(ApiError::new(StatusCode::FORBIDDEN, ErrorCode::CsrfNeeded, message));
        }
    }
    Ok(Caller { identity, address, session })
}

fn refuse_method(path: &str) -> ApiError {
    let message = "this path does not take this method";
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, message);
    match HeaderValue::try_from(access::allowed(path)) {
        Ok(allowed) => error.with_field(header::ALLOW, allowed),
        Err(_) => error,
    }
}

/// Lets requests pass that the table allows, and notes changes and refused ones.
pub(super) async fn guard(State(state): State<RestState>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return ApiError::path_unknown().into_response();
    };
    let need = match access::need(request.method(), &path) {
        Some(Need::Open) => return next.run(request).await,
        Some(need) => need,
        None => return refuse_method(&path).into_response(),
    };
    let address = address(request.extensions());
    // A request cannot be lent to another thread: its body may not be shared.
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let caller = match authenticate(&state, &method, &headers, address).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let changes = !is_safe(request.method());
    let action = format!("{} {path}", request.method());
    let target = request.uri().path().to_owned();
    let allowed = match need {
        Need::Open | Need::Known => true,
        Need::Role(role, scope) => caller.identity.may(role, scope),
    };
    let response = if allowed {
        request.extensions_mut().insert(caller.clone());
        next.run(request).await
    } else {
        ApiError::forbidden("who asks may not do this").into_response()
    };
    let outcome = match response.status() {
        status if status.is_success() && changes => Some(Outcome::Done),
        StatusCode::FORBIDDEN => Some(Outcome::Refused),
        status if status.is_server_error() && changes => Some(Outcome::Failed),
        _ => None,
    };
    if let Some(outcome) = outcome {
        let target = response.extensions().get::<Target>().map_or(target, |Target(target)| target.clone());
        let entry = AuditEntry {
            at_unix_ms: Clock::system().now_unix_ms(),
            actor: caller.identity.actor(),
            address: caller.address,
            action,
            target,
            outcome,
            detail: String::new(),
        };
        if let Err(error) = state.accounts().record(entry).await {
            tracing::warn!(%error, "the audit log cannot be written");
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_token_is_read_as_the_specification_writes_it() {
        let token = |text: &str| bearer(&headers(&header::AUTHORIZATION, &[text])).map(str::to_owned);
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc ").as_deref(), Some("abc"));
        for wrong in ["abc", "Basic abc", "Bearer", ""] {
            assert_eq!(token(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let found = |values: &[&str]| session(&headers(&header::COOKIE, values)).map(str::to_owned);
        let ours = format!("{SESSION_COOKIE}=abc");
        assert_eq!(found(&[&ours]).as_deref(), Some("abc"));
        assert_eq!(found(&["a=b; c", &format!("x=y; {ours}; z=1")]).as_deref(), Some("abc"));
        assert_eq!(found(&[&format!("x{ours}")]), None);
    }

    #[test]
    fn fields_with_credentials_at_their_limit() {
        let field = |len: usize| {
            let text = format!("Bearer {}", "t".repeat(len - "Bearer ".len()));
            bearer(&headers(&header::AUTHORIZATION, &[&text])).is_some()
        };
        assert!(field(MAX_CREDENTIAL_FIELD_BYTES) && !field(MAX_CREDENTIAL_FIELD_BYTES + 1));
    }
}
