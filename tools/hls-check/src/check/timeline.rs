//! Timestamps of segments against one another, against EXTINF and against the program date-time.

use super::Faults;
use crate::m3u8::{Micros, Segment, seconds};
use crate::media::{Media, Span};
use crate::rule;

/// A decode time may be this far from where the last fragment ended: one tick is lost where a server rounds from
/// another timescale.
pub(crate) const DECODE_TIME_TOLERANCE_TICKS: u64 = 1;

/// How far a program date-time may be from where the media's timestamps put it: encoders' clocks drift, and what
/// is above a few frames is seen.
pub(super) const DATE_TIME_TOLERANCE: Micros = 100_000;

/// EXTINF and DURATION are rounded, to milliseconds at the coarsest.
const ROUNDING: Micros = 1_000;

/// Whether `declared` is what `media` lasts, to half a sample; with MPEG-TS, whose samples have no duration, to one.
pub(super) fn duration(declared: Micros, media: &Media) -> Result<(), String> {
    let Some(main) = media.main() else { return Ok(()) };
    if main.transport && main.samples < 2 {
        return Ok(());
    }
    let sample = if main.transport { main.sample() } else { main.sample() / 2 };
    let actual = main.duration();
    if declared.abs_diff(actual) <= (sample + ROUNDING).unsigned_abs() {
        return Ok(());
    }
    Err(format!("{} are declared, its media lasts {}", seconds(declared), seconds(actual)))
}

/// Whether `later` goes on where `earlier` ended.
pub(super) fn follows(earlier: (u64, &Media), later: (u64, &Media), faults: &mut Faults) {
    for after in &later.1.spans {
        let Some(before) = earlier.1.spans.iter().find(|span| span.track == after.track) else {
            continue;
        };
        if before.timescale != after.timescale || before.transport != after.transport {
            continue;
        }
        let gap = before.distance(before.end, after.start);
        let tolerance =
            if before.transport { transport_tolerance(before, after) } else { DECODE_TIME_TOLERANCE_TICKS };
        if gap.unsigned_abs() > tolerance {
            faults.push((
                rule::DECODE_TIME_GAP,
                format!(
                    "track {} ends segment {} at {} and begins segment {} at {} ({} ticks a second) without a discontinuity",
                    after.track, earlier.0, before.end, later.0, after.start, after.timescale
                ),
            ));
        }
    }
}

/// The last sample's duration is a guess: an audio packet may hold some frames more or less than the mean, and a
/// track without many samples tells nothing.
fn transport_tolerance(before: &Span, after: &Span) -> u64 {
    let step = |span: &Span| (span.end - span.start).unsigned_abs() / u64::from(span.samples.max(1));
    if before.samples < 2 { 90_000 } else { 2 * step(before).max(step(after)) }
}

/// Where dates and timestamps of one timeline were first seen together.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    date: Micros,
    span: Span,
    sequence: u64,
}

/// Holds the date of `segment` against the media's timestamps, from `anchor` on.
pub(super) fn date(anchor: &mut Option<Anchor>, segment: &Segment, media: &Media, faults: &mut Faults) {
    let (Some(date), Some(main)) = (segment.date_time, media.main()) else { return };
    let here = Anchor { date, span: main.clone(), sequence: segment.sequence };
    let Some(known) = anchor.as_ref().filter(|known| known.span.track == main.track) else {
        *anchor = Some(here);
        return;
    };
    let by_media = main.micros(main.distance(known.span.presentation, main.presentation));
    let by_date = date.saturating_sub(known.date);
    if by_media.abs_diff(by_date) > DATE_TIME_TOLERANCE.unsigned_abs() {
        faults.push((
            rule::DATE_TIME_MEDIA,
            format!(
                "from segment {} to {} the date advances {}, the media {}",
                known.sequence,
                segment.sequence,
                seconds(by_date),
                seconds(by_media)
            ),
        ));
    }
}
