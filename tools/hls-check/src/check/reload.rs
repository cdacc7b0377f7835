//! What may change from one load of a playlist to the next (clauses 6.2.1 and 6.2.2).

use super::Faults;
use crate::m3u8::{MediaPlaylist, Segment, brief, seconds};
use crate::rule;

/// Holds `new` against `old`, both with deltas expanded; false when it went back.
pub(super) fn check(old: &MediaPlaylist, new: &MediaPlaylist, faults: &mut Faults) -> bool {
    if old.target_duration != new.target_duration {
        faults.push((
            rule::TARGET_DURATION_CHANGED,
            format!("the target duration went from {} to {}", seconds(old.target()), seconds(new.target())),
        ));
    }
    if let (Some(before), Some(after)) = (old.part_target, new.part_target)
        && before != after
    {
        faults.push((
            rule::PART_TARGET_CHANGED,
            format!("the part target went from {} to {}", seconds(before), seconds(after)),
        ));
    }
    if new.media_sequence < old.media_sequence {
        faults.push((
            rule::MEDIA_SEQUENCE_WENT_BACK,
            format!("EXT-X-MEDIA-SEQUENCE went from {} to {}", old.media_sequence, new.media_sequence),
        ));
        return false;
    }
    let event = old.playlist_type.as_deref() == Some("EVENT");
    let moved = new.edge() != old.edge();
    if (!old.live() && moved) || ((event || !old.live()) && new.media_sequence != old.media_sequence) {
        faults.push((
            rule::CHANGED_AFTER_END,
            format!(
                "segments {} to {} became {} to {} though the playlist said that could not happen",
                old.media_sequence,
                old.edge().0,
                new.media_sequence,
                new.edge().0
            ),
        ));
        return true;
    }
    if new.edge() < old.edge() {
        faults.push((
            rule::PLAYLIST_SHRANK,
            format!("the end went from (segment, parts) {:?} back to {:?}", old.edge(), new.edge()),
        ));
        return false;
    }
    for before in old.all().filter(|segment| segment.sequence >= new.media_sequence) {
        if let Some(after) = new.all().find(|segment| segment.sequence == before.sequence) {
            segment(before, after, before.sequence < old.open.sequence, faults);
        }
    }
    discontinuities(old, new, faults);
    if new.media_sequence > old.media_sequence && new.live() && new.duration() < 3 * new.target() {
        faults.push((
            rule::WINDOW_SHORT,
            format!(
                "after a removal {} are left, three target durations are {}",
                seconds(new.duration()),
                seconds(3 * new.target())
            ),
        ));
    }
    true
}

fn segment(before: &Segment, after: &Segment, complete: bool, faults: &mut Faults) {
    let number = before.sequence;
    if complete {
        let mut changed = Vec::new();
        if before.uri != after.uri || before.range != after.range {
            changed.push(format!("its URI from {} to {}", brief(&before.uri), brief(&after.uri)));
        }
        if before.duration != after.duration {
            changed.push(format!(
                "its duration from {} to {}",
                seconds(before.duration),
                seconds(after.duration)
            ));
        }
        if before.discontinuity != after.discontinuity {
            changed.push("its EXT-X-DISCONTINUITY".to_owned());
        }
        if before.gap != after.gap {
            changed.push("its EXT-X-GAP".to_owned());
        }
        if before.map != after.map {
            changed.push("its EXT-X-MAP".to_owned());
        }
        if before.key != after.key {
            changed.push("its EXT-X-KEY".to_owned());
        }
        if before.date_time.is_some() && after.date_time.is_some() && before.date_time != after.date_time {
            changed.push("its EXT-X-PROGRAM-DATE-TIME".to_owned());
        }
        if !changed.is_empty() {
            faults
                .push((rule::SEGMENT_CHANGED, format!("segment {number} changed {}", changed.join(" and "))));
        }
    }
    for (index, (old, new)) in before.parts.iter().zip(&after.parts).enumerate() {
        if old != new {
            faults.push((
                rule::PART_CHANGED,
                format!(
                    "part {index} of segment {number} was {} of {}, now {} of {}",
                    brief(&old.uri),
                    seconds(old.duration),
                    brief(&new.uri),
                    seconds(new.duration)
                ),
            ));
        }
    }
}

fn discontinuities(old: &MediaPlaylist, new: &MediaPlaylist, faults: &mut Faults) {
    // Past what was known, nobody can say how many there were.
    if new.media_sequence > old.open.sequence {
        return;
    }
    let gone = old.segments.iter().filter(|s| s.sequence < new.media_sequence && s.discontinuity).count();
    let due = old.discontinuity_sequence.saturating_add(gone as u64);
    if new.discontinuity_sequence != due {
        faults.push((
            rule::DISCONTINUITY_SEQUENCE_WRONG,
            format!(
                "EXT-X-DISCONTINUITY-SEQUENCE is {}, it was {} and {gone} discontinuities were removed since",
                new.discontinuity_sequence, old.discontinuity_sequence
            ),
        ));
    }
}
