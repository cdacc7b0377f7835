//! How long segments are held: while they are listed, while they may still be fetched, and for time-shift.

use std::sync::Arc;
use std::time::Duration;

use super::options::PackagerOptions;
use crate::proto::hls::name::RenditionId;
use crate::proto::hls::presentation::Presentation;
use crate::proto::hls::segment::{Segment, SegmentBody};
use crate::proto::hls::view::{ListOptions, first_listed};
use crate::proto::hls::window::Window;

/// Target durations from the live edge in which parts are held: three in which they are listed (second edition,
/// 4.4.4.9), and three for who asks for one that was listed a moment ago. They are slices of their segment.
const PARTS_TARGET_DURATIONS: u32 = 6;

/// A segment that left its window.
#[derive(Clone, Debug, PartialEq)]
pub struct Evicted {
    /// Whose it was.
    pub rendition: RenditionId,
    /// The segment.
    pub segment: Arc<Segment>,
}

/// Lets go of what `presentation` need not hold any more, and returns it, oldest first.
///
/// A segment leaves when it is older than `history` and has been out of every playlist for its own duration and
/// that of the longest playlist that listed it (RFC 8216, 6.2.2); earlier, but not while it is listed, when the
/// bodies in memory exceed `max_bytes`. Parts leave the listing three target durations from the end.
pub fn evict(presentation: &mut Presentation, options: &PackagerOptions) -> Vec<Evicted> {
    let mut evicted = Vec::new();
    let newest_ms =
        presentation.renditions.iter().filter_map(|rendition| end_unix_ms(&rendition.window)).max();
    let is_over = presentation.renditions.iter().all(|rendition| rendition.window.ended);
    for rendition in &mut presentation.renditions {
        let window = &mut rendition.window;
        forget_parts(window);
        // A track that vanished grows old while the others go on.
        let is_gone = window.ended && !is_over;
        let since_ms =
            newest_ms.zip(end_unix_ms(window)).map_or(0, |(newest, end)| newest.saturating_sub(end));
        let since =
            Duration::from_millis(u64::try_from(since_ms).unwrap_or(0)).saturating_mul(is_gone.into());
        let listed = listed_duration(window, options.list);
        let mut held = window.duration();
        while let Some(oldest) = window.segments.front() {
            let age = since + held.saturating_sub(oldest.duration);
            let is_listed = !is_gone && first_listed(window, options.list) == 0;
            if is_listed || age < (listed + listed + oldest.duration).max(options.history) {
                break;
            }
            held = held.saturating_sub(oldest.duration);
            pop(window, rendition.id, &mut evicted);
        }
    }
    if !is_over {
        presentation
            .renditions
            .retain(|rendition| !rendition.window.ended || !rendition.window.segments.is_empty());
    }
    while bytes_held(presentation) > options.max_bytes {
        let releasable =
            |window: &Window| first_in_memory(window, first_listed(window, options.list)).is_some();
        let oldest =
            presentation.renditions.iter_mut().filter(|rendition| releasable(&rendition.window)).min_by_key(
                |rendition| rendition.window.segments.front().map(|segment| segment.start_unix_ms),
            );
        let Some(rendition) = oldest else { break };
        release(&mut rendition.window, rendition.id, options.list, &mut evicted);
    }
    evicted
}

/// Takes the oldest segment in memory that is not listed out of it: out of the window, or where older ones are
/// in the store, into a gap.
fn release(window: &mut Window, rendition: RenditionId, list: ListOptions, evicted: &mut Vec<Evicted>) {
    match first_in_memory(window, first_listed(window, list)) {
        Some(0) => pop(window, rendition, evicted),
        Some(index) => {
            if let Some(segment) = window.segments.get_mut(index) {
                let segment = Arc::make_mut(segment);
                (segment.body, segment.parts, segment.len_bytes) = (SegmentBody::Missing, Vec::new(), 0);
            }
        }
        None => {}
    }
}

/// Index of the first segment before index `end` whose body is in memory.
fn first_in_memory(window: &Window, end: usize) -> Option<usize> {
    window.segments.iter().take(end).position(|segment| matches!(segment.body, SegmentBody::Memory(_)))
}

fn pop(window: &mut Window, rendition: RenditionId, evicted: &mut Vec<Evicted>) {
    if let Some(segment) = window.segments.pop_front() {
        evicted.push(Evicted { rendition, segment });
    }
}

/// Duration of the longest playlist: what is listed and the segment that was there before it left.
fn listed_duration(window: &Window, list: ListOptions) -> Duration {
    let first = first_listed(window, list);
    window.segments.iter().skip(first.saturating_sub(1)).map(|segment| segment.duration).sum()
}

fn end_unix_ms(window: &Window) -> Option<i64> {
    window.segments.back().map(|segment| segment.end_unix_ms())
}

/// Bytes of the segments of `presentation` that are in memory.
fn bytes_held(presentation: &Presentation) -> u64 {
    let segments = presentation.renditions.iter().flat_map(|rendition| &rendition.window.segments);
    segments
        .filter(|segment| matches!(segment.body, SegmentBody::Memory(_)))
        .map(|segment| segment.len_bytes)
        .sum()
}

