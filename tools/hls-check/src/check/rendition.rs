//! One media playlist as it is followed: what was seen of it, what to ask for next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::blocking::{self, Before, LATENCY_ALLOWANCE};
use super::bytes::Shelf;
use super::{Counts, Faults, delta, form, latency, micros, reload, resource};
use crate::m3u8::{MediaPlaylist, Micros, ServerControl, brief, seconds};
use crate::observation::{Asked, Next, Observation, Resource, Response, Want, What};
use crate::options::LowLatency;
use crate::rule;

/// Segments that are fetched of those that the first load lists.
const FIRST_SEGMENTS: u64 = 4;

/// Every so many loads the delta update is asked for beside the playlist.
const DELTA_EVERY: u64 = 3;

/// Playlists that are kept to hold delta updates against.
pub(super) const MAX_REMEMBERED_PLAYLISTS: usize = 4;

/// Past ends of the playlist that rendition reports are held against: some minutes of parts.
pub(super) const MAX_REMEMBERED_EDGES: usize = 1024;

/// A playlist that went back is taken for the true one when it comes so many times: the server has begun anew.
const TRUE_AFTER: u32 = 2;

/// Requests for what is no longer listed: enough to see whether it is kept.
pub(super) const MAX_REMOVED_PROBES: usize = 12;

/// So far ahead of the end a request must be refused; the specification allows two segments.
const TOO_FAR: u64 = 100;

/// One media playlist.
#[derive(Debug)]
pub(super) struct Rendition {
    mode: LowLatency,
    independent: bool,
    base: String,
    current: Option<MediaPlaylist>,
    received: Micros,
    grew: Micros,
    moved: bool,
    stalled: bool,
    /// The server did not do what a blocked request asks for: do not hurry.
    unblocked: bool,
    /// Loads one after the other that went back behind what was known.
    fell_back: u32,
    loads: u64,
    fulls: VecDeque<MediaPlaylist>,
    edges: VecDeque<(Micros, (u64, Option<u64>))>,
    from: Option<u64>,
    asked_segments: BTreeSet<u64>,
    asked_parts: BTreeSet<(u64, u64)>,
    asked_maps: BTreeSet<Resource>,
    asked_hints: VecDeque<Resource>,
    /// When each listed segment appeared first.
    appeared: BTreeMap<u64, Micros>,
    /// The longest that the playlist has been.
    longest: Micros,
    /// What is no longer listed and was asked for again, and until when it must be there.
    gone: Vec<(Resource, Micros)>,
    probes: Vec<Want>,
    could_skip: u64,
    did_skip: u64,
    shelf: Shelf,
}

impl Rendition {
    pub(super) fn new(mode: LowLatency, independent: bool) -> Self {
        Self {
            mode,
            independent,
            base: String::new(),
            current: None,
            received: 0,
            grew: 0,
            moved: true,
            stalled: false,
            unblocked: false,
            fell_back: 0,
            loads: 0,
            fulls: VecDeque::new(),
            edges: VecDeque::new(),
            from: None,
            asked_segments: BTreeSet::new(),
            asked_parts: BTreeSet::new(),
            asked_maps: BTreeSet::new(),
            asked_hints: VecDeque::new(),
            appeared: BTreeMap::new(),
            longest: 0,
            gone: Vec::new(),
            probes: Vec::new(),
            could_skip: 0,
            did_skip: 0,
            shelf: Shelf::default(),
        }
    }

