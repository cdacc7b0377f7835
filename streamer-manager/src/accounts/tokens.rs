//! API tokens: what programs show instead of a password.

use serde::{Deserialize, Serialize};

use super::Accounts;
use super::error::AccountError;
use super::role::{Role, Scope};
use super::secret::{SecretText, random_secret};
use super::users::check_name;
use crate::store::accounts::StoredToken;

/// What every token begins with, so that scanners for leaked secrets find it.
pub const TOKEN_PREFIX: &str = "ttsm_";

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What of that it is limited to; empty for all.
    pub scopes: Vec<Scope>,
    /// When it was made, Unix milliseconds.
    pub created_unix_ms: u64,
    /// Who made it: `user:name`, `token:name` or `system`.
    pub created_by: String,
    /// When it ends, Unix milliseconds; `None` for never.
    pub expires_unix_ms: Option<u64>,
    /// When it was used last, Unix milliseconds, to the minute.
    pub last_used_unix_ms: Option<u64>,
}

impl From<StoredToken> for Token {
    fn from(token: StoredToken) -> Self {
        let StoredToken { name, hash: _, role, scopes, created_unix_ms, created_by, .. } = token;
        let (expires_unix_ms, last_used_unix_ms) = (token.expires_unix_ms, token.last_used_unix_ms);
        Self { name, role, scopes, created_unix_ms, created_by, expires_unix_ms, last_used_unix_ms }
    }
}

/// A token to be made.
#[derive(Clone, Copy)]
pub struct NewToken<'a> {
    /// As a user's name; unique among tokens without regard to case.
    pub name: &'a str,
    /// What it may do.
    pub role: Role,
    /// What of that it is limited to; empty for all.
    pub scopes: &'a [Scope],
    /// When it ends, Unix milliseconds; `None` for never.
    pub expires_unix_ms: Option<u64>,
    /// Who makes it.
    pub created_by: &'a str,
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// Its secret: it cannot be shown again.
    pub secret: SecretText,
}

impl Accounts {
    /// All tokens, by name.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn tokens(&self) -> Result<Vec<Token>, AccountError> {
        Ok(self.0.store.tokens().await?.into_iter().map(Token::from).collect())
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for a bad name or an end that is past;
    /// [`StoreError::Exists`](crate::store::StoreError::Exists),
    /// [`StoreError::TooMany`](crate::store::StoreError::TooMany), else as the database fails.
    pub async fn add_token(&self, new: NewToken<'_>) -> Result<IssuedToken, AccountError> {
        let (stored, secret) = self.make_token(new)?;
        self.0.store.add_token(stored.clone()).await?;
        Ok(IssuedToken { token: stored.into(), secret })
    }

    /// Removes a token: it is good for nothing at once.
    ///
    /// # Errors
    /// [`StoreError::Missing`](crate::store::StoreError::Missing), else as the database fails.
    pub async fn remove_token(&self, name: &str) -> Result<(), AccountError> {
        Ok(self.0.store.remove_token(name).await?)
    }

    pub(super) fn make_token(&self, new: NewToken<'_>) -> Result<(StoredToken, SecretText), AccountError> {
        check_name("name", new.name)?;
        let now = self.0.clock.now_unix_ms();
        if new.expires_unix_ms.is_some_and(|expires| expires <= now) {
            return Err(AccountError::invalid("expires_unix_ms", "is past already"));
        }
        let mut scopes = new.scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let (secret, hash) = random_secret(TOKEN_PREFIX)?;
        let stored = StoredToken {
            name: new.name.to_owned(),
            hash,
            role: new.role,
            scopes,
            created_unix_ms: now,
            created_by: new.created_by.to_owned(),
            expires_unix_ms: new.expires_unix_ms,
            last_used_unix_ms: None,
        };
        Ok((stored, secret))
    }
}
