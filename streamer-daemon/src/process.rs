//! The process: its threads, its log, its last word.

use std::io::{self, Write};
use std::time::Duration;

use streamer_control::config::{LogFormat, LogLevel};
use tokio::runtime::{Builder, Runtime};

use crate::daemon::Daemon;
use crate::error::DaemonError;
use crate::{descriptors, log};

/// How long the runtime may take to let go of its threads after everything has ended.
pub const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the log of the process and raises its limit on open files.
///
/// # Errors
/// [`DaemonError::System`] when the process has a log already.
pub fn begin_log(level: LogLevel, format: LogFormat) -> Result<log::LogControl, DaemonError> {
    let control = log::init(level, format)
        .map_err(|error| DaemonError::System { what: "the log", source: io::Error::other(error) })?;
    descriptors::raise_limit();
    Ok(control)
}

/// The threads of the process, one for each processor.
///
/// # Errors
/// [`DaemonError::System`].
pub fn runtime(daemon: &Daemon) -> Result<Runtime, DaemonError> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name(daemon.process)
        .build()
        .map_err(|source| DaemonError::System { what: "threads", source })
}

/// Writes `text` to standard output. Nobody may be listening, as with a closed pipe; the daemon runs all the same.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes why the process ends to standard error, in one line that begins with its name.
pub fn complain(daemon: &Daemon, error: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{}: {error}", daemon.process);
}
