//! Why a daemon does not start, or stops, for reasons that both share: one sentence and an exit code.

use std::io;
use std::path::PathBuf;

use streamer_net::BindError;
use thiserror::Error;

/// Exit code of a clean end.
pub const EXIT_CLEAN: u8 = 0;
/// Exit code when something outside the configuration fails: a port or the data folder is taken, a path
/// cannot be written.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code when the configuration or the command line is at fault; a restart without a change is useless.
pub const EXIT_CONFIGURATION: u8 = 2;

/// Why a daemon does not start, or stops before it is told to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// There is nowhere to keep state.
    #[error("no folder to keep state in: HOME is not set; name one with --data-dir or TTS_DATA_DIR")]
    NoDataDir,
    /// The data folder or a file in it cannot be used.
    #[error("{path}: cannot be {action}: {source}", path = path.display())]
    DataDir {
        /// The path.
        path: PathBuf,
        /// What was tried, as in "cannot be written".
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Another daemon of the same role uses the data folder.
    #[error("{path}: another {role} uses this data folder; name another with --data-dir or TTS_DATA_DIR", path = path.display())]
    DataDirInUse {
        /// The folder.
        path: PathBuf,
        /// `engine` or `manager`.
        role: &'static str,
    },
    /// A listener cannot be bound.
    #[error("{place}: {source}")]
    Bind {
        /// Its place in the configuration, as `listeners.rtmp`.
        place: String,
        /// Why.
        source: BindError,
    },
    /// The system refuses something the daemon needs: random numbers, threads, signals.
    #[error("{what}: {source}")]
    System {
        /// What for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A listener stopped by itself.
    #[error("the listener {listener} stopped: {reason}")]
    Stopped {
        /// Its name in the configuration.
        listener: &'static str,
        /// Why.
        reason: String,
    },
}

impl DaemonError {
    /// The exit code: [`EXIT_CONFIGURATION`] or [`EXIT_FAILURE`].
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoDataDir => EXIT_CONFIGURATION,
            Self::DataDir { .. }
            | Self::DataDirInUse { .. }
            | Self::Bind { .. }
            | Self::System { .. }
            | Self::Stopped { .. } => EXIT_FAILURE,
        }
    }
}
