//! The manager: everything between checked configuration files and a clean end, in one process or one test.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::Mutex;
use serde::Serialize;
use streamer_control::config::LogLevel;
use streamer_daemon::listeners::{addresses, bind_each};
use streamer_daemon::log::LogControl;
use streamer_daemon::{DaemonError, DataDir, http};
use streamer_http::{HttpOptions, HttpStats};
use streamer_manager::accounts::{Accounts, InitialCredentials};
use streamer_manager::clock::Clock;
use streamer_manager::configuration::Configuration;
use streamer_manager::link::{ConfigServer, Presence};
use streamer_manager::resources::Resources;
use streamer_manager::rest::live_engine::LiveEngine;
use streamer_manager::rest::{self, RestParts, RestState};
use streamer_manager::store::deliveries::DeliveryStore;
use streamer_manager::store::sqlite::{DATABASE_FILE, SqliteStore};
use streamer_manager::view::{EngineClient, Events, Follower};
use streamer_manager::webhook::{Deliverer, TargetPolicy, Webhooks};
use streamer_net::{AcceptOptions, AcceptStats, BindError, ServerTls};
use streamer_vod::{Library, Vod};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::MANAGER;
use crate::error::ManagerError;
use crate::files::{ConfigFiles, LoadedFiles, server_tls};
use crate::services;

/// Longest shutdown: what the listeners grant their connections, and a moment for the rest.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
/// File that says that there is a database, and which: it outlives one that is lost.
pub const STORE_MARK_FILE: &str = "manager.store";
/// Connections of the Config Server at once: those of one engine, and of a few that were lost.
pub const MAX_CONFIG_CONNECTIONS: usize = 64;

/// What a manager starts from.
#[derive(Debug)]
pub struct ManagerOptions {
    /// What its files say.
    pub loaded: LoadedFiles,
    /// Where they are read again on a reload.
    pub files: ConfigFiles,
    /// Where state is kept.
    pub data_dir: DataDir,
    /// The password of the first administrator; `None` for a random one.
    pub admin_password: Option<String>,
    /// The log whose level follows the configuration; without one the level is left alone.
    pub log: Option<LogControl>,
}

/// Where the manager listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// The Config Server.
    pub config: Vec<SocketAddr>,
    /// The Rest Server.
    pub rest: Vec<SocketAddr>,
    /// Video on demand; empty where it is off.
    pub vod: Vec<SocketAddr>,
    /// Event messages of the engine, over UDP.
    pub events: Vec<SocketAddr>,
}

/// Connections of the Rest Server at once: consoles, scripts, and followers of the feed of events.
pub const MAX_REST_CONNECTIONS: usize = 1_024;

/// What the Rest Server speaks over TLS.
const HTTP1_ALPN: [&[u8]; 1] = [b"http/1.1"];

