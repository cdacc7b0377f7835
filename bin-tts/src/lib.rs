//! The streaming engine as a daemon: configuration, listeners, API, tasks, signals.
//!
//! [`Engine`] is the whole daemon without the process around it: a test starts it on port 0 and reads the
//! addresses. [`process::run`] adds the command line, the log, signals and systemd.
//!
//! | module | what |
//! |---|---|
//! | [`args`], [`place`] | command line; where configuration and state are |
//! | [`engine`], [`reload`] | start, shutdown; what a reload applies |
//! | [`options`] | configuration to library options, written once |
//! | [`listeners`], [`auth`] | sockets; who may publish and play |
//! | [`tasks`] | pulls and forwards |
//! | `segments` | HLS of the applications |
//! | [`observe`], [`metrics`], [`api`] | rates, OpenMetrics, the HTTP API |
//! | [`process`], [`systemd`], [`log`], [`banner`], [`descriptors`], [`data_dir`] | the process around it |

pub mod api;
pub mod args;
pub mod auth;
pub mod banner;
pub mod data_dir;
pub mod descriptors;
pub mod engine;
mod error;
pub mod listeners;
pub mod log;
pub mod metrics;
pub mod observe;
pub mod options;
pub mod place;
pub mod process;
pub mod reload;
mod segments;
pub mod systemd;
pub mod tasks;

pub use args::Args;
pub use engine::{Engine, EngineOptions};
pub use error::{EXIT_CLEAN, EXIT_CONFIGURATION, EXIT_FAILURE, EngineError};
pub use listeners::Addresses;
