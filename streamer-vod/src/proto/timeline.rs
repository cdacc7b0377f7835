//! Where segments begin: at random access points near a target duration, the same ones for all that is played together.

use std::time::Duration;

use streamer_core::{MediaKind, Timescale, Timestamp};

use super::index::{AssetIndex, TrackIndex, nanos};

/// Where the instant 0 of a file lies on the timeline of its segments: what precedes it a little, the decode times of
/// the first pictures and the priming of encoders, stays positive. Transport streams have the same offset.
pub const ORIGIN: Duration = Duration::from_secs(10);
/// Segments of one file: a week of the shortest.
pub const MAX_SEGMENTS: usize = 1 << 19;
/// Shortest target duration.
pub const MIN_TARGET: Duration = Duration::from_secs(1);
/// Longest target duration: players hold some segments in memory.
pub const MAX_TARGET: Duration = Duration::from_secs(60);

/// Random access points of two renditions this close are the same: half a picture at 30 a second.
const SAME_NANOS: i64 = 16_000_000;
/// Sound this long before the first picture is played; what is earlier is left out.
const LEAD_NANOS: i64 = 50_000_000;

const ORIGIN_NANOS: i64 = 10_000_000_000;

/// The beginnings of segments on the timeline of the file, in nanoseconds, and the end of the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    boundaries: Vec<i64>,
}

/// Which samples of a track are in which segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackCut {
    /// Number of the first sample of each segment, and the number behind the last.
    first: Vec<u32>,
    /// Bytes of the samples of each segment.
    bytes: Vec<u64>,
    /// When each segment begins, and the end of the last one, in nanoseconds; of an empty one, the boundary.
    starts: Vec<i64>,
}

impl Timeline {
    /// The timeline of `assets`, which are played in place of each other, with segments near `target`.
    #[must_use]
    pub fn new(assets: &[&AssetIndex], target: Duration) -> Self {
        let target = i64::try_from(target.clamp(MIN_TARGET, MAX_TARGET).as_nanos()).unwrap_or(i64::MAX);
        let leading: Vec<&TrackIndex> = assets.iter().filter_map(|asset| asset.tracks.first()).collect();
        let has_video = leading.iter().any(|track| track.kind() == MediaKind::Video);
        let mut points: Option<Vec<i64>> = None;
        for track in leading.iter().filter(|track| (track.kind() == MediaKind::Video) == has_video) {
            let own = if has_video { sync_points(track) } else { even_points(track, target) };
            points = Some(match points {
                // Where there is no sound to be cut at a picture, any place will do.
                Some(points) if has_video => common(&points, &own),
                Some(points) => points,
                None => own,
            });
        }
        let points = points.unwrap_or_default();
        let end = assets.iter().flat_map(|asset| &asset.tracks).map(end_nanos).max().unwrap_or(0);
        let leading_end = leading.iter().map(|track| end_nanos(track)).max().unwrap_or(0);
        Self::through(&points, (leading_end, end), target)
    }

    /// Goes through `points` in steps near `target`.
    fn through(points: &[i64], (leading_end, end): (i64, i64), target: i64) -> Self {
        // What is before 0 is not presented; decoding begins at the last point before it.
        let begin = points.iter().rposition(|&at| (-ORIGIN_NANOS..=0).contains(&at));
        let begin =
            begin.or_else(|| points.iter().position(|&at| at > -ORIGIN_NANOS)).unwrap_or(points.len());
        let points = points.get(begin..).unwrap_or_default();
        let mut boundaries: Vec<i64> = points.first().copied().into_iter().collect();
        let mut before: Option<i64> = None;
        for &at in points.iter().skip(1) {
            let Some(&start) = boundaries.last() else { break };
            if at <= start || boundaries.len() >= MAX_SEGMENTS {
                continue;
            }
            let wanted = start.saturating_add(target);
            if at < wanted {
                before = Some(at);
                continue;
            }
            // The nearer one of the two about the target.
            match before.take().filter(|before| wanted - before < at - wanted) {
                Some(nearer) => {
                    boundaries.push(nearer);
                    // This one may still be too early or right for the next.
                    if at >= nearer.saturating_add(target) { boundaries.push(at) } else { before = Some(at) }
                }
                None => boundaries.push(at),
            }
        }
        // The end is the last place to cut at.
        if let (Some(&start), Some(before)) = (boundaries.last(), before) {
            let wanted = start.saturating_add(target);
            if wanted - before < leading_end.saturating_sub(wanted) {
                boundaries.push(before);
            }
        }
        // Sound that goes on behind the pictures can be cut anywhere.
        let mut at = leading_end;
        while end.saturating_sub(at) >= target
            && boundaries.last().is_some_and(|&last| last < at)
            && boundaries.len() < MAX_SEGMENTS
        {
            boundaries.push(at);
            at = at.saturating_add(target);
        }
        if let Some(&last) = boundaries.last() {
            boundaries.push(end.max(last.saturating_add(1)));
        }
        Self { boundaries }
    }

