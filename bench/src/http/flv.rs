//! FLV tags (Adobe's FLV 10.1, annex E): a reader that keeps only the first bytes of each, a writer, and a splitter.

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

/// The header of a file with audio and video, and the size of no tag before the first.
pub(crate) const FILE_HEADER: &[u8; 13] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

/// Appends a tag with the `PreviousTagSize` behind it.
pub(crate) fn write_tag(out: &mut Vec<u8>, tag_type: u8, timestamp_ms: u32, body: &[u8]) {
    let [_, length @ ..] = (body.len() as u32).to_be_bytes();
    let [extension, timestamp @ ..] = timestamp_ms.to_be_bytes();
    out.push(tag_type);
    out.extend_from_slice(&length);
    out.extend_from_slice(&timestamp);
    out.extend_from_slice(&[extension, 0, 0, 0]);
    out.extend_from_slice(body);
    out.extend_from_slice(&(11 + body.len() as u32).to_be_bytes());
}

/// Cuts an FLV stream into its tags, each with the `PreviousTagSize` behind it, and keeps what a late viewer needs first.
#[derive(Debug)]
pub(crate) struct TagSplitter {
    inbox: Vec<u8>,
    /// How much of it was given out.
    taken: usize,
    begun: bool,
    opening: Vec<u8>,
}

impl Default for TagSplitter {
    fn default() -> Self {
        Self { inbox: Vec::new(), taken: 0, begun: false, opening: FILE_HEADER.to_vec() }
    }
}

impl TagSplitter {
    /// File header and sequence headers so far.
    pub(crate) fn opening(&self) -> &[u8] {
        &self.opening
    }

    /// Takes received bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.inbox.drain(..self.taken);
        self.taken = 0;
        self.inbox.extend_from_slice(bytes);
    }

    /// The next tag that is whole.
    pub(crate) fn next_tag(&mut self) -> Result<Option<&[u8]>, TagError> {
        if !self.begun {
            let Some(header) = self.inbox.first_chunk() else { return Ok(None) };
            if header != FILE_HEADER {
                return Err(TagError::Header);
            }
            self.begun = true;
            self.taken = FILE_HEADER.len();
        }
        let rest = &self.inbox[self.taken..];
        let &[tag_type, a, b, c, ..] = rest else { return Ok(None) };
        if !matches!(tag_type, 8 | 9 | 18) {
            return Err(TagError::Type { tag_type });
        }
        let Some(tag) = rest.get(..TAG_HEADER_BYTES + u32::from_be_bytes([0, a, b, c]) as usize) else {
            return Ok(None);
        };
        self.taken += tag.len();
        // Packet type 0 is a sequence header, of AVC and of AAC alike (E.4.2.1, E.4.3.1).
        if tag_type != 18 && tag[12] == 0 {
            self.opening.extend_from_slice(tag);
        }
        Ok(Some(tag))
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

    #[test]
    fn tags_that_are_written_are_split_again_however_they_are_chopped() {
        let bodies: [(u8, &[u8]); 4] =
            [(9, &[0x17, 0, 1]), (8, &[0xaf, 0, 2, 3]), (9, &[0x27, 1, 4]), (8, &[0xaf, 1])];
        let (mut stream, mut tags) = (FILE_HEADER.to_vec(), Vec::new());
        for (index, (tag_type, body)) in bodies.into_iter().enumerate() {
            let mut tag = Vec::new();
            write_tag(&mut tag, tag_type, 0x0123_4567 + index as u32, body);
            stream.extend_from_slice(&tag);
            tags.push(tag);
        }
        assert_eq!(tags[0][4..8], [0x23, 0x45, 0x67, 0x01], "timestamp, its extension last (E.4.1)");
        assert_eq!(read(&stream, 7).unwrap().len(), bodies.len());
        for cut in 1..=stream.len() {
            let (mut splitter, mut found) = (TagSplitter::default(), Vec::new());
            for piece in stream.chunks(cut) {
                splitter.push(piece);
                while let Some(tag) = splitter.next_tag().unwrap() {
                    found.push(tag.to_vec());
                }
            }
            assert_eq!(found, tags, "in pieces of {cut}");
            assert_eq!(splitter.opening(), &stream[..FILE_HEADER.len() + tags[0].len() + tags[1].len()]);
        }
        let mut splitter = TagSplitter::default();
        splitter.push(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(splitter.next_tag(), Err(TagError::Header));
    }
}
