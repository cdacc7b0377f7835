//! Fragments: `moof` and `mdat`, and the boxes that may stand before them, in one allocation of exact size.
//!
//! Two passes: a plan that knows the size of every box, then the bytes. What all samples of a run agree on is
//! told once (ISO/IEC 14496-12 8.8.7), so that a partial segment of a few frames is little more than its payload.

use bytes::Bytes;

use super::boxes::{BOX_HEADER_BYTES, BoxWriter, FULL_BOX_HEADER_BYTES};
use super::error::Fmp4Error;
use super::event::EventMessage;
use super::protection::{self, SampleProtection};
use crate::track::MAX_TRACKS;

/// Samples of one run. A GOP of 30 s has some 3 600 pictures at 120 per second.
pub const MAX_SAMPLES_PER_RUN: usize = 65_536;
/// Bytes of one fragment: sizes and data offsets are 32 bits, offsets with a sign.
pub const MAX_FRAGMENT_BYTES: usize = i32::MAX as usize;

pub(super) const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
pub(super) const TFHD_DURATION: u32 = 0x08;
pub(super) const TFHD_SIZE: u32 = 0x10;
pub(super) const TFHD_FLAGS: u32 = 0x20;
pub(super) const TRUN_DATA_OFFSET: u32 = 0x001;
pub(super) const TRUN_FIRST_FLAGS: u32 = 0x004;
pub(super) const TRUN_DURATION: u32 = 0x100;
pub(super) const TRUN_SIZE: u32 = 0x200;
pub(super) const TRUN_FLAGS: u32 = 0x400;
pub(super) const TRUN_COMPOSITION: u32 = 0x800;

/// `sample_depends_on` 2: a sync sample depends on no other (8.8.3.1).
const SYNC_SAMPLE: u32 = 0x0200_0000;
/// `sample_is_non_sync_sample`.
pub(super) const NON_SYNC_FLAG: u32 = 0x1_0000;
/// `sample_depends_on` 1: on others.
const NON_SYNC_SAMPLE: u32 = 0x0100_0000 | NON_SYNC_FLAG;

/// Seconds from the epoch of NTP, 1900, to that of Unix, 1970.
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// One sample of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Ticks of the track's timescale up to the next sample's decode time.
    pub duration: u32,
    /// Ticks from the decode time to the presentation time.
    pub composition_offset: i32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// The payload in its canonical form.
    pub data: Bytes,
}

/// A sample of a fragment whose payload is put in by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleHead {
    /// As [`Sample::duration`].
    pub duration: u32,
    /// As [`Sample::composition_offset`].
    pub composition_offset: i32,
    /// As [`Sample::sync`].
    pub sync: bool,
    /// Bytes of the payload.
    pub size: u32,
}

/// A sample as far as tables tell of it.
trait Described {
    fn head(&self) -> SampleHead;
}

impl Described for Sample {
    fn head(&self) -> SampleHead {
        let Self { duration, composition_offset, sync, .. } = *self;
        // A fragment of larger samples is refused by its plan.
        let size = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        SampleHead { duration, composition_offset, sync, size }
    }
}

impl Described for SampleHead {
    fn head(&self) -> SampleHead {
        *self
    }
}

impl SampleHead {
    const fn flags(&self) -> u32 {
        if self.sync { SYNC_SAMPLE } else { NON_SYNC_SAMPLE }
    }
}

/// Consecutive samples of one track.
#[derive(Clone, Copy, Debug)]
pub struct TrackRun<'a> {
    /// `track_ID` of the init segment.
    pub track_id: u32,
    /// Decode time of the first sample, in the track's timescale.
    pub base_decode_time: u64,
    /// The samples, at least one.
    pub samples: &'a [Sample],
    /// For a track that is protected in stretches: those of each sample, as many as there are samples.
    pub protection: Option<&'a [SampleProtection]>,
}

/// The wall-clock time of the first sample of the first run (`prft`, ISO/IEC 14496-12 8.16.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerReferenceTime {
    /// Seconds since 1900 in 32 bits, and their binary fraction in 32 bits (RFC 5905 6).
    pub ntp_timestamp: u64,
}

impl ProducerReferenceTime {
    /// The time `micros` microseconds after the epoch of Unix.
    #[must_use]
    pub const fn from_unix_micros(micros: u64) -> Self {
        // The 32 bits of seconds wrap in 2036, as NTP's own do.
        let seconds = (micros / 1_000_000).wrapping_add(NTP_TO_UNIX_SECONDS);
        let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
        Self { ntp_timestamp: (seconds << 32) | fraction }
    }
}

