//! Transport streams as files: indexed in one pass, and the packets of a segment demuxed again when it is made.
//!
//! What a frame is made of lies in pieces between the packets of other streams, so a frame's place in the index is
//! where demuxing has to begin to have it: behind where an earlier frame of its track was complete. A [`Passage`] goes
//! from there, with what the beginning of the file tells of the streams, and takes the frames that the index names.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use streamer_core::codec::{MediaKind, nal};
use streamer_core::container::fmp4::FileSample;
use streamer_core::container::ts::{PACKET_BYTES, TsDemuxer, TsError};
use streamer_core::{Frame, Media, Timescale, Timestamp, TrackId, Tracks};

use super::index::{AssetIndex, Gatherer, IndexError, SourceFormat};
use super::slice::{SliceError, TsTrack};

/// Bytes of a file that are gone through for one segment: twice the largest segment, for what lies between.
pub const MAX_PASSAGE_BYTES: u64 = 256 << 20;

/// How many times its track gave frames between a frame and where demuxing begins to have it: one for the packet that
/// holds its beginning, one more for a sync word there that is none, and one for a packet taken as a duplicate.
const GROUPS_BACK: usize = 3;
/// How far behind the packets that it gives the demuxer may read, to see that packets follow each other.
const LOOKAHEAD_BYTES: u64 = 8 * PACKET_BYTES as u64;
/// How long the last frame of a track is taken to last, in ticks of 90 kHz: nobody tells.
const LAST_TICKS: u32 = 3_600;
/// Times that are counted from another packet differ by what is rounded, in ticks.
const SAME_TICKS: i64 = 100;
/// Times of a transport stream have 33 bits.
const CLOCK_MASK: i64 = (1 << 33) - 1;

/// Goes through a file once. [Push](Self::push) its bytes in order, then [finish](Self::finish).
#[derive(Debug)]
pub struct TsIndexer {
    demuxer: TsDemuxer,
    pushed: u64,
    samples: Gatherer,
    places: Vec<Place>,
    /// Bytes up to the first frame, and its presentation time.
    begins: Option<(u64, i64)>,
}

#[derive(Debug)]
struct Place {
    id: TrackId,
    at: usize,
    /// How much of the file had been read when the last frames were given; the latest is last.
    given: [u64; GROUPS_BACK + 1],
}

impl Default for TsIndexer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsIndexer {
    /// An indexer at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        let (demuxer, samples) = (TsDemuxer::new(), Gatherer::new());
        Self { demuxer, pushed: 0, samples, places: Vec::new(), begins: None }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`IndexError`]; there is no going on after it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        // Packet by packet, so that it is known at which of them a frame is complete.
        for packet in bytes.chunks(PACKET_BYTES) {
            self.demuxer.push(packet);
            self.pushed = self.pushed.saturating_add(packet.len() as u64);
            self.pull()?;
        }
        Ok(())
    }

    /// The index.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn finish(mut self) -> Result<AssetIndex, IndexError> {
        self.demuxer.finish();
        self.pull()?;
        let (head_bytes, first_pts) = self.begins.unwrap_or_default();
        self.samples.finish(SourceFormat::Ts { head_bytes, first_pts })
    }

    fn pull(&mut self) -> Result<(), IndexError> {
        let offset = self.pushed;
        while let Some(media) = self.demuxer.pull().map_err(|source| IndexError::Ts { offset, source })? {
            match media {
                Media::Tracks(tracks) => self.tracks(&tracks),
                Media::Frame(frame) => self.frame(&frame)?,
            }
        }
        Ok(())
    }

    fn tracks(&mut self, tracks: &Tracks) {
        for track in tracks.list.iter().filter(|track| track.codec.kind() != MediaKind::Data) {
            if self.places.iter().any(|held| held.id == track.id) {
                continue;
            }
            let told = (track.id, track.codec.clone(), Timescale::MPEG);
            let at = self.samples.track(told, None, nal::LENGTH_SIZE);
            self.places.push(Place { id: track.id, at, given: [0; GROUPS_BACK + 1] });
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), IndexError> {
        let Some(place) = self.places.iter_mut().find(|place| place.id == frame.track) else {
            return self.samples.count();
        };
        let (_, first_pts) = *self.begins.get_or_insert((self.pushed, ticks(frame.pts)));
        if place.given.last() != Some(&self.pushed) {
            place.given.rotate_left(1);
            if let Some(last) = place.given.last_mut() {
                *last = self.pushed;
            }
        }
        let [earlier, ..] = place.given;
        let sample = FileSample {
            offset: earlier.saturating_sub(LOOKAHEAD_BYTES),
            size: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
            dts: ticks(frame.dts).saturating_sub(first_pts),
            pts: ticks(frame.pts).saturating_sub(first_pts),
            duration: LAST_TICKS,
            sync: frame.sync,
        };
        self.samples.push(place.at, sample)
    }
}

fn ticks(at: Timestamp) -> i64 {
    at.rescale(Timescale::MPEG).ticks()
}

