//! One track as fMP4: samples get durations, samples make parts, parts make segments.
//!
//! Decode times are continuous: a sample begins where the one before it ended, whatever the stamps say. A sample
//! lasts until the real decode time of the next one, as far as its part and its segment have room; what does not
//! fit is made up by the samples that follow. The composition offset keeps the real presentation time.
//!
//! A part leaves with its last frame: when a further one would not fit, the last one's duration is predicted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use streamer_core::container::fmp4::{
    EventMessage, Fmp4Error, Fragment, InitTrack, ProducerReferenceTime, Protection, Sample,
    SampleProtection, TrackRun, init_segment, write_fragment,
};
use streamer_core::{Codec, Frame, MediaKind, Timescale, Timestamp, Track};

use super::clock::SegmentClock;
use super::keys::Seal;
use super::part_target::MIN_PART_PERCENT;
use super::rate::{FrameInterval, audio_samples};
use super::schedule::{Cue, FOLLOWER_MARGIN, MAX_LEAP, Progress, Schedule};
use super::ticks::{CUE_SCALE, convert, cue_ticks, duration_of, ticks_in};
use crate::proto::hls::name::RenditionId;
use crate::proto::hls::segment::{DateRange, Map, MediaTime, Part, Segment, SegmentBody, Timeline};
use crate::proto::hls::window::{OpenSegment, Window};

/// How far audio stamps may be off from what the samples say before they are believed: stamps of whole
/// milliseconds and of a jittering capture are not worth a click.
pub const AUDIO_STAMP_TOLERANCE: Duration = Duration::from_millis(50);
/// Messages that wait for the next part; a part lasts a fraction of a second.
pub const MAX_PENDING_EVENTS: usize = 64;
/// A gap lasts some time: a segment of duration zero is none.
const MIN_GAP: Duration = Duration::from_millis(1);
/// Finest timescale that is taken over; ten seconds of a finer one do not fit a sample's 32 bits.
const MAX_TIMESCALE_HZ: u32 = 1_000_000;
/// `track_ID` in every init segment: each has one track.
const TRACK_ID: u32 = 1;

/// Numbers the initialization sections of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct MapNumbers(Arc<AtomicU32>);

impl MapNumbers {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// When a frame is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// Decode time in the writer's timescale.
    at: i64,
    /// Ticks it is to last.
    length: i64,
    /// The same, on the clock of cue points; the time shifted to when a sync frame decoded then is presented.
    pub(super) cue_at: i64,
    pub(super) cue_length: i64,
}

/// The segment being written.
#[derive(Debug)]
struct Open {
    cue: Cue,
    seal: Seal,
    /// Decode time of its first sample, once there is one.
    start: Option<i64>,
    start_unix_ms: Option<i64>,
    independent: bool,
    /// Ticks of the parts that are complete.
    used: i64,
    frames: usize,
    bytes: u64,
    body: Vec<Bytes>,
    date_ranges: Vec<DateRange>,
}

impl Open {
    const fn new(cue: Cue, seal: Seal, date_ranges: Vec<DateRange>) -> Self {
        Self {
            cue,
            seal,
            start: None,
            start_unix_ms: None,
            independent: false,
            used: 0,
            frames: 0,
            bytes: 0,
            body: Vec::new(),
            date_ranges,
        }
    }
}

/// The part being written.
#[derive(Debug, Default)]
struct OpenPart {
    samples: Vec<Sample>,
    base: i64,
    /// Ticks of the samples whose duration is known.
    used: i64,
    /// Decode time of the last sample, while its duration is not known.
    pending: Option<i64>,
}

/// Writes the rendition of one track.
#[derive(Debug)]
pub(super) struct TrackWriter {
    pub(super) id: RenditionId,
    pub(super) track: Track,
    scale: Timescale,
    /// Ticks that make every decode time positive.
    origin: i64,
    interval: FrameInterval,
    /// Where the next audio frame is due by its samples.
    expected: Option<i64>,
    /// Cue ticks from decode to presentation of the first frame of this timeline.
    reorder: Option<i64>,
    map: Arc<Map>,
    /// Number of the key that the map tells of.
    map_key: Option<u32>,
    maps: MapNumbers,
    part_target: Option<i64>,
    sequence_number: u32,
    /// Decode time of the next sample; `None` takes the real one.
    end: Option<i64>,
    /// Before this the next sample does not begin, wherever it really is.
    floor: Option<i64>,
    clock: SegmentClock,
    /// Ticks that the last frame was to last.
    length: i64,
    open: Option<Open>,
    /// Media sequence number of the segment after the open one; `None` begins with any.
    next_msn: Option<u64>,
    part: OpenPart,
    events: Vec<EventMessage>,
    date_ranges: Vec<DateRange>,
}

