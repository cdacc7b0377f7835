//! Media playlists (clauses 4.4.3 to 4.4.5).

use super::attribute::parse_range;
use super::{Attributes, ByteRange, EITHER, Micros, Problem, brief, parse_date, parse_seconds, split_tag};
use crate::rule;

/// Tags that make a playlist a media playlist.
pub(super) const TAGS: &[&str] = &[
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXTINF",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-GAP",
    "EXT-X-BITRATE",
    "EXT-X-PART",
    "EXT-X-DATERANGE",
    "EXT-X-SKIP",
    "EXT-X-PRELOAD-HINT",
    "EXT-X-RENDITION-REPORT",
];

/// Of those, the ones that may appear once.
const ONCE: &[&str] = &[
    "EXTM3U",
    "EXT-X-VERSION",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-START",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-SKIP",
];

/// A media playlist, or the delta update of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaPlaylist {
    pub(crate) version: u64,
    /// The lowest version that allows what is used, and what that is.
    pub(crate) needs: (u64, &'static str),
    pub(crate) target_duration: Option<u64>,
    pub(crate) media_sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) playlist_type: Option<String>,
    pub(crate) ended: bool,
    pub(crate) independent_segments: bool,
    pub(crate) i_frames_only: bool,
    pub(crate) part_target: Option<Micros>,
    pub(crate) control: ServerControl,
    /// Segments that EXT-X-SKIP stands for.
    pub(crate) skipped: Option<u64>,
    pub(crate) segments: Vec<Segment>,
    /// What is announced of the segment after the last one: its tags and parts, no URI yet.
    pub(crate) open: Segment,
    pub(crate) hints: Vec<Hint>,
    pub(crate) reports: Vec<Report>,
    pub(crate) date_ranges: usize,
    pub(crate) problems: Vec<Problem>,
}

/// EXT-X-SERVER-CONTROL.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServerControl {
    pub(crate) can_skip_until: Option<Micros>,
    pub(crate) can_skip_date_ranges: bool,
    pub(crate) hold_back: Option<Micros>,
    pub(crate) part_hold_back: Option<Micros>,
    pub(crate) can_block_reload: bool,
}

/// A media segment with the tags that apply to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) uri: String,
    pub(crate) range: Option<ByteRange>,
    pub(crate) duration: Micros,
    pub(crate) discontinuity: bool,
    pub(crate) gap: bool,
    /// Microseconds since 1970.
    pub(crate) date_time: Option<Micros>,
    /// None: no EXT-X-MAP stands before it in this text.
    pub(crate) map: Option<Map>,
    /// None: no EXT-X-KEY stands before it in this text.
    pub(crate) key: Option<Key>,
    pub(crate) parts: Vec<Part>,
}

/// EXT-X-MAP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub(crate) uri: String,
    pub(crate) range: Option<ByteRange>,
}

/// The EXT-X-KEY tags that apply, as they stand; `opaque` when whole segments are encrypted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) lines: Vec<String>,
    pub(crate) opaque: bool,
}

/// EXT-X-PART.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) uri: String,
    pub(crate) range: Option<ByteRange>,
    pub(crate) duration: Micros,
    pub(crate) independent: bool,
    pub(crate) gap: bool,
}

/// EXT-X-PRELOAD-HINT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hint {
    pub(crate) part: bool,
    pub(crate) uri: String,
    pub(crate) start: Option<u64>,
    pub(crate) length: Option<u64>,
}

/// EXT-X-RENDITION-REPORT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) uri: String,
    pub(crate) last_sequence: Option<u64>,
    pub(crate) last_part: Option<u64>,
}

/// State of a parse that does not outlive it.
#[derive(Default)]
struct Pending {
    duration: Option<Micros>,
    range: Option<String>,
    fraction: bool,
    seen: Vec<String>,
    range_end: Option<(String, u64)>,
    part_end: Option<(String, u64)>,
}

