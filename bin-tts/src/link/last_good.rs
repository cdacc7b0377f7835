//! The manager's last word, kept for a start without the manager.

use std::fs::File;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use streamer_control::config::ManagedConfig;
use streamer_control::link::manager_api::ConfigVersion;
use streamer_control::link::tolerant;
use streamer_daemon::{DaemonError, DataDir};
use tracing::warn;

/// File of the last configuration in the data folder, readable by its owner alone: it holds secrets.
pub const LAST_GOOD_FILE: &str = "engine-config.json";
/// Most bytes read of it: several times what a manager stores.
pub const MAX_LAST_GOOD_BYTES: u64 = 64 << 20;

/// What the manager said last that could be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastGood {
    /// Its version.
    pub(crate) version: ConfigVersion,
    /// The configuration, as the manager said it.
    pub(crate) config: ManagedConfig,
}

impl LastGood {
    /// Keeps it.
    ///
    /// # Errors
    /// [`DaemonError::DataDir`].
    pub(crate) fn keep(&self, data_dir: &DataDir) -> Result<(), DaemonError> {
        let text = serde_json::to_string(self).map_err(|error| DaemonError::System {
            what: "the manager's configuration",
            source: io::Error::other(error),
        })?;
        data_dir.replace(LAST_GOOD_FILE, &text)
    }

    /// What was kept. A file that cannot be read is told and left alone: the engine starts from its own then.
    pub(crate) fn kept(data_dir: &DataDir) -> Option<Self> {
        match read(data_dir) {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let file = data_dir.file(LAST_GOOD_FILE);
                warn!(file = %file.display(), %error, "the manager's last configuration cannot be used");
                None
            }
        }
    }
}

fn read(data_dir: &DataDir) -> io::Result<LastGood> {
    let mut bytes = Vec::new();
    let file = File::open(data_dir.file(LAST_GOOD_FILE))?;
    let len = file.take(MAX_LAST_GOOD_BYTES + 1).read_to_end(&mut bytes)? as u64;
    if len > MAX_LAST_GOOD_BYTES {
        let message = format!("more than {MAX_LAST_GOOD_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    // Another version of the program may have written it.
    Ok(tolerant::from_slice(&bytes)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ENGINE;
    use std::os::unix::fs::PermissionsExt;

    fn word() -> LastGood {
        let version = ConfigVersion { store: "store".into(), version: 3 };
        LastGood { version, config: ManagedConfig::default() }
    }

    #[test]
    fn what_is_kept_is_read_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path(), &ENGINE).unwrap();
        assert_eq!(LastGood::kept(&data_dir), None);
        word().keep(&data_dir).unwrap();
        assert_eq!(LastGood::kept(&data_dir), Some(word()));
        let mode = std::fs::metadata(data_dir.file(LAST_GOOD_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_newer_file_is_read_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path(), &ENGINE).unwrap();
        let text = serde_json::to_string(&word()).unwrap();
        data_dir.replace(LAST_GOOD_FILE, &text.replace("\"pulls\"", "\"pumps\":[],\"pulls\"")).unwrap();
        assert_eq!(LastGood::kept(&data_dir), Some(word()));
        for bad in [String::new(), text[..text.len() / 2].to_owned(), "{}".into()] {
            data_dir.replace(LAST_GOOD_FILE, &bad).unwrap();
            assert_eq!(LastGood::kept(&data_dir), None, "{bad}");
        }
    }

    #[test]
    fn length_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path(), &ENGINE).unwrap();
        let mut text = serde_json::to_string(&word()).unwrap();
        let room = usize::try_from(MAX_LAST_GOOD_BYTES).unwrap() - text.len();
        text.push_str(&" ".repeat(room));
        data_dir.replace(LAST_GOOD_FILE, &text).unwrap();
        assert!(LastGood::kept(&data_dir).is_some());
        data_dir.replace(LAST_GOOD_FILE, &(text + " ")).unwrap();
        assert!(LastGood::kept(&data_dir).is_none());
    }
}
