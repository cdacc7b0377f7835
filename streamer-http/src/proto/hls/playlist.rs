//! The media playlist (RFC 8216, 4.3.3; second edition, 4.4.3) as a pure function of a presentation.

use std::fmt::{self, Write};
use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::delta::{self, Skip};
use super::encryption::{EncryptionMethod, Key};
use super::name::{FileName, RenditionId};
use super::presentation::{Presentation, Rendition};
use super::segment::{DateRange, DateRangeKind, Map, Part, Segment, SegmentBody};
use super::view::{Edge, ListOptions, Listed};
use super::window::Window;

/// `HOLD-BACK` in target durations and `PART-HOLD-BACK` in part targets: the least that is allowed of the first and
/// what is recommended of the second (second edition, 4.4.3.8).
const HOLD_BACK: u32 = 3;
/// Parts are listed in segments that end within as many target durations of the end (4.4.4.9).
const LISTED_PARTS_TARGET_DURATIONS: u32 = 3;

/// Which playlist of a rendition is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaView<'a> {
    /// Where it ends.
    pub edge: Edge,
    /// Whether a delta update will do.
    pub skip: Option<Skip>,
    /// What follows the URI of everything it refers to: empty, or a query string with its question mark.
    pub query: &'a str,
}

impl MediaView<'_> {
    /// All that is listed up to the live edge.
    pub const LIVE: Self = Self { edge: Edge::Live, skip: None, query: "" };
}

/// The media playlist of rendition `id`. The same presentation and view give the same bytes.
///
/// `None` when there is no such rendition, or no segment of it is complete yet.
#[must_use]
pub fn media_playlist(
    presentation: &Presentation,
    id: RenditionId,
    view: &MediaView<'_>,
    options: ListOptions,
) -> Option<String> {
    let rendition = presentation.rendition(id)?;
    let window = &rendition.window;
    let target_duration_s = window.target_duration_s?;
    let listed = Listed::of(window, view.edge, options);
    if listed.segments.is_empty() {
        return None;
    }
    let low_latency = LowLatency::of(window, view.edge, target_duration_s, options);
    let skipped = match (&low_latency, view.skip) {
        (Some(LowLatency { skip_boundary: Some(boundary), .. }), Some(_)) => {
            delta::skipped(&listed, *boundary)
        }
        _ => 0,
    };
    let mut writer = Writer {
        text: String::with_capacity(256 + 512 * listed.segments.len()),
        rendition,
        query: view.query,
    };
    writer.header(&listed, target_duration_s, low_latency.as_ref(), view.skip.filter(|_| skipped > 0));
    if let Some(skip) = view.skip.filter(|_| skipped > 0) {
        writer.line(format_args!("{}", delta::tag(skip, skipped, &listed)));
        if skip == Skip::Segments {
            let ranges = listed.segments.iter().take(skipped).flat_map(|segment| &segment.date_ranges);
            ranges.for_each(|range| writer.date_range(range));
        }
    }
    let end = listed.duration();
    let mut at = Duration::ZERO;
    let mut told = InForce::default();
    for (index, segment) in listed.segments.iter().enumerate() {
        at += segment.duration;
        if index >= skipped {
            let with_parts = low_latency.as_ref().is_some_and(|ll| end.saturating_sub(at) <= ll.parts_within);
            writer.segment(segment, told, with_parts);
        }
        told = InForce::of(segment);
    }
    if low_latency.is_some() {
        writer.live_edge(&listed, told);
        if !listed.ended {
            writer.rendition_reports(presentation);
        }
    }
    if listed.ended {
        writer.line("#EXT-X-ENDLIST");
    }
    Some(writer.text)
}

/// What holds of all that follows in a playlist, until it is told anew.
#[derive(Clone, Copy, Default)]
struct InForce<'a> {
    map: Option<&'a Map>,
    key: Option<&'a Key>,
}

impl<'a> InForce<'a> {
    fn of(segment: &'a Segment) -> Self {
        Self { map: segment.map.as_deref(), key: segment.key.as_deref() }
    }
}

