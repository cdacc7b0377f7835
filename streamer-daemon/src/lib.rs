//! What the daemons share around the libraries: command line, places, data folder, log, signals, listeners.
//!
//! Each daemon names itself once, as a [`Daemon`]; everything here that differs between the two is said there.
//!
//! | module | what |
//! |---|---|
//! | [`daemon`] | which daemon this is |
//! | [`args`] | what their command lines have in common |
//! | [`place`] | where configuration and state are |
//! | [`data_dir`] | the data folder: locked, written whole, with its secrets |
//! | [`listeners`], [`http`] | one port on several addresses; HTTP served on it |
//! | [`process`], [`signals`], [`systemd`], [`log`], [`descriptors`] | the process around it |
//! | [`usage`] | what the process uses of the machine |
//! | [`say`] | what a start says |
//! | `testing` (feature `testing`) | a daemon as a process, for tests |

pub mod args;
pub mod daemon;
pub mod data_dir;
pub mod descriptors;
mod error;
pub mod http;
pub mod listeners;
pub mod log;
pub mod place;
pub mod process;
pub mod say;
pub mod signals;
pub mod systemd;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod usage;

pub use daemon::Daemon;
pub use data_dir::DataDir;
pub use error::{DaemonError, EXIT_CLEAN, EXIT_CONFIGURATION, EXIT_FAILURE};
