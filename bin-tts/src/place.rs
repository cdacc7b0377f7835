//! Where the configuration is found and where state is kept.

use std::env;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::error::EngineError;

/// Where an installed engine has its configuration.
pub const INSTALLED_CONFIG: &str = "/usr/local/TiTopStreamer/conf/engine.json";

/// What of the process environment has a say.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `TTS_CONFIG`.
    pub config: Option<PathBuf>,
    /// `TTS_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// The configuration of an installed engine, if it is there.
    pub installed_config: Option<PathBuf>,
}

impl Environment {
    /// That of this process. Empty variables count as not set.
    #[must_use]
    pub fn of_process() -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            config: path("TTS_CONFIG"),
            data_dir: path("TTS_DATA_DIR"),
            state_home: path("XDG_STATE_HOME").filter(|path| path.is_absolute()),
            home: path("HOME"),
            installed_config: Some(PathBuf::from(INSTALLED_CONFIG)).filter(|path| path.exists()),
        }
    }
}

/// The configuration file to read; `None` for the embedded configuration.
#[must_use]
pub fn config_file(args: &Args, environment: &Environment) -> Option<PathBuf> {
    args.config
        .clone()
        .or_else(|| environment.config.clone())
        .or_else(|| environment.installed_config.clone())
}

/// The folder to keep state in.
///
/// # Errors
/// [`EngineError::NoDataDir`] when nothing names one.
pub fn data_dir(
    args: &Args,
    environment: &Environment,
    config: Option<&Path>,
) -> Result<PathBuf, EngineError> {
    let named = args.data_dir.clone().or_else(|| environment.data_dir.clone());
    named
        .or_else(|| beside_conf(config?))
        .or_else(|| Some(environment.state_home.as_ref()?.join("titopstreamer")))
        .or_else(|| Some(environment.home.as_ref()?.join(".local/state/titopstreamer")))
        .ok_or(EngineError::NoDataDir)
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
    fn the_configuration_is_looked_for_in_order() {
        let mut environment = full();
        let mut args = Args { config: Some("/arg/engine.json".into()), ..Args::default() };
        assert_eq!(config_file(&args, &environment), Some("/arg/engine.json".into()));
        args.config = None;
        assert_eq!(config_file(&args, &environment), Some("/env/engine.json".into()));
        environment.config = None;
        assert_eq!(config_file(&args, &environment), Some(INSTALLED_CONFIG.into()));
        environment.installed_config = None;
        assert_eq!(config_file(&args, &environment), None);
    }

    #[test]
    fn the_data_folder_is_looked_for_in_order() {
        let mut environment = full();
        let mut args = Args { data_dir: Some("/arg/data".into()), ..Args::default() };
        let config = Some(Path::new("/opt/tts/conf/engine.json"));
        let found = |args: &Args, environment: &Environment, config| data_dir(args, environment, config).ok();
        assert_eq!(found(&args, &environment, config), Some("/arg/data".into()));
        args.data_dir = None;
        assert_eq!(found(&args, &environment, config), Some("/env/data".into()));
        environment.data_dir = None;
        assert_eq!(found(&args, &environment, config), Some("/opt/tts/data".into()));
        let elsewhere = Some(Path::new("/etc/engine.json"));
        assert_eq!(found(&args, &environment, elsewhere), Some("/xdg/titopstreamer".into()));
        environment.state_home = None;
        assert_eq!(found(&args, &environment, None), Some("/home/me/.local/state/titopstreamer".into()));
        environment.home = None;
        assert_eq!(found(&args, &environment, None), None);
    }
}
