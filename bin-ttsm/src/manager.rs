//! The manager: everything between checked configuration files and a clean end, in one process or one test.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use streamer_control::config::LogLevel;
use streamer_daemon::listeners::{addresses, bind_each};
use streamer_daemon::log::LogControl;
use streamer_daemon::{DaemonError, DataDir, http};
use streamer_manager::accounts::{Accounts, InitialCredentials};
use streamer_manager::configuration::Configuration;
use streamer_manager::link::{ConfigServer, Presence};
use streamer_manager::store::sqlite::{DATABASE_FILE, SqliteStore};
use streamer_manager::view::{EngineClient, Events, Follower};
use streamer_net::{AcceptOptions, BindError};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::MANAGER;
use crate::error::ManagerError;
use crate::files::{ConfigFiles, LoadedFiles, server_tls};

/// Longest shutdown: what the listeners grant their connections, and a moment for the rest.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
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
    /// Event messages of the engine, over UDP.
    pub events: Vec<SocketAddr>,
}

/// A running manager. Dropping it ends everything at once; see [`shutdown`](Self::shutdown).
pub struct Manager {
    files: ConfigFiles,
    data_dir: DataDir,
    log: Option<LogControl>,
    log_level: Mutex<LogLevel>,
    addresses: Addresses,
    store: SqliteStore,
    configuration: Configuration,
    accounts: Accounts,
    presence: Presence,
    engine: EngineClient,
    follower: Follower,
    events: Events,
    first_start: Option<InitialCredentials>,
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
        server_tls(&loaded.manager)?;
        data_dir.remove(&MANAGER.addresses_file())?;
        let key = data_dir.link_key()?;
        let listeners = &loaded.manager.config.listeners;
        let config_sockets = bind_each(&listeners.config.bind, listeners.config.port)
            .map_err(|source| DaemonError::Bind { place: "listeners.config".into(), source })?;
        let event_socket = bind_events(loaded.engine.config.events.address, loaded.engine.origin()).await?;
        let bound = Addresses {
            config: addresses(&config_sockets)?,
            events: event_socket.local_addr().into_iter().collect(),
        };

        let path = data_dir.file(DATABASE_FILE);
        let failed = |source| ManagerError::Store { path: path.display().to_string(), source };
        let store = SqliteStore::open(&path).await.map_err(failed)?;
        let configuration = Configuration::open(Arc::new(store.clone())).await.map_err(failed)?;
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
            store,
            configuration,
            accounts,
            presence,
            engine,
            follower,
            events,
            first_start,
            servers: JoinSet::new(),
            shutdown,
        };
        let options = AcceptOptions { max_connections: MAX_CONFIG_CONNECTIONS, ..AcceptOptions::default() };
        manager.serve("config", config_sockets, &options, &config_server.router(key));
        manager.follow(event_socket);
        let text = serde_json::to_string_pretty(&manager.addresses).unwrap_or_default();
        manager.data_dir.replace(&MANAGER.addresses_file(), &text)?;
        info!(addresses = ?manager.addresses, "serving");
        Ok(manager)
    }

    fn serve(
        &mut self,
        name: &'static str,
        sockets: Vec<TcpListener>,
        options: &AcceptOptions,
        router: &axum::Router,
    ) {
        let stats = Arc::default();
        for socket in sockets {
            let stop = self.shutdown.clone();
            let server = http::run(socket, options.clone(), router.clone(), Arc::clone(&stats), stop);
            self.spawn(name, async move { server.await.map_err(|error| error.to_string()) });
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

    /// Reads the configuration files again and applies what can be applied while running: the level of the log.
    /// Returns what holds from now on, in words.
    ///
    /// # Errors
    /// [`ManagerError`] when they are bad; everything stays as it was then.
    pub fn reload(&self) -> Result<Vec<String>, ManagerError> {
        let loaded = self.files.load()?;
        server_tls(&loaded.manager)?;
        let mut applied = Vec::new();
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
