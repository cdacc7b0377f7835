//! A configuration with all that it needs of the machine, so that what comes after can fail at ports alone.

use streamer_control::config::{EngineConfig, LoadedConfig, ManagedConfig, Sifted};
use streamer_control::link::manager_api::Refusal;
use streamer_daemon::DataDir;
use streamer_net::{ClientTls, ServerTls};

use crate::error::EngineError;
use crate::link::LastGood;
use crate::options;
use crate::segments;
use crate::tasks::TaskSpec;

/// Mistakes of one configuration that are taken out one by one: whoever makes more has made one at the root.
pub(crate) const MAX_REFUSALS: usize = 100;

/// A configuration that can be had.
pub(crate) struct Wanted {
    pub(crate) loaded: LoadedConfig,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) client_tls: Option<ClientTls>,
    pub(crate) specs: Vec<TaskSpec>,
    pub(crate) segments: Vec<segments::Prepared>,
}

/// What holds now.
#[derive(Default)]
pub(crate) struct Held {
    /// The configuration; `None` before the first.
    pub(crate) config: Option<EngineConfig>,
    /// Its certificate.
    pub(crate) tls: Option<ServerTls>,
    /// Whom its outgoing connections trust.
    pub(crate) client_tls: Option<ClientTls>,
    /// What a manager said last, if it holds.
    pub(crate) managed: Option<LastGood>,
}

impl Held {
    /// Whether `wanted` goes on with the same certificate.
    pub(crate) fn has_tls_of(&self, wanted: &Wanted) -> bool {
        self.config.as_ref().is_some_and(|config| config.tls == wanted.loaded.config.tls)
    }
}

impl Wanted {
    /// Reads what `loaded` names. Certificates that are named already in what is `held` are not read again.
    ///
    /// # Errors
    /// [`EngineError`] of the first mistake.
    pub(crate) fn read(loaded: LoadedConfig, held: &Held, data_dir: &DataDir) -> Result<Self, EngineError> {
        let before = held.config.as_ref();
        let tls = match &held.tls {
            Some(tls) if before.is_some_and(|config| config.tls == loaded.config.tls) => Some(tls.clone()),
            _ => options::server_tls(&loaded)?,
        };
        let client_tls = match &held.client_tls {
            Some(tls) if before.is_some_and(|config| config.client_tls == loaded.config.client_tls) => {
                Some(tls.clone())
            }
            _ => options::client_tls(&loaded)?,
        };
        let specs = options::task_specs(&loaded, client_tls.as_ref())?;
        options::check_public_keys(&loaded)?;
        let segments = segments::prepare(&loaded.config.apps, data_dir)?;
        Ok(Self { loaded, tls, client_tls, specs, segments })
    }

    /// Reads what `managed` names, in place of what `local` says. What cannot be had is left as it was and told;
    /// everything else is wanted all the same. `origin` names where it comes from.
    ///
    /// # Errors
    /// [`EngineError`] when there is more wrong than can be taken out.
    pub(crate) fn sift(
        local: &LoadedConfig,
        managed: &ManagedConfig,
        origin: &str,
        held: &Held,
        data_dir: &DataDir,
    ) -> Result<(Self, Vec<Refusal>), EngineError> {
        let before = held.config.as_ref().unwrap_or(&local.config);
        let mut sifted = Sifted::new(local.config.clone().with_managed(managed.clone()), before);
        let mut refused = Vec::new();
        loop {
            let loaded = local.replaced(sifted.config().clone(), String::new(), origin.to_owned());
            let error =
                match loaded.map_err(EngineError::from).and_then(|loaded| Self::read(loaded, held, data_dir))
                {
                    Ok(wanted) => return Ok((wanted, refused)),
                    Err(error) => error,
                };
            let path = error.field().filter(|_| refused.len() < MAX_REFUSALS);
            let Some(path) = path.and_then(|path| sifted.take_out(&path)) else { return Err(error) };
            refused.push(Refusal { path, reason: error.reason() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ENGINE;

    /// A manager's word with so many pulls of which none can be connected to, and one that can.
    fn word(mistakes: usize) -> ManagedConfig {
        let pull = |index: usize| {
            let url = if index < mistakes { "rtmp://a:0/b/c" } else { "rtmp://a/b/c" };
            serde_json::json!({ "app": "pulled", "stream": format!("s{index}"), "urls": [url] })
        };
        let pulls: Vec<_> = (0..=mistakes).map(pull).collect();
        let apps = serde_json::json!([{ "app_name": "pulled", "source_type": "rtmp_pull" }]);
        serde_json::from_value(serde_json::json!({ "apps": apps, "pulls": pulls })).unwrap()
    }

    #[test]
    fn mistakes_at_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path(), &ENGINE).unwrap();
        let (local, held) = (LoadedConfig::embedded(), Held::default());
        let sift = |mistakes| Wanted::sift(&local, &word(mistakes), "the manager", &held, &data_dir);
        let (wanted, refused) = sift(MAX_REFUSALS).unwrap();
        assert_eq!((wanted.specs.len(), refused.len()), (1, MAX_REFUSALS));
        assert_eq!(refused[MAX_REFUSALS - 1].path, format!("pulls[{}].urls[0]", MAX_REFUSALS - 1));
        assert!(sift(MAX_REFUSALS + 1).is_err());
    }
}
