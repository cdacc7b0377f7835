//! Users: people who log in by name and password.

use serde::{Deserialize, Serialize};

use super::Accounts;
use super::error::AccountError;
use super::role::Role;
use crate::store::StoreError;
use crate::store::accounts::{StoredUser, UserUpdate};

/// Longest name of a user or a token, in bytes: an address of electronic mail fits.
pub const MAX_NAME_BYTES: usize = 64;

/// A user, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
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

impl From<StoredUser> for User {
    fn from(user: StoredUser) -> Self {
        let StoredUser { name, role, disabled, created_unix_ms, changed_unix_ms, .. } = user;
        let last_login_unix_ms = user.last_login_unix_ms;
        Self { name, role, disabled, created_unix_ms, changed_unix_ms, last_login_unix_ms }
    }
}

/// A user to be made.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// 1 to [`MAX_NAME_BYTES`] of `A-Z a-z 0-9 - _ . @`; unique without regard to case.
    pub name: &'a str,
    /// Its password.
    pub password: &'a str,
    /// What it may do.
    pub role: Role,
}

/// What to change of a user; what is `None` stays.
#[derive(Clone, Copy, Default)]
pub struct UserChange<'a> {
    /// Another password. The sessions of the user end.
    pub password: Option<&'a str>,
    /// Another role.
    pub role: Option<Role>,
    /// Whether it is shut out. If so its sessions end.
    pub disabled: Option<bool>,
}

impl Accounts {
    /// All users, by name.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn users(&self) -> Result<Vec<User>, AccountError> {
        Ok(self.0.store.users().await?.into_iter().map(User::from).collect())
    }

    /// One user, found without regard to case.
    ///
    /// # Errors
    /// [`StoreError::Missing`], else as the database fails.
    pub async fn user(&self, name: &str) -> Result<User, AccountError> {
        let missing = || StoreError::Missing { what: "user", name: name.to_owned() };
        Ok(self.0.store.user(name).await?.ok_or_else(missing)?.into())
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for a bad name or password; [`StoreError::Exists`], [`StoreError::TooMany`], else as
    /// the database fails.
    pub async fn add_user(&self, new: NewUser<'_>) -> Result<User, AccountError> {
        check_name("name", new.name)?;
        let password_hash = self.0.hasher.hash(new.password).await?;
        let now = self.0.clock.now_unix_ms();
        let user = StoredUser {
            name: new.name.to_owned(),
            password_hash,
            role: new.role,
            disabled: false,
            created_unix_ms: now,
            changed_unix_ms: now,
            last_login_unix_ms: None,
        };
        self.0.store.add_user(user.clone()).await?;
        Ok(user.into())
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for a bad password; [`StoreError::Missing`], [`StoreError::LastAdministrator`], else
    /// as the database fails.
    pub async fn change_user(&self, name: &str, change: UserChange<'_>) -> Result<User, AccountError> {
        let password_hash = match change.password {
            Some(password) => Some(self.0.hasher.hash(password).await?),
            None => None,
        };
        let update = UserUpdate { password_hash, role: change.role, disabled: change.disabled };
        self.0.store.change_user(name, update, self.0.clock.now_unix_ms()).await?;
        self.user(name).await
    }

    /// Removes a user; its sessions end.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::LastAdministrator`], else as the database fails.
    pub async fn remove_user(&self, name: &str) -> Result<(), AccountError> {
        Ok(self.0.store.remove_user(name).await?)
    }

    /// Ends all sessions of a user; how many there were.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn end_sessions(&self, user: &str) -> Result<u64, AccountError> {
        Ok(self.0.store.remove_sessions(user).await?)
    }
}

/// Whether `name` may be the name of a user or a token: it stands in paths of the API and in logs.
pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), AccountError> {
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte))
        // Such a segment of a path is taken away by clients before they ask.
        && !matches!(name, "." | "..");
    let message = || format!("1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 - _ . @ are needed");
    if fits { Ok(()) } else { Err(AccountError::invalid(field, message())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_their_limits() {
        for right in ["a", "Ann.Lee-2_x@example.org", &"n".repeat(MAX_NAME_BYTES)] {
            assert!(check_name("name", right).is_ok(), "{right}");
        }
        let long = "n".repeat(MAX_NAME_BYTES + 1);
        for wrong in ["", ".", "..", "a b", "a/b", "a\0", "<b>", "x';--", "é", "a:b", long.as_str()] {
            assert!(check_name("name", wrong).is_err(), "{wrong}");
        }
    }
}
