//! Subtitles: the cues of a `WebVTT` file, given out segment by segment (RFC 8216 3.5).

use std::fmt::Write;
use std::time::Duration;

use thiserror::Error;

use super::timeline::ORIGIN;

/// Largest file of subtitles: those of a film have some 100 KB.
pub const MAX_CAPTIONS_BYTES: usize = 4 << 20;
/// Cues of one file: one a second of a day's recording.
pub const MAX_CUES: usize = 86_400;

/// Why a file holds no subtitles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CaptionsError {
    /// It does not begin as such a file does.
    #[error("the file does not begin with WEBVTT")]
    Signature,
    /// It is no UTF-8.
    #[error("the file is not UTF-8")]
    NotUtf8,
    /// More than a bound allows.
    #[error("{what}: {value}, the limit is {max}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        value: usize,
        /// The bound.
        max: usize,
    },
}

/// The cues of a file, in the order of their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captions {
    /// Styles and regions, which hold for all cues.
    preamble: String,
    cues: Vec<Cue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cue {
    begin: Duration,
    end: Duration,
    /// The cue as it stands in the file, its identifier included.
    text: String,
}

impl Captions {
    /// Reads a file. Blocks that are no cues, and cues that break the syntax, are left out.
    ///
    /// # Errors
    /// [`CaptionsError`].
    pub fn parse(file: &[u8]) -> Result<Self, CaptionsError> {
        within("bytes of subtitles", file.len(), MAX_CAPTIONS_BYTES)?;
        let text = std::str::from_utf8(file).map_err(|_| CaptionsError::NotUtf8)?;
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let behind = text.strip_prefix("WEBVTT").ok_or(CaptionsError::Signature)?;
        if !behind.is_empty() && !behind.starts_with([' ', '\t', '\n']) {
            return Err(CaptionsError::Signature);
        }
        let mut captions = Self::default();
        // The block of the signature may hold header lines.
        for block in text.split("\n\n").skip(1).map(|block| block.trim_matches('\n')) {
            if block.starts_with("STYLE") || block.starts_with("REGION") {
                captions.preamble.push_str(block);
                captions.preamble.push_str("\n\n");
                continue;
            }
            let timing = block.lines().take(2).find(|line| line.contains("-->"));
            let Some((begin, end)) = timing.and_then(interval) else { continue };
            within("cues", captions.cues.len() + 1, MAX_CUES)?;
            captions.cues.push(Cue { begin, end, text: block.to_owned() });
        }
        captions.cues.sort_by_key(|cue| cue.begin);
        Ok(captions)
    }

    /// The cues that are shown between `begin` and `end`, as a file of their own whose times are tied to those of the
    /// media.
    #[must_use]
    pub fn segment(&self, begin: Duration, end: Duration) -> String {
        let mut text = format!(
            "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{},LOCAL:00:00:00.000\n\n{}",
            ORIGIN.as_secs() * 90_000,
            self.preamble
        );
        let behind = self.cues.partition_point(|cue| cue.begin < end);
        for cue in self.cues.iter().take(behind).filter(|cue| cue.end > begin) {
            // Writing to a string does not fail.
            let _ = write!(text, "{}\n\n", cue.text);
        }
        text
    }

    /// Bytes of memory it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let cues: usize = self.cues.iter().map(|cue| size_of::<Cue>() + cue.text.capacity()).sum();
        self.preamble.capacity() + cues
    }
}

const fn within(what: &'static str, value: usize, max: usize) -> Result<(), CaptionsError> {
    if value > max { Err(CaptionsError::Limit { what, value, max }) } else { Ok(()) }
}

/// When a cue is shown, of its line of timings.
fn interval(line: &str) -> Option<(Duration, Duration)> {
    let (begin, rest) = line.split_once("-->")?;
    let (begin, end) = (instant(begin.trim())?, instant(rest.split_whitespace().next()?)?);
    (end > begin).then_some((begin, end))
}

