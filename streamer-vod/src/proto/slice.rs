//! Segments made of the samples of a file: which bytes are read, and what is written around them. Nothing is decoded.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use streamer_core::codec::nal;
use streamer_core::container::fmp4::{
    FileSample, Fmp4Error, Fragment, FragmentHead, InitTrack, MAX_SAMPLES_PER_RUN, Sample, SampleHead,
    TrackRun, init_segment, write_fragment, write_fragment_head,
};
use streamer_core::container::ts::{TsError, TsMuxer, TsOptions};
use streamer_core::{Frame, Media, MediaKind, Muxer, Track, TrackId, Tracks};
use thiserror::Error;

use super::index::{TrackIndex, nanos};
use super::timeline::{TrackCut, on_segments};

/// Largest segment: a long one of 10 s at 100 Mbit/s. It is held in memory as a whole.
pub const MAX_SEGMENT_BYTES: u64 = 128 << 20;
/// A gap between samples that is read rather than stepped over: a read costs as much as copying some kilobytes.
const READ_THROUGH_BYTES: u64 = 32 << 10;

/// Why a segment cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SliceError {
    /// There is no such segment.
    #[error("there is no segment {segment}")]
    NoSegment {
        /// The segment.
        segment: usize,
    },
    /// It is larger than is held in memory.
    #[error("segment {segment} has {value} {what}, the limit is {max}")]
    TooLarge {
        /// The segment.
        segment: usize,
        /// `bytes` or `samples`.
        what: &'static str,
        /// How many there are.
        value: u64,
        /// The bound.
        max: u64,
    },
    /// Frames of a transport stream that its index names are not found again.
    #[error("{frames} frames of {track} are not found again in the file")]
    NotFound {
        /// The track.
        track: TrackId,
        /// How many are missing.
        frames: usize,
    },
    /// The samples do not become MP4.
    #[error(transparent)]
    Fmp4(#[from] Fmp4Error),
    /// The samples do not become a transport stream.
    #[error(transparent)]
    Ts(#[from] TsError),
}

/// A range of the file, and where its bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the file.
    pub offset: u64,
    /// Where its bytes go in the buffer.
    pub place: Range<usize>,
}

/// A segment in fMP4, to be completed by reading.
#[derive(Debug)]
pub struct Fmp4Plan {
    /// What stands in front, with room for the rest.
    pub head: Vec<u8>,
    /// What is to be read behind it: places are in the whole segment, in order and without gaps.
    pub extents: Vec<Extent>,
    /// Samples to be rewritten: NAL units of other length prefixes than the canonical ones.
    rewrite: Option<Rewrite>,
}

#[derive(Debug)]
struct Rewrite {
    length_size: u8,
    sequence_number: u32,
    base_decode_time: u64,
    /// What is told of each sample, its size as it is in the file.
    samples: Vec<SampleHead>,
}

/// Length of a packet of a transport stream, and what of it is payload (ISO/IEC 13818-1, 2.4.3.2).
const TS_PACKET_BYTES: usize = 188;
const TS_PAYLOAD_BYTES: usize = 184;
/// Packets of tables and clock references that are reckoned with in a segment.
const TABLE_PACKETS: usize = 64;
/// Number of the track in an init segment that has one alone.
const TRACK_ID: u32 = 1;

/// The init segment of a track's segments.
///
/// # Errors
/// [`SliceError::Fmp4`] for a codec that MP4 does not carry.
pub fn fmp4_init(track: &TrackIndex) -> Result<Bytes, SliceError> {
    let TrackIndex { timescale, codec, .. } = track;
    let (id, timescale) = (TRACK_ID, *timescale);
    Ok(init_segment(&[InitTrack { id, timescale, codec, start_offset: None, protection: None }])?)
}

