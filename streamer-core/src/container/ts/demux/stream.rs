//! One elementary stream: its packets put together into PES packets or sections, and these read.

use bytes::Bytes;

use super::super::carriage::{Syntax, opus_config};
use super::super::crc::crc32;
use super::super::packet::Packet;
use super::super::pes::{self, PesStart};
use super::super::psi::MapEntry;
use super::super::section::{SectionReader, TABLE_SPLICE_INFO};
use super::super::timing::{Unwrapper, near};
use super::TsStats;
use super::audio::{AudioReader, AudioSyntax};
use super::continuity::{Continuity, Counter};
use super::opus;
use super::unit::{Times, Unit};
use super::video::{VideoReader, VideoSyntax};
use crate::codec::{Codec, DataFormat, MediaKind};
use crate::track::TrackId;

/// Longest PES packet of a picture: 8 MiB, above the largest pictures of 4K at their highest bit rates.
pub const MAX_PICTURE_BYTES: usize = 8 << 20;
/// Longest PES packet of anything else: what its length field can say.
pub const MAX_PES_BYTES: usize = pes::PREFIX_BYTES + 0xffff;

/// A stream of the program.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) entry: MapEntry,
    pub(super) track: TrackId,
    /// As far as it is known.
    pub(super) codec: Option<Codec>,
    reader: Reader,
    counter: Counter,
    /// The PES packet that has begun.
    held: Vec<u8>,
    /// Whether `held` begins at the beginning of one.
    begun: bool,
}

#[derive(Debug)]
enum Reader {
    Video(VideoReader),
    Audio(AudioReader),
    Opus,
    Id3,
    Scte35(SectionReader),
}

impl Stream {
    /// The kind of track that `syntax` makes.
    pub(super) const fn kind(syntax: Syntax) -> MediaKind {
        match syntax {
            Syntax::H264 | Syntax::H265 => MediaKind::Video,
            Syntax::Scte35 | Syntax::Id3 => MediaKind::Data,
            Syntax::Adts | Syntax::Mp3 | Syntax::Ac3 | Syntax::Eac3 | Syntax::Opus(_) => MediaKind::Audio,
        }
    }

    /// A stream before its first packet; `None` for Opus in a layout that is not known.
    pub(super) fn new(entry: MapEntry, syntax: Syntax, track: TrackId) -> Option<Self> {
        let audio = |syntax| Reader::Audio(AudioReader::new(syntax));
        let (reader, codec) = match syntax {
            Syntax::H264 => (Reader::Video(VideoReader::new(VideoSyntax::H264)), None),
            Syntax::H265 => (Reader::Video(VideoReader::new(VideoSyntax::H265)), None),
            Syntax::Adts => (audio(AudioSyntax::Adts), None),
            Syntax::Mp3 => (audio(AudioSyntax::Mp3), None),
            Syntax::Ac3 => (audio(AudioSyntax::Ac3), None),
            Syntax::Eac3 => (audio(AudioSyntax::Eac3), None),
            Syntax::Opus(channels) => (Reader::Opus, Some(Codec::Opus(opus_config(channels)?))),
            Syntax::Id3 => (Reader::Id3, Some(Codec::Data(DataFormat::Id3))),
            Syntax::Scte35 => {
                (Reader::Scte35(SectionReader::default()), Some(Codec::Data(DataFormat::Scte35)))
            }
        };
        let counter = Counter::default();
        Some(Self { entry, track, codec, reader, counter, held: Vec::new(), begun: false })
    }

