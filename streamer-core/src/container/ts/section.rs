//! Sections: cut into packets, and put together again (ISO/IEC 13818-1 2.4.4).

use bytes::{Buf, Bytes, BytesMut};

use super::packet::{Adaptation, BODY_BYTES, PacketWriter};

/// Longest section, header included: what private sections may have (2.4.4.11); tables have 1024 at most.
pub const MAX_SECTION_BYTES: usize = 4_096;
/// Bytes of a section in front of what `section_length` counts.
pub(super) const SECTION_HEADER_BYTES: usize = 3;
/// `table_id` of a `splice_info_section` (SCTE 35 9.6).
pub(super) const TABLE_SPLICE_INFO: u8 = 0xfc;
/// Fills a packet behind its last section.
const STUFFING: u8 = 0xff;

/// Packets that a section of `len` bytes takes.
pub(super) const fn section_packets(len: usize) -> usize {
    (len + 1).div_ceil(BODY_BYTES)
}

/// Appends `section` in packets of its own, filled up behind it.
pub(super) fn write_section(pid: u16, counter: &mut u8, section: &[u8], out: &mut Vec<u8>) {
    let len = section_packets(section.len()) * BODY_BYTES;
    let mut writer = PacketWriter::begin(out, pid, counter, Adaptation::default(), len);
    writer.put(&[0]); // pointer_field
    writer.put(section);
    writer.put([STUFFING; BODY_BYTES].get(..len - 1 - section.len()).unwrap_or_default());
}

/// Puts sections together from the payloads of one PID.
#[derive(Debug, Default)]
pub(super) struct SectionReader {
    held: BytesMut,
    /// Whether `held` begins at the beginning of a section.
    aligned: bool,
}

impl SectionReader {
    /// Takes the payload of the next packet and appends the sections that are now whole. Returns the number of
    /// sections given up because they are longer than [`MAX_SECTION_BYTES`].
    pub(super) fn push(&mut self, payload: &[u8], unit_start: bool, out: &mut Vec<Bytes>) -> u64 {
        if !unit_start {
            return self.feed(payload, out);
        }
        let Some((&pointer, rest)) = payload.split_first() else { return 0 };
        let Some((end, begin)) = rest.split_at_checked(pointer.into()) else {
            self.reset();
            return 0;
        };
        let before = self.feed(end, out);
        self.reset();
        self.aligned = true;
        before + self.feed(begin, out)
    }

    /// Forgets a section that has begun: packets of it were lost.
    pub(super) fn reset(&mut self) {
        self.held.clear();
        self.aligned = false;
    }

    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Bytes>) -> u64 {
        if !self.aligned {
            return 0;
        }
        self.held.extend_from_slice(bytes);
        while let Some(&first) = self.held.first() {
            if first == STUFFING {
                self.reset();
                return 0;
            }
            let Some(&[_, high, low]) = self.held.first_chunk::<SECTION_HEADER_BYTES>() else { return 0 };
            let len = SECTION_HEADER_BYTES + usize::from(u16::from_be_bytes([high & 0xf, low]));
            if len > MAX_SECTION_BYTES {
                self.reset();
                return 1;
            }
            if self.held.len() < len {
                return 0;
            }
            out.push(Bytes::copy_from_slice(self.held.get(..len).unwrap_or_default()));
            self.held.advance(len);
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::{PACKET_BYTES, Packet};
    use super::*;

    fn section(len: usize) -> Vec<u8> {
        let body = len - SECTION_HEADER_BYTES;
        let mut section = vec![0xfc, 0x30 | (body >> 8) as u8, body as u8];
        section.resize(len, 0xff);
        section
    }

    #[test]
    fn several_sections_share_packets() {
        let (one, two, three) = (section(100), section(150), section(20));
        let mut reader = SectionReader::default();
        let mut out = Vec::new();
        let first = [&[0][..], &one, &two[..83]].concat();
        reader.push(&first, true, &mut out);
        let second = [&[67][..], &two[83..], &three, &[0xff; 96]].concat();
        reader.push(&second, true, &mut out);
        reader.push(&[0xfc; 184], false, &mut out);
        assert_eq!(out, [one, two, three]);
    }

    #[test]
    fn a_section_without_its_beginning_is_passed_over() {
        let whole = section(30);
        let mut reader = SectionReader::default();
        let mut out = Vec::new();
        reader.push(&whole, false, &mut out);
        reader.push(&[200, 1, 2], true, &mut out);
        reader.push(&[], true, &mut out);
        assert!(out.is_empty());
        reader.push(&[&[0][..], &whole[..10]].concat(), true, &mut out);
        reader.reset();
        reader.push(&whole[10..], false, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn sections_of_the_largest_size_and_past_it() {
        for (len, whole, given_up) in [(MAX_SECTION_BYTES, 1, 0), (MAX_SECTION_BYTES + 1, 0, 1)] {
            let section = section(len);
            let mut reader = SectionReader::default();
            let mut out = Vec::new();
            let mut lost = reader.push(&[&[0][..], &section[..180]].concat(), true, &mut out);
            for piece in section[180..].chunks(184) {
                lost += reader.push(piece, false, &mut out);
            }
            assert_eq!((out.len(), lost), (whole, given_up), "{len}");
        }
    }

    proptest! {
        #[test]
        fn sections_read_back(lens in proptest::collection::vec(3usize..600, 1..10)) {
            let sections: Vec<Vec<u8>> = lens.into_iter().map(section).collect();
            let mut bytes = Vec::new();
            let mut counter = 0;
            let mut packets = 0;
            for section in &sections {
                write_section(0x1f0, &mut counter, section, &mut bytes);
                packets += section_packets(section.len());
            }
            prop_assert_eq!(bytes.len(), packets * PACKET_BYTES);
            let mut reader = SectionReader::default();
            let mut out = Vec::new();
            for packet in bytes.as_chunks::<PACKET_BYTES>().0 {
                let packet = Packet::parse(packet).unwrap();
                reader.push(packet.payload.unwrap(), packet.unit_start, &mut out);
            }
            prop_assert_eq!(out, sections);
        }

        #[test]
        fn any_payload_is_survived(payloads in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..184), any::<bool>()), 0..60)) {
            let mut reader = SectionReader::default();
            let mut out = Vec::new();
            for (payload, unit_start) in payloads {
                reader.push(&payload, unit_start, &mut out);
                prop_assert!(reader.held.len() < MAX_SECTION_BYTES + 184);
            }
        }
    }
}
