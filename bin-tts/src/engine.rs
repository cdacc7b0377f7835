//! The engine: everything between a checked configuration and a clean end, in one process or one test.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use streamer_control::config::{EngineConfig, LoadedConfig};
use streamer_core::hub::{AppOptions, CloseReason};
use streamer_core::{Gateway, Registry};
use streamer_daemon::log::LogControl;
use streamer_daemon::{DaemonError, DataDir};
use streamer_http::{Hls, HttpStats, TrustedProxies};
use streamer_net::{AcceptStats, ClientTls, ServerTls};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::ENGINE;
use crate::api::{self, ApiState, TOKEN_FILE, Token};
use crate::auth::AppAuthorizer;
use crate::error::EngineError;
use crate::listeners::{self, Addresses, Bound};
use crate::observe::{MAX_LABELLED_STREAMS, Observer};
use crate::options;
use crate::reload::{self, Reloaded};
use crate::segments;
use crate::tasks::TaskSet;

/// Longest shutdown: what the listeners grant their connections, and a moment for the rest.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// What an engine starts from.
#[derive(Debug)]
pub struct EngineOptions {
    /// The configuration.
    pub loaded: LoadedConfig,
    /// Where it is read again on a reload; without one a reload reads the certificate only.
    pub config_file: Option<PathBuf>,
    /// Where state is kept.
    pub data_dir: DataDir,
    /// The log whose level follows the configuration; without one the level is left alone.
    pub log: Option<LogControl>,
}

/// A running engine. Dropping it ends everything at once; see [`shutdown`](Self::shutdown).
pub struct Engine {
    config: Mutex<EngineConfig>,
    config_file: Option<PathBuf>,
    data_dir: DataDir,
    log: Option<LogControl>,
    addresses: Addresses,
    token: String,
    registry: Registry,
    authorizer: Arc<AppAuthorizer>,
    tasks: Arc<TaskSet>,
    tls: Option<ServerTls>,
    client_tls: Option<ClientTls>,
    trusted_proxies: TrustedProxies,
    hls: Hls,
    servers: JoinSet<(&'static str, Result<(), String>)>,
    shutdown: CancellationToken,
}

impl Engine {
    /// Checks everything, binds everything, and only then serves. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError`]; nothing runs then.
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let EngineOptions { loaded, config_file, data_dir, log } = options;
        let tls = options::server_tls(&loaded)?;
        let client_tls = options::client_tls(&loaded)?;
        let specs = options::task_specs(&loaded, client_tls.as_ref())?;
        options::check_public_keys(&loaded)?;
        let http = options::http_client(&loaded)?;
        data_dir.remove(&ENGINE.addresses_file())?;
        let token = data_dir.secret(TOKEN_FILE)?;
        let config = loaded.config;
        let hls = segments::handle(segments::prepare(&config.apps, &data_dir)?);
        let bound = listeners::bind_all(&config.listeners)?;
        let addresses = listeners::addresses(&bound)?;

        let registry = Registry::new(AppOptions::default());
        for app in &config.apps {
            registry.set_app_options(app.app_name.clone(), options::app_options(app));
        }
        for app in &config.apps {
            hls.clear_store(&app.app_name).await;
        }
        let authorizer = AppAuthorizer::new(&config.apps, http);
        let trusted_proxies = TrustedProxies::from(config.http.trusted_proxies.clone());
        let mut engine = Self {
            tasks: TaskSet::new(registry.clone()),
            config: Mutex::new(config),
            config_file,
            log,
            addresses,
            token,
            registry,
            authorizer,
            tls,
            client_tls,
            trusted_proxies,
            hls,
            servers: JoinSet::new(),
            shutdown: CancellationToken::new(),
            data_dir,
        };
        engine.serve(bound);
        engine.tasks.apply(specs);
        let text = serde_json::to_string_pretty(&engine.addresses).unwrap_or_default();
        engine.data_dir.replace(&ENGINE.addresses_file(), &text)?;
        info!(addresses = ?engine.addresses, "serving");
        Ok(engine)
    }

