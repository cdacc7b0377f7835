//! Init segments and fragments in, chopped in any way, media out.

mod entry;
mod movie;
mod movie_fragment;
mod tables;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::boxes::{BoxHeader, FourCc};
use super::error::Fmp4Error;
use super::event::EventMessage;
use crate::codec::{MediaKind, nal};
use crate::frame::{Frame, Media};
use crate::time::Timestamp;
use crate::track::Tracks;
use movie::Movie;
use movie_fragment::{PendingSample, read_movie_fragment};

pub use tables::{FileSample, FileSamples, FileTrack, MovieIndex};

/// Largest `moov` box: 32 tracks with records of their largest size, twice over.
pub const MAX_MOVIE_BYTES: usize = 2 * 1024 * 1024;
/// Largest `moof` box: as many samples as are accepted, with 32 bytes each.
pub const MAX_MOVIE_FRAGMENT_BYTES: usize = 2 * 1024 * 1024;
/// Largest `emsg` box: a splice message takes up to 4 KiB, an ID3 tag with a picture some more.
pub const MAX_EVENT_BYTES: usize = 128 * 1024;
/// Samples of one fragment, all tracks together: five minutes of video and audio.
pub const MAX_SAMPLES_PER_FRAGMENT: usize = 65_536;
/// Largest sample, that of the largest FLV tag: no more is held of an `mdat` box.
pub const MAX_SAMPLE_BYTES: usize = 16 * 1024 * 1024;

/// What comes out of fragments.
#[derive(Clone, Debug, PartialEq)]
pub enum FragmentItem {
    /// Tracks or a frame, of times in the track's own timescale with the edit list applied.
    Media(Media),
    /// An event message of version 1. The older version, whose times count from a segment, is passed over.
    Event(EventMessage),
}

/// Reads fragmented MP4: a file, a stream, or an init segment and its fragments one after the other.
///
/// Frames come in the order of their bytes, which within a fragment usually is track by track. Payloads are in
/// their canonical form. Tracks of unknown codecs and encrypted ones are left out; boxes of no interest, and
/// media that no fragment speaks of, are passed over without being held. Nothing is allocated by a size that
/// was only announced.
#[derive(Debug, Default)]
pub struct FragmentReader {
    input: BytesMut,
    /// Where `input` begins, in bytes from the beginning of all input.
    position: u64,
    state: State,
    movie: Option<Movie>,
    samples: VecDeque<PendingSample>,
    failed: Option<Fmp4Error>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// At a box.
    #[default]
    Header,
    /// In a box that is read whole: where it begins and ends.
    Held { kind: FourCc, start: u64, end: u64 },
    /// In a box of media data, up to its end.
    Data { end: u64 },
    /// On the way to a position.
    Skip { to: u64 },
}

/// What one step came to.
enum Step {
    NeedsInput,
    Went,
    Made(FragmentItem),
}

impl FragmentReader {
    /// A reader at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tracks of the last init segment.
    #[must_use]
    pub fn tracks(&self) -> Option<&Tracks> {
        self.movie.as_ref().map(|movie| &movie.tracks)
    }

    /// Takes the next bytes. They are held until [`pull`](Self::pull) has come to them, so pull until there is
    /// nothing more before pushing again: then no more than one sample or one box of tables is held.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next item, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// [`Fmp4Error`] of a box or sample that is refused; the next call goes on behind it. After a box header
    /// that makes no sense there is no going on: every further call gives the error again.
    pub fn pull(&mut self) -> Result<Option<FragmentItem>, Fmp4Error> {
        loop {
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.step()? {
                Step::NeedsInput => return Ok(None),
                Step::Went => {}
                Step::Made(item) => return Ok(Some(item)),
            }
        }
    }

    /// Goes one structure further. Each step that gives something or an error has left something behind.
    fn step(&mut self) -> Result<Step, Fmp4Error> {
        match self.state {
            State::Header => self.header(),
            State::Held { kind, start, end } => {
                let Some(body) = self.take(end) else { return Ok(Step::NeedsInput) };
                self.state = State::Header;
                self.held(kind, start, &body)
            }
            State::Skip { to } => {
                if !self.skip(to) {
                    return Ok(Step::NeedsInput);
                }
                self.state = State::Header;
                Ok(Step::Went)
            }
            State::Data { end } => self.data(end),
        }
    }