    /// Takes in a playlist; false when it tells nothing new.
    pub(super) fn playlist(
        &mut self,
        text: MediaPlaylist,
        seen: &Observation,
        asked: Asked,
        counts: &mut Counts,
        faults: &mut Faults,
    ) -> bool {
        self.base.clone_from(&seen.resource.url);
        let (sent, done) = (micros(seen.response.sent), micros(seen.response.done));
        if !form::check(&text, faults) {
            self.unblocked = true;
            return false;
        }
        let Some(playlist) = self.expanded(text, asked, counts, faults) else { return false };
        if asked.sequence.is_some() {
            counts.blocking_reloads += 1;
            let before = self.current.as_ref().map(|old| Before { edge: old.edge(), grew: self.grew });
            let known = faults.len();
            blocking::check(&playlist, asked, &seen.response, before.as_ref(), faults);
            self.unblocked = faults
                .get(known..)
                .is_some_and(|new| new.iter().any(|(rule, _)| *rule == rule::BLOCKING_RELOAD_EARLY));
        }
        let overtaken =
            self.current.as_ref().is_some_and(|old| playlist.edge() < old.edge() && sent <= self.received);
        if overtaken {
            return false;
        }
        latency::check(&playlist, faults);
        if let Some(old) = &self.current {
            if reload::check(old, &playlist, faults) {
                self.fell_back = 0;
            } else {
                self.fell_back += 1;
                self.unblocked = true;
                if self.fell_back < TRUE_AFTER {
                    return false;
                }
            }
            latency::removed(old, &playlist, faults);
            hint_used(old, &playlist, faults);
            self.moved = old.edge() != playlist.edge() || old.ended != playlist.ended;
        }
        self.updated(&playlist, asked, sent, done, faults);
        self.note_removed(&playlist, done);
        self.enter(playlist, done);
        true
    }

    /// The full playlist that `text` is or stands for. None when it was held against one already known.
    fn expanded(
        &mut self,
        text: MediaPlaylist,
        asked: Asked,
        counts: &mut Counts,
        faults: &mut Faults,
    ) -> Option<MediaPlaylist> {
        let Some(skipped) = text.skipped else {
            self.loads += 1;
            if let Some(until) = text.control.can_skip_until.filter(|_| asked.skip)
                && text.duration() > until + 2 * text.target()
            {
                self.could_skip += 1;
            }
            self.fulls.push_back(text.clone());
            if self.fulls.len() > MAX_REMEMBERED_PLAYLISTS {
                self.fulls.pop_front();
            }
            return Some(text);
        };
        if !asked.skip {
            let message = format!("{skipped} segments are skipped and nobody asked for it");
            faults.push((rule::SKIP_UNASKED, message));
            self.unblocked = true;
            return None;
        }
        counts.delta_updates += 1;
        self.did_skip += 1;
        let Some(full) = self.current.as_ref().and_then(|last| delta::expand(last, &text)) else {
            faults.push((
                rule::DELTA_DIFFERS,
                format!(
                    "the update stands for {skipped} segments from {} on, of which the last playlist did not have all",
                    text.media_sequence
                ),
            ));
            return None;
        };
        if let Some(what) = self.current.as_ref().and_then(|last| delta::misplaced(last, &full)) {
            faults.push((rule::DELTA_DIFFERS, what));
            return None;
        }
        delta::boundary(&full, skipped, faults);
        if let Some(known) = self.fulls.iter().find(|known| delta::same_moment(known, &full)) {
            counts.deltas_compared += 1;
            delta::compare(&full, skipped, known, faults);
            return None;
        }
        Some(full)
    }

    /// Whether it grows in time (clause 6.2.1).
    fn updated(
        &mut self,
        new: &MediaPlaylist,
        asked: Asked,
        sent: Micros,
        done: Micros,
        faults: &mut Faults,
    ) {
        let Some(old) = &self.current else { return };
        if !old.live() || !new.live() {
            return;
        }
        let most = new.target() * 3 / 2 + LATENCY_ALLOWANCE;
        let late = asked.sequence.is_some() && done - sent > 3 * new.target() + LATENCY_ALLOWANCE;
        // An answer that shows no growth was made after the request; one that was blocked came with the growth.
        let since = if !self.moved {
            sent - self.grew
        } else if asked.sequence.is_some() {
            done - self.grew
        } else {
            0
        };
        if since > most && !late && !self.stalled {
            faults.push((
                rule::PLAYLIST_NOT_UPDATED,
                format!(
                    "nothing was added for {}, one and a half target durations are {}",
                    seconds(since),
                    seconds(new.target() * 3 / 2)
                ),
            ));
        }
        self.stalled = since > most && !self.moved;
    }

