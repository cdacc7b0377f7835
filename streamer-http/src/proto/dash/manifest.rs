//! The manifest of a live stream (ISO/IEC 23009-1, 5.3) as a pure function of the presentation it leads to.

use std::fmt::{self, Write};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use streamer_core::{Codec, MediaKind};

use super::period::{AdaptationSet, Period, offered, periods};
use super::timeline::runs;
use crate::proto::hls::multivariant::codec_string;
use crate::proto::hls::{Container, FileName, ListOptions, Presentation, Rates, RenditionId, Timeline};

/// Media type of a manifest (ISO/IEC 23009-1, annex C).
pub const MEDIA_TYPE: &str = "application/dash+xml";

/// `suggestedPresentationDelay` in target durations: as far behind as players of HLS begin.
const PRESENTATION_DELAY: u32 = 3;
/// How much longer than the target duration a segment may be: durations are rounded to it.
const ROUNDING: Duration = Duration::from_millis(500);

/// The manifest of `presentation`, with `query` (empty, or a query string with its question mark) behind every
/// address in it, its own included. The same presentation and query give the same bytes.
///
/// A period is what lies between two discontinuities. It has an adaptation set for each rendition that is offered,
/// and media time maps to wall-clock time as it did at its beginning.
///
/// `None` when nothing can be listed yet, and for transport streams.
#[must_use]
pub fn manifest(presentation: &Presentation, query: &str, options: ListOptions) -> Option<String> {
    let renditions = offered(presentation);
    let target_duration_s = renditions.first()?.window.target_duration_s?;
    let periods = periods(&renditions, options);
    let last = periods.last()?;
    let ended = renditions.iter().all(|rendition| rendition.window.ended);
    let mut writer = Writer { text: String::with_capacity(4_096), query: query.replace('&', "&amp;") };
    writer.head(&periods, target_duration_s, ended.then(|| end_unix_ms(last)), options);
    for period in &periods {
        writer.period(period);
    }
    writer.tail();
    Some(writer.text)
}

struct Writer {
    text: String,
    /// Escaped for an attribute.
    query: String,
}

impl Writer {
    fn line(&mut self, line: impl fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// What stands before the periods; `end_unix_ms` of a stream that is over.
    fn head(
        &mut self,
        periods: &[Period<'_>],
        target_duration_s: u32,
        end_unix_ms: Option<i64>,
        options: ListOptions,
    ) {
        let target = Duration::from_secs(target_duration_s.into());
        let segments = periods.iter().flat_map(|period| &period.sets).flat_map(|set| &set.segments);
        let newest = segments.map(|(segment, _)| segment.end_unix_ms()).max().unwrap_or_default();
        // The timeline of a stream that is over does not move on, so nothing of it leaves.
        let life = match end_unix_ms {
            Some(end) => format!("mediaPresentationDuration=\"{}\"", Seconds::at(end)),
            None => format!(
                "minimumUpdatePeriod=\"{}\" timeShiftBufferDepth=\"{}\"",
                Seconds(target),
                Seconds(options.length_at(target_duration_s))
            ),
        };
        self.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        self.line(format_args!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" type=\"dynamic\" \
             availabilityStartTime=\"1970-01-01T00:00:00Z\" publishTime=\"{}\" {life} \
             suggestedPresentationDelay=\"{}\" maxSegmentDuration=\"{}\" minBufferTime=\"{}\">",
            DateTime::<Utc>::from_timestamp_millis(newest)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Millis, true),
            Seconds(PRESENTATION_DELAY * target),
            Seconds(target + ROUNDING),
            Seconds(target)
        ));
        // Whoever was let in with credentials goes on with a pass.
        if !self.query.is_empty() {
            let location = format!("  <Location>manifest.mpd{}</Location>", self.query);
            self.line(location);
        }
    }

    /// What stands behind the periods: a clock to go by, which is the date of an answer of this server.
    fn tail(&mut self) {
        let clock = format!(
            "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"manifest.mpd{}\"/>",
            self.query
        );
        self.line(clock);
        self.line("</MPD>");
    }

    fn period(&mut self, period: &Period<'_>) {
        self.line(format_args!(
            "  <Period id=\"{}-{}\" start=\"{}\">",
            period.run,
            period.discontinuity_sequence,
            Seconds::at(period.timeline.begin_unix_ms)
        ));
        for set in &period.sets {
            self.adaptation_set(set);
        }
        self.line("  </Period>");
    }

