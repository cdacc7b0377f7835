//! Which daemon this is: the names by which it is known on the outside.

use std::path::{Path, PathBuf};

/// Folder of the configuration files of an installed system.
pub const INSTALLED_CONF: &str = "/usr/local/TiTopStreamer/conf";

/// The names of one daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Name of the process: `tts`, `ttsm`.
    pub process: &'static str,
    /// What it is to people, and the beginning of the names of its files: `engine`, `manager`.
    pub role: &'static str,
    /// Name of its configuration file.
    pub config_file: &'static str,
    /// Environment variable that names its configuration file.
    pub config_variable: &'static str,
}

impl Daemon {
    /// Where an installed one has its configuration.
    #[must_use]
    pub fn installed_config(&self) -> PathBuf {
        Path::new(INSTALLED_CONF).join(self.config_file)
    }

    /// Name of the file in the data folder whose lock says that such a daemon uses the folder. It stays when the
    /// daemon ends; the lock does not, however the daemon ends.
    #[must_use]
    pub fn lock_file(&self) -> String {
        format!("{}.lock", self.role)
    }

    /// Name of the file in the data folder with the addresses it listens on.
    #[must_use]
    pub fn addresses_file(&self) -> String {
        format!("{}-addresses.json", self.role)
    }
}
