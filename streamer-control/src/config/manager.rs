//! `server.json`: the configuration file of the manager.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::engine::{ListenerConfig, LogConfig, TlsConfig};
use super::load::ConfigFile;
use super::path::{FieldPath, Problem};
use super::ports;

/// Shortest and longest target duration of a VOD segment, in milliseconds: below, requests outweigh media; above,
/// players start late.
pub const VOD_SEGMENT_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;

/// The whole file. Every field may be left out; `{}` is the default configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagerConfig {
    /// Where the manager listens. The ports of VOD and of event messages stand in `engine.json`.
    pub listeners: ManagerListeners,
    /// Certificate of the Rest Server; with one it speaks HTTPS.
    pub tls: Option<TlsConfig>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Video on demand.
    pub vod: VodConfig,
    /// Where webhooks may go.
    pub webhooks: WebhookPolicyConfig,
}

/// Where the manager listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagerListeners {
    /// The Config Server: internal HTTP.
    pub config: ListenerConfig,
    /// The Rest Server.
    pub rest: ListenerConfig,
}

impl Default for ManagerListeners {
    fn default() -> Self {
        Self { config: on_loopback(ports::MANAGER), rest: on_loopback(ports::REST) }
    }
}

fn on_loopback(port: u16) -> ListenerConfig {
    let bind = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    ListenerConfig { bind, port }
}

/// Video on demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VodConfig {
    /// Folder of the files; `null` for `vod` in the data folder. Relative paths begin at the folder of the
    /// configuration file.
    pub root: Option<PathBuf>,
    /// Target duration of a segment, milliseconds.
    pub segment_ms: u64,
    /// Origins of web pages that may read the files; `null` for all pages.
    pub allowed_origins: Option<Vec<String>>,
}

impl Default for VodConfig {
    fn default() -> Self {
        Self { root: None, segment_ms: 6_000, allowed_origins: None }
    }
}

/// Where webhooks may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookPolicyConfig {
    /// Networks among loopback, link-local and other addresses of no public host that are allowed all the same.
    pub allowed_networks: Vec<IpNet>,
}

impl ConfigFile for ManagerConfig {
    fn check(&self) -> Result<(), Problem> {
        let listeners = FieldPath::field("listeners");
        for (name, listener) in [("config", &self.listeners.config), ("rest", &self.listeners.rest)] {
            if listener.bind.is_empty() {
                return Err(listeners.key(name).key("bind").problem("at least one address is needed"));
            }
        }
        let (config, rest) = (self.listeners.config.port, self.listeners.rest.port);
        if config != 0 && config == rest {
            let message = format!("port {rest} is taken by listeners.config already");
            return Err(listeners.key("rest").key("port").problem(message));
        }
        if !VOD_SEGMENT_MS.contains(&self.vod.segment_ms) {
            let (least, most) = (VOD_SEGMENT_MS.start(), VOD_SEGMENT_MS.end());
            return Err(FieldPath::field("vod")
                .key("segment_ms")
                .problem(format!("{least} to {most} are allowed")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loaded;

    fn refusal(text: &str) -> String {
        Loaded::<ManagerConfig>::from_text(text.into(), "server.json".into()).unwrap_err().to_string()
    }

    #[test]
    fn nothing_said_is_the_default() {
        let loaded = Loaded::<ManagerConfig>::from_text("{}".into(), "server.json".into()).unwrap();
        assert_eq!(loaded.config, ManagerConfig::default());
        assert_eq!(loaded.config.listeners.rest.port, 8085);
        assert!(loaded.config.listeners.config.bind.iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn each_mistake_is_named_with_its_line() {
        for (text, expected) in [
            ("{\n\"listeners\": {\"rest\": {\"bind\": [], \"port\": 1}}}", "server.json:2:"),
            ("{\"listeners\": {\"rest\": {\"port\": 8089}}}", "listeners.rest.port: port 8089 is taken"),
            ("{\"vod\": {\"segment_ms\": 999}}", "vod.segment_ms: 1000 to 60000"),
            ("{\"vod\": {\"segment_ms\": 60001}}", "vod.segment_ms: 1000 to 60000"),
            ("{\"console\": {}}", "unknown field `console`"),
        ] {
            let error = refusal(text);
            assert!(error.contains(expected), "{error}");
        }
        for at_its_limit in [1_000, 60_000] {
            let text = format!("{{\"vod\": {{\"segment_ms\": {at_its_limit}}}}}");
            assert!(Loaded::<ManagerConfig>::from_text(text, "server.json".into()).is_ok());
        }
    }
}
