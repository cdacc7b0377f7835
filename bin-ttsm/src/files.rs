//! The two configuration files that the manager reads: its own, and the engine's for what the two share.

use std::path::{Path, PathBuf};

use streamer_control::config::{ConfigFile, EngineConfig, Loaded, LoadedConfig, ManagerConfig};
use streamer_net::ServerTls;

use crate::error::ManagerError;

/// Where both are; `None` for the embedded one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    /// `server.json`.
    pub manager: Option<PathBuf>,
    /// `engine.json`.
    pub engine: Option<PathBuf>,
}

/// What both say.
#[derive(Clone, Debug)]
pub struct LoadedFiles {
    /// `server.json`.
    pub manager: Loaded<ManagerConfig>,
    /// `engine.json`.
    pub engine: LoadedConfig,
}

impl ConfigFiles {
    /// The engine's file is the one `named`, that of the `engine_variable`, or the one beside the manager's.
    #[must_use]
    pub fn find(manager: Option<PathBuf>, named: Option<&Path>, engine_variable: Option<PathBuf>) -> Self {
        let beside = || Some(manager.as_ref()?.with_file_name("engine.json")).filter(|path| path.exists());
        let engine = named.map(Path::to_path_buf).or(engine_variable).or_else(beside);
        Self { manager, engine }
    }

    /// Reads and checks both.
    ///
    /// # Errors
    /// [`ManagerError::Config`].
    pub fn load(&self) -> Result<LoadedFiles, ManagerError> {
        Ok(LoadedFiles {
            manager: read_or_embedded::<ManagerConfig>(self.manager.as_deref())?,
            engine: read_or_embedded::<EngineConfig>(self.engine.as_deref())?,
        })
    }
}

fn read_or_embedded<T: ConfigFile>(path: Option<&Path>) -> Result<Loaded<T>, ManagerError> {
    Ok(match path {
        Some(path) => Loaded::read(path)?,
        None => Loaded::embedded(),
    })
}

/// The certificate of the Rest Server, if there is one.
///
/// # Errors
/// [`ManagerError::Tls`] naming the field and the file.
pub fn server_tls(loaded: &Loaded<ManagerConfig>) -> Result<Option<ServerTls>, ManagerError> {
    let Some(tls) = &loaded.config.tls else { return Ok(None) };
    ServerTls::from_files(&loaded.resolve(&tls.certificate), &loaded.resolve(&tls.private_key))
        .map(Some)
        .map_err(|source| ManagerError::Tls { place: format!("{}: tls", loaded.origin()), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_file_is_looked_for_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (manager, beside) = (folder.path().join("server.json"), folder.path().join("engine.json"));
        let find = |named, variable| ConfigFiles::find(Some(manager.clone()), named, variable).engine;
        assert_eq!(find(None, None), None);
        std::fs::write(&beside, "{}").unwrap();
        assert_eq!(find(None, None), Some(beside));
        assert_eq!(find(None, Some("/v.json".into())), Some("/v.json".into()));
        assert_eq!(find(Some(Path::new("/n.json")), Some("/v.json".into())), Some("/n.json".into()));
        assert_eq!(ConfigFiles::find(None, None, None), ConfigFiles::default());
    }
}
