//! Fragmented MP4: the timescales of `moov`, the decode times and samples of each `moof`.

use super::boxes::{Reader, boxes, find};
use super::{Kind, Media, Span};
use crate::rule;

/// A track fragment run with more samples than this is not read: minutes of audio.
pub(super) const MAX_SAMPLES_IN_RUN: u32 = 1 << 20;

const NON_SYNC: u32 = 0x0001_0000;

/// What `moov` says of each track.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Init {
    tracks: Vec<Track>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Track {
    id: u32,
    kind: Kind,
    timescale: u32,
    default_duration: u32,
    default_flags: u32,
}

impl Init {
    /// Reads a media initialization section; the error is a sentence.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let moov = find(body, b"moov")?.ok_or("it has no moov")?;
        let mut tracks = Vec::new();
        for trak in boxes(moov)?.iter().filter(|found| &found.kind == b"trak") {
            tracks.push(read_track(trak.body)?);
        }
        if tracks.is_empty() {
            return Err("its moov has no track".to_owned());
        }
        let Some(mvex) = find(moov, b"mvex")? else {
            return Err("its moov has no mvex".to_owned());
        };
        for trex in boxes(mvex)?.iter().filter(|found| &found.kind == b"trex") {
            let mut reader = Reader(trex.body);
            let mut next = || reader.u32().ok_or("its trex is cut short");
            let (_full, id, _description) = (next()?, next()?, next()?);
            let (duration, _size, flags) = (next()?, next()?, next()?);
            for track in tracks.iter_mut().filter(|track| track.id == id) {
                (track.default_duration, track.default_flags) = (duration, flags);
            }
        }
        Ok(Self { tracks })
    }
}

fn read_track(trak: &[u8]) -> Result<Track, String> {
    let short = "its trak is cut short";
    let mut tkhd = Reader(find(trak, b"tkhd")?.ok_or("its trak has no tkhd")?);
    let (version, _) = tkhd.full().ok_or(short)?;
    tkhd.take(if version == 1 { 16 } else { 8 }).ok_or(short)?;
    let id = tkhd.u32().ok_or(short)?;
    let mdia = find(trak, b"mdia")?.ok_or("its trak has no mdia")?;
    let mut mdhd = Reader(find(mdia, b"mdhd")?.ok_or("its trak has no mdhd")?);
    let (version, _) = mdhd.full().ok_or(short)?;
    mdhd.take(if version == 1 { 16 } else { 8 }).ok_or(short)?;
    let timescale = mdhd.u32().ok_or(short)?;
    if timescale == 0 {
        return Err(format!("track {id} has the timescale 0"));
    }
    let handler = find(mdia, b"hdlr")?.and_then(|hdlr| hdlr.get(8..12)).unwrap_or_default();
    let kind = match handler {
        b"vide" => Kind::Video,
        b"soun" => Kind::Audio,
        _ => Kind::Other,
    };
    Ok(Track { id, kind, timescale, default_duration: 0, default_flags: 0 })
}

/// Reads all fragments of a segment or part.
pub(super) fn read(body: &[u8], init: &Init) -> Media {
    let mut media = Media::default();
    match fragments(body, init, &mut media) {
        Ok(0) => media.faults.push((rule::MEDIA_MALFORMED, "it has no moof".to_owned())),
        Ok(_) => {}
        Err(message) => media.faults.push((rule::MEDIA_MALFORMED, message)),
    }
    media
}

fn fragments(body: &[u8], init: &Init, media: &mut Media) -> Result<usize, String> {
    let mut count = 0;
    for moof in boxes(body)?.iter().filter(|found| &found.kind == b"moof") {
        count += 1;
        for traf in boxes(moof.body)?.iter().filter(|found| &found.kind == b"traf") {
            track_fragment(traf.body, init, media)?;
        }
    }
    Ok(count)
}