    /// Has what this load no longer lists, and what must still be there, asked for once more.
    fn note_removed(&mut self, new: &MediaPlaylist, done: Micros) {
        let Some(old) = &self.current else { return };
        let mut gone = Vec::new();
        let newest = new.media_sequence.checked_sub(1).and_then(|last| old.segment(last));
        if let Some(segment) = newest.filter(|segment| !segment.gap)
            && let Some(appeared) = self.appeared.get(&segment.sequence)
        {
            let until = appeared + segment.duration + self.longest;
            gone.push((segment.sequence, resource(&self.base, &segment.uri, segment.range), until));
        }
        for segment in old.segments.iter().filter(|segment| segment.sequence >= new.media_sequence) {
            let kept = new.segment(segment.sequence).is_none_or(|now| !now.parts.is_empty());
            if let Some(part) = segment.parts.last().filter(|part| !kept && !part.gap) {
                // They were listed at the last load at least.
                let until = self.received + 3 * new.target();
                gone.push((segment.sequence, resource(&self.base, &part.uri, part.range), until));
            }
        }
        for (sequence, place, until) in gone {
            if let Some(place) = place.filter(|_| until > done && self.gone.len() < MAX_REMOVED_PROBES) {
                self.probes.push(Want { what: What::Removed(sequence), resource: place.clone() });
                self.gone.push((place, until));
            }
        }
    }

    fn enter(&mut self, playlist: MediaPlaylist, done: Micros) {
        if self.moved || self.current.is_none() {
            self.grew = done;
        }
        self.received = done;
        self.longest = self.longest.max(playlist.duration());
        // What the first load lists appeared while what follows it was made.
        let mut after = if self.current.is_none() { playlist.duration() } else { 0 };
        for segment in &playlist.segments {
            after = (after - segment.duration).max(0);
            self.appeared.entry(segment.sequence).or_insert(done - after);
        }
        self.appeared = self.appeared.split_off(&playlist.media_sequence);
        if let Some(last) = playlist.last() {
            self.edges.push_back((done, last));
        }
        if self.edges.len() > MAX_REMEMBERED_EDGES {
            self.edges.pop_front();
        }
        let from = *self.from.get_or_insert(playlist.open.sequence.saturating_sub(FIRST_SEGMENTS));
        let independent = self.independent || playlist.independent_segments;
        self.shelf.list(&self.base, &playlist, from, independent);
        self.asked_segments = self.asked_segments.split_off(&playlist.media_sequence);
        self.asked_parts = self.asked_parts.split_off(&(playlist.media_sequence, 0));
        self.current = Some(playlist);
    }

    /// Takes in a resource.
    pub(super) fn resource(&mut self, seen: &Observation, counts: &mut Counts, faults: &mut Faults) {
        if matches!(seen.what, What::Removed(_)) {
            let known = self.gone.iter().find(|(place, _)| *place == seen.resource);
            let due = known.map_or(0, |(_, until)| *until);
            if !seen.response.ok() && micros(seen.response.done) < due {
                let outcome = seen.response.outcome();
                faults.push((
                    rule::REMOVED_TOO_SOON,
                    format!("{} is no longer listed, and now: {outcome}", brief(&seen.resource.url)),
                ));
            }
            return;
        }
        self.shelf.take(seen, counts, faults);
    }

    /// Whether a server has to refuse such a request.
    pub(super) fn refusal_due(&self, asked: Asked) -> bool {
        let end = self.current.as_ref().map_or(0, |playlist| playlist.edge().0);
        match asked.sequence {
            None => asked.part.is_some(),
            Some(sequence) => sequence > end.saturating_add(TOO_FAR / 2),
        }
    }