    fn header(&mut self) -> Result<Step, Fmp4Error> {
        let header = BoxHeader::parse(&self.input).inspect_err(|error| {
            self.failed = Some(error.clone());
            self.input = BytesMut::new();
        })?;
        let Some(BoxHeader { kind, size, header_bytes }) = header else { return Ok(Step::NeedsInput) };
        // Up to the end of the file, wherever that is.
        let size = size.unwrap_or(u64::MAX);
        let start = self.position;
        let end = start.saturating_add(size);
        self.consume(header_bytes);
        let (what, max) = match &kind {
            b"moov" => ("bytes of moov", MAX_MOVIE_BYTES),
            b"moof" => ("bytes of moof", MAX_MOVIE_FRAGMENT_BYTES),
            b"emsg" => ("bytes of emsg", MAX_EVENT_BYTES),
            b"mdat" => {
                self.state = State::Data { end };
                return Ok(Step::Went);
            }
            _ => {
                self.state = State::Skip { to: end };
                return Ok(Step::Went);
            }
        };
        if size > max as u64 {
            self.state = State::Skip { to: end };
            return Err(Fmp4Error::Limit { what, value: size, max: max as u64 });
        }
        self.state = State::Held { kind, start, end };
        Ok(Step::Went)
    }

    /// Reads a box that was held until it was there as a whole.
    fn held(&mut self, kind: FourCc, start: u64, body: &[u8]) -> Result<Step, Fmp4Error> {
        match &kind {
            b"moov" => {
                let movie = Movie::read(body)?;
                let tracks = Arc::new(movie.tracks.clone());
                self.movie = Some(movie);
                self.samples.clear();
                Ok(Step::Made(FragmentItem::Media(Media::Tracks(tracks))))
            }
            b"moof" => {
                let unread = self.samples.front().map(|sample| sample.offset);
                self.samples.clear();
                let missing = Fmp4Error::Missing { structure: "moof", what: "the init segment before it" };
                let movie = self.movie.as_mut().ok_or(missing)?;
                self.samples = read_movie_fragment(body, start, movie)?.into();
                match unread {
                    Some(offset) => Err(Fmp4Error::OutsideData { offset }),
                    None => Ok(Step::Went),
                }
            }
            _ => {
                Ok(EventMessage::read(body)?
                    .map_or(Step::Went, |event| Step::Made(FragmentItem::Event(event))))
            }
        }
    }

    /// Goes on in an `mdat` box: to the next sample, or past the end when there is none.
    fn data(&mut self, end: u64) -> Result<Step, Fmp4Error> {
        let next = self.samples.front().copied().filter(|sample| sample.offset < end);
        let Some(sample) = next else {
            self.state = State::Skip { to: end };
            return Ok(Step::Went);
        };
        let sample_end = sample.offset.saturating_add(sample.size as u64);
        if sample.offset < self.position || sample_end > end {
            self.samples.pop_front();
            return Err(Fmp4Error::OutsideData { offset: sample.offset });
        }
        if !self.skip(sample.offset) {
            return Ok(Step::NeedsInput);
        }
        let Some(data) = self.take(sample_end) else { return Ok(Step::NeedsInput) };
        self.samples.pop_front();
        Ok(match self.frame(sample, &data)? {
            Some(frame) => Step::Made(FragmentItem::Media(Media::Frame(Arc::new(frame)))),
            None => Step::Went,
        })
    }

    fn frame(&self, sample: PendingSample, data: &Bytes) -> Result<Option<Frame>, Fmp4Error> {
        let Some(movie) = &self.movie else { return Ok(None) };
        let (Some(media), Some(track)) = (movie.media.get(sample.media), movie.tracks.list.get(sample.media))
        else {
            return Ok(None);
        };
        let data = nal::canonical(data, media.length_size)?;
        let at = |ticks| Timestamp::new(ticks, media.timescale);
        let sync = sample.sync || track.codec.kind() != MediaKind::Video;
        Ok(Some(Frame { track: media.track, dts: at(sample.dts), pts: at(sample.pts), sync, data }))
    }

    /// The bytes up to the position `end`, once they are all there.
    fn take(&mut self, end: u64) -> Option<Bytes> {
        let len = usize::try_from(end.saturating_sub(self.position)).ok()?;
        if self.input.len() < len {
            return None;
        }
        self.position += len as u64;
        Some(self.input.split_to(len).freeze())
    }

    /// Passes over what there is before the position `to`; whether it was reached.
    fn skip(&mut self, to: u64) -> bool {
        let ahead = to.saturating_sub(self.position);
        let there = usize::try_from(ahead).unwrap_or(usize::MAX).min(self.input.len());
        self.consume(there);
        there as u64 == ahead
    }

    fn consume(&mut self, bytes: usize) {
        self.input.advance(bytes);
        self.position = self.position.saturating_add(bytes as u64);
    }
}

#[cfg(test)]
mod tests;
