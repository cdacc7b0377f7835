//! Users, API tokens and sessions: who somebody is, and what it may do.
//!
//! | module | what |
//! |---|---|
//! | [`role`] | roles and scopes |
//! | [`identity`] | who somebody turned out to be |
//! | [`password`] | rules for passwords, and hashing them within bounds |
//! | [`secret`] | random secrets that are shown once |
//! | [`throttle`] | how often a login may be tried |
//! | [`login`] | logging in and out, and authenticating requests |
//! | [`users`] | users |
//! | [`tokens`] | API tokens |
//! | [`first_start`] | the first administrator, and the file that tells of it |
//! | [`audit`] | entries of the audit log |
//! | [`error`] | why something was not done |

pub mod audit;
pub mod error;
pub mod first_start;
pub mod identity;
pub mod login;
pub mod password;
pub mod role;
pub mod secret;
pub mod throttle;
pub mod tokens;
pub mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

pub use audit::{AuditEntry, AuditFilter, AuditRecord, Outcome};
pub use error::AccountError;
pub use first_start::InitialCredentials;
pub use identity::{Identity, IdentityKind};
pub use login::{Credential, Login};
pub use role::{Area, Role, Scope};
pub use secret::SecretText;
pub use tokens::{IssuedToken, NewToken, Token};
pub use users::{NewUser, User, UserChange};

use crate::clock::Clock;
use crate::store::AccountStore;
use password::Hasher;
use throttle::Throttle;

/// The accounts of one manager. Clones are handles on the same.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Arc<dyn AccountStore>,
    /// Where `initial-credentials` lies.
    data_dir: PathBuf,
    clock: Clock,
    hasher: Hasher,
    throttle: Mutex<Throttle>,
}

impl Accounts {
    /// The accounts in `store`; `data_dir` is where [`first_start`](Self::first_start) leaves its file.
    #[must_use]
    pub fn new(store: Arc<dyn AccountStore>, data_dir: &Path) -> Self {
        Self::with_clock(store, data_dir, Clock::system())
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(store: Arc<dyn AccountStore>, data_dir: &Path, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store,
            data_dir: data_dir.to_path_buf(),
            clock,
            hasher: Hasher::default(),
            throttle: Mutex::default(),
        }))
    }

    /// Adds to the audit log. Logins, logouts and the first start are noted by this module itself; all else is for
    /// whoever knows what was asked.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn record(&self, entry: AuditEntry) -> Result<(), AccountError> {
        Ok(self.0.store.audit(entry.bounded()).await?)
    }

    /// A page of the audit log, the newest first.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn audit_log(&self, filter: AuditFilter) -> Result<Vec<AuditRecord>, AccountError> {
        Ok(self.0.store.audit_log(filter).await?)
    }
}

#[cfg(test)]
mod tests;