    /// Takes in a request that brought no playlist, or that should not have.
    pub(super) fn refused(&mut self, asked: Asked, response: &Response, faults: &mut Faults) {
        let outcome = response.outcome();
        let live = self.current.as_ref().is_none_or(MediaPlaylist::live);
        if self.refusal_due(asked) {
            if response.status == Some(400) || !live {
                return;
            }
            faults.push(match asked.sequence {
                None => (rule::PART_WITHOUT_SEGMENT_NOT_REFUSED, format!("it was answered with {outcome}")),
                Some(sequence) => (
                    rule::TOO_FAR_NOT_REFUSED,
                    format!("segment {sequence}, {TOO_FAR} past the end, was answered with {outcome}"),
                ),
            });
            return;
        }
        self.unblocked = true;
        let (rule, what) = match (asked.skip, asked.sequence) {
            (true, _) => (rule::DELTA_REFUSED, "a delta update".to_owned()),
            (false, Some(sequence)) => (rule::BLOCKING_RELOAD_FAILED, format!("segment {sequence}")),
            (false, None) => (rule::PLAYLIST_UNAVAILABLE, "the playlist".to_owned()),
        };
        faults.push((rule, format!("a request for {what} was answered with {outcome}")));
    }

    /// What is listed and was not asked for yet.
    pub(super) fn wants(&mut self) -> Vec<Want> {
        let (Some(playlist), Some(from)) = (&self.current, self.from) else { return Vec::new() };
        let latency = self.mode != LowLatency::Off;
        let mut wants = std::mem::take(&mut self.probes);
        for segment in playlist.all().filter(|segment| segment.sequence >= from) {
            let complete = !segment.uri.is_empty();
            if let Some(map) = &segment.map
                && let Some(resource) = resource(&self.base, &map.uri, map.range)
                && self.asked_maps.insert(resource.clone())
            {
                wants.push(Want { what: What::Map, resource });
            }
            if complete && !segment.gap && self.asked_segments.insert(segment.sequence) {
                let place = resource(&self.base, &segment.uri, segment.range);
                wants.extend(place.map(|resource| Want { what: What::Segment(segment.sequence), resource }));
            }
            for (index, part) in (0..).zip(&segment.parts) {
                if latency && !part.gap && self.asked_parts.insert((segment.sequence, index)) {
                    let place = resource(&self.base, &part.uri, part.range);
                    let what = What::Part(segment.sequence, index);
                    wants.extend(place.map(|resource| Want { what, resource }));
                }
            }
        }
        for hint in playlist.hints.iter().filter(|_| latency) {
            let Some(url) = super::resolve(&self.base, &hint.uri) else { continue };
            let place = Resource {
                url,
                start: hint.start.unwrap_or(0),
                length: hint.length,
                open_range: hint.start.is_some() && hint.length.is_none(),
            };
            if !self.asked_hints.contains(&place) {
                self.asked_hints.push_back(place.clone());
                wants.push(Want { what: What::Hint, resource: place });
            }
        }
        while self.asked_hints.len() > super::bytes::MAX_REMEMBERED_HINTS {
            self.asked_hints.pop_front();
        }
        wants
    }

    /// How to go on.
    pub(super) fn next(&mut self) -> Next {
        let Some(playlist) = &self.current else {
            return Next::Wait { after: Duration::from_secs(1), delta: false };
        };
        if !playlist.live() {
            return Next::Ended;
        }
        let directives = self.mode != LowLatency::Off;
        let delta = directives
            && playlist.control.can_skip_until.is_some()
            && self.loads % DELTA_EVERY == DELTA_EVERY - 1;
        let (sequence, parts) = playlist.edge();
        if directives && playlist.control.can_block_reload && !self.unblocked {
            let part = playlist.part_target.map(|_| parts);
            return Next::Reload { asked: Asked { sequence: Some(sequence), part, skip: false }, delta };
        }
        self.unblocked = false;
        // Clause 6.3.4: a target duration after a change, half of one otherwise.
        let target = Duration::from_secs(playlist.target_duration.unwrap_or(1).clamp(1, 3600));
        Next::Wait { after: if self.moved { target } else { target / 2 }, delta }
    }

