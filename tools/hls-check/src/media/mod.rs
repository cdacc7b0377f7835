//! What a segment or part says about time and random access, read from its container.

mod boxes;
mod fmp4;
mod ts;

pub(crate) use fmp4::Init;
pub(crate) use ts::Program;

use crate::m3u8::{Micros, SECOND};
use crate::rule::{self, Rule};

/// What kind of samples a track has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Audio,
    Other,
}

/// The time that one track spans in a segment or part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) track: u32,
    pub(crate) kind: Kind,
    pub(crate) timescale: u32,
    /// Decode time of the first sample, in ticks.
    pub(crate) start: i64,
    /// Decode time at which the last sample ends; of TS it is guessed from the mean distance of samples.
    pub(crate) end: i64,
    /// Smallest presentation time, in ticks.
    pub(crate) presentation: i64,
    pub(crate) samples: u32,
    /// The first sample is a random access point; always so for audio.
    pub(crate) sync: bool,
    /// Timestamps wrap at 33 bits and samples have no duration of their own (MPEG-TS).
    pub(crate) transport: bool,
}

impl Span {
    /// Ticks as microseconds.
    pub(crate) fn micros(&self, ticks: i64) -> Micros {
        let scaled = i128::from(ticks) * i128::from(SECOND) / i128::from(self.timescale.max(1));
        i64::try_from(scaled).unwrap_or(i64::MAX)
    }

    /// Duration in decode order.
    pub(crate) fn duration(&self) -> Micros {
        self.micros(self.end.saturating_sub(self.start))
    }

    /// Mean duration of a sample.
    pub(crate) fn sample(&self) -> Micros {
        self.duration() / i64::from(self.samples.max(1))
    }

    /// `later - earlier` in ticks, over a wrap of the clock where there is one.
    pub(crate) fn distance(&self, earlier: i64, later: i64) -> i64 {
        let plain = later.saturating_sub(earlier);
        if self.transport { ts::nearest(plain) } else { plain }
    }
}

/// What a segment or part was found to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Media {
    pub(crate) spans: Vec<Span>,
    pub(crate) faults: Vec<(&'static Rule, String)>,
    /// It has a table of programs of its own (MPEG-TS).
    pub(crate) has_program: bool,
    pub(crate) transport: bool,
}

impl Media {
    /// The track that durations and random access are measured by: video, if there is any.
    pub(crate) fn main(&self) -> Option<&Span> {
        self.spans
            .iter()
            .find(|span| span.kind == Kind::Video)
            .or_else(|| self.spans.iter().find(|span| span.kind == Kind::Audio))
            .or_else(|| self.spans.first())
    }

    fn malformed(message: &str) -> Self {
        Self { faults: vec![(rule::MEDIA_MALFORMED, message.to_owned())], ..Self::default() }
    }
}

/// What must be known to read a segment: a media initialization section, or the programs of an earlier part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) init: Option<Init>,
    pub(crate) program: Option<Program>,
}

impl Context {
    /// Reads a media initialization section.
    pub(crate) fn from_map(body: &[u8]) -> Result<Self, String> {
        if ts::looks_like(body) {
            let mut program = None;
            ts::read(body, &mut program);
            return match program {
                Some(_) => Ok(Self { init: None, program }),
                None => Err("it holds no PAT and PMT".to_owned()),
            };
        }
        Ok(Self { init: Some(Init::read(body)?), program: None })
    }

    /// Reads a segment or part.
    pub(crate) fn read(&mut self, body: &[u8]) -> Media {
        if body.is_empty() {
            return Media::malformed("it is empty");
        }
        if ts::looks_like(body) {
            return ts::read(body, &mut self.program);
        }
        if packed(body) {
            return Media::default();
        }
        match &self.init {
            Some(init) => fmp4::read(body, init),
            None => Media::malformed("it is no MPEG-TS, and there is no media initialization section"),
        }
    }
}

/// Packed audio (clause 3.1.3) and `WebVTT` carry no timestamps that are checked here.
fn packed(body: &[u8]) -> bool {
    body.starts_with(b"ID3")
        || body.starts_with(b"WEBVTT")
        || matches!(body, [0xff, second, ..] if second & 0xe0 == 0xe0)
        || matches!(body, [0x0b, 0x77, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_go_over_the_wrap_of_a_transport_stream() {
        let mut span = Span {
            track: 1,
            kind: Kind::Video,
            timescale: 90_000,
            start: 0,
            end: 0,
            presentation: 0,
            samples: 1,
            sync: true,
            transport: true,
        };
        assert_eq!(span.distance((1 << 33) - 10, 20), 30);
        assert_eq!(span.distance(20, (1 << 33) - 10), -30);
        span.transport = false;
        assert_eq!(span.distance(20, 10), -10);
        assert_eq!(span.micros(45_000), 500_000);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = Context::from_map(&body);
            Context::default().read(&body);
        }
    }
}
