//! Why something about accounts was not done.

use thiserror::Error;

use crate::store::StoreError;

/// Why something about accounts was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Name or password are wrong, or the user is disabled: which of them is not told.
    #[error("wrong name or password")]
    BadCredentials,
    /// The token or the session is unknown, or over.
    #[error("the token or session is not valid")]
    Unauthenticated,
    /// Too many logins were tried.
    #[error("too many attempts: try again in {} s", retry_after_ms.div_ceil(1_000))]
    Throttled {
        /// When the next attempt is let through, milliseconds.
        retry_after_ms: u64,
    },
    /// Too many passwords are being checked at once.
    #[error("too many logins at once: try again")]
    Busy,
    /// A value that cannot be taken.
    #[error("{field}: {message}")]
    Invalid {
        /// Name of the field.
        field: &'static str,
        /// One sentence.
        message: String,
    },
    /// The file `initial-credentials` cannot be written.
    #[error("{path}: {source}")]
    CredentialsFile {
        /// Its path.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system gives no random numbers, or hashing failed.
    #[error("no secret can be made: {0}")]
    Crypto(String),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountError {
    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}
