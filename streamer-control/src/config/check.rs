//! Checks across fields: what each value allows by itself and together they do not.

use std::collections::HashSet;
use std::net::IpAddr;

use streamer_core::hub::MAX_WRITE_WINDOW;

use super::app::{AppConfig, SourceType};
use super::engine::EngineConfig;
use super::hls::check_adaptive;
use super::load::ConfigFile;
use super::path::{FieldPath, Problem};
use super::tasks::{MAX_RETURN_S, PullMode};

/// Longest waiting time that may be configured, in milliseconds: one day.
pub const MAX_WAIT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Names that no application may have: the media port gives the paths that begin with them to something else.
/// `/vod/` is video on demand, so that nobody could play the streams of an application `vod` over HTTP.
pub const RESERVED_APP_NAMES: &[&str] = &["vod"];
/// URLs of one pull: a main one and its stand-ins.
pub const MAX_PULL_URLS: usize = 16;

impl ConfigFile for EngineConfig {
    fn check(&self) -> Result<(), Problem> {
        self.check_listeners()?;
        let limits = FieldPath::field("limits");
        if self.limits.max_connections == 0 {
            return Err(limits.key("max_connections").problem("must be at least 1"));
        }
        if self.limits.max_connections_per_address == Some(0) {
            let message = "must be at least 1; `null` switches the bound off";
            return Err(limits.key("max_connections_per_address").problem(message));
        }
        self.check_apps()?;
        self.check_pulls()?;
        self.check_forwards()
    }
}

impl EngineConfig {
    fn check_listeners(&self) -> Result<(), Problem> {
        let listeners = &self.listeners;
        let mut all: Vec<(&str, &[IpAddr], u16)> = Vec::new();
        for (name, listener) in [
            ("rtmp", &listeners.rtmp),
            ("rtmps", &listeners.rtmps),
            ("http", &listeners.http),
            ("https", &listeners.https),
        ] {
            if let Some(listener) = listener {
                all.push((name, &listener.bind, listener.port));
            }
        }
        if let Some(api) = &listeners.api {
            all.push(("api", &api.bind, api.port));
        }
        let at = |name: &str| FieldPath::field("listeners").key(name);
        for (position, &(name, bind, port)) in all.iter().enumerate() {
            if bind.is_empty() {
                let message = "at least one address is needed; `null` for the listener switches it off";
                return Err(at(name).key("bind").problem(message));
            }
            if let Some(index) = (1..bind.len()).find(|&index| overlap(&bind[..index], &bind[index..=index]))
            {
                return Err(at(name).key("bind").index(index).problem("is covered by an address before it"));
            }
            let taken = all[..position]
                .iter()
                .find(|&&(_, other, other_port)| port != 0 && port == other_port && overlap(bind, other));
            if let Some((other, ..)) = taken {
                let message = format!("port {port} is taken by listeners.{other} already");
                return Err(at(name).key("port").problem(message));
            }
        }
        let encrypted = [("rtmps", &listeners.rtmps), ("https", &listeners.https)];
        if self.tls.is_none()
            && let Some((name, _)) = encrypted.iter().find(|(_, listener)| listener.is_some())
        {
            return Err(at(name).problem("needs a certificate: set `tls`"));
        }
        Ok(())
    }

    fn check_apps(&self) -> Result<(), Problem> {
        let mut names = HashSet::new();
        for (index, app) in self.apps.iter().enumerate() {
            let at = FieldPath::field("apps").index(index);
            if !names.insert(&app.app_name) {
                return Err(at
                    .key("app_name")
                    .problem(format!("duplicated application name `{}`", app.app_name)));
            }
            check_app(app, at)?;
        }
        Ok(())
    }

    fn find_app(&self, name: &str, at: &FieldPath) -> Result<&AppConfig, Problem> {
        self.apps.iter().find(|app| app.app_name.as_str() == name).ok_or_else(|| {
            at.clone().key("app").problem(format!("there is no application `{name}` in `apps`"))
        })
    }

