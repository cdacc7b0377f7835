//! Logging in and out, and finding out who sends a request.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::audit::{AuditEntry, Outcome};
use super::error::AccountError;
use super::identity::{Identity, IdentityKind};
use super::secret::{SecretText, hash_of_claimed, random_secret};
use super::users::MAX_NAME_BYTES;
use super::{Accounts, Role};
use crate::store::StoreError;
use crate::store::accounts::{SecretHash, StoredSession, StoredUser};

/// How long a session lasts that is not used: a meal break.
pub const SESSION_IDLE_MS: u64 = 60 * 60 * 1_000;
/// How long a session lasts at most: a long working day.
pub const SESSION_MAX_MS: u64 = 12 * 60 * 60 * 1_000;
/// How exactly the last use of a token or a session is known: a write for each request would cost more than the
/// request.
pub const LAST_USED_STEP_MS: u64 = 60 * 1_000;
/// How far in the future a session may seem to have begun, because the clock was set back a little. Beyond it the
/// session is over: nobody knows how old it is.
pub const CLOCK_SLACK_MS: u64 = 5 * 60 * 1_000;

/// What a request carries to show who sends it.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// An API token: `Authorization: Bearer …` (RFC 6750).
    Bearer(&'a str),
    /// The id of a session, from its cookie.
    Session(&'a str),
}

/// A login that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who it is, as of the session.
    pub identity: Identity,
    /// The id of the session, for its cookie.
    pub session: SecretText,
    /// When the session ends at the latest, Unix milliseconds.
    pub expires_unix_ms: u64,
}

