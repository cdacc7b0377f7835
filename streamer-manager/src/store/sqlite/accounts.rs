//! Users, tokens, sessions and the audit log in the database.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Failure, SqliteStore, int, uint};
use crate::accounts::audit::{AuditEntry, AuditFilter, AuditRecord, Outcome};
use crate::accounts::role::{Role, Scope};
use crate::store::StoreError;
use crate::store::accounts::{
    AccountStore, MAX_AUDIT_ENTRIES, MAX_AUDIT_PAGE, MAX_SESSIONS_PER_USER, MAX_TOKENS, MAX_USERS,
    SecretHash, StoredSession, StoredToken, StoredUser, UserUpdate,
};

const USER: &str =
    "name, password_hash, role, disabled, users.created_unix_ms, changed_unix_ms, last_login_unix_ms";
const TOKEN: &str =
    "name, hash, role, scopes, created_unix_ms, created_by, expires_unix_ms, last_used_unix_ms";

#[async_trait]
impl AccountStore for SqliteStore {
    async fn users(&self) -> Result<Vec<StoredUser>, StoreError> {
        self.read(|database| {
            let mut statement =
                database.prepare_cached(&format!("SELECT {USER} FROM users ORDER BY name"))?;
            let rows = statement.query_map([], |row| user(row, 0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn user(&self, name: &str) -> Result<Option<StoredUser>, StoreError> {
        let name = name.to_owned();
        self.read(move |database| {
            let mut statement =
                database.prepare_cached(&format!("SELECT {USER} FROM users WHERE name = ?1"))?;
            Ok(statement.query_row([name], |row| user(row, 0)).optional()?)
        })
        .await
    }

    async fn add_user(&self, user: StoredUser) -> Result<(), StoreError> {
        self.write(move |database| insert_user(database, &user)).await
    }

    async fn add_first(&self, user: StoredUser, token: StoredToken) -> Result<bool, StoreError> {
        self.write(move |database| {
            if count(database, "users")? > 0 {
                return Ok(false);
            }
            insert_user(database, &user)?;
            // Left from users that were all removed by hand.
            database.execute("DELETE FROM tokens WHERE name = ?1", [&token.name])?;
            insert_token(database, &token)?;
            Ok(true)
        })
        .await
    }

    async fn change_user(&self, name: &str, update: UserUpdate, at_unix_ms: u64) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |database| {
            let UserUpdate { password_hash, role, disabled } = update;
            let ends_sessions = password_hash.is_some() || disabled == Some(true);
            let changed = database.execute(
                "UPDATE users SET password_hash = coalesce(?2, password_hash), role = coalesce(?3, role),
                 disabled = coalesce(?4, disabled), changed_unix_ms = ?5 WHERE name = ?1",
                params![name, password_hash, role.map(Role::as_str), disabled, int(at_unix_ms)],
            )?;
            if changed == 0 {
                return Err(StoreError::Missing { what: "user", name }.into());
            }
            if ends_sessions {
                database.execute("DELETE FROM sessions WHERE user = ?1", [&name])?;
            }
            check_administrators(database)
        })
        .await
    }

    async fn remove_user(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |database| {
            if database.execute("DELETE FROM users WHERE name = ?1", [&name])? == 0 {
                return Err(StoreError::Missing { what: "user", name }.into());
            }
            check_administrators(database)
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        self.read(|database| {
            let mut statement =
                database.prepare_cached(&format!("SELECT {TOKEN} FROM tokens ORDER BY name"))?;
            let rows = statement.query_map([], token)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn token(&self, hash: SecretHash) -> Result<Option<StoredToken>, StoreError> {
        self.read(move |database| {
            let mut statement =
                database.prepare_cached(&format!("SELECT {TOKEN} FROM tokens WHERE hash = ?1"))?;
            Ok(statement.query_row([hash], token).optional()?)
        })
        .await
    }

    async fn add_token(&self, token: StoredToken) -> Result<(), StoreError> {
        self.write(move |database| insert_token(database, &token)).await
    }

    async fn touch_token(&self, hash: SecretHash, at_unix_ms: u64) -> Result<(), StoreError> {
        self.write(move |database| {
            let update = "UPDATE tokens SET last_used_unix_ms = ?2 WHERE hash = ?1";
            database.execute(update, params![hash, int(at_unix_ms)])?;
            Ok(())
        })
        .await
    }

    async fn remove_token(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |database| {
            if database.execute("DELETE FROM tokens WHERE name = ?1", [&name])? == 0 {
                return Err(StoreError::Missing { what: "token", name }.into());
            }
            Ok(())
        })
        .await
    }

    async fn add_session(
        &self,
        session: StoredSession,
        expired_before_unix_ms: u64,
    ) -> Result<(), StoreError> {
        self.write(move |database| {
            let StoredSession { hash, user, created_unix_ms, last_used_unix_ms } = session;
            let known = database.execute(
                "UPDATE users SET last_login_unix_ms = ?2 WHERE name = ?1 AND disabled = 0",
                params![user, int(created_unix_ms)],
            )?;
            if known == 0 {
                return Err(StoreError::Missing { what: "user", name: user }.into());
            }
            let expired = "DELETE FROM sessions WHERE created_unix_ms < ?1";
            database.execute(expired, [int(expired_before_unix_ms)])?;
            database.execute(
                "INSERT INTO sessions (hash, user, created_unix_ms, last_used_unix_ms) VALUES (?1, ?2, ?3, ?4)",
                params![hash, user, int(created_unix_ms), int(last_used_unix_ms)],
            )?;
            database.execute(
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user = ?1 AND hash <> ?2
                 ORDER BY created_unix_ms DESC LIMIT -1 OFFSET ?3)",
                params![user, hash, int(MAX_SESSIONS_PER_USER - 1)],
            )?;
            Ok(())
        })
        .await
    }

    async fn session(&self, hash: SecretHash) -> Result<Option<(StoredSession, StoredUser)>, StoreError> {
        self.read(move |database| {
            let mut statement = database.prepare_cached(&format!(
                "SELECT sessions.created_unix_ms, last_used_unix_ms, {USER} FROM sessions
                 JOIN users ON users.name = sessions.user WHERE hash = ?1"
            ))?;
            let found = statement.query_row([hash], |row| {
                let user = user(row, 2)?;
                let session = StoredSession {
                    hash,
                    user: user.name.clone(),
                    created_unix_ms: uint(row.get(0)?),
                    last_used_unix_ms: uint(row.get(1)?),
                };
                Ok((session, user))
            });
            Ok(found.optional()?)
        })
        .await
    }

    async fn touch_session(&self, hash: SecretHash, at_unix_ms: u64) -> Result<(), StoreError> {
        self.write(move |database| {
            let update = "UPDATE sessions SET last_used_unix_ms = ?2 WHERE hash = ?1";
            database.execute(update, params![hash, int(at_unix_ms)])?;
            Ok(())
        })
        .await
    }

    async fn remove_session(&self, hash: SecretHash) -> Result<bool, StoreError> {
        self.write(move |database| Ok(database.execute("DELETE FROM sessions WHERE hash = ?1", [hash])? > 0))
            .await
    }

    async fn remove_sessions(&self, user: &str) -> Result<u64, StoreError> {
        let user = user.to_owned();
        self.write(move |database| {
            Ok(database.execute("DELETE FROM sessions WHERE user = ?1", [user])? as u64)
        })
        .await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(move |database| {
            database
                .prepare_cached(
                    "INSERT INTO audit (at_unix_ms, actor, address, action, target, outcome, detail)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    int(entry.at_unix_ms),
                    entry.actor,
                    entry.address.map(|address| address.to_string()),
                    entry.action,
                    entry.target,
                    entry.outcome.as_str(),
                    entry.detail
                ])?;
            database
                .prepare_cached(
                    "DELETE FROM audit WHERE outcome = ?1 AND id <= (
                         SELECT id FROM audit WHERE outcome = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![entry.outcome.as_str(), int(MAX_AUDIT_ENTRIES)])?;
            Ok(())
        })
        .await
    }

    async fn audit_log(&self, filter: AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT id, at_unix_ms, actor, address, action, target, outcome, detail FROM audit
                 WHERE id < ?1 AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR action = ?3)
                 AND (?4 IS NULL OR outcome = ?4) ORDER BY id DESC LIMIT ?5",
            )?;
            let AuditFilter { before, actor, action, outcome, limit } = filter;
            let values = params![
                before.map_or(i64::MAX, int),
                actor,
                action,
                outcome.map(Outcome::as_str),
                limit.min(MAX_AUDIT_PAGE)
            ];
            let rows = statement.query_map(values, |row| {
                let address: Option<String> = row.get(3)?;
                let outcome: String = row.get(6)?;
                Ok(AuditRecord {
                    id: uint(row.get(0)?),
                    entry: AuditEntry {
                        at_unix_ms: uint(row.get(1)?),
                        actor: row.get(2)?,
                        address: address.and_then(|address| address.parse().ok()),
                        action: row.get(4)?,
                        target: row.get(5)?,
                        outcome: Outcome::from_name(&outcome).ok_or_else(|| unreadable(6, &outcome))?,
                        detail: row.get(7)?,
                    },
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn insert_user(database: &Connection, user: &StoredUser) -> Result<(), Failure> {
    if count(database, "users")? >= MAX_USERS {
        return Err(StoreError::TooMany { what: "user", max: MAX_USERS }.into());
    }
    let added = database.execute(
        "INSERT INTO users (name, password_hash, role, disabled, created_unix_ms, changed_unix_ms,
         last_login_unix_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO NOTHING",
        params![
            user.name,
            user.password_hash,
            user.role.as_str(),
            user.disabled,
            int(user.created_unix_ms),
            int(user.changed_unix_ms),
            user.last_login_unix_ms.map(int)
        ],
    )?;
    if added == 0 {
        return Err(StoreError::Exists { what: "user", name: user.name.clone() }.into());
    }
    Ok(())
}

fn insert_token(database: &Connection, token: &StoredToken) -> Result<(), Failure> {
    if count(database, "tokens")? >= MAX_TOKENS {
        return Err(StoreError::TooMany { what: "token", max: MAX_TOKENS }.into());
    }
    let added = database.execute(
        "INSERT INTO tokens (name, hash, role, scopes, created_unix_ms, created_by, expires_unix_ms,
         last_used_unix_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO NOTHING",
        params![
            token.name,
            token.hash,
            token.role.as_str(),
            serde_json::to_string(&token.scopes)?,
            int(token.created_unix_ms),
            token.created_by,
            token.expires_unix_ms.map(int),
            token.last_used_unix_ms.map(int)
        ],
    )?;
    if added == 0 {
        return Err(StoreError::Exists { what: "token", name: token.name.clone() }.into());
    }
    Ok(())
}

fn count(database: &Connection, table: &'static str) -> Result<u64, Failure> {
    let rows = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    Ok(uint(rows))
}

/// Takes the change back, by failing, if nobody is left who may administer.
fn check_administrators(database: &Connection) -> Result<(), Failure> {
    let administrators: i64 = database.query_row(
        "SELECT count(*) FROM users WHERE role = ?1 AND disabled = 0",
        [Role::Administrator.as_str()],
        |row| row.get(0),
    )?;
    if administrators == 0 { Err(StoreError::LastAdministrator.into()) } else { Ok(()) }
}

/// The user whose columns begin at `first`.
fn user(row: &Row<'_>, first: usize) -> rusqlite::Result<StoredUser> {
    Ok(StoredUser {
        name: row.get(first)?,
        password_hash: row.get(first + 1)?,
        role: role(row, first + 2)?,
        disabled: row.get(first + 3)?,
        created_unix_ms: uint(row.get(first + 4)?),
        changed_unix_ms: uint(row.get(first + 5)?),
        last_login_unix_ms: row.get::<_, Option<i64>>(first + 6)?.map(uint),
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    let scopes: String = row.get(3)?;
    let scopes: Vec<Scope> = serde_json::from_str(&scopes).map_err(|_| unreadable(3, &scopes))?;
    Ok(StoredToken {
        name: row.get(0)?,
        hash: row.get(1)?,
        role: role(row, 2)?,
        scopes,
        created_unix_ms: uint(row.get(4)?),
        created_by: row.get(5)?,
        expires_unix_ms: row.get::<_, Option<i64>>(6)?.map(uint),
        last_used_unix_ms: row.get::<_, Option<i64>>(7)?.map(uint),
    })
}

fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    let name: String = row.get(column)?;
    Role::from_name(&name).ok_or_else(|| unreadable(column, &name))
}

fn unreadable(column: usize, value: &str) -> rusqlite::Error {
    let what = format!("`{value}` is not known");
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
}
