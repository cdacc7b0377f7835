//! From a message to bytes: the sending half of the chunk stream, without state.
//!
//! Every message is one type 0 chunk and as many type 3 chunks as it takes, with an absolute timestamp. Nothing depends
//! on what was sent before, so the bytes can be made once and sent to every peer that uses the same chunk size and
//! message stream.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::BasicHeader;
use super::{
    ChunkError, ChunkSize, EXTENDED_TIMESTAMP, MAX_CHUNK_STREAM, MAX_MESSAGE_BYTES, MIN_CHUNK_STREAM,
    MessageKind,
};

/// Everything about a message but its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// The chunk stream to send it on, 2 to 65599.
    pub chunk_stream: u32,
    /// The message stream it belongs to; 0 is the connection itself.
    pub message_stream: u32,
    /// What it is.
    pub kind: MessageKind,
    /// Milliseconds; the low 32 bits go on the wire.
    pub timestamp_ms: i64,
}

/// The header bytes of a message: `bytes[..first]` opens it, `bytes[first..]` goes before each further chunk.
struct HeaderBytes {
    bytes: Vec<u8>,
    first: usize,
}

impl MessageHeader {
    fn encode(&self, len: usize) -> Result<HeaderBytes, ChunkError> {
        if !(MIN_CHUNK_STREAM..=MAX_CHUNK_STREAM).contains(&self.chunk_stream) {
            return Err(ChunkError::InvalidChunkStream { chunk_stream: self.chunk_stream });
        }
        let wire_len = match u32::try_from(len) {
            Ok(wire_len) if len <= MAX_MESSAGE_BYTES => wire_len,
            _ => return Err(ChunkError::MessageTooLarge { len, max: MAX_MESSAGE_BYTES }),
        };
        // The wire carries the low 32 bits; the receiver unwraps them.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let timestamp = self.timestamp_ms as u32;
        let extended = (timestamp >= EXTENDED_TIMESTAMP).then(|| timestamp.to_be_bytes());
        let mut bytes = Vec::with_capacity(25);
        BasicHeader::write(0, self.chunk_stream, &mut bytes);
        bytes.extend_from_slice(&timestamp.min(EXTENDED_TIMESTAMP).to_be_bytes()[1..]);
        bytes.extend_from_slice(&wire_len.to_be_bytes()[1..]);
        bytes.push(self.kind.id());
        bytes.extend_from_slice(&self.message_stream.to_le_bytes());
        bytes.extend_from_slice(extended.as_ref().map_or(&[], |bytes| bytes.as_slice()));
        let first = bytes.len();
        BasicHeader::write(3, self.chunk_stream, &mut bytes);
        bytes.extend_from_slice(extended.as_ref().map_or(&[], |bytes| bytes.as_slice()));
        Ok(HeaderBytes { bytes, first })
    }
}

/// Appends a message to `out`, payload copied: the form for small messages and for bytes that are shared whole.
///
/// # Errors
/// [`ChunkError::InvalidChunkStream`] and [`ChunkError::MessageTooLarge`]; nothing is written then.
pub fn write_message(
    header: &MessageHeader,
    payload: &[u8],
    chunk_size: ChunkSize,
    out: &mut BytesMut,
) -> Result<(), ChunkError> {
    let HeaderBytes { bytes, first } = header.encode(payload.len())?;
    let size = chunk_size.get() as usize;
    let further = payload.len().saturating_sub(1) / size;
    out.reserve(first + payload.len() + further * (bytes.len() - first));
    out.put_slice(&bytes[..first]);
    let mut chunks = payload.chunks(size);
    out.put_slice(chunks.next().unwrap_or_default());
    for chunk in chunks {
        out.put_slice(&bytes[first..]);
        out.put_slice(chunk);
    }
    Ok(())
}

