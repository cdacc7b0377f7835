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
        /// The configuration, a colon, and the field that names the files.
        place: String,
        /// Why.
        source: TlsError,
    },
    /// Nothing can be asked over HTTP.
    #[error("{place}: {reason}")]
    HttpClient {
        /// The configuration, a colon, and the field that says whom to trust.
        place: String,
        /// Why.
        reason: String,
    },
    /// A folder for segments cannot be used.
    #[error("{field}: {source}")]
    Segments {
        /// The field that names the folder.
        field: String,
        /// Why.
        source: DaemonError,
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
            Self::Daemon(error) | Self::Segments { source: error, .. } => error.exit_code(),
        }
    }

    /// The field of the configuration that is at fault, if there is one: `pulls[3].urls[0]`.
    #[must_use]
    pub fn field(&self) -> Option<String> {
        match self {
            Self::Config(ConfigError::Invalid { path, .. })
            | Self::Segments { field: path, .. }
            | Self::Daemon(DaemonError::Bind { place: path, .. }) => Some(path.clone()),
            Self::Tls { place, .. } | Self::HttpClient { place, .. } => {
                place.rsplit(": ").next().map(str::to_owned)
            }
            Self::Config(_) | Self::Daemon(_) => None,
        }
    }

    /// Why alone, without the place.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Config(ConfigError::Invalid { message, .. }) => message.clone(),
            Self::Tls { source, .. } => source.to_string(),
            Self::HttpClient { reason, .. } => reason.clone(),
            Self::Segments { source, .. } => source.to_string(),
            Self::Daemon(DaemonError::Bind { source, .. }) => source.to_string(),
            other => other.to_string(),
        }
    }
}
