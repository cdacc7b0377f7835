//! RTMP chunks (Adobe's RTMP 1.0, 5.3): a reader that keeps only the first bytes of each message, and a writer.

use thiserror::Error;

/// Bytes kept of a media message.
const MEDIA_HEAD_BYTES: usize = crate::source::HEAD_BYTES;
/// Bytes kept of any other message: commands and data are short.
const OTHER_HEAD_BYTES: usize = 16 * 1024;
/// Largest message that is believed; more means that the reader lost its place.
const MAX_MESSAGE_BYTES: u32 = 16 << 20;
const MAX_HEADER_BYTES: usize = 3 + 11 + 4;

/// Protocol control messages (5.4) by their type.
pub(crate) struct Control;

impl Control {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const ABORT: u8 = 2;
    pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
    pub(crate) const USER_CONTROL: u8 = 4;
    pub(crate) const WINDOW_ACK_SIZE: u8 = 5;
    pub(crate) const COMMAND: u8 = 20;
    pub(crate) const DATA: u8 = 18;
}

/// The bytes are no RTMP chunk stream.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ChunkError {
    #[error("chunk stream {csid} begins without a full header")]
    NoHeader { csid: u32 },
    #[error("message of {len} bytes declared on chunk stream {csid}")]
    TooLarge { csid: u32, len: u32 },
    #[error("a message of {len} bytes begins inside another one on chunk stream {csid}")]
    Interrupted { csid: u32, len: u32 },
    #[error("chunk size {size} is out of range")]
    ChunkSize { size: u32 },
}

/// A message that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received<'a> {
    pub(crate) type_id: u8,
    /// Bytes of the whole message.
    pub(crate) len: usize,
    /// Its first bytes; all of them unless it is media or very long.
    pub(crate) head: &'a [u8],
}

#[derive(Debug, Default)]
struct Stream {
    csid: u32,
    type_id: u8,
    len: u32,
    extended: bool,
    /// Bytes of the current message still to come; 0 between messages.
    missing: u32,
    head: Vec<u8>,
}

/// Finds the messages in a chunk stream, however it is chopped.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    chunk_size: u32,
    streams: Vec<Stream>,
    /// A header of which the end has not arrived.
    carry: Vec<u8>,
    /// Index of the stream whose chunk is being read, and the bytes of that chunk still to come.
    current: usize,
    chunk_left: u32,
}

impl ChunkReader {
    pub(crate) fn new() -> Self {
        Self { chunk_size: 128, streams: Vec::new(), carry: Vec::new(), current: 0, chunk_left: 0 }
    }

    /// Takes bytes from the front of `input` until a message is complete; `None` when all are taken.
    pub(crate) fn next<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<Received<'a>>, ChunkError> {
        loop {
            if self.chunk_left == 0 && !self.read_header(input)? {
                return Ok(None);
            }
            let stream = &mut self.streams[self.current];
            let taken = input.len().min(self.chunk_left as usize);
            let (body, rest) = input.split_at(taken);
            let keep = if matches!(stream.type_id, 8 | 9) { MEDIA_HEAD_BYTES } else { OTHER_HEAD_BYTES };
            let wanted = keep.saturating_sub(stream.head.len()).min(taken);
            stream.head.extend_from_slice(&body[..wanted]);
            *input = rest;
            self.chunk_left -= taken as u32;
            stream.missing -= taken as u32;
            if stream.missing == 0 {
                break;
            }
            if self.chunk_left > 0 {
                return Ok(None);
            }
        }
        self.obey()?;
        let stream = &self.streams[self.current];
        Ok(Some(Received { type_id: stream.type_id, len: stream.len as usize, head: &stream.head }))
    }

    /// Carries out the control messages that concern the reader itself.
    fn obey(&mut self) -> Result<(), ChunkError> {
        let stream = &self.streams[self.current];
        let Some(&value) = stream.head.first_chunk() else { return Ok(()) };
        let value = u32::from_be_bytes(value);
        if stream.type_id == Control::SET_CHUNK_SIZE {
            if value == 0 || value > MAX_MESSAGE_BYTES {
                return Err(ChunkError::ChunkSize { size: value });
            }
            self.chunk_size = value;
        } else if stream.type_id == Control::ABORT
            && let Some(aborted) = self.streams.iter_mut().find(|stream| stream.csid == value)
        {
            aborted.missing = 0;
        }
        Ok(())
    }

    /// Reads one chunk header; `false` when its end has not arrived.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, ChunkError> {
        if self.carry.is_empty() {
            if let Some(used) = self.parse_header(input)? {
                *input = &input[used..];
                return Ok(true);
            }
            self.carry.extend_from_slice(input);
            *input = &[];
            return Ok(false);
        }
        let mut carry = std::mem::take(&mut self.carry);
        while let Some((&byte, rest)) = input.split_first() {
            debug_assert!(carry.len() < MAX_HEADER_BYTES);
            carry.push(byte);
            *input = rest;
            if self.parse_header(&carry)?.is_some() {
                carry.clear();
                self.carry = carry;
                return Ok(true);
            }
        }
        self.carry = carry;
        Ok(false)
    }

    /// Parses a chunk header (5.3.1) and enters its chunk; the bytes it took, or `None` when it is not whole.
    fn parse_header(&mut self, bytes: &[u8]) -> Result<Option<usize>, ChunkError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (csid, basic) = match (first & 63, bytes) {
            (0, &[_, low, ..]) => (64 + u32::from(low), 2),
            (1, &[_, low, high, ..]) => (64 + u32::from(low) + 256 * u32::from(high), 3),
            (0 | 1, _) => return Ok(None),
            (csid, _) => (u32::from(csid), 1),
        };
        let format = first >> 6;
        let known = self.streams.iter().position(|stream| stream.csid == csid);
        let fields = [11, 7, 3, 0][usize::from(format)];
        let Some(header) = bytes.get(basic..basic + fields) else { return Ok(None) };
        let extended = match known {
            _ if format < 3 => header[..3] == [255; 3],
            Some(index) => self.streams[index].extended,
            None => return Err(ChunkError::NoHeader { csid }),
        };
        let used = basic + fields + if extended { 4 } else { 0 };
        if bytes.len() < used {
            return Ok(None);
        }
        let index = match known {
            Some(index) => index,
            None if format == 0 => {
                self.streams.push(Stream { csid, ..Stream::default() });
                self.streams.len() - 1
            }
            None => return Err(ChunkError::NoHeader { csid }),
        };
        let stream = &mut self.streams[index];
        stream.extended = extended;
        if stream.missing == 0 {
            if let &[_, _, _, a, b, c, type_id, ..] = header {
                stream.len = u32::from_be_bytes([0, a, b, c]);
                stream.type_id = type_id;
            }
            stream.missing = stream.len;
            stream.head.clear();
        } else if format < 2 {
            return Err(ChunkError::Interrupted { csid, len: stream.len });
        }
        if stream.len > MAX_MESSAGE_BYTES {
            return Err(ChunkError::TooLarge { csid, len: stream.len });
        }
        self.current = index;
        self.chunk_left = stream.missing.min(self.chunk_size);
        Ok(Some(used))
    }
}

