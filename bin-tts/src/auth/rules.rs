//! One rule of an application: addresses, tokens and the callback together.

use std::sync::Arc;

use streamer_control::config::AuthConfig;
use streamer_core::access::SharedKey;
use streamer_core::{AccessRequest, Denied};

use super::Outside;
use super::address::AddressRule;
use super::callback::Callback;
use super::jwt::JwtRule;

/// Who may publish to an application, or who may play from it.
pub(super) struct Rule {
    config: AuthConfig,
    addresses: AddressRule,
    shared_key: Option<SharedKey>,
    jwt: Option<JwtRule>,
    callback: Option<Arc<Callback>>,
    now_unix_s: fn() -> u64,
}

impl Rule {
    pub(super) fn new(config: &AuthConfig, outside: &Outside) -> Self {
        Self {
            addresses: AddressRule::of(config),
            shared_key: config.shared_key.as_ref().map(|key| SharedKey::new(key.expose())),
            jwt: config.jwt.as_ref().map(|jwt| JwtRule::new(jwt, outside)),
            callback: config.callback.as_ref().map(|callback| Callback::new(callback, outside)),
            config: config.clone(),
            now_unix_s: outside.now_unix_s,
        }
    }

    /// Whether it was made of `config`.
    pub(super) fn is_of(&self, config: &AuthConfig) -> bool {
        self.config == *config
    }

    /// Addresses first, for they cost nothing; then tokens; last the callback, which only hears of those who
    /// have a right token.
    pub(super) async fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        self.addresses.check(request.peer)?;
        self.check_token(request).await?;
        match &self.callback {
            Some(callback) => callback.ask(request).await,
            None => Ok(()),
        }
    }

    /// One right token of either kind is enough.
    async fn check_token(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let now = (self.now_unix_s)();
        match (&self.shared_key, &self.jwt) {
            (None, None) => Ok(()),
            (Some(key), None) => key.verify(request.key, request.query, now),
            (None, Some(jwt)) => jwt.verify(request, now).await,
            (Some(key), Some(jwt)) => {
                let signed = key.verify(request.key, request.query, now);
                // Who brought no token of this kind hears what is wrong with the signature.
                if signed.is_ok() || !JwtRule::is_presented(request) {
                    signed
                } else {
                    jwt.verify(request, now).await
                }
            }
        }
    }
}