impl TrackWriter {
    /// A writer whose first segment is `next_msn`, or any. `origin_s` seconds are added to every time.
    pub(super) fn new(
        id: RenditionId,
        track: Track,
        maps: MapNumbers,
        origin_s: i64,
        part_target: Option<Duration>,
        next_msn: Option<u64>,
    ) -> Result<Self, Fmp4Error> {
        let scale = timescale_of(&track);
        let body = init(&track, scale, None)?;
        Ok(Self {
            id,
            interval: FrameInterval::new(&track.codec, scale),
            scale,
            origin: origin_s.saturating_mul(scale.ticks_per_second().into()),
            expected: None,
            reorder: None,
            map: Arc::new(Map { number: maps.next(), codec: track.codec.clone(), body }),
            map_key: None,
            maps,
            track,
            part_target: part_target.map(|target| ticks_in(target, scale).max(1)),
            sequence_number: 0,
            end: None,
            floor: None,
            clock: SegmentClock::default(),
            length: 1,
            open: None,
            next_msn,
            part: OpenPart::default(),
            events: Vec::new(),
            date_ranges: Vec::new(),
        })
    }

    /// Media sequence number of the segment that is open, or else of the next one.
    pub(super) fn msn(&self) -> Option<u64> {
        self.open.as_ref().map_or(self.next_msn, |open| Some(open.cue.msn))
    }

    /// When `frame` is due. To be called once for each, in order.
    pub(super) fn stamp(&mut self, frame: &Frame) -> Stamp {
        let real = frame.dts.rescale(self.scale).ticks().saturating_add(self.origin);
        let samples = (self.track.codec.kind() == MediaKind::Audio)
            .then(|| audio_samples(&self.track.codec, &frame.data))
            .flatten();
        let (at, length) = if let Some(samples) = samples {
            let tolerance = ticks_in(AUDIO_STAMP_TOLERANCE, self.scale);
            let at = self.expected.filter(|expected| (real - expected).abs() <= tolerance).unwrap_or(real);
            self.expected = Some(at.saturating_add(samples.into()));
            (at, samples.into())
        } else {
            self.interval.observe(real);
            (real, self.interval.ticks())
        };
        let dts = cue_ticks(frame.dts);
        let reorder = *self.reorder.get_or_insert(cue_ticks(frame.pts).saturating_sub(dts));
        let cue_length = convert(length, self.scale, CUE_SCALE);
        Stamp { at, length, cue_at: dts.saturating_add(reorder), cue_length }
    }

    /// The duration of the last sample, now that the decode time of the next one is known.
    pub(super) fn settle(&mut self, next: &Stamp, longest: Duration, window: &mut Window) {
        if let Some(start) = self.part.pending.take() {
            let duration = next.at.saturating_sub(start).clamp(1, self.room(longest));
            self.set_duration(start, duration);
            if self.is_full(self.part.used) {
                self.close_part(window);
            }
        }
    }

    /// How far the open segment is, now that `next` is the next frame and the last sample is settled.
    pub(super) fn progress(&self, next: &Stamp) -> Progress {
        let lag = self.end.map_or(0, |end| next.at.saturating_sub(end));
        let lag = convert(lag, self.scale, CUE_SCALE);
        self.open.as_ref().map_or(Progress { lag, ..Progress::default() }, |open| Progress {
            msn: Some(open.cue.msn),
            used: convert(open.used + self.part.used, self.scale, CUE_SCALE),
            bytes: open.bytes,
            frames: open.frames,
            lag,
        })
    }

    /// How long the open segment is.
    pub(super) fn open_duration(&self) -> Duration {
        let start = self.open.as_ref().and_then(|open| open.start);
        start.zip(self.end).map_or(Duration::ZERO, |(start, end)| duration_of(end - start, self.scale))
    }

    /// Completes segments up to the one before `msn`, and begins that. Returns whether anything was completed.
    pub(super) fn advance(&mut self, msn: u64, schedule: &mut Schedule, window: &mut Window) -> bool {
        let mut completed = false;
        while let Some(cue) =
            Some(self.next_msn.unwrap_or(msn)).filter(|&next| next <= msn).and_then(|next| schedule.get(next))
        {
            completed |= self.complete(cue.at, schedule, window);
            if cue.discontinuity {
                self.begin_anew();
            }
            let seal = self.sealed(schedule.seal(&cue));
            self.open = Some(Open::new(cue, seal, std::mem::take(&mut self.date_ranges)));
            self.next_msn = Some(cue.msn + 1);
        }
        completed
    }