    /// Requests that have to be refused.
    pub(super) fn refusals(&self) -> Vec<Asked> {
        match &self.current {
            Some(playlist)
                if playlist.live() && playlist.control.can_block_reload && self.mode != LowLatency::Off =>
            {
                let sequence = Some(playlist.edge().0.saturating_add(TOO_FAR));
                vec![Asked { sequence, ..Asked::default() }, Asked { part: Some(0), ..Asked::default() }]
            }
            _ => Vec::new(),
        }
    }

    /// Holds what another playlist reported of this one at `at` against what was seen of it.
    pub(super) fn report(&self, reported: (u64, Option<u64>), at: Duration, uri: &str, faults: &mut Faults) {
        let Some(playlist) = &self.current else { return };
        let then = micros(at) - playlist.target();
        let known = self.edges.iter().rev().find(|(seen, _)| *seen <= then);
        if let Some((_, known)) = known.filter(|(_, known)| *known > reported) {
            faults.push((
                rule::RENDITION_REPORT_STALE,
                format!(
                    "{} is reported at (segment, part) {reported:?}, it was at {known:?} a target duration before",
                    brief(uri)
                ),
            ));
        }
    }

    pub(super) fn last(&self) -> Option<(u64, Option<u64>)> {
        self.current.as_ref()?.last()
    }

    pub(super) fn target_duration(&self) -> Option<u64> {
        self.current.as_ref().filter(|playlist| !playlist.i_frames_only)?.target_duration
    }

    pub(super) fn control(&self) -> Option<&ServerControl> {
        self.current.as_ref().map(|playlist| &playlist.control)
    }

    pub(super) fn low_latency(&self) -> bool {
        self.current.as_ref().is_some_and(|playlist| playlist.part_target.is_some() && playlist.live())
    }

    pub(super) fn peak_rate(&self) -> u64 {
        self.shelf.peak
    }

    /// What the whole run shows to be wrong.
    pub(super) fn finish(&self, faults: &mut Faults) {
        let only_gaps = self.current.as_ref().is_some_and(|playlist| {
            !playlist.segments.is_empty() && playlist.segments.iter().all(|segment| segment.gap)
        });
        if self.shelf.segments == 0 && !only_gaps {
            faults.push((rule::NOTHING_CHECKED, "no segment was fetched".to_owned()));
        }
        if self.could_skip > 0 && self.did_skip == 0 {
            faults.push((
                rule::DELTA_NEVER,
                format!("{} times an update was asked for, and nothing was skipped", self.could_skip),
            ));
        }
        if self.mode != LowLatency::Require {
            return;
        }
        let Some(playlist) = &self.current else { return };
        if playlist.part_target.is_none() || !playlist.control.can_block_reload {
            faults.push((
                rule::NOT_LOW_LATENCY,
                "it has no EXT-X-PART-INF, or no CAN-BLOCK-RELOAD=YES".to_owned(),
            ));
        } else if self.shelf.parts == 0 {
            faults.push((rule::NOTHING_CHECKED, "no part was fetched".to_owned()));
        }
    }
}

/// The first part past the old end is the one that was hinted.
fn hint_used(old: &MediaPlaylist, new: &MediaPlaylist, faults: &mut Faults) {
    let Some(hint) = old.hints.iter().find(|hint| hint.part) else { return };
    let (sequence, parts) = old.edge();
    let first = |segment: u64, part: u64| {
        let segment = new.all().find(|known| known.sequence == segment)?;
        segment.parts.get(usize::try_from(part).ok()?)
    };
    // The segment may have ended with what it had; then the next one begins.
    let Some(part) = first(sequence, parts).or_else(|| first(sequence.saturating_add(1), 0)) else { return };
    let start = part.range.map_or(0, |range| range.start);
    if part.uri != hint.uri || start != hint.start.unwrap_or(0) {
        faults.push((
            rule::HINT_UNUSED,
            format!(
                "{} from byte {} was hinted, {} from byte {start} was published",
                brief(&hint.uri),
                hint.start.unwrap_or(0),
                brief(&part.uri)
            ),
        ));
    }
}

#[cfg(test)]
mod tests;
