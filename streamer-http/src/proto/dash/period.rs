//! Periods: what the windows of a presentation list, discontinuity by discontinuity.

use std::collections::BTreeMap;

use streamer_core::Timescale;

use crate::proto::hls::{
    Edge, ListOptions, Listed, Map, MediaTime, Presentation, Rendition, RunId, Segment, SegmentBody, Timeline,
};

/// A segment and where it lies.
pub(super) type Placed<'a> = (&'a Segment, MediaTime);

/// The segments of one rendition in one period: consecutive, with one initialization section, and all there.
#[derive(Debug)]
pub(super) struct AdaptationSet<'a> {
    pub(super) rendition: &'a Rendition,
    pub(super) map: &'a Map,
    pub(super) timescale: Timescale,
    /// Media sequence number of the first.
    pub(super) first_msn: u64,
    /// At least one.
    pub(super) segments: Vec<Placed<'a>>,
}

/// What lies between two discontinuities, in all renditions.
#[derive(Debug)]
pub(super) struct Period<'a> {
    pub(super) run: RunId,
    pub(super) discontinuity_sequence: u64,
    pub(super) timeline: Timeline,
    pub(super) sets: Vec<AdaptationSet<'a>>,
}

/// The renditions that are offered: a track that vanished from a stream is not for new players.
pub(super) fn offered(presentation: &Presentation) -> Vec<&Rendition> {
    let all = || presentation.renditions.iter().filter(|rendition| !rendition.tracks.is_empty());
    let is_over = all().all(|rendition| rendition.window.ended);
    let newest = all().map(|rendition| rendition.window.next_msn()).max();
    let goes_on = |rendition: &&Rendition| match is_over {
        false => !rendition.window.ended,
        true => Some(rendition.window.next_msn()) == newest,
    };
    all().filter(goes_on).collect()
}

/// The periods of `renditions`, oldest first. One in which a rendition has no segment at all is left out: players
/// want the same kinds of tracks in all, and a track that has just begun anew has its first segment in a moment.
pub(super) fn periods<'a>(renditions: &[&'a Rendition], options: ListOptions) -> Vec<Period<'a>> {
    let mut found: BTreeMap<u64, (usize, Vec<AdaptationSet<'a>>)> = BTreeMap::new();
    for &rendition in renditions {
        let listed = Listed::of(&rendition.window, Edge::Live, options);
        let segments = listed.segments.iter().map(|segment| &***segment);
        let mut of_one: BTreeMap<u64, Vec<&Segment>> = BTreeMap::new();
        for segment in segments {
            of_one.entry(segment.discontinuity_sequence).or_default().push(segment);
        }
        for (sequence, segments) in of_one {
            let (present, sets) = found.entry(sequence).or_default();
            *present += 1;
            sets.extend(adaptation_set(rendition, &segments));
        }
    }
    let is_whole = |present: usize| present == renditions.len();
    let period = |(discontinuity_sequence, (present, sets)): (u64, (usize, Vec<AdaptationSet<'a>>))| {
        let first = sets.first().filter(|_| is_whole(present))?;
        let (run, timeline) = (first.rendition.window.run, first.segments.first()?.1.timeline);
        Some(Period { run, discontinuity_sequence, timeline, sets })
    };
    found.into_iter().filter_map(period).collect()
}

/// What can be listed of `segments`, which are on one timeline. Numbers count segments and know no holes: what
/// stands before media that are missing is left out, as if it had left the window.
fn adaptation_set<'a>(rendition: &'a Rendition, segments: &[&'a Segment]) -> Option<AdaptationSet<'a>> {
    let is_there = |segment: &&&Segment| segment.body != SegmentBody::Missing;
    let placed = |segment: &&'a Segment| segment.media_time.map(|time| (*segment, time));
    let newest_first = segments.iter().rev().skip_while(|segment| !is_there(segment)).take_while(is_there);
    let newest_first: Vec<Placed<'a>> = newest_first.map_while(placed).collect();
    let (newest, time) = newest_first.first()?;
    let map = newest.map.as_deref()?;
    let has_map =
        |(segment, _): &Placed<'a>| segment.map.as_ref().is_some_and(|held| held.number == map.number);
    let mut segments: Vec<Placed<'a>> = newest_first.iter().copied().take_while(has_map).collect();
    segments.reverse();
    let first_msn = segments.first()?.0.msn;
    Some(AdaptationSet { rendition, map, timescale: time.timescale, first_msn, segments })
}
