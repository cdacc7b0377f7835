//! Where the configuration is found and where state is kept.

use std::env;
use std::path::{Path, PathBuf};

use crate::daemon::Daemon;
use crate::error::DaemonError;

/// What of the process environment has a say.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The daemon's own variable for its configuration: `TTS_CONFIG`, `TTSM_CONFIG`.
    pub config: Option<PathBuf>,
    /// `TTS_DATA_DIR`, for both daemons.
    pub data_dir: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// The configuration of an installed system, if it is there.
    pub installed_config: Option<PathBuf>,
}

impl Environment {
    /// That of this process, which is `daemon`. Empty variables count as not set.
    #[must_use]
    pub fn of_process(daemon: &Daemon) -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            config: path(daemon.config_variable),
            data_dir: path("TTS_DATA_DIR"),
            state_home: path("XDG_STATE_HOME").filter(|path| path.is_absolute()),
            home: path("HOME"),
            installed_config: Some(daemon.installed_config()).filter(|path| path.exists()),
        }
    }
}

/// The configuration file to read, `named` on the command line or found; `None` for the embedded configuration.
#[must_use]
pub fn config_file(named: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    named
        .map(Path::to_path_buf)
        .or_else(|| environment.config.clone())
        .or_else(|| environment.installed_config.clone())
}

/// The folder to keep state in: `named` on the command line or found. `config` is the configuration file, if any.
///
/// # Errors
/// [`DaemonError::NoDataDir`] when nothing names one.
pub fn data_dir(
    named: Option<&Path>,
    environment: &Environment,
    config: Option<&Path>,
) -> Result<PathBuf, DaemonError> {
    named
        .map(Path::to_path_buf)
        .or_else(|| environment.data_dir.clone())
        .or_else(|| beside_conf(config?))
        .or_else(|| Some(environment.state_home.as_ref()?.join("titopstreamer")))
        .or_else(|| Some(environment.home.as_ref()?.join(".local/state/titopstreamer")))
        .ok_or(DaemonError::NoDataDir)
}

/// The folder `data` beside the folder `conf` that holds the file; for a file elsewhere there is none.
fn beside_conf(config: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(config).ok()?;
    let folder = absolute.parent().filter(|folder| folder.ends_with("conf"))?;
    Some(folder.parent()?.join("data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALLED_CONFIG: &str = "/usr/local/TiTopStreamer/conf/engine.json";

    fn full() -> Environment {
        Environment {
            config: Some("/env/engine.json".into()),
            data_dir: Some("/env/data".into()),
            state_home: Some("/xdg".into()),
            home: Some("/home/me".into()),
            installed_config: Some(INSTALLED_CONFIG.into()),
        }
    }

    #[test]
    fn an_installed_configuration_is_the_daemons_own() {
        let daemon = Daemon {
            process: "tts",
            role: "engine",
            config_file: "engine.json",
            config_variable: "TTS_CONFIG",
        };
        assert_eq!(daemon.installed_config(), Path::new(INSTALLED_CONFIG));
    }

    #[test]
    fn the_configuration_is_looked_for_in_order() {
        let mut environment = full();
        let named = Some(Path::new("/arg/engine.json"));
        assert_eq!(config_file(named, &environment), Some("/arg/engine.json".into()));
        assert_eq!(config_file(None, &environment), Some("/env/engine.json".into()));
        environment.config = None;
        assert_eq!(config_file(None, &environment), Some(INSTALLED_CONFIG.into()));
        environment.installed_config = None;
        assert_eq!(config_file(None, &environment), None);
    }

    #[test]
    fn the_data_folder_is_looked_for_in_order() {
        let mut environment = full();
        let named = Some(Path::new("/arg/data"));
        let config = Some(Path::new("/opt/tts/conf/engine.json"));
        let found = |named, environment: &Environment, config| data_dir(named, environment, config).ok();
        assert_eq!(found(named, &environment, config), Some("/arg/data".into()));
        assert_eq!(found(None, &environment, config), Some("/env/data".into()));
        environment.data_dir = None;
        assert_eq!(found(None, &environment, config), Some("/opt/tts/data".into()));
        let elsewhere = Some(Path::new("/etc/engine.json"));
        assert_eq!(found(None, &environment, elsewhere), Some("/xdg/titopstreamer".into()));
        environment.state_home = None;
        assert_eq!(found(None, &environment, None), Some("/home/me/.local/state/titopstreamer".into()));
        environment.home = None;
        assert_eq!(found(None, &environment, None), None);
    }
}
