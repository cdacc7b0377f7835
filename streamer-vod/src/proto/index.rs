//! The index of a file: its tracks and where their samples lie. The media stay in the file.

use std::time::Duration;

use streamer_core::codec::{CodecError, MediaKind};
use streamer_core::container::flv::FlvError;
use streamer_core::container::fmp4::{FileSample, Fmp4Error};
use streamer_core::container::ts::TsError;
use streamer_core::{Codec, Timescale, Timestamp, TrackId};
use thiserror::Error;

use super::samples::{Packer, Samples};

/// Memory of one index: a film of six hours takes some 10 MB, a recording of a day in one file twice this bound.
pub const MAX_INDEX_BYTES: usize = 64 << 20;
/// Samples of a file: two days of pictures and sound. Bounds the time that a file of samples without bytes takes.
pub const MAX_SAMPLES: u64 = 1 << 24;

/// Samples of a file that room is made for because they are announced: those of a film of four hours, some 4 MB.
pub const MAX_EXPECTED_SAMPLES: usize = 1 << 20;

/// Why a file cannot be indexed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A box is broken.
    #[error("the box at byte {offset}: {source}")]
    Mp4 {
        /// Where the box begins.
        offset: u64,
        /// What is wrong with it.
        source: Fmp4Error,
    },
    /// FLV is broken.
    #[error("the tag at byte {offset}: {source}")]
    Flv {
        /// Where the tag begins.
        offset: u64,
        /// What is wrong with it.
        source: FlvError,
    },
    /// A transport stream is broken.
    #[error("the packets before byte {offset}: {source}")]
    Ts {
        /// Where it was read to.
        offset: u64,
        /// What is wrong with it.
        source: TsError,
    },
    /// A codec configuration is broken.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A box begins in the file and ends behind it: the file is cut off.
    #[error("{kind} at byte {offset} needs {needed_bytes} bytes, the file has {len_bytes}")]
    CutOff {
        /// What is cut off.
        kind: String,
        /// Where it begins.
        offset: u64,
        /// Where it ends.
        needed_bytes: u64,
        /// Length of the file.
        len_bytes: u64,
    },
    /// A sample lies behind the end of the file.
    #[error("sample {sample} of {track} at byte {offset} has {size} bytes, the file has {len_bytes}")]
    OutsideFile {
        /// The track.
        track: TrackId,
        /// The sample, counted from 0.
        sample: u64,
        /// Where it begins.
        offset: u64,
        /// Its length.
        size: u32,
        /// Length of the file.
        len_bytes: u64,
    },
    /// More of something than a bound allows.
    #[error("{what}: {value}, the limit is {max}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        value: u64,
        /// The bound.
        max: u64,
    },
    /// There is nothing in the file that could be played.
    #[error("{what}")]
    NoMedia {
        /// What is missing.
        what: &'static str,
    },
}

/// How the samples of a file become frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceFormat {
    /// MP4 or `QuickTime`: each sample is a range of bytes.
    Mp4,
    /// FLV: the same.
    Flv,
    /// A transport stream: a sample's offset is where demuxing has to begin to have it.
    Ts {
        /// Length of the beginning of the file that tells what its streams are.
        head_bytes: u64,
        /// What times are counted from, in ticks of 90 kHz.
        first_pts: i64,
    },
}

/// A random access point of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncPoint {
    /// The sample's number.
    pub sample: u32,
    /// Its presentation time, in the track's timescale.
    pub pts: i64,
}

/// A track and its samples.
#[derive(Clone, Debug)]
pub struct TrackIndex {
    /// Its name in the file.
    pub id: TrackId,
    /// The codec and its configuration.
    pub codec: Codec,
    /// Scale of the times of its samples.
    pub timescale: Timescale,
    /// ISO 639-2/T code of the language, where it is told.
    pub language: Option<[u8; 3]>,
    /// Size of the length prefixes of NAL units in the file.
    pub length_size: u8,
    /// Its samples.
    pub samples: Samples,
    /// The random access points of a video track; none of others, where every sample is one.
    pub syncs: Vec<SyncPoint>,
}

