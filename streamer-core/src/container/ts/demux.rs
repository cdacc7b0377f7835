//! Transport stream bytes in, chopped and damaged in any way, media out.

mod audio;
mod continuity;
mod opus;
mod probe;
mod stream;
mod sync;
mod unit;
mod video;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use self::continuity::{Continuity, Counter};
use self::probe::Probe;
use self::stream::Stream;
use self::sync::PacketFinder;
use self::unit::Unit;
use super::carriage::{self, Syntax};
use super::error::TsError;
use super::packet::{PACKET_BYTES, PID_NULL, PID_PAT, Packet};
use super::psi::{MapEntry, ProgramMap, parse_association};
use super::section::SectionReader;
use super::timing::Unwrapper;
use crate::codec::MediaKind;
use crate::frame::{Frame, Media};
use crate::time::{Timescale, Timestamp};
use crate::track::{MAX_TRACKS, Track, TrackId, Tracks};

pub use self::audio::MAX_AUDIO_UNIT_BYTES;
pub use self::probe::{MAX_PROBED_BYTES, MAX_PROBED_FRAMES, MAX_PROBED_TICKS};
pub use self::stream::{MAX_PES_BYTES, MAX_PICTURE_BYTES};
pub use self::sync::MAX_SEARCHED_BYTES;

/// Bytes of PES packets that have begun, of all streams together: two pictures of the largest size.
pub const MAX_HELD_BYTES: usize = 16 << 20;
/// Streams hold less than this without being counted together.
const UNCOUNTED_BYTES: usize = 64 << 10;

/// What was seen and what was left out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TsStats {
    /// Packets read.
    pub packets: u64,
    /// Packets left out because they were there already.
    pub duplicates: u64,
    /// Times that packets of a stream or table were missing.
    pub gaps: u64,
    /// Packets marked as damaged, scrambled, or with fields that do not fit.
    pub unreadable: u64,
    /// PES packets given up because part of them was missing.
    pub damaged: u64,
    /// PES packets, sections and parameter sets that broke a rule or a bound.
    pub malformed: u64,
    /// Access units left out: without a time, before a configuration, or before a random access point.
    pub skipped: u64,
    /// Bytes of audio streams that belonged to no frame given.
    pub junk_bytes: u64,
    /// Streams of the program map in force that are not supported, or too many.
    pub unsupported_streams: u64,
}

/// Turns a transport stream into [`Media`]: the first program of the association table, times in 90 kHz without
/// wraps.
///
/// Tracks precede the frames they govern. At the start frames wait until the configurations of all video and audio
/// streams are known, within bounds, so that the tracks do not come one by one. Damaged and lost packets cost
/// the PES packets they were of; after them, as at the start, the next picture given is one at which a decoder can
/// begin. What is left out is [counted](Self::stats).
#[derive(Debug)]
pub struct TsDemuxer {
    packets: PacketFinder,
    association: Table,
    program: Option<Program>,
    streams: Vec<Stream>,
    clock: Unwrapper,
    announced: Tracks,
    /// Whether the tracks may differ from what was announced.
    changed: bool,
    probe: Probe,
    ready: VecDeque<Media>,
    stats: TsStats,
    finished: bool,
    failed: Option<TsError>,
    // Kept for its capacity.
    scratch: Vec<Unit>,
}

/// The sections of one table.
#[derive(Debug, Default)]
struct Table {
    reader: SectionReader,
    counter: Counter,
    /// The section in force.
    last: Bytes,
}

#[derive(Debug)]
struct Program {
    number: u16,
    pid: u16,
    map: Table,
}

impl Table {
    /// Reads the next packet; gives the sections that are whole and not the one in force.
    fn push(&mut self, packet: &Packet<'_>, stats: &mut TsStats) -> Vec<Bytes> {
        let mut sections = Vec::new();
        let Some(payload) = packet.payload else { return sections };
        match self.counter.judge(packet) {
            Continuity::Next => {}
            Continuity::Duplicate => {
                stats.duplicates += 1;
                return sections;
            }
            Continuity::Gap => {
                stats.gaps += 1;
                self.reader.reset();
            }
        }
        stats.malformed += self.reader.push(payload, packet.unit_start, &mut sections);
        sections.retain(|section| *section != self.last);
        sections
    }
}