    /// How the next segment leaves: samples are encrypted with a key that the initialization section tells of.
    fn sealed(&mut self, seal: Seal) -> Seal {
        if let Some(key) = seal.key()
            && let Some(protection) = key.protection()
            && self.map_key != Some(key.number)
        {
            let Ok(body) = init(&self.track, self.scale, Some(protection)) else { return Seal::Withheld };
            let codec = self.track.codec.clone();
            self.map = Arc::new(Map { number: self.maps.next(), codec, body });
            self.map_key = Some(key.number);
        }
        seal
    }

    /// Puts in a frame of the open segment.
    pub(super) fn push(&mut self, frame: &Frame, stamp: &Stamp, longest: Duration, window: &mut Window) {
        let Some(cue) = self.open.as_ref().map(|open| open.cue) else { return };
        let start = self.end.unwrap_or_else(|| self.real(stamp.at, &cue));
        let Some(open) = &mut self.open else { return };
        if open.start.is_none() {
            (open.start, open.independent) = (Some(start), frame.sync);
        }
        open.frames += 1;
        open.bytes += frame.data.len() as u64;
        if self.part.samples.is_empty() {
            self.part.base = start;
        }
        let scale = self.scale;
        let offset = frame.pts.rescale(scale).ticks() - frame.dts.rescale(scale).ticks() + stamp.at - start;
        self.part.samples.push(Sample {
            duration: 0,
            composition_offset: saturate(offset),
            sync: frame.sync,
            data: frame.data.clone(),
        });
        self.length = stamp.length;
        let predicted = (stamp.at + stamp.length).saturating_sub(start).clamp(1, self.room(longest));
        self.end = Some(start + predicted);
        if self.is_full(self.part.used + predicted) {
            self.set_duration(start, predicted);
            self.close_part(window);
        } else {
            self.part.pending = Some(start);
        }
    }

    /// Puts in a message for the next part.
    pub(super) fn event(&mut self, scheme_id_uri: &str, id: u32, at: Timestamp, data: Bytes) {
        if self.events.len() < MAX_PENDING_EVENTS {
            let time = at.rescale(self.scale).ticks().saturating_add(self.origin);
            self.events.push(EventMessage {
                scheme_id_uri: scheme_id_uri.to_owned(),
                value: String::new(),
                timescale: self.scale,
                presentation_time: time.max(0).unsigned_abs(),
                duration: None,
                id,
                data,
            });
        }
    }

    /// Puts a date range into the open segment, or else into the next one.
    pub(super) fn date_range(&mut self, range: DateRange, window: &mut Window) {
        if let Some(open) = &mut window.open {
            open.date_ranges.push(range.clone());
        }
        match &mut self.open {
            Some(open) => open.date_ranges.push(range),
            None => self.date_ranges.push(range),
        }
    }

    /// Completes the open segment, the last of its timeline; one without media ends at `until`.
    pub(super) fn finish(&mut self, until: i64, schedule: &mut Schedule, window: &mut Window) -> bool {
        let completed = self.complete(until, schedule, window);
        self.open = None;
        self.begin_anew();
        (self.expected, self.reorder) = (None, None);
        self.interval.restart();
        completed
    }

    /// The next sample begins at its real decode time.
    fn begin_anew(&mut self) {
        self.floor = self.end.take().or(self.floor);
    }

    /// Where a sample begins that is really decoded at `at`: not before what was written, unless the timeline
    /// has leapt back, and hardly before the cue of its segment, which would grow too long.
    fn real(&self, at: i64, cue: &Cue) -> i64 {
        let leap = ticks_in(MAX_LEAP, self.scale);
        let floor = self.floor.filter(|floor| floor - at <= leap).unwrap_or(0);
        let earliest = self.decode_time(cue.at) - ticks_in(FOLLOWER_MARGIN, self.scale);
        at.max(earliest).max(floor).max(0)
    }

    /// When a frame presented at the cue `at` is decoded.
    fn decode_time(&self, at: i64) -> i64 {
        convert(at - self.reorder.unwrap_or(0), CUE_SCALE, self.scale).saturating_add(self.origin)
    }

