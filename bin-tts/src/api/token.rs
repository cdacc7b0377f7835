//! Who may call the API: holders of its bearer token (RFC 6750 2.1), and the manager by the seal of the link.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use streamer_control::link::serve;
use subtle::ConstantTimeEq;

use super::ApiState;
use super::envelope::ApiError;

/// What callers of the API must show.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(token.into())
    }

    fn admits(&self, authorization: Option<&HeaderValue>) -> bool {
        let given =
            authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer")
                && bool::from(token.trim().as_bytes().ct_eq(self.0.as_bytes()))
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Lets requests pass that show the token or are sealed, and those for what is open.
pub(super) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let open = match request.uri().path() {
        "/healthz" => true,
        "/metrics" => state.open_metrics,
        _ => false,
    };
    if open || state.token.admits(request.headers().get(header::AUTHORIZATION)) {
        return next.run(request).await;
    }
    if serve::is_sealed(&request) {
        return serve::guard(State(state.link.key.clone()), request, next).await;
    }
    let message = "a bearer token is needed; it is kept in the data folder, in the file engine-token";
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, message).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_admitted() {
        let token = Token::new("secret");
        let admits = |value: &str| token.admits(Some(&HeaderValue::from_str(value).unwrap()));
        assert!(admits("Bearer secret") && admits("bearer  secret"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret", "secret"] {
            assert!(!admits(wrong), "{wrong:?}");
        }
        assert!(!token.admits(None));
    }
}
