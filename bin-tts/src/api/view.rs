//! The JSON bodies of the API, made from what the hub and the observer tell.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use streamer_core::hub::{BroadcastState, ViewerView};
use streamer_core::{MetadataValue, Track};

use crate::observe::{Observer, StreamCounters, StreamView};
use crate::tasks::TaskView;

/// One live stream.
#[derive(Clone, Debug, Serialize)]
pub struct StreamBody {
    /// Its application.
    pub app: String,
    /// Its name.
    pub stream: String,
    /// `streaming`, or `waiting` while the publisher is away and may come back.
    pub state: &'static str,
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
    pub audience: BTreeMap<&'static str, AudienceBody>,
    /// Bytes held for viewers.
    pub held_bytes: usize,
}

/// Who publishes a stream.
#[derive(Clone, Debug, Serialize)]
pub struct PublisherBody {
    /// Short protocol name.
    pub protocol: &'static str,
    /// Address, if there is one.
    pub address: Option<SocketAddr>,
}

/// One track. What its codec does not have is `null`.
#[derive(Clone, Debug, Serialize)]
pub struct TrackBody {
    /// Its name: `video0`, `audio0`, ...
    pub id: String,
    /// `H264`, `AAC`, ...
    pub codec: &'static str,
    /// Profile, as people name it.
    pub profile: Option<&'static str>,
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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
pub struct ViewerBody {
    /// Names it within the process.
    pub id: u64,
    /// Short protocol name.
    pub protocol: &'static str,
    /// Address, if there is one.
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
#[derive(Clone, Debug, Serialize)]
pub struct TaskBody {
    /// `pull` or `forward`.
    pub kind: &'static str,
    /// Name of a forward; `null` for a pull.
    pub name: Option<String>,
    /// Application of the stream.
    pub app: String,
    /// The stream.
    pub stream: String,
    /// Where it comes from or goes to, without query, user and password.
    pub urls: Vec<String>,
    /// `waiting`, `connecting`, `streaming`, `retrying` or `stopped`.
    pub state: &'static str,
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

impl StreamBody {
    pub(super) fn of(view: &StreamView, now: SystemTime) -> Self {
        let broadcast = &view.broadcast;
        let publisher = broadcast.publisher();
        let tracks = broadcast.tracks();
        let counters = StreamCounters::read(broadcast);
        let audience: BTreeMap<_, _> = counters
            .audience
            .iter()
            .map(|(&protocol, totals)| {
                let body = AudienceBody {
                    present: totals.present,
                    joined: totals.joined,
                    bytes: totals.bytes,
                    frames: totals.frames,
                    lost_frames: totals.lost_frames,
                    skips: totals.skips,
                };
                (protocol, body)
            })
            .collect();
        Self {
            app: broadcast.key().app.to_string(),
            stream: broadcast.key().stream.to_string(),
            state: match broadcast.state() {
                BroadcastState::Live => "streaming",
                BroadcastState::Interrupted => "waiting",
                BroadcastState::Ended => "stopped",
            },
            since_unix_ms: millis(view.since.duration_since(UNIX_EPOCH)),
            uptime_ms: millis(now.duration_since(view.since)),
            publisher: PublisherBody { protocol: publisher.protocol, address: publisher.peer },
            tracks: tracks.list.iter().map(TrackBody::of).collect(),
            metadata: tracks.metadata.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
            ingest: IngestBody::of(view, &counters),
            viewer_count: audience.values().map(|totals| totals.present).sum(),
            audience,
            held_bytes: broadcast.held().0 + broadcast.held_in_forms(),
        }
    }
}

fn millis(duration: Result<std::time::Duration, std::time::SystemTimeError>) -> u64 {
    duration.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn json(value: &MetadataValue) -> serde_json::Value {
    match value {
        MetadataValue::Number(number) => (*number).into(),
        MetadataValue::Boolean(truth) => (*truth).into(),
        MetadataValue::Text(text) => text.as_str().into(),
    }
}

impl TrackBody {
    fn of(track: &Track) -> Self {
        let codec = &track.codec;
        Self {
            id: track.id.to_string(),
            codec: codec.name(),
            profile: codec.profile_name(),
            level: codec.level_text(),
            width: codec.resolution().map(|size| size.width),
            height: codec.resolution().map(|size| size.height),
            fps: codec.frame_rate().map(|rate| rate.per_second()),
            sample_rate_hz: codec.sample_rate_hz(),
            channels: codec.channels(),
        }
    }
}

impl IngestBody {
    fn of(view: &StreamView, counters: &StreamCounters) -> Self {
        let stats = view.broadcast.stats();
        Self {
            bytes: counters.bytes,
            video_frames: counters.video_frames,
            audio_frames: counters.audio_frames,
            data_frames: counters.data_frames,
            sync_frames: counters.sync_frames,
            bitrate_bps: view.rates.bitrate_bps,
            video_bitrate_bps: view.rates.video_bitrate_bps,
            audio_bitrate_bps: view.rates.audio_bitrate_bps,
            fps: view.rates.fps,
            gop_ms: stats.gop_ms.get(),
            gop_frames: stats.gop_frames.get(),
            jitter_us: stats.jitter_us.get(),
            timestamp_jumps: counters.timestamp_jumps,
            timestamps_backwards: counters.timestamps_backwards,
            dropped_without_track: counters.dropped_without_track,
            dropped_before_sync: counters.dropped_before_sync,
            track_changes: counters.track_changes,
            publishers: counters.publishers,
        }
    }
}

impl ViewerBody {
    pub(super) fn of(viewer: &ViewerView) -> Self {
        let stats = viewer.stats();
        Self {
            id: viewer.id().0,
            protocol: viewer.info().protocol,
            address: viewer.info().peer,
            internal: viewer.info().internal,
            bytes: stats.bytes.get(),
            frames: stats.frames.get(),
            lag_ms: viewer.lag_ms(),
            lost_frames: stats.lost_frames.get(),
            skips: stats.skips.get(),
        }
    }
}

impl TaskBody {
    pub(super) fn of(observer: &Observer, task: TaskView) -> Self {
        let status = &task.status;
        Self {
            kind: task.kind,
            name: task.name,
            app: task.key.app.to_string(),
            stream: task.key.stream.to_string(),
            urls: task.urls,
            state: status.state().as_str(),
            last_error: status.last_error(),
            retries: status.retries.get(),
            bytes: status.bytes.get(),
            frames: status.frames.get(),
            bitrate_bps: observer.task_bitrate_bps(status),
        }
    }
}
