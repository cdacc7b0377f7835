//! The window of a rendition: the segments that are held, and the one that is being made.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::encryption::Key;
use super::name::RunId;
use super::segment::{DateRange, Map, Part, Segment};

/// The segment that is being made; it has at least one part where parts are made.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenSegment {
    /// Media sequence number it will have.
    pub msn: u64,
    /// Wall clock at its first sample, in Unix milliseconds.
    pub start_unix_ms: i64,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// The initialization section it needs.
    pub map: Option<Arc<Map>>,
    /// The key its parts are encrypted with; `None` in the clear.
    pub key: Option<Arc<Key>>,
    /// Its parts so far.
    pub parts: Vec<Part>,
    /// Date ranges that begin in it.
    pub date_ranges: Vec<DateRange>,
}

/// The state of one rendition.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Part of the names of its files.
    pub run: RunId,
    /// `EXT-X-TARGETDURATION` in seconds; constant from the first segment on, `None` before it.
    pub target_duration_s: Option<u32>,
    /// `PART-TARGET`; constant, `None` where no parts are made.
    pub part_target: Option<Duration>,
    /// Duration before which no segment ends, but at a discontinuity.
    pub shortest: Duration,
    /// Media sequence number of the first segment of the run.
    pub first_msn: u64,
    /// Complete segments, oldest first, with consecutive media sequence numbers: those that are listed, those
    /// that fell out of the list and stay fetchable, and those that time-shift reaches.
    pub segments: VecDeque<Arc<Segment>>,
    /// The segment being made, once its first part is there.
    pub open: Option<OpenSegment>,
    /// Whether every segment of the run begins with a random access point (`EXT-X-INDEPENDENT-SEGMENTS`). Once
    /// one does not it stays so: a playlist must not take the promise back and give it again.
    pub independent: bool,
    /// No media will follow: `EXT-X-ENDLIST`.
    pub ended: bool,
}

impl Window {
    /// A window without segments whose first one will be `first_msn`.
    #[must_use]
    pub const fn new(run: RunId, first_msn: u64, part_target: Option<Duration>) -> Self {
        Self {
            run,
            target_duration_s: None,
            part_target,
            shortest: Duration::ZERO,
            first_msn,
            segments: VecDeque::new(),
            open: None,
            independent: true,
            ended: false,
        }
    }

    /// Media sequence number that the next complete segment will have.
    #[must_use]
    pub fn next_msn(&self) -> u64 {
        self.segments.back().map_or(self.first_msn, |last| last.msn + 1)
    }

    /// Media held in complete segments.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// The segment with this media sequence number, if it is held.
    #[must_use]
    pub fn segment(&self, msn: u64) -> Option<&Arc<Segment>> {
        let oldest = self.segments.front()?.msn;
        self.segments.get(usize::try_from(msn.checked_sub(oldest)?).ok()?)
    }

    /// Media sequence number and part number of the part that is made next, where that is certain: a segment
    /// goes on at least until [`shortest`](Self::shortest), and past that any frame may begin another. Some
    /// players give up when a hinted part is never made.
    #[must_use]
    pub fn next_part(&self) -> Option<(u64, u32)> {
        let Some(open) = &self.open else { return Some((self.next_msn(), 0)) };
        let lasted: Duration = open.parts.iter().map(|part| part.duration).sum();
        let doubt = self.part_target.unwrap_or_default() / 2;
        (lasted + doubt < self.shortest).then(|| (open.msn, count(&open.parts)))
    }

    /// Media sequence number of the newest segment, and where parts are made the number of its newest part:
    /// `LAST-MSN` and `LAST-PART` of a report. `None` before the first segment.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Option<u32>)> {
        match &self.open {
            Some(open) if !open.parts.is_empty() => Some((open.msn, count(&open.parts).checked_sub(1))),
            _ => {
                let last = self.segments.back()?;
                Some((last.msn, count(&last.parts).checked_sub(1)))
            }
        }
    }

    /// Whether part `part` of segment `msn`, or with `None` the whole segment, is there or was
    /// (second edition, 6.2.5.2: the condition of a blocking reload). A part number past the last part of a
    /// complete segment means the first part of the one after it.
    #[must_use]
    pub fn has(&self, msn: u64, part: Option<u32>) -> bool {
        let next = self.next_msn();
        if msn < next {
            let Some(part) = part.filter(|_| msn + 1 == next) else { return true };
            let made = self.segment(msn).map_or(0, |segment| segment.parts.len());
            return (part as usize) < made || self.open.as_ref().is_some_and(|open| !open.parts.is_empty());
        }
        match (&self.open, part) {
            (Some(open), Some(part)) => msn == open.msn && (part as usize) < open.parts.len(),
            _ => false,
        }
    }
}

fn count(parts: &[Part]) -> u32 {
    u32::try_from(parts.len()).unwrap_or(u32::MAX)
}
