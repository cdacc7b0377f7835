//! The process around the engine: command line, log, signals, exit code.

use std::io::{self, Write};
use std::time::Duration;

use streamer_control::config::LoadedConfig;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, interval};
use tracing::{error, info, warn};

use crate::args::Args;
use crate::data_dir::{DataDir, TOKEN_FILE};
use crate::engine::{Engine, EngineOptions};
use crate::error::{EXIT_CLEAN, EXIT_FAILURE, EngineError};
use crate::place::{self, Environment};
use crate::{banner, descriptors, log, options, systemd};

/// How long the runtime may take to let go of its threads after everything has ended.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the engine until it is told to stop. Returns the exit code; why it is not 0 stands in one line on
/// standard error.
pub fn run(args: &Args, environment: &Environment) -> u8 {
    match try_run(args, environment) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "tts: {error}");
            error.exit_code()
        }
    }
}

fn try_run(args: &Args, environment: &Environment) -> Result<u8, EngineError> {
    let config_file = place::config_file(args, environment);
    let loaded = match &config_file {
        Some(path) => LoadedConfig::read(path)?,
        None => LoadedConfig::embedded(),
    };
    if args.check {
        options::server_tls(&loaded)?;
        options::task_specs(&loaded, options::client_tls(&loaded)?.as_ref())?;
        say(&format!("{}: ok\n", loaded.origin()));
        return Ok(EXIT_CLEAN);
    }
    let data_dir = DataDir::open(&place::data_dir(args, environment, config_file.as_deref())?)?;
    let level = args.log_level.unwrap_or(loaded.config.log.level);
    let format = args.log_format.unwrap_or(loaded.config.log.format);
    let log = log::init(level, format)
        .map_err(|error| EngineError::System { what: "the log", source: io::Error::other(error) })?;
    descriptors::raise_limit();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_name("tts")
        .build()
        .map_err(|source| EngineError::System { what: "threads", source })?;
    let options =
        EngineOptions { loaded, config_file, data_dir, log: Some(log).filter(|_| args.log_level.is_none()) };
    let result = serve(&runtime, options);
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    result
}

fn serve(runtime: &Runtime, options: EngineOptions) -> Result<u8, EngineError> {
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let origin = options.loaded.origin().to_owned();
        let token_file = options.data_dir.file(TOKEN_FILE);
        let mut engine = Engine::start(options).await?;
        say(&banner::banner(&engine.config(), &origin, engine.addresses(), &token_file));
        systemd::ready("serving");
        let stopped = signals.watch(&mut engine).await;
        systemd::stopping();
        let drained = tokio::select! {
            drained = engine.shutdown() => drained,
            () = signals.stop() => {
                warn!("stopped at once by a second signal");
                return Ok(EXIT_FAILURE);
            }
        };
        info!(drained, "stopped");
        stopped.map_or(Ok(EXIT_CLEAN), Err)
    })
}

/// The signals that the process listens to.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    watchdog: Option<Interval>,
}

impl Signals {
    fn new() -> Result<Self, EngineError> {
        let listen = |kind| signal(kind).map_err(|source| EngineError::System { what: "signals", source });
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            watchdog: systemd::watchdog_interval().map(interval),
        })
    }

    /// Waits for a signal to stop.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Reloads on SIGHUP, until a signal to stop comes (`None`) or the engine fails.
    async fn watch(&mut self, engine: &mut Engine) -> Option<EngineError> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return None,
                _ = self.interrupt.recv() => return None,
                failure = engine.failed() => return Some(failure),
                _ = self.hangup.recv() => reload(engine),
                () = tick(self.watchdog.as_mut()) => systemd::alive(),
            }
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

fn reload(engine: &Engine) {
    systemd::reloading();
    match engine.reload() {
        Ok(reloaded) if reloaded.needs_restart.is_empty() => {
            info!("configuration reloaded; {}", reloaded.summary());
        }
        Ok(reloaded) => warn!("configuration reloaded; {}", reloaded.summary()),
        Err(failure) => error!("configuration not reloaded, all stays as it was: {failure}"),
    }
    systemd::ready("serving");
}

fn say(text: &str) {
    // Nobody may be listening, as with a closed pipe; the engine runs all the same.
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
