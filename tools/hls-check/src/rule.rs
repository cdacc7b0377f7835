//! The rules as data: what is checked, how grave a breach is, and the clause that asks for it.

use serde::Serialize;

/// How grave a breach of a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The specification says MUST; a player may fail.
    Error,
    /// The specification says SHOULD, or the fault costs speed and nothing else.
    Warning,
}

impl Severity {
    /// The word that stands in reports and in the documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One rule. There is one value of each, in [`RULES`].
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable name, as `--allow` takes it.
    pub id: &'static str,
    /// What a breach of it is.
    pub severity: Severity,
    /// Clause of draft-pantos-hls-rfc8216bis; one of another document names it.
    pub clause: &'static str,
    /// What a stream that keeps the rule does.
    pub what: &'static str,
}

/// What was found against one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that was broken.
    pub rule: &'static Rule,
    /// URL of the playlist it was found in, or through which it was found.
    pub playlist: String,
    /// A sentence with the values.
    pub message: String,
}

/// The rule named `id`.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $clause:literal $what:literal)*) => {
        $(pub(crate) const $name: &Rule =
            &Rule { id: $id, severity: Severity::$severity, clause: $clause, what: $what };)*
        /// Every rule there is, in the order of the documentation.
        pub const RULES: &[&Rule] = &[$($name),*];
    };
}

