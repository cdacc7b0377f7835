//! The entries of tasks: streams fetched from other servers, and streams pushed to them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use streamer_core::{AppName, StreamKey, StreamName};

use super::name;
use super::remote_url::StreamUrl;

/// Longest time between two looks at a better URL, in seconds: one day.
pub const MAX_RETURN_S: u64 = 24 * 60 * 60;
/// How often a better URL is looked at unless set otherwise, in seconds: rare enough to be no load, and nobody
/// watches a stand-in for much longer than its better is down.
pub const DEFAULT_RETURN_S: u64 = 30;
/// How long a pull on demand goes on without viewers unless set otherwise, in milliseconds: who reloads a page
/// finds the stream still there.
pub const DEFAULT_PULL_IDLE_MS: u64 = 10_000;

/// When a stream is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PullMode {
    /// As long as the engine runs.
    #[default]
    Always,
    /// From the first viewer on, until there was none for `idle_ms`.
    OnDemand,
}

/// A stream fetched from another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PullConfig {
    /// Its application, of type `rtmp_pull`.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::AppNameText))]
    pub app: AppName,
    /// Its name within the application.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::StreamNameText))]
    pub stream: StreamName,
    /// Whether it runs.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// Where it is fetched, the best first: the next one is tried when one fails.
    pub urls: Vec<StreamUrl>,
    /// When it is fetched.
    #[serde(default)]
    pub mode: PullMode,
    /// How long a pull on demand goes on without viewers, in milliseconds; at most a day.
    #[serde(default = "default_idle_ms")]
    pub idle_ms: u64,
    /// How often a better URL is looked at while a stand-in streams, in seconds, at most [`MAX_RETURN_S`]; once
    /// it gives media the pull goes over to it. 0 stays with the stand-in until it fails.
    #[serde(default = "default_return_s")]
    pub return_to_preferred_s: u64,
    /// Address of this machine to leave by; `null` asks the routing table.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub local_address: Option<IpAddr>,
}

const fn default_enabled() -> bool {
    true
}

const fn default_idle_ms() -> u64 {
    DEFAULT_PULL_IDLE_MS
}

const fn default_return_s() -> u64 {
    DEFAULT_RETURN_S
}

impl PullConfig {
    /// The stream it feeds.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        StreamKey { app: self.app.clone(), stream: self.stream.clone() }
    }
}

/// A stream pushed to another server, watched or not, however it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ForwardConfig {
    /// Its name, unique within the application; of the same characters as a stream's.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::StreamNameText))]
    pub name: StreamName,
    /// Whether it runs.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// The application of the stream.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::AppNameText))]
    pub app: AppName,
    /// The stream.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::StreamNameText))]
    pub stream: StreamName,
    /// Where it goes.
    pub url: StreamUrl,
    /// Address of this machine to leave by; `null` asks the routing table.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub local_address: Option<IpAddr>,
    /// Whether to encrypt though the URL says `rtmp`.
    #[serde(default)]
    pub ssl: bool,
}

impl ForwardConfig {
    /// The stream it pushes.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        StreamKey { app: self.app.clone(), stream: self.stream.clone() }
    }
}
