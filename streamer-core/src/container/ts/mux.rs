//! Media in, transport stream packets out.

mod access_unit;
mod cue;
mod payload;
mod schedule;

use bytes::Bytes;

use self::payload::{Form, Payload};
use self::schedule::{Schedule, Step};
use super::carriage::carriage;
use super::error::TsError;
use super::packet::{
    Adaptation, PACKET_BYTES, PID_NULL, PID_PAT, PacketWriter, packets, tail_to_zero, write_adaptation_only,
};
use super::pes::PesHeader;
use super::psi::{MAX_TABLE_BYTES, MapEntry, ProgramMap, association_section};
use super::section::{section_packets, write_section};
use super::timing::{PCR_LEAD_TICKS, clock};
use crate::codec::{Codec, MediaKind};
use crate::frame::{Frame, Media};
use crate::mux::Muxer;
use crate::track::{Track, TrackId, Tracks};

/// PID of the program map.
const PID_MAP: u16 = 0x1000;
/// PIDs of elementary streams: that of its kind, and its index within.
const PID_VIDEO: u16 = 0x100;
const PID_AUDIO: u16 = 0x200;
const PID_DATA: u16 = 0x300;
/// Streams that share a range of `stream_id`s.
const STREAM_IDS: u8 = 16;

/// What is wanted of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TsOptions {
    /// Whether video tracks are carried.
    pub video: bool,
    /// Whether audio tracks are carried.
    pub audio: bool,
    /// Whether data tracks are carried.
    pub data: bool,
    /// Whether the tables are repeated, at most [`PSI_INTERVAL_TICKS`](super::PSI_INTERVAL_TICKS) apart and before
    /// each random access point. A segment that begins with them does without.
    pub repeat_tables: bool,
}

impl Default for TsOptions {
    fn default() -> Self {
        Self { video: true, audio: true, data: true, repeat_tables: true }
    }
}

/// Turns [`Media`] into a transport stream of one program (ISO/IEC 13818-1).
///
/// Each frame becomes one PES packet in one contiguous piece, together with the tables and clock references that
/// were due before it. Tracks that [`carries`](Self::carries) refuses are left out, as are tracks past what one
/// section of a program map holds. PIDs follow from the track's kind and index, so they are the same whenever
/// a track comes back.
///
/// Times are those of the media, [`START_OFFSET_TICKS`](super::START_OFFSET_TICKS) later, modulo 2^33 at 90 kHz.
/// A step of more than a second either way is told as a discontinuity of the clock.
#[derive(Debug)]
pub struct TsMuxer {
    options: TsOptions,
    streams: Vec<Stream>,
    pcr_pid: u16,
    map: Option<ProgramMap>,
    map_version: u8,
    tables: Tables,
    schedule: Schedule,
    /// Segments before the one that begins, all made alone.
    segments_before: Option<u64>,
    // Kept for its capacity.
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Stream {
    track: TrackId,
    kind: MediaKind,
    pid: u16,
    stream_id: u8,
    counter: u8,
    form: Form,
    /// Whether the next packet is to tell that its counter does not go on.
    discontinuity: bool,
    /// Whether the next frame is the last of a segment that is made alone.
    last: bool,
}

/// The sections of the tables and their counters.
#[derive(Debug, Default)]
struct Tables {
    association: Vec<u8>,
    association_counter: u8,
    map: Vec<u8>,
    map_counter: u8,
}

impl Tables {
    fn bytes(&self) -> usize {
        (section_packets(self.association.len()) + section_packets(self.map.len())) * PACKET_BYTES
    }

    /// Sets the counters to what they are when the tables were written so often.
    fn go_on_behind(&mut self, times: u64) {
        let counter =
            |section: &[u8]| (times.wrapping_mul(section_packets(section.len()) as u64) & 0xf) as u8;
        self.association_counter = counter(&self.association);
        self.map_counter = counter(&self.map);
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        write_section(PID_PAT, &mut self.association_counter, &self.association, out);
        write_section(PID_MAP, &mut self.map_counter, &self.map, out);
    }
}

impl TsMuxer {
    /// A muxer that knows of no track yet.
    #[must_use]
    pub fn new(options: TsOptions) -> Self {
        Self {
            options,
            streams: Vec::new(),
            pcr_pid: PID_NULL,
            map: None,
            map_version: 0,
            tables: Tables { association: association_section(PID_MAP), ..Tables::default() },
            schedule: Schedule::default(),
            segments_before: None,
            steps: Vec::new(),
        }
    }

