//! The transport packet: its header, the adaptation field, and a payload cut into packets (ISO/IEC 13818-1 2.4.3).

use super::timing::wrap;

/// Bytes of a packet.
pub const PACKET_BYTES: usize = 188;
/// The first byte of a packet.
pub const SYNC_BYTE: u8 = 0x47;
/// Bytes of a packet behind its header.
pub(super) const BODY_BYTES: usize = PACKET_BYTES - HEADER_BYTES;
const HEADER_BYTES: usize = 4;

/// PID of the program association table.
pub(super) const PID_PAT: u16 = 0;
/// PID of null packets.
pub(super) const PID_NULL: u16 = 0x1fff;

/// Values of the adaptation field's flags.
const DISCONTINUITY: u8 = 0x80;
const RANDOM_ACCESS: u8 = 0x40;
const PCR: u8 = 0x10;
/// Bytes of a clock reference.
const PCR_BYTES: usize = 6;

/// What the header and the adaptation field of a packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// `transport_error_indicator`.
    pub(super) error: bool,
    /// `payload_unit_start_indicator`.
    pub(super) unit_start: bool,
    pub(super) scrambled: bool,
    pub(super) continuity: u8,
    /// `discontinuity_indicator`.
    pub(super) discontinuity: bool,
    /// `random_access_indicator`.
    pub(super) random_access: bool,
    /// `program_clock_reference_base`.
    pub(super) pcr: Option<u64>,
    /// `None` when the packet has none.
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when it does not begin with a sync byte or its adaptation field does not fit.
    pub(super) fn parse(bytes: &'a [u8; PACKET_BYTES]) -> Option<Self> {
        let [SYNC_BYTE, first, second, third, body @ ..] = bytes else { return None };
        let control = third >> 4 & 3;
        let mut packet = Self {
            pid: u16::from_be_bytes([first & 0x1f, *second]),
            error: first & 0x80 != 0,
            unit_start: first & 0x40 != 0,
            scrambled: third & 0xc0 != 0,
            continuity: third & 0xf,
            discontinuity: false,
            random_access: false,
            pcr: None,
            payload: None,
        };
        let mut rest = &body[..];
        if control & 2 != 0 {
            let (&len, behind) = body.split_first()?;
            let (field, behind) = behind.split_at_checked(len.into())?;
            rest = behind;
            if let Some((&flags, field)) = field.split_first() {
                packet.discontinuity = flags & DISCONTINUITY != 0;
                packet.random_access = flags & RANDOM_ACCESS != 0;
                if flags & PCR != 0
                    && let Some(&[a, b, c, d, e, _]) = field.first_chunk::<PCR_BYTES>()
                {
                    packet.pcr = Some(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]) >> 7);
                }
            }
        }
        packet.payload = (control & 1 != 0).then_some(rest);
        Some(packet)
    }
}

/// What stands in the adaptation field of the packet that begins a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Adaptation {
    pub(super) discontinuity: bool,
    pub(super) random_access: bool,
    /// Clock reference in 90 kHz ticks, not wrapped.
    pub(super) pcr: Option<i64>,
}

impl Adaptation {
    /// Bytes of the field; none when it says nothing.
    const fn len(self) -> usize {
        match self.pcr {
            Some(_) => 2 + PCR_BYTES,
            None if self.discontinuity || self.random_access => 2,
            None => 0,
        }
    }

    /// Appends the field, stuffed to `len` bytes, which are at least its own.
    fn write(self, len: usize, out: &mut Vec<u8>) {
        let Some(behind_length) = len.checked_sub(1) else { return };
        let end = out.len() + len;
        out.push((behind_length & 0xff) as u8);
        if behind_length > 0 {
            let flag = |set: bool, value: u8| if set { value } else { 0 };
            let flags = flag(self.discontinuity, DISCONTINUITY) | flag(self.random_access, RANDOM_ACCESS);
            out.push(flags | flag(self.pcr.is_some(), PCR));
            if let Some(pcr) = self.pcr {
                // The base, six reserved bits, and an extension of zero.
                let [.., a, b, c, d, e] = (wrap(pcr) << 7 | 0x7e).to_be_bytes();
                out.extend([a, b, c, d, e, 0]);
            }
            out.resize(end, 0xff);
        }
    }
}

