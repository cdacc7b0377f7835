//! The process around the engine: command line, log, signals, exit code.

use clap::CommandFactory;
use streamer_control::config::{LoadedConfig, ManagerLinkConfig};
use streamer_daemon::place::{self, Environment};
use streamer_daemon::process::{RUNTIME_TIMEOUT, begin_log, complain, runtime, say};
use streamer_daemon::signals::{Asked, Signals};
use streamer_daemon::{DataDir, EXIT_CLEAN, EXIT_FAILURE, systemd};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use crate::api::TOKEN_FILE;
use crate::args::Args;
use crate::engine::{Engine, EngineOptions};
use crate::error::EngineError;
use crate::{ENGINE, banner, options};

/// Runs the engine until it is told to stop. Returns the exit code; why it is not 0 stands in one line on
/// standard error.
pub fn run(args: &Args, environment: &Environment) -> u8 {
    match try_run(args, environment) {
        Ok(code) => code,
        Err(error) => {
            complain(&ENGINE, &error);
            error.exit_code()
        }
    }
}

fn try_run(args: &Args, environment: &Environment) -> Result<u8, EngineError> {
    if let Some(shell) = args.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), ENGINE.process, &mut script);
        say(&String::from_utf8_lossy(&script));
        return Ok(EXIT_CLEAN);
    }
    let config_file = place::config_file(args.config.as_deref(), environment);
    let mut loaded = match &config_file {
        Some(path) => LoadedConfig::read(path)?,
        None => LoadedConfig::embedded(),
    };
    if let Some(address) = args.manager {
        loaded.config.manager = Some(ManagerLinkConfig { address });
    }
    if args.check {
        options::server_tls(&loaded)?;
        options::check_public_keys(&loaded)?;
        options::task_specs(&loaded, options::client_tls(&loaded)?.as_ref())?;
        say(&format!("{}: ok\n", loaded.origin()));
        return Ok(EXIT_CLEAN);
    }
    let data_dir = place::data_dir(args.data_dir.as_deref(), environment, config_file.as_deref())?;
    let data_dir = DataDir::open(&data_dir, &ENGINE)?;
    let level = args.log_level.unwrap_or(loaded.config.log.level);
    let log = begin_log(level, args.log_format.unwrap_or(loaded.config.log.format))?;
    let runtime = runtime(&ENGINE)?;
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
        say(&banner::banner(&engine.config(), &origin, &engine.addresses(), &token_file));
        systemd::ready("serving");
        let stopped = watch(&mut signals, &mut engine).await;
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

/// Reloads on SIGHUP, until a signal to stop comes (`None`) or the engine fails.
async fn watch(signals: &mut Signals, engine: &mut Engine) -> Option<EngineError> {
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => return None,
                Asked::Reload => reload(engine),
            },
            failure = engine.failed() => return Some(failure),
        }
    }
}

fn reload(engine: &Engine) {
    systemd::reloading();
    match engine.reload() {
        Ok(reloaded) if reloaded.is_whole() => {
            info!("configuration reloaded; {}", reloaded.summary());
        }
        Ok(reloaded) => warn!("configuration reloaded; {}", reloaded.summary()),
        Err(failure) => error!("configuration not reloaded, all stays as it was: {failure}"),
    }
    systemd::ready("serving");
}
