//! The init segment: `ftyp` and a `moov` that announces fragments (ISO/IEC 14496-12, CMAF 7.3.1).

use bytes::Bytes;

use super::boxes::{BoxWriter, FourCc};
use super::error::Fmp4Error;
use super::protection::Protection;
use super::sample_entry::{picture_size, write_sample_entry};
use crate::codec::{Codec, MediaKind};
use crate::time::Timescale;
use crate::track::MAX_TRACKS;

/// Timescale of what the movie header counts, which is nothing: fragments tell all times.
const MOVIE_TIMESCALE: u32 = 1_000;
/// Track enabled, used in the presentation, used in the preview (ISO/IEC 14496-12 8.3.2.3).
const TRACK_FLAGS: u32 = 7;
/// `und`: five bits a letter.
const LANGUAGE_UNDETERMINED: u16 = 0x55c4;
/// 1.0 as 16.16 bits.
const ONE: u32 = 0x1_0000;
/// 1.0 as 8.8 bits.
const FULL_VOLUME: u16 = 0x100;

/// A track of an init segment.
#[derive(Clone, Copy, Debug)]
pub struct InitTrack<'a> {
    /// `track_ID`, from 1; fragments name the track by it.
    pub id: u32,
    /// Scale of the durations and times in the track's fragments.
    pub timescale: Timescale,
    /// The codec and its configuration.
    pub codec: &'a Codec,
    /// The media time, in `timescale`, that is presented at 0: written as an edit list (8.6.6). `None` writes none,
    /// and media time 0 is presented at 0.
    pub start_offset: Option<u64>,
    /// How samples are protected, where they are.
    pub protection: Option<&'a Protection>,
}

