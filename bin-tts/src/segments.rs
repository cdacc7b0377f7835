//! HLS of the applications: one handle for all listeners, and the folders that hold what memory has no room for.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use streamer_control::config::{AppConfig, HlsDiskConfig};
use streamer_core::AppName;
use streamer_daemon::{DaemonError, DataDir};
use streamer_http::{Hls, HlsAppOptions, HlsStore};

use crate::error::EngineError;
use crate::options::hls_app_options;

/// The options of each of `apps`, whose folders are there and can be used.
///
/// # Errors
/// [`EngineError::Segments`] naming the folder that cannot be made.
pub(crate) fn prepare(apps: &[AppConfig], data_dir: &DataDir) -> Result<Vec<Prepared>, EngineError> {
    apps.iter()
        .enumerate()
        .map(|(index, app)| {
            let field = || format!("apps[{index}].hls.disk.folder");
            let store = app.hls.disk.as_ref().map(|disk| folder(disk, data_dir)).transpose();
            let store = store.map_err(|source| EngineError::Segments { field: field(), source })?;
            Ok((app.app_name.clone(), hls_app_options(app, store)))
        })
        .collect()
}

/// An application and its options.
pub(crate) type Prepared = (AppName, HlsAppOptions);

/// A handle with these options.
pub(crate) fn handle(prepared: Vec<Prepared>) -> Hls {
    let hls = Hls::default();
    for (app, options) in prepared {
        hls.set_app_options(app, options);
    }
    hls
}

fn folder(disk: &HlsDiskConfig, data_dir: &DataDir) -> Result<HlsStore, DaemonError> {
    let path: PathBuf = data_dir.file(&disk.folder);
    let failed = |source| DaemonError::DataDir { path: path.clone(), action: "used for segments", source };
    std::fs::create_dir_all(&path).map_err(failed)?;
    let store =
        LocalFileSystem::new_with_prefix(&path).map_err(|error| failed(std::io::Error::other(error)))?;
    Ok(HlsStore { store: Arc::new(store.with_automatic_cleanup(true)), max_bytes: disk.max_bytes })
}

#[cfg(test)]
mod tests {
    use streamer_control::config::EngineConfig;

    use super::*;

    #[test]
    fn a_folder_begins_at_the_data_folder_and_must_be_one() {
        let place = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(place.path(), &crate::ENGINE).unwrap();
        let mut app = EngineConfig::default().apps.remove(0);
        let stored = |app: &AppConfig| {
            let prepared = prepare(std::slice::from_ref(app), &data_dir)?;
            let options = handle(prepared).app_options(&app.app_name);
            Ok::<_, EngineError>(options.store.as_ref().map(|store| store.max_bytes))
        };
        assert_eq!(stored(&app).unwrap(), None);
        app.hls.disk = Some(HlsDiskConfig { folder: "segments".into(), max_bytes: 7 });
        assert_eq!(stored(&app).unwrap(), Some(7));
        assert!(place.path().join("segments").is_dir());
        std::fs::write(place.path().join("file"), "").unwrap();
        app.hls.disk = Some(HlsDiskConfig { folder: "file".into(), max_bytes: 8 });
        let error = stored(&app).unwrap_err().to_string();
        assert!(error.contains("/file: cannot be used for segments"), "{error}");
    }
}