/// Packets that a payload of `len` bytes behind `adaptation` takes.
pub(super) const fn packets(len: usize, adaptation: Adaptation) -> usize {
    1 + len.saturating_sub(BODY_BYTES - adaptation.len()).div_ceil(BODY_BYTES)
}

/// Appends a packet without payload. The counter stays: it counts payloads (2.4.3.3).
pub(super) fn write_adaptation_only(pid: u16, next_counter: u8, adaptation: Adaptation, out: &mut Vec<u8>) {
    let [high, low] = pid.to_be_bytes();
    out.extend([SYNC_BYTE, high & 0x1f, low, 0x20 | (next_counter.wrapping_sub(1) & 0xf)]);
    adaptation.write(BODY_BYTES, out);
}

/// How many of its last bytes a payload of `len` bytes behind `adaptation` has to put into packets of their own, for
/// the counter to be 0 behind it; `None` when it has not so many.
pub(super) fn tail_to_zero(len: usize, adaptation: Adaptation, counter: u8) -> Option<usize> {
    let ends_at_zero = |tail: &usize| {
        len.checked_sub(*tail).is_some_and(|rest| rest > 0)
            && (packets(len - tail, adaptation) + tail + usize::from(counter)).is_multiple_of(16)
    };
    // A packet more for each byte, but where the rest then takes one less.
    (0..32).find(ends_at_zero)
}

/// Cuts one payload, which is put in piece by piece, into packets of a PID.
#[derive(Debug)]
pub(super) struct PacketWriter<'a> {
    out: &'a mut Vec<u8>,
    counter: &'a mut u8,
    pid: u16,
    /// Bytes of payload to come.
    left: usize,
    /// Bytes of payload that the open packet still takes.
    room: usize,
    /// Bytes at the end of the payload that each have a packet of their own.
    tail: usize,
}

impl<'a> PacketWriter<'a> {
    /// Begins a payload of exactly `len` bytes, at least one.
    pub(super) fn begin(
        out: &'a mut Vec<u8>,
        pid: u16,
        counter: &'a mut u8,
        adaptation: Adaptation,
        len: usize,
    ) -> Self {
        Self::begin_with_tail(out, pid, counter, adaptation, len, 0)
    }

    /// Begins a payload of exactly `len` bytes, the last `tail` of which, fewer than all, each have a packet of their own.
    pub(super) fn begin_with_tail(
        out: &'a mut Vec<u8>,
        pid: u16,
        counter: &'a mut u8,
        adaptation: Adaptation,
        len: usize,
        tail: usize,
    ) -> Self {
        let mut writer = Self { out, counter, pid, left: len, room: 0, tail };
        writer.open(0x40, adaptation);
        writer
    }

    /// Puts in the next piece. What is past the length told is not written.
    pub(super) fn put(&mut self, mut piece: &[u8]) {
        loop {
            if let Some((now, later)) = piece.split_at_checked(self.room) {
                self.out.extend_from_slice(now);
                self.left -= self.room;
                self.room = 0;
                piece = later;
                if piece.is_empty() || self.left == 0 {
                    return;
                }
                self.open(0, Adaptation::default());
            } else {
                self.out.extend_from_slice(piece);
                self.room -= piece.len();
                self.left -= piece.len();
                return;
            }
        }
    }

    fn open(&mut self, unit_start: u8, adaptation: Adaptation) {
        let [high, low] = self.pid.to_be_bytes();
        let wanted = adaptation.len();
        let room = BODY_BYTES - wanted;
        // The last packet is filled up within the adaptation field, as is the one before the tail, and those of it.
        let left = if self.left > self.tail { self.left - self.tail } else { 1 };
        let field = if left < room { BODY_BYTES - left } else { wanted };
        let control = if field > 0 { 0x30 } else { 0x10 };
        self.out.extend_from_slice(&[SYNC_BYTE, unit_start | (high & 0x1f), low, control | *self.counter]);
        *self.counter = self.counter.wrapping_add(1) & 0xf;
        adaptation.write(field, self.out);
        self.room = BODY_BYTES - field;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(out: &[u8]) -> Vec<Packet<'_>> {
        let (packets, rest) = out.as_chunks::<PACKET_BYTES>();
        assert!(rest.is_empty());
        packets.iter().map(|packet| Packet::parse(packet).unwrap()).collect()
    }

