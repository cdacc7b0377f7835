//! Reading a configuration file: bounded, checked, every error with its place.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::engine::EngineConfig;
use super::error::ConfigError;
use super::locate::locate;
use super::path::Problem;

/// Most bytes read of a configuration file: some ten thousand applications and tasks.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;

/// The shape of a configuration file. Its default is what holds without a file.
pub trait ConfigFile: DeserializeOwned + Default {
    /// The first problem with what is configured, or none.
    ///
    /// # Errors
    /// The problem and the path of the field at fault.
    fn check(&self) -> Result<(), Problem>;
}

/// The engine's configuration, read and checked.
pub type LoadedConfig = Loaded<EngineConfig>;

/// A configuration that was read and checked, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// What it says.
    pub config: T,
    text: String,
    origin: String,
    folder: Option<PathBuf>,
}

impl<T: ConfigFile> Loaded<T> {
    /// Reads and checks `path`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file and, where it applies, line, column and field.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let failed = |source| ConfigError::Read { origin: origin.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let mut text = String::new();
        let len = file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(failed)? as u64;
        if len > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge { origin, len, max: MAX_CONFIG_BYTES });
        }
        Ok(Self { folder: path.parent().map(Path::to_path_buf), ..Self::from_text(text, origin)? })
    }

    /// Reads and checks `text`; `origin` names it in errors.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn from_text(text: String, origin: String) -> Result<Self, ConfigError> {
        let config = match parse(&text) {
            Ok(config) => config,
            Err((path, error)) => {
                return Err(ConfigError::Invalid {
                    origin,
                    line: error.line(),
                    column: error.column(),
                    path,
                    message: without_place(&error),
                });
            }
        };
        let loaded = Self { config, text, origin, folder: None };
        loaded.config.check().map_err(|problem| loaded.refuse(problem))?;
        Ok(loaded)
    }

    /// The embedded configuration, for a start without any file.
    #[must_use]
    pub fn embedded() -> Self {
        let origin = "the embedded configuration".into();
        Self { config: T::default(), text: "{}".into(), origin, folder: None }
    }

    /// The same place with another content, as when the manager's word goes before the file's. `origin` names
    /// where it came from; relative paths go on to begin at the folder of the file.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn replaced(&self, config: T, text: String, origin: String) -> Result<Self, ConfigError> {
        let loaded = Self { config, text, origin, folder: self.folder.clone() };
        loaded.config.check().map_err(|problem| loaded.refuse(problem))?;
        Ok(loaded)
    }

    /// The file it came from, or a name for what is no file.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `path` as the file means it: relative paths begin at the folder of the file.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.as_ref().map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
    }

    /// The error for `problem`, with the line the value stands on.
    #[must_use]
    pub fn refuse(&self, problem: Problem) -> ConfigError {
        let (line, column) = locate(&self.text, &problem.path);
        ConfigError::Invalid {
            origin: self.origin.clone(),
            line,
            column,
            path: problem.path.to_string(),
            message: problem.message,
        }
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (String, serde_json::Error)> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let config = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        (if path == "." { String::new() } else { path }, error.into_inner())
    })?;
    deserializer.end().map_err(|error| (String::new(), error))?;
    Ok(config)
}

/// The message alone: `serde_json` appends the place, which we put in front.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}
