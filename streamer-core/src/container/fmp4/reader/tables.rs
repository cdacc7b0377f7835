//! Where the samples of a file lie: the sample tables of a movie box, and movie fragments (ISO/IEC 14496-12 8.6, 8.7).

use bytes::Bytes;

use super::super::boxes::FourCc;
use super::super::cursor::Cursor;
use super::super::error::Fmp4Error;
use super::MAX_SAMPLE_BYTES;
use super::movie::{Movie, MovieTrack};
use super::movie_fragment::read_movie_fragment;
use crate::codec::{Codec, MediaKind};
use crate::time::Timescale;
use crate::track::TrackId;

/// One sample: where its bytes are, and when it is due in the track's timescale, with the edit list applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSample {
    /// Where it begins, in bytes from the beginning of the file. Whether the file reaches so far is not checked.
    pub offset: u64,
    /// Its length in bytes, at most [`MAX_SAMPLE_BYTES`].
    pub size: u32,
    /// Decode time.
    pub dts: i64,
    /// Presentation time.
    pub pts: i64,
    /// Ticks up to the next sample's decode time, as the file tells them.
    pub duration: u32,
    /// Whether decoding can start here; true of all audio.
    pub sync: bool,
}

/// What a file says of a track.
#[derive(Clone, Copy, Debug)]
pub struct FileTrack<'a> {
    /// Its name among the tracks of known codecs.
    pub id: TrackId,
    /// The codec and its configuration.
    pub codec: &'a Codec,
    /// Scale of the times of its samples.
    pub timescale: Timescale,
    /// ISO 639-2/T code of the language, where it is told.
    pub language: Option<[u8; 3]>,
    /// Size of the length prefixes of NAL units. Other samples than those of 4 bytes have to be
    /// [brought into the canonical form](crate::codec::nal::canonical).
    pub length_size: u8,
}

/// The movie box of a file, read for its samples. What is held is the box itself; tables are read as they are
/// gone through, so a table that announces more than it holds costs nothing.
#[derive(Debug)]
pub struct MovieIndex {
    body: Bytes,
    movie: Movie,
}

impl MovieIndex {
    /// Reads the body of a `moov` box. Tracks of unknown codecs, encrypted ones among them, are left out.
    ///
    /// # Errors
    /// [`Fmp4Error`] for a box that breaks a rule, or without a track of a known codec.
    pub fn read(body: Bytes) -> Result<Self, Fmp4Error> {
        let movie = Movie::read(&body)?;
        Ok(Self { body, movie })
    }

    /// The tracks.
    pub fn tracks(&self) -> impl Iterator<Item = FileTrack<'_>> {
        self.movie.media.iter().zip(&self.movie.tracks.list).map(|(media, track)| FileTrack {
            id: media.track,
            codec: &track.codec,
            timescale: media.timescale,
            language: media.language,
            length_size: media.length_size,
        })
    }

    /// The samples that the tables of the track at index `at` of [`tracks`](Self::tracks) list, in decode order: none
    /// in a file that is fragmented from its beginning.
    ///
    /// # Errors
    /// [`Fmp4Error`] for tables that are missing or shorter than they say.
    pub fn samples(&self, at: usize) -> Result<FileSamples<'_>, Fmp4Error> {
        let (Some(media), Some(track)) = (self.movie.media.get(at), self.movie.tracks.list.get(at)) else {
            return Err(Fmp4Error::Missing { structure: "moov", what: "the track" });
        };
        let (begin, len) = media.table;
        let table = self.body.get(begin..begin.saturating_add(len)).unwrap_or_default();
        FileSamples::read(table, media, track.codec.kind())
    }

    /// Reads the body of a `moof` box whose header begins at `moof_start`, in bytes from the beginning of the file:
    /// its samples in the order of their bytes, each with the index of its track.
    ///
    /// # Errors
    /// [`Fmp4Error`] for a box that breaks a rule or a bound.
    pub fn read_fragment(
        &mut self,
        body: &[u8],
        moof_start: u64,
    ) -> Result<Vec<(usize, FileSample)>, Fmp4Error> {
        let samples = read_movie_fragment(body, moof_start, &mut self.movie)?;
        let tracks = &self.movie.tracks.list;
        let is_video = |at: usize| tracks.get(at).is_some_and(|track| track.codec.kind() == MediaKind::Video);
        let sample = |pending: super::PendingSample| {
            let size = u32::try_from(pending.size).unwrap_or(u32::MAX);
            let sync = pending.sync || !is_video(pending.media);
            let super::PendingSample { offset, media, dts, pts, duration, .. } = pending;
            (media, FileSample { offset, size, dts, pts, duration, sync })
        };
        Ok(samples.into_iter().map(sample).collect())
    }
}

/// A table of entries of `N` bytes.
#[derive(Clone, Copy, Debug)]
struct Table<'a, const N: usize> {
    entries: &'a [[u8; N]],
}

