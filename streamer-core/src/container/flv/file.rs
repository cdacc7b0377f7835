//! The framing of an FLV file: its header, tag headers and sizes (Adobe FLV 10.1 annex E.2 to E.4.1).

use super::error::FlvError;

/// Bytes of the file header and the first `PreviousTagSize`.
pub const FLV_HEADER_BYTES: usize = 13;
/// Bytes of a tag's header.
pub(super) const TAG_HEADER_BYTES: usize = 11;
/// Bytes of a `PreviousTagSize`.
pub(super) const PREVIOUS_TAG_SIZE_BYTES: usize = 4;
/// Bytes of the file header alone, and the least its `DataOffset` may say.
pub(super) const FILE_HEADER_BYTES: usize = 9;

/// The header of a file or live stream, with the `PreviousTagSize` of 0 behind it.
#[must_use]
pub const fn flv_header(has_audio: bool, has_video: bool) -> [u8; FLV_HEADER_BYTES] {
    let flags = (has_audio as u8) << 2 | has_video as u8;
    [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]
}

/// Reads a file header and answers how many bytes lie between it and the first `PreviousTagSize`.
pub(super) fn parse_header(header: [u8; FILE_HEADER_BYTES]) -> Result<u32, FlvError> {
    let [f, l, v, version, _flags, offset @ ..] = header;
    if [f, l, v] != *b"FLV" {
        return Err(FlvError::Signature { found: [f, l, v] });
    }
    let structure = "FLV header";
    if version != 1 {
        return Err(FlvError::Field { structure, field: "Version", value: version.into() });
    }
    let offset = u32::from_be_bytes(offset);
    offset.checked_sub(9).ok_or(FlvError::Field { structure, field: "DataOffset", value: offset.into() })
}

/// `TagType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagType {
    Audio,
    Video,
    /// Script data in AMF 0.
    Script,
    /// Script data in AMF 3 (Enhanced RTMP v2, "Enabling AMF3 in FLV").
    ScriptAmf3,
    Other(u8),
}

/// The header of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagHeader {
    pub(super) kind: TagType,
    /// Whether the body is encrypted.
    pub(super) filtered: bool,
    /// Bytes of the body; 24 bits.
    pub(super) len: usize,
    /// Milliseconds, of which 32 bits are kept.
    pub(super) timestamp_ms: u32,
}

impl TagHeader {
    pub(super) fn parse(bytes: [u8; TAG_HEADER_BYTES]) -> Self {
        let [first, l0, l1, l2, t0, t1, t2, extended, ..] = bytes;
        let kind = match first & 0x1f {
            8 => TagType::Audio,
            9 => TagType::Video,
            15 => TagType::ScriptAmf3,
            18 => TagType::Script,
            other => TagType::Other(other),
        };
        Self {
            kind,
            filtered: first & 0x20 != 0,
            len: usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2),
            timestamp_ms: u32::from_be_bytes([extended, t0, t1, t2]),
        }
    }

    pub(super) fn bytes(self) -> [u8; TAG_HEADER_BYTES] {
        let kind = match self.kind {
            TagType::Audio => 8,
            TagType::Video => 9,
            TagType::ScriptAmf3 => 15,
            TagType::Script => 18,
            TagType::Other(other) => other & 0x1f,
        };
        let [_, l0, l1, l2] = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        let [extended, t0, t1, t2] = self.timestamp_ms.to_be_bytes();
        [kind | u8::from(self.filtered) << 5, l0, l1, l2, t0, t1, t2, extended, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_there_is() {
        assert_eq!(flv_header(true, true), *b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
        assert_eq!(flv_header(true, false)[4], 4);
        assert_eq!(flv_header(false, true)[4], 1);
        assert_eq!(parse_header(*b"FLV\x01\x05\0\0\0\x0b"), Ok(2));
        assert_eq!(parse_header(*b"FLX\x01\x05\0\0\0\x09"), Err(FlvError::Signature { found: *b"FLX" }));
        assert!(matches!(parse_header(*b"FLV\x02\x05\0\0\0\x09"), Err(FlvError::Field { value: 2, .. })));
        assert!(matches!(parse_header(*b"FLV\x01\x05\0\0\0\x08"), Err(FlvError::Field { value: 8, .. })));
    }

    #[test]
    fn tag_headers_read_back() {
        let header =
            TagHeader { kind: TagType::Video, filtered: false, len: 0x01_0203, timestamp_ms: 0x0a0b_0c0d };
        assert_eq!(header.bytes(), [9, 1, 2, 3, 0x0b, 0x0c, 0x0d, 0x0a, 0, 0, 0]);
        for kind in [TagType::Audio, TagType::Script, TagType::ScriptAmf3, TagType::Other(7)] {
            let header = TagHeader { kind, filtered: true, ..header };
            assert_eq!(TagHeader::parse(header.bytes()), header);
        }
    }
}