impl TrackIndex {
    /// Video or audio.
    #[must_use]
    pub const fn kind(&self) -> MediaKind {
        self.codec.kind()
    }

    /// `ticks` of the track as an instant.
    #[must_use]
    pub const fn at(&self, ticks: i64) -> Timestamp {
        Timestamp::new(ticks, self.timescale)
    }

    /// How long its samples last.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(nanos(self.at(self.samples.duration().max(0))).unsigned_abs())
    }

    /// Average rate of its samples in bits per second.
    #[must_use]
    pub fn bitrate_bps(&self) -> u64 {
        let bits = u128::from(self.samples.media_bytes()) * 8_000;
        u64::try_from(bits / self.duration().as_millis().max(1)).unwrap_or(u64::MAX)
    }

    /// Samples per second, on the average.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.samples.count()) / self.duration().as_secs_f64().max(0.001)
    }
}

/// Nanoseconds of an instant.
#[must_use]
pub fn nanos(at: Timestamp) -> i64 {
    at.rescale(Timescale::NANOS).ticks()
}

/// The index of a file.
#[derive(Clone, Debug)]
pub struct AssetIndex {
    /// What the file is.
    pub format: SourceFormat,
    /// The tracks that have samples, video first.
    pub tracks: Vec<TrackIndex>,
}

impl AssetIndex {
    /// How long the longest track lasts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.tracks.iter().map(TrackIndex::duration).max().unwrap_or_default()
    }

    /// Bytes of memory that the index takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let of_track = |track: &TrackIndex| {
            track.samples.memory_bytes()
                + track.syncs.capacity() * size_of::<SyncPoint>()
                + size_of_val(track)
        };
        self.tracks.iter().map(of_track).sum()
    }
}

/// Gathers the samples of a file, within the bounds.
#[derive(Debug)]
pub(super) struct Gatherer {
    tracks: Vec<GatheredTrack>,
    taken: u64,
    /// Samples that room may be made for before they come.
    expectable: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct GatheredTrack {
    index: TrackIndex,
    packer: Packer,
}

impl Gatherer {
    pub(super) const fn new() -> Self {
        Self::with_bound(MAX_INDEX_BYTES)
    }

    /// One that takes no more than `max_bytes` of memory, give or take what a few thousand samples need.
    const fn with_bound(max_bytes: usize) -> Self {
        Self { tracks: Vec::new(), taken: 0, expectable: MAX_EXPECTED_SAMPLES, max_bytes }
    }

    /// Adds a track without samples and gives its place.
    pub(super) fn track(
        &mut self,
        (id, codec, timescale): (TrackId, Codec, Timescale),
        language: Option<[u8; 3]>,
        length_size: u8,
    ) -> usize {
        let (samples, syncs) = (Samples::default(), Vec::new());
        let index = TrackIndex { id, codec, timescale, language, length_size, samples, syncs };
        self.tracks.push(GatheredTrack { index, packer: Packer::default() });
        self.tracks.len() - 1
    }

    /// Makes room for `samples` that the track at `at` is said to have. That may not be true, so there is a bound for
    /// all tracks; past it, room is made as samples come.
    pub(super) fn expect(&mut self, at: usize, samples: usize) {
        let samples = samples.min(self.expectable);
        self.expectable -= samples;
        if let Some(track) = self.tracks.get_mut(at) {
            track.packer.expect(samples);
        }
    }

    /// Counts a sample, kept or not.
    ///
    /// # Errors
    /// [`IndexError::Limit`] past [`MAX_SAMPLES`].
    pub(super) const fn count(&mut self) -> Result<(), IndexError> {
        self.taken += 1;
        if self.taken > MAX_SAMPLES {
            return Err(IndexError::Limit { what: "samples", value: self.taken, max: MAX_SAMPLES });
        }
        Ok(())
    }