/// Appends a message in chunks of `chunk_size` bytes, with full header and then headers of type 3.
pub(crate) fn write_message(
    out: &mut Vec<u8>,
    chunk_size: usize,
    (csid, type_id, stream_id): (u8, u8, u32),
    timestamp_ms: u32,
    body: &[u8],
) {
    let extended = timestamp_ms >= 0x00ff_ffff;
    let short = if extended { 0x00ff_ffff } else { timestamp_ms };
    out.push(csid);
    out.extend_from_slice(&short.to_be_bytes()[1..]);
    out.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    out.push(type_id);
    out.extend_from_slice(&stream_id.to_le_bytes());
    for (index, chunk) in body.chunks(chunk_size).enumerate() {
        if index > 0 {
            out.push(0xc0 | csid);
        }
        if extended {
            out.extend_from_slice(&timestamp_ms.to_be_bytes());
        }
        out.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(bytes: &[u8], cut: usize) -> Result<Vec<(u8, usize, Vec<u8>)>, ChunkError> {
        let mut reader = ChunkReader::new();
        let mut found = Vec::new();
        for mut piece in bytes.chunks(cut.max(1)) {
            while let Some(message) = reader.next(&mut piece)? {
                found.push((message.type_id, message.len, message.head.to_vec()));
            }
        }
        Ok(found)
    }

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        write_message(&mut bytes, 128, (2, Control::SET_CHUNK_SIZE, 0), 0, &300_u32.to_be_bytes());
        write_message(&mut bytes, 300, (6, 9, 1), 40, &[7; 1000]);
        write_message(&mut bytes, 300, (4, 8, 1), 0x0123_4567, &[8; 700]);
        write_message(&mut bytes, 300, (3, 20, 0), 0, &[9; 301]);
        // A header of type 1, then one of type 3 that begins a new message of the same length.
        bytes.extend_from_slice(&[0x46, 0, 0, 33, 0, 0, 2, 9, 1, 2]);
        bytes.extend_from_slice(&[0xc6, 3, 4]);
        bytes
    }

    #[test]
    fn messages_are_found_with_their_length_and_head() {
        let found = read_all(&sample(), usize::MAX).unwrap();
        let shape: Vec<_> = found.iter().map(|(kind, len, head)| (*kind, *len, head.len())).collect();
        let kept = MEDIA_HEAD_BYTES;
        assert_eq!(shape, [(1, 4, 4), (9, 1000, kept), (8, 700, kept), (20, 301, 301), (9, 2, 2), (9, 2, 2)]);
        assert_eq!(found[5].2, [3, 4]);
    }

    #[test]
    fn any_chopping_finds_the_same() {
        let bytes = sample();
        let whole = read_all(&bytes, usize::MAX).unwrap();
        for cut in 1..64 {
            assert_eq!(read_all(&bytes, cut).unwrap(), whole, "in pieces of {cut}");
        }
    }

    #[test]
    fn a_lost_byte_does_not_go_unnoticed() {
        let mut bytes = sample();
        bytes.remove(40);
        assert_ne!(read_all(&bytes, 7).ok(), read_all(&sample(), 7).ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cut in 1..40_usize) {
            let _ = read_all(&bytes, cut);
        }
    }
}
