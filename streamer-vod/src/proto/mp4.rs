//! The index of an MP4 or `QuickTime` file, progressive or fragmented: asks for the bytes it wants to see, and for no
//! media.

use std::ops::Range;

use bytes::Bytes;
use streamer_core::container::fmp4::{
    BoxHeader, FileSample, Fmp4Error, MAX_MOVIE_FRAGMENT_BYTES, MovieIndex,
};

use super::index::{AssetIndex, Gatherer, IndexError, SourceFormat};

/// Largest `moov` box: the tables of ten hours of pictures and sound, some six million samples.
pub const MAX_MOVIE_BYTES: u64 = 64 << 20;
/// Boxes on the upper level that are looked at: a day of fragments of half a second.
pub const MAX_BOXES: u32 = 1 << 19;
/// Bytes that are read at the beginning of a box: most movie fragments are in them as a whole.
const LOOK_BYTES: u64 = 4_096;

/// Reads the structure of a file. Ask what it [wants](Self::wanted), [supply](Self::supply) it, until it wants nothing.
#[derive(Debug)]
pub struct Mp4Indexer {
    len_bytes: u64,
    /// Where the next box begins.
    position: u64,
    wanted: Option<Range<u64>>,
    boxes: u32,
    movie: Option<MovieIndex>,
    samples: Gatherer,
}

impl Mp4Indexer {
    /// An indexer of a file of `len_bytes`.
    #[must_use]
    pub fn new(len_bytes: u64) -> Self {
        let mut indexer =
            Self { len_bytes, position: 0, wanted: None, boxes: 0, movie: None, samples: Gatherer::new() };
        indexer.look();
        indexer
    }

    /// The bytes it wants next; `None` when it has seen enough. Never more than [`MAX_MOVIE_BYTES`], and never past the
    /// end of the file.
    #[must_use]
    pub fn wanted(&self) -> Option<Range<u64>> {
        self.wanted.clone()
    }

    /// Takes the bytes that were wanted.
    ///
    /// # Errors
    /// [`IndexError`]; there is no going on after it.
    pub fn supply(&mut self, mut bytes: Bytes) -> Result<(), IndexError> {
        let Some(wanted) = self.wanted.take() else { return Ok(()) };
        if bytes.len() as u64 != wanted.end - wanted.start {
            // It became shorter meanwhile.
            return Err(self.cut_off("the file", wanted.start, wanted.end));
        }
        loop {
            let offset = self.position;
            let in_box = |source| IndexError::Mp4 { offset, source };
            let Some(header) = BoxHeader::parse(&bytes).map_err(in_box)? else {
                // Less than a header is left: in what was read, or in the file.
                if offset.saturating_add(bytes.len() as u64) < self.len_bytes {
                    self.look();
                }
                return Ok(());
            };
            let size = header.size.unwrap_or(self.len_bytes.saturating_sub(offset));
            let end = offset.saturating_add(size);
            let max = match &header.kind {
                b"moov" if self.movie.is_none() => MAX_MOVIE_BYTES,
                b"moof" => MAX_MOVIE_FRAGMENT_BYTES as u64,
                _ => 0,
            };
            if max > 0 {
                if size > max {
                    let source = Fmp4Error::Limit { what: "bytes of the box", value: size, max };
                    return Err(IndexError::Mp4 { offset, source });
                }
                if end > self.len_bytes {
                    if header.kind == *b"moof" && self.movie.is_some() {
                        // The recording broke off here; what is before it plays.
                        return Ok(());
                    }
                    return Err(self.cut_off(&String::from_utf8_lossy(&header.kind), offset, end));
                }
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if bytes.len() < size {
                    self.wanted = Some(offset..end);
                    return Ok(());
                }
                let body = bytes.slice(header.header_bytes..size);
                match &header.kind {
                    b"moov" => self.movie(body).map_err(|error| error.within(offset))?,
                    _ => self.fragment(&body, offset)?,
                }
            }
            self.position = end;
            self.boxes += 1;
            if self.boxes > MAX_BOXES {
                let (value, max) = (self.boxes.into(), MAX_BOXES.into());
                return Err(IndexError::Limit { what: "boxes of the file", value, max });
            }
            match usize::try_from(size).ok().filter(|&size| size < bytes.len()) {
                Some(size) => bytes = bytes.slice(size..),
                None => {
                    self.look();
                    return Ok(());
                }
            }
        }
    }

