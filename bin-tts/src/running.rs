//! What runs: the parts of an engine, shared by whoever starts it, changes it and looks at it.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use parking_lot::Mutex;
use streamer_control::config::{EngineConfig, LoadedConfig};
use streamer_core::{Gateway, Registry};
use streamer_daemon::log::LogControl;
use streamer_daemon::{DaemonError, DataDir};
use streamer_http::{Fallback, Hls, TrustedProxies};
use streamer_net::ServerTls;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::auth::AppAuthorizer;
use crate::error::EngineError;
use crate::link::LinkState;
use crate::listeners::ListenerSet;
use crate::options;
use crate::tasks::TaskSet;
use crate::wanted::Held;

/// What a server ended with. None ends by itself but one that was retired.
pub(crate) struct Ended {
    name: &'static str,
    result: Result<(), String>,
    retired: bool,
}

/// The parts of an engine.
pub(crate) struct Running {
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) data_dir: DataDir,
    pub(crate) log: Option<LogControl>,
    pub(crate) registry: Registry,
    pub(crate) authorizer: Arc<AppAuthorizer>,
    pub(crate) tasks: Arc<TaskSet>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) hls: Hls,
    /// Serves the paths of video on demand.
    pub(crate) vod: Option<Arc<dyn Fallback>>,
    /// Its own API.
    pub(crate) api: Router,
    pub(crate) gateway: Gateway,
    pub(crate) listeners: Arc<ListenerSet>,
    pub(crate) link: Arc<LinkState>,
    /// Its own file as it was read last.
    pub(crate) local: Mutex<LoadedConfig>,
    /// What holds. Whoever changes it holds the lock until all of the change is done.
    pub(crate) held: Mutex<Held>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) servers: Mutex<JoinSet<Ended>>,
}

impl Running {
    /// The configuration in force.
    pub(crate) fn config(&self) -> EngineConfig {
        self.held.lock().config.clone().unwrap_or_else(|| self.local.lock().config.clone())
    }

    /// Runs `server` until it ends, which it should not before the shutdown or before it is retired.
    pub(crate) fn spawn<E: Display>(
        &self,
        name: &'static str,
        retire: Option<CancellationToken>,
        server: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.servers.lock().spawn(async move {
            let result = server.await.map_err(|error| error.to_string());
            Ended { name, result, retired: retire.is_some_and(|retire| retire.is_cancelled()) }
        });
    }

    /// As [`spawn`](Self::spawn), for what cannot fail.
    pub(crate) fn spawn_work(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn::<Infallible>(name, None, async move {
            work.await;
            Ok(())
        });
    }

    /// Serves a socket of the listener called `name` as `config` says.
    pub(crate) fn serve(
        &self,
        config: &EngineConfig,
        tls: Option<&ServerTls>,
        name: &'static str,
        socket: TcpListener,
        retire: CancellationToken,
    ) {
        let Some(counters) = self.listeners.counters(name) else { return };
        let (stats, stop) = (Arc::clone(&counters.connections), self.shutdown.clone());
        let (gateway, until) = (self.gateway.clone(), Some(retire.clone()));
        let tls = tls.filter(|_| matches!(name, "rtmps" | "https")).cloned();
        if name == "api" {
            let mut options = options::api_accept_options();
            options.retire = retire;
            let router = self.api.clone();
            self.spawn(name, until, streamer_daemon::http::run(socket, options, router, stats, stop));
        } else if let Some(stats) = counters.http.clone() {
            let (proxies, hls) = (self.trusted_proxies.clone(), self.hls.clone());
            let mut options = options::http_options(config, tls, proxies, stats, hls);
            (options.retire, options.fallback) = (retire, self.vod.clone());
            self.spawn(name, until, streamer_http::run(socket, options, gateway, stop));
        } else {
            let mut options = options::rtmp_options(config, tls);
            options.accept.retire = retire;
            self.spawn(name, until, streamer_rtmp::run_counted(socket, options, gateway, stats, stop));
        }
    }

    /// Waits until a server stops by itself, which none should. Cancel safe.
    pub(crate) async fn failed(&self) -> EngineError {
        loop {
            let (listener, reason) = match poll_fn(|cx| self.servers.lock().poll_join_next(cx)).await {
                Some(Ok(Ended { retired: true, result: Ok(()), .. })) => continue,
                Some(Ok(Ended { name, result, .. })) => {
                    (name, result.err().unwrap_or_else(|| "without a reason".to_owned()))
                }
                Some(Err(error)) => ("?", error.to_string()),
                None => std::future::pending().await,
            };
            return DaemonError::Stopped { listener, reason }.into();
        }
    }

    /// Waits until all servers have ended.
    pub(crate) async fn ended(&self) {
        while poll_fn(|cx| self.servers.lock().poll_join_next(cx)).await.is_some() {}
    }

    /// Ends everything at once.
    pub(crate) fn abort(&self) {
        self.shutdown.cancel();
        self.listeners.let_go();
        self.servers.lock().abort_all();
    }
}