/// `[hours:]minutes:seconds.milliseconds`.
fn instant(text: &str) -> Option<Duration> {
    let (whole, millis) = text.split_once('.')?;
    let digits = |text: &str, least: usize, most: usize| {
        let fits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<u64>().ok())?
    };
    let mut parts = whole.rsplit(':');
    let seconds = digits(parts.next()?, 2, 2)?;
    let minutes = digits(parts.next()?, 2, 2)?;
    let hours = parts.next().map_or(Some(0), |hours| digits(hours, 2, 6))?;
    if parts.next().is_some() || seconds > 59 || minutes > 59 {
        return None;
    }
    let millis = digits(millis, 3, 3)?;
    Some(Duration::from_millis(((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "\u{feff}WEBVTT - a film\r\nKind: captions\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\nNOTE nothing\r\n\r\n\
        1\r\n00:05.000 --> 00:07.500 align:start\r\nOne\r\nand more\r\n\r\n00:00:01.000 --> 00:00:06.000\r\nZero\r\n\r\n\
        00:09.000 --> 00:08.000\r\nbackwards\r\n\r\n01:00:00.000 --> 01:00:01.000\r\nLate\r\n";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn cues_are_in_every_segment_that_they_are_shown_in() {
        let captions = Captions::parse(FILE.as_bytes()).unwrap();
        let head =
            "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\nSTYLE\n::cue { color: red }\n\n";
        let zero = "00:00:01.000 --> 00:00:06.000\nZero\n\n";
        let one = "1\n00:05.000 --> 00:07.500 align:start\nOne\nand more\n\n";
        assert_eq!(captions.segment(seconds(0), seconds(4)), format!("{head}{zero}"));
        assert_eq!(captions.segment(seconds(4), seconds(6)), format!("{head}{zero}{one}"));
        assert_eq!(captions.segment(seconds(6), seconds(10)), format!("{head}{one}"));
        assert_eq!(captions.segment(seconds(10), seconds(20)), head);
        assert!(captions.segment(seconds(3_600), seconds(3_601)).contains("Late"));
    }

    #[test]
    fn what_is_no_file_of_subtitles_is_refused() {
        assert_eq!(Captions::parse(b"1\n00:05.000 --> 00:07.500\nSRT"), Err(CaptionsError::Signature));
        assert_eq!(Captions::parse(b"WEBVTTX"), Err(CaptionsError::Signature));
        assert_eq!(Captions::parse(b"WEBVTT\n\n\xff"), Err(CaptionsError::NotUtf8));
        assert_eq!(Captions::parse(b"WEBVTT"), Ok(Captions::default()));
        for line in [
            "5.000 --> 6.000",
            "00:61.000 --> 01:02.000",
            "00:01.00 --> 00:02.000",
            "00:01.000 -> 00:02.000",
            "1:2:3:4.000 --> 5:0:0:0.000",
        ] {
            assert_eq!(interval(line), None, "{line}");
        }
    }

    #[test]
    fn sizes_and_numbers_at_their_limits() {
        let file = |cues: usize| format!("WEBVTT\n\n{}", "00:01.000 --> 00:02.000\nx\n\n".repeat(cues));
        assert_eq!(Captions::parse(file(MAX_CUES).as_bytes()).unwrap().cues.len(), MAX_CUES);
        let past = Captions::parse(file(MAX_CUES + 1).as_bytes());
        assert!(matches!(past, Err(CaptionsError::Limit { what: "cues", .. })));
        let long = |len: usize| Captions::parse(format!("WEBVTT {}", "x".repeat(len - 7)).as_bytes());
        assert!(long(MAX_CAPTIONS_BYTES).is_ok());
        assert!(matches!(long(MAX_CAPTIONS_BYTES + 1), Err(CaptionsError::Limit { .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(WEBVTT)?(\\PC|\n|-->|:|[0-9]{2}|\\.){0,80}", begin in any::<u32>(), len in any::<u32>()) {
            if let Ok(captions) = Captions::parse(text.as_bytes()) {
                let _ = captions.segment(seconds(begin.into()), seconds(u64::from(begin) + u64::from(len)));
            }
        }
    }
}