/// A running manager. Dropping it ends everything at once; see [`shutdown`](Self::shutdown).
pub struct Manager {
    files: ConfigFiles,
    data_dir: DataDir,
    log: Option<LogControl>,
    log_level: Mutex<LogLevel>,
    addresses: Addresses,
    tls: Option<ServerTls>,
    store: SqliteStore,
    configuration: Configuration,
    accounts: Accounts,
    presence: Presence,
    engine: EngineClient,
    follower: Follower,
    events: Events,
    first_start: Option<InitialCredentials>,
    allowed_networks: Vec<IpNet>,
    servers: JoinSet<(&'static str, Result<(), String>)>,
    shutdown: CancellationToken,
}

impl Manager {
    /// Checks everything, binds everything, opens the store, and only then serves. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`ManagerError`]; nothing runs then.
    pub async fn start(options: ManagerOptions) -> Result<Self, ManagerError> {
        let ManagerOptions { loaded, files, data_dir, admin_password, log } = options;
        let tls = server_tls(&loaded.manager)?;
        let vod = services::vod(&loaded.manager, &data_dir.file(""))?;
        data_dir.remove(&MANAGER.addresses_file())?;
        let key = data_dir.link_key()?;
        let listeners = &loaded.manager.config.listeners;
        let config_sockets = bind_each(&listeners.config.bind, listeners.config.port)
            .map_err(|source| DaemonError::Bind { place: "listeners.config".into(), source })?;
        let rest_sockets = bind_each(&listeners.rest.bind, listeners.rest.port)
            .map_err(|source| DaemonError::Bind { place: "listeners.rest".into(), source })?;
        let vod_sockets = match &loaded.engine.config.vod {
            Some(listener) => bind_each(&listener.bind, listener.port).map_err(|source| {
                DaemonError::Bind { place: format!("{}: vod", loaded.engine.origin()), source }
            })?,
            None => Vec::new(),
        };
        let event_socket = bind_events(loaded.engine.config.events.address, loaded.engine.origin()).await?;
        let bound = Addresses {
            config: addresses(&config_sockets)?,
            rest: addresses(&rest_sockets)?,
            vod: addresses(&vod_sockets)?,
            events: event_socket.local_addr().into_iter().collect(),
        };

        let path = data_dir.file(DATABASE_FILE);
        let failed = |source| ManagerError::Store { path: path.display().to_string(), source };
        // A new database in its place would tell the engine to forget everything.
        if data_dir.file(STORE_MARK_FILE).exists() && !path.exists() {
            return Err(ManagerError::StoreGone { path, mark: data_dir.file(STORE_MARK_FILE) });
        }
        let store = SqliteStore::open(&path).await.map_err(failed)?;
        let configuration = Configuration::open(Arc::new(store.clone())).await.map_err(failed)?;
        data_dir.replace(STORE_MARK_FILE, &configuration.current().version.store)?;
        let accounts = Accounts::new(Arc::new(store.clone()), &data_dir.file(""));
        let first_start = accounts.first_start(admin_password.as_deref()).await?;

        let (presence, events, shutdown) = (Presence::default(), Events::default(), CancellationToken::new());
        let engine = EngineClient::new(presence.clone(), key.clone());
        let follower = Follower::new(events.clone(), presence.clone(), engine.clone(), key.clone());
        let config_server = ConfigServer {
            configs: configuration.subscribe(),
            presence: presence.clone(),
            events: events.clone(),
            stopping: shutdown.clone(),
        };
        let mut manager = Self {
            files,
            data_dir,
            log,
            log_level: Mutex::new(loaded.manager.config.log.level),
            addresses: bound,
            tls,
            store,
            configuration,
            accounts,
            presence,
            engine,
            follower,
            events,
            first_start,
            allowed_networks: loaded.manager.config.webhooks.allowed_networks.clone(),
            servers: JoinSet::new(),
            shutdown,
        };
        let stats: Vec<(&'static str, Arc<AcceptStats>)> =
            ["config", "rest", "vod"].map(|name| (name, Arc::default())).into();
        let options = AcceptOptions { max_connections: MAX_CONFIG_CONNECTIONS, ..AcceptOptions::default() };
        manager.serve(config_sockets, &options, &config_server.router(key), &stats[0]);
        manager.serve_rest(rest_sockets, vod.library(), &stats)?;
        manager.serve_vod(vod_sockets, &vod, &stats[2].1);
        manager.follow(event_socket);
        let text = serde_json::to_string_pretty(&manager.addresses).unwrap_or_default();
        manager.data_dir.replace(&MANAGER.addresses_file(), &text)?;
        info!(addresses = ?manager.addresses, "serving");
        Ok(manager)
    }

    fn serve(
        &mut self,
        sockets: Vec<TcpListener>,
        options: &AcceptOptions,
        router: &axum::Router,
        (name, stats): &(&'static str, Arc<AcceptStats>),
    ) {
        for socket in sockets {
            let stop = self.shutdown.clone();
            let server = http::run(socket, options.clone(), router.clone(), Arc::clone(stats), stop);
            self.spawn(name, async move { server.await.map_err(|error| error.to_string()) });
        }
    }

    /// The Rest Server, and what works beside it on the same store.
    fn serve_rest(
        &mut self,
        sockets: Vec<TcpListener>,
        library: Option<Library>,
        stats: &[(&'static str, Arc<AcceptStats>)],
    ) -> Result<(), ManagerError> {
        let deliveries: Arc<dyn DeliveryStore> = Arc::new(self.store.clone());
        let webhooks = Webhooks::new(self.configuration.clone(), Arc::clone(&deliveries));
        let (addresses, counted) = (self.addresses.clone(), stats.to_vec());
        let router = rest::router(RestState::new(RestParts {
            configuration: self.configuration.clone(),
            accounts: self.accounts.clone(),
            deliveries,
            webhooks: webhooks.clone(),
            events: self.events.clone(),
            engine: Arc::new(LiveEngine::new(self.engine.clone(), self.presence.clone())),
            library: library.clone(),
            data_dir: self.data_dir.file(""),
            listeners: Arc::new(move || services::listeners(&addresses, &counted)),
            secure_cookies: self.tls.is_some(),
            stopping: self.shutdown.clone(),
        }))
        .map_err(ManagerError::Document)?;
        let tls = self.tls.clone().map(|tls| (tls, HTTP1_ALPN.to_vec()));
        let options =
            AcceptOptions { tls, max_connections: MAX_REST_CONNECTIONS, ..AcceptOptions::default() };
        if let Some(rest) = stats.iter().find(|(name, _)| *name == "rest") {
            self.serve(sockets, &options, &router, rest);
        }

        let deliverer = Deliverer::new(TargetPolicy::new(self.allowed_networks.clone()))
            .map_err(|error| ManagerError::WebhookClient(error.to_string()))?;
        let stop = self.shutdown.clone();
        let (events, told) = (self.events.clone(), webhooks.clone());
        self.spawn("webhooks", async move {
            let sending = webhooks.run(deliverer, Clock::system(), stop.clone());
            tokio::join!(sending, services::tell_webhooks(events, told, stop.clone()));
            Ok(())
        });
        let resources = Resources {
            data_dir: self.data_dir.file(""),
            configuration: self.configuration.clone(),
            engine: self.engine.clone(),
            events: self.events.clone(),
            clock: Clock::system(),
        };
        let stop = self.shutdown.clone();
        self.spawn("resources", async move {
            resources.run(stop).await;
            Ok(())
        });
        if let Some(library) = library {
            let stop = self.shutdown.clone();
            self.spawn("uploads", async move {
                services::expire_uploads(library, stop).await;
                Ok(())
            });
        }
        Ok(())
    }

    fn serve_vod(&mut self, sockets: Vec<TcpListener>, vod: &Vod, stats: &Arc<AcceptStats>) {
        for socket in sockets {
            let stats = HttpStats { connections: Arc::clone(stats), ..HttpStats::default() };
            let options = HttpOptions { stats: Arc::new(stats), ..HttpOptions::default() };
            let server = streamer_vod::run(socket, vod.clone(), options, self.shutdown.clone());
            self.spawn("vod", async move { server.await.map_err(|error| error.to_string()) });
        }
    }

    fn follow(&mut self, socket: UdpSocket) {
        let (follower, stop) = (self.follower.clone(), self.shutdown.clone());
        self.spawn("events", async move {
            follower.run(socket, stop).await;
            Ok(())
        });
    }

    fn spawn(
        &mut self,
        name: &'static str,
        server: impl Future<Output = Result<(), String>> + Send + 'static,
    ) {
        self.servers.spawn(async move { (name, server.await) });
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What the Rest Server speaks: `http`, or `https` where there is a certificate.
    #[must_use]
    pub const fn rest_scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The configuration it owns.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Its users and tokens.
    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The engine as it has shown itself.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Calls at the engine.
    #[must_use]
    pub const fn engine(&self) -> &EngineClient {
        &self.engine
    }

    /// Its view of the engine.
    #[must_use]
    pub const fn follower(&self) -> &Follower {
        &self.follower
    }

    /// What it tells of.
    #[must_use]
    pub const fn events(&self) -> &Events {
        &self.events
    }

    /// The first administrator and token, if this was the first start.
    #[must_use]
    pub const fn first_start(&self) -> Option<&InitialCredentials> {
        self.first_start.as_ref()
    }

    /// Reads the configuration files again and applies what can be applied while running: the level of the log, the certificate.
    /// Returns what holds from now on, in words.
    ///
    /// # Errors
    /// [`ManagerError`] when they are bad; everything stays as it was then.
    pub fn reload(&self) -> Result<Vec<String>, ManagerError> {
        let loaded = self.files.load()?;
        server_tls(&loaded.manager)?;
        let mut applied = Vec::new();
        if let Some(tls) = &self.tls {
            let place = format!("{}: tls", loaded.manager.origin());
            tls.reload().map_err(|source| ManagerError::Tls { place, source })?;
            applied.push("certificate".into());
        }
        let new = loaded.manager.config.log.level;
        let mut level = self.log_level.lock();
        if let Some(log) = self.log.as_ref().filter(|_| *level != new) {
            log.set_level(new);
            *level = new;
            applied.push(format!("log level {}", new.as_str()));
        }
        Ok(applied)
    }

    /// Waits until a listener stops by itself, which none should. Cancel safe.
    pub async fn failed(&mut self) -> ManagerError {
        match self.servers.join_next().await {
            Some(Ok((listener, result))) => {
                let reason = result.err().unwrap_or_else(|| "without a reason".to_owned());
                DaemonError::Stopped { listener, reason }.into()
            }
            Some(Err(error)) => DaemonError::Stopped { listener: "?", reason: error.to_string() }.into(),
            None => std::future::pending().await,
        }
    }

    /// Accepts no more, answers what was asked, closes the store. Returns whether all ended in time, which is
    /// [`SHUTDOWN_TIMEOUT`].
    pub async fn shutdown(&mut self) -> bool {
        self.shutdown.cancel();
        let ended = async {
            while self.servers.join_next().await.is_some() {}
            self.store.close().await;
        };
        let drained = timeout(SHUTDOWN_TIMEOUT, ended).await.is_ok();
        if let Err(error) = self.data_dir.remove(&MANAGER.addresses_file()) {
            warn!(%error, "the file of addresses stays");
        }
        drained
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn bind_events(address: SocketAddr, origin: &str) -> Result<UdpSocket, DaemonError> {
    UdpSocket::bind(address).await.map_err(|source| DaemonError::Bind {
        place: format!("{origin}: events"),
        source: BindError { address, source },
    })
}
