//! Why the engine does not start, or stops: one sentence and an exit code.

use streamer_control::config::ConfigError;
use streamer_daemon::{DaemonError, EXIT_CONFIGURATION};
use streamer_net::TlsError;
use thiserror::Error;

/// Why the engine does not start, or stops before it is told to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The configuration file is refused.
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
    /// Nothing can be asked over HTTP.
    #[error("{place}: {reason}")]
    HttpClient {
        /// The field that says whom to trust.
        place: String,
        /// Why.
        reason: String,
    },
    /// The data folder, a listener or the system fails it.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

impl EngineError {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Tls { .. } | Self::HttpClient { .. } => EXIT_CONFIGURATION,
            Self::Daemon(error) => error.exit_code(),
        }
    }
}