    /// Number of segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.boundaries.len().saturating_sub(1)
    }

    /// Says which samples of `track` are in which segment: of video from the random access point on, of other tracks
    /// what is presented from the boundary on.
    #[must_use]
    pub fn cut(&self, track: &TrackIndex) -> TrackCut {
        let count = self.segments();
        let mut cut = TrackCut {
            first: Vec::with_capacity(count + 1),
            bytes: vec![0; count],
            starts: Vec::with_capacity(count + 1),
        };
        let mut boundaries = self.boundaries.iter().take(count).copied();
        let mut next = boundaries.next();
        let is_video = track.kind() == MediaKind::Video;
        let tolerance = if is_video { SAME_NANOS } else { 0 };
        let lead = |cut: &TrackCut| if cut.first.is_empty() && !is_video { LEAD_NANOS } else { tolerance };
        // A time before this one is before the next boundary: it need not be converted to be compared. Rounding moves it
        // by no more than a tick or a nanosecond.
        let inexact = 1 + i64::from(track.timescale.ticks_per_second() / 1_000_000_000);
        let before = |cut: &TrackCut, boundary: Option<i64>| {
            let nanos = Timestamp::new(boundary?.saturating_sub(lead(cut)), Timescale::NANOS);
            Some(nanos.rescale(track.timescale).ticks().saturating_sub(inexact))
        };
        let mut not_before = before(&cut, next);
        let (mut number, mut end) = (0, i64::MIN);
        for sample in track.samples.from(0) {
            while let Some(boundary) = next
                && (sample.sync || !is_video)
                && not_before.is_some_and(|not_before| sample.pts >= not_before)
            {
                let at = nanos(track.at(sample.pts));
                if at < boundary.saturating_sub(lead(&cut)) {
                    break;
                }
                // A segment that none of its samples came for is empty.
                let following = self.boundaries.get(cut.first.len() + 1).copied().unwrap_or(i64::MAX);
                let is_here = at < following.saturating_sub(tolerance);
                cut.first.push(number);
                cut.starts.push(if is_here { at } else { boundary });
                next = boundaries.next();
                not_before = before(&cut, next);
                if is_here {
                    break;
                }
            }
            if let Some(bytes) = cut.first.len().checked_sub(1).and_then(|at| cut.bytes.get_mut(at)) {
                *bytes += u64::from(sample.size);
                end = end.max(sample.pts.saturating_add(sample.duration.into()));
            }
            number += 1;
        }
        let end = if end == i64::MIN { end } else { nanos(track.at(end)) };
        while let Some(boundary) = next {
            cut.first.push(number);
            cut.starts.push(boundary.max(end));
            next = boundaries.next();
        }
        cut.first.push(number);
        let last = cut.starts.last().copied().unwrap_or(0);
        cut.starts.push(end.max(last));
        cut
    }
}

impl TrackCut {
    /// Numbers of the samples of a segment; empty for one that has none, or is none.
    #[must_use]
    pub fn samples(&self, segment: usize) -> std::ops::Range<u32> {
        match (self.first.get(segment), self.first.get(segment + 1)) {
            (Some(&first), Some(&behind)) => first..behind,
            _ => 0..0,
        }
    }

    /// Segments up to the last one that has samples.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.bytes.iter().rposition(|&bytes| bytes > 0).map_or(0, |last| last + 1)
    }

    /// How long a segment lasts, exactly.
    #[must_use]
    pub fn duration(&self, segment: usize) -> Duration {
        let at = |at: usize| self.starts.get(at).copied().unwrap_or(0);
        Duration::from_nanos(at(segment + 1).saturating_sub(at(segment)).max(0).unsigned_abs())
    }

    /// Bytes of the samples of a segment.
    #[must_use]
    pub fn media_bytes(&self, segment: usize) -> u64 {
        self.bytes.get(segment).copied().unwrap_or(0)
    }

    /// Bytes of memory it takes.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.first.capacity() * 4 + (self.bytes.capacity() + self.starts.capacity()) * 8
    }
}

/// `ticks` of a timescale on the timeline of segments.
#[must_use]
pub fn on_segments(ticks: i64, scale: Timescale) -> i64 {
    let origin = i64::from(scale.ticks_per_second()).saturating_mul(ORIGIN.as_secs().cast_signed());
    ticks.saturating_add(origin)
}

fn end_nanos(track: &TrackIndex) -> i64 {
    let Some(first) = track.samples.from(0).next() else { return 0 };
    let end = first.pts.saturating_add(track.samples.duration());
    nanos(track.at(end))
}

fn sync_points(track: &TrackIndex) -> Vec<i64> {
    let mut points: Vec<i64> = Vec::with_capacity(track.syncs.len());
    for sync in &track.syncs {
        let at = nanos(track.at(sync.pts));
        // Presentation goes on: one that steps back is no place to cut at.
        if points.last().is_none_or(|&last| at > last) {
            points.push(at);
        }
    }
    points
}

/// Places in sound, which can be cut anywhere.
fn even_points(track: &TrackIndex, target: i64) -> Vec<i64> {
    let mut points: Vec<i64> = Vec::new();
    for sample in track.samples.from(0) {
        let at = nanos(track.at(sample.pts));
        if points.last().is_none_or(|&last| at.saturating_sub(last) >= target) && points.len() <= MAX_SEGMENTS
        {
            points.push(at);
        }
    }
    points
}

/// The points of `points` that are in `others` too, give or take half a picture.
fn common(points: &[i64], others: &[i64]) -> Vec<i64> {
    let mut others = others.iter().copied().peekable();
    let mut kept = Vec::with_capacity(points.len());
    for &at in points {
        while others.next_if(|&other| other < at.saturating_sub(SAME_NANOS)).is_some() {}
        if others.peek().is_some_and(|&other| other <= at.saturating_add(SAME_NANOS)) {
            kept.push(at);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
