//! Views: which part of a window a playlist lists, and how far back a viewer can go.

use std::sync::Arc;
use std::time::Duration;

use super::segment::Segment;
use super::window::{OpenSegment, Window};

/// Media listed in a live playlist unless set otherwise: a player that begins three target durations behind
/// the end has room to be late and to go back a little, and past six of them delta updates keep reloads short.
pub const DEFAULT_LIST_LENGTH: Duration = Duration::from_secs(30);
/// A live playlist lists at least as many target durations: RFC 8216, 6.2.2 asks for three, of which a
/// player that began at the third would lose the segment it plays.
pub const MIN_LISTED_TARGET_DURATIONS: u32 = 4;
/// `CAN-SKIP-UNTIL` in target durations, the least that is allowed (second edition, 4.4.3.8).
pub const SKIP_BOUNDARY_TARGET_DURATIONS: u32 = 6;

/// Most segments that a playlist lists, however short they are: a stream that begins anew with every frame
/// must not make playlists without end. More than an hour at two seconds each.
pub const MAX_LISTED_SEGMENTS: usize = 2_000;

/// How much a live playlist lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListOptions {
    /// Least duration of the segments listed, where so much is held; raised to
    /// [`MIN_LISTED_TARGET_DURATIONS`]. Past [`SKIP_BOUNDARY_TARGET_DURATIONS`] delta updates are offered.
    pub length: Duration,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { length: DEFAULT_LIST_LENGTH }
    }
}

impl ListOptions {
    /// Least duration listed of a window with this target duration.
    #[must_use]
    pub fn length_at(self, target_duration_s: u32) -> Duration {
        let least = u64::from(target_duration_s) * u64::from(MIN_LISTED_TARGET_DURATIONS);
        self.length.max(Duration::from_secs(least))
    }

    /// The skip boundary of a window with this target duration, if its list is long enough for one.
    #[must_use]
    pub fn skip_boundary(self, target_duration_s: u32) -> Option<Duration> {
        let boundary = u64::from(target_duration_s) * u64::from(SKIP_BOUNDARY_TARGET_DURATIONS);
        let boundary = Duration::from_secs(boundary);
        (self.length_at(target_duration_s) > boundary).then_some(boundary)
    }
}

/// Where a playlist ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// At the newest media.
    Live,
    /// Before the segment with this media sequence number: time-shift.
    Before(u64),
}

/// What a playlist lists of a window.
#[derive(Clone, Debug)]
pub struct Listed<'a> {
    /// The segments, oldest first.
    pub segments: Vec<&'a Arc<Segment>>,
    /// Segments held before those, oldest first, that were listed not long ago: within a skip boundary.
    pub lately: Vec<&'a Arc<Segment>>,
    /// The segment being made.
    pub open: Option<&'a OpenSegment>,
    /// Whether the newest media of the window are listed and no more will come.
    pub ended: bool,
}

impl<'a> Listed<'a> {
    /// What is listed of `window` up to `edge`.
    #[must_use]
    pub fn of(window: &'a Window, edge: Edge, options: ListOptions) -> Self {
        let target_duration_s = window.target_duration_s.unwrap_or_default();
        let end = match edge {
            Edge::Live => window.segments.len(),
            Edge::Before(msn) => window.segments.partition_point(|segment| segment.msn < msn),
        };
        let first = newest(window, end, options.length_at(target_duration_s));
        let boundary =
            Duration::from_secs(u64::from(target_duration_s) * u64::from(SKIP_BOUNDARY_TARGET_DURATIONS));
        let lately = newest(window, first, boundary);
        Self {
            segments: window.segments.range(first..end).collect(),
            lately: window.segments.range(lately..first).collect(),
            open: window.open.as_ref().filter(|_| edge == Edge::Live),
            ended: window.ended && end == window.segments.len(),
        }
    }

    /// Duration of all that is listed.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let parts = self.open.iter().flat_map(|open| &open.parts).map(|part| part.duration);
        self.segments.iter().map(|segment| segment.duration).chain(parts).sum()
    }
}

/// Index of the first segment that a live playlist lists.
#[must_use]
pub fn first_listed(window: &Window, options: ListOptions) -> usize {
    newest(window, window.segments.len(), options.length_at(window.target_duration_s.unwrap_or_default()))
}

/// Index of the first of the fewest segments that end at index `end` and last for `length` together, or of the
/// last [`MAX_LISTED_SEGMENTS`] before `end`.
fn newest(window: &Window, end: usize, length: Duration) -> usize {
    let mut covered = Duration::ZERO;
    let mut first = end;
    while covered < length && first > 0 && end - first < MAX_LISTED_SEGMENTS {
        first -= 1;
        covered += window.segments.get(first).map_or(Duration::ZERO, |segment| segment.duration);
    }
    first
}

/// Segments at the beginning of `window` that make one list.
fn oldest(window: &Window, options: ListOptions) -> usize {
    let length = options.length_at(window.target_duration_s.unwrap_or_default());
    let mut covered = Duration::ZERO;
    let shorter = window.segments.iter().take_while(|segment| {
        let needed = covered < length;
        covered += segment.duration;
        needed
    });
    shorter.count()
}

