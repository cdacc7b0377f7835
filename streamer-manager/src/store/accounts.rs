//! The interface of the store of users, tokens, sessions and the audit log. It keeps hashes; secrets never reach it.

use async_trait::async_trait;

use super::error::StoreError;
use crate::accounts::audit::{AuditEntry, AuditFilter, AuditRecord};
use crate::accounts::role::{Role, Scope};

/// Most users: far past any staff.
pub const MAX_USERS: u64 = 1_000;
/// Most API tokens.
pub const MAX_TOKENS: u64 = 1_000;
/// Sessions of one user; a new one ends the oldest.
pub const MAX_SESSIONS_PER_USER: u64 = 32;
/// Entries kept in the audit log of each outcome: so whoever knocks and is refused cannot push out what was done.
pub const MAX_AUDIT_ENTRIES: u64 = 10_000;
/// Most entries of the audit log in one answer: a page of the API, and one more that tells whether there is another.
pub const MAX_AUDIT_PAGE: u32 = 1_001;

/// A hash of 32 random bytes that somebody else keeps.
pub type SecretHash = [u8; 32];

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUser {
    /// Its name; unique without regard to case.
    pub name: String,
    /// Hash of its password, a PHC string.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
    /// Whether it is shut out.
    pub disabled: bool,
    /// When it was made, Unix milliseconds.
    pub created_unix_ms: u64,
    /// When it was changed last, Unix milliseconds.
    pub changed_unix_ms: u64,
    /// When it logged in last, Unix milliseconds.
    pub last_login_unix_ms: Option<u64>,
}

/// What to change of a user; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserUpdate {
    /// Another hash of a password. Ends the sessions of the user.
    pub password_hash: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// Whether it is shut out. If so its sessions end.
    pub disabled: Option<bool>,
}

/// An API token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Its name; unique without regard to case.
    pub name: String,
    /// Hash of it.
    pub hash: SecretHash,
    /// What it may do.
    pub role: Role,
    /// What of that it is limited to; empty for all.
    pub scopes: Vec<Scope>,
    /// When it was made, Unix milliseconds.
    pub created_unix_ms: u64,
    /// Who made it.
    pub created_by: String,
    /// When it ends, Unix milliseconds; `None` for never.
    pub expires_unix_ms: Option<u64>,
    /// When it was used last, Unix milliseconds, to the minute.
    pub last_used_unix_ms: Option<u64>,
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Hash of its id.
    pub hash: SecretHash,
    /// Whose it is.
    pub user: String,
    /// When it began, Unix milliseconds.
    pub created_unix_ms: u64,
    /// When it was used last, Unix milliseconds, to the minute.
    pub last_used_unix_ms: u64,
}

/// A store of accounts. Every change is a transaction.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// All users, by name.
    ///
    /// # Errors
    /// As the database fails.
    async fn users(&self) -> Result<Vec<StoredUser>, StoreError>;

    /// One user, found without regard to case.
    ///
    /// # Errors
    /// As the database fails.
    async fn user(&self, name: &str) -> Result<Option<StoredUser>, StoreError>;

    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::TooMany`], or as the database fails.
    async fn add_user(&self, user: StoredUser) -> Result<(), StoreError>;

    /// Adds the first user and the first token together, if there is no user. Whether it did.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the token is there, or as the database fails.
    async fn add_first(&self, user: StoredUser, token: StoredToken) -> Result<bool, StoreError>;

    /// Changes a user.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::LastAdministrator`], or as the database fails.
    async fn change_user(&self, name: &str, update: UserUpdate, at_unix_ms: u64) -> Result<(), StoreError>;

    /// Removes a user and its sessions.
    ///
    /// # Errors
    /// As [`change_user`](Self::change_user).
    async fn remove_user(&self, name: &str) -> Result<(), StoreError>;

    /// All tokens, by name.
    ///
    /// # Errors
    /// As the database fails.
    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError>;

    /// The token of this hash.
    ///
    /// # Errors
    /// As the database fails.
    async fn token(&self, hash: SecretHash) -> Result<Option<StoredToken>, StoreError>;

    /// Adds a token.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::TooMany`], or as the database fails.
    async fn add_token(&self, token: StoredToken) -> Result<(), StoreError>;

    /// Notes that a token was used.
    ///
    /// # Errors
    /// As the database fails. A token that is gone is none.
    async fn touch_token(&self, hash: SecretHash, at_unix_ms: u64) -> Result<(), StoreError>;

    /// Removes a token.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or as the database fails.
    async fn remove_token(&self, name: &str) -> Result<(), StoreError>;

    /// Adds a session, notes the login of its user, and ends its sessions past [`MAX_SESSIONS_PER_USER`] as well as
    /// all sessions that began before `expired_before_unix_ms`.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when its user is gone or disabled, or as the database fails.
    async fn add_session(
        &self,
        session: StoredSession,
        expired_before_unix_ms: u64,
    ) -> Result<(), StoreError>;

    /// The session of this hash and its user.
    ///
    /// # Errors
    /// As the database fails.
    async fn session(&self, hash: SecretHash) -> Result<Option<(StoredSession, StoredUser)>, StoreError>;

    /// Notes that a session was used.
    ///
    /// # Errors
    /// As the database fails. A session that is gone is none.
    async fn touch_session(&self, hash: SecretHash, at_unix_ms: u64) -> Result<(), StoreError>;

    /// Ends a session; whether there was one.
    ///
    /// # Errors
    /// As the database fails.
    async fn remove_session(&self, hash: SecretHash) -> Result<bool, StoreError>;

    /// Ends all sessions of a user; how many there were.
    ///
    /// # Errors
    /// As the database fails.
    async fn remove_sessions(&self, user: &str) -> Result<u64, StoreError>;

    /// Adds to the audit log, and drops what is past [`MAX_AUDIT_ENTRIES`].
    ///
    /// # Errors
    /// As the database fails.
    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// A page of the audit log, the newest first; never more than [`MAX_AUDIT_PAGE`].
    ///
    /// # Errors
    /// As the database fails.
    async fn audit_log(&self, filter: AuditFilter) -> Result<Vec<AuditRecord>, StoreError>;
}
