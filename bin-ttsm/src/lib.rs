//! The manager as a daemon: configuration file, data folder, listeners, signals.
//!
//! [`Manager`] is the whole daemon without the process around it: a test starts it on port 0 and reads the addresses.
//! [`process::run`] adds the command line, the log, signals and systemd.
//!
//! | module | what |
//! |---|---|
//! | [`args`], [`files`] | command line; the two configuration files it reads |
//! | [`manager`] | start, reload, shutdown |
//! | [`process`], [`banner`] | the process around it |

pub mod args;
pub mod banner;
mod error;
pub mod files;
pub mod manager;
pub mod process;
mod services;

pub use args::Args;
pub use error::ManagerError;
pub use manager::{Addresses, Manager, ManagerOptions};

/// The names of this daemon.
pub const MANAGER: streamer_daemon::Daemon = streamer_daemon::Daemon {
    process: "ttsm",
    role: "manager",
    config_file: "server.json",
    config_variable: "TTSM_CONFIG",
};