/// The edge of a viewer who watches what was live at `at_unix_ms`: behind the segments that had ended by then,
/// and never so far back that less than one list is left.
#[must_use]
pub fn shifted_edge(window: &Window, at_unix_ms: i64, options: ListOptions) -> Edge {
    let ended = window.segments.partition_point(|segment| segment.end_unix_ms() <= at_unix_ms);
    let count = ended.max(oldest(window, options)) as u64;
    Edge::Before(window.segments.front().map_or(window.first_msn, |first| first.msn) + count)
}

/// How far behind `now_unix_ms` a viewer of `window` can begin.
#[must_use]
pub fn deepest_shift(window: &Window, now_unix_ms: i64, options: ListOptions) -> Duration {
    let last_of_list = oldest(window, options).checked_sub(1).and_then(|index| window.segments.get(index));
    let behind_ms = last_of_list.map_or(0, |segment| now_unix_ms.saturating_sub(segment.end_unix_ms()));
    Duration::from_millis(u64::try_from(behind_ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{window, with_part};
    use super::*;

    fn listed(window: &Window, edge: Edge, length_s: u64) -> Vec<u64> {
        let options = ListOptions { length: Duration::from_secs(length_s) };
        Listed::of(window, edge, options).segments.iter().map(|segment| segment.msn).collect()
    }

    #[test]
    fn a_list_is_as_short_as_its_length_allows() {
        let window = window(&[2_000; 20]);
        assert_eq!(listed(&window, Edge::Live, 0), [16, 17, 18, 19], "four target durations");
        assert_eq!(listed(&window, Edge::Live, 9), [15, 16, 17, 18, 19]);
        assert_eq!(listed(&window, Edge::Live, 3_600).len(), 20);
        assert_eq!(listed(&window, Edge::Before(10), 9), [5, 6, 7, 8, 9]);
        assert_eq!(listed(&window, Edge::Before(2), 9), [0, 1]);
    }

    #[test]
    fn segments_listed_are_bounded_however_short_they_are() {
        let window = window(&[1; MAX_LISTED_SEGMENTS + 1]);
        assert_eq!(listed(&window, Edge::Live, 3_600).len(), MAX_LISTED_SEGMENTS);
        assert_eq!(first_listed(&window, ListOptions::default()), 1);
    }

    #[test]
    fn only_the_live_edge_shows_what_is_being_made_and_the_end() {
        let mut window = with_part(window(&[2_000; 6]));
        let open = |window: &Window, edge| Listed::of(window, edge, ListOptions::default()).open.is_some();
        assert!(open(&window, Edge::Live) && !open(&window, Edge::Before(6)));
        window.ended = true;
        let ended = |edge| Listed::of(&window, edge, ListOptions::default()).ended;
        assert!(ended(Edge::Live) && ended(Edge::Before(6)) && !ended(Edge::Before(5)));
    }

    #[test]
    fn delta_updates_are_for_lists_longer_than_the_boundary() {
        let boundary = |length_s| ListOptions { length: Duration::from_secs(length_s) }.skip_boundary(2);
        assert_eq!(boundary(12), None);
        assert_eq!(boundary(13), Some(Duration::from_secs(12)));
    }

    #[test]
    fn a_shifted_viewer_sees_what_had_ended_then() {
        let window = window(&[2_000; 20]);
        let options = ListOptions { length: Duration::from_secs(8) };
        let begin = window.segments[0].start_unix_ms;
        let edge = |s: i64| shifted_edge(&window, begin + 1_000 * s, options);
        assert_eq!(edge(20), Edge::Before(10));
        assert_eq!(edge(21), Edge::Before(10));
        assert_eq!(edge(22), Edge::Before(11));
        assert_eq!(edge(0), Edge::Before(4), "one list at least");
        assert_eq!(edge(1_000), Edge::Before(20));
        assert_eq!(deepest_shift(&window, begin + 40_000, options), Duration::from_secs(32));
        assert_eq!(deepest_shift(&super::super::sample::window(&[]), 5, options), Duration::ZERO);
    }

    proptest! {
        /// RFC 8216, 6.2.2: segments are removed in the order they came, and none while less than three
        /// target durations would be left.
        #[test]
        fn a_list_only_moves_forward(millis in prop::collection::vec(1u64..3_000, 1..60), length_s in 0u64..30) {
            let options = ListOptions { length: Duration::from_secs(length_s) };
            let mut first_before = 0;
            for count in 1..=millis.len() {
                let mut window = window(&millis[..count]);
                window.target_duration_s = Some(3);
                let listed = Listed::of(&window, Edge::Live, options);
                let first = listed.segments[0].msn;
                prop_assert!(first >= first_before);
                let three = Duration::from_secs(3 * u64::from(window.target_duration_s.unwrap()));
                prop_assert!(first == 0 || listed.duration() >= three);
                first_before = first;
            }
        }
    }
}
