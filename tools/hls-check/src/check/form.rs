//! What a media playlist shows by itself.

use super::Faults;
use crate::m3u8::{MediaPlaylist, Micros, SECOND, brief, seconds};
use crate::rule;

/// How far two program date-times may be from the durations between them: dates are written in milliseconds,
/// durations sometimes too, and the error of a segment is not the next one's.
pub(super) const DATE_TIME_DRIFT_TOLERANCE: Micros = 50_000;

/// Checks a full playlist, or the text of a delta update; false when nothing else can be told from it.
pub(super) fn check(playlist: &MediaPlaylist, faults: &mut Faults) -> bool {
    for problem in &playlist.problems {
        faults.push((problem.rule, problem.message.clone()));
    }
    let (needs, what) = playlist.needs;
    if playlist.version < needs {
        let version = playlist.version;
        faults
            .push((rule::VERSION_TOO_LOW, format!("the version is {version}, {what} needs {needs} or more")));
    }
    if playlist.version > needs {
        let version = playlist.version;
        faults.push((rule::VERSION_TOO_HIGH, format!("the version is {version}, {what} needs {needs}")));
    }
    if playlist.target_duration.unwrap_or(0) == 0 {
        faults.push((
            rule::TARGET_DURATION_MISSING,
            "there is no EXT-X-TARGETDURATION of at least 1".to_owned(),
        ));
        return false;
    }
    let target = playlist.target();
    for segment in &playlist.segments {
        let rounded = (segment.duration + SECOND / 2) / SECOND * SECOND;
        if rounded > target {
            faults.push((
                rule::TARGET_DURATION_EXCEEDED,
                format!(
                    "segment {} lasts {}, the target duration is {}",
                    segment.sequence,
                    seconds(segment.duration),
                    seconds(target)
                ),
            ));
        }
    }
    if playlist.date_ranges > 0
        && playlist.skipped.is_none()
        && playlist.all().all(|segment| segment.date_time.is_none())
    {
        faults.push((
            rule::DATE_RANGE_UNANCHORED,
            "there is a date range and no EXT-X-PROGRAM-DATE-TIME".to_owned(),
        ));
    }
    server_control(playlist, target, faults);
    date_times(playlist, faults);
    true
}

fn server_control(playlist: &MediaPlaylist, target: Micros, faults: &mut Faults) {
    let control = &playlist.control;
    if let Some(back) = control.hold_back.filter(|back| *back < 3 * target) {
        let message =
            format!("HOLD-BACK is {}, three target durations are {}", seconds(back), seconds(3 * target));
        faults.push((rule::HOLD_BACK_SHORT, message));
    }
    if let Some(until) = control.can_skip_until.filter(|until| *until < 6 * target) {
        let message =
            format!("CAN-SKIP-UNTIL is {}, six target durations are {}", seconds(until), seconds(6 * target));
        faults.push((rule::SKIP_BOUNDARY_SHORT, message));
    }
    if control.can_skip_date_ranges && control.can_skip_until.is_none() {
        faults.push((
            rule::SKIP_DATE_RANGES_ALONE,
            "CAN-SKIP-DATERANGES stands without CAN-SKIP-UNTIL".to_owned(),
        ));
    }
}

/// Date-times of one timeline are as far apart as the durations of the segments between them.
fn date_times(playlist: &MediaPlaylist, faults: &mut Faults) {
    let mut anchor: Option<(Micros, Micros, u64)> = None;
    let mut elapsed: Micros = 0;
    for segment in playlist.all() {
        if segment.discontinuity {
            anchor = None;
        }
        if let Some(date) = segment.date_time {
            if let Some((known, at, sequence)) = anchor {
                let (by_date, by_duration) = (date.saturating_sub(known), elapsed - at);
                if by_date.abs_diff(by_duration) > DATE_TIME_DRIFT_TOLERANCE.unsigned_abs() {
                    faults.push((
                        rule::DATE_TIME_DRIFT,
                        format!(
                            "from segment {sequence} to {} the dates advance {}, the durations {}",
                            segment.sequence,
                            seconds(by_date),
                            seconds(by_duration)
                        ),
                    ));
                }
            }
            anchor = Some((date, elapsed, segment.sequence));
        }
        elapsed = elapsed.saturating_add(segment.duration);
        if segment.uri.len() > 8192 {
            faults.push((
                rule::MALFORMED_TAG,
                format!("a URI of {} bytes: {}", segment.uri.len(), brief(&segment.uri)),
            ));
        }
    }
}