fn check(cuts: &[&TrackCut], segment: usize) -> Result<(), SliceError> {
    let bytes = cuts.iter().map(|cut| cut.media_bytes(segment)).sum();
    let samples = cuts.iter().map(|cut| cut.samples(segment).len() as u64).max().unwrap_or(0);
    for (what, value, max) in
        [("bytes", bytes, MAX_SEGMENT_BYTES), ("samples", samples, MAX_SAMPLES_PER_RUN as u64)]
    {
        if value > max {
            return Err(SliceError::TooLarge { segment, what, value, max });
        }
    }
    if bytes == 0 { Err(SliceError::NoSegment { segment }) } else { Ok(()) }
}

/// Plans a segment of one track in fMP4. The payload is read to its place: there is no second copy.
///
/// # Errors
/// [`SliceError`].
pub fn plan_fmp4(track: &TrackIndex, cut: &TrackCut, segment: usize) -> Result<Fmp4Plan, SliceError> {
    check(&[cut], segment)?;
    let range = cut.samples(segment);
    let mut samples = Vec::with_capacity(range.len().min(MAX_SAMPLES_PER_RUN));
    let mut pieces = Pieces::default();
    let mut base_decode_time = None;
    for sample in track.samples.from(range.start).take(range.len()) {
        base_decode_time.get_or_insert(sample.dts);
        let offset = sample.pts.saturating_sub(sample.dts).clamp(i32::MIN.into(), i32::MAX.into());
        samples.push(SampleHead {
            duration: sample.duration,
            composition_offset: i32::try_from(offset).unwrap_or(0),
            sync: sample.sync,
            size: sample.size,
        });
        pieces.push(&sample);
    }
    let base_decode_time = on_segments(base_decode_time.unwrap_or(0), track.timescale);
    let base_decode_time = u64::try_from(base_decode_time).unwrap_or(0);
    let sequence_number = u32::try_from(segment).unwrap_or(u32::MAX).saturating_add(1);
    if track.codec.kind() == MediaKind::Video && track.length_size != nal::LENGTH_SIZE {
        let length_size = track.length_size;
        let rewrite = Some(Rewrite { length_size, sequence_number, base_decode_time, samples });
        return Ok(Fmp4Plan { head: Vec::new(), extents: pieces.behind(0), rewrite });
    }
    let described = FragmentHead { sequence_number, track_id: TRACK_ID, base_decode_time, samples: &samples };
    let head = write_fragment_head(&described)?;
    let extents = pieces.behind(head.len());
    Ok(Fmp4Plan { head, extents, rewrite: None })
}

impl Fmp4Plan {
    /// Bytes that `head` and what is read have together.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.extents.last().map_or(self.head.len(), |extent| extent.place.end)
    }

    /// The segment, of samples that were read otherwise; they are in canonical form.
    #[must_use]
    pub fn finish_with(self, samples: &[Bytes]) -> Bytes {
        let mut segment = self.head;
        segment.reserve_exact(samples.iter().map(Bytes::len).sum());
        for sample in samples {
            segment.extend_from_slice(sample);
        }
        Bytes::from(segment)
    }

    /// The segment, once `filled` is `head` with all extents behind it.
    ///
    /// # Errors
    /// [`SliceError::Fmp4`] for samples that are no NAL units.
    pub fn finish(rewrite: Self, filled: Vec<u8>) -> Result<Bytes, SliceError> {
        let filled = Bytes::from(filled);
        let Some(Rewrite { length_size, sequence_number, base_decode_time, samples }) = rewrite.rewrite
        else {
            return Ok(filled);
        };
        let mut rest = filled;
        let mut written = Vec::with_capacity(samples.len());
        for SampleHead { duration, composition_offset, sync, size } in samples {
            let data = rest.split_to(rest.len().min(size as usize));
            let data = nal::canonical(&data, length_size).map_err(Fmp4Error::from)?;
            written.push(Sample { duration, composition_offset, sync, data });
        }
        let runs = [TrackRun { track_id: TRACK_ID, base_decode_time, samples: &written, protection: None }];
        let (reference_time, events, segment_start) = (None, &[][..], true);
        Ok(write_fragment(&Fragment { sequence_number, runs: &runs, reference_time, events, segment_start })?)
    }
}