    fn adaptation_set(&mut self, set: &AdaptationSet<'_>) {
        let (kind, number) = match set.rendition.id {
            RenditionId::Video(index) => ("video", 2 * u16::from(index)),
            RenditionId::Audio(index) => ("audio", 2 * u16::from(index) + 1),
            RenditionId::Ts => return,
        };
        let independent = set.segments.iter().all(|(segment, _)| segment.independent);
        let sap = if independent { " startWithSAP=\"1\"" } else { "" };
        self.line(format_args!(
            "    <AdaptationSet id=\"{number}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\" \
             segmentAlignment=\"true\"{sap}>"
        ));
        let bandwidth = Rates::of(&set.rendition.window).peak_bps;
        let codec = &set.map.codec;
        let codecs = codec_string(Container::Fmp4, codec);
        let codecs = codecs.map(|codecs| format!(" codecs=\"{codecs}\"")).unwrap_or_default();
        self.line(format_args!(
            "      <Representation id=\"{}\"{codecs} bandwidth=\"{bandwidth}\"{}>",
            set.rendition.id,
            attributes(codec)
        ));
        if let Some(configuration) = codec.channels().and_then(channel_configuration) {
            self.line(format_args!(
                "        <AudioChannelConfiguration \
                 schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" \
                 value=\"{configuration}\"/>"
            ));
        }
        self.template(set);
        self.line("      </Representation>");
        self.line("    </AdaptationSet>");
    }

    fn template(&mut self, set: &AdaptationSet<'_>) {
        let Some((_, first)) = set.segments.first() else { return };
        let run = set.rendition.window.run;
        let map = FileName::Map(run, set.map.number).display(Container::Fmp4);
        let line = format!(
            "        <SegmentTemplate timescale=\"{}\" presentationTimeOffset=\"{}\" startNumber=\"{}\" \
             initialization=\"media/{id}/{map}{query}\" media=\"media/{id}/{run}-$Number$.m4s{query}\">",
            set.timescale.ticks_per_second(),
            begin_ticks(&first.timeline, set.timescale.ticks_per_second()),
            set.first_msn,
            id = set.rendition.id,
            query = self.query,
        );
        self.line(line);
        self.line("          <SegmentTimeline>");
        for run in runs(set.segments.iter().map(|(_, time)| (begin(time), time.ticks))) {
            let begin = run.begin.map(|begin| format!(" t=\"{begin}\"")).unwrap_or_default();
            let repeated = if run.repeated > 0 { format!(" r=\"{}\"", run.repeated) } else { String::new() };
            self.line(format_args!("            <S{begin} d=\"{}\"{repeated}/>", run.ticks));
        }
        self.line("          </SegmentTimeline>");
        self.line("        </SegmentTemplate>");
    }
}

/// Earliest presentation time of a segment, which is what a timeline tells: a random access point is presented
/// `reorder` after it is decoded.
fn begin(time: &crate::proto::hls::MediaTime) -> i64 {
    i64::try_from(time.decode_time).unwrap_or(i64::MAX).saturating_add(time.reorder).max(0)
}

/// Media time at the begin of a timeline, to the nearest tick.
fn begin_ticks(timeline: &Timeline, ticks_per_second: u32) -> u128 {
    (u128::from(timeline.begin_ms) * u128::from(ticks_per_second) + 500) / 1_000
}

/// Wall clock at the end of a period as its timeline has it, in Unix milliseconds.
fn end_unix_ms(period: &Period<'_>) -> i64 {
    let last = |set: &AdaptationSet<'_>| {
        let (_, time) = set.segments.last()?;
        let scale = i128::from(time.timescale.ticks_per_second());
        let end = (i128::from(begin(time)) + i128::from(time.ticks)) * 1_000;
        let since = (end + scale - 1) / scale - i128::from(period.timeline.begin_ms);
        i64::try_from(i128::from(period.timeline.begin_unix_ms) + since).ok()
    };
    period.sets.iter().filter_map(last).max().unwrap_or(period.timeline.begin_unix_ms)
}

/// What a representation says of its pictures or its sound.
fn attributes(codec: &Codec) -> String {
    let mut text = String::new();
    match codec.kind() {
        MediaKind::Video => {
            if let Some(size) = codec.resolution() {
                let _ = write!(text, " width=\"{}\" height=\"{}\"", size.width, size.height);
            }
            if let Some(rate) = codec.frame_rate() {
                let _ = match rate.denominator {
                    1 => write!(text, " frameRate=\"{}\"", rate.numerator),
                    denominator => write!(text, " frameRate=\"{}/{denominator}\"", rate.numerator),
                };
            }
        }
        MediaKind::Audio => {
            if let Some(rate) = codec.sample_rate_hz() {
                let _ = write!(text, " audioSamplingRate=\"{rate}\"");
            }
        }
        MediaKind::Data => {}
    }
    text
}

/// The configuration that so many channels most likely are (ISO/IEC 23003-3, table 73).
const fn channel_configuration(channels: u8) -> Option<u8> {
    match channels {
        1..=6 => Some(channels),
        8 => Some(7),
        _ => None,
    }
}

/// A duration as XML Schema writes it, in seconds.
struct Seconds(Duration);

impl Seconds {
    /// Since the start of all timelines: 1970.
    fn at(unix_ms: i64) -> Self {
        Self(Duration::from_millis(unix_ms.max(0).unsigned_abs()))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PT{}", self.0.as_secs())?;
        match self.0.subsec_millis() {
            0 => f.write_str("S"),
            millis => write!(f, ".{millis:03}S"),
        }
    }
}

#[cfg(test)]
mod tests;