    /// Bytes held of a PES packet that has begun.
    pub(super) const fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Reads the next packet of the stream and appends what is whole by then. `room` is what all streams together
    /// may still hold.
    pub(super) fn push(
        &mut self,
        packet: &Packet<'_>,
        room: usize,
        clock: &mut Unwrapper,
        stats: &mut TsStats,
        out: &mut Vec<Unit>,
    ) {
        let Some(payload) = packet.payload else { return };
        match self.counter.judge(packet) {
            Continuity::Next => {}
            Continuity::Duplicate => {
                stats.duplicates += 1;
                return;
            }
            Continuity::Gap => {
                stats.gaps += 1;
                self.gap(stats);
            }
        }
        if let Reader::Scte35(reader) = &mut self.reader {
            let mut sections = Vec::new();
            stats.malformed += reader.push(payload, packet.unit_start, &mut sections);
            for section in sections {
                match clock.last() {
                    // It has no time of its own: it came with what was decoded last.
                    Some(at) if section.first() == Some(&TABLE_SPLICE_INFO) && crc32(&section) == 0 => {
                        out.push(Unit::sound(at, section));
                    }
                    _ => stats.malformed += 1,
                }
            }
            return;
        }
        if packet.unit_start {
            self.finish(clock, stats, out);
            self.begun = true;
        }
        if !self.begun {
            return;
        }
        let max = if matches!(self.reader, Reader::Video(_)) { MAX_PICTURE_BYTES } else { MAX_PES_BYTES };
        if self.held.len() + payload.len() > max || payload.len() > room {
            stats.malformed += 1;
            self.gap(stats);
            return;
        }
        self.held.extend_from_slice(payload);
        if pes::packet_bytes(&self.held).is_some_and(|whole| self.held.len() >= whole) {
            self.finish(clock, stats, out);
        }
    }

    /// Reads the PES packet that is held, as far as it goes.
    pub(super) fn finish(&mut self, clock: &mut Unwrapper, stats: &mut TsStats, out: &mut Vec<Unit>) {
        self.begun = false;
        if self.held.is_empty() {
            return;
        }
        let mut packet = Bytes::from(std::mem::take(&mut self.held));
        if let Some(whole) = pes::packet_bytes(&packet) {
            if packet.len() < whole {
                stats.gaps += 1;
                stats.damaged += 1;
                self.lose();
                return;
            }
            packet.truncate(whole);
        }
        let Some(PesStart { header_bytes, pts, dts }) = PesStart::parse(&packet) else {
            stats.malformed += 1;
            self.lose();
            return;
        };
        let times = pts.map(|pts| {
            let dts = clock.unwrap(dts.unwrap_or(pts));
            Times { pts: near(Some(dts), pts), dts }
        });
        self.read(&packet.slice(header_bytes..), times, stats, out);
    }

    fn read(&mut self, payload: &Bytes, times: Option<Times>, stats: &mut TsStats, out: &mut Vec<Unit>) {
        let pts = times.map(|times| times.pts);
        match &mut self.reader {
            Reader::Video(reader) => match reader.push(payload, times, out) {
                Ok(true) => {}
                Ok(false) => stats.skipped += 1,
                Err(_) => stats.malformed += 1,
            },
            Reader::Audio(reader) => stats.junk_bytes += reader.push(payload.clone(), pts, out) as u64,
            Reader::Opus => match pts {
                Some(pts) if opus::read(payload, pts, out) => {}
                Some(_) => stats.malformed += 1,
                None => stats.skipped += 1,
            },
            Reader::Id3 => match pts {
                Some(pts) if !payload.is_empty() => out.push(Unit::sound(pts, payload.clone())),
                _ => stats.skipped += 1,
            },
            // Sections do not come in PES packets.
            Reader::Scte35(_) => {}
        }
    }

    /// Packets are missing: what has begun is of no use.
    fn gap(&mut self, stats: &mut TsStats) {
        if !self.held.is_empty() {
            stats.damaged += 1;
        }
        self.held = Vec::new();
        self.begun = false;
        self.lose();
    }

    fn lose(&mut self) {
        match &mut self.reader {
            Reader::Video(reader) => reader.gap(),
            Reader::Audio(reader) => reader.gap(),
            Reader::Scte35(reader) => reader.reset(),
            Reader::Opus | Reader::Id3 => {}
        }
    }
}
