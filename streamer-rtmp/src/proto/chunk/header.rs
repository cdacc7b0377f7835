//! The headers of a chunk: basic header, message header and extended timestamp (RTMP 1.0 section 5.3.1).

/// The longest run of header bytes: 3 of basic header, 11 of message header, 4 of extended timestamp.
pub(super) const MAX_HEADER_BYTES: usize = 18;

/// The basic header: chunk type and chunk stream id (RTMP 1.0 section 5.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BasicHeader {
    /// 0 to 3.
    pub(super) format: u8,
    pub(super) chunk_stream: u32,
    /// Bytes that it takes.
    pub(super) len: usize,
}

impl BasicHeader {
    /// Reads it from the front of `bytes`; `None` when bytes are missing.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let (chunk_stream, len) = match first & 0x3f {
            0 => (64 + u32::from(*bytes.get(1)?), 2),
            1 => (64 + u32::from(*bytes.get(1)?) + 256 * u32::from(*bytes.get(2)?), 3),
            id => (u32::from(id), 1),
        };
        Some(Self { format: first >> 6, chunk_stream, len })
    }

    /// Appends it to `out` in its shortest form.
    pub(super) fn write(format: u8, chunk_stream: u32, out: &mut Vec<u8>) {
        let top = format << 6;
        // The ids are checked by the caller, so every cast keeps its value.
        #[allow(clippy::cast_possible_truncation)]
        match chunk_stream {
            0..=63 => out.push(top | chunk_stream as u8),
            64..=319 => out.extend_from_slice(&[top, (chunk_stream - 64) as u8]),
            _ => {
                let [low, high, ..] = (chunk_stream - 64).to_le_bytes();
                out.extend_from_slice(&[top | 1, low, high]);
            }
        }
    }
}

/// The fields of a message header as far as its chunk type carries them (RTMP 1.0 section 5.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageFields {
    /// The 24-bit timestamp (type 0) or timestamp delta (types 1 and 2); 0xFFFFFF announces an extended one.
    pub(super) timestamp: u32,
    /// Length and type id (types 0 and 1).
    pub(super) body: Option<(u32, u8)>,
    /// Message stream id (type 0), the one little-endian field of RTMP.
    pub(super) message_stream: Option<u32>,
}

impl MessageFields {
    /// Bytes of the message header of a chunk type.
    pub(super) fn len(format: u8) -> usize {
        match format {
            0 => 11,
            1 => 7,
            2 => 3,
            _ => 0,
        }
    }

    /// Reads the header of a chunk of type 0, 1 or 2; `None` when bytes are missing.
    pub(super) fn parse(format: u8, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::len(format))?;
        let timestamp = u24(bytes.get(..3)?);
        let body = match bytes.get(3..7) {
            Some([high, middle, low, kind]) => Some((u24(&[*high, *middle, *low]), *kind)),
            _ => None,
        };
        let message_stream = match bytes.get(7..11) {
            Some(&[a, b, c, d]) => Some(u32::from_le_bytes([a, b, c, d])),
            _ => None,
        };
        Some(Self { timestamp, body, message_stream })
    }
}

fn u24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_stream_id_survives_in_its_shortest_form() {
        for chunk_stream in super::super::MIN_CHUNK_STREAM..=super::super::MAX_CHUNK_STREAM {
            let mut out = Vec::new();
            BasicHeader::write(3, chunk_stream, &mut out);
            let len = match chunk_stream {
                0..=63 => 1,
                64..=319 => 2,
                _ => 3,
            };
            assert_eq!(out.len(), len);
            assert_eq!(BasicHeader::parse(&out), Some(BasicHeader { format: 3, chunk_stream, len }));
            assert_eq!(BasicHeader::parse(&out[..len - 1]), None);
        }
    }

    #[test]
    fn the_three_byte_form_may_name_low_ids() {
        assert_eq!(
            BasicHeader::parse(&[0x41, 6, 0]),
            Some(BasicHeader { format: 1, chunk_stream: 70, len: 3 })
        );
    }

    #[test]
    fn fields_follow_the_chunk_type() {
        let bytes = [0, 0, 20, 0, 1, 2, 9, 1, 0, 0, 0];
        let full = MessageFields::parse(0, &bytes).unwrap();
        assert_eq!(full, MessageFields { timestamp: 20, body: Some((258, 9)), message_stream: Some(1) });
        let delta = MessageFields::parse(2, &bytes).unwrap();
        assert_eq!(delta, MessageFields { timestamp: 20, body: None, message_stream: None });
        assert_eq!(MessageFields::parse(1, &bytes[..6]), None);
    }
}
