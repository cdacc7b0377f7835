//! The engine: everything between a checked configuration and a clean end, in one process or one test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use streamer_control::config::{EngineConfig, LoadedConfig};
use streamer_control::link::manager_api::Refusal;
use streamer_core::hub::AppOptions;
use streamer_core::{Gateway, Registry};
use streamer_daemon::log::LogControl;
use streamer_daemon::usage::Usage;
use streamer_daemon::{DaemonError, DataDir};
use streamer_http::{Fallback, TrustedProxies};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::ENGINE;
use crate::api::{self, ApiState, TOKEN_FILE, Token};
use crate::auth::AppAuthorizer;
use crate::error::EngineError;
use crate::link::{self, LastGood, LinkState};
use crate::listeners::{Addresses, ListenerSet, Moves};
use crate::observe::{MAX_LABELLED_STREAMS, Observer, watch_load};
use crate::options;
use crate::reload::Reloaded;
use crate::running::Running;
use crate::segments;
use crate::tasks::TaskSet;
use crate::vod::VodPassage;
use crate::wanted::{Held, Wanted};

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
    running: Arc<Running>,
    token: String,
}

impl Engine {
    /// Checks everything, binds everything, and only then serves. With a manager it begins with what that said last,
    /// if it ever did, and follows it from then on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError`]; nothing runs then.
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let EngineOptions { loaded: local, config_file, data_dir, log } = options;
        let last_good = local.config.manager.as_ref().and_then(|_| LastGood::kept(&data_dir));
        let begin = Begin::of(&local, last_good, &data_dir)?;
        data_dir.remove(&ENGINE.addresses_file())?;
        let token = data_dir.secret(TOKEN_FILE)?;
        let link = LinkState::new(data_dir.link_key()?)?;
        let hls = segments::handle(begin.wanted.segments.clone());
        let listeners = Arc::<ListenerSet>::default();
        let moves = listeners.plan(&begin.wanted.loaded.config.listeners);
        let config = begin.wanted.loaded.config.clone();
        for app in &config.apps {
            hls.clear_store(&app.app_name).await;
        }
        let registry = Registry::new(AppOptions::default());
        let authorizer = AppAuthorizer::new(&[], options::http_client(&begin.wanted.loaded)?);
        let tasks = TaskSet::new(registry.clone());
        let observer = Observer::new(registry.clone(), Arc::clone(&tasks), MAX_LABELLED_STREAMS);
        let (shutdown, usage) = (CancellationToken::new(), Usage::new());
        let api = api::router(ApiState {
            registry: registry.clone(),
            observer: Arc::clone(&observer),
            tasks: Arc::clone(&tasks),
            listeners: Arc::clone(&listeners),
            link: Arc::clone(&link),
            usage: Arc::clone(&usage),
            hls: hls.clone(),
            access: Arc::clone(authorizer.stats()),
            token: Token::new(&token),
            open_metrics: config.listeners.api.as_ref().is_some_and(|api| api.open_metrics),
            stopping: shutdown.clone(),
        });
        let running = Arc::new(Running {
            config_file,
            data_dir,
            log,
            gateway: Gateway::guarded(registry.clone(), Arc::clone(&authorizer) as _),
            authorizer,
            tasks,
            trusted_proxies: TrustedProxies::default(),
            vod: config.vod.as_ref().map(|vod| Arc::new(VodPassage::to(vod)) as Arc<dyn Fallback>),
            api,
            listeners,
            link,
            local: Mutex::new(local),
            held: Mutex::default(),
            shutdown,
            servers: Mutex::new(JoinSet::new()),
            hls,
            registry,
        });
        let engine = Self { running, token };
        engine.serve(begin, moves, observer, usage)?;
        Ok(engine)
    }

    fn serve(
        &self,
        begin: Begin,
        mut moves: Moves,
        observer: Arc<Observer>,
        usage: Arc<Usage>,
    ) -> Result<(), EngineError> {
        let running = &self.running;
        let Begin { wanted, refused, last_good } = begin;
        // A port that the manager names may be taken by now: the rest serves all the same. What stands in the file is
        // had as a whole, or not.
        let needed = |(name, _): &(&'static str, DaemonError)| last_good.is_none() || *name == "api";
        if let Some(position) = moves.failed.iter().position(needed) {
            return Err(moves.failed.swap_remove(position).1.into());
        }
        let origin = wanted.loaded.origin().to_owned();
        link::begin(running, &wanted.loaded.config);
        let (hls, registry, stop) = (running.hls.clone(), running.registry.clone(), running.shutdown.clone());
        running.spawn_work("segmenters", async move { hls.run_always(&registry, &stop).await });
        let stop = running.shutdown.clone();
        running.spawn_work("observer", async move { observer.run(stop).await });
        let (registry, stop) = (running.registry.clone(), running.shutdown.clone());
        running.spawn_work("load", watch_load(registry, stop));
        let stop = running.shutdown.clone();
        running.spawn_work("usage", async move {
            stop.run_until_cancelled(usage.run()).await;
        });
        let mut held = running.held.lock();
        let mut reloaded = running.apply(&mut held, wanted, Some(moves));
        reloaded.refused.splice(0..0, refused);
        if !reloaded.is_whole() {
            warn!("{origin}; {}", reloaded.summary());
        }
        running.link.set_version(last_good.as_ref().map(|word| word.version.clone()));
        held.managed = last_good;
        running.write_addresses()?;
        info!(addresses = ?running.listeners.addresses(), origin, "serving");
        Ok(())
    }

    /// Where it listens now.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.running.listeners.addresses()
    }

    /// The token of its API.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its live streams.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.running.registry
    }

    /// Its pulls and forwards.
    #[must_use]
    pub fn tasks(&self) -> &Arc<TaskSet> {
        &self.running.tasks
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> EngineConfig {
        self.running.config()
    }

    /// Reads configuration and certificate again and applies what can be applied while running. What a manager has said
    /// goes before the file. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError`] when either is bad; everything stays as it was then.
    pub fn reload(&self) -> Result<Reloaded, EngineError> {
        let running = &self.running;
        let local = match &running.config_file {
            Some(path) => LoadedConfig::read(path)?,
            None => LoadedConfig::embedded(),
        };
        let mut held = running.held.lock();
        let (wanted, refused) = match &held.managed {
            Some(word) => Wanted::sift(&local, &word.config, &word.origin(), &held, &running.data_dir)?,
            None => (Wanted::read(local.clone(), &held, &running.data_dir)?, Vec::new()),
        };
        let mut certificate = Vec::new();
        if let Some(tls) = held.tls.as_ref().filter(|_| held.has_tls_of(&wanted)) {
            let place = format!("{}: tls", wanted.loaded.origin());
            tls.reload().map_err(|source| EngineError::Tls { place, source })?;
            certificate.push("certificate".to_owned());
        }
        let mut reloaded = running.apply(&mut held, wanted, None);
        reloaded.applied.splice(0..0, certificate);
        reloaded.refused.splice(0..0, refused);
        *running.local.lock() = local;
        Ok(reloaded)
    }

    /// Waits until a listener stops by itself, which none should. Cancel safe.
    pub async fn failed(&mut self) -> EngineError {
        self.running.failed().await
    }

    /// Accepts no more, ends viewers, publishers and tasks, and waits until all have ended. Returns whether
    /// they did in time, which is [`SHUTDOWN_TIMEOUT`].
    pub async fn shutdown(&mut self) -> bool {
        let running = &self.running;
        running.shutdown.cancel();
        running.listeners.let_go();
        let ended = async {
            running.tasks.stop().await;
            running.ended().await;
        };
        let drained = timeout(SHUTDOWN_TIMEOUT, ended).await.is_ok();
        if let Err(error) = running.data_dir.remove(&ENGINE.addresses_file()) {
            warn!(%error, "the file of addresses stays");
        }
        drained
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What an engine begins with.
struct Begin {
    wanted: Wanted,
    refused: Vec<Refusal>,
    last_good: Option<LastGood>,
}

impl Begin {
    /// With what the manager said last, as far as it can be had, else with the engine's own file.
    fn of(
        local: &LoadedConfig,
        last_good: Option<LastGood>,
        data_dir: &DataDir,
    ) -> Result<Self, EngineError> {
        let held = Held::default();
        if let Some(word) = last_good {
            match Wanted::sift(local, &word.config, &word.origin(), &held, data_dir) {
                Ok((wanted, refused)) => return Ok(Self { wanted, refused, last_good: Some(word) }),
                Err(error) => warn!(%error, "the manager's last configuration cannot be used"),
            }
        }
        let wanted = Wanted::read(local.clone(), &held, data_dir)?;
        Ok(Self { wanted, refused: Vec::new(), last_good: None })
    }
}