impl<'a, const N: usize> Table<'a, N> {
    /// The entries that follow their count.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fmp4Error> {
        let count = cursor.u32()? as usize;
        let bytes = cursor.bytes(count.saturating_mul(N))?;
        Ok(Self { entries: bytes.as_chunks().0 })
    }

    /// Reads the full box `kind` of `stbl`, if it is there, and its version.
    fn find(stbl: &Cursor<'a>, kind: FourCc, name: &'static str) -> Result<Option<(u8, Self)>, Fmp4Error> {
        let Some(body) = stbl.boxes().find(kind)? else { return Ok(None) };
        let mut cursor = Cursor::new(name, body);
        let (version, _) = cursor.version_and_flags()?;
        Ok(Some((version, Self::read(&mut cursor)?)))
    }

    fn get(&self, at: usize) -> Option<[u8; N]> {
        self.entries.get(at).copied()
    }
}

fn pair([a, b, c, d, e, f, g, h]: [u8; 8]) -> (u32, u32) {
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

/// Sizes of samples (8.7.3).
#[derive(Clone, Copy, Debug)]
enum Sizes<'a> {
    /// The same for all.
    Same {
        size: u32,
        count: u32,
    },
    Words(Table<'a, 4>),
    /// `stz2`, of 4, 8 or 16 bits.
    Compact {
        bits: u8,
        count: u32,
        bytes: &'a [u8],
    },
}

impl<'a> Sizes<'a> {
    fn read(stbl: &Cursor<'a>) -> Result<Self, Fmp4Error> {
        if let Some(body) = stbl.boxes().find(*b"stsz")? {
            let mut stsz = Cursor::new("stsz", body);
            stsz.version_and_flags()?;
            return Ok(match stsz.u32()? {
                0 => Self::Words(Table::read(&mut stsz)?),
                size => Self::Same { size, count: stsz.u32()? },
            });
        }
        let Some(body) = stbl.boxes().find(*b"stz2")? else { return Err(missing("stsz")) };
        let mut stz2 = Cursor::new("stz2", body);
        stz2.version_and_flags()?;
        stz2.skip(3)?;
        let bits = stz2.u8()?;
        if !matches!(bits, 4 | 8 | 16) {
            return Err(stz2.field("field_size", bits));
        }
        let count = stz2.u32()?;
        let len = (u64::from(count) * u64::from(bits)).div_ceil(8);
        let bytes = stz2.bytes(usize::try_from(len).unwrap_or(usize::MAX))?;
        Ok(Self::Compact { bits, count, bytes })
    }

    const fn count(&self) -> usize {
        match self {
            Self::Same { count, .. } | Self::Compact { count, .. } => *count as usize,
            Self::Words(table) => table.entries.len(),
        }
    }

    fn get(&self, at: usize) -> Option<u32> {
        match *self {
            Self::Same { size, count } => (at < count as usize).then_some(size),
            Self::Words(table) => table.get(at).map(u32::from_be_bytes),
            Self::Compact { bits, count, bytes } => {
                if at >= count as usize {
                    return None;
                }
                let byte = |at: usize| bytes.get(at).copied();
                Some(match bits {
                    4 if at.is_multiple_of(2) => u32::from(byte(at / 2)? >> 4),
                    4 => u32::from(byte(at / 2)? & 0xf),
                    8 => u32::from(byte(at)?),
                    _ => u32::from(u16::from_be_bytes([byte(2 * at)?, byte(2 * at + 1)?])),
                })
            }
        }
    }
}

/// Where chunks begin (8.7.5).
#[derive(Clone, Copy, Debug)]
enum Chunks<'a> {
    Short(Table<'a, 4>),
    Long(Table<'a, 8>),
}

impl Chunks<'_> {
    fn get(&self, at: usize) -> Option<u64> {
        match self {
            Self::Short(table) => table.get(at).map(|offset| u32::from_be_bytes(offset).into()),
            Self::Long(table) => table.get(at).map(u64::from_be_bytes),
        }
    }
}

/// Runs of equal values: how many samples, and the value.
#[derive(Clone, Copy, Debug)]
struct Runs<'a> {
    table: Table<'a, 8>,
    next: usize,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    const fn new(table: Table<'a, 8>) -> Self {
        Self { table, next: 0, left: 0, value: 0 }
    }

    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            (self.left, self.value) = pair(self.table.get(self.next)?);
            self.next += 1;
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// The samples of a track, in decode order. After an error it ends.
#[derive(Clone, Debug)]
pub struct FileSamples<'a> {
    sizes: Sizes<'a>,
    durations: Runs<'a>,
    /// Composition offsets, if there are any.
    compositions: Option<Runs<'a>>,
    /// Numbers of sync samples from 1 on; without the table all are.
    syncs: Option<Table<'a, 4>>,
    next_sync: usize,
    /// First chunk from 1 on, samples per chunk, sample description.
    groups: Table<'a, 12>,
    group: usize,
    chunks: Chunks<'a>,
    /// Index of the chunk that comes next.
    chunk: usize,
    left_in_chunk: u32,
    offset: u64,
    number: usize,
    dts: i64,
    is_video: bool,
    failed: bool,
}

