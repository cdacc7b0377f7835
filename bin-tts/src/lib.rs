//! The streaming engine as a daemon: configuration, listeners, API, tasks, signals.
//!
//! [`Engine`] is the whole daemon without the process around it: a test starts it on port 0 and reads the
//! addresses. [`process::run`] adds the command line, the log, signals and systemd.
//!
//! | module | what |
//! |---|---|
//! | [`args`] | command line |
//! | [`engine`], `running` | start, shutdown; the parts that run |
//! | `wanted`, `apply`, [`reload`] | a configuration with all it needs; making it hold while running |
//! | [`link`] | following the manager, and telling it what happens |
//! | [`options`] | configuration to library options, written once |
//! | [`listeners`], [`auth`] | sockets; who may publish and play |
//! | [`tasks`] | pulls and forwards |
//! | [`vod`] | video on demand, passed through |
//! | `segments` | HLS of the applications |
//! | [`observe`], [`metrics`], [`api`] | rates, OpenMetrics, the HTTP API |
//! | [`process`], [`banner`] | the process around it; what it shares with the manager is in `streamer-daemon` |

pub mod api;
mod apply;
pub mod args;
pub mod auth;
pub mod banner;
pub mod engine;
mod error;
pub mod link;
pub mod listeners;
pub mod metrics;
pub mod observe;
pub mod options;
pub mod process;
pub mod reload;
mod running;
mod segments;
pub mod tasks;
pub mod vod;
mod wanted;

pub use args::Args;
pub use engine::{Engine, EngineOptions};
pub use error::EngineError;
pub use listeners::Addresses;

/// The names of this daemon.
pub const ENGINE: streamer_daemon::Daemon = streamer_daemon::Daemon {
    process: "tts",
    role: "engine",
    config_file: "engine.json",
    config_variable: "TTS_CONFIG",
};