    /// Whether a transport stream can carry tracks of this codec and configuration.
    #[must_use]
    pub fn carries(codec: &Codec) -> bool {
        carriage(codec).is_some()
    }

    /// Ids of the tracks that are carried: video, audio, data.
    pub fn carried(&self) -> impl Iterator<Item = TrackId> + '_ {
        self.streams.iter().map(|stream| stream.track)
    }

    /// Begins a segment: appends the tables, so that it can be decoded alone when its first picture is a random
    /// access point. Counters go on. Nothing is appended before there are tracks.
    pub fn begin_segment(&mut self, out: &mut Vec<Bytes>) {
        if self.map.is_some() {
            if let Some(before) = self.segments_before.take() {
                self.tables.go_on_behind(before);
            }
            let mut piece = Vec::with_capacity(self.tables.bytes());
            self.tables.write(&mut piece);
            self.schedule.tables_written();
            out.push(piece.into());
        }
    }

    /// A muxer that makes one segment alone, to stand behind `segments_before` others that were made so of the same
    /// tracks. The tables stand in front and nowhere else. Each carried track's last frame has to be announced by
    /// [`last_frame`](Self::last_frame): then the continuity counters go on from one segment to the next.
    #[must_use]
    pub fn for_segment(options: TsOptions, segments_before: u64) -> Self {
        let options = TsOptions { repeat_tables: false, ..options };
        Self { segments_before: Some(segments_before), ..Self::new(options) }
    }