    /// The index, once nothing more is wanted.
    ///
    /// # Errors
    /// [`IndexError::NoMedia`] when there was no movie box, or nothing in it that could be played.
    pub fn finish(self) -> Result<AssetIndex, IndexError> {
        if self.movie.is_none() {
            return Err(IndexError::NoMedia { what: "the file has no movie box" });
        }
        self.samples.finish(SourceFormat::Mp4)
    }

    /// Wants to see the box that comes next, if there is room for one.
    const fn look(&mut self) {
        let end = self.position.saturating_add(LOOK_BYTES);
        let end = if end < self.len_bytes { end } else { self.len_bytes };
        self.wanted = if self.position < end { Some(self.position..end) } else { None };
    }

    fn cut_off(&self, kind: &str, offset: u64, needed_bytes: u64) -> IndexError {
        IndexError::CutOff { kind: kind.to_owned(), offset, needed_bytes, len_bytes: self.len_bytes }
    }

    fn movie(&mut self, body: Bytes) -> Result<(), InMovie> {
        let movie = MovieIndex::read(body)?;
        for (at, track) in movie.tracks().enumerate() {
            let described = (track.id, track.codec.clone(), track.timescale);
            let place = self.samples.track(described, track.language, track.length_size);
            let samples = movie.samples(at)?;
            self.samples.expect(place, samples.announced());
            for (number, sample) in (0..).zip(samples) {
                let sample = sample?;
                if sample.size == 0 {
                    self.samples.count()?;
                    continue;
                }
                if !self.holds(&sample) {
                    let FileSample { offset, size, .. } = sample;
                    let (track, len_bytes) = (track.id, self.len_bytes);
                    return Err(InMovie::Index(IndexError::OutsideFile {
                        track,
                        sample: number,
                        offset,
                        size,
                        len_bytes,
                    }));
                }
                self.samples.push(place, sample)?;
            }
        }
        self.movie = Some(movie);
        Ok(())
    }

    fn fragment(&mut self, body: &[u8], offset: u64) -> Result<(), IndexError> {
        let Some(movie) = &mut self.movie else {
            let source = Fmp4Error::Missing { structure: "moof", what: "the movie box before it" };
            return Err(IndexError::Mp4 { offset, source });
        };
        let samples =
            movie.read_fragment(body, offset).map_err(|source| IndexError::Mp4 { offset, source })?;
        for (track, sample) in samples {
            // The last fragment of a recording that broke off.
            if self.holds(&sample) {
                self.samples.push(track, sample)?;
            }
        }
        Ok(())
    }

    const fn holds(&self, sample: &FileSample) -> bool {
        sample.offset.saturating_add(sample.size as u64) <= self.len_bytes
    }
}

/// An error within the movie box.
enum InMovie {
    Box(Fmp4Error),
    Index(IndexError),
}

impl InMovie {
    fn within(self, offset: u64) -> IndexError {
        match self {
            Self::Box(source) => IndexError::Mp4 { offset, source },
            Self::Index(error) => error,
        }
    }
}

impl From<Fmp4Error> for InMovie {
    fn from(error: Fmp4Error) -> Self {
        Self::Box(error)
    }
}

impl From<IndexError> for InMovie {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// The index of a file whose bytes are all in memory.
///
/// # Errors
/// [`IndexError`].
pub fn index_mp4(file: &Bytes) -> Result<AssetIndex, IndexError> {
    let mut indexer = Mp4Indexer::new(file.len() as u64);
    while let Some(wanted) = indexer.wanted() {
        let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(file.len());
        indexer.supply(file.slice(at(wanted.start)..at(wanted.end)))?;
    }
    indexer.finish()
}

#[cfg(test)]
mod tests;
