//! Why the manager does not start, or stops: one sentence and an exit code.

use std::path::PathBuf;

use streamer_control::config::ConfigError;
use streamer_daemon::{DaemonError, EXIT_CONFIGURATION, EXIT_FAILURE};
use streamer_manager::accounts::AccountError;
use streamer_manager::store::StoreError;
use streamer_net::TlsError;
use streamer_vod::VodError;
use thiserror::Error;

/// Why the manager does not start, or stops before it is told to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// A configuration file is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate cannot be used.
    #[error("{place}: {source}")]
    Tls {
        /// The field that names the files.
        place: String,
        /// Why.
        source: TlsError,
    },
    /// The database cannot be used.
    #[error("{path}: {source}")]
    Store {
        /// The database.
        path: String,
        /// Why.
        source: StoreError,
    },
    /// There was a database, and there is none now.
    #[error(
        "{}: the database is gone: put it back, or remove {} to begin with an empty configuration",
        path.display(),
        mark.display()
    )]
    StoreGone {
        /// The database.
        path: PathBuf,
        /// The file that says that there was one.
        mark: PathBuf,
    },
    /// The first administrator cannot be made.
    #[error("the first administrator cannot be made: {0}")]
    FirstStart(#[from] AccountError),
    /// Video on demand cannot be served.
    #[error("vod: {0}")]
    Vod(#[from] VodError),
    /// The document of the API cannot be made.
    #[error("the document of the API cannot be made: {0}")]
    Document(serde_json::Error),
    /// Webhooks cannot be sent.
    #[error("webhooks cannot be sent: {0}")]
    WebhookClient(String),
    /// The data folder, a listener or the system fails it.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

impl ManagerError {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Tls { .. } | Self::FirstStart(AccountError::Invalid { .. }) => {
                EXIT_CONFIGURATION
            }
            Self::Store { .. }
            | Self::StoreGone { .. }
            | Self::FirstStart(_)
            | Self::Vod(_)
            | Self::Document(_)
            | Self::WebhookClient(_) => EXIT_FAILURE,
            Self::Daemon(error) => error.exit_code(),
        }
    }
}
