//! Segments, parts, hints and maps as they arrive, held against the playlist and against one another.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::timeline::{self, Anchor};
use super::{Counts, Faults, delivery, resource};
use crate::m3u8::{MediaPlaylist, SECOND, Segment, brief};
use crate::media::{Context, Kind, Media};
use crate::observation::{Observation, Resource, What};
use crate::rule;

/// Segments of one rendition whose timestamps are remembered: what a discontinuity-free timeline needs is the last one.
pub(super) const MAX_REMEMBERED_SEGMENTS: usize = 64;

/// Segments back from the end for which bodies are kept, to hold parts and hints against them.
pub(super) const MAX_SEGMENTS_WITH_BYTES: u64 = 4;

/// Hinted bodies that wait for their part; a playlist hints one part at a time.
pub(super) const MAX_REMEMBERED_HINTS: usize = 16;

/// Observations that wait for their media initialization section.
pub(super) const MAX_WAITING_FOR_MAP: usize = 64;

/// What was fetched of one rendition.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    base: String,
    entries: BTreeMap<u64, Entry>,
    maps: BTreeMap<Resource, Option<Context>>,
    /// Hinted resources and their bodies; without one the server answered that there is none.
    hints: VecDeque<(Resource, Option<Bytes>)>,
    waiting: Vec<Observation>,
    /// For segments without a map.
    context: Context,
    /// One for each run of segments without discontinuity.
    anchors: BTreeMap<u64, Option<Anchor>>,
    /// Highest bit rate of a segment so far.
    pub(super) peak: u64,
    pub(super) segments: u64,
    pub(super) parts: u64,
}

/// One segment: as listed, and what came of it.
#[derive(Debug, Default)]
struct Entry {
    segment: Segment,
    run: u64,
    target: i64,
    independent: bool,
    /// It was listed with all of its parts.
    whole: bool,
    body: Option<Bytes>,
    media: Option<Media>,
    parts: BTreeMap<u64, Bytes>,
}

impl Shelf {
    /// Takes in what `playlist`, loaded from `base`, lists from segment `from` on.
    pub(super) fn list(&mut self, base: &str, playlist: &MediaPlaylist, from: u64, independent: bool) {
        base.clone_into(&mut self.base);
        let mut run = playlist.discontinuity_sequence;
        for segment in playlist.all() {
            run = run.saturating_add(u64::from(segment.discontinuity));
            if segment.sequence < from {
                continue;
            }
            let entry = self.entries.entry(segment.sequence).or_default();
            let known = std::mem::replace(&mut entry.segment, segment.clone());
            if entry.segment.parts.is_empty() {
                // No longer listed; what was fetched can still be held against them.
                entry.segment.parts = known.parts;
            }
            entry.whole |= !segment.uri.is_empty() && !segment.parts.is_empty();
            entry.run = run;
            entry.target = playlist.target();
            entry.independent = independent;
        }
        while self.entries.len() > MAX_REMEMBERED_SEGMENTS {
            self.entries.pop_first();
        }
        while self.anchors.len() > MAX_REMEMBERED_SEGMENTS {
            self.anchors.pop_first();
        }
        let keep = playlist.edge().0.saturating_sub(MAX_SEGMENTS_WITH_BYTES);
        for (_, entry) in self.entries.range_mut(..keep) {
            entry.body = None;
            entry.parts.clear();
        }
    }

    /// Takes in a resource.
    pub(super) fn take(&mut self, seen: &Observation, counts: &mut Counts, faults: &mut Faults) {
        if !delivery::resource(seen, faults) {
            if seen.what == What::Map {
                self.maps.insert(seen.resource.clone(), None);
            } else if seen.what == What::Hint && seen.response.status == Some(404) {
                self.hint(seen, None, counts, faults);
            }
            return;
        }
        counts.media_bytes += seen.response.body.len() as u64;
        match seen.what {
            What::Map => self.map(seen, counts, faults),
            What::Hint => self.hint(seen, Some(&seen.response.body), counts, faults),
            What::Segment(sequence) => {
                counts.segments += 1;
                self.segments += 1;
                self.segment(sequence, seen, counts, faults);
            }
            What::Part(sequence, index) => {
                counts.parts += 1;
                self.parts += 1;
                self.part(sequence, index, seen, counts, faults);
            }
            What::Playlist(_) | What::Removed(_) => {}
        }
    }