rules! {
    // Form of any playlist.
    ENCODING "encoding" Error "4.1" "A playlist is UTF-8 without byte order mark and without control characters."
    NO_EXTM3U "no-extm3u" Error "4.4.1.1" "The first line of a playlist is EXTM3U."
    MALFORMED_TAG "malformed-tag" Error "4.2" "A tag has the value, and the required attributes, that its definition gives it."
    DUPLICATE_ATTRIBUTE "duplicate-attribute" Error "4.2" "An attribute list names an attribute once."
    DUPLICATE_TAG "duplicate-tag" Error "4.4.3" "A tag that describes the whole playlist appears once."
    UNKNOWN_TAG "unknown-tag" Warning "4.1" "Every tag that begins with EXT is one of the specification."
    MIXED_PLAYLIST "mixed-playlist" Error "4.4.6" "A playlist has tags of a media playlist or of a multivariant playlist, not of both."
    VERSION_TOO_LOW "version-too-low" Error "8" "EXT-X-VERSION is at least what the features in use need."
    VERSION_TOO_HIGH "version-too-high" Warning "6.2.1" "EXT-X-VERSION is not above what the features in use need."
    // A media playlist by itself.
    TARGET_DURATION_MISSING "target-duration-missing" Error "4.4.3.1" "EXT-X-TARGETDURATION is there and at least 1."
    TARGET_DURATION_EXCEEDED "target-duration-exceeded" Error "4.4.3.1" "No EXTINF, rounded to whole seconds, is above the target duration."
    EXTINF_MISSING "extinf-missing" Error "4.4.4.1" "Each segment has its EXTINF."
    SEQUENCE_TAG_LATE "sequence-tag-late" Error "4.4.3.2" "The tags that number segments and discontinuities stand before the first segment."
    SEGMENT_TAG_LATE "segment-tag-late" Error "4.4.4.9" "Discontinuity, key, map and date-time of a segment stand before its first part."
    DATE_RANGE_UNANCHORED "date-range-unanchored" Error "4.4.5.1" "A playlist with a date range has an EXT-X-PROGRAM-DATE-TIME."
    DATE_TIME_DRIFT "date-time-drift" Warning "6.2.1" "Two program date-times differ by the durations between them."
    HOLD_BACK_SHORT "hold-back-short" Error "4.4.3.8" "HOLD-BACK is at least three target durations."
    SKIP_BOUNDARY_SHORT "skip-boundary-short" Error "4.4.3.8" "CAN-SKIP-UNTIL is at least six target durations."
    SKIP_DATE_RANGES_ALONE "skip-date-ranges-alone" Error "4.4.3.8" "CAN-SKIP-DATERANGES comes with CAN-SKIP-UNTIL."
    // Low latency, in the playlist.
    NOT_LOW_LATENCY "not-low-latency" Error "B.1" "With --low-latency require: the playlist has parts and its server blocks reloads."
    PART_INF_MISSING "part-inf-missing" Error "4.4.3.7" "A playlist with parts names their target duration."
    PART_HOLD_BACK_MISSING "part-hold-back-missing" Error "4.4.3.8" "A playlist with EXT-X-PART-INF gives a PART-HOLD-BACK."
    PART_HOLD_BACK_SHORT "part-hold-back-short" Error "4.4.3.8" "PART-HOLD-BACK is at least twice the part target duration."
    PART_HOLD_BACK_TIGHT "part-hold-back-tight" Warning "4.4.3.8" "PART-HOLD-BACK is at least three times the part target duration."
    PART_DURATION_EXCEEDED "part-duration-exceeded" Error "4.4.4.9" "No part is longer than the part target duration."
    PART_DURATION_SHORT "part-duration-short" Error "4.4.4.9" "A part reaches 85 % of the part target duration unless it is independent, the last of its segment, a gap or before one."
    PARTS_SUM "parts-sum" Error "4.4.4.9" "EXTINF is the sum of the segment's parts."
    PARTS_REMOVED_EARLY "parts-removed-early" Warning "6.2.2" "Parts stay listed until three target durations from the end of the playlist."
    PARTS_KEPT_LONG "parts-kept-long" Warning "6.2.2" "Parts further back than that (and one segment) are no longer listed."
    PRELOAD_HINT_MISSING "preload-hint-missing" Warning "B.1" "A live low-latency playlist hints its next part."
    PRELOAD_HINT_AFTER_END "preload-hint-after-end" Error "4.4.5.3" "A playlist with EXT-X-ENDLIST hints nothing."
    DATE_TIME_MISSING "date-time-missing" Error "B.1" "A low-latency playlist has program date-times."
    RENDITION_REPORT_MISSING "rendition-report-missing" Error "B.1" "A low-latency playlist reports every other rendition that is followed."
    RENDITION_REPORT_URI "rendition-report-uri" Error "4.4.5.4" "The URI of a rendition report is relative to its playlist."
    RENDITION_REPORT_STALE "rendition-report-stale" Error "4.4.5.4" "A rendition report is behind that rendition by less than a target duration."
    // From one load of a playlist to the next.
    PLAYLIST_UNAVAILABLE "playlist-unavailable" Error "6.2.1" "The playlist can be fetched."
    MEDIA_SEQUENCE_WENT_BACK "media-sequence-went-back" Error "6.2.2" "EXT-X-MEDIA-SEQUENCE never falls."
    PLAYLIST_SHRANK "playlist-shrank" Error "6.2.1" "Segments and parts leave a playlist at its beginning only."
    SEGMENT_CHANGED "segment-changed" Error "6.2.1" "A segment that stays keeps its URI, its duration and its tags."
    PART_CHANGED "part-changed" Error "6.2.1" "A part that stays keeps its URI, its duration and its attributes."
    TARGET_DURATION_CHANGED "target-duration-changed" Error "6.2.1" "The target duration never changes."
    PART_TARGET_CHANGED "part-target-changed" Error "6.2.1" "The part target duration never changes."
    DISCONTINUITY_SEQUENCE_WRONG "discontinuity-sequence-wrong" Error "6.2.2" "EXT-X-DISCONTINUITY-SEQUENCE counts the discontinuities that were removed."
    WINDOW_SHORT "window-short" Error "6.2.2" "No segment is removed while less than three target durations would be left."
    PLAYLIST_NOT_UPDATED "playlist-not-updated" Error "6.2.1" "A live playlist grows within one and a half target durations."
    CHANGED_AFTER_END "changed-after-end" Error "6.2.1" "After EXT-X-ENDLIST, or in a VOD playlist, nothing changes; in an EVENT playlist nothing is removed."
    // Delivery directives.
    BLOCKING_RELOAD_EARLY "blocking-reload-early" Error "6.2.5.2" "A blocked request is answered with a playlist that has the segment or part asked for."
    BLOCKING_RELOAD_LATE "blocking-reload-late" Error "6.2.5.2" "A blocked request is answered within three target durations."
    BLOCKING_RELOAD_SLOW "blocking-reload-slow" Error "6.2.1" "A new part follows the last one within the part target duration, with half a second of allowance."
    BLOCKING_RELOAD_FAILED "blocking-reload-failed" Error "6.2.5.2" "A request for what comes next is answered with the playlist."
    TOO_FAR_NOT_REFUSED "too-far-not-refused" Warning "6.2.5.2" "A request far ahead of the end is refused with status 400."
    PART_WITHOUT_SEGMENT_NOT_REFUSED "part-without-segment-not-refused" Error "6.2.5.2" "_HLS_part without _HLS_msn is refused with status 400."
    DELTA_DIFFERS "delta-differs" Error "6.2.5.1" "A delta update, expanded, is the full playlist of that moment."
    DELTA_SKIPS_RECENT "delta-skips-recent" Error "6.2.5.1" "A delta update skips nothing that is nearer to the end than the skip boundary."
    DELTA_REFUSED "delta-refused" Error "6.2.5.1" "A server that names CAN-SKIP-UNTIL answers _HLS_skip with a playlist."
    DELTA_NEVER "delta-never" Error "6.2.5.1" "A server that names CAN-SKIP-UNTIL does skip when there is something to skip."
    SKIP_UNASKED "skip-unasked" Error "6.2.5.1" "EXT-X-SKIP appears only where _HLS_skip was asked for."
    HINT_FAILED "hint-failed" Error "6.2.6" "A request for a hinted resource is held and then answered with it."
    HINT_UNUSED "hint-unused" Warning "6.2.6" "The next part that is published is the one that was hinted."
    HINT_DIFFERS "hint-differs" Error "4.4.5.3" "A hinted resource has the bytes of the part that is published."
    // Resources and their bytes.
    RESOURCE_UNAVAILABLE "resource-unavailable" Error "6.2.1" "What a playlist lists can be fetched."
    RANGE_NOT_HONOURED "range-not-honoured" Error "4.4.4.2" "A byte range is answered with just these bytes."
    REMOVED_TOO_SOON "removed-too-soon" Error "6.2.2" "From when it appeared a segment stays fetchable for its duration and the playlist's, a part three target durations past its listing."
    MAP_MALFORMED "map-malformed" Error "3.1.2" "A media initialization section can be read, and its tracks have a timescale."
    MEDIA_MALFORMED "media-malformed" Error "3" "A segment or part is MPEG-TS, fragmented MP4 or packed audio that can be read."
    TRACK_NOT_IN_MAP "track-not-in-map" Error "3.1.2" "Fragments are of tracks that the media initialization section has."
    DECODE_TIME_MISSING "decode-time-missing" Error "3.1.2" "Each track fragment says its decode time (tfdt)."
    DECODE_TIME_GAP "decode-time-gap" Error "4.4.4.3" "Decode times go on without gap or overlap unless a discontinuity is declared."
    CONTINUITY_COUNTER "continuity-counter" Warning "ISO/IEC 13818-1 2.4.3.3" "TS continuity counters go on within a segment."
    SEGMENT_WITHOUT_PROGRAM "segment-without-program" Error "3.1.1" "A TS segment has its PAT and PMT, or a media initialization section does."
    SEGMENT_DURATION_WRONG "segment-duration-wrong" Error "4.4.4.1" "EXTINF is what the segment's media lasts."
    PART_DURATION_WRONG "part-duration-wrong" Error "4.4.4.9" "DURATION is what the part's media lasts."
    DATE_TIME_MEDIA "date-time-media" Warning "6.2.1" "Program date-times go with the media's timestamps."
    SEGMENT_DIFFERS_FROM_PARTS "segment-differs-from-parts" Error "3" "A segment is its parts joined."
    SEGMENT_NOT_INDEPENDENT "segment-not-independent" Error "4.4.2.1" "With EXT-X-INDEPENDENT-SEGMENTS, each segment begins with a sync sample."
    PART_NOT_INDEPENDENT "part-not-independent" Error "4.4.4.9" "A part with INDEPENDENT=YES begins with a sync sample."
    INDEPENDENT_NOT_MARKED "independent-not-marked" Warning "4.4.4.9" "A part that begins with a sync sample says INDEPENDENT=YES."
    // Multivariant playlist.
    STREAM_INF_INCOMPLETE "stream-inf-incomplete" Error "4.4.6.2" "EXT-X-STREAM-INF has a BANDWIDTH and a URI line."
    CODECS_MISSING "codecs-missing" Warning "4.4.6.2" "EXT-X-STREAM-INF names its CODECS."
    CODECS_MALFORMED "codecs-malformed" Error "4.4.6.2" "CODECS is a list of RFC 6381 identifiers."
    GROUP_MISSING "group-missing" Error "4.4.6.2" "A group that a variant names exists."
    GROUP_MEMBERS "group-members" Error "4.4.6.1.1" "The members of a group have different names, and one default at most."
    BANDWIDTH_EXCEEDED "bandwidth-exceeded" Error "4.4.6.2" "No segment is above the BANDWIDTH of its variants by more than 10 %."
    SERVER_CONTROLS_DIFFER "server-controls-differ" Error "6.2.4" "All renditions have the same EXT-X-SERVER-CONTROL."
    TARGET_DURATIONS_DIFFER "target-durations-differ" Error "6.2.4" "All renditions have one target duration."
    // HTTP.
    CONTENT_TYPE "content-type" Warning "4" "A playlist is served as application/vnd.apple.mpegurl."
    MEDIA_CONTENT_TYPE "media-content-type" Warning "3" "Segments and parts are served with a media type of audio or video."
    NOT_COMPRESSED "not-compressed" Warning "6.2.1" "Playlists are compressed where the client accepts gzip."
    CACHED_TOO_LONG "cached-too-long" Warning "B.1" "A playlist is cached for one target duration at most, the answer to a blocked request for six."
    HTTP_1 "http-1" Warning "B.1" "Low latency over TLS is served with HTTP/2 or later."
    // The run.
    NOTHING_CHECKED "nothing-checked" Error "-" "The run has read at least one playlist and one segment of every rendition."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_can_be_typed() {
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        assert!(
            ids.iter()
                .all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        assert_eq!(rule("no-extm3u"), Some(NO_EXTM3U));
        assert_eq!(rule("no-such-rule"), None);
    }
}