    /// Tells that the next frame of `track` is the last one of its segment: it takes as many packets as make the
    /// counter end where it began.
    pub fn last_frame(&mut self, track: TrackId) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.track == track) {
            stream.last = true;
        }
    }

    /// Tells that what comes does not go on from what came: another timeline or other pictures. The next packet of
    /// each stream bears the `discontinuity_indicator`, the first one of the stream with clock references together
    /// with one.
    pub fn discontinuity(&mut self) {
        self.schedule.discontinuity();
        for stream in &mut self.streams {
            stream.discontinuity = true;
        }
    }

    fn set_tracks(&mut self, tracks: &Tracks) {
        let mut list: Vec<&Track> =
            tracks.list.iter().filter(|track| self.wants(track.codec.kind())).collect();
        list.sort_by_key(|track| (track.codec.kind(), track.id));
        let mut map = ProgramMap { pcr_pid: PID_NULL, descriptors: Vec::new(), entries: Vec::new() };
        let mut streams: Vec<Stream> = Vec::new();
        for track in list {
            let (Some(carriage), Some(form)) = (carriage(&track.codec), Form::of(&track.codec)) else {
                continue;
            };
            let kind = track.codec.kind();
            let base = match kind {
                MediaKind::Video => PID_VIDEO,
                MediaKind::Audio => PID_AUDIO,
                MediaKind::Data => PID_DATA,
            };
            let pid = base + u16::from(track.id.index());
            let before = map.clone();
            if !map
                .descriptors
                .windows(carriage.program_descriptors.len().max(1))
                .any(|held| held == carriage.program_descriptors)
            {
                map.descriptors.extend(&carriage.program_descriptors);
            }
            let descriptors = carriage.descriptors;
            map.entries.push(MapEntry { stream_type: carriage.stream_type, pid, descriptors });
            if map.section_bytes() > MAX_TABLE_BYTES || streams.iter().any(|stream| stream.pid == pid) {
                map = before;
                continue;
            }
            let same_kind = streams.iter().filter(|stream| stream.kind == kind).count() as u8;
            let ranged = matches!(carriage.stream_id, 0xc0 | 0xe0);
            let stream_id = carriage.stream_id + if ranged { same_kind % STREAM_IDS } else { 0 };
            let held = self.streams.iter().find(|stream| stream.pid == pid);
            let counter = held.map_or(0, |stream| stream.counter);
            let discontinuity = held.map_or(self.map.is_some(), |stream| stream.discontinuity);
            streams.push(Stream {
                track: track.id,
                kind,
                pid,
                stream_id,
                counter,
                form,
                discontinuity,
                last: false,
            });
        }
        // Video comes first, else audio.
        map.pcr_pid = streams.first().map_or(PID_NULL, |stream| stream.pid);
        if self.pcr_pid != map.pcr_pid && self.map.is_some() {
            self.schedule.discontinuity();
        }
        self.pcr_pid = map.pcr_pid;
        self.streams = streams;
        if self.map.as_ref() != Some(&map) {
            if self.map.is_some() {
                self.map_version = (self.map_version + 1) & 0x1f;
            }
            self.tables.map = map.section(self.map_version);
            self.map = Some(map);
        }
    }

    const fn wants(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Video => self.options.video,
            MediaKind::Audio => self.options.audio,
            MediaKind::Data => self.options.data,
        }
    }

    fn frame(&mut self, frame: &Frame, out: &mut Vec<Bytes>) -> Result<(), TsError> {
        let pcr_pid = self.pcr_pid;
        let Some(at) = self.streams.iter().position(|stream| stream.track == frame.track) else {
            return Ok(());
        };
        let next_pcr_counter = self.streams.first().map_or(0, |stream| stream.counter);
        let mut clock_told = false;
        let Some(Stream { kind, pid, stream_id, counter, form, discontinuity, last, .. }) =
            self.streams.get_mut(at)
        else {
            return Ok(());
        };
        let payload = form.payload(frame)?;
        if payload.len() == 0 || frame.data.is_empty() {
            return Ok(());
        }
        let (pts, dts) = (clock(frame.pts), clock(frame.dts));
        let is_section = matches!(payload, Payload::Section(_));
        let clocked = *pid == pcr_pid && !is_section;
        let random_access = frame.sync && (*kind == MediaKind::Video || *pid == pcr_pid);
        let leading_picture = random_access && *kind == MediaKind::Video;

        self.steps.clear();
        let repeat = self.options.repeat_tables;
        let now = dts.wrapping_sub(PCR_LEAD_TICKS);
        let own = self.schedule.advance(now, clocked, leading_picture, repeat, &mut self.steps);
        let header = PesHeader::new(*stream_id, pts, dts, payload.len());
        let adaptation = Adaptation {
            discontinuity: own.discontinuity || std::mem::take(discontinuity),
            // Of sound every frame could be marked; where it carries the clock, those that do are.
            random_access: random_access && (leading_picture || own.pcr.is_some()),
            pcr: own.pcr,
        };
        let whole = header.bytes().len() + payload.len();
        let steps: usize = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Tables => self.tables.bytes(),
                Step::Clock { .. } => PACKET_BYTES,
            })
            .sum();
        let tail = match std::mem::take(last) {
            true if !is_section => tail_to_zero(whole, adaptation, *counter).unwrap_or(0),
            _ => 0,
        };
        let own_packets = if is_section {
            section_packets(payload.len())
        } else {
            packets(whole - tail, adaptation) + tail
        };
        let mut piece = Vec::with_capacity(steps + own_packets * PACKET_BYTES);
        for step in &self.steps {
            match *step {
                Step::Tables => self.tables.write(&mut piece),
                Step::Clock { pcr, discontinuity } => {
                    clock_told |= discontinuity;
                    let clock = Adaptation { pcr: Some(pcr), discontinuity, random_access: false };
                    write_adaptation_only(pcr_pid, next_pcr_counter, clock, &mut piece);
                }
            }
        }
        if let Payload::Section(section) = &payload {
            write_section(*pid, counter, section, &mut piece);
        } else {
            let mut writer =
                PacketWriter::begin_with_tail(&mut piece, *pid, counter, adaptation, whole, tail);
            writer.put(header.bytes());
            payload.write(&mut writer);
        }
        out.push(piece.into());
        if clock_told && let Some(stream) = self.streams.first_mut() {
            stream.discontinuity = false;
        }
        Ok(())
    }
}

impl Muxer for TsMuxer {
    type Error = TsError;

    /// Appends the tables for tracks, and one piece for a frame of a track that is carried.
    ///
    /// # Errors
    /// [`TsError`] when a frame is not in the canonical form of its codec or does not fit a PES packet.
    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), TsError> {
        match media {
            Media::Tracks(tracks) => {
                self.set_tracks(tracks);
                self.begin_segment(out);
                Ok(())
            }
            Media::Frame(frame) => self.frame(frame, out),
        }
    }

    /// Appends nothing: a transport stream ends with its last packet.
    fn finish(&mut self, _out: &mut Vec<Bytes>) -> Result<(), TsError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
