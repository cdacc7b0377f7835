//! Metrics in the `OpenMetrics` text format, with a bounded number of series.
//!
//! Each stream has labels `app` and `stream` of its own as long as there are fewer than
//! [`MAX_LABELLED_STREAMS`](crate::observe::MAX_LABELLED_STREAMS); what came later is summed under
//! `app="*",stream="*"`, which is no name a stream can have.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use streamer_core::hub::{AudienceTotals, Relief};

use crate::observe::{StreamCounters, StreamView};

/// Content type of what [`render`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Label of everything that has none of its own.
pub const REST: &str = "*";

/// Counters of one listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerRow {
    /// Its name in the configuration.
    pub listener: &'static str,
    /// Connections open.
    pub open: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused, by cause.
    pub refused: Vec<(&'static str, u64)>,
}

/// Counters of one listener for HTTP streaming, beyond its connections.
#[derive(Clone, Debug, Default)]
pub struct MediaPortRow {
    /// Its name in the configuration.
    pub listener: &'static str,
    /// Requests with a complete header.
    pub requests: u64,
    /// Viewers begun, by protocol.
    pub viewers: Vec<(&'static str, u64)>,
    /// Requests for HLS, by what was wanted or became of them.
    pub hls: Vec<(&'static str, u64)>,
    /// Requests refused, by cause.
    pub refused: Vec<(&'static str, u64)>,
    /// Connections and HTTP/2 streams that did not end cleanly, by cause.
    pub failed: Vec<(&'static str, u64)>,
}

/// What HLS holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct HlsRow {
    /// Containers of streams that segments are held of.
    pub presentations: u64,
    /// Bytes of segments in memory.
    pub memory_bytes: u64,
    /// Bytes of segments on disk.
    pub stored_bytes: u64,
    /// Requests held open for media to come.
    pub blocked_requests: u64,
    /// Viewers and passes.
    pub sessions: u64,
}

/// What was asked of other servers about access.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessRow {
    /// Questions sent to callbacks.
    pub asked: u64,
    /// Those that callbacks failed to answer.
    pub failed: u64,
    /// Questions answered by what a callback said before.
    pub kept: u64,
    /// Key sets that could not be fetched.
    pub key_set_failures: u64,
}

/// Counters of one pull or forward.
#[derive(Clone, Debug, Default)]
pub struct TaskRow {
    /// `pull` or `forward`.
    pub kind: &'static str,
    /// Its state.
    pub state: &'static str,
    /// Times it tried again.
    pub retries: u64,
    /// Payload bytes moved.
    pub bytes: u64,
}

/// Everything that is shown, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    streams: Vec<StreamRow>,
    rest: StreamCounters,
    rest_streams: u64,
    /// Viewers that wait for streams that are not there.
    pub waiting: u64,
    /// Tasks of the runtime that have not ended.
    pub runtime_tasks: u64,
    /// What gives way to overload.
    pub relief: Relief,
    /// The listeners.
    pub listeners: Vec<ListenerRow>,
    /// Those for HTTP streaming.
    pub media_ports: Vec<MediaPortRow>,
    /// What HLS holds.
    pub hls: HlsRow,
    /// What was asked about access.
    pub access: AccessRow,
    /// The tasks, summed by kind.
    pub tasks: Vec<TaskRow>,
}

#[derive(Clone, Debug)]
struct StreamRow {
    app: String,
    stream: String,
    counters: StreamCounters,
    gauges: Vec<(Gauge, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gauge {
    BitrateBps,
    Fps,
    GopMs,
    GopFrames,
    JitterMs,
    HeldBytes,
}

impl Scrape {
    /// Reads `streams`; those without labels go into the sums of the rest, `rest`.
    #[must_use]
    pub fn new(streams: &[StreamView], mut rest: StreamCounters) -> Self {
        let mut rows = Vec::new();
        let mut rest_streams = 0;
        for view in streams {
            if view.labelled {
                rows.push(row(view));
            } else {
                rest_streams += 1;
                for (protocol, totals) in view.broadcast.audience() {
                    rest.audience.entry(protocol).or_default().present += totals.present;
                }
            }
        }
        Self { streams: rows, rest, rest_streams, ..Self::default() }
    }
}

fn row(view: &StreamView) -> StreamRow {
    let broadcast = &view.broadcast;
    let stats = broadcast.stats();
    let mut gauges = vec![
        (Gauge::BitrateBps, view.rates.bitrate_bps as f64),
        (Gauge::Fps, view.rates.fps),
        (Gauge::HeldBytes, (broadcast.held().0 + broadcast.held_in_forms()) as f64),
    ];
    for (gauge, value, unit) in [
        (Gauge::GopMs, &stats.gop_ms, 1.0),
        (Gauge::GopFrames, &stats.gop_frames, 1.0),
        (Gauge::JitterMs, &stats.jitter_us, 1_000.0),
    ] {
        gauges.extend(value.get().map(|value| (gauge, value as f64 / unit)));
    }
    StreamRow {
        app: broadcast.key().app.to_string(),
        stream: broadcast.key().stream.to_string(),
        counters: StreamCounters::read(broadcast),
        gauges,
    }
}

/// The text of `scrape`.
///
/// # Errors
/// Never in practice: text is written to memory.
pub fn render(scrape: Scrape) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes one family of counters.
fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels<'a>, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
    }
    Ok(())
}

/// Writes one family of gauges.
fn gauges<'a, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (Labels<'a>, V)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        if labels.is_empty() {
            family.encode_gauge(&value)?;
        } else {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_process(&mut encoder)?;
        self.encode_ingest(&mut encoder)?;
        self.encode_audience(&mut encoder)
    }
}