/// Ranges that go one behind the other, those that touch made one.
#[derive(Debug, Default)]
struct Pieces(Vec<(u64, usize)>);

impl Pieces {
    fn push(&mut self, sample: &FileSample) {
        match self.0.last_mut() {
            Some((offset, len)) if offset.saturating_add(*len as u64) == sample.offset => {
                *len += sample.size as usize;
            }
            _ => self.0.push((sample.offset, sample.size as usize)),
        }
    }

    fn behind(self, mut at: usize) -> Vec<Extent> {
        let extent = |(offset, len): (u64, usize)| {
            let place = at..at + len;
            at = place.end;
            Extent { offset, place }
        };
        self.0.into_iter().map(extent).collect()
    }
}

/// A track of a transport stream.
#[derive(Clone, Copy, Debug)]
pub struct TsTrack<'a> {
    /// The track.
    pub index: &'a TrackIndex,
    /// Where it is cut.
    pub cut: &'a TrackCut,
}

/// A segment of a transport stream, to be completed by reading.
#[derive(Debug)]
pub struct TsPlan {
    /// What is to be read: places are in one buffer, in order and without gaps.
    pub extents: Vec<Extent>,
    segment: u64,
    /// In the order of their decode times.
    frames: Vec<PlannedFrame>,
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct PlannedFrame {
    track: usize,
    sample: FileSample,
    length_size: u8,
    /// Whether it is the last of its track.
    last: bool,
}

/// Plans a segment of a transport stream.
///
/// # Errors
/// [`SliceError`].
pub fn plan_ts(tracks: &[TsTrack<'_>], segment: usize) -> Result<TsPlan, SliceError> {
    let cuts: Vec<&TrackCut> = tracks.iter().map(|track| track.cut).collect();
    check(&cuts, segment)?;
    let mut frames = Vec::with_capacity(cuts.iter().map(|cut| cut.samples(segment).len()).sum());
    for (at, TsTrack { index, cut }) in tracks.iter().enumerate() {
        let range = cut.samples(segment);
        let behind = range.len().saturating_sub(1);
        let is_video = index.kind() == MediaKind::Video;
        let length_size = if is_video { index.length_size } else { nal::LENGTH_SIZE };
        for (number, sample) in index.samples.from(range.start).take(range.len()).enumerate() {
            frames.push(PlannedFrame { track: at, sample, length_size, last: number == behind });
        }
    }
    let due =
        |frame: &PlannedFrame| tracks.get(frame.track).map(|track| nanos(track.index.at(frame.sample.dts)));
    frames.sort_by_key(due);
    let track = |TsTrack { index, .. }: &TsTrack<'_>| Track {
        id: index.id,
        timescale: index.timescale,
        codec: index.codec.clone(),
    };
    let mut offsets: Vec<(u64, u64)> = frames
        .iter()
        .map(|frame| (frame.sample.offset, frame.sample.offset.saturating_add(frame.sample.size.into())))
        .collect();
    offsets.sort_unstable();
    Ok(TsPlan {
        extents: spans(&offsets),
        segment: segment as u64,
        frames,
        tracks: tracks.iter().map(track).collect(),
    })
}

/// Ranges that cover all of `offsets`, which are sorted; small gaps are covered too.
fn spans(offsets: &[(u64, u64)]) -> Vec<Extent> {
    let covering = |gap: u64| {
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for &(begin, end) in offsets {
            match spans.last_mut() {
                Some((_, until)) if begin <= until.saturating_add(gap) => *until = end.max(*until),
                _ => spans.push((begin, end)),
            }
        }
        spans
    };
    let length = |spans: &[(u64, u64)]| spans.iter().map(|(begin, end)| end - begin).sum::<u64>();
    let exact = covering(0);
    let covered = covering(READ_THROUGH_BYTES);
    // Samples that lie far apart would drag along more than they are.
    let spans = if length(&covered) > length(&exact).saturating_mul(2) { exact } else { covered };
    let mut at = 0;
    let extent = |(begin, end): (u64, u64)| {
        let place = at..at + usize::try_from(end - begin).unwrap_or(usize::MAX);
        at = place.end;
        Extent { offset: begin, place }
    };
    spans.into_iter().map(extent).collect()
}

impl TsPlan {
    /// Bytes that all extents have together.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.extents.last().map_or(0, |extent| extent.place.end)
    }

