//! Playlist delta updates (second edition, 6.2.5.1): what a client that asks for one is spared.

use std::fmt::Write;
use std::time::Duration;

use super::view::Listed;

/// What a client lets be skipped: the values of `_HLS_skip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// `YES`: older segments.
    Segments,
    /// `v2`: older segments and the date ranges in them.
    SegmentsAndDateRanges,
}

/// How many of the segments listed are wholly beyond `boundary`, seen from the end.
#[must_use]
pub fn skipped(listed: &Listed<'_>, boundary: Duration) -> usize {
    let mut until_end = listed.duration();
    let beyond = listed.segments.iter().take_while(|segment| {
        until_end = until_end.saturating_sub(segment.duration);
        until_end > boundary
    });
    beyond.count()
}

/// The tag that stands for the first `count` segments (4.4.5.2).
#[must_use]
pub fn tag(skip: Skip, count: usize, listed: &Listed<'_>) -> String {
    let mut tag = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={count}");
    if skip == Skip::SegmentsAndDateRanges {
        let removed = listed.lately.iter().flat_map(|segment| &segment.date_ranges);
        for (index, range) in removed.enumerate() {
            tag.push_str(if index == 0 { ",RECENTLY-REMOVED-DATERANGES=\"" } else { "\t" });
            let _ = write!(tag, "{}", range.id);
        }
        if tag.contains('"') {
            tag.push('"');
        }
    }
    tag
}
