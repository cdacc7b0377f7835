//! Names of renditions and of the files of one run: the only strings of a URL below the stream's own.
//!
//! A name is parsed into numbers and written from numbers: nothing that a client sends is ever part of a
//! path or of a playlist.

use std::fmt;
use std::str::FromStr;

use streamer_core::TrackId;
use thiserror::Error;

/// A name that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no name of a rendition or of a file of one")]
pub struct NameError;

/// The container of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Container {
    /// MPEG-2 transport stream (RFC 8216, 3.2): all tracks in one rendition.
    Ts,
    /// Fragmented MP4 (RFC 8216, 3.3) as CMAF has it: one rendition a track.
    Fmp4,
}

impl Container {
    /// Media type of its segments.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Ts => "video/mp2t",
            Self::Fmp4 => "video/mp4",
        }
    }
}

/// Names a rendition within its broadcast: `ts`, `video0`, `audio0`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RenditionId {
    /// All tracks in one transport stream.
    Ts,
    /// The fMP4 of one video track.
    Video(u8),
    /// The fMP4 of one audio track.
    Audio(u8),
}

impl RenditionId {
    /// What its segments are.
    #[must_use]
    pub const fn container(self) -> Container {
        match self {
            Self::Ts => Container::Ts,
            Self::Video(_) | Self::Audio(_) => Container::Fmp4,
        }
    }

    /// The track it carries, if it carries one alone.
    #[must_use]
    pub const fn track(self) -> Option<TrackId> {
        match self {
            Self::Ts => None,
            Self::Video(index) => Some(TrackId::video(index)),
            Self::Audio(index) => Some(TrackId::audio(index)),
        }
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ts => f.write_str("ts"),
            Self::Video(index) => write!(f, "video{index}"),
            Self::Audio(index) => write!(f, "audio{index}"),
        }
    }
}

impl FromStr for RenditionId {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let index = |digits: &str| number(digits).and_then(|value| u8::try_from(value).ok());
        match name {
            "ts" => Some(Self::Ts),
            _ => match (name.strip_prefix("video"), name.strip_prefix("audio")) {
                (Some(digits), _) => index(digits).map(Self::Video),
                (_, Some(digits)) => index(digits).map(Self::Audio),
                _ => None,
            },
        }
        .ok_or(NameError)
    }
}

/// Names one run of a packager, so that the files of two runs of a stream never share a URL and may be
/// cached for good: the Unix time in milliseconds at which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// What a file of a rendition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileName {
    /// The media playlist: `index.m3u8`.
    Playlist,
    /// The segment with this media sequence number: `{run}-{msn}.ts` or `.m4s`.
    Segment(RunId, u64),
    /// A partial segment: `{run}-{msn}.{part}.m4s`.
    Part(RunId, u64, u32),
    /// An initialization section: `{run}-init{number}.mp4`.
    Map(RunId, u32),
    /// A key: `{run}-{number}.key`.
    Key(RunId, u32),
}

impl FileName {
    /// Reads the name of a file in a rendition of `container`. Each file has one name only.
    ///
    /// # Errors
    /// [`NameError`] for every other text.
    pub fn parse(name: &str, container: Container) -> Result<Self, NameError> {
        Self::read(name, container).ok_or(NameError)
    }

    fn read(name: &str, container: Container) -> Option<Self> {
        if name == "index.m3u8" {
            return Some(Self::Playlist);
        }
        let (run, rest) = name.split_once('-')?;
        let run = RunId(hex(run)?);
        let small = |digits| number(digits).and_then(|value| u32::try_from(value).ok());
        if let Some(digits) = rest.strip_suffix(".key") {
            return small(digits).map(|number| Self::Key(run, number));
        }
        if container == Container::Ts {
            return number(rest.strip_suffix(".ts")?).map(|msn| Self::Segment(run, msn));
        }
        if let Some(init) = rest.strip_prefix("init") {
            return small(init.strip_suffix(".mp4")?).map(|number| Self::Map(run, number));
        }
        match rest.strip_suffix(".m4s")?.split_once('.') {
            Some((msn, part)) => Some(Self::Part(run, number(msn)?, small(part)?)),
            None => number(rest.strip_suffix(".m4s")?).map(|msn| Self::Segment(run, msn)),
        }
    }

    /// Writes the name.
    #[must_use]
    pub const fn display(self, container: Container) -> FileNameDisplay {
        FileNameDisplay { name: self, container }
    }
}

/// A [`FileName`] as text.
#[derive(Clone, Copy, Debug)]
pub struct FileNameDisplay {
    name: FileName,
    container: Container,
}

impl fmt::Display for FileNameDisplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.container {
            Container::Ts => "ts",
            Container::Fmp4 => "m4s",
        };
        match self.name {
            FileName::Playlist => f.write_str("index.m3u8"),
            FileName::Segment(run, msn) => write!(f, "{run}-{msn}.{suffix}"),
            FileName::Part(run, msn, part) => write!(f, "{run}-{msn}.{part}.{suffix}"),
            FileName::Map(run, number) => write!(f, "{run}-init{number}.mp4"),
            FileName::Key(run, number) => write!(f, "{run}-{number}.key"),
        }
    }
}

/// Decimal digits as they are written here: no sign, no leading zero.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits == "0" || !digits.starts_with('0');
    if plain && canonical { digits.parse().ok() } else { None }
}

fn hex(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let canonical = digits == "0" || !digits.starts_with('0');
    if plain && canonical { u64::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_name() -> impl Strategy<Value = FileName> {
        prop_oneof![
            Just(FileName::Playlist),
            (any::<u64>(), any::<u64>()).prop_map(|(run, msn)| FileName::Segment(RunId(run), msn)),
            (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(run, msn, part)| FileName::Part(
                RunId(run),
                msn,
                part
            )),
            (any::<u64>(), any::<u32>()).prop_map(|(run, number)| FileName::Map(RunId(run), number)),
            (any::<u64>(), any::<u32>()).prop_map(|(run, number)| FileName::Key(RunId(run), number)),
        ]
    }

    proptest! {
        #[test]
        fn names_survive_writing_and_reading(name in any_name()) {
            let text = name.display(Container::Fmp4).to_string();
            prop_assert_eq!(FileName::parse(&text, Container::Fmp4), Ok(name));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9a-f]{1,4}-(init)?[0-9]{1,4}(\\.[0-9]{1,3})?\\.(m4s|ts|mp4|key)") {
            for container in [Container::Ts, Container::Fmp4] {
                if let Ok(name) = FileName::parse(&text, container) {
                    prop_assert_eq!(name.display(container).to_string(), text.clone());
                }
            }
        }

        #[test]
        fn no_other_text_is_a_name(text in ".*") {
            let _ = (FileName::parse(&text, Container::Ts), text.parse::<RenditionId>());
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for name in
            ["", "index.m3u", "-1.ts", "a-01.ts", "A-1.ts", "a-+1.ts", "a-1.m4s", "a-1.0.ts", "../a-1.ts"]
        {
            assert_eq!(FileName::parse(name, Container::Ts), Err(NameError), "{name}");
        }
        for name in ["video", "video01", "video256", "audio-1", "TS", ""] {
            assert_eq!(name.parse::<RenditionId>(), Err(NameError), "{name}");
        }
        assert_eq!("audio12".parse(), Ok(RenditionId::Audio(12)));
    }
}
