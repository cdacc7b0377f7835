//! What a new configuration changes: what is applied while running, and what waits for a restart.

use streamer_control::config::{AppConfig, EngineConfig, HttpConfig};

/// What a reload has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What holds from now on, in words.
    pub applied: Vec<String>,
    /// Fields that changed and hold after a restart only.
    pub needs_restart: Vec<&'static str>,
}

impl Reloaded {
    /// One line for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        let list = |words: Vec<&str>| if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        let applied = list(self.applied.iter().map(String::as_str).collect());
        if self.needs_restart.is_empty() {
            return format!("applied: {applied}");
        }
        format!("applied: {applied}; needs a restart: {}", list(self.needs_restart.clone()))
    }
}

/// The configuration that holds when `new` comes while `old` runs, and the fields of `new` that must wait.
#[must_use]
pub fn effective(old: &EngineConfig, new: &EngineConfig) -> (EngineConfig, Vec<&'static str>) {
    let mut held = new.clone();
    let mut waiting = Vec::new();
    let mut hold = |name, changed: bool| {
        if changed {
            waiting.push(name);
        }
    };
    hold("listeners.rtmp", old.listeners.rtmp != new.listeners.rtmp);
    hold("listeners.rtmps", old.listeners.rtmps != new.listeners.rtmps);
    hold("listeners.http", old.listeners.http != new.listeners.http);
    hold("listeners.https", old.listeners.https != new.listeners.https);
    hold("listeners.api", old.listeners.api != new.listeners.api);
    hold("tls", old.tls != new.tls);
    hold("client_tls", old.client_tls != new.client_tls);
    hold("log.format", old.log.format != new.log.format);
    hold("limits", old.limits != new.limits);
    hold("rtmp", old.rtmp != new.rtmp);
    hold("http.proxy_header", old.http.proxy_header != new.http.proxy_header);
    hold("http.allowed_origins", old.http.allowed_origins != new.http.allowed_origins);
    hold("http.player_dialect", old.http.player_dialect != new.http.player_dialect);
    held.listeners = old.listeners.clone();
    held.tls.clone_from(&old.tls);
    held.client_tls.clone_from(&old.client_tls);
    held.log.format = old.log.format;
    held.limits = old.limits.clone();
    held.rtmp = old.rtmp.clone();
    held.http = HttpConfig { trusted_proxies: new.http.trusted_proxies.clone(), ..old.http.clone() };
    (held, waiting)
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
    let mut changes = AppChanges::default();
    for app in new {
        match old.iter().find(|other| other.app_name == app.app_name) {
            Some(before) if before == app => continue,
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
    for app in old {
        if !new.iter().any(|other| other.app_name == app.app_name) {
            changes.words.push(format!("application {} removed", app.app_name));
            changes.ended.push(app);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamer_control::config::{
        ClientTlsConfig, ListenerConfig, LogFormat, LogLevel, PlayerDialect, SourceType,
    };

    #[test]
    fn what_cannot_change_while_running_is_named_and_held() {
        let old = EngineConfig::default();
        let mut new = old.clone();
        new.log.level = LogLevel::Debug;
        assert_eq!(effective(&old, &new), (new.clone(), vec![]));
        new.listeners.rtmp = None;
        new.listeners.https = Some(ListenerConfig::everywhere(8443));
        new.client_tls = Some(ClientTlsConfig { ca: "ca.pem".into() });
        new.log.format = LogFormat::Json;
        new.limits.max_connections = 1;
        new.rtmp.player_dialect = PlayerDialect::Enhanced;
        new.http.allowed_origins = Some(Vec::new());
        new.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let (held, waiting) = effective(&old, &new);
        let expected = [
            "listeners.rtmp",
            "listeners.https",
            "client_tls",
            "log.format",
            "limits",
            "rtmp",
            "http.allowed_origins",
        ];
        assert_eq!(waiting, expected);
        assert_eq!(held.http.trusted_proxies, new.http.trusted_proxies);
        assert_eq!(held.http.allowed_origins, None);
        assert_eq!(held.listeners, old.listeners);
        assert_eq!((held.log.level, &held.client_tls), (LogLevel::Debug, &None));
        assert_eq!(effective(&held, &new).1, waiting, "named again as long as it waits");
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
    fn the_summary_says_both() {
        let mut reloaded = Reloaded::default();
        assert_eq!(reloaded.summary(), "applied: nothing");
        reloaded.applied.push("log level".into());
        reloaded.needs_restart.push("limits");
        assert_eq!(reloaded.summary(), "applied: log level; needs a restart: limits");
    }
}
