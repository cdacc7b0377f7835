//! The entry of one application: how streams come in, who may publish and play, what viewers get.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use streamer_core::AppName;
use streamer_core::hub::{
    DEFAULT_GRACE, DEFAULT_MAX_VIEWERS, DEFAULT_WAIT_FOR_PUBLISHER, DEFAULT_WRITE_WINDOW,
};

use super::access::AuthConfig;
use super::hls::{AdaptiveConfig, HlsConfig};
use super::name;

/// How the streams of an application come in. Read without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceType {
    /// Encoders push over RTMP.
    RtmpPush,
    /// The server fetches over RTMP.
    RtmpPull,
    /// Encoders push over RTSP.
    RtspPush,
    /// The server fetches over RTSP.
    RtspPull,
    /// The server listens for SRT callers.
    SrtListener,
    /// The server calls over SRT.
    SrtCaller,
    /// MPEG-TS over unicast UDP.
    UdpPush,
    /// MPEG-TS over multicast UDP.
    UdpMulticast,
    /// GB28181 devices.
    Gb28181,
    /// WebRTC publishers.
    WebrtcPush,
    /// The server fetches HTTP-FLV.
    HttpFlvPull,
    /// The server fetches HLS.
    HlsPull,
    /// Files of the server.
    File,
}

impl SourceType {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::RtmpPush,
        Self::RtmpPull,
        Self::RtspPush,
        Self::RtspPull,
        Self::SrtListener,
        Self::SrtCaller,
        Self::UdpPush,
        Self::UdpMulticast,
        Self::Gb28181,
        Self::WebrtcPush,
        Self::HttpFlvPull,
        Self::HlsPull,
        Self::File,
    ];

    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RtmpPush => "rtmp_push",
            Self::RtmpPull => "rtmp_pull",
            Self::RtspPush => "rtsp_push",
            Self::RtspPull => "rtsp_pull",
            Self::SrtListener => "srt_listener",
            Self::SrtCaller => "srt_caller",
            Self::UdpPush => "udp_push",
            Self::UdpMulticast => "udp_multicast",
            Self::Gb28181 => "gb28181",
            Self::WebrtcPush => "webrtc_push",
            Self::HttpFlvPull => "http_flv_pull",
            Self::HlsPull => "hls_pull",
            Self::File => "file",
        }
    }

    /// The kind called `name`, without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether this version can take such streams in.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        matches!(self, Self::RtmpPush | Self::RtmpPull)
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for SourceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SourceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_name(&text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            de::Error::custom(format!("unknown source_type `{text}`: expected one of {}", known.join(", ")))
        })
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for SourceType {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("How streams come in, read without regard to case."))
            .examples(Self::ALL.into_iter().filter(|kind| kind.is_supported()).map(|kind| kind.as_str()))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for SourceType {}

/// What happens to the second publisher of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DuplicateConfig {
    /// It is refused.
    #[default]
    Reject,
    /// It takes the stream over, viewers stay.
    TakeOver,
}

/// What happens to a viewer that is too slow for its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SlowViewerConfig {
    /// It is skipped forward to the newest random access point.
    #[default]
    Resync,
    /// It is disconnected.
    Disconnect,
}

/// One application: a group of streams with one kind of input and one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// Unique name: 2 to 40 of `A-Z a-z 0-9 - _`, but `vod`.
    #[serde(with = "name")]
    #[cfg_attr(feature = "openapi", schema(value_type = name::AppNameText))]
    pub app_name: AppName,
    /// How its streams come in.
    pub source_type: SourceType,
    /// Who may publish; `null` lets everybody.
    #[serde(default)]
    pub publish_auth: Option<AuthConfig>,
    /// Who may play; `null` lets everybody.
    #[serde(default)]
    pub play_auth: Option<AuthConfig>,
    /// What happens to a second publisher.
    #[serde(default)]
    pub on_duplicate: DuplicateConfig,
    /// What happens to a viewer that is too slow.
    #[serde(default)]
    pub on_slow_viewer: SlowViewerConfig,
    /// How long viewers wait for a publisher that went away; 0 ends them at once.
    #[serde(default = "default_grace_ms")]
    pub grace_ms: u64,
    /// How long a viewer waits for a stream that is not there yet; 0 refuses it at once.
    #[serde(default = "default_wait_ms")]
    pub wait_for_publisher_ms: u64,
    /// How long bytes for viewers are gathered before they are written; 0 sends each frame at once.
    #[serde(default = "default_write_window_ms")]
    pub write_window_ms: u64,
    /// Most viewers of one stream, from 1.
    #[serde(default = "default_max_viewers")]
    pub max_viewers: usize,
    /// How its streams are served as HLS.
    #[serde(default)]
    pub hls: HlsConfig,
    /// Its adaptive playlists.
    #[serde(default)]
    pub adaptive: Vec<AdaptiveConfig>,
}

impl AppConfig {
    /// An application with every option at its default.
    #[must_use]
    pub fn new(app_name: AppName, source_type: SourceType) -> Self {
        Self {
            app_name,
            source_type,
            publish_auth: None,
            play_auth: None,
            on_duplicate: DuplicateConfig::default(),
            on_slow_viewer: SlowViewerConfig::default(),
            grace_ms: default_grace_ms(),
            wait_for_publisher_ms: default_wait_ms(),
            write_window_ms: default_write_window_ms(),
            max_viewers: default_max_viewers(),
            hls: HlsConfig::default(),
            adaptive: Vec::new(),
        }
    }
}

const fn default_grace_ms() -> u64 {
    DEFAULT_GRACE.as_millis() as u64
}

const fn default_wait_ms() -> u64 {
    DEFAULT_WAIT_FOR_PUBLISHER.as_millis() as u64
}

const fn default_write_window_ms() -> u64 {
    DEFAULT_WRITE_WINDOW.as_millis() as u64
}

const fn default_max_viewers() -> usize {
    DEFAULT_MAX_VIEWERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_in_any_case_and_written_in_one() {
        for kind in SourceType::ALL {
            let upper = format!("\"{}\"", kind.as_str().to_uppercase());
            assert_eq!(serde_json::from_str::<SourceType>(&upper).unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        let error = serde_json::from_str::<SourceType>("\"carrier_pigeon\"").unwrap_err().to_string();
        assert!(error.contains("carrier_pigeon") && error.contains("rtmp_push"), "{error}");
    }
}
