//! The program association and program map tables (ISO/IEC 13818-1 2.4.4.3, 2.4.4.8).

use super::crc::crc32;
use super::section::SECTION_HEADER_BYTES;

/// Longest section of a table, header included (2.4.4.4).
pub(super) const MAX_TABLE_BYTES: usize = 1_024;
/// The `program_number` that the muxer writes: it makes one program.
pub(super) const PROGRAM_NUMBER: u16 = 1;
/// The `transport_stream_id` that the muxer writes.
const TRANSPORT_STREAM_ID: u16 = 1;

const TABLE_PAT: u8 = 0;
const TABLE_PMT: u8 = 2;
/// Bytes of a table's section from `table_id` to `last_section_number`.
const TABLE_HEADER_BYTES: usize = 8;
const CRC_BYTES: usize = 4;

/// One elementary stream in a program map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MapEntry {
    pub(super) stream_type: u8,
    pub(super) pid: u16,
    /// Descriptors, each with its tag and length.
    pub(super) descriptors: Vec<u8>,
}

/// A program map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProgramMap {
    pub(super) pcr_pid: u16,
    /// Descriptors of the program, each with its tag and length.
    pub(super) descriptors: Vec<u8>,
    pub(super) entries: Vec<MapEntry>,
}

impl ProgramMap {
    /// Bytes of the section.
    pub(super) fn section_bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(|entry| 5 + entry.descriptors.len()).sum();
        TABLE_HEADER_BYTES + 4 + self.descriptors.len() + entries + CRC_BYTES
    }

    /// The section of this map.
    pub(super) fn section(&self, version: u8) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(pid_field(self.pcr_pid));
        put_descriptors(&mut body, &self.descriptors);
        for entry in &self.entries {
            body.push(entry.stream_type);
            body.extend(pid_field(entry.pid));
            put_descriptors(&mut body, &entry.descriptors);
        }
        table(TABLE_PMT, PROGRAM_NUMBER, version, &body)
    }

    /// Reads the section of program `number`; `None` when it is another's, not yet in force, or broken.
    pub(super) fn parse(section: &[u8], number: u16) -> Option<Self> {
        let (found, body) = table_body(section, TABLE_PMT)?;
        if found != number {
            return None;
        }
        let (fields, body) = body.split_first_chunk::<2>()?;
        let (descriptors, mut body) = split_descriptors(body)?;
        let mut entries = Vec::new();
        while let Some((&[stream_type, high, low], behind)) = body.split_first_chunk::<3>() {
            let (descriptors, behind) = split_descriptors(behind)?;
            let pid = u16::from_be_bytes([high, low]) & 0x1fff;
            entries.push(MapEntry { stream_type, pid, descriptors: descriptors.to_vec() });
            body = behind;
        }
        let pcr_pid = u16::from_be_bytes(*fields) & 0x1fff;
        Some(Self { pcr_pid, descriptors: descriptors.to_vec(), entries })
    }
}

/// The section that says where the program map is.
pub(super) fn association_section(map_pid: u16) -> Vec<u8> {
    let mut body = PROGRAM_NUMBER.to_be_bytes().to_vec();
    body.extend(pid_field(map_pid));
    table(TABLE_PAT, TRANSPORT_STREAM_ID, 0, &body)
}

/// Number and map PID of the first program of an association section; `None` when there is none, it is not yet
/// in force, or it is broken.
pub(super) fn parse_association(section: &[u8]) -> Option<(u16, u16)> {
    let (_, body) = table_body(section, TABLE_PAT)?;
    let (programs, _) = body.as_chunks::<4>();
    programs.iter().find_map(|&[a, b, c, d]| {
        let number = u16::from_be_bytes([a, b]);
        // Program 0 is the network's.
        (number != 0).then_some((number, u16::from_be_bytes([c, d]) & 0x1fff))
    })
}

/// The descriptors in `bytes`: tag and body of each; a cut one ends them.
pub(super) fn descriptors(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, len], rest) = bytes.split_first_chunk::<2>()?;
        let (body, rest) = rest.split_at_checked(len.into())?;
        bytes = rest;
        Some((tag, body))
    })
}

/// A PID behind its reserved bits.
const fn pid_field(pid: u16) -> [u8; 2] {
    (0xe000 | pid).to_be_bytes()
}

fn put_descriptors(body: &mut Vec<u8>, descriptors: &[u8]) {
    body.extend((0xf000 | (descriptors.len() & 0x3ff) as u16).to_be_bytes());
    body.extend_from_slice(descriptors);
}