impl MediaPlaylist {
    pub(super) fn parse(text: &str, problems: Vec<Problem>) -> Self {
        let mut playlist = Self { version: 1, needs: (1, "nothing"), problems, ..Self::default() };
        let mut pending = Pending::default();
        for line in text.lines() {
            if let Some((tag, value)) = split_tag(line) {
                playlist.once(tag, &mut pending);
                playlist.tag(tag, value, &mut pending);
            } else if !line.trim().is_empty() && !line.starts_with('#') {
                playlist.uri(line.trim_end(), &mut pending);
            }
        }
        playlist.number();
        playlist
    }

    /// Sequence number and tags of the newest thing listed: (segment, parts of it). Without parts it is (next segment, 0).
    pub(crate) fn edge(&self) -> (u64, u64) {
        (self.open.sequence, self.open.parts.len() as u64)
    }

    /// Number of the last thing listed, as a rendition report counts: segment and index of its last part.
    pub(crate) fn last(&self) -> Option<(u64, Option<u64>)> {
        if let Some(index) = (self.open.parts.len() as u64).checked_sub(1) {
            return Some((self.open.sequence, Some(index)));
        }
        let last = self.segments.last()?;
        Some((last.sequence, (last.parts.len() as u64).checked_sub(1)))
    }

    /// Duration of all segments and of the open parts.
    pub(crate) fn duration(&self) -> Micros {
        self.segments.iter().map(|segment| segment.duration).sum::<Micros>() + parts_duration(&self.open)
    }

    pub(crate) fn target(&self) -> Micros {
        i64::try_from(self.target_duration.unwrap_or(1)).unwrap_or(1).clamp(1, 1 << 20) * super::SECOND
    }

    pub(crate) fn segment(&self, sequence: u64) -> Option<&Segment> {
        let index = sequence.checked_sub(self.segments.first()?.sequence)?;
        self.segments.get(usize::try_from(index).ok()?)
    }