    /// The segment, once `filled` holds all extents.
    ///
    /// # Errors
    /// [`SliceError::Ts`] for samples that are not what their codec says.
    pub fn finish(mut self, filled: Vec<u8>) -> Result<Bytes, SliceError> {
        let filled = Bytes::from(filled);
        let extents = std::mem::take(&mut self.extents);
        self.mux(|_, sample| at_place(&extents, &filled, sample))
    }

    /// The segment, of samples that were read otherwise: those of each track, in order and in canonical form.
    ///
    /// # Errors
    /// [`SliceError::Ts`] for samples that are not what their codec says.
    pub fn finish_with(self, samples: Vec<Vec<Bytes>>) -> Result<Bytes, SliceError> {
        let mut samples: Vec<_> = samples.into_iter().map(Vec::into_iter).collect();
        self.mux(|track, _| samples.get_mut(track).and_then(Iterator::next).unwrap_or_default())
    }

    fn mux(self, mut data_of: impl FnMut(usize, &FileSample) -> Bytes) -> Result<Bytes, SliceError> {
        let mut muxer = TsMuxer::for_segment(TsOptions::default(), self.segment);
        let mut pieces = Vec::new();
        let mut whole = Vec::with_capacity(self.ts_bytes());
        let tracks = Tracks { list: self.tracks.clone(), metadata: Vec::new() };
        muxer.mux(&Media::Tracks(Arc::new(tracks)), &mut pieces)?;
        for PlannedFrame { track, sample, length_size, last } in self.frames {
            let data = data_of(track, &sample);
            let Some(track) = self.tracks.get(track) else { continue };
            let data = nal::canonical(&data, length_size).map_err(TsError::from)?;
            if last {
                muxer.last_frame(track.id);
            }
            let at = |ticks| streamer_core::Timestamp::new(ticks, track.timescale);
            let (dts, pts) = (at(sample.dts), at(sample.pts));
            let frame = Frame { track: track.id, dts, pts, sync: sample.sync, data };
            muxer.mux(&Media::Frame(Arc::new(frame)), &mut pieces)?;
            // Frame by frame, because what was just written is still in the cache, and its memory is used again.
            for piece in pieces.drain(..) {
                whole.extend_from_slice(&piece);
            }
        }
        whole.extend(pieces.into_iter().flatten());
        Ok(Bytes::from(whole))
    }

    /// Bytes that the segment has, or a little more: packets around the payload, and in each frame a PES header and
    /// stuffing in the last packet.
    fn ts_bytes(&self) -> usize {
        let of_frame = |frame: &PlannedFrame| (frame.sample.size as usize).div_ceil(TS_PAYLOAD_BYTES) + 1;
        (self.frames.iter().map(of_frame).sum::<usize>() + TABLE_PACKETS) * TS_PACKET_BYTES
    }
}

/// The bytes of a sample in what was read.
fn at_place(extents: &[Extent], filled: &Bytes, sample: &FileSample) -> Bytes {
    let at = extents.partition_point(|extent| extent.offset <= sample.offset);
    let Some(extent) = at.checked_sub(1).and_then(|at| extents.get(at)) else { return Bytes::new() };
    let begin = usize::try_from(sample.offset - extent.offset).unwrap_or(usize::MAX);
    let begin = extent.place.start.saturating_add(begin).min(filled.len());
    filled.slice(begin..begin.saturating_add(sample.size as usize).min(filled.len()))
}

#[cfg(test)]
mod tests;
