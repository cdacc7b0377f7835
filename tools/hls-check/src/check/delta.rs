//! Delta updates: expanding them, and holding the result against the full playlist (clause 6.2.5.1).

use super::Faults;
use crate::m3u8::{MediaPlaylist, Micros, Segment, brief, seconds};
use crate::rule;

/// The full playlist that `delta` stands for, given the last one. None when the last one does not reach back far
/// enough to tell.
pub(super) fn expand(last: &MediaPlaylist, delta: &MediaPlaylist) -> Option<MediaPlaylist> {
    let skipped = delta.skipped?;
    let mut full = delta.clone();
    full.skipped = None;
    let mut segments = Vec::new();
    for sequence in delta.media_sequence..delta.media_sequence.checked_add(skipped)? {
        let mut known = last.segment(sequence)?.clone();
        // So far back a full playlist need not list them any more.
        known.parts.clear();
        segments.push(known);
    }
    // What was said before the first segment that is listed again was skipped too.
    let (map, key) = segments.last().map(|last| (last.map.clone(), last.key.clone())).unwrap_or_default();
    for segment in full.segments.iter_mut().chain([&mut full.open]) {
        segment.map = segment.map.take().or_else(|| map.clone());
        segment.key = segment.key.take().or_else(|| key.clone());
    }
    segments.append(&mut full.segments);
    full.segments = segments;
    Some(full)
}

/// Says so when a segment that was known stands at another number in the expansion: the count is wrong.
pub(super) fn misplaced(last: &MediaPlaylist, full: &MediaPlaylist) -> Option<String> {
    let known = |segment: &Segment| {
        let same = |other: &&Segment| other.uri == segment.uri && other.range == segment.range;
        last.segments.iter().find(same).map(|other| (segment.sequence, other.sequence))
    };
    let (now, before) = full.segments.iter().filter_map(known).find(|(now, before)| now != before)?;
    Some(format!("what was segment {before} is segment {now} in the expanded update"))
}

/// The skip boundary: `full` is the expansion of an update that skipped `skipped` segments.
pub(super) fn boundary(full: &MediaPlaylist, skipped: u64, faults: &mut Faults) {
    let Some(until) = full.control.can_skip_until else { return };
    let count = usize::try_from(skipped).unwrap_or(usize::MAX);
    let after: Micros = full.segments.iter().skip(count).map(|segment| segment.duration).sum::<Micros>()
        + crate::m3u8::parts_duration(&full.open);
    let Some(last) = count.checked_sub(1).and_then(|last| full.segments.get(last)) else { return };
    // Counted from where the segment begins, so that either reading of the boundary passes.
    let behind = after + last.duration;
    if behind < until {
        faults.push((
            rule::DELTA_SKIPS_RECENT,
            format!(
                "segment {} begins {} from the end and was skipped, the boundary is {}",
                last.sequence,
                seconds(behind),
                seconds(until)
            ),
        ));
    }
}

/// Whether the two tell of the same moment.
pub(super) fn same_moment(one: &MediaPlaylist, other: &MediaPlaylist) -> bool {
    one.edge() == other.edge() && one.ended == other.ended
}

/// Holds an expanded update against the full playlist of the same moment.
pub(super) fn compare(expanded: &MediaPlaylist, skipped: u64, full: &MediaPlaylist, faults: &mut Faults) {
    let mut differ = |what: String| faults.push((rule::DELTA_DIFFERS, what));
    let header = |p: &MediaPlaylist| {
        (p.media_sequence, p.discontinuity_sequence, p.target_duration, p.part_target, p.independent_segments)
    };
    if header(expanded) != header(full) {
        differ(format!(
            "media sequence, discontinuity sequence, target, part target, independence are {:?} in the update, {:?} in \
             the playlist",
            header(expanded),
            header(full)
        ));
        return;
    }
    if expanded.control != full.control {
        differ("EXT-X-SERVER-CONTROL is another one in the update".to_owned());
    }
    let count = usize::try_from(skipped).unwrap_or(usize::MAX);
    for (index, (ours, theirs)) in expanded.all().zip(full.all()).enumerate() {
        let mut theirs = theirs.clone();
        if index < count {
            theirs.parts.clear();
        }
        if *ours != theirs {
            let sequence = theirs.sequence;
            differ(format!(
                "segment {sequence} is {} of {} with {} parts in the expanded update, {} of {} with {} in the playlist",
                brief(&ours.uri),
                seconds(ours.duration),
                ours.parts.len(),
                brief(&theirs.uri),
                seconds(theirs.duration),
                theirs.parts.len()
            ));
            return;
        }
    }
    if expanded.hints != full.hints {
        differ("EXT-X-PRELOAD-HINT is another one in the update".to_owned());
    }
}
