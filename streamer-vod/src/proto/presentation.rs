//! A presentation: files that are played together or in place of each other, cut into the same segments.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use streamer_core::container::fmp4;
use streamer_core::container::ts::TsMuxer;
use streamer_core::{Codec, MediaKind};
use streamer_http::proto::hls::Container;
use thiserror::Error;

use super::index::{AssetIndex, TrackIndex};
use super::timeline::{Timeline, TrackCut};
use super::webvtt::Captions;

/// Files of one presentation: a ladder has some ten rungs.
pub const MAX_ASSETS: usize = 32;
/// Subtitles of one presentation.
pub const MAX_CAPTIONS: usize = 64;

/// A name that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no name of a rendition")]
pub struct RenditionError;

/// Names a rendition of a presentation: the number of its file, and what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RenditionName {
    /// The file, counted from 0.
    pub asset: u8,
    /// What of it.
    pub part: Part,
}

/// What a rendition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A transport stream: the first video and the first audio track.
    Ts,
    /// A transport stream of one audio track.
    TsAudio(u8),
    /// The fMP4 of one video track.
    Video(u8),
    /// The fMP4 of one audio track.
    Audio(u8),
    /// Subtitles; they belong to the presentation and not to a file of it.
    Text(u8),
}

impl Part {
    /// The container of its segments, if they are media.
    #[must_use]
    pub const fn container(self) -> Option<Container> {
        match self {
            Self::Ts | Self::TsAudio(_) => Some(Container::Ts),
            Self::Video(_) | Self::Audio(_) => Some(Container::Fmp4),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.asset)?;
        match self.part {
            Part::Ts => f.write_str("ts"),
            Part::TsAudio(index) => write!(f, "tsaudio{index}"),
            Part::Video(index) => write!(f, "video{index}"),
            Part::Audio(index) => write!(f, "audio{index}"),
            Part::Text(index) => write!(f, "text{index}"),
        }
    }
}

impl FromStr for RenditionName {
    type Err = RenditionError;

    fn from_str(name: &str) -> Result<Self, RenditionError> {
        let read = || {
            let (asset, part) = name.split_once('-')?;
            let asset = number(asset)?;
            let at = part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len());
            let (kind, index) = part.split_at(at);
            let part = match kind {
                "ts" if index.is_empty() => Part::Ts,
                "tsaudio" => Part::TsAudio(number(index)?),
                "video" => Part::Video(number(index)?),
                "audio" => Part::Audio(number(index)?),
                "text" => Part::Text(number(index)?),
                _ => return None,
            };
            Some(Self { asset, part })
        };
        read().ok_or(RenditionError)
    }
}

/// A number as it is written here: each has one form only.
fn number(digits: &str) -> Option<u8> {
    let plain = digits.len() == 1 || !digits.starts_with('0');
    (plain && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// A file of a presentation.
#[derive(Clone, Debug)]
pub struct PresentedAsset {
    /// Its index.
    pub index: Arc<AssetIndex>,
    /// The cut of each of its tracks.
    pub cuts: Vec<TrackCut>,
}

/// Subtitles of a presentation.
#[derive(Clone, Debug)]
pub struct PresentedCaptions {
    /// Language tag (BCP 47), where the file's name tells it.
    pub language: Option<String>,
    /// The cues.
    pub captions: Arc<Captions>,
}

/// Files cut into the same segments.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// Names this state of the files: it is part of the names of segments.
    pub version: u64,
    /// The files, best first.
    pub assets: Vec<PresentedAsset>,
    /// Subtitles of all of them.
    pub captions: Vec<PresentedCaptions>,
    /// Where segments begin.
    pub timeline: Timeline,
}

/// A track of a presentation and its cut.
#[derive(Clone, Copy, Debug)]
pub struct PresentedTrack<'a> {
    /// The track.
    pub index: &'a TrackIndex,
    /// Where it is cut.
    pub cut: &'a TrackCut,
}

impl Presentation {
    /// Cuts `assets` into segments near `target`.
    #[must_use]
    pub fn new(
        version: u64,
        assets: Vec<Arc<AssetIndex>>,
        captions: Vec<PresentedCaptions>,
        target: Duration,
    ) -> Self {
        let indexes: Vec<&AssetIndex> = assets.iter().map(|asset| &**asset).collect();
        let timeline = Timeline::new(&indexes, target);
        let present = |index: Arc<AssetIndex>| {
            let cuts = index.tracks.iter().map(|track| timeline.cut(track)).collect();
            PresentedAsset { index, cuts }
        };
        let assets = assets.into_iter().map(present).collect();
        Self { version, assets, captions, timeline }
    }

    /// The tracks of the file `asset` that are of `kind` and carried by `container`.
    pub fn tracks(
        &self,
        asset: u8,
        kind: MediaKind,
        container: Container,
    ) -> impl Iterator<Item = PresentedTrack<'_>> {
        let asset = self.assets.get(usize::from(asset));
        asset
            .into_iter()
            .flat_map(|asset| asset.index.tracks.iter().zip(&asset.cuts))
            .map(|(index, cut)| PresentedTrack { index, cut })
            .filter(move |track| track.index.kind() == kind && carries(container, &track.index.codec))
            .filter(|track| track.cut.segments() > 0)
    }

    /// The tracks that a rendition carries, none for one that does not exist.
    #[must_use]
    pub fn carried(&self, name: RenditionName) -> Vec<PresentedTrack<'_>> {
        let one = |kind, container, index: u8| {
            self.tracks(name.asset, kind, container).nth(usize::from(index)).into_iter().collect()
        };
        match name.part {
            Part::Ts => {
                let first = |kind| self.tracks(name.asset, kind, Container::Ts).next();
                [first(MediaKind::Video), first(MediaKind::Audio)].into_iter().flatten().collect()
            }
            Part::TsAudio(index) => one(MediaKind::Audio, Container::Ts, index),
            Part::Video(index) => one(MediaKind::Video, Container::Fmp4, index),
            Part::Audio(index) => one(MediaKind::Audio, Container::Fmp4, index),
            Part::Text(_) => Vec::new(),
        }
    }

    /// Bytes of memory that it takes beside its indexes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let cuts =
            self.assets.iter().flat_map(|asset| &asset.cuts).map(TrackCut::memory_bytes).sum::<usize>();
        let captions = self.captions.iter().map(|text| text.captions.memory_bytes()).sum::<usize>();
        cuts + captions + self.timeline.segments() * 8
    }
}

/// Whether `container` carries `codec`.
#[must_use]
pub fn carries(container: Container, codec: &Codec) -> bool {
    match container {
        Container::Ts => TsMuxer::carries(codec),
        Container::Fmp4 => {
            fmp4::carries(codec) && (codec.kind() != MediaKind::Video || codec.resolution().is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form_each() {
        for name in ["0-ts", "0-tsaudio1", "12-video0", "255-audio10", "0-text3"] {
            assert_eq!(name.parse::<RenditionName>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "ts",
            "0-",
            "0-ts0",
            "00-ts",
            "0-video",
            "0-video00",
            "256-ts",
            "0-video256",
            "0-xs",
            "+1-ts",
            "0-video-1",
        ] {
            assert!(name.parse::<RenditionName>().is_err(), "{name}");
        }
    }
}