    /// Segments and the open one.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().chain([&self.open])
    }

    pub(crate) fn has_parts(&self) -> bool {
        self.all().any(|segment| !segment.parts.is_empty())
    }

    /// Whether it may still grow.
    pub(crate) fn live(&self) -> bool {
        !self.ended && self.playlist_type.as_deref() != Some("VOD")
    }

    /// Gives the segments their numbers; those that were skipped come before the first.
    pub(crate) fn number(&mut self) {
        let mut sequence = self.media_sequence.saturating_add(self.skipped.unwrap_or(0));
        for segment in self.segments.iter_mut().chain([&mut self.open]) {
            segment.sequence = sequence;
            sequence = sequence.saturating_add(1);
        }
    }

    fn problem(&mut self, rule: &'static rule::Rule, message: String) {
        self.problems.push(Problem { rule, message });
    }

    fn needs(&mut self, version: u64, what: &'static str) {
        if version > self.needs.0 {
            self.needs = (version, what);
        }
    }

    fn once(&mut self, tag: &str, pending: &mut Pending) {
        if !ONCE.contains(&tag) {
            return;
        }
        if pending.seen.iter().any(|seen| seen == tag) {
            self.problem(rule::DUPLICATE_TAG, format!("{tag} appears more than once"));
        } else {
            pending.seen.push(tag.to_owned());
        }
    }

    fn malformed(&mut self, tag: &str, value: &str) {
        self.problem(rule::MALFORMED_TAG, format!("{tag} has the value {:?}", brief(value)));
    }

    fn number_of(&mut self, tag: &str, value: &str) -> Option<u64> {
        let number = value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
        if number.is_none() {
            self.malformed(tag, value);
        }
        number
    }

    fn list(&mut self, tag: &str, value: &str) -> Attributes {
        Attributes::parse(tag, value, &mut self.problems)
    }

    fn tag(&mut self, tag: &str, value: &str, pending: &mut Pending) {
        match tag {
            "EXTM3U" | "EXT-X-START" => {}
            "EXT-X-VERSION" => self.version = self.number_of(tag, value).unwrap_or(1),
            "EXT-X-INDEPENDENT-SEGMENTS" => self.independent_segments = true,
            "EXT-X-DEFINE" => self.needs(8, "EXT-X-DEFINE"),
            "EXT-X-TARGETDURATION" => self.target_duration = self.number_of(tag, value),
            "EXT-X-MEDIA-SEQUENCE" => {
                self.before_segments(tag);
                self.media_sequence = self.number_of(tag, value).unwrap_or(0);
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.before_segments(tag);
                self.discontinuity_sequence = self.number_of(tag, value).unwrap_or(0);
            }
            "EXT-X-ENDLIST" => self.ended = true,
            "EXT-X-PLAYLIST-TYPE" => {
                if !matches!(value, "EVENT" | "VOD") {
                    self.malformed(tag, value);
                }
                self.playlist_type = Some(value.to_owned());
            }
            "EXT-X-I-FRAMES-ONLY" => {
                self.i_frames_only = true;
                self.needs(4, "EXT-X-I-FRAMES-ONLY");
            }
            "EXT-X-PART-INF" => {
                let list = self.list(tag, value);
                self.part_target = list.seconds("PART-TARGET", &mut self.problems);
                if self.part_target.is_none() {
                    self.malformed(tag, value);
                }
            }
            "EXT-X-SERVER-CONTROL" => self.server_control(tag, value),
            "EXT-X-DATERANGE" => {
                let list = self.list(tag, value);
                list.required("ID", &mut self.problems);
                self.date_ranges += 1;
            }
            "EXT-X-SKIP" => {
                let list = self.list(tag, value);
                self.needs(9, "EXT-X-SKIP");
                if list.has("RECENTLY-REMOVED-DATERANGES") {
                    self.needs(10, "RECENTLY-REMOVED-DATERANGES");
                }
                self.skipped = list.integer("SKIPPED-SEGMENTS", &mut self.problems);
                if self.skipped.is_none() {
                    self.malformed(tag, value);
                }
            }
            "EXT-X-PRELOAD-HINT" => self.hint(tag, value),
            "EXT-X-RENDITION-REPORT" => {
                let list = self.list(tag, value);
                let uri = list.required("URI", &mut self.problems).unwrap_or_default();
                let last_sequence = list.integer("LAST-MSN", &mut self.problems);
                let last_part = list.integer("LAST-PART", &mut self.problems);
                self.reports.push(Report { uri, last_sequence, last_part });
            }
            _ => self.segment_tag(tag, value, pending),
        }
    }

    fn server_control(&mut self, tag: &str, value: &str) {
        let list = self.list(tag, value);
        let problems = &mut self.problems;
        self.control = ServerControl {
            can_skip_until: list.seconds("CAN-SKIP-UNTIL", problems),
            can_skip_date_ranges: list.yes("CAN-SKIP-DATERANGES", false, problems),
            hold_back: list.seconds("HOLD-BACK", problems),
            part_hold_back: list.seconds("PART-HOLD-BACK", problems),
            can_block_reload: list.yes("CAN-BLOCK-RELOAD", false, problems),
        };
    }

    fn hint(&mut self, tag: &str, value: &str) {
        let list = self.list(tag, value);
        let problems = &mut self.problems;
        let kind = list.bare("TYPE", problems).map(str::to_owned);
        let uri = list.required("URI", problems).unwrap_or_default();
        let start = list.integer("BYTERANGE-START", problems);
        let length = list.integer("BYTERANGE-LENGTH", problems);
        if !matches!(kind.as_deref(), Some("PART" | "MAP")) {
            self.malformed(tag, value);
        }
        self.hints.push(Hint { part: kind.as_deref() == Some("PART"), uri, start, length });
    }

    fn before_segments(&mut self, tag: &str) {
        if !self.segments.is_empty() || !self.open.parts.is_empty() || self.open.discontinuity {
            self.problem(rule::SEQUENCE_TAG_LATE, format!("{tag} stands after the first segment began"));
        }
    }

    /// Says so when the tag of a segment comes after a part of it.
    fn before_parts(&mut self, tag: &str) {
        if !self.open.parts.is_empty() {
            let parts = self.open.parts.len();
            self.problem(rule::SEGMENT_TAG_LATE, format!("{tag} stands after {parts} parts of its segment"));
        }
    }

    fn segment_tag(&mut self, tag: &str, value: &str, pending: &mut Pending) {
        match tag {
            "EXTINF" => {
                let duration = value.split(',').next().unwrap_or_default();
                pending.fraction |= duration.contains('.');
                if duration.contains('.') {
                    self.needs(3, "decimal fractions in EXTINF");
                }
                pending.duration = parse_seconds(duration);
                if pending.duration.is_none() {
                    self.malformed(tag, value);
                    pending.duration = Some(0);
                }
            }
            "EXT-X-BYTERANGE" => {
                self.needs(4, "EXT-X-BYTERANGE");
                pending.range = Some(value.to_owned());
            }
            "EXT-X-DISCONTINUITY" => {
                self.before_parts(tag);
                self.open.discontinuity = true;
            }
            "EXT-X-GAP" => self.open.gap = true,
            "EXT-X-BITRATE" => {
                self.number_of(tag, value);
            }
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.before_parts(tag);
                self.open.date_time = parse_date(value);
                if self.open.date_time.is_none() {
                    self.malformed(tag, value);
                }
            }
            "EXT-X-MAP" => {
                self.before_parts(tag);
                let list = self.list(tag, value);
                let uri = list.required("URI", &mut self.problems).unwrap_or_default();
                let range = list.range("BYTERANGE", None, &mut self.problems);
                let (version, what) = if self.i_frames_only {
                    (5, "EXT-X-MAP in a playlist of I-frames")
                } else {
                    (6, "EXT-X-MAP")
                };
                self.needs(version, what);
                self.open.map = Some(Map { uri, range });
            }
            "EXT-X-KEY" => self.key(tag, value),
            "EXT-X-PART" => self.part(tag, value, pending),
            _ if EITHER.contains(&tag) => {}
            _ => self.problem(rule::UNKNOWN_TAG, format!("{} is no tag of the specification", brief(tag))),
        }
    }

    fn key(&mut self, tag: &str, value: &str) {
        self.before_parts(tag);
        let list = self.list(tag, value);
        if list.has("IV") {
            self.needs(2, "the IV of EXT-X-KEY");
        }
        if list.has("KEYFORMAT") || list.has("KEYFORMATVERSIONS") {
            self.needs(5, "the KEYFORMAT of EXT-X-KEY");
        }
        let method = list.bare("METHOD", &mut self.problems).map(str::to_owned).unwrap_or_default();
        if method.is_empty() || (method != "NONE") != list.has("URI") {
            self.malformed(tag, value);
        }
        let clear = method == "NONE";
        let opaque = method.starts_with("AES-");
        // A second key directly after the first is another format of the same one.
        let together = self.open.key.as_mut().filter(|key| !clear && !key.lines.is_empty());
        match together {
            Some(key) if self.segments.last().is_none_or(|last| last.key.as_ref() != Some(key)) => {
                key.lines.push(value.to_owned());
            }
            _ => {
                let lines = if clear { Vec::new() } else { vec![value.to_owned()] };
                self.open.key = Some(Key { lines, opaque });
            }
        }
    }

    fn part(&mut self, tag: &str, value: &str, pending: &mut Pending) {
        let list = self.list(tag, value);
        let problems = &mut self.problems;
        let uri = list.required("URI", problems).unwrap_or_default();
        let duration = list.seconds("DURATION", problems);
        let independent = list.yes("INDEPENDENT", false, problems);
        let gap = list.yes("GAP", false, problems);
        let next = pending.part_end.as_ref().filter(|(of, _)| *of == uri).map(|(_, end)| *end);
        let range = list.range("BYTERANGE", next, problems);
        if duration.is_none() {
            self.malformed(tag, value);
        }
        pending.part_end = range.map(|range| (uri.clone(), range.start.saturating_add(range.length)));
        let part = Part { uri, range, duration: duration.unwrap_or(0), independent, gap };
        self.open.parts.push(part);
    }

    fn uri(&mut self, uri: &str, pending: &mut Pending) {
        let mut segment = self.open.clone();
        segment.uri = uri.to_owned();
        if let Some(duration) = pending.duration.take() {
            segment.duration = duration;
        } else {
            // Its parts tell how long it is; so the rest can still be checked.
            segment.duration = parts_duration(&segment);
            self.problem(rule::EXTINF_MISSING, format!("{} has no EXTINF", brief(uri)));
        }
        if let Some(text) = pending.range.take() {
            let next = pending.range_end.as_ref().filter(|(of, _)| of == uri).map(|(_, end)| *end);
            segment.range = parse_range(&text, next);
            match segment.range {
                None => self.malformed("EXT-X-BYTERANGE", &text),
                Some(range) => {
                    pending.range_end = Some((uri.to_owned(), range.start.saturating_add(range.length)));
                }
            }
        }
        pending.part_end = None;
        self.open = Segment { map: segment.map.clone(), key: segment.key.clone(), ..Segment::default() };
        self.segments.push(segment);
    }
}