/// Appends a message to `out` as slices for a vectored write, payload not copied. The payload is the concatenation of
/// `parts`, so that a tag header and the frame behind it need not be joined.
///
/// # Errors
/// As [`write_message`].
pub fn write_message_slices(
    header: &MessageHeader,
    parts: &[Bytes],
    chunk_size: ChunkSize,
    out: &mut Vec<Bytes>,
) -> Result<(), ChunkError> {
    let HeaderBytes { bytes, first } = header.encode(parts.iter().map(Bytes::len).sum())?;
    let mut first_header = Bytes::from(bytes);
    // One allocation holds both headers; the further chunks share theirs.
    let further_header = first_header.split_off(first);
    out.push(first_header);
    let size = chunk_size.get() as usize;
    let mut room = size;
    for part in parts {
        let mut rest = part.clone();
        while !rest.is_empty() {
            if room == 0 {
                out.push(further_header.clone());
                room = size;
            }
            let slice = rest.split_to(rest.len().min(room));
            room -= slice.len();
            out.push(slice);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: MessageHeader = MessageHeader {
        chunk_stream: 6,
        message_stream: 1,
        kind: MessageKind::Video,
        timestamp_ms: 0x0102_0304,
    };

    #[test]
    fn the_extended_timestamp_is_repeated_in_every_chunk() {
        let mut out = BytesMut::new();
        write_message(&HEADER, &[0xaa; 5], ChunkSize::new(2).unwrap(), &mut out).unwrap();
        let expected = [
            &[0x06, 0xff, 0xff, 0xff, 0, 0, 5, 9, 1, 0, 0, 0, 1, 2, 3, 4, 0xaa, 0xaa][..],
            &[0xc6, 1, 2, 3, 4, 0xaa, 0xaa],
            &[0xc6, 1, 2, 3, 4, 0xaa],
        ]
        .concat();
        assert_eq!(out, expected);
    }

    #[test]
    fn a_payload_that_fills_its_chunks_has_no_empty_last_chunk() {
        let mut out = BytesMut::new();
        let header = MessageHeader { timestamp_ms: 0, ..HEADER };
        write_message(&header, &[0xaa; 4], ChunkSize::new(2).unwrap(), &mut out).unwrap();
        assert_eq!(out.len(), 12 + 2 + 1 + 2);
        out.clear();
        write_message(&header, &[], ChunkSize::DEFAULT, &mut out).unwrap();
        assert_eq!(out.len(), 12);
    }

    #[test]
    fn slices_are_the_same_bytes_and_share_the_payload() {
        let parts =
            [Bytes::from_static(b"head"), Bytes::from(vec![7; 300]), Bytes::new(), Bytes::from_static(b"z")];
        let mut slices = Vec::new();
        write_message_slices(&HEADER, &parts, ChunkSize::DEFAULT, &mut slices).unwrap();
        let mut copied = BytesMut::new();
        write_message(&HEADER, &parts.concat(), ChunkSize::DEFAULT, &mut copied).unwrap();
        assert_eq!(slices.concat(), copied);
        assert!(slices.iter().any(|slice| slice.as_ptr() == parts[1].as_ptr()));
    }

    #[test]
    fn what_no_reader_could_take_is_refused() {
        let mut out = BytesMut::new();
        for chunk_stream in [0, 1, 65_600] {
            let header = MessageHeader { chunk_stream, ..HEADER };
            let refused = write_message(&header, b"x", ChunkSize::DEFAULT, &mut out);
            assert_eq!(refused, Err(ChunkError::InvalidChunkStream { chunk_stream }));
        }
        let payload = vec![0; MAX_MESSAGE_BYTES + 1];
        let refused = write_message(&HEADER, &payload, ChunkSize::DEFAULT, &mut out);
        assert_eq!(refused, Err(ChunkError::MessageTooLarge { len: 1 << 24, max: MAX_MESSAGE_BYTES }));
        assert!(out.is_empty());
        write_message(&HEADER, &payload[1..], ChunkSize::MAX, &mut out).unwrap();
    }
}
