//! Where the manager keeps what it knows: narrow interfaces that a database implements.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | the configuration and its history |
//! | [`accounts`] | users, tokens, sessions and the audit log |
//! | [`deliveries`] | the queue and the log of webhooks |
//! | [`error`] | why a store did not do what it was asked |
//! | [`sqlite`] | all of them in one `SQLite` file |

pub mod accounts;
pub mod config;
pub mod deliveries;
pub mod error;
pub mod sqlite;

pub use accounts::AccountStore;
pub use config::{Commit, ConfigStore, Revision, StoredConfig};
pub use deliveries::DeliveryStore;
pub use error::StoreError;
pub use sqlite::SqliteStore;
