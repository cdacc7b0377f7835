//! What a new configuration changes: what is applied while running, and what waits for a restart.

use std::collections::HashMap;

use streamer_control::config::{AppConfig, EngineConfig, HttpConfig, ListenerConfig};
use streamer_control::link::manager_api::Refusal;
use streamer_core::AppName;

use crate::error::EngineError;

/// What a new configuration has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What holds from now on, in words.
    pub applied: Vec<String>,
    /// What could not be had, by its path in `engine.json`; it stays as it was, and everything else holds.
    pub refused: Vec<Refusal>,
    /// Fields that changed and hold after a restart only.
    pub needs_restart: Vec<&'static str>,
}

impl Reloaded {
    /// Whether all of the configuration holds.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.refused.is_empty() && self.needs_restart.is_empty()
    }

    /// One line for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        let applied = if self.applied.is_empty() { "nothing".to_owned() } else { self.applied.join(", ") };
        let mut summary = format!("applied: {applied}");
        if !self.refused.is_empty() {
            let refused = self.refused.iter().map(|refusal| format!("{}: {}", refusal.path, refusal.reason));
            summary.push_str(&format!("; refused: {}", refused.collect::<Vec<_>>().join(", ")));
        }
        if !self.needs_restart.is_empty() {
            summary.push_str(&format!("; needs a restart: {}", self.needs_restart.join(", ")));
        }
        summary
    }
}

/// What `error` refuses.
pub(crate) fn refusal(error: &EngineError) -> Refusal {
    Refusal { path: error.field().unwrap_or_default(), reason: error.reason() }
}

/// The configuration that holds when `new` comes while `old` runs, and the fields of `new` that must wait.
#[must_use]
pub fn effective(old: Option<&EngineConfig>, mut new: EngineConfig) -> (EngineConfig, Vec<&'static str>) {
    let mut waiting = Vec::new();
    let Some(old) = old else { return (new, waiting) };
    let mut hold = |name, changed: bool| {
        if changed {
            waiting.push(name);
        }
    };
    hold("listeners.api", old.listeners.api != new.listeners.api);
    hold("log.format", old.log.format != new.log.format);
    hold("manager", old.manager != new.manager);
    hold("events", old.events != new.events);
    hold("vod", old.vod != new.vod);
    new.listeners.api.clone_from(&old.listeners.api);
    new.log.format = old.log.format;
    new.manager.clone_from(&old.manager);
    new.events = old.events.clone();
    new.vod.clone_from(&old.vod);
    (new, waiting)
}

/// The listeners that are to be served anew, though they stay where they are, and the fields that ask for it.
pub(crate) fn renewals(old: &EngineConfig, new: &EngineConfig) -> Vec<(&'static str, Vec<&'static str>)> {
    let spoken = |config: &EngineConfig| {
        let HttpConfig { proxy_header, allowed_origins, player_dialect, .. } = config.http.clone();
        (proxy_header, allowed_origins, player_dialect)
    };
    let (tls, limits) = (old.tls != new.tls, old.limits != new.limits);
    let (rtmp, http) = (old.rtmp != new.rtmp, spoken(old) != spoken(new));
    let stays = |old: &Option<ListenerConfig>, new: &Option<ListenerConfig>| new.is_some() && old == new;
    let listeners = [
        ("rtmp", stays(&old.listeners.rtmp, &new.listeners.rtmp), false, ("rtmp", rtmp)),
        ("rtmps", stays(&old.listeners.rtmps, &new.listeners.rtmps), tls, ("rtmp", rtmp)),
        ("http", stays(&old.listeners.http, &new.listeners.http), false, ("http", http)),
        ("https", stays(&old.listeners.https, &new.listeners.https), tls, ("http", http)),
    ];
    let renewed = listeners.into_iter().filter(|(_, stays, ..)| *stays).map(|(name, _, tls, protocol)| {
        let fields = [("tls", tls), ("limits", limits), protocol];
        (name, fields.into_iter().filter(|(_, changed)| *changed).map(|(field, _)| field).collect())
    });
    renewed.filter(|(_, fields): &(_, Vec<_>)| !fields.is_empty()).collect()
}

/// How the applications differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AppChanges<'a> {
    /// Applications that are new or changed.
    pub(crate) set: Vec<&'a AppConfig>,
    /// Applications that are gone, or now take their streams in another way: what is live in them ends.
    pub(crate) ended: Vec<&'a AppConfig>,
    /// In words.
    pub(crate) words: Vec<String>,
}