fn forget_parts(window: &mut Window) {
    let Some(target) = window.target_duration_s else { return };
    let reach = Duration::from_secs(u64::from(target) * u64::from(PARTS_TARGET_DURATIONS));
    let mut behind: Duration =
        window.open.iter().flat_map(|open| &open.parts).map(|part| part.duration).sum();
    for segment in window.segments.iter_mut().rev() {
        if behind > reach {
            // What is older has lost its parts before.
            if segment.parts.is_empty() {
                break;
            }
            Arc::make_mut(segment).parts = Vec::new();
        }
        behind += segment.duration;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::proto::hls::name::{Container, RunId};
    use crate::proto::hls::presentation::Rendition;
    use crate::proto::hls::sample;
    use crate::proto::hls::segment::Part;

    /// A segment of two seconds in one part.
    fn segment(msn: u64, bytes: usize) -> Arc<Segment> {
        let body = Bytes::from(vec![0; bytes]);
        let plain = sample::segment(msn, msn as i64 * 2_000, 2_000);
        Arc::new(Segment {
            parts: vec![Part { duration: plain.duration, independent: true, body: body.clone() }],
            len_bytes: bytes as u64,
            body: SegmentBody::Memory(vec![body]),
            ..plain
        })
    }

    fn presentation(segments: u64, bytes: usize) -> Presentation {
        let mut window = Window::new(RunId(1), 0, None);
        window.target_duration_s = Some(2);
        window.segments = (0..segments).map(|msn| segment(msn, bytes)).collect();
        let rendition = Rendition { id: RenditionId::Ts, tracks: Vec::new(), window };
        Presentation { container: Container::Ts, renditions: vec![rendition] }
    }

    fn options() -> PackagerOptions {
        let list = ListOptions { length: Duration::from_secs(8) };
        PackagerOptions { list, history: Duration::ZERO, ..PackagerOptions::default() }
    }

    #[test]
    fn a_segment_stays_fetchable_for_its_duration_and_that_of_the_longest_playlist() {
        // Listed are 4 segments, 5 for a moment: 10 s, and then 10 s and its own 2 s to be fetched: 11 after it.
        assert!(evict(&mut presentation(11, 1), &options()).is_empty());
        let mut more = presentation(13, 1);
        let left: Vec<u64> = evict(&mut more, &options()).iter().map(|gone| gone.segment.msn).collect();
        assert_eq!(left, [0, 1]);
        let first = more.renditions[0].window.segments.front().map(|segment| segment.msn);
        assert_eq!(first, Some(2));
    }

    #[test]
    fn history_is_held_up_to_its_bytes_and_what_is_listed_in_any_case() {
        let options = PackagerOptions { history: Duration::from_secs(60), max_bytes: 20_000, ..options() };
        assert!(evict(&mut presentation(20, 1_000), &options).is_empty(), "at the limit");
        assert_eq!(evict(&mut presentation(21, 1_000), &options).len(), 1);
        assert_eq!(evict(&mut presentation(31, 10), &options).len(), 1, "older than the history");
        assert_eq!(evict(&mut presentation(20, 1_000_000), &options).len(), 16);
    }

    #[test]
    fn what_is_stored_stays_and_what_the_store_was_too_slow_for_is_a_gap() {
        let options = PackagerOptions { history: Duration::from_secs(600), max_bytes: 10_000, ..options() };
        let mut held = presentation(20, 1_000);
        for segment in held.renditions[0].window.segments.iter_mut().take(8) {
            Arc::make_mut(segment).body = SegmentBody::Stored;
        }
        assert!(evict(&mut held, &options).is_empty());
        let missing = |held: &Presentation| -> Vec<u64> {
            let segments = held.renditions[0].window.segments.iter();
            segments
                .filter(|segment| segment.body == SegmentBody::Missing)
                .map(|segment| segment.msn)
                .collect()
        };
        assert_eq!(missing(&held), [8, 9]);
        held.renditions[0].window.segments.extend((20..30).map(|msn| segment(msn, 1_000_000)));
        assert!(evict(&mut held, &options).is_empty());
        assert_eq!(missing(&held), (8..26).collect::<Vec<_>>(), "but what is listed stays");
    }

    #[test]
    fn the_window_of_a_vanished_track_grows_old_while_others_go_on() {
        let mut presentation = presentation(10, 1);
        let mut gone = Rendition { id: RenditionId::Audio(0), ..presentation.renditions[0].clone() };
        gone.window.ended = true;
        gone.window.segments.truncate(6);
        presentation.renditions.push(gone);
        let left = |presentation: &mut Presentation, msn: u64| {
            presentation.renditions[0].window.segments.push_back(segment(msn, 1));
            evict(presentation, &options())
                .iter()
                .filter(|gone| gone.rendition == RenditionId::Audio(0))
                .count()
        };
        assert_eq!(left(&mut presentation, 10), 0);
        assert_eq!((11..30).map(|msn| left(&mut presentation, msn)).sum::<usize>(), 6);
        assert_eq!(presentation.renditions.len(), 1, "and goes");
    }

    #[test]
    fn parts_are_held_for_six_target_durations() {
        let mut held = presentation(10, 1);
        evict(&mut held, &options());
        let with_parts: Vec<u64> = held.renditions[0]
            .window
            .segments
            .iter()
            .filter(|segment| !segment.parts.is_empty())
            .map(|segment| segment.msn)
            .collect();
        assert_eq!(with_parts, [3, 4, 5, 6, 7, 8, 9]);
    }
}