/// The init segment of `tracks`. One track alone makes a CMAF header (brand `cmfc`).
///
/// # Errors
/// [`Fmp4Error::UnsupportedCodec`] for a codec that MP4 does not [carry](super::carries), [`Fmp4Error::Missing`]
/// for video whose picture size is not known yet, [`Fmp4Error::Field`] for a track id of 0 or one used twice,
/// [`Fmp4Error::Limit`] past [`MAX_TRACKS`] tracks, [`Fmp4Error::Missing`] without any.
pub fn init_segment(tracks: &[InitTrack<'_>]) -> Result<Bytes, Fmp4Error> {
    check_tracks(tracks)?;
    let mut out = BoxWriter::with_capacity(1_024);
    write_file_type(tracks, &mut out);
    out.boxed(*b"moov", |out| {
        write_movie_header(tracks, out);
        for track in tracks {
            write_track(track, out)?;
        }
        out.boxed(*b"mvex", |out| {
            for track in tracks {
                out.full(*b"trex", 0, 0, |out| {
                    out.u32(track.id);
                    out.u32(1); // default_sample_description_index
                    out.zeros(12); // default duration, size and flags: fragments tell their own
                });
            }
        });
        Ok::<_, Fmp4Error>(())
    })?;
    Ok(Bytes::from(out.into_inner()))
}

fn check_tracks(tracks: &[InitTrack<'_>]) -> Result<(), Fmp4Error> {
    if tracks.is_empty() {
        return Err(Fmp4Error::Missing { structure: "init segment", what: "a track" });
    }
    if tracks.len() > MAX_TRACKS {
        let (value, max) = (tracks.len() as u64, MAX_TRACKS as u64);
        return Err(Fmp4Error::Limit { what: "tracks of an init segment", value, max });
    }
    for (at, track) in tracks.iter().enumerate() {
        if track.id == 0 || tracks.iter().take(at).any(|earlier| earlier.id == track.id) {
            return Err(Fmp4Error::Field { structure: "tkhd", field: "track_ID", value: track.id.into() });
        }
    }
    Ok(())
}

fn write_file_type(tracks: &[InitTrack<'_>], out: &mut BoxWriter) {
    out.boxed(*b"ftyp", |out| {
        out.bytes(b"iso6");
        out.u32(0);
        out.bytes(b"iso6");
        if tracks.len() == 1 {
            out.bytes(b"cmfc");
        }
        if tracks.iter().any(|track| matches!(track.codec, Codec::Av1(_))) {
            out.bytes(b"av01");
        }
    });
}

fn write_movie_header(tracks: &[InitTrack<'_>], out: &mut BoxWriter) {
    out.full(*b"mvhd", 0, 0, |out| {
        out.zeros(8); // creation and modification time: not told
        out.u32(MOVIE_TIMESCALE);
        out.u32(0); // duration
        out.u32(ONE); // rate
        out.u16(FULL_VOLUME);
        out.zeros(10);
        write_unity_matrix(out);
        out.zeros(24);
        out.u32(tracks.iter().map(|track| track.id).max().unwrap_or(0).saturating_add(1)); // next_track_ID
    });
}

fn write_unity_matrix(out: &mut BoxWriter) {
    for value in [ONE, 0, 0, 0, ONE, 0, 0, 0, 0x4000_0000] {
        out.u32(value);
    }
}

fn write_track(track: &InitTrack<'_>, out: &mut BoxWriter) -> Result<(), Fmp4Error> {
    out.boxed(*b"trak", |out| {
        write_track_header(track, out)?;
        if let Some(media_time) = track.start_offset {
            write_edit_list(media_time, out)?;
        }
        out.boxed(*b"mdia", |out| {
            out.full(*b"mdhd", 0, 0, |out| {
                out.zeros(8);
                out.u32(track.timescale.ticks_per_second());
                out.u32(0); // duration
                out.u16(LANGUAGE_UNDETERMINED);
                out.u16(0);
            });
            let (handler, name): (FourCc, &[u8]) = match track.codec.kind() {
                MediaKind::Video => (*b"vide", b"video\0"),
                MediaKind::Audio | MediaKind::Data => (*b"soun", b"audio\0"),
            };
            out.full(*b"hdlr", 0, 0, |out| {
                out.u32(0);
                out.bytes(&handler);
                out.zeros(12);
                out.bytes(name);
            });
            write_media_information(track, out)
        })
    })
}

fn write_track_header(track: &InitTrack<'_>, out: &mut BoxWriter) -> Result<(), Fmp4Error> {
    let video = track.codec.kind() == MediaKind::Video;
    let (width, height) =
        if video { picture_size(track.codec).map(|size| (size.width, size.height))? } else { (0, 0) };
    out.full(*b"tkhd", 0, TRACK_FLAGS, |out| {
        out.zeros(8);
        out.u32(track.id);
        out.zeros(4 + 4 + 8); // reserved, duration, reserved
        out.zeros(4); // layer, alternate_group
        out.u16(if video { 0 } else { FULL_VOLUME });
        out.u16(0);
        write_unity_matrix(out);
        // 16.16 bits; a size past them is refused with the sample entry.
        out.u32((width & 0xffff) << 16);
        out.u32((height & 0xffff) << 16);
    });
    Ok(())
}

/// One edit that begins at `media_time` and lasts as long as the fragments do.
fn write_edit_list(media_time: u64, out: &mut BoxWriter) -> Result<(), Fmp4Error> {
    let Ok(media_time) = i64::try_from(media_time) else {
        return Err(Fmp4Error::Field { structure: "elst", field: "media_time", value: i64::MAX });
    };
    out.boxed(*b"edts", |out| {
        let short = i32::try_from(media_time);
        out.full(*b"elst", u8::from(short.is_err()), 0, |out| {
            out.u32(1);
            if let Ok(media_time) = short {
                out.u32(0); // segment_duration 0: all of it (8.6.6.1)
                out.u32(media_time.cast_unsigned());
            } else {
                out.u64(0);
                out.u64(media_time.cast_unsigned());
            }
            out.u32(ONE); // media_rate
        });
    });
    Ok(())
}

fn write_media_information(track: &InitTrack<'_>, out: &mut BoxWriter) -> Result<(), Fmp4Error> {
    out.boxed(*b"minf", |out| {
        match track.codec.kind() {
            MediaKind::Video => out.full(*b"vmhd", 0, 1, |out| out.zeros(8)),
            MediaKind::Audio | MediaKind::Data => out.full(*b"smhd", 0, 0, |out| out.zeros(4)),
        }
        out.boxed(*b"dinf", |out| {
            out.full(*b"dref", 0, 0, |out| {
                out.u32(1);
                out.full(*b"url ", 0, 1, |_| {}); // flag 1: in this file
            });
        });
        out.boxed(*b"stbl", |out| {
            out.full(*b"stsd", 0, 0, |out| {
                out.u32(1);
                write_sample_entry(track.codec, track.protection, out)
            })?;
            // No samples here: the fragments have them.
            for (table, bytes) in [(*b"stts", 4), (*b"stsc", 4), (*b"stsz", 8), (*b"stco", 4)] {
                out.full(table, 0, 0, |out| out.zeros(bytes));
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests;