/// What makes up a fragment, or a chunk of one (CMAF 7.3.2).
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// `sequence_number`: one more than that of the fragment before.
    pub sequence_number: u32,
    /// The runs, one or more, in the order of their data.
    pub runs: &'a [TrackRun<'a>],
    /// When its first sample was produced, where that is to be told.
    pub reference_time: Option<ProducerReferenceTime>,
    /// Messages that stand before the media.
    pub events: &'a [EventMessage],
    /// Whether a segment begins here: writes `styp` in front.
    pub segment_start: bool,
}

/// The bytes of a fragment: `styp` at the start of a segment, `prft`, `emsg`, `moof`, `mdat`.
///
/// # Errors
/// [`Fmp4Error::Missing`] when there is no run, or one without samples or with stretches of protection for
/// another number of samples; [`Fmp4Error::Limit`] past [`MAX_FRAGMENT_BYTES`], [`MAX_SAMPLES_PER_RUN`],
/// [`MAX_TRACKS`] runs or [`MAX_SUBSAMPLES`](super::MAX_SUBSAMPLES); [`Fmp4Error::Field`] for an event with a
/// zero byte in its texts.
pub fn write_fragment(fragment: &Fragment<'_>) -> Result<Bytes, Fmp4Error> {
    let plan = Plan::of(fragment)?;
    let mut out = BoxWriter::with_capacity(plan.total_bytes);
    write_front(fragment, &mut out);
    let moof_start = out.len();
    out.boxed(*b"moof", |out| {
        out.full(*b"mfhd", 0, 0, |out| out.u32(fragment.sequence_number));
        let mut data_offset = plan.moof_bytes + BOX_HEADER_BYTES;
        for (run, planned) in fragment.runs.iter().zip(&plan.runs) {
            let place = (run.track_id, run.base_decode_time);
            write_run(place, (run.samples, run.protection), planned, data_offset, moof_start, out);
            data_offset += planned.data_bytes;
        }
    });
    out.boxed(*b"mdat", |out| {
        for sample in fragment.runs.iter().flat_map(|run| run.samples) {
            out.bytes(&sample.data);
        }
    });
    debug_assert_eq!(out.len(), plan.total_bytes, "the plan is exact");
    Ok(Bytes::from(out.into_inner()))
}

/// A segment of one track, in one fragment, without its payload.
#[derive(Clone, Copy, Debug)]
pub struct FragmentHead<'a> {
    /// `sequence_number`.
    pub sequence_number: u32,
    /// `track_ID` of the init segment.
    pub track_id: u32,
    /// Decode time of the first sample, in the track's timescale.
    pub base_decode_time: u64,
    /// The samples, at least one.
    pub samples: &'a [SampleHead],
}

/// The bytes of a segment up to its payload: `styp`, `moof`, and the header of `mdat`. The payloads of the samples follow,
/// one behind the other; there is room for them.
///
/// # Errors
/// As [`write_fragment`].
pub fn write_fragment_head(head: &FragmentHead<'_>) -> Result<Vec<u8>, Fmp4Error> {
    let (sequence_number, reference_time, events, segment_start) =
        (head.sequence_number, None, &[][..], true);
    // Which boxes stand in front, and which brands, follows from there being one run.
    let placeholder =
        TrackRun { track_id: head.track_id, base_decode_time: 0, samples: &[], protection: None };
    let runs = &[placeholder];
    let front = Fragment { sequence_number, runs, reference_time, events, segment_start };
    let planned = PlannedRun::of(head.samples, None)?;
    let moof_bytes = MOOF_AND_MFHD_BYTES + planned.traf_bytes(head.samples.len(), None)?;
    let data_bytes = planned.data_bytes;
    let front_bytes = front_bytes(&front)?;
    let total = data_bytes.saturating_add(front_bytes + moof_bytes + BOX_HEADER_BYTES);
    check("bytes of a fragment", total, MAX_FRAGMENT_BYTES)?;
    let mut out = BoxWriter::with_capacity(total);
    write_front(&front, &mut out);
    let moof_start = out.len();
    out.boxed(*b"moof", |out| {
        out.full(*b"mfhd", 0, 0, |out| out.u32(sequence_number));
        let place = (head.track_id, head.base_decode_time);
        write_run(place, (head.samples, None), &planned, moof_bytes + BOX_HEADER_BYTES, moof_start, out);
    });
    out.u32(u32::try_from(data_bytes + BOX_HEADER_BYTES).unwrap_or(u32::MAX));
    out.bytes(b"mdat");
    debug_assert_eq!(out.len() + data_bytes, total, "the plan is exact");
    Ok(out.into_inner())
}