/// The frames of a segment, demuxed from the file. [Supply](Self::supply) the bytes that are [wanted](Self::wanted),
/// then [finish](Self::finish).
#[derive(Debug)]
pub struct Passage {
    demuxer: TsDemuxer,
    /// What is still to be read: the beginning of the file, then where the frames lie.
    ranges: VecDeque<Range<u64>>,
    tracks: Vec<Wanted>,
    first_pts: i64,
}

#[derive(Debug)]
struct Wanted {
    id: TrackId,
    /// Presentation time and length of each.
    samples: Vec<(i64, u32)>,
    frames: Vec<Bytes>,
    /// Whether another frame came in place of one that was to follow.
    broken: bool,
}

impl Wanted {
    const fn is_done(&self) -> bool {
        self.broken || self.frames.len() == self.samples.len()
    }
}

impl Passage {
    /// What is to be read of a file of `len_bytes` for the `segment` of `tracks`.
    ///
    /// # Errors
    /// [`SliceError::TooLarge`] past [`MAX_PASSAGE_BYTES`].
    pub fn plan(
        (head_bytes, first_pts): (u64, i64),
        tracks: &[TsTrack<'_>],
        segment: usize,
        len_bytes: u64,
    ) -> Result<Self, SliceError> {
        let (mut begin, mut end) = (len_bytes, 0);
        let mut wanted = Vec::with_capacity(tracks.len());
        for TsTrack { index, cut } in tracks {
            let range = cut.samples(segment);
            let mut samples = Vec::with_capacity(range.len());
            let mut last = None;
            for sample in index.samples.from(range.start).take(range.len()) {
                begin = begin.min(sample.offset);
                last = Some(sample.offset);
                samples.push((sample.pts, sample.size));
            }
            // So many times on, a frame begins to be looked for where the last one was complete.
            let mut groups = 0;
            let behind = last.and_then(|mut last| {
                index.samples.from(range.end).map(|sample| sample.offset).find(|&offset| {
                    groups += usize::from(offset != last);
                    last = offset;
                    groups >= GROUPS_BACK
                })
            });
            if last.is_some() {
                end = end.max(behind.map_or(len_bytes, |behind| behind.saturating_add(LOOKAHEAD_BYTES)));
            }
            wanted.push(Wanted { id: index.id, samples, frames: Vec::new(), broken: false });
        }
        let end = end.min(len_bytes);
        if begin < head_bytes {
            begin = 0;
        }
        let mut ranges: VecDeque<Range<u64>> = [0..head_bytes.min(begin), begin..end].into();
        ranges.retain(|range| !range.is_empty());
        let value = ranges.iter().map(|range| range.end - range.start).sum();
        if value > MAX_PASSAGE_BYTES {
            return Err(SliceError::TooLarge { segment, what: "bytes", value, max: MAX_PASSAGE_BYTES });
        }
        Ok(Self { demuxer: TsDemuxer::new(), ranges, tracks: wanted, first_pts })
    }

    /// What to read next; `None` when all was found.
    #[must_use]
    pub fn wanted(&self) -> Option<Range<u64>> {
        let done = self.tracks.iter().all(Wanted::is_done);
        self.ranges.front().cloned().filter(|_| !done)
    }

    /// Takes bytes from the beginning of what is wanted; none where the file ends.
    ///
    /// # Errors
    /// [`SliceError::Ts`].
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), SliceError> {
        let is_head = self.ranges.len() == 2;
        self.demuxer.push(bytes);
        self.pull(is_head)?;
        let Some(range) = self.ranges.front_mut() else { return Ok(()) };
        range.start = range.start.saturating_add(bytes.len() as u64);
        if bytes.is_empty() || range.is_empty() {
            self.ranges.pop_front();
            // What has begun does not go on in the range that follows.
            self.demuxer.finish();
            self.pull(is_head)?;
        }
        Ok(())
    }

    /// The frames of each track.
    ///
    /// # Errors
    /// [`SliceError::NotFound`] when one that the index names did not come.
    pub fn finish(self) -> Result<Vec<Vec<Bytes>>, SliceError> {
        let frames = |Wanted { id, samples, frames, .. }: Wanted| {
            if frames.len() < samples.len() {
                return Err(SliceError::NotFound { track: id, frames: samples.len() - frames.len() });
            }
            Ok(frames)
        };
        self.tracks.into_iter().map(frames).collect()
    }

    fn pull(&mut self, is_head: bool) -> Result<(), TsError> {
        while let Some(media) = self.demuxer.pull()? {
            match media {
                Media::Frame(frame) if !is_head => self.take(&frame),
                _ => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &Frame) {
        let wanted = self.tracks.iter_mut().find(|track| track.id == frame.track && !track.is_done());
        let Some(wanted) = wanted else { return };
        let Some(&(pts, size)) = wanted.samples.get(wanted.frames.len()) else { return };
        let late = ticks(frame.pts).saturating_sub(self.first_pts).saturating_sub(pts);
        let is_it = late.saturating_add(SAME_TICKS) & CLOCK_MASK <= 2 * SAME_TICKS
            && frame.data.len() as u64 == u64::from(size);
        if is_it {
            wanted.frames.push(frame.data.clone());
        } else {
            wanted.broken = !wanted.frames.is_empty();
        }
    }
}

#[cfg(test)]
mod tests;
