//! Framings: what stands before and behind each piece of a live body, made without touching the piece.

use super::websocket::{CloseCode, Opcode, frame_header};

/// How the pieces of a live body follow each other on an HTTP/1 connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As they are; the end of the connection is the end of the body (RFC 9112, 6.3, rule 8): HTTP/1.0.
    UntilClose,
    /// Chunks (RFC 9112, 7.1).
    Chunked,
    /// Unfragmented binary messages from a server (RFC 6455, 5).
    WebSocket,
}

/// Bytes of the longest prefix: the hexadecimal digits of a 64-bit length and a line end.
pub const MAX_PREFIX_BYTES: usize = 18;

/// What stands before a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    bytes: [u8; MAX_PREFIX_BYTES],
    len: u8,
}

impl Prefix {
    /// The bytes to send.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Appends `bytes`; what does not fit is left out, which the callers' lengths exclude.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
                *place = byte;
                self.len += 1;
            }
        }
    }
}

impl Framing {
    /// What stands before a piece of `len` bytes. An empty piece is not to be sent: as a chunk it would end
    /// the body.
    #[must_use]
    pub fn prefix(self, len: usize) -> Prefix {
        match self {
            Self::UntilClose => Prefix::default(),
            Self::Chunked => chunk_size(len),
            Self::WebSocket => frame_header(Opcode::Binary, len),
        }
    }

    /// What stands behind a piece.
    #[must_use]
    pub const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"\r\n",
            Self::UntilClose | Self::WebSocket => b"",
        }
    }

    /// What ends the body; on a WebSocket the close frame that says `code`.
    #[must_use]
    pub fn end(self, code: CloseCode) -> Prefix {
        let mut end = Prefix::default();
        match self {
            Self::UntilClose => {}
            Self::Chunked => end.extend(b"0\r\n\r\n"),
            Self::WebSocket => {
                end = frame_header(Opcode::Close, 2);
                end.extend(&code.0.to_be_bytes());
            }
        }
        end
    }
}

fn chunk_size(len: usize) -> Prefix {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut prefix = Prefix::default();
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = len >> (4 * place) & 0xf;
        prefix.extend(DIGITS.get(digit..=digit).unwrap_or_default());
    }
    prefix.extend(b"\r\n");
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chunk_and_the_end_of_chunks() {
        assert_eq!(Framing::Chunked.prefix(10).as_slice(), b"a\r\n");
        assert_eq!(Framing::Chunked.prefix(usize::MAX).as_slice(), b"ffffffffffffffff\r\n");
        assert_eq!(Framing::Chunked.end(CloseCode::GOING_AWAY).as_slice(), b"0\r\n\r\n");
        assert_eq!(Framing::UntilClose.end(CloseCode::NORMAL).as_slice(), b"");
    }

    #[test]
    fn a_websocket_ends_with_its_code() {
        assert_eq!(Framing::WebSocket.end(CloseCode::GOING_AWAY).as_slice(), [0x88, 2, 0x03, 0xe9]);
    }

    proptest! {
        #[test]
        fn a_chunk_size_reads_back(len in any::<usize>(), shift in 0..usize::BITS) {
            let len = len >> shift;
            let prefix = Framing::Chunked.prefix(len);
            let text = std::str::from_utf8(prefix.as_slice()).unwrap();
            prop_assert_eq!(text, format!("{len:x}\r\n"));
        }
    }
}
