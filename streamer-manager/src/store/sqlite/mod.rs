//! All stores in one `SQLite` file: a handle whose calls run on a thread of their own, one after the other.

mod accounts;
mod config;
mod deliveries;
mod failure;
mod files;
mod migrations;
mod open;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::thread;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
pub use open::{BUSY_TIMEOUT, KEPT_LOG_BYTES};

use failure::failed;
use files::Files;

/// Calls that wait for the database; past it callers wait for a place.
pub const MAX_QUEUED_CALLS: usize = 256;

/// Name of the file in the data folder.
pub const DATABASE_FILE: &str = "manager.db";

type Job = Box<dyn FnOnce(&mut Database) + Send>;

enum Message {
    Job(Job),
    Close(oneshot::Sender<()>),
}

/// A store in a `SQLite` file. Clones are handles on the same; the file is let go after [`close`](Self::close), or soon
/// after the last handle is gone.
///
/// One process at a time has the file: `SQLite` holds its lock from the opening to the closing (`locking_mode`
/// `EXCLUSIVE`), so a second manager is refused whatever else went wrong.
#[derive(Clone)]
pub struct SqliteStore {
    messages: mpsc::Sender<Message>,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it if there is none, and brings it to the newest schema. The file can be
    /// read by its owner alone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Newer`], [`StoreError::Corrupt`],
    /// [`StoreError::ReadOnly`], [`StoreError::Full`], else [`StoreError::Failed`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| StoreError::Failed(error.to_string()))?;
        let (messages, queue) = mpsc::channel(MAX_QUEUED_CALLS);
        let (opened, answer) = oneshot::channel();
        thread::Builder::new()
            .name("store".into())
            .spawn(move || match Database::open(&path) {
                Ok(database) => {
                    // Nobody waits any more: the queue is closed as well, and the thread ends.
                    let _ = opened.send(Ok(()));
                    serve(database, queue);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|error| StoreError::Failed(format!("no thread: {error}")))?;
        answer.await.map_err(|_| StoreError::Closed)??;
        Ok(Self { messages })
    }

    /// Lets the file go, after the calls that were made before. Later ones are refused.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.messages.send(Message::Close(done)).await.is_ok() {
            // An error means that it was closed already.
            let _ = closed.await;
        }
    }

    /// Runs `work` on the thread of the database. It runs to its end even if nobody waits for it any more.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            let _ = done.send(work(database));
        });
        self.messages.send(Message::Job(job)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `work` in a transaction that only reads.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(move |database| database.transaction(TransactionBehavior::Deferred, work)).await
    }

    /// Runs `work` in a transaction that is committed if it succeeds, and is safe on the disk then.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(move |database| {
            database.files.check()?;
            database.transaction(TransactionBehavior::Immediate, work)
        })
        .await
    }
}

fn serve(mut database: Database, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.blocking_recv() {
        match message {
            Message::Job(job) => job(&mut database),
            Message::Close(done) => {
                drop(queue);
                drop(database);
                let _ = done.send(());
                return;
            }
        }
    }
}

/// The open database.
struct Database {
    connection: Connection,
    files: Files,
}

/// Why work within a transaction failed: as the database did, or by a rule of the store.
enum Failure {
    Database(rusqlite::Error),
    Rule(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Rule(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Rule(StoreError::Corrupt(error.to_string()))
    }
}

impl Database {
    fn transaction<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let path = self.files.path();
        let run = || {
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|failure| match failure {
            Failure::Database(error) => failed(&error, path),
            Failure::Rule(error) => error,
        })
    }
}

/// As the database counts.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// As the program counts.
fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
