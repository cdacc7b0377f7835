//! The rules at work, without input or output: observations in, findings out.

mod blocking;
mod bytes;
mod delivery;
mod delta;
mod form;
mod latency;
mod reload;
mod rendition;
mod timeline;
mod variants;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use crate::m3u8::{self, MAX_PLAYLIST_BYTES, Micros, Playlist};
use crate::observation::{Asked, Next, Observation, Resource, Want, What};
use crate::options::LowLatency;
use crate::rule::{self, Finding, Rule};
use rendition::Rendition;
use variants::Presentation;

pub(crate) use timeline::DECODE_TIME_TOLERANCE_TICKS;

/// A playlist's faults before they have a URL.
type Faults = Vec<(&'static Rule, String)>;

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Media playlists that were followed.
    pub renditions: u64,
    /// Loads of playlists that were read.
    pub playlists: u64,
    /// Of those, answers to blocked requests.
    pub blocking_reloads: u64,
    /// Of those, delta updates.
    pub delta_updates: u64,
    /// Delta updates that were held against a full playlist of the same moment.
    pub deltas_compared: u64,
    /// Rendition reports that were held against the rendition.
    pub rendition_reports: u64,
    /// Media initialization sections read.
    pub maps: u64,
    /// Segments fetched.
    pub segments: u64,
    /// Of those, segments whose container was read to the timestamps.
    pub segments_read: u64,
    /// Parts fetched.
    pub parts: u64,
    /// Segments that were held against their parts.
    pub segments_joined: u64,
    /// Hinted parts that were held against the part that was published.
    pub hints: u64,
    /// Segments and parts that are encrypted as a whole, so that nothing in them was checked.
    pub encrypted: u64,
    /// Bytes of media.
    pub media_bytes: u64,
}

/// Follows one presentation and says what is wrong with it.
#[derive(Debug)]
pub struct Checker {
    low_latency: LowLatency,
    renditions: BTreeMap<String, Rendition>,
    presentation: Option<Presentation>,
    counts: Counts,
}

impl Checker {
    /// A checker that has seen nothing yet.
    pub fn new(low_latency: LowLatency) -> Self {
        Self { low_latency, renditions: BTreeMap::new(), presentation: None, counts: Counts::default() }
    }

    /// Takes in one observation and says what it shows to be wrong.
    pub fn observe(&mut self, seen: &Observation) -> Vec<Finding> {
        let mut faults = Faults::new();
        match &seen.what {
            What::Playlist(asked) => self.playlist(seen, *asked, &mut faults),
            _ => {
                if let Some(rendition) = self.renditions.get_mut(&seen.playlist) {
                    rendition.resource(seen, &mut self.counts, &mut faults);
                    if let (What::Segment(_), Some(presentation)) = (&seen.what, &mut self.presentation) {
                        presentation.segment(&seen.playlist, rendition.peak_rate(), &mut faults);
                    }
                }
            }
        }
        findings(&seen.playlist, faults)
    }

    fn playlist(&mut self, seen: &Observation, asked: Asked, faults: &mut Faults) {
        if let Some(rendition) = self.renditions.get_mut(&seen.playlist)
            && (!seen.response.ok() || rendition.refusal_due(asked))
        {
            rendition.refused(asked, &seen.response, faults);
            return;
        }
        if !seen.response.ok() {
            let message = format!("the playlist cannot be fetched: {}", seen.response.outcome());
            faults.push((rule::PLAYLIST_UNAVAILABLE, message));
            return;
        }
        if seen.response.body.len() > MAX_PLAYLIST_BYTES {
            let length = seen.response.body.len();
            faults.push((rule::MALFORMED_TAG, format!("{length} bytes are too many for a playlist")));
            return;
        }
        self.counts.playlists += 1;
        match m3u8::parse(&seen.response.body) {
            Playlist::Multivariant(playlist) => {
                delivery::playlist(seen, asked, None, faults);
                let presentation = Presentation::new(&seen.resource.url, &playlist, faults);
                self.presentation.get_or_insert(presentation);
            }
            Playlist::Media(playlist) => {
                delivery::playlist(seen, asked, Some(&playlist), faults);
                let independent = self.presentation.as_ref().is_some_and(Presentation::independent);
                if !self.renditions.contains_key(&seen.playlist) {
                    self.counts.renditions += 1;
                }
                let rendition = self
                    .renditions
                    .entry(seen.playlist.clone())
                    .or_insert_with(|| Rendition::new(self.low_latency, independent));
                let (control, target) = (playlist.control.clone(), playlist.target_duration);
                let reports = playlist.reports.clone();
                let current = rendition.playlist(*playlist, seen, asked, &mut self.counts, faults);
                if current {
                    self.across(seen, &reports, target, &control, faults);
                }
            }
        }
    }