    /// Ticks that the last sample of the open part may last.
    fn room(&self, longest: Duration) -> i64 {
        let in_segment = self.open.as_ref().map_or(0, |open| open.used) + self.part.used;
        let segment = ticks_in(longest, self.scale) - in_segment;
        self.part_target.map_or(segment, |target| segment.min(target - self.part.used)).max(1)
    }

    /// Whether a part of `used` ticks takes no further frame.
    fn is_full(&self, used: i64) -> bool {
        self.part_target.is_some_and(|target| {
            used >= target || used + self.length > target && used * 100 >= target * MIN_PART_PERCENT
        })
    }

    fn set_duration(&mut self, start: i64, duration: i64) {
        if let Some(sample) = self.part.samples.last_mut() {
            sample.duration = u32::try_from(duration).unwrap_or(u32::MAX);
        }
        self.part.used += duration;
        self.end = Some(start + duration);
    }

    /// Wall clock at the start of the open segment.
    fn begin_wall(&mut self, cue: &Cue, start: i64) -> i64 {
        if let Some(begun) = self.open.as_ref().and_then(|open| open.start_unix_ms) {
            return begun;
        }
        let media_unix_ms = self.wall_ms(cue, start);
        let wall = self.clock.begin(media_unix_ms, cue.discontinuity);
        if let Some(open) = &mut self.open {
            open.start_unix_ms = Some(wall);
        }
        wall
    }

    fn wall_ms(&self, cue: &Cue, decode_time: i64) -> i64 {
        let media_time = Timestamp::new(decode_time - self.origin, self.scale).as_millis();
        let reorder_ms = Timestamp::new(self.reorder.unwrap_or(0), CUE_SCALE).as_millis();
        cue.offset_ms.saturating_add(media_time).saturating_add(reorder_ms)
    }

    /// Where the open segment, whose samples last `ticks` from `start` on, lies on its timeline.
    fn media_time(&self, cue: &Cue, start: i64, ticks: i64) -> MediaTime {
        let millis = |ticks, scale| Timestamp::new(ticks, scale).as_millis();
        let origin_ms = millis(self.origin, self.scale);
        let begin_ms = millis(cue.timeline.at, CUE_SCALE).saturating_add(origin_ms).max(0);
        let zero_unix_ms = cue.timeline.offset_ms.saturating_sub(origin_ms);
        MediaTime {
            timescale: self.scale,
            decode_time: start.max(0).unsigned_abs(),
            reorder: convert(self.reorder.unwrap_or(0), CUE_SCALE, self.scale),
            ticks: ticks.max(0).unsigned_abs(),
            timeline: Timeline {
                begin_ms: begin_ms.unsigned_abs(),
                begin_unix_ms: zero_unix_ms.saturating_add(begin_ms),
            },
        }
    }

    fn close_part(&mut self, window: &mut Window) {
        let mut part = std::mem::take(&mut self.part);
        let Some(first) = part.samples.first() else { return };
        let independent = first.sync;
        let Some((cue, seal)) = self.open.as_ref().map(|open| (open.cue, open.seal.clone())) else { return };
        let protection = encrypt(&self.track.codec, &seal, &mut part.samples);
        let begins = self.open.as_ref().is_some_and(|open| open.body.is_empty());
        let start_unix_ms = self.begin_wall(&cue, part.base);
        let run = TrackRun {
            track_id: TRACK_ID,
            base_decode_time: part.base.max(0).unsigned_abs(),
            samples: &part.samples,
            protection: protection.as_deref(),
        };
        let micros = u64::try_from(start_unix_ms).unwrap_or(0).saturating_mul(1_000);
        let events = std::mem::take(&mut self.events);
        let written = write_fragment(&Fragment {
            sequence_number: self.sequence_number,
            runs: &[run],
            reference_time: begins.then(|| ProducerReferenceTime::from_unix_micros(micros)),
            events: &events,
            segment_start: begins,
        });
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let Some(open) = &mut self.open else { return };
        open.used += part.used;
        // Frames, runs and events are bounded far below what a fragment holds.
        let Ok(body) = written else { return };
        if matches!(seal, Seal::Withheld) {
            return;
        }
        open.body.push(body.clone());
        if self.part_target.is_some() {
            let listed = window.open.get_or_insert_with(|| OpenSegment {
                msn: open.cue.msn,
                start_unix_ms,
                discontinuity: open.cue.discontinuity,
                map: Some(Arc::clone(&self.map)),
                key: open.seal.key().cloned(),
                parts: Vec::new(),
                date_ranges: open.date_ranges.clone(),
            });
            listed.parts.push(Part { duration: duration_of(part.used, self.scale), independent, body });
        }
    }

