//! What a low-latency playlist shows by itself, and against its last load.

use super::Faults;
use crate::m3u8::{MediaPlaylist, Micros, Part, Segment, parts_duration, seconds};
use crate::rule;

/// EXTINF and its parts are each rounded, to milliseconds at the coarsest.
const ROUNDING: Micros = 1_000;

/// Checks a playlist with its delta expanded.
pub(super) fn check(playlist: &MediaPlaylist, faults: &mut Faults) {
    if !playlist.has_parts() && playlist.part_target.is_none() {
        return;
    }
    let Some(target) = playlist.part_target else {
        faults.push((rule::PART_INF_MISSING, "there are parts and no EXT-X-PART-INF".to_owned()));
        return;
    };
    match playlist.control.part_hold_back {
        None => faults.push((
            rule::PART_HOLD_BACK_MISSING,
            "EXT-X-PART-INF stands without a PART-HOLD-BACK in EXT-X-SERVER-CONTROL".to_owned(),
        )),
        Some(back) if back < 2 * target => faults.push((
            rule::PART_HOLD_BACK_SHORT,
            format!("PART-HOLD-BACK is {}, twice the part target is {}", seconds(back), seconds(2 * target)),
        )),
        Some(back) if back < 3 * target => faults.push((
            rule::PART_HOLD_BACK_TIGHT,
            format!("PART-HOLD-BACK is {}, three part targets are {}", seconds(back), seconds(3 * target)),
        )),
        Some(_) => {}
    }
    for segment in playlist.all() {
        durations(segment, target, faults);
    }
    for segment in playlist.segments.iter().filter(|segment| !segment.parts.is_empty()) {
        let sum = parts_duration(segment);
        let rounding = ROUNDING + ROUNDING / 2 * i64::try_from(segment.parts.len()).unwrap_or(0);
        if sum.abs_diff(segment.duration) > rounding.unsigned_abs() {
            faults.push((
                rule::PARTS_SUM,
                format!(
                    "segment {} lasts {}, its {} parts {}",
                    segment.sequence,
                    seconds(segment.duration),
                    segment.parts.len(),
                    seconds(sum)
                ),
            ));
        }
    }
    if playlist.all().all(|segment| segment.date_time.is_none()) {
        faults.push((rule::DATE_TIME_MISSING, "there is no EXT-X-PROGRAM-DATE-TIME".to_owned()));
    }
    let hints = playlist.hints.iter().any(|hint| hint.part);
    if playlist.ended && !playlist.hints.is_empty() {
        faults.push((rule::PRELOAD_HINT_AFTER_END, "an ended playlist has a hint".to_owned()));
    } else if playlist.live() && playlist.control.can_block_reload && !hints {
        faults.push((rule::PRELOAD_HINT_MISSING, "there is no EXT-X-PRELOAD-HINT of a part".to_owned()));
    }
    kept(playlist, faults);
}

fn durations(segment: &Segment, target: Micros, faults: &mut Faults) {
    // The open segment's last part may turn out to be its last one.
    let last = segment.parts.len().saturating_sub(1);
    for (index, part) in segment.parts.iter().enumerate() {
        if part.duration > target {
            let message = format!(
                "part {index} of segment {} lasts {}, the part target is {}",
                segment.sequence,
                seconds(part.duration),
                seconds(target)
            );
            faults.push((rule::PART_DURATION_EXCEEDED, message));
        }
        let before_gap = segment.parts.get(index + 1).is_some_and(|next: &Part| next.gap);
        let free = part.independent || part.gap || before_gap || index == last;
        if !free && part.duration * 100 < target * 85 {
            let message = format!(
                "part {index} of segment {} lasts {}, less than 85 % of {}",
                segment.sequence,
                seconds(part.duration),
                seconds(target)
            );
            faults.push((rule::PART_DURATION_SHORT, message));
        }
    }
}

fn kept(playlist: &MediaPlaylist, faults: &mut Faults) {
    let end = playlist.duration();
    let mut elapsed = 0;
    for segment in &playlist.segments {
        elapsed += segment.duration;
        let behind = end - elapsed;
        // One segment more: a server may count from where it begins.
        if !segment.parts.is_empty() && playlist.live() && behind > 4 * playlist.target() {
            faults.push((
                rule::PARTS_KEPT_LONG,
                format!("segment {} is {} from the end and lists parts", segment.sequence, seconds(behind)),
            ));
        }
    }
}

/// Parts that the last load had and this one has not.
pub(super) fn removed(old: &MediaPlaylist, new: &MediaPlaylist, faults: &mut Faults) {
    if !new.live() {
        return;
    }
    let end = new.duration();
    let mut elapsed = 0;
    for segment in &new.segments {
        let behind = end - elapsed;
        elapsed += segment.duration;
        let had = old.all().find(|known| known.sequence == segment.sequence).map_or(0, |s| s.parts.len());
        if segment.parts.is_empty() && had > 0 && behind < 3 * new.target() {
            faults.push((
                rule::PARTS_REMOVED_EARLY,
                format!(
                    "segment {} begins {} from the end and its {had} parts are no longer listed",
                    segment.sequence,
                    seconds(behind)
                ),
            ));
        }
    }
}