    /// Takes a sample of the track at `at`.
    ///
    /// # Errors
    /// [`IndexError::Limit`] past the bounds.
    pub(super) fn push(&mut self, at: usize, sample: FileSample) -> Result<(), IndexError> {
        self.count()?;
        if self.taken.is_multiple_of(4_096) {
            let of_track = |track: &GatheredTrack| {
                track.packer.memory_bytes() + track.index.syncs.capacity() * size_of::<SyncPoint>()
            };
            let value = self.tracks.iter().map(of_track).sum::<usize>();
            if value > self.max_bytes {
                let (what, max) = ("bytes of the index", self.max_bytes as u64);
                return Err(IndexError::Limit { what, value: value as u64, max });
            }
        }
        let Some(track) = self.tracks.get_mut(at) else { return Ok(()) };
        let (sample_number, packed) = track.packer.push(sample);
        if packed.sync && track.index.kind() == MediaKind::Video {
            track.index.syncs.push(SyncPoint { sample: sample_number, pts: packed.pts });
        }
        Ok(())
    }

    /// The index of what was gathered.
    ///
    /// # Errors
    /// [`IndexError::NoMedia`] when no track has samples, or video has no random access point.
    pub(super) fn finish(self, format: SourceFormat) -> Result<AssetIndex, IndexError> {
        let done = |track: GatheredTrack| {
            let GatheredTrack { mut index, packer } = track;
            index.samples = packer.finish();
            index.syncs.shrink_to_fit();
            index
        };
        let mut tracks: Vec<TrackIndex> =
            self.tracks.into_iter().map(done).filter(|track| track.samples.count() > 0).collect();
        tracks.retain(|track| track.kind() != MediaKind::Video || !track.syncs.is_empty());
        tracks.sort_by_key(|track| (track.kind(), track.id));
        if tracks.is_empty() {
            return Err(IndexError::NoMedia { what: "no track of a known codec has samples to begin with" });
        }
        Ok(AssetIndex { format, tracks })
    }
}

#[cfg(test)]
mod tests {
    use streamer_core::codec::AacConfig;

    use super::*;

    fn gather(count: u32, mut gatherer: Gatherer) -> Result<AssetIndex, IndexError> {
        let codec = Codec::Aac(AacConfig::new(2, 48_000, 2)?);
        let at = gatherer.track((TrackId::audio(0), codec, Timescale::MPEG), None, 4);
        for number in 0..count {
            // Each lies somewhere else and lasts otherwise: they take the most room.
            let offset = u64::from(number) << 40;
            let dts = i64::from(number) * i64::from(number);
            gatherer.push(at, FileSample { offset, size: 1, dts, pts: dts, duration: 0, sync: true })?;
        }
        gatherer.finish(SourceFormat::Flv)
    }

    #[test]
    fn memory_at_its_limit() {
        let index = gather(20_000, Gatherer::new()).unwrap();
        assert!((20_000 * 10..20_000 * 20).contains(&index.memory_bytes()), "{}", index.memory_bytes());
        assert!(gather(20_000, Gatherer::with_bound(20_000 * 25)).is_ok());
        let refused = gather(20_000, Gatherer::with_bound(100_000));
        assert!(matches!(refused, Err(IndexError::Limit { what: "bytes of the index", max: 100_000, .. })));
    }

    #[test]
    fn room_for_what_is_announced_is_bounded_over_all_tracks() {
        let mut gatherer = Gatherer::new();
        let codec = Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap());
        for number in 0..100 {
            let at = gatherer.track((TrackId::audio(number), codec.clone(), Timescale::MPEG), None, 4);
            gatherer.expect(at, MAX_EXPECTED_SAMPLES / 2);
        }
        let room = |track: &GatheredTrack| track.packer.memory_bytes();
        assert!(
            room(&gatherer.tracks[0]) == room(&gatherer.tracks[1]) && room(&gatherer.tracks[1]) > 1 << 20
        );
        assert!(gatherer.tracks[2..].iter().all(|track| room(track) == 0));
        assert!(gatherer.tracks.iter().map(room).sum::<usize>() < MAX_INDEX_BYTES / 8);
    }

    #[test]
    fn a_track_tells_its_rates() {
        let index = gather(3, Gatherer::new()).unwrap();
        let track = &index.tracks[0];
        assert_eq!((track.samples.duration(), track.samples.media_bytes()), (4, 3));
        assert!(index.duration() > Duration::from_micros(44) && index.duration() < Duration::from_micros(45));
        assert!(matches!(gather(0, Gatherer::new()), Err(IndexError::NoMedia { .. })));
    }
}
