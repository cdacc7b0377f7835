//! The entries of tasks: streams fetched from other servers, and streams pushed to them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use streamer_core::{AppName, StreamKey, StreamName};

use super::name;
use super::stream_url::StreamUrl;

/// A stream fetched from another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullConfig {
    /// Its application, of type `rtmp_pull`.
    #[serde(with = "name")]
    pub app: AppName,
    /// Its name within the application.
    #[serde(with = "name")]
    pub stream: StreamName,
    /// Where it is fetched; the next one is tried when one fails.
    pub urls: Vec<StreamUrl>,
    /// Address of this machine to leave by; `null` asks the routing table.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
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
#[serde(deny_unknown_fields)]
pub struct ForwardConfig {
    /// Its name, unique within the application; of the same characters as a stream's.
    #[serde(with = "name")]
    pub name: StreamName,
    /// The application of the stream.
    #[serde(with = "name")]
    pub app: AppName,
    /// The stream.
    #[serde(with = "name")]
    pub stream: StreamName,
    /// Where it goes.
    pub url: StreamUrl,
    /// Address of this machine to leave by; `null` asks the routing table.
    #[serde(default)]
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
