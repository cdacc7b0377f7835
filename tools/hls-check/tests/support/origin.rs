//! What the origin would answer at a moment, as a function of the request and the time alone.

use super::{fmp4, ts};

/// The stream has been running that long when a run begins.
pub const HEAD_START_MS: u64 = 60_000;

pub const PART_MS: u64 = 200;

/// What kind of stream it is.
#[derive(Clone, Debug)]
pub struct Shape {
    pub low_latency: bool,
    pub ts: bool,
    /// Segments that are listed.
    pub window: u64,
    /// Parts in a segment.
    pub parts: u64,
    /// Complete segments whose parts are listed.
    pub parts_kept: u64,
    /// The real skip boundary.
    pub skip_ms: u64,
    pub skip_unasked: Option<std::ops::Range<u64>>,
    pub ends_ms: Option<u64>,
    pub discontinuity: Option<u64>,
    /// The media playlists report one another.
    pub reports: bool,
    /// Parts are byte ranges of their segment.
    pub ranges: bool,
}

impl Shape {
    pub fn low_latency() -> Self {
        Self {
            low_latency: true,
            ts: false,
            window: 10,
            parts: 10,
            parts_kept: 3,
            skip_ms: 12_000,
            skip_unasked: None,
            ends_ms: None,
            discontinuity: None,
            reports: false,
            ranges: false,
        }
    }

    pub fn plain() -> Self {
        Self { low_latency: false, ..Self::low_latency() }
    }

    fn segment_ms(&self) -> u64 {
        self.parts * PART_MS
    }
}

/// What the media of one part is made from.
#[derive(Clone, Debug)]
pub struct Spec {
    pub audio: bool,
    pub segment: u64,
    pub part: u64,
    pub first_frame: u64,
    pub track: u32,
    pub dts: i64,
    pub frames: u32,
    pub frame_ticks: u32,
    pub sync: bool,
    pub tfdt: bool,
    pub counter_skew: u64,
}

/// A request, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Last segment of the path.
    pub file: String,
    pub sequence: Option<u64>,
    pub part: Option<u64>,
    pub skip: bool,
    pub range: Option<(u64, Option<u64>)>,
    /// When it came.
    pub now: u64,
    /// It has to wait for what it asks for.
    pub held: bool,
}

/// What is answered, and when.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub at: u64,
}

impl Answer {
    fn status(status: u16, at: u64) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), at }
    }

    pub fn header(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
    }

    /// Changes the text of a playlist.
    pub fn edit(&mut self, change: impl FnOnce(String) -> String) {
        if self.body.starts_with(b"#EXTM3U") {
            self.body = change(String::from_utf8(std::mem::take(&mut self.body)).unwrap()).into_bytes();
        }
    }
}

/// A right origin with one fault.
#[derive(Clone)]
pub struct Origin {
    pub shape: Shape,
    pub answer: fn(&Call, &mut Answer),
    pub media: fn(&mut Spec),
}

impl Origin {
    pub fn right(shape: Shape) -> Self {
        Self { shape, answer: |_, _| {}, media: |_| {} }
    }

    pub fn respond(&self, call: &Call) -> Answer {
        let mut call = call.clone();
        let mut answer = self.right_answer(&mut call);
        (self.answer)(&call, &mut answer);
        answer
    }

    /// Complete parts at `at`, since the beginning of the stream.
    fn published(&self, at: u64) -> u64 {
        at.min(self.shape.ends_ms.unwrap_or(u64::MAX)) / PART_MS
    }

    /// First segment listed at `at`.
    pub fn first(&self, at: u64) -> u64 {
        (self.published(at) / self.shape.parts).saturating_sub(self.shape.window)
    }

    fn right_answer(&self, call: &mut Call) -> Answer {
        let Some((name, kind)) = call.file.split_once('.') else { return Answer::status(404, call.now) };
        match (name, kind) {
            ("main", "m3u8") => {
                let text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n\
                    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"one\",DEFAULT=YES,URI=\"audio.m3u8\"\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=320x240,AUDIO=\"aud\"\n\
                    video.m3u8\n";
                Self::text(text.to_owned(), call.now)
            }
            ("video" | "audio", "m3u8") => self.playlist(call, call.file.starts_with("audio")),
            ("vinit", _) => Self::media(fmp4::init(false, 90_000), call, "video/mp4"),
            ("ainit", _) => Self::media(fmp4::init(true, 48_000), call, "audio/mp4"),
            _ => self.resource(call),
        }
    }