    fn map(&mut self, seen: &Observation, counts: &mut Counts, faults: &mut Faults) {
        counts.maps += 1;
        let context = Context::from_map(&seen.response.body);
        if let Err(why) = &context {
            faults.push((rule::MAP_MALFORMED, format!("{}: {why}", brief(&seen.resource.url))));
        }
        self.maps.insert(seen.resource.clone(), context.ok());
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting.what {
                What::Segment(sequence) => self.segment(sequence, &waiting, counts, faults),
                What::Part(sequence, index) => self.part(sequence, index, &waiting, counts, faults),
                _ => {}
            }
        }
    }

    /// Reads `body` as a segment or part of `segment`; None when that must wait, or cannot be.
    fn read(
        &mut self,
        segment: &Segment,
        whole: bool,
        seen: &Observation,
        faults: &mut Faults,
    ) -> Option<Media> {
        let body = &seen.response.body;
        let media = match &segment.map {
            None => {
                let media = self.context.read(body);
                if whole && media.transport && !media.has_program {
                    let message = format!("segment {} has no PAT and PMT", segment.sequence);
                    faults.push((rule::SEGMENT_WITHOUT_PROGRAM, message));
                }
                media
            }
            Some(map) => match self.maps.get_mut(&resource(&self.base, &map.uri, map.range)?) {
                Some(Some(context)) => context.read(body),
                Some(None) => return None,
                None => {
                    if self.waiting.len() < MAX_WAITING_FOR_MAP {
                        self.waiting.push(seen.clone());
                    }
                    return None;
                }
            },
        };
        for (rule, what) in &media.faults {
            faults.push((*rule, format!("{}: {what}", brief(&seen.resource.url))));
        }
        Some(media)
    }

    fn segment(&mut self, sequence: u64, seen: &Observation, counts: &mut Counts, faults: &mut Faults) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let (segment, run) = (entry.segment.clone(), entry.run);
        let (target, independent) = (entry.target, entry.independent);
        // A short rest tells no rate: clause 1 measures half a target duration or more.
        if segment.duration >= target / 2 && segment.duration > 0 {
            let bits = seen.response.body.len() as u64 * 8;
            let rate = u128::from(bits) * u128::from(SECOND.unsigned_abs())
                / u128::from(segment.duration.unsigned_abs());
            self.peak = self.peak.max(u64::try_from(rate).unwrap_or(u64::MAX));
        }
        if segment.key.as_ref().is_some_and(|key| key.opaque) {
            counts.encrypted += 1;
            return;
        }
        entry.body = Some(seen.response.body.clone());
        self.join(sequence, counts, faults);
        let Some(media) = self.read(&segment, true, seen, faults) else { return };
        if !media.spans.is_empty() {
            counts.segments_read += 1;
        }
        if let Err(why) = timeline::duration(segment.duration, &media) {
            faults.push((rule::SEGMENT_DURATION_WRONG, format!("segment {sequence}: {why}")));
        }
        if independent && media.main().is_some_and(|main| main.kind == Kind::Video && !main.sync) {
            faults.push((
                rule::SEGMENT_NOT_INDEPENDENT,
                format!("segment {sequence} does not begin with a sync sample"),
            ));
        }
        timeline::date(self.anchors.entry(run).or_default(), &segment, &media, faults);
        let neighbour = |sequence: u64| {
            let entry = self.entries.get(&sequence)?;
            Some((sequence, entry.media.as_ref()?)).filter(|_| entry.run == run)
        };
        if let Some(before) = sequence.checked_sub(1).and_then(neighbour) {
            timeline::follows(before, (sequence, &media), faults);
        }
        if let Some(after) = sequence.checked_add(1).and_then(neighbour) {
            timeline::follows((sequence, &media), after, faults);
        }
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.media = Some(media);
        }
    }

    fn part(
        &mut self,
        sequence: u64,
        index: u64,
        seen: &Observation,
        counts: &mut Counts,
        faults: &mut Faults,
    ) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let segment = entry.segment.clone();
        let place = usize::try_from(index).ok();
        let Some(part) = place.and_then(|place| segment.parts.get(place)) else { return };
        if segment.key.as_ref().is_some_and(|key| key.opaque) {
            counts.encrypted += 1;
            return;
        }
        if entry.parts.insert(index, seen.response.body.clone()).is_none() {
            if let Some((hint, body)) = take_hint(&mut self.hints, &seen.resource) {
                hinted(&hint, body.as_ref(), &seen.resource, &seen.response.body, counts, faults);
            }
            self.join(sequence, counts, faults);
        }
        let Some(media) = self.read(&segment, false, seen, faults) else { return };
        if let Err(why) = timeline::duration(part.duration, &media) {
            faults.push((rule::PART_DURATION_WRONG, format!("part {index} of segment {sequence}: {why}")));
        }
        let Some(main) = media.main() else { return };
        if part.independent && !main.sync {
            faults.push((
                rule::PART_NOT_INDEPENDENT,
                format!("part {index} of segment {sequence} does not begin with a sync sample"),
            ));
        }
        if !part.independent && main.sync {
            faults.push((
                rule::INDEPENDENT_NOT_MARKED,
                format!("part {index} of segment {sequence} begins with a sync sample and does not say so"),
            ));
        }
    }

    /// Holds a segment against its parts as soon as all of them are there.
    fn join(&mut self, sequence: u64, counts: &mut Counts, faults: &mut Faults) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let parts = &entry.segment.parts;
        if !entry.whole || parts.iter().any(|part| part.gap) || entry.parts.len() != parts.len() {
            return;
        }
        let Some(body) = entry.body.take() else { return };
        counts.segments_joined += 1;
        let mut rest = &body[..];
        for (index, part) in &entry.parts {
            let Some(after) = rest.strip_prefix(&part[..]) else {
                let at = body.len() - rest.len();
                faults.push((
                    rule::SEGMENT_DIFFERS_FROM_PARTS,
                    format!("segment {sequence} is not its parts from part {index}, byte {at} on"),
                ));
                return;
            };
            rest = after;
        }
        if !rest.is_empty() {
            let message = format!("segment {sequence} has {} bytes more than its parts", rest.len());
            faults.push((rule::SEGMENT_DIFFERS_FROM_PARTS, message));
        }
    }

    fn hint(&mut self, seen: &Observation, body: Option<&Bytes>, counts: &mut Counts, faults: &mut Faults) {
        let resource = &seen.resource;
        // The part may have been published and fetched before the hinted request was read to its end.
        for entry in self.entries.values() {
            for (index, part) in &entry.parts {
                let listed = usize::try_from(*index).ok().and_then(|index| entry.segment.parts.get(index));
                let Some(listed) = listed else { continue };
                let Some(of) = super::resource(&self.base, &listed.uri, listed.range) else { continue };
                if of.url == resource.url && of.start == resource.start {
                    hinted(resource, body, &of, part, counts, faults);
                    return;
                }
            }
        }
        self.hints.push_back((resource.clone(), body.cloned()));
        if self.hints.len() > MAX_REMEMBERED_HINTS {
            self.hints.pop_front();
        }
    }
}

