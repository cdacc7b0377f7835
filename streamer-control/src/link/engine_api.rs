//! Calls that the manager makes at the engine's API, and the bodies of that API.
//!
//! The same paths serve an operator with the token of the API and the manager with a seal; `docs/engine-api.md`
//! describes them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::manager_api::ConfigVersion;

/// Asks for all that the manager follows, as of one number of the event messages.
#[derive(Clone, Copy, Debug)]
pub struct TakeSnapshot;

impl Endpoint for TakeSnapshot {
    const METHOD: &'static str = "GET";
    const PATH: &'static str = "/v1/snapshot";
    type Request = ();
    type Response = Snapshot;
}

/// The engine as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// Names the run of the engine.
    pub engine: String,
    /// Number of the last event that is in it.
    pub seq: u64,
    /// Version of its program.
    pub program_version: String,
    /// How long it runs, milliseconds.
    pub uptime_ms: u64,
    /// The configuration of the manager that holds; `None` when it runs from its own file.
    pub config: Option<ConfigVersion>,
    /// Its listeners.
    pub listeners: Vec<ListenerBody>,
    /// Its resources.
    pub process: ProcessBody,
    /// Its live streams.
    pub streams: Vec<StreamBody>,
    /// Its pulls and forwards.
    pub tasks: Vec<TaskBody>,
    /// Its viewers.
    pub viewers: Vec<StreamViewerBody>,
}

/// One listener of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListenerBody {
    /// Name of the process that listens.
    pub process: String,
    /// Its name in the configuration: `rtmp`, `http`, ...
    pub name: String,
    /// `tcp` or `udp`.
    pub transport: String,
    /// Where it listens.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub addresses: Vec<SocketAddr>,
    /// Connections now.
    pub connections: u64,
}

/// What a process uses of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProcessBody {
    /// Process number.
    pub pid: u32,
    /// Processor time used since it began, user and system, milliseconds.
    pub cpu_ms: u64,
    /// Share of one processor in use, mean of the last seconds, per cent.
    pub cpu_percent: f64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Threads.
    pub threads: u64,
}

/// One viewer and what it watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamViewerBody {
    /// Application of the stream.
    pub app: String,
    /// The stream.
    pub stream: String,
    /// The viewer.
    #[serde(flatten)]
    pub viewer: ViewerBody,
}

/// One live stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamBody {
    /// Its application.
    pub app: String,
    /// Its name.
    pub stream: String,
    /// `streaming`, or `waiting` while the publisher is away and may come back.
    pub state: String,
    /// When it began, Unix milliseconds.
    pub since_unix_ms: u64,
    /// How long it is live, milliseconds.
    pub uptime_ms: u64,
    /// Who publishes it.
    pub publisher: PublisherBody,
    /// Its tracks.
    pub tracks: Vec<TrackBody>,
    /// What the publisher said of it.
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// What came in.
    pub ingest: IngestBody,
    /// Viewers there now, the server's own readers included.
    pub viewer_count: u64,
    /// Viewers and what they were given, by protocol.
    pub audience: BTreeMap<String, AudienceBody>,
    /// Bytes held for viewers.
    pub held_bytes: u64,
}

/// Who publishes a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublisherBody {
    /// Short protocol name.
    pub protocol: String,
    /// Address, if there is one.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
}

/// One track. What its codec does not have is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackBody {
    /// Its name: `video0`, `audio0`, ...
    pub id: String,
    /// `H264`, `AAC`, ...
    pub codec: String,
    /// Profile, as people name it.
    pub profile: Option<String>,
    /// Level, as people name it.
    pub level: Option<String>,
    /// Picture width, pixels.
    pub width: Option<u32>,
    /// Picture height, pixels.
    pub height: Option<u32>,
    /// Pictures per second, as the configuration says.
    pub fps: Option<f64>,
    /// Sampling frequency, hertz.
    pub sample_rate_hz: Option<u32>,
    /// Channels.
    pub channels: Option<u8>,
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IngestBody {
    /// Payload bytes.
    pub bytes: u64,
    /// Video frames.
    pub video_frames: u64,
    /// Audio frames.
    pub audio_frames: u64,
    /// Data frames.
    pub data_frames: u64,
    /// Random access points.
    pub sync_frames: u64,
    /// Payload bits per second, mean of five seconds.
    pub bitrate_bps: u64,
    /// The same of video tracks.
    pub video_bitrate_bps: u64,
    /// The same of audio tracks.
    pub audio_bitrate_bps: u64,
    /// Pictures per second, mean of five seconds.
    pub fps: f64,
    /// Media time of the last complete GOP, milliseconds.
    pub gop_ms: Option<i64>,
    /// Frames of the last complete GOP.
    pub gop_frames: Option<i64>,
    /// Deviation of arrival from decode times, microseconds.
    pub jitter_us: Option<i64>,
    /// Timestamps that jumped and were joined on.
    pub timestamp_jumps: u64,
    /// Timestamps that ran backwards and were flattened.
    pub timestamps_backwards: u64,
    /// Frames dropped for want of a track.
    pub dropped_without_track: u64,
    /// Frames dropped before a publisher's first random access point.
    pub dropped_before_sync: u64,
    /// Changes of tracks.
    pub track_changes: u64,
    /// Publishers, one after the other.
    pub publishers: u64,
}

/// Viewers of one protocol and what they were given, those who left included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AudienceBody {
    /// Viewers there now.
    pub present: u64,
    /// Viewers that came.
    pub joined: u64,
    /// Bytes.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Frames missed for being too slow.
    pub lost_frames: u64,
    /// Times one was skipped forward.
    pub skips: u64,
}

/// One viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewerBody {
    /// Names it within the process.
    pub id: u64,
    /// Short protocol name.
    pub protocol: String,
    /// Address, if there is one.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
    /// Whether it is the server's own (a forward).
    pub internal: bool,
    /// Bytes handed to it.
    pub bytes: u64,
    /// Frames handed to it.
    pub frames: u64,
    /// How far it is behind the live edge, milliseconds; `null` until it was given anything.
    pub lag_ms: Option<i64>,
    /// Frames it missed for being too slow.
    pub lost_frames: u64,
    /// Times it was skipped forward.
    pub skips: u64,
}

/// One pull or forward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskBody {
    /// `pull` or `forward`.
    pub kind: String,
    /// Name of a forward; `null` for a pull.
    pub name: Option<String>,
    /// Application of the stream.
    pub app: String,
    /// The stream.
    pub stream: String,
    /// Where it comes from or goes to, without query, user and password.
    pub urls: Vec<String>,
    /// The one of `urls` that media flow from or to now; `null` while none flow.
    #[serde(default)]
    pub current_url: Option<String>,
    /// `waiting`, `connecting`, `streaming`, `retrying` or `stopped`.
    pub state: String,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Times it tried again.
    pub retries: u64,
    /// Payload bytes moved.
    pub bytes: u64,
    /// Frames moved.
    pub frames: u64,
    /// Payload bits per second moved, mean of five seconds.
    pub bitrate_bps: u64,
}
