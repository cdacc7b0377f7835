//! The signals that a daemon listens to, and the watchdog it feeds meanwhile.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, interval};

use crate::error::DaemonError;
use crate::systemd;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Read the configuration again: SIGHUP.
    Reload,
    /// End: SIGTERM or SIGINT.
    Stop,
}

/// The signals of the process.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    watchdog: Option<Interval>,
}

impl Signals {
    /// Takes them from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`DaemonError::System`].
    pub fn new() -> Result<Self, DaemonError> {
        let listen = |kind| signal(kind).map_err(|source| DaemonError::System { what: "signals", source });
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            watchdog: systemd::watchdog_interval().map(interval),
        })
    }

    /// Waits for a signal, and tells systemd meanwhile that the process is alive. Cancel safe.
    pub async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Asked::Stop,
                _ = self.interrupt.recv() => return Asked::Stop,
                _ = self.hangup.recv() => return Asked::Reload,
                () = tick(self.watchdog.as_mut()) => systemd::alive(),
            }
        }
    }

    /// Waits for a signal to stop. Cancel safe.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