impl Scrape {
    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        gauges(encoder, "tts_build", "The version that runs, as a label", [(version, 1u64)].into_iter())?;
        let live = self.streams.len() as u64 + self.rest_streams;
        gauges(encoder, "tts_streams", "Live streams", [(Vec::new(), live)].into_iter())?;
        let waiting = [(Vec::new(), self.waiting)].into_iter();
        gauges(encoder, "tts_waiting_viewers", "Viewers waiting for a stream that is not there", waiting)?;
        let tasks = [(Vec::new(), self.runtime_tasks)].into_iter();
        gauges(encoder, "tts_runtime_tasks", "Tasks of the process that have not ended", tasks)?;
        let Relief { widening, refuses_viewers } = self.relief;
        for (name, help, value) in [
            (
                "tts_overload_widening",
                "Times that write windows are doubled for want of processor time",
                widening,
            ),
            (
                "tts_overload_refusing",
                "1 while new viewers are refused for want of it",
                refuses_viewers.into(),
            ),
        ] {
            gauges(encoder, name, help, [(Vec::new(), u64::from(value))].into_iter())?;
        }
        let listeners = || self.listeners.iter();
        let label = |row: &ListenerRow| vec![("listener", row.listener)];
        let open = listeners().map(|row| (label(row), row.open));
        gauges(encoder, "tts_connections", "Connections open", open)?;
        let accepted = listeners().map(|row| (label(row), row.accepted));
        counters(encoder, "tts_connections_accepted", "Connections accepted", accepted)?;
        let refused = listeners().flat_map(|row| {
            row.refused
                .iter()
                .map(|&(cause, count)| (vec![("listener", row.listener), ("cause", cause)], count))
        });
        counters(encoder, "tts_connections_refused", "Connections refused, by cause", refused)?;
        self.encode_media_ports(encoder)?;
        self.encode_hls(encoder)?;
        self.encode_access(encoder)?;
        self.encode_tasks(encoder)
    }

    fn encode_media_ports(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let requests = self.media_ports.iter().map(|row| (vec![("listener", row.listener)], row.requests));
        counters(encoder, "tts_http_requests", "Requests for streams with a complete header", requests)?;
        type Parts = fn(&MediaPortRow) -> &Vec<(&'static str, u64)>;
        let split: [(&str, &str, &str, Parts); 4] = [
            ("tts_http_viewers", "Viewers begun, by protocol", "protocol", |row| &row.viewers),
            ("tts_http_hls_requests", "Requests for HLS and DASH, by kind", "kind", |row| &row.hls),
            ("tts_http_refused", "Requests refused, by cause", "cause", |row| &row.refused),
            ("tts_http_failed", "Connections that did not end cleanly, by cause", "cause", |row| &row.failed),
        ];
        for (name, help, label, parts) in split {
            let rows = self.media_ports.iter().flat_map(|row| {
                let labels = move |part| vec![("listener", row.listener), (label, part)];
                parts(row).iter().map(move |&(part, count)| (labels(part), count))
            });
            counters(encoder, name, help, rows)?;
        }
        Ok(())
    }

    fn encode_hls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let row = &self.hls;
        for (name, help, value) in [
            ("tts_hls_presentations", "Containers of streams that segments are held of", row.presentations),
            ("tts_hls_memory_bytes", "Bytes of segments held in memory", row.memory_bytes),
            ("tts_hls_stored_bytes", "Bytes of segments held on disk", row.stored_bytes),
            ("tts_hls_blocked_requests", "Requests held open for media to come", row.blocked_requests),
            ("tts_hls_sessions", "Viewers and passes of HLS", row.sessions),
        ] {
            gauges(encoder, name, help, [(Vec::new(), value)].into_iter())?;
        }
        Ok(())
    }

    fn encode_access(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let row = &self.access;
        let result = |result| vec![("result", result)];
        let callbacks =
            [(result("asked"), row.asked), (result("failed"), row.failed), (result("kept"), row.kept)];
        let help =
            "Questions to access callbacks: asked, failed of those, and answered by what was said before";
        counters(encoder, "tts_access_callbacks", help, callbacks.into_iter())?;
        let key_sets = [(result("failed"), row.key_set_failures)];
        counters(encoder, "tts_access_key_sets", "Fetches of key sets for tokens", key_sets.into_iter())
    }

    fn encode_tasks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut states = std::collections::BTreeMap::<_, u64>::new();
        let mut sums = std::collections::BTreeMap::<_, (u64, u64)>::new();
        for task in &self.tasks {
            *states.entry((task.kind, task.state)).or_default() += 1;
            let (retries, bytes) = sums.entry(task.kind).or_default();
            *retries += task.retries;
            *bytes += task.bytes;
        }
        let by_state =
            states.iter().map(|(&(kind, state), &count)| (vec![("kind", kind), ("state", state)], count));
        gauges(encoder, "tts_tasks", "Pulls and forwards, by state", by_state)?;
        let retries = sums.iter().map(|(&kind, &(retries, _))| (vec![("kind", kind)], retries));
        gauges(encoder, "tts_task_retries", "Times that the tasks there are now tried again", retries)?;
        let bytes = sums.iter().map(|(&kind, &(_, bytes))| (vec![("kind", kind)], bytes));
        gauges(encoder, "tts_task_bytes", "Payload bytes that the tasks there are now moved", bytes)
    }

    /// The rows of the streams and the one of the rest, if there is a rest.
    fn rows(&self) -> impl Iterator<Item = (&str, &str, &StreamCounters)> {
        let own = self.streams.iter().map(|row| (row.app.as_str(), row.stream.as_str(), &row.counters));
        let rest = (self.rest != StreamCounters::default()).then_some((REST, REST, &self.rest));
        own.chain(rest)
    }

    fn encode_ingest(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let labels = |app, stream| vec![("app", app), ("stream", stream)];
        type Read = fn(&StreamCounters) -> u64;
        let simple: [(&str, &str, Read); 4] = [
            ("tts_ingest_bytes", "Payload bytes taken in", |counters| counters.bytes),
            ("tts_ingest_sync_frames", "Random access points taken in", |counters| counters.sync_frames),
            ("tts_ingest_track_changes", "Changes of tracks or their configuration", |counters| {
                counters.track_changes
            }),
            ("tts_ingest_publishers", "Publishers, one after the other", |counters| counters.publishers),
        ];
        for (name, help, read) in simple {
            let rows = self.rows().map(|(app, stream, values)| (labels(app, stream), read(values)));
            counters(encoder, name, help, rows)?;
        }
        type Parts = fn(&StreamCounters) -> Vec<(&'static str, u64)>;
        let split: [(&str, &str, &str, Parts); 3] = [
            ("tts_ingest_frames", "Frames taken in, by kind of track", "kind", |values| {
                vec![
                    ("video", values.video_frames),
                    ("audio", values.audio_frames),
                    ("data", values.data_frames),
                ]
            }),
            ("tts_ingest_dropped_frames", "Frames not taken in, by cause", "cause", |values| {
                vec![("no_track", values.dropped_without_track), ("before_sync", values.dropped_before_sync)]
            }),
            ("tts_ingest_timestamp_repairs", "Timestamps repaired, by what they did", "cause", |values| {
                vec![("jump", values.timestamp_jumps), ("backwards", values.timestamps_backwards)]
            }),
        ];
        for (name, help, label, parts) in split {
            let rows = self.rows().flat_map(|(app, stream, values)| {
                parts(values)
                    .into_iter()
                    .map(move |(part, value)| (vec![("app", app), ("stream", stream), (label, part)], value))
            });
            counters(encoder, name, help, rows)?;
        }
        for (gauge, name, help) in [
            (
                Gauge::BitrateBps,
                "tts_ingest_bitrate_bps",
                "Payload bits per second taken in, mean of five seconds",
            ),
            (Gauge::Fps, "tts_ingest_fps", "Pictures per second taken in, mean of five seconds"),
            (Gauge::GopMs, "tts_ingest_gop_ms", "Media time of the last complete GOP, milliseconds"),
            (Gauge::GopFrames, "tts_ingest_gop_frames", "Frames of the last complete GOP"),
            (
                Gauge::JitterMs,
                "tts_ingest_jitter_ms",
                "Deviation of arrival from decode times, milliseconds, smoothed",
            ),
            (Gauge::HeldBytes, "tts_held_bytes", "Bytes held for viewers"),
        ] {
            let rows = self.streams.iter().filter_map(|row| {
                let value = row.gauges.iter().find(|(held, _)| *held == gauge)?.1;
                Some((labels(&row.app, &row.stream), value))
            });
            gauges(encoder, name, help, rows)?;
        }
        Ok(())
    }

    fn encode_audience(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let rows = |read: fn(&AudienceTotals) -> u64| {
            self.rows().flat_map(move |(app, stream, values)| {
                values.audience.iter().map(move |(&protocol, totals)| {
                    (vec![("app", app), ("stream", stream), ("protocol", protocol)], read(totals))
                })
            })
        };
        gauges(encoder, "tts_viewers", "Viewers there now", rows(|totals| totals.present))?;
        counters(encoder, "tts_viewers_joined", "Viewers that came", rows(|totals| totals.joined))?;
        counters(
            encoder,
            "tts_sent_bytes",
            "Bytes handed to viewers' connections",
            rows(|totals| totals.bytes),
        )?;
        counters(
            encoder,
            "tts_sent_frames",
            "Frames handed to viewers' connections",
            rows(|totals| totals.frames),
        )?;
        counters(
            encoder,
            "tts_viewer_skips",
            "Times a slow viewer was skipped forward",
            rows(|totals| totals.skips),
        )?;
        let lost = self.rows().flat_map(|(app, stream, values)| {
            values.audience.iter().map(move |(&protocol, totals)| {
                let labels =
                    vec![("app", app), ("stream", stream), ("protocol", protocol), ("cause", "slow")];
                (labels, totals.lost_frames)
            })
        });
        counters(encoder, "tts_lost_frames", "Frames that viewers missed, by cause", lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Observer;
    use crate::tasks::TaskSet;
    use std::time::{Instant, SystemTime};
    use streamer_core::hub::PublisherInfo;

    #[test]
    fn the_number_of_series_is_bounded_whatever_is_published() {
        let registry = streamer_core::Registry::default();
        let observer = Observer::new(registry.clone(), TaskSet::new(registry.clone()), 3);
        let publish = |index: usize| {
            let info = PublisherInfo { protocol: "test", peer: None };
            registry.publish(&format!("live/s{index}").parse().unwrap(), info).unwrap()
        };
        let text_of = || {
            observer.sample(Instant::now(), SystemTime::now());
            render(Scrape::new(&observer.streams(), observer.rest())).unwrap()
        };
        let _few: Vec<_> = (0..4).map(publish).collect();
        let text = text_of();
        assert!(text.contains("stream=\"s2\"") && !text.contains("stream=\"s3\""), "{text}");
        assert!(text.contains("tts_ingest_publishers_total{app=\"*\",stream=\"*\"} 1"), "{text}");
        assert!(text.contains("\ntts_streams 4\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
        let _many: Vec<_> = (4..50).map(publish).collect();
        let more = text_of();
        assert!(more.contains("tts_ingest_publishers_total{app=\"*\",stream=\"*\"} 47"), "{more}");
        assert_eq!(
            text.lines().count(),
            more.lines().count(),
            "as many series for fifty streams as for four"
        );
    }

    #[test]
    fn tasks_and_listeners_are_summed() {
        let task = |state| TaskRow { kind: "pull", state, retries: 2, bytes: 10 };
        let listener = ListenerRow { listener: "rtmp", open: 3, accepted: 9, refused: vec![("full", 1)] };
        let scrape = Scrape {
            tasks: vec![task("retrying"), task("retrying")],
            listeners: vec![listener],
            access: AccessRow { failed: 4, ..AccessRow::default() },
            ..Scrape::default()
        };
        let text = render(scrape).unwrap();
        for line in [
            "tts_access_callbacks_total{result=\"failed\"} 4",
            "tts_tasks{kind=\"pull\",state=\"retrying\"} 2",
            "tts_task_retries{kind=\"pull\"} 4",
            "tts_connections{listener=\"rtmp\"} 3",
            "tts_connections_refused_total{listener=\"rtmp\",cause=\"full\"} 1",
        ] {
            assert!(text.lines().any(|held| held == line), "{line}\n{text}");
        }
    }
}
