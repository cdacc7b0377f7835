//! The movie box read: tracks, their defaults and their edit lists (ISO/IEC 14496-12 8.2 to 8.6, 8.8.3).

use super::super::cursor::Cursor;
use super::super::error::Fmp4Error;
use super::entry::{Entry, read_entry};
use crate::codec::MediaKind;
use crate::time::{Timescale, Timestamp};
use crate::track::{MAX_TRACKS, Track, TrackId, Tracks};

/// Edits of one list that are looked at: one may be empty, the next is the one that counts.
const MAX_EDITS: u32 = 2;

/// What an init segment says.
#[derive(Debug)]
pub(super) struct Movie {
    pub(super) tracks: Tracks,
    /// In the order of `tracks`.
    pub(super) media: Vec<MovieTrack>,
}

/// How the samples of a track are to be read.
#[derive(Debug)]
pub(super) struct MovieTrack {
    /// `track_ID`.
    pub(super) id: u32,
    pub(super) track: TrackId,
    pub(super) timescale: Timescale,
    pub(super) length_size: u8,
    /// Ticks from media time to the time of the presentation, by the edit list.
    pub(super) shift: i64,
    /// ISO 639-2/T code of the language, where it is told.
    pub(super) language: Option<[u8; 3]>,
    /// Where the body of its sample table lies in that of the movie box: begin and length.
    pub(super) table: (usize, usize),
    pub(super) defaults: SampleDefaults,
    /// Decode time of what comes next, for fragments that do not tell it.
    pub(super) next_decode_time: i64,
}

/// What holds for samples that do not say otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SampleDefaults {
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl Movie {
    /// Reads the body of a `moov` box. Tracks of codecs that are not known are left out.
    pub(super) fn read(body: &[u8]) -> Result<Self, Fmp4Error> {
        let mut movie = Self { tracks: Tracks::default(), media: Vec::new() };
        let (moov, body_of_movie) = (Cursor::new("moov", body), body);
        let movie_scale = match moov.boxes().find(*b"mvhd")? {
            Some(header) => read_timescale(&mut Cursor::new("mvhd", header))?,
            None => return Err(missing("moov", "mvhd")),
        };
        let mut counts = [0u8; 2];
        for found in moov.boxes() {
            let (name, body) = found?;
            if name != *b"trak" {
                continue;
            }
            let Some(track) = read_track(body, movie_scale)? else { continue };
            if movie.media.len() >= MAX_TRACKS {
                let (value, max) = (MAX_TRACKS as u64 + 1, MAX_TRACKS as u64);
                return Err(Fmp4Error::Limit { what: "tracks of a movie", value, max });
            }
            movie.add(track, body_of_movie, &mut counts)?;
        }
        if movie.media.is_empty() {
            return Err(missing("moov", "a track of a known codec"));
        }
        if let Some(extends) = moov.boxes().find(*b"mvex")? {
            movie.read_defaults(extends)?;
        }
        Ok(movie)
    }

    fn add(&mut self, read: ReadTrack<'_>, movie: &[u8], counts: &mut [u8; 2]) -> Result<(), Fmp4Error> {
        let ReadTrack { id, timescale, shift, language, table, entry: Entry { codec, length_size } } = read;
        if id == 0 || self.media.iter().any(|held| held.id == id) {
            return Err(Fmp4Error::Field { structure: "tkhd", field: "track_ID", value: id.into() });
        }
        let [videos, audios] = counts;
        let (count, name): (_, fn(u8) -> TrackId) = match codec.kind() {
            MediaKind::Video => (videos, TrackId::video),
            MediaKind::Audio | MediaKind::Data => (audios, TrackId::audio),
        };
        let track = name(*count);
        *count += 1;
        self.tracks.list.push(Track { id: track, timescale, codec });
        let defaults = SampleDefaults::default();
        self.media.push(MovieTrack {
            id,
            track,
            timescale,
            length_size,
            shift,
            language,
            // A piece of the same slice.
            table: (table.as_ptr().addr().saturating_sub(movie.as_ptr().addr()), table.len()),
            defaults,
            next_decode_time: 0,
        });
        Ok(())
    }

    /// 8.8.3.
    fn read_defaults(&mut self, extends: &[u8]) -> Result<(), Fmp4Error> {
        for found in Cursor::new("mvex", extends).boxes() {
            let (name, body) = found?;
            if name != *b"trex" {
                continue;
            }
            let mut trex = Cursor::new("trex", body);
            trex.version_and_flags()?;
            let id = trex.u32()?;
            trex.skip(4)?;
            let defaults = SampleDefaults { duration: trex.u32()?, size: trex.u32()?, flags: trex.u32()? };
            if let Some(track) = self.media.iter_mut().find(|track| track.id == id) {
                track.defaults = defaults;
            }
        }
        Ok(())
    }
}