/// What a Low-Latency playlist promises.
struct LowLatency {
    part_target: Duration,
    hold_back: Duration,
    skip_boundary: Option<Duration>,
    parts_within: Duration,
}

impl LowLatency {
    fn of(window: &Window, edge: Edge, target_duration_s: u32, options: ListOptions) -> Option<Self> {
        let part_target = window.part_target.filter(|_| edge == Edge::Live)?;
        let target_duration = Duration::from_secs(target_duration_s.into());
        Some(Self {
            part_target,
            hold_back: HOLD_BACK * target_duration,
            skip_boundary: options.skip_boundary(target_duration_s),
            parts_within: LISTED_PARTS_TARGET_DURATIONS * target_duration,
        })
    }
}

struct Writer<'a> {
    text: String,
    rendition: &'a Rendition,
    query: &'a str,
}

impl Writer<'_> {
    fn line(&mut self, line: impl fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn header(
        &mut self,
        listed: &Listed<'_>,
        target_duration_s: u32,
        low_latency: Option<&LowLatency>,
        skip: Option<Skip>,
    ) {
        let has_map = listed.segments.iter().any(|segment| segment.map.is_some());
        // Tags that a client may ignore ask for no version (RFC 8216, 7): Low-Latency alone changes nothing.
        let version = match skip {
            Some(Skip::SegmentsAndDateRanges) => 10,
            Some(Skip::Segments) => 9,
            None if has_map => 6,
            None => 3,
        };
        self.line("#EXTM3U");
        self.line(format_args!("#EXT-X-VERSION:{version}"));
        self.line(format_args!("#EXT-X-TARGETDURATION:{target_duration_s}"));
        if let Some(low_latency) = low_latency {
            let mut control = format!(
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},HOLD-BACK={}",
                Seconds(HOLD_BACK * low_latency.part_target),
                Seconds(low_latency.hold_back)
            );
            if let Some(boundary) = low_latency.skip_boundary {
                let _ = write!(control, ",CAN-SKIP-UNTIL={},CAN-SKIP-DATERANGES=YES", Seconds(boundary));
            }
            self.line(control);
            self.line(format_args!("#EXT-X-PART-INF:PART-TARGET={}", Seconds(low_latency.part_target)));
        }
        if self.rendition.window.independent {
            self.line("#EXT-X-INDEPENDENT-SEGMENTS");
        }
        if let Some(first) = listed.segments.first() {
            self.line(format_args!("#EXT-X-MEDIA-SEQUENCE:{}", first.msn));
            // The tag before the first segment listed is listed still (6.2.2).
            let removed = first.discontinuity_sequence.saturating_sub(first.discontinuity.into());
            if removed > 0 {
                self.line(format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{removed}"));
            }
        }
    }

    fn segment(&mut self, segment: &Segment, told: InForce<'_>, with_parts: bool) {
        self.opening(
            segment.discontinuity,
            segment.start_unix_ms,
            (InForce::of(segment), told),
            &segment.date_ranges,
        );
        if with_parts {
            self.parts(segment.msn, &segment.parts);
        }
        if segment.body == SegmentBody::Missing {
            self.line("#EXT-X-GAP");
        }
        self.line(format_args!("#EXTINF:{},", Seconds(segment.duration)));
        let uri = self.uri(FileName::Segment(self.rendition.window.run, segment.msn));
        self.line(uri);
    }

    /// What stands before a segment or before its first part.
    fn opening(
        &mut self,
        discontinuity: bool,
        start_unix_ms: i64,
        (holds, told): (InForce<'_>, InForce<'_>),
        date_ranges: &[DateRange],
    ) {
        if discontinuity {
            self.line("#EXT-X-DISCONTINUITY");
        }
        self.in_force(holds, told);
        date_ranges.iter().for_each(|range| self.date_range(range));
        self.line(format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", Date(start_unix_ms)));
    }

    /// The initialization section and the key, where they are others than those told.
    fn in_force(&mut self, holds: InForce<'_>, told: InForce<'_>) {
        let map = holds.map.filter(|map| told.map.is_none_or(|told| told.number != map.number));
        let mut key = told.key.map(|key| key.number);
        // A key is for the sections behind it too (RFC 8216, 4.3.2.4), which are clear. `SAMPLE-AES` is for none.
        let is_whole = |key: &Key| key.method() == EncryptionMethod::Aes128;
        if let Some(map) = map {
            if told.key.is_some_and(is_whole) {
                self.line("#EXT-X-KEY:METHOD=NONE");
                key = None;
            }
            let uri = self.uri(FileName::Map(self.rendition.window.run, map.number));
            self.line(format_args!("#EXT-X-MAP:URI=\"{uri}\""));
        }
        match holds.key {
            Some(holds) if key != Some(holds.number) => self.key(holds),
            None if key.is_some() => self.line("#EXT-X-KEY:METHOD=NONE"),
            _ => {}
        }
    }

    fn key(&mut self, key: &Key) {
        let uri = self.uri(FileName::Key(self.rendition.window.run, key.number));
        match key.protection() {
            // Without `IV` each segment has its media sequence number (RFC 8216, 5.2).
            None => self.line(format_args!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"")),
            Some(protection) => {
                let iv = u128::from_be_bytes(protection.constant_iv);
                self.line(format_args!(
                    "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"{uri}\",IV=0x{iv:032X},KEYFORMAT=\"identity\""
                ));
            }
        }
    }

    fn parts(&mut self, msn: u64, parts: &[Part]) {
        for (number, part) in (0..).zip(parts) {
            let uri = self.uri(FileName::Part(self.rendition.window.run, msn, number));
            let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
            let duration = Seconds(part.duration);
            self.line(format_args!("#EXT-X-PART:DURATION={duration},URI=\"{uri}\"{independent}"));
        }
    }

    /// The segment being made, and the part that comes next.
    fn live_edge(&mut self, listed: &Listed<'_>, told: InForce<'_>) {
        if let Some(open) = listed.open {
            let holds = InForce { map: open.map.as_deref(), key: open.key.as_deref() };
            self.opening(open.discontinuity, open.start_unix_ms, (holds, told), &open.date_ranges);
            self.parts(open.msn, &open.parts);
        }
        if let Some((msn, part)) = self.rendition.window.next_part().filter(|_| !listed.ended) {
            let uri = self.uri(FileName::Part(self.rendition.window.run, msn, part));
            self.line(format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\""));
        }
    }

    /// Where the other renditions are (4.4.5.4).
    fn rendition_reports(&mut self, presentation: &Presentation) {
        let own = self.rendition.id;
        for other in presentation.renditions.iter().filter(|other| other.id != own && !other.window.ended) {
            let Some((msn, part)) = other.window.last() else { continue };
            let (id, query) = (other.id, self.query);
            let part = part.map(|part| format!(",LAST-PART={part}")).unwrap_or_default();
            self.line(format_args!(
                "#EXT-X-RENDITION-REPORT:URI=\"../{id}/index.m3u8{query}\",LAST-MSN={msn}{part}"
            ));
        }
    }

    fn date_range(&mut self, range: &DateRange) {
        let mut line =
            format!("#EXT-X-DATERANGE:ID=\"{}\",START-DATE=\"{}\"", range.id, Date(range.start_unix_ms));
        if let Some(planned) = range.planned_duration {
            let _ = write!(line, ",PLANNED-DURATION={}", Seconds(planned));
        }
        line.push_str(match range.kind {
            DateRangeKind::Command => ",SCTE35-CMD=0x",
            DateRangeKind::Out => ",SCTE35-OUT=0x",
            DateRangeKind::In => ",SCTE35-IN=0x",
        });
        for byte in &range.scte35 {
            let _ = write!(line, "{byte:02X}");
        }
        self.line(line);
    }

    fn uri(&self, name: FileName) -> String {
        format!("{}{}", name.display(self.rendition.id.container()), self.query)
    }
}

/// Seconds with five decimals: finer than a sample at 96 kHz.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.5}", self.0.as_secs_f64())
    }
}

/// Unix milliseconds as ISO 8601 in UTC.
struct Date(i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date: DateTime<Utc> = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minute, second) = (date.hour(), date.minute(), date.second());
        let milli = date.timestamp_subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

#[cfg(test)]
mod tests;
