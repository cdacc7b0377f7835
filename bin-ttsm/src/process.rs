//! The process around the manager: command line, log, signals, exit code.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use streamer_daemon::place::{self, Environment};
use streamer_daemon::process::{RUNTIME_TIMEOUT, begin_log, complain, runtime, say};
use streamer_daemon::signals::{Asked, Signals};
use streamer_daemon::{DataDir, EXIT_CLEAN, EXIT_FAILURE, systemd};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use crate::args::Args;
use crate::error::ManagerError;
use crate::files::{ConfigFiles, server_tls};
use crate::manager::{Manager, ManagerOptions};
use crate::{MANAGER, banner};

/// Environment variable with the password of the first administrator.
pub const ADMIN_PASSWORD_VARIABLE: &str = "TTSM_ADMIN_PASSWORD";
/// Environment variable that names the engine's configuration file.
const ENGINE_CONFIG_VARIABLE: &str = "TTS_CONFIG";

/// Runs the manager until it is told to stop. Returns the exit code; why it is not 0 stands in one line on standard
/// error.
pub fn run(args: &Args, environment: &Environment) -> u8 {
    match try_run(args, environment) {
        Ok(code) => code,
        Err(error) => {
            complain(&MANAGER, &error);
            error.exit_code()
        }
    }
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn try_run(args: &Args, environment: &Environment) -> Result<u8, ManagerError> {
    if let Some(shell) = args.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), MANAGER.process, &mut script);
        say(&String::from_utf8_lossy(&script));
        return Ok(EXIT_CLEAN);
    }
    let files = ConfigFiles::find(
        place::config_file(args.config.as_deref(), environment),
        args.engine_config.as_deref(),
        variable(ENGINE_CONFIG_VARIABLE).map(PathBuf::from),
    );
    let loaded = files.load()?;
    if args.check {
        server_tls(&loaded.manager)?;
        say(&format!("{}: ok\n{}: ok\n", loaded.manager.origin(), loaded.engine.origin()));
        return Ok(EXIT_CLEAN);
    }
    let folder = place::data_dir(args.data_dir.as_deref(), environment, files.manager.as_deref())?;
    let data_dir = DataDir::open(&folder, &MANAGER)?;
    let level = args.log_level.unwrap_or(loaded.manager.config.log.level);
    let log = begin_log(level, args.log_format.unwrap_or(loaded.manager.config.log.format))?;
    let runtime = runtime(&MANAGER)?;
    let options = ManagerOptions {
        loaded,
        files,
        data_dir,
        admin_password: variable(ADMIN_PASSWORD_VARIABLE).map(|word| word.to_string_lossy().into_owned()),
        log: Some(log).filter(|_| args.log_level.is_none()),
    };
    let result = serve(&runtime, options, &folder);
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    result
}

fn serve(runtime: &Runtime, options: ManagerOptions, folder: &Path) -> Result<u8, ManagerError> {
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let origin = options.loaded.manager.origin().to_owned();
        let mut manager = Manager::start(options).await?;
        let (addresses, scheme) = (manager.addresses(), manager.rest_scheme());
        say(&banner::banner(&origin, addresses, scheme, folder, manager.first_start()));
        systemd::ready("serving");
        let stopped = watch(&mut signals, &mut manager).await;
        systemd::stopping();
        let drained = tokio::select! {
            drained = manager.shutdown() => drained,
            () = signals.stop() => {
                warn!("stopped at once by a second signal");
                return Ok(EXIT_FAILURE);
            }
        };
        info!(drained, "stopped");
        stopped.map_or(Ok(EXIT_CLEAN), Err)
    })
}

/// Reloads on SIGHUP, until a signal to stop comes (`None`) or the manager fails.
async fn watch(signals: &mut Signals, manager: &mut Manager) -> Option<ManagerError> {
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => return None,
                Asked::Reload => reload(manager),
            },
            failure = manager.failed() => return Some(failure),
        }
    }
}

fn reload(manager: &Manager) {
    systemd::reloading();
    match manager.reload() {
        Ok(applied) => info!("configuration reloaded; applied: {}", applied.join(", ")),
        Err(failure) => error!("configuration not reloaded, all stays as it was: {failure}"),
    }
    systemd::ready("serving");
}