impl Default for TsDemuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsDemuxer {
    /// A demuxer anywhere in a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            packets: PacketFinder::new(),
            association: Table::default(),
            program: None,
            streams: Vec::new(),
            clock: Unwrapper::default(),
            announced: Tracks::default(),
            changed: false,
            probe: Probe::default(),
            ready: VecDeque::new(),
            stats: TsStats::default(),
            finished: false,
            failed: None,
            scratch: Vec::new(),
        }
    }

    /// The tracks as last told.
    #[must_use]
    pub const fn tracks(&self) -> &Tracks {
        &self.announced
    }

    /// What was seen and left out so far.
    #[must_use]
    pub const fn stats(&self) -> TsStats {
        self.stats
    }

    /// Takes the next bytes. They are held until [`pull`](Self::pull) has come to them, so pull until there is
    /// nothing more before pushing again.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.packets.push(bytes);
        }
    }

    /// Tells that no more bytes come: what is held of the last access units is then given by [`pull`](Self::pull).
    pub const fn finish(&mut self) {
        self.finished = true;
    }

    /// The next element, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// [`TsError::NoSync`] when there are no packets for too long; every further call gives it again.
    pub fn pull(&mut self) -> Result<Option<Media>, TsError> {
        loop {
            if let Some(media) = self.ready.pop_front() {
                return Ok(Some(media));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            let Some(packet) = self.packets.pull() else {
                let searched = self.packets.searched();
                if searched > MAX_SEARCHED_BYTES {
                    self.failed = Some(TsError::NoSync { searched, max: MAX_SEARCHED_BYTES });
                    continue;
                }
                if !std::mem::take(&mut self.finished) {
                    return Ok(None);
                }
                self.flush();
                continue;
            };
            self.packet(&packet);
        }
    }

    fn packet(&mut self, bytes: &[u8; PACKET_BYTES]) {
        self.stats.packets += 1;
        let packet = match Packet::parse(bytes) {
            Some(packet) if !packet.error && !packet.scrambled => packet,
            _ => {
                self.stats.unreadable += 1;
                return;
            }
        };
        match packet.pid {
            PID_NULL => {}
            PID_PAT => {
                for section in self.association.push(&packet, &mut self.stats) {
                    self.associate(&section);
                }
            }
            pid => {
                if let Some(program) = self.program.as_mut().filter(|program| program.pid == pid) {
                    let number = program.number;
                    for section in program.map.push(&packet, &mut self.stats) {
                        self.map(section, number);
                    }
                } else if let Some(at) = self.streams.iter().position(|stream| stream.entry.pid == pid) {
                    self.elementary(at, &packet);
                }
            }
        }
    }

    fn associate(&mut self, section: &Bytes) {
        let Some((number, pid)) = parse_association(section) else {
            self.stats.malformed += 1;
            return;
        };
        self.association.last = section.clone();
        if self.program.as_ref().is_none_or(|held| (held.number, held.pid) != (number, pid)) {
            self.program = Some(Program { number, pid, map: Table::default() });
        }
    }

    /// Takes a program map: streams that stay go on, others come and go.
    fn map(&mut self, section: Bytes, number: u16) {
        let Some(map) = ProgramMap::parse(&section, number) else {
            self.stats.malformed += 1;
            return;
        };
        if let Some(program) = &mut self.program {
            program.map.last = section;
        }
        self.changed = true;
        let map_pid = self.program.as_ref().map_or(PID_PAT, |program| program.pid);
        let mut held = std::mem::take(&mut self.streams);
        let mut coming: Vec<(MapEntry, Syntax)> = Vec::new();
        self.stats.unsupported_streams = 0;
        for entry in map.entries {
            let taken = matches!(entry.pid, PID_PAT | PID_NULL) || entry.pid == map_pid;
            let twice = coming.iter().any(|(other, _)| other.pid == entry.pid);
            match carriage::syntax(&entry) {
                Some(syntax) if !taken && !twice && coming.len() < MAX_TRACKS => coming.push((entry, syntax)),
                _ => self.stats.unsupported_streams += 1,
            }
        }
        // Those that stay keep their names, so new ones take others.
        held.retain(|stream| coming.iter().any(|(entry, _)| *entry == stream.entry));
        for (entry, syntax) in coming {
            if let Some(at) = held.iter().position(|stream| stream.entry == entry) {
                self.streams.push(held.swap_remove(at));
                continue;
            }
            let track = self.free_track(&held, Stream::kind(syntax));
            match Stream::new(entry, syntax, track) {
                Some(stream) => self.streams.push(stream),
                None => self.stats.unsupported_streams += 1,
            }
        }
    }

    /// The first name of `kind` that no stream has.
    fn free_track(&self, held: &[Stream], kind: MediaKind) -> TrackId {
        let name = |index| match kind {
            MediaKind::Video => TrackId::video(index),
            MediaKind::Audio => TrackId::audio(index),
            MediaKind::Data => TrackId::data(index),
        };
        let taken = |id| self.streams.iter().chain(held).any(|stream| stream.track == id);
        (0..=u8::MAX).map(name).find(|id| !taken(*id)).unwrap_or_else(|| name(u8::MAX))
    }

    fn elementary(&mut self, at: usize, packet: &Packet<'_>) {
        let held = self.streams.get(at).map_or(0, Stream::held_bytes);
        let room = if held < UNCOUNTED_BYTES {
            UNCOUNTED_BYTES
        } else {
            let all: usize = self.streams.iter().map(Stream::held_bytes).sum();
            MAX_HELD_BYTES.saturating_sub(all)
        };
        let mut units = std::mem::take(&mut self.scratch);
        if let Some(stream) = self.streams.get_mut(at) {
            stream.push(packet, room, &mut self.clock, &mut self.stats, &mut units);
        }
        self.take(at, &mut units);
        self.scratch = units;
    }

    /// Gives what was read of the stream at this place.
    fn take(&mut self, at: usize, units: &mut Vec<Unit>) {
        for unit in units.drain(..) {
            let Some(stream) = self.streams.get_mut(at) else { return };
            match unit {
                Unit::Config(codec) => {
                    // What waits is of the configuration before.
                    if stream.codec.is_some() && !self.probe.is_settled() {
                        self.settle();
                    }
                    if let Some(stream) = self.streams.get_mut(at) {
                        stream.codec = Some(codec);
                    }
                    self.changed = true;
                }
                Unit::Frame { pts, dts, sync, data } => {
                    let at = |ticks| Timestamp::new(ticks, Timescale::MPEG);
                    let frame =
                        Arc::new(Frame { track: stream.track, dts: at(dts), pts: at(pts), sync, data });
                    if self.probe.is_settled() {
                        self.announce();
                        self.ready.push_back(Media::Frame(frame));
                        continue;
                    }
                    let complete = self.streams.iter().all(|stream| stream.codec.is_some());
                    if self.probe.hold(frame, complete) {
                        self.settle();
                    }
                }
            }
        }
    }

    /// Ends the wait at the start.
    fn settle(&mut self) {
        let held = self.probe.settle();
        if !held.is_empty() {
            self.announce();
            self.ready.extend(held.into_iter().map(Media::Frame));
        }
    }

    /// Tells the tracks if they changed.
    fn announce(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let known = self.streams.iter().filter_map(|stream| Some((stream.track, stream.codec.as_ref()?)));
        let mut announced = self.announced.list.iter().map(|track| (track.id, &track.codec));
        if known.clone().eq(&mut announced) {
            return;
        }
        let list = known.map(|(id, codec)| Track { id, timescale: Timescale::MPEG, codec: codec.clone() });
        self.announced = Tracks { list: list.collect(), metadata: Vec::new() };
        self.ready.push_back(Media::Tracks(Arc::new(self.announced.clone())));
    }

    /// Reads what streams hold of PES packets that do not tell their length.
    fn flush(&mut self) {
        let mut units = std::mem::take(&mut self.scratch);
        for at in 0..self.streams.len() {
            if let Some(stream) = self.streams.get_mut(at) {
                stream.finish(&mut self.clock, &mut self.stats, &mut units);
            }
            self.take(at, &mut units);
        }
        self.scratch = units;
        self.settle();
    }
}

#[cfg(test)]
mod tests;