impl<'a> FileSamples<'a> {
    fn read(table: &'a [u8], media: &MovieTrack, kind: MediaKind) -> Result<Self, Fmp4Error> {
        let stbl = Cursor::new("stbl", table);
        let (_, durations) = Table::find(&stbl, *b"stts", "stts")?.ok_or(missing("stts"))?;
        let (_, groups) = Table::find(&stbl, *b"stsc", "stsc")?.ok_or(missing("stsc"))?;
        let chunks = match Table::find(&stbl, *b"stco", "stco")? {
            Some((_, table)) => Chunks::Short(table),
            None => Chunks::Long(Table::find(&stbl, *b"co64", "co64")?.ok_or(missing("stco"))?.1),
        };
        Ok(Self {
            sizes: Sizes::read(&stbl)?,
            durations: Runs::new(durations),
            compositions: Table::find(&stbl, *b"ctts", "ctts")?.map(|(_, table)| Runs::new(table)),
            syncs: Table::find(&stbl, *b"stss", "stss")?.map(|(_, table)| table),
            next_sync: 0,
            groups,
            group: 0,
            chunks,
            chunk: 0,
            left_in_chunk: 0,
            offset: 0,
            number: 0,
            dts: media.shift,
            is_video: kind == MediaKind::Video,
            failed: false,
        })
    }

    /// Samples that the table of sizes announces.
    #[must_use]
    pub const fn announced(&self) -> usize {
        self.sizes.count()
    }

    fn sample(&mut self) -> Result<Option<FileSample>, Fmp4Error> {
        let Some(size) = self.sizes.get(self.number) else { return Ok(None) };
        if size as usize > MAX_SAMPLE_BYTES {
            let (value, max) = (size.into(), MAX_SAMPLE_BYTES as u64);
            return Err(Fmp4Error::Limit { what: "bytes of a sample", value, max });
        }
        while self.left_in_chunk == 0 {
            self.begin_chunk()?;
        }
        self.left_in_chunk -= 1;
        let duration =
            self.durations.next().ok_or(Fmp4Error::Short { table: "stts", sample: self.number })?;
        let composition = match &mut self.compositions {
            // Version 0 is unsigned by the letter; who writes negative offsets into it means them.
            Some(runs) => runs.next().unwrap_or(0).cast_signed(),
            None => 0,
        };
        let sync = !self.is_video || self.is_sync();
        let (offset, dts) = (self.offset, self.dts);
        self.offset = offset.saturating_add(size.into());
        self.dts = dts.saturating_add(duration.into());
        self.number += 1;
        Ok(Some(FileSample {
            offset,
            size,
            dts,
            pts: dts.saturating_add(composition.into()),
            duration,
            sync,
        }))
    }

    fn begin_chunk(&mut self) -> Result<(), Fmp4Error> {
        let short = |table| Fmp4Error::Short { table, sample: self.number };
        self.offset = self.chunks.get(self.chunk).ok_or(short("stco"))?;
        self.chunk += 1;
        // The group that this chunk is of: the last that begins with it or before.
        let first = |at: usize| self.groups.get(at).map(|[a, b, c, d, ..]| u32::from_be_bytes([a, b, c, d]));
        while first(self.group + 1).is_some_and(|first| first as usize <= self.chunk) {
            self.group += 1;
        }
        let group = self.groups.get(self.group).ok_or(short("stsc"))?;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = group;
        let first = u32::from_be_bytes([a, b, c, d]);
        if first as usize > self.chunk {
            return Err(Fmp4Error::Field { structure: "stsc", field: "first_chunk", value: first.into() });
        }
        let description = u32::from_be_bytes([i, j, k, l]);
        if description != 1 {
            let (structure, field) = ("stsc", "sample_description_index");
            return Err(Fmp4Error::Field { structure, field, value: description.into() });
        }
        self.left_in_chunk = u32::from_be_bytes([e, f, g, h]);
        Ok(())
    }

    fn is_sync(&mut self) -> bool {
        let Some(syncs) = &self.syncs else { return true };
        let number = self.number + 1;
        loop {
            match syncs.get(self.next_sync).map(|number| u32::from_be_bytes(number) as usize) {
                Some(next) if next < number => self.next_sync += 1,
                next => return next == Some(number),
            }
        }
    }
}

impl Iterator for FileSamples<'_> {
    type Item = Result<FileSample, Fmp4Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let sample = self.sample();
        self.failed = sample.is_err();
        sample.transpose()
    }
}

const fn missing(what: &'static str) -> Fmp4Error {
    Fmp4Error::Missing { structure: "stbl", what }
}

#[cfg(test)]
mod tests;