/// Bytes of what stands before the `moof`.
fn front_bytes(fragment: &Fragment<'_>) -> Result<usize, Fmp4Error> {
    let mut front = 0;
    if fragment.segment_start {
        front += BOX_HEADER_BYTES + 8 + 4 * brands(fragment).len();
    }
    if fragment.reference_time.is_some() {
        front += FULL_BOX_HEADER_BYTES + 4 + 8 + 8;
    }
    for event in fragment.events {
        front += event.box_bytes()?;
    }
    Ok(front)
}

fn write_front(fragment: &Fragment<'_>, out: &mut BoxWriter) {
    if fragment.segment_start {
        out.boxed(*b"styp", |out| {
            out.bytes(b"msdh");
            out.u32(0);
            for brand in brands(fragment) {
                out.bytes(brand.as_slice());
            }
        });
    }
    if let (Some(reference), Some(run)) = (fragment.reference_time, fragment.runs.first()) {
        out.full(*b"prft", 1, 0, |out| {
            out.u32(run.track_id);
            out.u64(reference.ntp_timestamp);
            out.u64(run.base_decode_time);
        });
    }
    for event in fragment.events {
        event.write(out);
    }
}

/// Brands of a segment: CMAF's are those of a segment, a fragment and a chunk, of one track each (CMAF 7.2).
const fn brands(fragment: &Fragment<'_>) -> &'static [&'static [u8; 4]] {
    if fragment.runs.len() == 1 { &[b"msdh", b"cmfs", b"cmff", b"cmfl"] } else { &[b"msdh"] }
}

/// Bytes of the header of `moof` and of `mfhd`.
const MOOF_AND_MFHD_BYTES: usize = BOX_HEADER_BYTES + FULL_BOX_HEADER_BYTES + 4;

/// The sizes of all that will be written.
struct Plan {
    runs: Vec<PlannedRun>,
    moof_bytes: usize,
    total_bytes: usize,
}

/// Which fields of a run stand where, and its sizes.
struct PlannedRun {
    header_flags: u32,
    run_flags: u32,
    /// Of all samples but the first, which may differ.
    sample_flags: u32,
    data_bytes: usize,
}

impl Plan {
    fn of(fragment: &Fragment<'_>) -> Result<Self, Fmp4Error> {
        if fragment.runs.is_empty() {
            return Err(Fmp4Error::Missing { structure: "moof", what: "a track run" });
        }
        check("runs of a fragment", fragment.runs.len(), MAX_TRACKS)?;
        let front = front_bytes(fragment)?;
        let mut runs = Vec::with_capacity(fragment.runs.len());
        let mut moof_bytes = MOOF_AND_MFHD_BYTES;
        let mut data_bytes = 0usize;
        for run in fragment.runs {
            let planned = PlannedRun::of(run.samples, run.protection)?;
            moof_bytes += planned.traf_bytes(run.samples.len(), run.protection)?;
            data_bytes = data_bytes.saturating_add(planned.data_bytes);
            runs.push(planned);
        }
        let total_bytes = data_bytes.saturating_add(front + moof_bytes + BOX_HEADER_BYTES);
        check("bytes of a fragment", total_bytes, MAX_FRAGMENT_BYTES)?;
        Ok(Self { runs, moof_bytes, total_bytes })
    }
}

impl PlannedRun {
    fn of<S: Described>(samples: &[S], protection: Option<&[SampleProtection]>) -> Result<Self, Fmp4Error> {
        let Some((first, rest)) = samples.split_first() else {
            return Err(Fmp4Error::Missing { structure: "trun", what: "a sample" });
        };
        check("samples of a run", samples.len(), MAX_SAMPLES_PER_RUN)?;
        if protection.is_some_and(|protection| protection.len() != samples.len()) {
            return Err(Fmp4Error::Missing { structure: "senc", what: "the protection of each sample" });
        }
        let sample_flags = rest.first().unwrap_or(first).head().flags();
        let first = first.head();
        let (mut durations, mut sizes, mut flags, mut composition) = (false, false, false, false);
        let mut data_bytes = 0usize;
        for (at, sample) in samples.iter().map(Described::head).enumerate() {
            durations |= sample.duration != first.duration;
            sizes |= sample.size != first.size;
            flags |= at > 0 && sample.flags() != sample_flags;
            composition |= sample.composition_offset != 0;
            data_bytes = data_bytes.saturating_add(sample.size as usize);
        }
        let either =
            |each: bool, in_run: u32, in_header: u32| if each { (in_run, 0) } else { (0, in_header) };
        let (run_duration, header_duration) = either(durations, TRUN_DURATION, TFHD_DURATION);
        let (run_size, header_size) = either(sizes, TRUN_SIZE, TFHD_SIZE);
        let (run_sample_flags, header_sample_flags) = either(flags, TRUN_FLAGS, TFHD_FLAGS);
        let first_differs = !flags && first.flags() != sample_flags;
        let first_flags = if first_differs { TRUN_FIRST_FLAGS } else { 0 };
        let composition = if composition { TRUN_COMPOSITION } else { 0 };
        Ok(Self {
            header_flags: DEFAULT_BASE_IS_MOOF | header_duration | header_size | header_sample_flags,
            run_flags: TRUN_DATA_OFFSET
                | first_flags
                | run_duration
                | run_size
                | run_sample_flags
                | composition,
            sample_flags,
            data_bytes,
        })
    }

    const fn has(&self, flag: u32) -> bool {
        self.run_flags & flag != 0
    }

    fn traf_bytes(
        &self,
        samples: usize,
        protection: Option<&[SampleProtection]>,
    ) -> Result<usize, Fmp4Error> {
        let header_fields = (self.header_flags & (TFHD_DURATION | TFHD_SIZE | TFHD_FLAGS)).count_ones();
        let tfhd = FULL_BOX_HEADER_BYTES + 4 + 4 * header_fields as usize;
        let tfdt = FULL_BOX_HEADER_BYTES + 8;
        let per_sample =
            (self.run_flags & (TRUN_DURATION | TRUN_SIZE | TRUN_FLAGS | TRUN_COMPOSITION)).count_ones();
        let first_flags = if self.has(TRUN_FIRST_FLAGS) { 4 } else { 0 };
        let trun = FULL_BOX_HEADER_BYTES + 8 + first_flags + 4 * per_sample as usize * samples;
        let aux = protection.map_or(Ok(0), protection::aux_bytes)?;
        Ok(BOX_HEADER_BYTES + tfhd + tfdt + trun + aux)
    }
}

/// Writes the `traf` of a run whose data begins `data_offset` behind the start of the `moof`.
fn write_run<S: Described>(
    (track_id, base_decode_time): (u32, u64),
    (samples, protection): (&[S], Option<&[SampleProtection]>),
    planned: &PlannedRun,
    data_offset: usize,
    moof_start: usize,
    out: &mut BoxWriter,
) {
    // Nothing of it is missing or larger: the plan was made of the same run.
    let Some(first) = samples.first().map(Described::head) else { return };
    out.boxed(*b"traf", |out| {
        out.full(*b"tfhd", 0, planned.header_flags, |out| {
            out.u32(track_id);
            if planned.header_flags & TFHD_DURATION != 0 {
                out.u32(first.duration);
            }
            if planned.header_flags & TFHD_SIZE != 0 {
                out.u32(first.size);
            }
            if planned.header_flags & TFHD_FLAGS != 0 {
                out.u32(planned.sample_flags);
            }
        });
        out.full(*b"tfdt", 1, 0, |out| out.u64(base_decode_time));
        out.full(*b"trun", 1, planned.run_flags, |out| {
            out.u32(u32::try_from(samples.len()).unwrap_or(u32::MAX));
            out.u32(u32::try_from(data_offset).unwrap_or(u32::MAX));
            if planned.has(TRUN_FIRST_FLAGS) {
                out.u32(first.flags());
            }
            for sample in samples.iter().map(Described::head) {
                if planned.has(TRUN_DURATION) {
                    out.u32(sample.duration);
                }
                if planned.has(TRUN_SIZE) {
                    out.u32(sample.size);
                }
                if planned.has(TRUN_FLAGS) {
                    out.u32(sample.flags());
                }
                if planned.has(TRUN_COMPOSITION) {
                    out.u32(sample.composition_offset.cast_unsigned());
                }
            }
        });
        if let Some(protection) = protection {
            protection::write_aux(protection, moof_start, out);
        }
    });
}

const fn check(what: &'static str, value: usize, max: usize) -> Result<(), Fmp4Error> {
    if value > max {
        return Err(Fmp4Error::Limit { what, value: value as u64, max: max as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