    fn text(text: String, at: u64) -> Answer {
        let mut answer = Answer::status(200, at);
        answer.header("content-type", "application/vnd.apple.mpegurl");
        answer.header("content-encoding", "gzip");
        answer.header("cache-control", "max-age=1");
        answer.body = text.into_bytes();
        answer
    }

    fn media(body: Vec<u8>, call: &Call, kind: &str) -> Answer {
        let mut answer = Answer::status(200, call.now);
        answer.header("content-type", kind);
        answer.body = body;
        if let Some((start, end)) = call.range {
            answer.status = 206;
            let end = end.map_or(answer.body.len(), |end| usize::try_from(end).unwrap() + 1);
            let end = end.min(answer.body.len());
            answer.body = answer.body.get(usize::try_from(start).unwrap()..end).unwrap_or_default().to_vec();
        }
        answer
    }

    fn playlist(&self, call: &mut Call, audio: bool) -> Answer {
        let published = self.published(call.now);
        let edge = (published / self.shape.parts, published % self.shape.parts);
        let mut at = call.now;
        if call.part.is_some() && call.sequence.is_none() {
            return Answer::status(400, at);
        }
        if let Some(sequence) = call.sequence.filter(|_| self.shape.ends_ms.is_none_or(|end| call.now < end))
        {
            if sequence > edge.0 + 2 {
                return Answer::status(400, at);
            }
            let parts = sequence * self.shape.parts + call.part.map_or(self.shape.parts, |part| part + 1);
            let due = (parts * PART_MS).min(self.shape.ends_ms.unwrap_or(u64::MAX));
            call.held = due > at;
            at = at.max(due);
        }
        Self::text(self.render(at, audio, call.skip), at)
    }

