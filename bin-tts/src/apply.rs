//! Making a configuration hold while the engine runs: the difference to the one before it, and nothing else.

use std::collections::HashSet;

use streamer_control::config::EngineConfig;
use streamer_core::AppName;
use streamer_core::hub::CloseReason;
use streamer_daemon::DaemonError;
use streamer_net::ServerTls;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::ENGINE;
use crate::listeners::Moves;
use crate::options;
use crate::reload::{self, Reloaded};
use crate::running::Running;
use crate::segments;
use crate::wanted::{Held, Wanted};

impl Running {
    /// Makes `wanted` hold in place of what is `held`. `moves` is what its listeners mean to those that are open, if that
    /// is known already. Must be called within a tokio runtime.
    pub(crate) fn apply(&self, held: &mut Held, wanted: Wanted, moves: Option<Moves>) -> Reloaded {
        let Wanted { loaded, tls, client_tls, specs, segments } = wanted;
        let mut reloaded = Reloaded::default();
        let (mut new, needs_restart) = reload::effective(held.config.as_ref(), loaded.config);
        reloaded.needs_restart = needs_restart;
        let begins = held.config.is_none();
        let old = held.config.take().unwrap_or_else(|| EngineConfig {
            apps: Vec::new(),
            pulls: Vec::new(),
            forwards: Vec::new(),
            ..new.clone()
        });
        // The log began with the level of the engine's own file, which is not the one a manager wants.
        let level = if begins { self.local.lock().config.log.level } else { old.log.level };
        if let Some(log) = self.log.as_ref().filter(|_| level != new.log.level) {
            log.set_level(new.log.level);
            reloaded.applied.push(format!("log level {}", new.log.level.as_str()));
        }
        if begins || old.http.trusted_proxies != new.http.trusted_proxies {
            self.trusted_proxies.set(new.http.trusted_proxies.clone());
            reloaded.applied.push("trusted proxies".into());
        }
        // First the tasks, so that none begins again in an application that is about to end.
        let tasks = self.tasks.apply(specs);
        self.apply_apps(&old, &new, segments, &mut reloaded);
        reloaded.applied.extend(tasks);
        if old.client_tls != new.client_tls {
            reloaded.applied.push("client_tls of tasks that begin from now on".into());
        }
        let moves = moves.unwrap_or_else(|| self.listeners.plan(&new.listeners));
        self.apply_listeners(&old, &mut new, moves, tls.as_ref(), &mut reloaded);
        (held.tls, held.client_tls, held.config) = (tls, client_tls, Some(new));
        reloaded
    }

    fn apply_listeners(
        &self,
        old: &EngineConfig,
        new: &mut EngineConfig,
        moves: Moves,
        tls: Option<&ServerTls>,
        reloaded: &mut Reloaded,
    ) {
        let config = new.clone();
        let serve = |name: &'static str, socket: TcpListener, retire: CancellationToken| {
            self.serve(&config, tls, name, socket, retire);
        };
        let (words, failed) = self.listeners.carry_out(moves, &serve);
        let moved = !words.is_empty();
        reloaded.applied.extend(words);
        for (name, error) in failed {
            match name {
                "rtmp" => new.listeners.rtmp.clone_from(&old.listeners.rtmp),
                "rtmps" => new.listeners.rtmps.clone_from(&old.listeners.rtmps),
                "http" => new.listeners.http.clone_from(&old.listeners.http),
                "https" => new.listeners.https.clone_from(&old.listeners.https),
                _ => new.listeners.api.clone_from(&old.listeners.api),
            }
            reloaded.refused.push(reload::refusal(&error.into()));
        }
        for (name, fields) in reload::renewals(old, new) {
            match self.listeners.renew(name, &serve) {
                Ok(()) => reloaded.applied.push(format!("{} of {name}", fields.join(", "))),
                Err(error) => reloaded.refused.push(reload::refusal(&error.into())),
            }
        }
        if moved && let Err(error) = self.write_addresses() {
            warn!(%error, "the file of addresses is not up to date");
        }
    }

    /// Writes where the engine listens to its file.
    pub(crate) fn write_addresses(&self) -> Result<(), DaemonError> {
        let text = serde_json::to_string_pretty(&self.listeners.addresses()).unwrap_or_default();
        self.data_dir.replace(&ENGINE.addresses_file(), &text)
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
        let set: HashSet<&AppName> = changes.set.iter().map(|app| &app.app_name).collect();
        for (app, options) in hls {
            if set.contains(&app) {
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
}
