//! The JSON bodies of the API, made from what the hub and the observer tell.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use streamer_control::link::engine_api::{
    AudienceBody, IngestBody, PublisherBody, StreamBody, TaskBody, TrackBody, ViewerBody,
};
use streamer_core::hub::{BroadcastState, ViewerView};
use streamer_core::{MetadataValue, Track};

use crate::observe::{Observer, StreamCounters, StreamView};
use crate::tasks::TaskView;

pub(super) fn stream(view: &StreamView, now: SystemTime) -> StreamBody {
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
            (protocol.to_owned(), body)
        })
        .collect();
    StreamBody {
        app: broadcast.key().app.to_string(),
        stream: broadcast.key().stream.to_string(),
        state: match broadcast.state() {
            BroadcastState::Live => "streaming",
            BroadcastState::Interrupted => "waiting",
            BroadcastState::Ended => "stopped",
        }
        .to_owned(),
        since_unix_ms: millis(view.since.duration_since(UNIX_EPOCH)),
        uptime_ms: millis(now.duration_since(view.since)),
        publisher: PublisherBody { protocol: publisher.protocol.to_owned(), address: publisher.peer },
        tracks: tracks.list.iter().map(track).collect(),
        metadata: tracks.metadata.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
        ingest: ingest(view, &counters),
        viewer_count: audience.values().map(|totals| totals.present).sum(),
        audience,
        held_bytes: (broadcast.held().0 + broadcast.held_in_forms()) as u64,
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

fn track(track: &Track) -> TrackBody {
    let codec = &track.codec;
    TrackBody {
        id: track.id.to_string(),
        codec: codec.name().to_owned(),
        profile: codec.profile_name().map(str::to_owned),
        level: codec.level_text(),
        width: codec.resolution().map(|size| size.width),
        height: codec.resolution().map(|size| size.height),
        fps: codec.frame_rate().map(|rate| rate.per_second()),
        sample_rate_hz: codec.sample_rate_hz(),
        channels: codec.channels(),
    }
}

fn ingest(view: &StreamView, counters: &StreamCounters) -> IngestBody {
    let stats = view.broadcast.stats();
    IngestBody {
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

pub(super) fn viewer(viewer: &ViewerView) -> ViewerBody {
    let stats = viewer.stats();
    ViewerBody {
        id: viewer.id().0,
        protocol: viewer.info().protocol.to_owned(),
        address: viewer.info().peer,
        internal: viewer.info().internal,
        bytes: stats.bytes.get(),
        frames: stats.frames.get(),
        lag_ms: viewer.lag_ms(),
        lost_frames: stats.lost_frames.get(),
        skips: stats.skips.get(),
    }
}

pub(super) fn task(observer: &Observer, task: TaskView) -> TaskBody {
    let status = &task.status;
    TaskBody {
        kind: task.kind.to_owned(),
        name: task.name,
        app: task.key.app.to_string(),
        stream: task.key.stream.to_string(),
        current_url: status.place().and_then(|place| task.urls.get(place).cloned()),
        urls: task.urls,
        state: status.state().as_str().to_owned(),
        last_error: status.last_error(),
        retries: status.retries.get(),
        bytes: status.bytes.get(),
        frames: status.frames.get(),
        bitrate_bps: observer.task_bitrate_bps(status),
    }
}