/// Duration of the parts that are listed of a segment.
pub(crate) fn parts_duration(segment: &Segment) -> Micros {
    segment.parts.iter().map(|part| part.duration).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str) -> MediaPlaylist {
        MediaPlaylist::parse(&format!("#EXTM3U\n{lines}"), Vec::new())
    }

    #[test]
    fn parts_belong_to_the_segment_that_follows_and_the_rest_is_open() {
        let playlist = parse(
            "#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"i\"\n\
             #EXT-X-PART:URI=\"a\",DURATION=1,INDEPENDENT=YES,BYTERANGE=\"10@5\"\n#EXT-X-PART:URI=\"a\",DURATION=1,BYTERANGE=\"4\"\n\
             #EXTINF:2.0,\nseg\n#EXT-X-PART:URI=\"c\",DURATION=0.5\n",
        );
        assert_eq!(playlist.problems, []);
        assert_eq!(playlist.edge(), (8, 1));
        assert_eq!(playlist.last(), Some((8, Some(0))));
        assert_eq!(playlist.segment(7).map(|segment| segment.parts.len()), Some(2));
        let ranges: Vec<_> = playlist.all().flat_map(|s| &s.parts).filter_map(|part| part.range).collect();
        assert_eq!(ranges, [ByteRange { start: 5, length: 10 }, ByteRange { start: 15, length: 4 }]);
        assert_eq!(playlist.open.map, playlist.segment(7).and_then(|segment| segment.map.clone()));
        assert_eq!(playlist.duration(), 2_500_000);
        assert_eq!(playlist.needs, (6, "EXT-X-MAP"));
    }

    #[test]
    fn skipped_segments_are_counted_in_the_numbers() {
        let playlist = parse("#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXTINF:2,\nseg\n");
        assert_eq!(playlist.segments.first().map(|segment| segment.sequence), Some(10));
        assert_eq!(playlist.needs.0, 9);
    }

    #[test]
    fn keys_of_two_formats_go_together_and_a_new_one_replaces_them() {
        let playlist = parse(
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"a\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"b\",KEYFORMAT=\"x\"\n#EXTINF:2,\n1\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"c\"\n#EXTINF:2,\n2\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n3\n",
        );
        let keys: Vec<_> = playlist
            .segments
            .iter()
            .filter_map(|segment| segment.key.as_ref().map(|key| (key.lines.len(), key.opaque)))
            .collect();
        assert_eq!(keys, [(2, false), (1, true), (0, false)]);
        assert_eq!(playlist.problems, []);
    }
}