    /// What one playlist says of the others.
    fn across(
        &mut self,
        seen: &Observation,
        reports: &[m3u8::Report],
        target: Option<u64>,
        control: &m3u8::ServerControl,
        faults: &mut Faults,
    ) {
        let at = seen.response.done;
        let mut reported = Vec::new();
        for report in reports {
            if report.uri.starts_with('/') || Url::parse(&report.uri).is_ok() {
                faults.push((
                    rule::RENDITION_REPORT_URI,
                    format!("the report of {} is not relative", m3u8::brief(&report.uri)),
                ));
            }
            let Some(url) = resolve(&seen.resource.url, &report.uri) else { continue };
            reported.push(without_query(&url));
            let Some(other) = self.renditions.get(&url).or_else(|| {
                let plain = without_query(&url);
                self.renditions
                    .iter()
                    .find(|(known, _)| without_query(known) == plain)
                    .map(|(_, found)| found)
            }) else {
                continue;
            };
            self.counts.rendition_reports += 1;
            // What it leaves out is as in the playlist that holds it.
            let own = self.renditions.get(&seen.playlist).and_then(Rendition::last);
            let sequence = report.last_sequence.or(own.map(|(sequence, _)| sequence)).unwrap_or(0);
            let part = report.last_part.or(own.and_then(|(_, part)| part));
            other.report((sequence, part), at, &report.uri, faults);
        }
        let low_latency = self.renditions.get(&seen.playlist).is_some_and(Rendition::low_latency);
        if low_latency && control.can_block_reload {
            for (url, other) in self.renditions.iter().filter(|(url, _)| **url != seen.playlist) {
                if other.low_latency() && !reported.contains(&without_query(url)) {
                    faults.push((rule::RENDITION_REPORT_MISSING, format!("there is no report of {url}")));
                }
            }
        }
        for (url, other) in self.renditions.iter().filter(|(url, _)| **url != seen.playlist) {
            if let (Some(own), Some(theirs)) = (target, other.target_duration())
                && own != theirs
            {
                faults.push((
                    rule::TARGET_DURATIONS_DIFFER,
                    format!("the target duration is {own} s, that of {url} is {theirs} s"),
                ));
            }
            if other.control().is_some_and(|theirs| theirs != control) {
                faults.push((
                    rule::SERVER_CONTROLS_DIFFER,
                    format!("EXT-X-SERVER-CONTROL is not that of {url}"),
                ));
            }
        }
    }

    /// URLs of the media playlists that a multivariant playlist led to.
    pub fn media_playlists(&self) -> Option<Vec<String>> {
        self.presentation.as_ref().map(|presentation| presentation.playlists().to_vec())
    }

    /// What is listed in that playlist, has not been asked for, and should be.
    pub fn wants(&mut self, playlist: &str) -> Vec<Want> {
        self.renditions.get_mut(playlist).map(Rendition::wants).unwrap_or_default()
    }

    /// How to go on with that playlist.
    pub fn next(&mut self, playlist: &str) -> Next {
        match self.renditions.get_mut(playlist) {
            Some(rendition) => rendition.next(),
            None => Next::Wait { after: Duration::from_secs(1), delta: false },
        }
    }

    /// Requests that a server that blocks reloads has to refuse.
    pub fn refusals(&self, playlist: &str) -> Vec<Asked> {
        self.renditions.get(playlist).map(Rendition::refusals).unwrap_or_default()
    }

    /// What the run as a whole shows to be wrong.
    pub fn finish(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        for (url, rendition) in &self.renditions {
            let mut faults = Faults::new();
            rendition.finish(&mut faults);
            all.extend(findings(url, faults));
        }
        if self.renditions.is_empty() {
            let message = "no media playlist was read".to_owned();
            all.push(Finding { rule: rule::NOTHING_CHECKED, playlist: String::new(), message });
        }
        all
    }

    /// How much was looked at so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

fn findings(playlist: &str, faults: Faults) -> Vec<Finding> {
    let finding = |(rule, message)| Finding { rule, playlist: playlist.to_owned(), message };
    faults.into_iter().map(finding).collect()
}

/// `reference` as seen from `base`.
fn resolve(base: &str, reference: &str) -> Option<String> {
    Url::parse(base).ok()?.join(reference).ok().map(String::from)
}

fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// A moment of the run in microseconds.
fn micros(at: Duration) -> Micros {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// Where a byte range or a whole resource is.
fn resource(base: &str, uri: &str, range: Option<m3u8::ByteRange>) -> Option<Resource> {
    Some(Resource {
        url: resolve(base, uri)?,
        start: range.map_or(0, |range| range.start),
        length: range.map(|range| range.length),
        open_range: false,
    })
}
