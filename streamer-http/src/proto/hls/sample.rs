//! Windows and presentations made by hand, for the tests of what is made from them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streamer_core::codec::{AacConfig, AvcConfig, Codec};
use streamer_core::{Timescale, Track, TrackId};

use super::name::{Container, RenditionId, RunId};
use super::presentation::{Presentation, Rendition};
use super::segment::{Map, MediaTime, Part, Segment, SegmentBody, Timeline};
use super::window::{OpenSegment, Window};

/// 2026-01-02T03:04:05.678Z.
pub(crate) const BEGIN_UNIX_MS: i64 = 1_767_323_045_678;
/// Media time at the begin of a window, in milliseconds.
pub(crate) const BEGIN_MEDIA_MS: u64 = 10_000;
/// Bytes of each second of a segment.
const BYTES_PER_SECOND: u64 = 125_000;

/// A window of segments that last as long, with a target duration of 2 s or what the longest needs.
pub(crate) fn window(millis: &[u64]) -> Window {
    let mut window = Window::new(RunId(0xabc), 0, None);
    let longest = millis.iter().max().map_or(2, |&longest| longest.div_ceil(1_000).max(2));
    window.target_duration_s = u32::try_from(longest).ok();
    let mut at = BEGIN_UNIX_MS;
    for (msn, &millis) in (0..).zip(millis) {
        window.segments.push_back(Arc::new(segment(msn, at, millis)));
        at += i64::try_from(millis).unwrap();
    }
    window
}

/// A segment of a plain stream.
pub(crate) fn segment(msn: u64, start_unix_ms: i64, millis: u64) -> Segment {
    Segment {
        msn,
        duration: Duration::from_millis(millis),
        start_unix_ms,
        media_time: None,
        discontinuity: false,
        discontinuity_sequence: 0,
        independent: true,
        map: None,
        key: None,
        parts: Vec::new(),
        date_ranges: Vec::new(),
        len_bytes: millis * BYTES_PER_SECOND / 1_000,
        body: SegmentBody::Memory(vec![Bytes::from_static(b"media")]),
    }
}

pub(crate) fn part(millis: u64, independent: bool) -> Part {
    Part { duration: Duration::from_millis(millis), independent, body: Bytes::from_static(b"part") }
}

pub(crate) fn map(number: u32, track: Track) -> Arc<Map> {
    Arc::new(Map { number, codec: track.codec, body: Bytes::from_static(b"map") })
}

/// The window as that of `track` in fMP4, on one timeline that begins [`BEGIN_MEDIA_MS`] after media time 0 and with
/// its first segment.
pub(crate) fn on_timeline(mut window: Window, track: &Track, timescale: Timescale, reorder: u64) -> Window {
    let ticks = |millis: u64| millis * u64::from(timescale.ticks_per_second()) / 1_000;
    let timeline = Timeline { begin_ms: BEGIN_MEDIA_MS, begin_unix_ms: BEGIN_UNIX_MS };
    let mut at_ms = BEGIN_MEDIA_MS;
    for segment in &mut window.segments {
        let millis = u64::try_from(segment.duration.as_millis()).unwrap();
        let segment = Arc::make_mut(segment);
        segment.map = Some(map(0, track.clone()));
        segment.media_time = Some(MediaTime {
            timescale,
            decode_time: ticks(at_ms) - reorder,
            reorder: i64::try_from(reorder).unwrap(),
            ticks: ticks(millis),
            timeline,
        });
        at_ms += millis;
    }
    window
}

/// The window in fMP4, with parts of 500 ms in its segments and one part more.
pub(crate) fn with_part(mut window: Window) -> Window {
    window.part_target = Some(Duration::from_millis(500));
    window.shortest = Duration::from_secs(2);
    let map = Some(map(0, video()));
    for segment in &mut window.segments {
        let parts = u64::try_from(segment.duration.as_millis()).unwrap() / 500;
        let segment = Arc::make_mut(segment);
        segment.parts = (0..parts).map(|index| part(500, index == 0)).collect();
        segment.map.clone_from(&map);
    }
    window.open = Some(OpenSegment {
        msn: window.next_msn(),
        start_unix_ms: window.segments.back().map_or(BEGIN_UNIX_MS, |last| last.end_unix_ms()),
        discontinuity: false,
        map,
        key: None,
        parts: vec![part(500, true)],
        date_ranges: Vec::new(),
    });
    window
}

pub(crate) fn change(window: &mut Window, msn: u64, change: impl FnOnce(&mut Segment)) {
    let segment = window.segments.iter_mut().find(|segment| segment.msn == msn).unwrap();
    change(Arc::make_mut(segment));
}

pub(crate) fn video() -> Track {
    let record = include_bytes!("../../../../streamer-core/testdata/testing/h264.record");
    let codec = Codec::H264(AvcConfig::parse(record).unwrap());
    Track { id: TrackId::video(0), timescale: Timescale::MILLIS, codec }
}

pub(crate) fn audio(index: u8) -> Track {
    let codec = Codec::Aac(AacConfig::parse(&[0x11, 0x90]).unwrap());
    Track { id: TrackId::audio(index), timescale: Timescale::MILLIS, codec }
}

/// The whole stream in one rendition.
pub(crate) fn ts(window: Window) -> Presentation {
    let tracks = vec![video(), audio(0)];
    Presentation {
        container: Container::Ts,
        renditions: vec![Rendition { id: RenditionId::Ts, tracks, window }],
    }
}

/// Video, and audio in the same window.
pub(crate) fn fmp4(window: &Window) -> Presentation {
    let rendition = |id, track| Rendition { id, tracks: vec![track], window: window.clone() };
    Presentation {
        container: Container::Fmp4,
        renditions: vec![
            rendition(RenditionId::Video(0), video()),
            rendition(RenditionId::Audio(0), audio(0)),
        ],
    }
}
