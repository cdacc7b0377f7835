//! `engine.json`: the configuration file of the streaming engine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use streamer_core::AppName;

use super::app::{AppConfig, SourceType};
use super::ports;
use super::tasks::{ForwardConfig, PullConfig};

/// The whole file. Every field may be left out; `{}` is the default configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Where the engine listens.
    pub listeners: Listeners,
    /// Certificate of the TLS listeners; needed when one of them is on.
    pub tls: Option<TlsConfig>,
    /// Whom outgoing TLS connections trust; `null` for the root certificates of the system.
    pub client_tls: Option<ClientTlsConfig>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Bounds on what peers may use.
    pub limits: LimitsConfig,
    /// How RTMP is spoken.
    pub rtmp: RtmpConfig,
    /// How HTTP streaming is spoken.
    pub http: HttpConfig,
    /// The manager whose configuration goes before this file's; `null` for an engine on its own.
    pub manager: Option<ManagerLinkConfig>,
    /// Where the manager receives the engine's event messages.
    pub events: EventsConfig,
    /// Where the manager serves video on demand, which the engine's HTTP port passes on; `null` for none.
    pub vod: Option<ListenerConfig>,
    /// The applications.
    pub apps: Vec<AppConfig>,
    /// Streams fetched from other servers.
    pub pulls: Vec<PullConfig>,
    /// Streams pushed to other servers.
    pub forwards: Vec<ForwardConfig>,
}

impl Default for EngineConfig {
    /// The embedded configuration: one application `live` of type `rtmp_push` on the documented ports.
    fn default() -> Self {
        Self {
            listeners: Listeners::default(),
            tls: None,
            client_tls: None,
            log: LogConfig::default(),
            limits: LimitsConfig::default(),
            rtmp: RtmpConfig::default(),
            http: HttpConfig::default(),
            manager: Some(ManagerLinkConfig::default()),
            events: EventsConfig::default(),
            vod: Some(ListenerConfig::everywhere(ports::VOD)),
            apps: AppName::new("live")
                .map(|name| AppConfig::new(name, SourceType::RtmpPush))
                .into_iter()
                .collect(),
            pulls: Vec::new(),
            forwards: Vec::new(),
        }
    }
}

/// Where the engine listens; `null` switches a listener off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Listeners {
    /// RTMP.
    pub rtmp: Option<ListenerConfig>,
    /// RTMP over TLS.
    pub rtmps: Option<ListenerConfig>,
    /// HTTP streaming.
    pub http: Option<ListenerConfig>,
    /// HTTP streaming over TLS.
    pub https: Option<ListenerConfig>,
    /// The engine's own HTTP API.
    pub api: Option<ApiConfig>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            rtmp: Some(ListenerConfig::everywhere(ports::RTMP)),
            rtmps: None,
            http: Some(ListenerConfig::everywhere(ports::HTTP)),
            https: None,
            api: Some(ApiConfig::default()),
        }
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Addresses to listen on. `::` is every address of the machine, IPv4 and IPv6.
    #[serde(default = "every_address")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub bind: Vec<IpAddr>,
    /// Port; 0 takes a free one.
    pub port: u16,
}

impl ListenerConfig {
    /// On every address of the machine.
    #[must_use]
    pub fn everywhere(port: u16) -> Self {
        Self { bind: every_address(), port }
    }
}

fn every_address() -> Vec<IpAddr> {
    vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
}

/// The listener of the engine's own HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Addresses to listen on; loopback unless set.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub bind: Vec<IpAddr>,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Whether `/metrics` is read without the token.
    pub open_metrics: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let bind = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Self { bind, port: ports::ENGINE_API, open_metrics: false }
    }
}

/// The manager of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ManagerLinkConfig {
    /// Address of its Config Server.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: SocketAddr,
}

impl Default for ManagerLinkConfig {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::MANAGER) }
    }
}

/// Where the engine's event messages go, over UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Address the manager receives them on, and the engine sends them to.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: SocketAddr,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::EVENTS) }
    }
}

/// Certificate and key, as PEM files. Relative paths begin at the folder of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that lead to its issuer.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub certificate: PathBuf,
    /// The private key.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub private_key: PathBuf,
}

/// Whom outgoing TLS connections trust. Relative paths begin at the folder of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// PEM file of the root certificates; no others are trusted.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ca: PathBuf,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The least urgent level that is logged.
    pub level: LogLevel,
    /// Its form.
    pub format: LogFormat,
}

/// Urgency of what is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may need a look.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    /// All levels, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The level called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Both forms.
    pub const ALL: [Self; 2] = [Self::Human, Self::Json];

    /// The form called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

/// Bounds on what peers may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Most connections of one listener, from 1.
    pub max_connections: usize,
    /// Most connections of one listener from one address, from 1; `null` for no such bound: many viewers
    /// may share the address of a company or a mobile network.
    pub max_connections_per_address: Option<usize>,
}

/// Connections of one listener unless set otherwise: past what one machine's ports and memory serve.
pub const DEFAULT_MAX_CONNECTIONS: usize = 65_536;

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { max_connections: DEFAULT_MAX_CONNECTIONS, max_connections_per_address: None }
    }
}

/// Which headers of FLV are sent to a player that does not say what it knows. H.264 and AAC are the same in
/// all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlayerDialect {
    /// FLV as Adobe left it: no HEVC, AV1, Opus, ...
    Legacy,
    /// The same, and HEVC under the codec number 12 that was never standardised.
    LegacyHevc,
    /// The extended headers of Enhanced RTMP for what has no number of its own.
    Enhanced,
}

/// How RTMP is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RtmpConfig {
    /// What players get that announce nothing of Enhanced RTMP.
    pub player_dialect: PlayerDialect,
}

impl Default for RtmpConfig {
    fn default() -> Self {
        Self { player_dialect: PlayerDialect::LegacyHevc }
    }
}

/// How HTTP streaming is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Networks of reverse proxies whose word about a client's address is taken.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub trusted_proxies: Vec<IpNet>,
    /// The header field they write it in.
    pub proxy_header: ProxyHeaderConfig,
    /// Origins of web pages that may read the streams, as `https://example.org`; `null` for all pages.
    pub allowed_origins: Option<Vec<String>>,
    /// What viewers get that do not ask by `?enhanced=1` or `?enhanced=0`.
    pub player_dialect: PlayerDialect,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeaderConfig::default(),
            allowed_origins: None,
            player_dialect: PlayerDialect::Enhanced,
        }
    }
}

/// The header field that proxies write a client's address in. Only this one is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProxyHeaderConfig {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}