    fn serve(&mut self, bound: Vec<Bound>) {
        let config = self.config.lock().clone();
        let observer = Observer::new(self.registry.clone(), Arc::clone(&self.tasks), MAX_LABELLED_STREAMS);
        let stats: Vec<(&'static str, Arc<AcceptStats>)> =
            bound.iter().map(|listener| (listener.name, Arc::default())).collect();
        let media_ports: Vec<(&'static str, Arc<HttpStats>)> = stats
            .iter()
            .filter(|(name, _)| matches!(*name, "http" | "https"))
            .map(|(name, stats)| (*name, options::http_stats(Arc::clone(stats))))
            .collect();
        let api = ApiState {
            registry: self.registry.clone(),
            observer: Arc::clone(&observer),
            tasks: Arc::clone(&self.tasks),
            listeners: stats.clone(),
            media_ports: media_ports.clone(),
            hls: self.hls.clone(),
            access: Arc::clone(self.authorizer.stats()),
            token: Token::new(&self.token),
            open_metrics: config.listeners.api.as_ref().is_some_and(|api| api.open_metrics),
            stopping: self.shutdown.clone(),
        };
        let router = api::router(api);
        let gateway = Gateway::guarded(self.registry.clone(), Arc::clone(&self.authorizer) as _);
        for (listener, (name, stats)) in bound.into_iter().zip(stats) {
            for socket in listener.sockets {
                let (gateway, stats, stop) = (gateway.clone(), Arc::clone(&stats), self.shutdown.clone());
                let tls = self.tls.clone().filter(|_| matches!(name, "rtmps" | "https"));
                match name {
                    "rtmp" | "rtmps" => {
                        let options = options::rtmp_options(&config, tls);
                        self.spawn(name, streamer_rtmp::run_counted(socket, options, gateway, stats, stop));
                    }
                    "http" | "https" => {
                        let stats = media_ports.iter().find(|(port, _)| *port == name);
                        let stats = stats.map(|(_, stats)| Arc::clone(stats)).unwrap_or_default();
                        let (proxies, hls) = (self.trusted_proxies.clone(), self.hls.clone());
                        let options = options::http_options(&config, tls, proxies, stats, hls);
                        self.spawn(name, streamer_http::run(socket, options, gateway, stop));
                    }
                    _ => {
                        let options = options::api_accept_options();
                        self.spawn(
                            name,
                            streamer_daemon::http::run(socket, options, router.clone(), stats, stop),
                        );
                    }
                }
            }
        }
        let (hls, registry, stop) = (self.hls.clone(), self.registry.clone(), self.shutdown.clone());
        self.spawn::<std::convert::Infallible>("segmenters", async move {
            hls.run_always(&registry, &stop).await;
            Ok(())
        });
        let stop = self.shutdown.clone();
        self.spawn::<std::convert::Infallible>("observer", async move {
            observer.run(stop).await;
            Ok(())
        });
    }

    fn spawn<E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        server: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.servers.spawn(async move { (name, server.await.map_err(|error| error.to_string())) });
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The token of its API.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its live streams.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its pulls and forwards.
    #[must_use]
    pub const fn tasks(&self) -> &Arc<TaskSet> {
        &self.tasks
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> EngineConfig {
        self.config.lock().clone()
    }

    /// Reads configuration and certificate again and applies what can be applied while running. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError`] when either is bad; everything stays as it was then.
    pub fn reload(&self) -> Result<Reloaded, EngineError> {
        let loaded = match &self.config_file {
            Some(path) => LoadedConfig::read(path)?,
            None => LoadedConfig::embedded(),
        };
        let specs = options::task_specs(&loaded, self.client_tls.as_ref())?;
        options::server_tls(&loaded)?;
        options::client_tls(&loaded)?;
        options::check_public_keys(&loaded)?;
        let hls = segments::prepare(&loaded.config.apps, &self.data_dir)?;
        let mut reloaded = Reloaded::default();
        if let Some(tls) = &self.tls {
            let place = format!("{}: tls", loaded.origin());
            tls.reload().map_err(|source| EngineError::Tls { place, source })?;
            reloaded.applied.push("certificate".into());
        }
        let mut config = self.config.lock();
        let (new, needs_restart) = reload::effective(&config, &loaded.config);
        reloaded.needs_restart = needs_restart;
        if let Some(log) = self.log.as_ref().filter(|_| config.log.level != new.log.level) {
            log.set_level(new.log.level);
            reloaded.applied.push(format!("log level {}", new.log.level.as_str()));
        }
        if config.http.trusted_proxies != new.http.trusted_proxies {
            self.trusted_proxies.set(new.http.trusted_proxies.clone());
            reloaded.applied.push("trusted proxies".into());
        }
        // First the tasks, so that none begins again in an application that is about to end.
        let tasks = self.tasks.apply(specs);
        self.apply_apps(&config, &new, hls, &mut reloaded);
        reloaded.applied.extend(tasks);
        *config = new;
        Ok(reloaded)
    }

    fn apply_apps(
        &self,
        old: &EngineConfig,
        new: &EngineConfig,
        hls: Vec<segments::Prepared>,
        reloaded: &mut Reloaded,
    ) {
        let changes = reload::app_changes(&old.apps, &new.apps);
        // First the rules, so that nobody enters what is about to end.
        self.authorizer.set_apps(&new.apps);
        for app in &changes.set {
            self.registry.set_app_options(app.app_name.clone(), options::app_options(app));
        }
        for (app, options) in hls {
            if changes.set.iter().any(|changed| changed.app_name == app) {
                self.hls.set_app_options(app, options);
            }
        }
        for app in &changes.ended {
            if !new.apps.iter().any(|other| other.app_name == app.app_name) {
                self.registry.remove_app_options(&app.app_name);
                self.hls.remove_app_options(&app.app_name);
            }
            for broadcast in self.registry.snapshot() {
                if broadcast.key().app == app.app_name {
                    broadcast.close_publisher(CloseReason::Shutdown);
                    for viewer in broadcast.viewers() {
                        viewer.close(CloseReason::Shutdown);
                    }
                }
            }
        }
        reloaded.applied.extend(changes.words);
    }

    /// Waits until a listener stops by itself, which none should. Cancel safe.
    pub async fn failed(&mut self) -> EngineError {
        loop {
            match self.servers.join_next().await {
                Some(Ok((listener, result))) => {
                    let reason = result.err().unwrap_or_else(|| "without a reason".to_owned());
                    return DaemonError::Stopped { listener, reason }.into();
                }
                Some(Err(error)) => {
                    return DaemonError::Stopped { listener: "?", reason: error.to_string() }.into();
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Accepts no more, ends viewers, publishers and tasks, and waits until all have ended. Returns whether
    /// they did in time, which is [`SHUTDOWN_TIMEOUT`].
    pub async fn shutdown(&mut self) -> bool {
        self.shutdown.cancel();
        let ended = async {
            self.tasks.stop().await;
            while self.servers.join_next().await.is_some() {}
        };
        let drained = timeout(SHUTDOWN_TIMEOUT, ended).await.is_ok();
        if let Err(error) = self.data_dir.remove(&ENGINE.addresses_file()) {
            warn!(%error, "the file of addresses stays");
        }
        drained
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