struct ReadTrack<'a> {
    id: u32,
    timescale: Timescale,
    shift: i64,
    language: Option<[u8; 3]>,
    table: &'a [u8],
    entry: Entry,
}

/// Reads a `trak` box; `None` where its codec is not known.
fn read_track(body: &[u8], movie_scale: Timescale) -> Result<Option<ReadTrack<'_>>, Fmp4Error> {
    let trak = Cursor::new("trak", body).boxes();
    let header = trak.clone().find(*b"tkhd")?.ok_or(missing("trak", "tkhd"))?;
    let media = Cursor::new("mdia", trak.clone().find(*b"mdia")?.ok_or(missing("trak", "mdia"))?).boxes();
    let information = media.clone().find(*b"minf")?.ok_or(missing("mdia", "minf"))?;
    let table = Cursor::new("minf", information).boxes().find(*b"stbl")?.ok_or(missing("minf", "stbl"))?;
    let descriptions = Cursor::new("stbl", table).boxes().find(*b"stsd")?.ok_or(missing("stbl", "stsd"))?;
    let mut descriptions = Cursor::new("stsd", descriptions);
    descriptions.skip(8)?;
    let (name, entry) = descriptions.boxes().next().ok_or(missing("stsd", "a sample entry"))??;
    let Some(entry) = read_entry(name, entry)? else { return Ok(None) };
    let mut header = Cursor::new("tkhd", header);
    let (version, _) = header.version_and_flags()?;
    header.skip(if version == 1 { 16 } else { 8 })?;
    let id = header.u32()?;
    let media_header = media.find(*b"mdhd")?.ok_or(missing("mdia", "mdhd"))?;
    let timescale = read_timescale(&mut Cursor::new("mdhd", media_header))?;
    let language = read_language(&mut Cursor::new("mdhd", media_header));
    let edits = match trak.find(*b"edts")? {
        Some(edits) => Cursor::new("edts", edits).boxes().find(*b"elst")?,
        None => None,
    };
    let shift = edits.map_or(Ok(0), |edits| read_edits(edits, movie_scale, timescale))?;
    Ok(Some(ReadTrack { id, timescale, shift, language, table, entry }))
}

/// The timescale of an `mvhd` or `mdhd`, which begin alike (8.2.2, 8.4.2).
fn read_timescale(header: &mut Cursor<'_>) -> Result<Timescale, Fmp4Error> {
    let (version, _) = header.version_and_flags()?;
    header.skip(if version == 1 { 16 } else { 8 })?;
    Timescale::new(header.u32()?).ok_or(header.field("timescale", 0))
}

/// The language of an `mdhd`: three letters of five bits. What is no language, older Macintosh codes among it, is none.
fn read_language(header: &mut Cursor<'_>) -> Option<[u8; 3]> {
    let (version, _) = header.version_and_flags().ok()?;
    header.skip(if version == 1 { 28 } else { 16 }).ok()?;
    let packed = header.u16().ok()?;
    let letters = [10, 5, 0].map(|shift| (packed >> shift & 0x1f) as u8 + 0x60);
    let is_language = letters.iter().all(u8::is_ascii_lowercase) && letters != *b"und";
    is_language.then_some(letters)
}

/// What an edit list adds to media times: an empty edit delays, the first other one tells where to begin (8.6.6).
fn read_edits(body: &[u8], movie_scale: Timescale, timescale: Timescale) -> Result<i64, Fmp4Error> {
    let mut edits = Cursor::new("elst", body);
    let (version, _) = edits.version_and_flags()?;
    let mut delay = 0i64;
    for _ in 0..edits.u32()?.min(MAX_EDITS) {
        let (duration, media_time) = if version == 1 {
            (edits.u64()?, edits.u64()?.cast_signed())
        } else {
            (edits.u32()?.into(), edits.u32()?.cast_signed().into())
        };
        edits.skip(4)?; // media_rate
        if media_time >= 0 {
            return Ok(delay.saturating_sub(media_time));
        }
        let duration = i64::try_from(duration).map_err(|_| edits.field("segment_duration", i64::MAX))?;
        delay = Timestamp::new(duration, movie_scale).rescale(timescale).ticks();
    }
    Ok(delay)
}

const fn missing(structure: &'static str, what: &'static str) -> Fmp4Error {
    Fmp4Error::Missing { structure, what }
}
