//! What must hold of every window, whatever the stream was.

use std::time::Duration;

use super::read::{Fragment, fragments_of, timescale};
use crate::proto::hls::name::Container;
use crate::proto::hls::packager::clock::MAX_SLEW_MS;
use crate::proto::hls::presentation::{Presentation, Rendition};
use crate::proto::hls::segment::{Segment, SegmentBody, Timeline};

/// Fails where a rendition of `presentation`, or the renditions together, break a rule.
pub(super) fn assert_valid(presentation: &Presentation) {
    for rendition in &presentation.renditions {
        assert_window_valid(rendition);
    }
    for pair in presentation.renditions.windows(2) {
        for first in &pair[0].window.segments {
            let Some(second) = pair[1].window.segment(first.msn) else { continue };
            if let (Some(first), Some(second)) = (first.media_time, second.media_time) {
                assert_eq!(first.timeline, second.timeline, "timelines of renditions agree");
            }
            assert_eq!(
                (first.discontinuity, first.discontinuity_sequence),
                (second.discontinuity, second.discontinuity_sequence),
                "discontinuities of segment {} agree",
                first.msn
            );
        }
        assert_eq!(pair[0].window.part_target, pair[1].window.part_target);
        if let (Some(first), Some(second)) =
            (pair[0].window.target_duration_s, pair[1].window.target_duration_s)
        {
            assert_eq!(first, second);
        }
    }
}

pub(super) fn assert_window_valid(rendition: &Rendition) {
    let window = &rendition.window;
    let is_independent = |segment: &Segment| segment.independent || segment.body == SegmentBody::Missing;
    assert!(!window.independent || window.segments.iter().all(|segment| is_independent(segment)));
    let mut previous: Option<&Segment> = None;
    let mut decoded_until = None;
    // Steps back that short gaps had no room for are made in the segments after them.
    let mut slews = 2;
    for segment in &window.segments {
        let target = window.target_duration_s.expect("known once there is a segment");
        let rounded = (segment.duration.as_millis() + 500) / 1_000;
        assert!(rounded <= target.into(), "{:?} rounds to more than {target} s", segment.duration);
        assert!(!segment.duration.is_zero());
        if let Some(previous) = previous {
            assert_eq!(segment.msn, previous.msn + 1, "media sequence numbers are consecutive");
            let discontinuities = previous.discontinuity_sequence + u64::from(segment.discontinuity);
            assert_eq!(segment.discontinuity_sequence, discontinuities);
            assert_clock(previous, segment, slews);
            assert_timeline(previous, segment);
            let is_after_gap = previous.body == SegmentBody::Missing || segment.body == SegmentBody::Missing;
            slews = if is_after_gap { slews + 1 } else { 2 };
        }
        if segment.body == SegmentBody::Missing || segment.discontinuity {
            decoded_until = None;
        }
        if rendition.id.container() == Container::Fmp4 {
            assert_fmp4(rendition, segment, &mut decoded_until);
        }
        previous = Some(segment);
    }
    if let Some(open) = &window.open {
        assert_eq!(open.msn, window.next_msn());
        assert!(!open.parts.is_empty());
    }
}

/// Wall-clock time never falls, and follows the media but for a slew and for gaps.
fn assert_clock(previous: &Segment, segment: &Segment, slews: i64) {
    let drift = segment.start_unix_ms - previous.end_unix_ms();
    let is_gap = previous.body == SegmentBody::Missing || segment.body == SegmentBody::Missing;
    let since = segment.start_unix_ms - previous.start_unix_ms;
    assert!(since >= 0, "wall-clock time falls by {since} ms at {}: {previous:?}, {segment:?}", segment.msn);
    if !segment.discontinuity && !is_gap {
        assert!(drift.abs() <= slews * MAX_SLEW_MS + 2, "wall clock is {drift} ms off at {}", segment.msn);
    }
}

/// A timeline goes on until a discontinuity, and the clock of the next one is not behind its own.
fn assert_timeline(previous: &Segment, segment: &Segment) {
    let (Some(before), Some(after)) = (previous.media_time, segment.media_time) else { return };
    let zero_unix_ms = |time: Timeline| time.begin_unix_ms - time.begin_ms as i64;
    if segment.discontinuity {
        assert!(zero_unix_ms(after.timeline) >= zero_unix_ms(before.timeline), "{previous:?}, {segment:?}");
    } else {
        assert_eq!(before.timeline, after.timeline);
        assert_eq!(before.decode_time + before.ticks, after.decode_time);
    }
}

fn assert_fmp4(rendition: &Rendition, segment: &Segment, decoded_until: &mut Option<i64>) {
    let SegmentBody::Memory(pieces) = &segment.body else { return };
    let scale = timescale(&segment.map.as_ref().expect("fMP4 needs a map").body);
    let parts = fragments_of(segment);
    if !segment.parts.is_empty() {
        let joined: Vec<u8> = segment.parts.iter().flat_map(|part| part.body.to_vec()).collect();
        assert!(joined == pieces.concat(), "the segment is its parts");
        assert_eq!(parts.len(), segment.parts.len(), "a part is a fragment");
    }
    assert_eq!(parts.first().map(|part| part.samples[0].sync), Some(segment.independent));
    assert!(parts.iter().enumerate().all(|(index, part)| part.has_styp == (index == 0)));
    for part in &parts {
        if let Some(until) = *decoded_until {
            assert_eq!(part.base_decode_time, until, "decode times are continuous in {}", segment.msn);
        }
        *decoded_until = Some(part.base_decode_time + part.duration());
    }
    let ticks: i64 = parts.iter().map(Fragment::duration).sum();
    let time = segment.media_time.expect("media lie somewhere");
    assert_eq!(i64::from(time.timescale.ticks_per_second()), scale);
    assert_eq!(Some(time.decode_time as i64), parts.first().map(|part| part.base_decode_time));
    assert_eq!(time.ticks as i64, ticks);
    let told = segment.duration.as_nanos() as i128 * i128::from(scale) / 1_000_000_000;
    assert!((told - i128::from(ticks)).abs() <= 1, "the duration told is that of the samples");
    if segment.parts.is_empty() {
        return;
    }
    let target = rendition.window.part_target.expect("parts have a target");
    assert_eq!(segment.parts.iter().map(|part| part.duration).sum::<Duration>(), segment.duration);
    for (index, (part, fragment)) in segment.parts.iter().zip(&parts).enumerate() {
        let is_last = index + 1 == parts.len();
        assert!(part.duration <= target, "a part of {:?} is longer than {target:?}", part.duration);
        let filled = part.duration.as_nanos() * 100 >= target.as_nanos() * 85 - 1_000_000;
        assert!(
            filled || is_last || part.independent,
            "part {index} of {} lasts {:?} of {target:?}",
            segment.msn,
            part.duration
        );
        assert_eq!(part.independent, fragment.samples[0].sync);
    }
}