impl Accounts {
    /// Begins a session.
    ///
    /// # Errors
    /// [`AccountError::BadCredentials`] whatever of them is wrong; [`AccountError::Throttled`] or
    /// [`AccountError::Busy`] before anything is looked at; else as the database fails.
    pub async fn login(
        &self,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<Login, AccountError> {
        let now = self.0.clock.now_unix_ms();
        let user = self.check_login(name, password, address, now).await?;
        let (session, hash) = random_secret("")?;
        let stored =
            StoredSession { hash, user: user.name.clone(), created_unix_ms: now, last_used_unix_ms: now };
        match self.0.store.add_session(stored, now.saturating_sub(SESSION_MAX_MS)).await {
            // Disabled or removed since its password was looked at.
            Err(StoreError::Missing { .. }) => return Err(AccountError::BadCredentials),
            done => done?,
        }
        if user.role == Role::Administrator {
            self.forget_initial_credentials(&user.name).await;
        }
        self.note("login", format!("user:{}", user.name), address, Outcome::Done, "").await;
        let identity = session_identity(&user, session.expose());
        Ok(Login { identity, session, expires_unix_ms: now.saturating_add(SESSION_MAX_MS) })
    }

    /// Whose name and password these are, without beginning a session. Counts as a login for the throttle, and what
    /// fails is noted in the audit log.
    ///
    /// # Errors
    /// As [`login`](Self::login).
    pub async fn authenticate_password(
        &self,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<Identity, AccountError> {
        let user = self.check_login(name, password, address, self.0.clock.now_unix_ms()).await?;
        let StoredUser { name, role, .. } = user;
        Ok(Identity { name, kind: IdentityKind::User, role, scopes: Vec::new(), csrf: None })
    }

    async fn check_login(
        &self,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
        now: u64,
    ) -> Result<StoredUser, AccountError> {
        let attempt = self.0.throttle.lock().attempt(address, name, now);
        attempt.map_err(|retry_after_ms| AccountError::Throttled { retry_after_ms })?;
        // A longer name than any cannot be looked up, but must take as long as one that can.
        let user = if name.len() <= MAX_NAME_BYTES { self.0.store.user(name).await? } else { None };
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let right = self.0.hasher.verify(password, hash).await;
        if !matches!(right, Ok(false)) {
            self.0.throttle.lock().give_back(address, name);
        }
        let right = right?;
        let refusal = match user {
            Some(user) if right && !user.disabled => return Ok(user),
            Some(_) if right => {
                // What a stranger may learn by it must cost an attempt as well.
                let _ = self.0.throttle.lock().attempt(address, name, now);
                "disabled"
            }
            Some(_) => "wrong password",
            None => "unknown user",
        };
        self.note("login", name.to_owned(), address, Outcome::Refused, refusal).await;
        Err(AccountError::BadCredentials)
    }

    /// Ends a session; whether there was one.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn logout(&self, session: &str, address: Option<IpAddr>) -> Result<bool, AccountError> {
        let Some(hash) = hash_of_claimed(session) else { return Ok(false) };
        let Some((_, user)) = self.0.store.session(hash).await? else { return Ok(false) };
        let was = self.0.store.remove_session(hash).await?;
        if was {
            self.note("logout", format!("user:{}", user.name), address, Outcome::Done, "").await;
        }
        Ok(was)
    }

    /// Who sends a request.
    ///
    /// # Errors
    /// [`AccountError::Unauthenticated`] when the credential is unknown, over, or of a disabled user; else as the
    /// database fails.
    pub async fn authenticate(&self, credential: Credential<'_>) -> Result<Identity, AccountError> {
        let now = self.0.clock.now_unix_ms();
        match credential {
            Credential::Bearer(text) => {
                self.by_token(hash_of_claimed(text).ok_or(AccountError::Unauthenticated)?, now).await
            }
            Credential::Session(text) => {
                let hash = hash_of_claimed(text).ok_or(AccountError::Unauthenticated)?;
                self.by_session(text, hash, now).await
            }
        }
    }

    async fn by_token(&self, hash: SecretHash, now: u64) -> Result<Identity, AccountError> {
        let token = self.0.store.token(hash).await?.ok_or(AccountError::Unauthenticated)?;
        if token.expires_unix_ms.is_some_and(|expires| expires <= now) {
            return Err(AccountError::Unauthenticated);
        }
        if token.last_used_unix_ms.is_none_or(|last| last.abs_diff(now) >= LAST_USED_STEP_MS)
            && let Err(error) = self.0.store.touch_token(hash, now).await
        {
            // A disk that cannot be written must not shut out whoever comes to set it right.
            tracing::warn!(%error, "the use of a token cannot be noted");
        }
        let csrf = None;
        Ok(Identity {
            name: token.name,
            kind: IdentityKind::Token,
            role: token.role,
            scopes: token.scopes,
            csrf,
        })
    }

    async fn by_session(&self, id: &str, hash: SecretHash, now: u64) -> Result<Identity, AccountError> {
        let (session, user) = self.0.store.session(hash).await?.ok_or(AccountError::Unauthenticated)?;
        let StoredSession { created_unix_ms: created, last_used_unix_ms: used, .. } = session;
        let over = now >= created.saturating_add(SESSION_MAX_MS)
            || now >= used.saturating_add(SESSION_IDLE_MS)
            || created > now.saturating_add(CLOCK_SLACK_MS);
        if over {
            self.0.store.remove_session(hash).await?;
            return Err(AccountError::Unauthenticated);
        }
        if user.disabled {
            return Err(AccountError::Unauthenticated);
        }
        if used.abs_diff(now) >= LAST_USED_STEP_MS
            && let Err(error) = self.0.store.touch_session(hash, now).await
        {
            tracing::warn!(%error, "the use of a session cannot be noted");
        }
        Ok(session_identity(&user, id))
    }

    /// Notes what was done whether or not it can be written down: the log must not decide.
    pub(super) async fn note(
        &self,
        action: &str,
        actor: String,
        address: Option<IpAddr>,
        outcome: Outcome,
        detail: &str,
    ) {
        let entry = AuditEntry {
            at_unix_ms: self.0.clock.now_unix_ms(),
            target: String::new(),
            actor,
            address,
            action: action.into(),
            outcome,
            detail: detail.into(),
        };
        if let Err(error) = self.record(entry).await {
            tracing::warn!(%error, action, "the audit log cannot be written");
        }
    }
}

fn session_identity(user: &StoredUser, session: &str) -> Identity {
    Identity {
        name: user.name.clone(),
        kind: IdentityKind::Session,
        role: user.role,
        scopes: Vec::new(),
        csrf: Some(csrf(session)),
    }
}

/// Follows from the id of the session, which no other site knows; the id does not follow from it.
fn csrf(session: &str) -> SecretText {
    let digest = Sha256::new().chain_update(b"csrf\0").chain_update(session.as_bytes()).finalize();
    SecretText::new(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