    fn check_pulls(&self) -> Result<(), Problem> {
        let mut keys = HashSet::new();
        for (index, pull) in self.pulls.iter().enumerate() {
            let at = FieldPath::field("pulls").index(index);
            let app = self.find_app(pull.app.as_str(), &at)?;
            if app.source_type != SourceType::RtmpPull {
                let message = format!(
                    "application `{}` is of type {}; a pull needs one of type {}",
                    app.app_name,
                    app.source_type,
                    SourceType::RtmpPull
                );
                return Err(at.key("app").problem(message));
            }
            if !keys.insert(pull.key()) {
                return Err(at.key("stream").problem(format!("{} is pulled twice", pull.key())));
            }
            if pull.urls.is_empty() || pull.urls.len() > MAX_PULL_URLS {
                return Err(at.key("urls").problem(format!("1 to {MAX_PULL_URLS} URLs are needed")));
            }
            if pull.mode == PullMode::OnDemand && app.wait_for_publisher_ms == 0 {
                let message = format!(
                    "nobody can demand it: `wait_for_publisher_ms` of application `{}` is 0",
                    app.app_name
                );
                return Err(at.key("mode").problem(message));
            }
            for (name, value, max) in [
                ("idle_ms", pull.idle_ms, MAX_WAIT_MS),
                ("return_to_preferred_s", pull.return_to_preferred_s, MAX_RETURN_S),
            ] {
                if value > max {
                    return Err(at.key(name).problem(format!("{value} is too long: at most {max}")));
                }
            }
        }
        Ok(())
    }

    fn check_forwards(&self) -> Result<(), Problem> {
        let mut names = HashSet::new();
        for (index, forward) in self.forwards.iter().enumerate() {
            let at = FieldPath::field("forwards").index(index);
            self.find_app(forward.app.as_str(), &at)?;
            if !names.insert((&forward.app, &forward.name)) {
                let message =
                    format!("application `{}` has a forward named `{}` already", forward.app, forward.name);
                return Err(at.key("name").problem(message));
            }
        }
        Ok(())
    }
}

fn check_app(app: &AppConfig, at: FieldPath) -> Result<(), Problem> {
    let name = app.app_name.as_str();
    if RESERVED_APP_NAMES.contains(&name) {
        let message = format!(
            "`{name}` cannot be the name of an application: `/{name}/` on the HTTP port is something else"
        );
        return Err(at.key("app_name").problem(message));
    }
    if !app.source_type.is_supported() {
        let supported: Vec<_> =
            SourceType::ALL.iter().filter(|kind| kind.is_supported()).map(|kind| kind.as_str()).collect();
        let message = format!(
            "{} is not supported yet: this version takes {}",
            app.source_type,
            supported.join(" and ")
        );
        return Err(at.key("source_type").problem(message));
    }
    if app.source_type == SourceType::RtmpPull && app.publish_auth.is_some() {
        let message = format!("nobody publishes to an application of type {}", app.source_type);
        return Err(at.key("publish_auth").problem(message));
    }
    let window_ms = MAX_WRITE_WINDOW.as_millis() as u64;
    for (name, value, max) in [
        ("grace_ms", app.grace_ms, MAX_WAIT_MS),
        ("wait_for_publisher_ms", app.wait_for_publisher_ms, MAX_WAIT_MS),
        ("write_window_ms", app.write_window_ms, window_ms),
    ] {
        if value > max {
            return Err(at.key(name).problem(format!("{value} is too long: at most {max}")));
        }
    }
    if app.max_viewers == 0 {
        return Err(at.key("max_viewers").problem("must be at least 1"));
    }
    for (name, auth) in [("publish_auth", &app.publish_auth), ("play_auth", &app.play_auth)] {
        if let Some(auth) = auth {
            auth.check(&at.clone().key(name))?;
        }
    }
    app.hls.check(&at.clone().key("hls"))?;
    check_adaptive(&app.adaptive, &at.key("adaptive"))
}

/// Whether both lists hold an address in common, counting `::` as every address and `0.0.0.0` as every
/// IPv4 address.
fn overlap(a: &[IpAddr], b: &[IpAddr]) -> bool {
    let covers = |wide: &IpAddr, other: &IpAddr| match wide {
        IpAddr::V6(v6) if v6.is_unspecified() => true,
        IpAddr::V4(v4) if v4.is_unspecified() => other.is_ipv4(),
        _ => wide == other,
    };
    a.iter().any(|x| b.iter().any(|y| covers(x, y) || covers(y, x)))
}