fn take_hint(
    hints: &mut VecDeque<(Resource, Option<Bytes>)>,
    part: &Resource,
) -> Option<(Resource, Option<Bytes>)> {
    let index = hints.iter().position(|(hint, _)| hint.url == part.url && hint.start == part.start)?;
    hints.remove(index)
}

/// Holds the body of a hinted resource against that of the part.
fn hinted(
    hint: &Resource,
    hint_body: Option<&Bytes>,
    part: &Resource,
    part_body: &[u8],
    counts: &mut Counts,
    faults: &mut Faults,
) {
    let Some(hint_body) = hint_body else {
        let message = format!("{}: status 404, and then it is published", brief(&hint.url));
        faults.push((rule::HINT_FAILED, message));
        return;
    };
    counts.hints += 1;
    // A hint without length may go on past the part, to the end of the resource.
    let same = if part.is_range() && hint.length.is_none() {
        hint_body.starts_with(part_body)
    } else {
        hint_body == part_body
    };
    if !same {
        faults.push((
            rule::HINT_DIFFERS,
            format!(
                "{} has {} bytes as a hint and {} others as a part",
                brief(&part.url),
                hint_body.len(),
                part_body.len()
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf_with(segments: u64) -> (Shelf, MediaPlaylist) {
        let text: String = (0..segments).map(|n| format!("#EXTINF:1,\n{n}\n")).collect();
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{text}");
        let crate::m3u8::Playlist::Media(playlist) = crate::m3u8::parse(text.as_bytes()) else { panic!() };
        (Shelf::default(), *playlist)
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut shelf, playlist) = shelf_with(MAX_REMEMBERED_SEGMENTS as u64 * 2);
        shelf.list("http://h/p.m3u8", &playlist, 0, false);
        assert_eq!(shelf.entries.len(), MAX_REMEMBERED_SEGMENTS);
        for entry in shelf.entries.values_mut() {
            entry.body = Some(Bytes::from_static(b"x"));
        }
        shelf.list("http://h/p.m3u8", &playlist, u64::MAX, false);
        let bodies = shelf.entries.values().filter(|entry| entry.body.is_some()).count() as u64;
        assert_eq!(bodies, MAX_SEGMENTS_WITH_BYTES + 1, "the open one is counted");
    }

    #[test]
    fn hints_and_what_waits_for_a_map_are_bounded() {
        let (mut shelf, mut playlist) = shelf_with(1);
        for segment in &mut playlist.segments {
            segment.map = crate::m3u8::MediaPlaylist::default().open.map;
        }
        shelf.list("http://h/p.m3u8", &playlist, 0, false);
        let seen = |what: What, number: usize| Observation {
            playlist: String::new(),
            what,
            resource: Resource {
                url: format!("http://h/{number}"),
                start: 0,
                length: None,
                open_range: false,
            },
            response: crate::observation::Response {
                status: Some(200),
                headers: vec![("content-type".to_owned(), "video/mp4".to_owned())],
                ..Default::default()
            },
        };
        for number in 0..MAX_REMEMBERED_HINTS * 2 {
            shelf.take(&seen(What::Hint, number), &mut Counts::default(), &mut Vec::new());
        }
        assert_eq!(shelf.hints.len(), MAX_REMEMBERED_HINTS);
        let text = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\n0\n";
        let crate::m3u8::Playlist::Media(playlist) = crate::m3u8::parse(text) else { panic!() };
        shelf.list("http://h/p.m3u8", &playlist, 0, false);
        for number in 0..MAX_WAITING_FOR_MAP * 2 {
            shelf.take(&seen(What::Segment(0), number), &mut Counts::default(), &mut Vec::new());
        }
        assert_eq!(shelf.waiting.len(), MAX_WAITING_FOR_MAP);
    }
}
