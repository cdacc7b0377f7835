//! Opening the database: how it is set up, and what is refused.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::failure::failed;
use super::files::Files;
use super::migrations::{MIGRATIONS, migrate};
use super::{Database, Failure};
use crate::store::StoreError;

/// How long a lock of another process is waited for: longer than a copy of the file takes, short for whoever starts a
/// second manager by mistake.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// To what the write-ahead log is cut after a large change, in bytes.
pub const KEPT_LOG_BYTES: i64 = 16 << 20;

impl Database {
    /// Opens the database at `path`, makes it if there is none, and brings it to the newest schema.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Files::prepare(path)?;
        let connection = connect(path).map_err(|error| failed(&error, path))?;
        if connection.is_readonly("main").map_err(|error| failed(&error, path))? {
            return Err(StoreError::ReadOnly);
        }
        let mut connection = connection;
        let mut prepare = || {
            check_pages(&connection)?;
            migrate(&mut connection, MIGRATIONS)?;
            // What can be read may still not be written: better known now than at the first change.
            let probe = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            name_store(&probe)?;
            probe.commit()?;
            Ok(())
        };
        prepare().map_err(|failure| match failure {
            Failure::Database(error) => failed(&error, path),
            Failure::Rule(error) => error,
        })?;
        Ok(Self { connection, files: Files::note(path)? })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Its own mutex is not needed: one thread has the connection.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before the log: with it the index of the log is kept in memory, and nobody else gets in until the end.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Each commit is on the disk when it is acknowledged, not only in the cache of the system.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "journal_size_limit", KEPT_LOG_BYTES)?;
    Ok(connection)
}

fn check_pages(connection: &Connection) -> Result<(), Failure> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found).into()) }
}

/// Gives a new store its name.
fn name_store(connection: &Connection) -> Result<(), Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Failed(error.to_string()))?;
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    connection.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('store', ?1)", [name])?;
    Ok(())
}
