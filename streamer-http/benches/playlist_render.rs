//! Rendering of media playlists: what each new part of a stream costs before it is shared by all its viewers.
#![allow(missing_docs, unreachable_pub, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use streamer_core::Codec;
use streamer_core::codec::Mp3Config;
use streamer_http::proto::hls::{
    Container, ListOptions, Map, MediaView, OpenSegment, Part, Presentation, Rendition, RenditionId, RunId,
    Segment, SegmentBody, Skip, Window, media_playlist,
};

const SEGMENT_MS: u64 = 2_000;
const PARTS: u64 = 10;

fn parts() -> Vec<Part> {
    let duration = Duration::from_millis(SEGMENT_MS / PARTS);
    (0..PARTS).map(|number| Part { duration, independent: number == 0, body: Bytes::new() }).collect()
}

/// A window of `count` segments in fMP4, with parts if `low_latency`.
fn window(count: u64, low_latency: bool) -> Window {
    let begin = 1_767_323_045_678;
    let part_target = low_latency.then(|| Duration::from_millis(SEGMENT_MS / PARTS));
    let mut window = Window::new(RunId(begin), 0, part_target);
    window.target_duration_s = Some(2);
    let codec = Codec::Mp3(Mp3Config { sample_rate_hz: 44_100, channels: 2, frame_samples: 1_152 });
    let map = Some(Arc::new(Map { number: 0, codec, body: Bytes::new() }));
    let start_unix_ms = |msn: u64| i64::try_from(begin + msn * SEGMENT_MS).unwrap_or_default();
    for msn in 0..count {
        window.segments.push_back(Arc::new(Segment {
            msn,
            duration: Duration::from_millis(SEGMENT_MS),
            start_unix_ms: start_unix_ms(msn),
            media_time: None,
            discontinuity: false,
            discontinuity_sequence: 0,
            independent: true,
            map: map.clone(),
            key: None,
            parts: if low_latency { parts() } else { Vec::new() },
            date_ranges: Vec::new(),
            len_bytes: 600_000,
            body: SegmentBody::Stored,
        }));
    }
    if low_latency {
        window.open = Some(OpenSegment {
            msn: count,
            start_unix_ms: start_unix_ms(count),
            discontinuity: false,
            map,
            key: None,
            parts: parts(),
            date_ranges: Vec::new(),
        });
    }
    window
}

fn render(c: &mut Criterion) {
    let mut group = c.benchmark_group("playlist_render");
    let cases = [
        ("plain_6", 6, false, None),
        ("low_latency_6", 6, true, None),
        ("low_latency_300", 300, true, None),
        ("delta_of_300", 300, true, Some(Skip::Segments)),
    ];
    for (name, count, low_latency, skip) in cases {
        let id = RenditionId::Video(0);
        let rendition = Rendition { id, tracks: Vec::new(), window: window(count, low_latency) };
        let presentation = Presentation { container: Container::Fmp4, renditions: vec![rendition] };
        let options = ListOptions { length: Duration::from_millis(count * SEGMENT_MS) };
        let view = MediaView { skip, ..MediaView::LIVE };
        group.bench_function(name, |bencher| {
            bencher.iter(|| media_playlist(black_box(&presentation), id, &view, options));
        });
    }
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
