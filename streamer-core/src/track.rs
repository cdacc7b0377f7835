//! Tracks of a stream: what each one carries and, for the whole stream, what its publisher said of it.

use std::fmt;

use crate::codec::{Codec, MediaKind};
use crate::time::Timescale;

/// Most tracks of one stream. Each keeps a configuration record of up to 32 KiB; encoders send fewer than
/// ten.
pub const MAX_TRACKS: usize = 32;

/// Names a track within its stream. Chosen by the source; stable for as long as the stream lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(u16);

impl TrackId {
    /// Id of the `index`-th video track; index 0 is the default one.
    #[must_use]
    pub const fn video(index: u8) -> Self {
        Self(index as u16)
    }

    /// Id of the `index`-th audio track; index 0 is the default one.
    #[must_use]
    pub const fn audio(index: u8) -> Self {
        Self(0x100 | index as u16)
    }

    /// Id of the `index`-th data track.
    #[must_use]
    pub const fn data(index: u8) -> Self {
        Self(0x200 | index as u16)
    }

    /// The index within the tracks of its kind.
    #[must_use]
    pub const fn index(self) -> u8 {
        (self.0 & 0xff) as u8
    }
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 >> 8 {
            0 => "video",
            1 => "audio",
            _ => "data",
        };
        write!(f, "{kind}{}", self.index())
    }
}

/// One track: its id, the scale of its timestamps and its codec with the configuration in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its name within the stream.
    pub id: TrackId,
    /// Scale of the timestamps of its frames.
    pub timescale: Timescale,
    /// The codec and its configuration.
    pub codec: Codec,
}

/// A flat value of stream metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// A number.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A text.
    Text(String),
}

/// What a publisher said of its stream (`onMetaData` and the like): names and flat values in the order
/// given. Informative only; whatever can be read from the codec configuration is read from there.
pub type Metadata = Vec<(String, MetadataValue)>;

/// All tracks of a stream at one moment. It precedes, for every subscriber, the frames that it governs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tracks {
    /// The tracks; ids are distinct.
    pub list: Vec<Track>,
    /// The publisher's own words.
    pub metadata: Metadata,
}

impl Tracks {
    /// The track named `id`.
    #[must_use]
    pub fn get(&self, id: TrackId) -> Option<&Track> {
        self.list.iter().find(|track| track.id == id)
    }

    /// The first track of `kind`.
    #[must_use]
    pub fn first(&self, kind: MediaKind) -> Option<&Track> {
        self.list.iter().find(|track| track.codec.kind() == kind)
    }

    /// The track whose sync frames are the random access points of the stream: the first video track,
    /// else the first audio track.
    #[must_use]
    pub fn leading(&self) -> Option<&Track> {
        self.first(MediaKind::Video).or_else(|| self.first(MediaKind::Audio))
    }

    /// Puts `track` in, in place of one of the same id. Returns whether anything changed.
    pub fn set(&mut self, track: Track) -> bool {
        match self.list.iter_mut().find(|held| held.id == track.id) {
            Some(held) if *held == track => false,
            Some(held) => {
                *held = track;
                true
            }
            None => {
                self.list.push(track);
                true
            }
        }
    }
}