fn track_fragment(traf: &[u8], init: &Init, media: &mut Media) -> Result<(), String> {
    let short = "a tfhd is cut short";
    let mut tfhd = Reader(find(traf, b"tfhd")?.ok_or("a traf has no tfhd")?);
    let (_, flags) = tfhd.full().ok_or(short)?;
    let id = tfhd.u32().ok_or(short)?;
    let Some(track) = init.tracks.iter().find(|track| track.id == id) else {
        let known: Vec<_> = init.tracks.iter().map(|track| track.id).collect();
        let message = format!("a fragment is of track {id}, the media initialization section has {known:?}");
        media.faults.push((rule::TRACK_NOT_IN_MAP, message));
        return Ok(());
    };
    if flags & 0x1 != 0 {
        tfhd.u64().ok_or(short)?;
    }
    if flags & 0x2 != 0 {
        tfhd.u32().ok_or(short)?;
    }
    let mut optional = |bit: u32, default: u32| {
        if flags & bit != 0 { tfhd.u32().ok_or(short) } else { Ok(default) }
    };
    let duration = optional(0x8, track.default_duration)?;
    optional(0x10, 0)?;
    let sample_flags = optional(0x20, track.default_flags)?;
    let Some(tfdt) = find(traf, b"tfdt")? else {
        media.faults.push((rule::DECODE_TIME_MISSING, format!("a fragment of track {id} has no tfdt")));
        return Ok(());
    };
    let mut tfdt = Reader(tfdt);
    let (version, _) = tfdt.full().ok_or("a tfdt is cut short")?;
    let start = if version == 1 { tfdt.u64() } else { tfdt.u32().map(u64::from) };
    let start = start.and_then(|start| i64::try_from(start).ok()).ok_or("a tfdt is cut short")?;
    let mut run = Run { time: start, presentation: i64::MAX, samples: 0, sync: None };
    for trun in boxes(traf)?.iter().filter(|found| &found.kind == b"trun") {
        run.read(trun.body, duration, sample_flags)?;
    }
    media.join(Span {
        track: id,
        kind: track.kind,
        timescale: track.timescale,
        start,
        end: run.time,
        presentation: run.presentation,
        samples: run.samples,
        sync: track.kind != Kind::Video || run.sync == Some(true),
        transport: false,
    });
    Ok(())
}

/// Runs of samples that follow one another.
struct Run {
    time: i64,
    presentation: i64,
    samples: u32,
    sync: Option<bool>,
}

impl Run {
    fn read(&mut self, trun: &[u8], duration: u32, sample_flags: u32) -> Result<(), String> {
        let short = "a trun is cut short";
        let mut reader = Reader(trun);
        let (version, flags) = reader.full().ok_or(short)?;
        let count = reader.u32().ok_or(short)?;
        if flags & 0x1 != 0 {
            reader.u32().ok_or(short)?;
        }
        let first_flags = if flags & 0x4 != 0 { Some(reader.u32().ok_or(short)?) } else { None };
        if count > MAX_SAMPLES_IN_RUN {
            return Err(format!("a trun says {count} samples, {MAX_SAMPLES_IN_RUN} are read"));
        }
        for index in 0..count {
            let mut field = |bit: u32| -> Result<Option<u32>, String> {
                if flags & bit == 0 {
                    Ok(None)
                } else {
                    reader.u32().map(Some).ok_or_else(|| short.to_owned())
                }
            };
            let duration = field(0x100)?.unwrap_or(duration);
            field(0x200)?;
            let own = field(0x400)?;
            let offset = field(0x800)?.unwrap_or(0);
            let sample = first_flags.filter(|_| index == 0).or(own).unwrap_or(sample_flags);
            self.sync.get_or_insert(sample & NON_SYNC == 0);
            // Version 0 has unsigned offsets, version 1 signed ones.
            let offset = if version == 0 { i64::from(offset) } else { i64::from(offset.cast_signed()) };
            self.presentation = self.presentation.min(self.time.saturating_add(offset));
            self.time = self.time.saturating_add(i64::from(duration));
            self.samples = self.samples.saturating_add(1);
        }
        Ok(())
    }
}

impl Media {
    /// Adds a fragment: the first of its track, or one that must go on where the last one ended.
    fn join(&mut self, span: Span) {
        let Some(known) = self.spans.iter_mut().find(|known| known.track == span.track) else {
            self.spans.push(span);
            return;
        };
        if known.end.abs_diff(span.start) > crate::check::DECODE_TIME_TOLERANCE_TICKS {
            self.faults.push((
                rule::DECODE_TIME_GAP,
                format!(
                    "within it, track {} goes on at {} where {} was due ({} ticks a second)",
                    span.track, span.start, known.end, span.timescale
                ),
            ));
        }
        known.end = span.end;
        known.presentation = known.presentation.min(span.presentation);
        known.samples = known.samples.saturating_add(span.samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trun(count: u32) -> Vec<u8> {
        [&[0u8; 4][..], &count.to_be_bytes()].concat()
    }

    #[test]
    fn samples_of_a_run_at_their_limit() {
        let mut run = Run { time: 0, presentation: i64::MAX, samples: 0, sync: None };
        run.read(&trun(MAX_SAMPLES_IN_RUN), 2, 0).unwrap();
        assert_eq!(
            (run.time, run.samples, run.sync),
            (i64::from(MAX_SAMPLES_IN_RUN) * 2, MAX_SAMPLES_IN_RUN, Some(true))
        );
        assert!(run.read(&trun(MAX_SAMPLES_IN_RUN + 1), 2, 0).is_err());
    }
}