    /// The playlist at `at`.
    pub fn render(&self, at: u64, audio: bool, skip: bool) -> String {
        use std::fmt::Write;
        let shape = &self.shape;
        let published = self.published(at);
        let (end, open_parts) = (published / shape.parts, published % shape.parts);
        let first = self.first(at);
        let ended = shape.ends_ms.is_some_and(|end| at >= end);
        let skip = skip || shape.skip_unasked.as_ref().is_some_and(|range| range.contains(&at));
        let total = published * PART_MS;
        let skipped = (first..end)
            .filter(|n| skip && shape.low_latency && total - (n + 1) * shape.segment_ms() >= shape.skip_ms)
            .count() as u64;
        let letter = if audio { 'a' } else { 'v' };
        let suffix = if shape.ts { "ts" } else { "mp4" };
        let mut text = String::from("#EXTM3U\n");
        writeln!(
            text,
            "#EXT-X-VERSION:{}",
            match (skipped, shape.ts) {
                (0, false) => 6,
                (0, true) => 3,
                _ => 9,
            }
        )
        .unwrap();
        text += "#EXT-X-TARGETDURATION:2\n";
        if shape.low_latency {
            text += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0\n";
            text += "#EXT-X-PART-INF:PART-TARGET=0.2\n";
        }
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}").unwrap();
        let gone = shape.discontinuity.filter(|n| *n < first).is_some();
        if shape.discontinuity.is_some() {
            writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", u8::from(gone)).unwrap();
        }
        text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
        if skipped > 0 {
            writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}").unwrap();
        } else if !shape.ts {
            writeln!(text, "#EXT-X-MAP:URI=\"{letter}init.mp4\"").unwrap();
        }
        for segment in first + skipped..=end {
            let complete = segment < end;
            let parts = if complete { shape.parts } else { open_parts };
            if parts == 0 || (!complete && !shape.low_latency) {
                continue;
            }
            if shape.discontinuity == Some(segment) {
                text += "#EXT-X-DISCONTINUITY\n";
            }
            let ms = segment * shape.segment_ms();
            let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
            writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1000)
                .unwrap();
            if shape.low_latency && segment + shape.parts_kept >= end {
                for part in 0..parts {
                    let independent = if part == 0 || audio { ",INDEPENDENT=YES" } else { "" };
                    let place = if shape.ranges {
                        let (start, length) = self.range(audio, segment, part);
                        format!("{letter}s{segment}.{suffix}\",BYTERANGE=\"{length}@{start}\"")
                    } else {
                        format!("{letter}p{segment}-{part}.{suffix}\"")
                    };
                    writeln!(text, "#EXT-X-PART:DURATION=0.2,URI=\"{place}{independent}").unwrap();
                }
            }
            if complete {
                let seconds = shape.segment_ms() / 1000;
                writeln!(text, "#EXTINF:{seconds}.00000,\n{letter}s{segment}.{suffix}").unwrap();
            }
        }
        if ended {
            text += "#EXT-X-ENDLIST\n";
        } else if shape.low_latency {
            if shape.ranges {
                let (start, _) = self.range(audio, end, open_parts);
                let uri = format!("{letter}s{end}.{suffix}");
                writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\",BYTERANGE-START={start}")
                    .unwrap();
            } else {
                let uri = format!("{letter}p{end}-{open_parts}.{suffix}");
                writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\"").unwrap();
            }
            if shape.reports {
                let other = if audio { "video" } else { "audio" };
                let last = published - 1;
                let (msn, part) = (last / shape.parts, last % shape.parts);
                let uri = format!("{other}.m3u8");
                writeln!(text, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn},LAST-PART={part}")
                    .unwrap();
            }
        }
        text
    }

    /// Where a part lies in its segment.
    fn range(&self, audio: bool, segment: u64, part: u64) -> (usize, usize) {
        let start = (0..part).map(|before| self.part(audio, segment, before).len()).sum();
        (start, self.part(audio, segment, part).len())
    }

    fn part(&self, audio: bool, segment: u64, part: u64) -> Vec<u8> {
        let index = segment * self.shape.parts + part;
        let (scale, frames): (i64, u32) = if audio { (48_000, 10) } else { (90_000, 5) };
        let part_ticks = scale * i64::try_from(PART_MS).unwrap() / 1000;
        // The clock of a transport stream wraps in the course of a run.
        let base = if self.shape.ts { (1_i64 << 33) - 90_000 * 65 } else { 0 };
        let jump = if self.shape.discontinuity.is_some_and(|n| n <= segment) { 777_777 } else { 0 };
        let mut spec = Spec {
            audio,
            segment,
            part,
            first_frame: index * u64::from(frames),
            track: 1,
            dts: base + jump + i64::try_from(index).unwrap() * part_ticks,
            frames,
            frame_ticks: u32::try_from(part_ticks).unwrap() / frames,
            sync: part == 0,
            tfdt: true,
            counter_skew: 0,
        };
        (self.media)(&mut spec);
        if self.shape.ts { ts::fragment(&spec) } else { fmp4::fragment(&spec) }
    }

    fn resource(&self, call: &mut Call) -> Answer {
        let missing = Answer::status(404, call.now);
        let (name, suffix) = call.file.split_once('.').unwrap_or_default();
        let audio = name.starts_with('a');
        let published = self.published(call.now);
        let kind = match (suffix, audio) {
            ("ts", _) => "video/mp2t",
            (_, true) => "audio/mp4",
            _ => "video/mp4",
        };
        let numbers: Vec<u64> =
            name.get(2..).unwrap_or_default().split('-').filter_map(|n| n.parse().ok()).collect();
        match (name.get(1..2), numbers.as_slice()) {
            (Some("p"), [segment, part]) => {
                let index = segment * self.shape.parts + part;
                if index > published {
                    return missing;
                }
                let due = (index + 1) * PART_MS;
                call.held = due > call.now;
                let mut answer = Self::media(self.part(audio, *segment, *part), call, kind);
                answer.at = due.max(call.now);
                answer
            }
            (Some("s"), [segment]) => {
                let whole: Vec<u8> =
                    (0..self.shape.parts).flat_map(|part| self.part(audio, *segment, part)).collect();
                let mut due = (segment + 1) * self.shape.parts * PART_MS;
                if let Some((start, end)) = call.range.filter(|_| self.shape.ranges) {
                    // A closed range is there with its part; an open one is held to the end of the segment.
                    let parts = (0..self.shape.parts).filter(|part| {
                        let (part_start, length) = self.range(audio, *segment, *part);
                        let last = part_start + length - 1;
                        end.is_some_and(|end| last as u64 <= end)
                            || (end.is_none() && part_start as u64 <= start)
                    });
                    due = (segment * self.shape.parts + parts.count() as u64) * PART_MS;
                } else if due > call.now {
                    return missing;
                }
                call.held = due > call.now;
                let mut answer = Self::media(whole, call, kind);
                if call.held
                    && let Some((start, None)) = call.range
                {
                    let (_, length) = (0..self.shape.parts)
                        .map(|part| self.range(audio, *segment, part))
                        .find(|(part_start, _)| *part_start as u64 == start)
                        .unwrap_or_default();
                    answer.body.truncate(length);
                }
                answer.at = due.max(call.now);
                answer
            }
            _ => missing,
        }
    }
}
