//! What of an engine's configuration the manager owns: its settings, applications, pulls and forwards.

use serde::{Deserialize, Serialize};

use super::app::AppConfig;
use super::engine::{
    ClientTlsConfig, EngineConfig, HttpConfig, LimitsConfig, ListenerConfig, Listeners, LogLevel, RtmpConfig,
    TlsConfig,
};
use super::load::ConfigFile;
use super::path::{FieldPath, Problem, Segment};
use super::tasks::{ForwardConfig, PullConfig};

/// Where the engine listens for media; `null` switches a listener off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MediaListeners {
    /// RTMP.
    pub rtmp: Option<ListenerConfig>,
    /// RTMP over TLS.
    pub rtmps: Option<ListenerConfig>,
    /// HTTP streaming.
    pub http: Option<ListenerConfig>,
    /// HTTP streaming over TLS.
    pub https: Option<ListenerConfig>,
}

impl Default for MediaListeners {
    fn default() -> Self {
        EngineSettings::default().listeners
    }
}

/// Settings of the engine as a whole. Paths of files are those of the engine's machine; relative ones begin at
/// the folder of its configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Where it listens for media.
    pub listeners: MediaListeners,
    /// Certificate of the TLS listeners; needed when one of them is on.
    pub tls: Option<TlsConfig>,
    /// Whom outgoing TLS connections trust; `null` for the root certificates of the system.
    pub client_tls: Option<ClientTlsConfig>,
    /// The least urgent level that is logged.
    pub log_level: LogLevel,
    /// Bounds on what peers may use.
    pub limits: LimitsConfig,
    /// How RTMP is spoken.
    pub rtmp: RtmpConfig,
    /// How HTTP streaming is spoken.
    pub http: HttpConfig,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineConfig::default().managed().settings
    }
}

/// All that a manager tells an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ManagedConfig {
    /// Settings of the engine as a whole.
    pub settings: EngineSettings,
    /// The applications.
    pub apps: Vec<AppConfig>,
    /// Streams fetched from other servers.
    pub pulls: Vec<PullConfig>,
    /// Streams pushed to other servers.
    pub forwards: Vec<ForwardConfig>,
}

impl Default for ManagedConfig {
    /// What an engine without any configuration does.
    fn default() -> Self {
        EngineConfig::default().managed()
    }
}

impl ManagedConfig {
    /// The first problem with what is configured, or none.
    ///
    /// # Errors
    /// The problem and the path of the field at fault, from the root of this document.
    pub fn check(&self) -> Result<(), Problem> {
        let engine = EngineConfig::default();
        // Its own API takes a port too, but which one only the engine's file knows.
        let engine = EngineConfig { listeners: Listeners { api: None, ..engine.listeners }, ..engine };
        engine
            .with_managed(self.clone())
            .check()
            .map_err(|problem| Problem { path: path_of_managed(problem.path), message: problem.message })
    }
}

fn path_of_managed(path: FieldPath) -> FieldPath {
    let mut segments = path.0;
    match segments.first() {
        Some(Segment::Key(name)) if !is_listed(name) => {
            segments.insert(0, Segment::Key("settings".to_owned()));
            FieldPath(segments)
        }
        _ => FieldPath(segments),
    }
}

/// The path in a manager's configuration of what stands at `path` in an engine's: `limits` is `settings.limits`.
#[must_use]
pub fn managed_path(path: &str) -> String {
    let field = path.split(['.', '[']).next().unwrap_or_default();
    if is_listed(field) { path.to_owned() } else { format!("settings.{path}") }
}

fn is_listed(name: &str) -> bool {
    matches!(name, "apps" | "pulls" | "forwards")
}

impl EngineConfig {
    /// The part of it that a manager would own.
    #[must_use]
    pub fn managed(&self) -> ManagedConfig {
        ManagedConfig {
            settings: EngineSettings {
                listeners: MediaListeners {
                    rtmp: self.listeners.rtmp.clone(),
                    rtmps: self.listeners.rtmps.clone(),
                    http: self.listeners.http.clone(),
                    https: self.listeners.https.clone(),
                },
                tls: self.tls.clone(),
                client_tls: self.client_tls.clone(),
                log_level: self.log.level,
                limits: self.limits.clone(),
                rtmp: self.rtmp.clone(),
                http: self.http.clone(),
            },
            apps: self.apps.clone(),
            pulls: self.pulls.clone(),
            forwards: self.forwards.clone(),
        }
    }

    /// The same with a manager's word in place of its own.
    #[must_use]
    pub fn with_managed(mut self, managed: ManagedConfig) -> Self {
        let ManagedConfig { settings, apps, pulls, forwards } = managed;
        let MediaListeners { rtmp, rtmps, http, https } = settings.listeners;
        self.listeners = Listeners { rtmp, rtmps, http, https, api: self.listeners.api };
        self.tls = settings.tls;
        self.client_tls = settings.client_tls;
        self.log.level = settings.log_level;
        self.limits = settings.limits;
        self.rtmp = settings.rtmp;
        self.http = settings.http;
        self.apps = apps;
        self.pulls = pulls;
        self.forwards = forwards;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_takes_the_managers_word_and_keeps_what_is_its_own() {
        let mut file = EngineConfig::default();
        file.listeners.rtmp = None;
        let mut managed = ManagedConfig::default();
        managed.apps.clear();
        managed.settings.log_level = LogLevel::Debug;
        let both = file.clone().with_managed(managed.clone());
        assert_eq!(both.managed(), managed);
        assert_eq!((both.listeners.api, both.manager), (file.listeners.api, file.manager));
    }

    #[test]
    fn a_problem_is_named_from_the_root_of_the_document() {
        let mut managed = ManagedConfig::default();
        managed.settings.limits.max_connections = 0;
        assert_eq!(managed.check().unwrap_err().path.to_string(), "settings.limits.max_connections");
        let mut managed = ManagedConfig::default();
        managed.apps[0].max_viewers = 0;
        assert_eq!(managed.check().unwrap_err().path.to_string(), "apps[0].max_viewers");
        assert_eq!(managed_path("apps[0].max_viewers"), "apps[0].max_viewers");
        assert_eq!(managed_path("listeners.rtmp"), "settings.listeners.rtmp");
    }
}