    #[test]
    fn a_packet_by_hand() {
        let mut bytes = [0xff; PACKET_BYTES];
        bytes[..12].copy_from_slice(&[0x47, 0x41, 0x00, 0x37, 7, 0xd0, 0x12, 0x34, 0x56, 0x78, 0xfe, 0]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.pid, packet.unit_start, packet.continuity), (0x100, true, 7));
        assert!(packet.discontinuity && packet.random_access && !packet.error && !packet.scrambled);
        assert_eq!(packet.pcr, Some(0x1234_5678 << 1 | 1));
        assert_eq!(packet.payload.map(<[u8]>::len), Some(176));
        bytes[4] = 184;
        assert_eq!(Packet::parse(&bytes), None, "an adaptation field past the end");
        bytes[0] = 0x48;
        assert_eq!(Packet::parse(&bytes), None);
    }

    #[test]
    fn a_clock_reference_alone() {
        let mut out = Vec::new();
        let adaptation = Adaptation { pcr: Some(-1), ..Adaptation::default() };
        write_adaptation_only(0x123, 0, adaptation, &mut out);
        assert_eq!(out[..12], [0x47, 0x01, 0x23, 0x2f, 183, 0x10, 0xff, 0xff, 0xff, 0xff, 0xfe, 0]);
        assert_eq!(out[12..], [0xff; 176]);
        let packets = read(&out);
        assert_eq!((packets[0].pcr, packets[0].payload), (Some((1 << 33) - 1), None));
    }

    proptest! {
        #[test]
        fn a_tail_ends_at_zero(len in 17usize..2_000, counter in 0u8..16, pcr in proptest::option::of(0i64..90_000)) {
            let adaptation = Adaptation { discontinuity: false, random_access: false, pcr };
            let tail = tail_to_zero(len, adaptation, counter).unwrap();
            let payload: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let (mut out, mut next) = (Vec::new(), counter);
            let mut writer = PacketWriter::begin_with_tail(&mut out, 0x100, &mut next, adaptation, len, tail);
            for piece in payload.chunks(50) {
                writer.put(piece);
            }
            prop_assert_eq!(next, 0);
            let packets = read(&out);
            prop_assert_eq!(packets.len(), super::packets(len - tail, adaptation) + tail);
            let counters = packets.iter().map(|packet| packet.continuity);
            prop_assert!(counters.eq((0..packets.len()).map(|at| (usize::from(counter) + at) as u8 & 0xf)));
            prop_assert_eq!(packets.iter().filter_map(|packet| packet.payload).collect::<Vec<_>>().concat(), payload);
        }

        #[test]
        fn payloads_of_every_length(
            len in 1usize..1_200,
            cut in any::<prop::sample::Index>(),
            discontinuity in any::<bool>(),
            random_access in any::<bool>(),
            pcr in proptest::option::of(0i64..1 << 33),
            mut counter in 0u8..16,
        ) {
            let payload: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let adaptation = Adaptation { discontinuity, random_access, pcr };
            let first = counter;
            let mut out = Vec::new();
            let mut writer = PacketWriter::begin(&mut out, 0x1abc, &mut counter, adaptation, len);
            let (one, two) = payload.split_at(cut.index(len + 1));
            writer.put(one);
            writer.put(two);
            let read = read(&out);
            prop_assert_eq!(read.len(), packets(len, adaptation));
            prop_assert_eq!(counter, (first + read.len() as u8) & 0xf);
            let parts: Vec<&[u8]> = read.iter().filter_map(|packet| packet.payload).collect();
            prop_assert_eq!(parts.concat(), payload);
            for (at, packet) in read.iter().enumerate() {
                prop_assert_eq!((packet.pid, packet.unit_start), (0x1abc, at == 0));
                prop_assert_eq!(packet.continuity, (first + at as u8) & 0xf);
            }
            prop_assert_eq!(read[0].pcr, pcr.map(|pcr| pcr as u64));
            prop_assert_eq!((read[0].discontinuity, read[0].random_access), (discontinuity, random_access));
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::array::uniform32(any::<u8>())) {
            bytes[0] = SYNC_BYTE;
            let mut packet = [0xff; PACKET_BYTES];
            packet[..32].copy_from_slice(&bytes);
            let _ = Packet::parse(&packet);
        }
    }
}
