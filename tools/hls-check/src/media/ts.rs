//! MPEG-TS (ISO/IEC 13818-1): programs, PES timestamps, random access, continuity counters.

use std::collections::BTreeMap;

use super::{Kind, Media, Span};
use crate::rule;

const PACKET: usize = 188;
const WRAP: i64 = 1 << 33;

/// The elementary streams of the first program: PID and `stream_type`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Program {
    streams: Vec<(u16, u8)>,
}

/// `difference` of two clock values, the shorter way around.
pub(super) fn nearest(difference: i64) -> i64 {
    (difference + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}

pub(super) fn looks_like(body: &[u8]) -> bool {
    body.first() == Some(&0x47) && (body.len() == PACKET || body.get(PACKET) == Some(&0x47))
}

/// A track while it is read.
struct Stream {
    kind: Kind,
    stream_type: u8,
    first: i64,
    last: i64,
    presentation: i64,
    samples: u32,
    sync: bool,
    looking: bool,
    tail: Vec<u8>,
}

/// One packet, taken apart.
struct Packet<'a> {
    pid: u16,
    start: bool,
    counter: u8,
    random_access: bool,
    discontinuity: bool,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_first_chunk::<4>()?;
        let [sync, high, low, flags] = *head;
        if sync != 0x47 {
            return None;
        }
        let (mut random_access, mut discontinuity) = (false, false);
        if flags & 0x20 != 0 {
            let (&length, after) = rest.split_first()?;
            let (field, after) = after.split_at_checked(usize::from(length))?;
            if let Some(&bits) = field.first() {
                random_access = bits & 0x40 != 0;
                discontinuity = bits & 0x80 != 0;
            }
            rest = after;
        }
        Some(Self {
            pid: u16::from(high & 0x1f) << 8 | u16::from(low),
            start: high & 0x40 != 0,
            counter: flags & 0x0f,
            random_access,
            discontinuity,
            payload: if flags & 0x10 != 0 { rest } else { &[] },
        })
    }
}

/// Reads a segment or part; `program` is what earlier parts said, and is renewed.
pub(super) fn read(body: &[u8], program: &mut Option<Program>) -> Media {
    let mut media = Media { transport: true, ..Media::default() };
    let mut tables = None;
    let mut streams: BTreeMap<u16, Stream> = BTreeMap::new();
    let mut counters: BTreeMap<u16, u8> = BTreeMap::new();
    if !body.len().is_multiple_of(PACKET) {
        let message = format!("{} bytes are no whole number of TS packets", body.len());
        media.faults.push((rule::MEDIA_MALFORMED, message));
    }
    for (number, bytes) in body.chunks_exact(PACKET).enumerate() {
        let Some(packet) = Packet::read(bytes) else {
            media.faults.push((rule::MEDIA_MALFORMED, format!("TS packet {number} is malformed")));
            return media;
        };
        if packet.pid == 0x1fff {
            continue;
        }
        if !packet.payload.is_empty() {
            let known = counters.insert(packet.pid, packet.counter);
            if let Some(known) = known.filter(|_| !packet.discontinuity)
                && packet.counter != (known + 1) & 0x0f
                && packet.counter != known
            {
                media.faults.push((
                    rule::CONTINUITY_COUNTER,
                    format!("PID {} counts {} after {known}", packet.pid, packet.counter),
                ));
            }
        }
        if packet.pid == 0 && packet.start {
            tables = tables.or_else(|| map_pid(packet.payload));
        } else if tables == Some(packet.pid) && packet.start {
            if let Some(found) = streams_of(packet.payload) {
                *program = Some(Program { streams: found });
                media.has_program = true;
            }
        } else if let Some(&(_, stream_type)) =
            program.as_ref().and_then(|p| p.streams.iter().find(|(pid, _)| *pid == packet.pid))
        {
            elementary(&packet, stream_type, &mut streams);
        }
    }
    media.spans = streams.into_iter().map(|(pid, stream)| stream.span(pid)).collect();
    media
}

fn elementary(packet: &Packet<'_>, stream_type: u8, streams: &mut BTreeMap<u16, Stream>) {
    if packet.start {
        let Some((dts, pts, data)) = pes(packet.payload) else { return };
        let kind = kind(stream_type);
        let stream = streams.entry(packet.pid).or_insert_with(|| Stream {
            kind,
            stream_type,
            first: dts,
            last: dts,
            presentation: pts,
            samples: 0,
            sync: kind != Kind::Video || packet.random_access,
            looking: kind == Kind::Video,
            tail: Vec::new(),
        });
        stream.samples += 1;
        // The clock is unwrapped from the first sample on.
        stream.last = stream.first + nearest(dts - stream.first);
        stream.presentation = stream.presentation.min(stream.first + nearest(pts - stream.first));
        stream.looking &= stream.samples == 1;
        stream.look(data);
    } else if let Some(stream) = streams.get_mut(&packet.pid) {
        stream.look(packet.payload);
    }
}