pub(crate) fn app_changes<'a>(old: &'a [AppConfig], new: &'a [AppConfig]) -> AppChanges<'a> {
    let by_name = |apps: &'a [AppConfig]| -> HashMap<&'a AppName, &'a AppConfig> {
        apps.iter().map(|app| (&app.app_name, app)).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let mut changes = AppChanges::default();
    for app in new {
        match before.get(&app.app_name) {
            Some(before) if *before == app => continue,
            Some(before) => {
                changes.words.push(format!("application {} changed", app.app_name));
                if before.source_type != app.source_type {
                    changes.ended.push(before);
                }
            }
            None => changes.words.push(format!("application {} added", app.app_name)),
        }
        changes.set.push(app);
    }
    for app in old.iter().filter(|app| !after.contains_key(&app.app_name)) {
        changes.words.push(format!("application {} removed", app.app_name));
        changes.ended.push(app);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamer_control::config::{LogFormat, LogLevel, PlayerDialect, SourceType, TlsConfig};

    #[test]
    fn what_cannot_change_while_running_is_named_and_held() {
        let old = EngineConfig::default();
        let mut new = old.clone();
        new.log.level = LogLevel::Debug;
        new.listeners.rtmp = None;
        new.limits.max_connections = 1;
        assert_eq!(effective(Some(&old), new.clone()), (new.clone(), vec![]));
        let could = new.clone();
        (new.listeners.api, new.manager, new.vod) = (None, None, None);
        new.events.address.set_port(1);
        new.log.format = LogFormat::Json;
        let (held, waiting) = effective(Some(&old), new.clone());
        assert_eq!(waiting, ["listeners.api", "log.format", "manager", "events", "vod"]);
        assert_eq!(held, could);
        assert_eq!(effective(Some(&held), new.clone()).1, waiting, "named again as long as it waits");
        assert_eq!(effective(None, new.clone()), (new, vec![]), "at the start nothing waits");
    }

    #[test]
    fn listeners_are_served_anew_where_what_they_do_changed() {
        let mut old = EngineConfig::default();
        (old.listeners.rtmps, old.listeners.https) = (old.listeners.rtmp.clone(), old.listeners.http.clone());
        let mut new = old.clone();
        assert_eq!(renewals(&old, &new), []);
        let files = TlsConfig { certificate: "c".into(), private_key: "k".into() };
        new.tls = Some(files);
        assert_eq!(renewals(&old, &new), [("rtmps", vec!["tls"]), ("https", vec!["tls"])]);
        new.tls = None;
        new.rtmp.player_dialect = PlayerDialect::Enhanced;
        assert_eq!(renewals(&old, &new), [("rtmp", vec!["rtmp"]), ("rtmps", vec!["rtmp"])]);
        new.rtmp = old.rtmp.clone();
        new.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(renewals(&old, &new), [], "these are exchanged in place");
        new.http.allowed_origins = Some(Vec::new());
        new.limits.max_connections = 1;
        // One that is off has nothing to be served; one that moves is served with the new ones anyway.
        new.listeners.rtmp = None;
        let both = vec!["limits", "http"];
        assert_eq!(
            renewals(&old, &new),
            [("rtmps", vec!["limits"]), ("http", both.clone()), ("https", both)]
        );
    }

    #[test]
    fn applications_that_come_go_and_change() {
        let app = |name: &str, kind| AppConfig::new(name.parse().unwrap(), kind);
        let old = [
            app("same", SourceType::RtmpPush),
            app("gone", SourceType::RtmpPush),
            app("kind", SourceType::RtmpPush),
        ];
        let new = [
            app("same", SourceType::RtmpPush),
            app("kind", SourceType::RtmpPull),
            app("new", SourceType::RtmpPull),
        ];
        let changes = app_changes(&old, &new);
        assert_eq!(changes.set, [&new[1], &new[2]]);
        assert_eq!(changes.ended, [&old[2], &old[1]]);
        let words = ["application kind changed", "application new added", "application gone removed"];
        assert_eq!(changes.words, words);
    }

    #[test]
    fn the_summary_says_all() {
        let mut reloaded = Reloaded::default();
        assert_eq!(reloaded.summary(), "applied: nothing");
        reloaded.applied.push("log level".into());
        assert!(reloaded.is_whole());
        reloaded.needs_restart.push("vod");
        assert_eq!(reloaded.summary(), "applied: log level; needs a restart: vod");
        reloaded.refused.push(Refusal { path: "tls".into(), reason: "no file".into() });
        assert_eq!(reloaded.summary(), "applied: log level; refused: tls: no file; needs a restart: vod");
        assert!(!reloaded.is_whole());
    }
}