fn split_descriptors(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[high, low], rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([high & 0xf, low])))
}

fn table(table_id: u8, extension: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let behind_length = TABLE_HEADER_BYTES - SECTION_HEADER_BYTES + body.len() + CRC_BYTES;
    let mut section = vec![table_id];
    section.extend((0xb000 | (behind_length & 0xfff) as u16).to_be_bytes());
    section.extend(extension.to_be_bytes());
    // current_next_indicator, section 0 of 0.
    section.extend([0xc1 | (version & 0x1f) << 1, 0, 0]);
    section.extend_from_slice(body);
    section.extend(crc32(&section).to_be_bytes());
    section
}

/// The table's extension (program number or stream id) and body, when it is whole, in force and its CRC is right.
fn table_body(section: &[u8], table_id: u8) -> Option<(u16, &[u8])> {
    let (&[id, _, _, high, low, version, _, _], rest) = section.split_first_chunk::<TABLE_HEADER_BYTES>()?;
    let (body, _) = rest.split_at_checked(rest.len().checked_sub(CRC_BYTES)?)?;
    let sound = id == table_id && version & 1 == 1 && crc32(section) == 0;
    sound.then_some((u16::from_be_bytes([high, low]), body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sections of ffmpeg 5.1.9's muxer (`-f mpegts`, H.264 and AAC).
    const FFMPEG_PAT: &[u8] = &[0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
    const FFMPEG_PMT: &[u8] = &[
        2, 0xb0, 0x1d, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 6,
        0x0a, 4, b'u', b'n', b'd', 0, 0x08, 0x7d, 0xe8, 0x77,
    ];

    #[test]
    fn tables_of_ffmpeg() {
        assert_eq!(parse_association(FFMPEG_PAT), Some((1, 0x1000)));
        assert_eq!(association_section(0x1000), FFMPEG_PAT);
        let map = ProgramMap::parse(FFMPEG_PMT, 1).unwrap();
        let language = vec![0x0a, 4, b'u', b'n', b'd', 0];
        let expected = ProgramMap {
            pcr_pid: 0x100,
            descriptors: vec![],
            entries: vec![
                MapEntry { stream_type: 0x1b, pid: 0x100, descriptors: vec![] },
                MapEntry { stream_type: 0x0f, pid: 0x101, descriptors: language.clone() },
            ],
        };
        assert_eq!(map, expected);
        assert_eq!(map.section(0), FFMPEG_PMT);
        assert_eq!(map.section_bytes(), FFMPEG_PMT.len());
        assert_eq!(descriptors(&language).collect::<Vec<_>>(), [(0x0a, &b"und\0"[..])]);
        assert_eq!(descriptors(&[5, 3, 1]).count(), 0);
    }

    #[test]
    fn the_network_is_no_program() {
        let mut body = vec![0, 0, 0xe0, 0x10];
        body.extend([0, 7, 0xe1, 0xf0]);
        assert_eq!(parse_association(&table(TABLE_PAT, 1, 3, &body)), Some((7, 0x1f0)));
        assert_eq!(parse_association(&table(TABLE_PAT, 1, 3, &body[..4])), None);
    }

    #[test]
    fn what_is_broken_not_in_force_or_of_another_program_is_refused() {
        for at in 0..FFMPEG_PMT.len() {
            let mut bad = FFMPEG_PMT.to_vec();
            bad[at] ^= 0x20;
            assert_eq!(ProgramMap::parse(&bad, 1), None, "byte {at}");
        }
        assert_eq!(ProgramMap::parse(FFMPEG_PMT, 2), None);
        let mut next = FFMPEG_PMT[..FFMPEG_PMT.len() - 4].to_vec();
        next[5] &= !1;
        next.extend(crc32(&next).to_be_bytes());
        assert_eq!(ProgramMap::parse(&next, 1), None);
    }

    proptest! {
        #[test]
        fn any_body_is_survived(body in proptest::collection::vec(any::<u8>(), 0..200), id in 0u8..4) {
            let section = table(id, 1, 0, &body);
            let _ = parse_association(&section);
            if let Some(map) = ProgramMap::parse(&section, 1) {
                prop_assert!(map.entries.len() <= body.len() / 5);
                descriptors(&map.descriptors).count();
            }
        }

        #[test]
        fn cut_sections_are_survived(section in proptest::collection::vec(any::<u8>(), 0..16)) {
            let _ = parse_association(&section);
            let _ = ProgramMap::parse(&section, 1);
        }
    }
}