impl Stream {
    /// Looks for a random access NAL unit in the first access unit, for streams that do not set the indicator.
    fn look(&mut self, data: &[u8]) {
        if !self.looking || self.sync {
            return;
        }
        self.tail.extend_from_slice(data);
        self.sync = self.tail.windows(4).any(|window| match window {
            [0, 0, 1, header] if self.stream_type == 0x1b => header & 0x1f == 5,
            [0, 0, 1, header] if self.stream_type == 0x24 => (16..=21).contains(&(header >> 1 & 0x3f)),
            _ => false,
        });
        // A start code may begin in this packet and end in the next.
        self.tail.drain(..self.tail.len().saturating_sub(3));
    }

    fn span(self, pid: u16) -> Span {
        let steps = i64::from(self.samples) - 1;
        let step = if steps > 0 { (self.last - self.first) / steps } else { 0 };
        Span {
            track: u32::from(pid),
            kind: self.kind,
            timescale: 90_000,
            start: self.first,
            end: self.last + step,
            presentation: self.presentation,
            samples: self.samples,
            sync: self.sync,
            transport: true,
        }
    }
}

fn kind(stream_type: u8) -> Kind {
    match stream_type {
        0x01 | 0x02 | 0x10 | 0x1b | 0x24 | 0xdb => Kind::Video,
        0x03 | 0x04 | 0x0f | 0x11 | 0x81 | 0x87 | 0xc1 | 0xc2 | 0xcf => Kind::Audio,
        _ => Kind::Other,
    }
}

/// The body of a section that begins in this packet: after the header, before the CRC.
fn section(payload: &[u8], table: u8) -> Option<&[u8]> {
    let (&pointer, rest) = payload.split_first()?;
    let section = rest.get(usize::from(pointer)..)?;
    let (head, rest) = section.split_first_chunk::<3>()?;
    let [id, high, low] = *head;
    let length = usize::from(high & 0x0f) << 8 | usize::from(low);
    (id == table).then(|| rest.get(5..length.checked_sub(4)?))?
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from(high & 0x1f) << 8 | u16::from(low)
}

/// PID of the first program's map.
fn map_pid(payload: &[u8]) -> Option<u16> {
    section(payload, 0)?.chunks_exact(4).find_map(|entry| match *entry {
        [0, 0, _, _] => None,
        [_, _, high, low] => Some(pid(high, low)),
        _ => None,
    })
}

fn streams_of(payload: &[u8]) -> Option<Vec<(u16, u8)>> {
    let body = section(payload, 2)?;
    let (head, mut rest) = body.split_first_chunk::<4>()?;
    let [_, _, high, low] = *head;
    rest = rest.get(usize::from(high & 0x0f) << 8 | usize::from(low)..)?;
    let mut streams = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let [stream_type, high, low, info_high, info_low] = *head;
        streams.push((pid(high, low), stream_type));
        rest = after.get(usize::from(info_high & 0x0f) << 8 | usize::from(info_low)..)?;
    }
    Some(streams)
}

/// DTS, PTS and data of a PES packet that begins here; None without timestamps.
fn pes(payload: &[u8]) -> Option<(i64, i64, &[u8])> {
    let (head, rest) = payload.split_first_chunk::<9>()?;
    let [0, 0, 1, _, _, _, _, flags, length] = *head else { return None };
    let (header, data) = rest.split_at_checked(usize::from(length))?;
    if flags & 0x80 == 0 {
        return None;
    }
    let pts = timestamp(header.first_chunk()?);
    let dts = if flags & 0x40 != 0 { timestamp(header.get(5..)?.first_chunk()?) } else { pts };
    Some((dts, pts, data))
}

fn timestamp(bytes: &[u8; 5]) -> i64 {
    let [a, b, c, d, e] = bytes.map(i64::from);
    (a >> 1 & 0x7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_of_33_bits() {
        assert_eq!(timestamp(&[0x2f, 0xff, 0xff, 0xff, 0xff]), WRAP - 1);
        assert_eq!(timestamp(&[0x21, 0x00, 0x05, 0xbf, 0x21]), 90_000);
        assert_eq!(nearest(-WRAP + 5), 5);
    }

    #[test]
    fn a_start_code_may_lie_across_two_packets() {
        let mut stream = Stream {
            kind: Kind::Video,
            stream_type: 0x1b,
            first: 0,
            last: 0,
            presentation: 0,
            samples: 1,
            sync: false,
            looking: true,
            tail: Vec::new(),
        };
        stream.look(&[9, 9, 0, 0]);
        assert!(!stream.sync);
        stream.look(&[1, 0x65]);
        assert!(stream.sync);
    }
}