    /// Completes the open segment, if there is one; without media it becomes a gap that ends at `until`.
    fn complete(&mut self, until: i64, schedule: &mut Schedule, window: &mut Window) -> bool {
        if let Some(start) = self.part.pending.take() {
            let duration = self.end.unwrap_or(start) - start;
            self.set_duration(start, duration.max(1));
        }
        self.close_part(window);
        let Some((cue, start)) = self.open.as_ref().map(|open| (open.cue, open.start)) else { return false };
        let begins = start.or(self.end).unwrap_or_else(|| self.real(self.decode_time(cue.at), &cue));
        let start_unix_ms = self.begin_wall(&cue, begins);
        let Some(open) = self.open.take() else { return false };
        let mut listed = window.open.take();
        let (duration, body) = if start.is_some() {
            let parts = listed.as_ref().map(|listed| listed.parts.iter().map(|part| part.duration).sum());
            let duration = parts.unwrap_or_else(|| duration_of(open.used, self.scale));
            let body = open.seal.body(open.cue.msn, &open.body);
            if let (Some(listed), SegmentBody::Memory(pieces)) = (&mut listed, &body) {
                share(&mut listed.parts, pieces);
            }
            (duration, body)
        } else {
            // Decode times begin anew behind a gap.
            (self.end, self.floor) = (None, Some(begins));
            let duration = duration_of(self.decode_time(until) - begins, self.scale);
            (duration.clamp(MIN_GAP, schedule.longest_segment()), SegmentBody::Missing)
        };
        let len_bytes = match &body {
            SegmentBody::Memory(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            SegmentBody::Stored | SegmentBody::Missing => 0,
        };
        let media_time = start.map(|start| self.media_time(&cue, start, open.used));
        window.target_duration_s = Some(schedule.target_duration_s(duration));
        window.independent &= open.independent || body == SegmentBody::Missing;
        window.segments.push_back(Arc::new(Segment {
            msn: open.cue.msn,
            duration,
            start_unix_ms,
            media_time,
            discontinuity: open.cue.discontinuity,
            discontinuity_sequence: open.cue.discontinuity_sequence,
            independent: open.independent,
            map: Some(Arc::clone(&self.map)),
            key: open.seal.key().cloned(),
            parts: listed.map(|listed| listed.parts).unwrap_or_default(),
            date_ranges: open.date_ranges,
            len_bytes,
            body,
        }));
        true
    }
}

/// Lets the parts of a segment be slices of its one piece, so that their bytes are held once.
fn share(parts: &mut [Part], pieces: &[Bytes]) {
    let [whole] = pieces else { return };
    let mut at = 0;
    for part in parts {
        let end = at + part.body.len();
        if end <= whole.len() {
            part.body = whole.slice(at..end);
        }
        at = end;
    }
}

/// The timescale of the written track: the sampling rate of audio, for frames then last a whole number of
/// ticks; the source's own where it is finer than milliseconds; else that of MPEG.
fn timescale_of(track: &Track) -> Timescale {
    let rate = if track.codec.kind() == MediaKind::Audio { track.codec.sample_rate_hz() } else { None };
    let own = track.timescale.ticks_per_second();
    let fine = Timescale::MILLIS.ticks_per_second() < own && own <= MAX_TIMESCALE_HZ;
    rate.and_then(Timescale::new).unwrap_or(if fine { track.timescale } else { Timescale::MPEG })
}

fn init(track: &Track, timescale: Timescale, protection: Option<&Protection>) -> Result<Bytes, Fmp4Error> {
    let codec = &track.codec;
    init_segment(&[InitTrack { id: TRACK_ID, timescale, codec, start_offset: None, protection }])
}

/// Encrypts `samples` if they are to be, and answers with what their fragment is to tell of that.
fn encrypt(codec: &Codec, seal: &Seal, samples: &mut [Sample]) -> Option<Vec<SampleProtection>> {
    let cipher = seal.key()?.sample_cipher()?;
    let mut protection = Vec::new();
    for sample in samples {
        let sample = std::slice::from_mut(sample);
        let told = cipher.encrypt(codec, sample).or_else(|_| {
            // What cannot be encrypted does not leave, but keeps its time.
            sample.iter_mut().for_each(|sample| sample.data = Bytes::new());
            cipher.encrypt(codec, sample)
        });
        protection.extend(told.ok().flatten().unwrap_or_default());
    }
    (!protection.is_empty()).then_some(protection)
}

fn saturate(offset: i64) -> i32 {
    i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX })
}
