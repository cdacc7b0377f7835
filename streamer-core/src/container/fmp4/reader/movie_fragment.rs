//! The movie fragment box read: where its samples lie and when they are due (ISO/IEC 14496-12 8.8).

use super::super::cursor::Cursor;
use super::super::error::Fmp4Error;
use super::super::fragment::{
    DEFAULT_BASE_IS_MOOF, NON_SYNC_FLAG, TFHD_DURATION, TFHD_FLAGS, TFHD_SIZE, TRUN_COMPOSITION,
    TRUN_DATA_OFFSET, TRUN_DURATION, TRUN_FIRST_FLAGS, TRUN_FLAGS, TRUN_SIZE,
};
use super::movie::{Movie, MovieTrack, SampleDefaults};
use super::{MAX_SAMPLE_BYTES, MAX_SAMPLES_PER_FRAGMENT};

const TFHD_BASE_DATA_OFFSET: u32 = 0x01;
const TFHD_DESCRIPTION: u32 = 0x02;

/// A sample that is to come in an `mdat` box.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingSample {
    /// Where it begins, in bytes from the beginning of all input.
    pub(super) offset: u64,
    pub(super) size: usize,
    /// Index of its track in the movie.
    pub(super) media: usize,
    /// Decode time of the presentation, in ticks of the track.
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) duration: u32,
    pub(super) sync: bool,
}

/// Reads the body of the `moof` box that begins at `moof_start`: the samples of known tracks in the order of
/// their bytes.
pub(super) fn read_movie_fragment(
    body: &[u8],
    moof_start: u64,
    movie: &mut Movie,
) -> Result<Vec<PendingSample>, Fmp4Error> {
    let mut fragment = Fragment { moof_start, next_data: moof_start, counted: 0, samples: Vec::new() };
    for found in Cursor::new("moof", body).boxes() {
        let (name, body) = found?;
        if name == *b"traf" {
            fragment.read_track(body, movie)?;
        }
    }
    fragment.samples.sort_by_key(|sample| sample.offset);
    Ok(fragment.samples)
}

struct Fragment {
    moof_start: u64,
    /// Where the data of the last run ended.
    next_data: u64,
    /// Samples so far, those of unknown tracks and empty ones included.
    counted: usize,
    samples: Vec<PendingSample>,
}

impl Fragment {
    fn read_track(&mut self, body: &[u8], movie: &mut Movie) -> Result<(), Fmp4Error> {
        let traf = Cursor::new("traf", body).boxes();
        let header = traf.clone().find(*b"tfhd")?;
        let header = header.ok_or(Fmp4Error::Missing { structure: "traf", what: "tfhd" })?;
        let mut header = Cursor::new("tfhd", header);
        let (_, flags) = header.version_and_flags()?;
        let id = header.u32()?;
        let base = if flags & TFHD_BASE_DATA_OFFSET != 0 {
            header.u64()?
        } else if flags & DEFAULT_BASE_IS_MOOF != 0 {
            self.moof_start
        } else {
            self.next_data
        };
        if flags & TFHD_DESCRIPTION != 0 {
            header.skip(4)?;
        }
        let at = movie.media.iter().position(|media| media.id == id);
        let mut media = at.and_then(|at| movie.media.get_mut(at).map(|media| (at, media)));
        let mut defaults = media.as_ref().map_or(SampleDefaults::default(), |(_, media)| media.defaults);
        for (flag, field) in [
            (TFHD_DURATION, &mut defaults.duration),
            (TFHD_SIZE, &mut defaults.size),
            (TFHD_FLAGS, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *field = header.u32()?;
            }
        }
        if let (Some(time), Some((_, media))) = (traf.clone().find(*b"tfdt")?, media.as_mut()) {
            media.next_decode_time = read_decode_time(time)?;
        }
        self.next_data = base;
        for found in traf {
            let (name, body) = found?;
            if name == *b"trun" {
                let media = media.as_mut().map(|(at, media)| (*at, &mut **media));
                self.read_run(body, base, defaults, media)?;
            }
        }
        Ok(())
    }

    fn read_run(
        &mut self,
        body: &[u8],
        base: u64,
        defaults: SampleDefaults,
        mut media: Option<(usize, &mut MovieTrack)>,
    ) -> Result<(), Fmp4Error> {
        let mut run = Cursor::new("trun", body);
        let (version, flags) = run.version_and_flags()?;
        let count = run.u32()? as usize;
        self.counted = self.counted.saturating_add(count);
        check("samples of a fragment", self.counted, MAX_SAMPLES_PER_FRAGMENT)?;
        if flags & TRUN_DATA_OFFSET != 0 {
            let offset = run.u32()?.cast_signed();
            let outside = run.field("data_offset", offset);
            self.next_data = base.checked_add_signed(offset.into()).ok_or(outside)?;
        }
        let mut first_flags = if flags & TRUN_FIRST_FLAGS != 0 { Some(run.u32()?) } else { None };
        for _ in 0..count {
            let mut field = |flag, default| if flags & flag != 0 { run.u32() } else { Ok(default) };
            let duration = field(TRUN_DURATION, defaults.duration)?;
            let size = field(TRUN_SIZE, defaults.size)?;
            let own_flags = field(TRUN_FLAGS, first_flags.take().unwrap_or(defaults.flags))?;
            let composition = field(TRUN_COMPOSITION, 0)?;
            let composition: i64 =
                if version == 0 { composition.into() } else { composition.cast_signed().into() };
            let offset = self.next_data;
            self.next_data = offset.saturating_add(size.into());
            let Some((at, media)) = &mut media else { continue };
            let decode_time = media.next_decode_time;
            media.next_decode_time = decode_time.saturating_add(duration.into());
            let size = size as usize;
            check("bytes of a sample", size, MAX_SAMPLE_BYTES)?;
            if size > 0 {
                let dts = decode_time.saturating_add(media.shift);
                let pts = dts.saturating_add(composition);
                let sync = own_flags & NON_SYNC_FLAG == 0;
                self.samples.push(PendingSample { offset, size, media: *at, dts, pts, duration, sync });
            }
        }
        Ok(())
    }
}

fn read_decode_time(body: &[u8]) -> Result<i64, Fmp4Error> {
    let mut tfdt = Cursor::new("tfdt", body);
    let (version, _) = tfdt.version_and_flags()?;
    let time = if version == 1 { tfdt.u64()? } else { tfdt.u32()?.into() };
    i64::try_from(time).map_err(|_| tfdt.field("baseMediaDecodeTime", i64::MAX))
}

const fn check(what: &'static str, value: usize, max: usize) -> Result<(), Fmp4Error> {
    if value > max {
        return Err(Fmp4Error::Limit { what, value: value as u64, max: max as u64 });
    }
    Ok(())
}
