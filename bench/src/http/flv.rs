//! FLV tags (Adobe's FLV 10.1, annex E): a reader that keeps only the first bytes of each.

use thiserror::Error;

use crate::source::{Arrived, HEAD_BYTES, Kind};

/// The bytes are no FLV stream.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum TagError {
    #[error("the stream does not begin with an FLV header")]
    Header,
    #[error("tag of type {tag_type}")]
    Type { tag_type: u8 },
    #[error("PreviousTagSize is {found}, should be {expected}")]
    PreviousSize { found: u32, expected: u32 },
}

/// Bytes of the file header, and of a tag header with the `PreviousTagSize` before it.
const FILE_HEADER_BYTES: usize = 9;
const TAG_HEADER_BYTES: usize = 4 + 11;

/// Finds the tags in an FLV stream, however it is chopped.
#[derive(Debug, Default)]
pub(crate) struct TagReader {
    begun: bool,
    header: Vec<u8>,
    tag_type: u8,
    len: usize,
    missing: usize,
    head: Vec<u8>,
    previous: u32,
}

impl TagReader {
    /// Takes bytes from the front of `input` until a media tag is complete; `None` when all are taken.
    pub(crate) fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<Arrived<'a>>, TagError> {
        loop {
            if self.missing == 0 {
                let wanted = if self.begun { TAG_HEADER_BYTES } else { FILE_HEADER_BYTES };
                let (taken, rest) = input.split_at((wanted - self.header.len()).min(input.len()));
                self.header.extend_from_slice(taken);
                *input = rest;
                if self.header.len() < wanted {
                    return Ok(None);
                }
                self.read_header()?;
                self.header.clear();
                if self.missing > 0 {
                    self.head.clear();
                }
                continue;
            }
            let (taken, rest) = input.split_at(self.missing.min(input.len()));
            let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(taken.len());
            self.head.extend_from_slice(&taken[..wanted]);
            *input = rest;
            self.missing -= taken.len();
            if self.missing > 0 {
                return Ok(None);
            }
            if let Some(kind) = Kind::from_tag_type(self.tag_type) {
                return Ok(Some(Arrived { kind, len: self.len, head: &self.head }));
            }
        }
    }

    fn read_header(&mut self) -> Result<(), TagError> {
        match *self.header.as_slice() {
            [b'F', b'L', b'V', 1, _, 0, 0, 0, 9] if !self.begun => self.begun = true,
            [p, q, r, s, tag_type, a, b, c, ..] if self.begun => {
                let found = u32::from_be_bytes([p, q, r, s]);
                if found != self.previous {
                    return Err(TagError::PreviousSize { found, expected: self.previous });
                }
                if !matches!(tag_type, 8 | 9 | 18) {
                    return Err(TagError::Type { tag_type });
                }
                let len = u32::from_be_bytes([0, a, b, c]);
                self.tag_type = tag_type;
                self.len = len as usize;
                self.missing = self.len;
                self.previous = 11 + len;
            }
            _ => return Err(TagError::Header),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        for (tag_type, len) in [(18_u8, 30_u8), (9, 200), (8, 3)] {
            bytes.extend_from_slice(&[tag_type, 0, 0, len, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(std::iter::repeat_n(tag_type, usize::from(len)));
            bytes.extend_from_slice(&(u32::from(len) + 11).to_be_bytes());
        }
        bytes
    }

    fn read(bytes: &[u8], cut: usize) -> Result<Vec<(Kind, usize, usize)>, TagError> {
        let mut reader = TagReader::default();
        let mut found = Vec::new();
        for mut piece in bytes.chunks(cut) {
            while let Some(Arrived { kind, len, head }) = reader.next(&mut piece)? {
                found.push((kind, len, head.len()));
            }
        }
        Ok(found)
    }

    #[test]
    fn media_tags_are_found_however_they_arrive() {
        let expected = vec![(Kind::Video, 200, HEAD_BYTES), (Kind::Audio, 3, 3)];
        for cut in 1..80 {
            assert_eq!(read(&sample(), cut).unwrap(), expected, "in pieces of {cut}");
        }
    }

    #[test]
    fn a_lost_byte_is_noticed() {
        let mut bytes = sample();
        bytes.remove(100);
        assert!(read(&bytes, 11).is_err());
    }
}
