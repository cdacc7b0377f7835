//! Removes what HTTP or WebSocket puts around a body: nothing, chunks (RFC 9112, 7.1) or frames (RFC 6455, 5.2).

use thiserror::Error;

/// Longest line or header that is believed.
const MAX_LINE_BYTES: usize = 256;

/// The framing is broken, or the server ended the stream.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BodyError {
    #[error("the chunk size line is no hexadecimal number")]
    ChunkLine,
    #[error("the server ended the body")]
    Ended,
    #[error("unexpected WebSocket frame: opcode {opcode}, masked {masked}")]
    Frame { opcode: u8, masked: bool },
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// To the end of the connection.
    Plain,
    Chunked,
    WebSocket,
}

/// Finds the body's own bytes, however the input is chopped.
#[derive(Debug)]
pub(crate) struct Deframer {
    framing: Framing,
    /// Body bytes left before the next header; for [`Framing::Chunked`] the CRLF after them is in `skip`.
    left: u64,
    /// Payload of the current frame is a ping or pong: not part of the body.
    aside: bool,
    header: Vec<u8>,
}

impl Deframer {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, left: 0, aside: false, header: Vec::new() }
    }

    /// Takes bytes from the front of `input` and returns the next run of body bytes; `None` when all are taken.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BodyError> {
        if self.framing == Framing::Plain {
            let run = std::mem::take(input);
            return Ok((!run.is_empty()).then_some(run));
        }
        loop {
            while self.left == 0 {
                let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                *input = rest;
                self.header.push(byte);
                let whole = match self.framing {
                    Framing::Chunked => self.chunk_line()?,
                    _ => self.frame_header()?,
                };
                if whole {
                    self.header.clear();
                }
            }
            if input.is_empty() {
                return Ok(None);
            }
            let length = input.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (run, rest) = input.split_at(length);
            *input = rest;
            self.left -= length as u64;
            if !self.aside {
                return Ok(Some(run));
            }
        }
    }

    fn chunk_line(&mut self) -> Result<bool, BodyError> {
        if self.header == b"\r\n" {
            return Ok(true); // the end of the chunk before
        }
        let Some(line) = self.header.strip_suffix(b"\r\n") else {
            return if self.header.len() > MAX_LINE_BYTES { Err(BodyError::ChunkLine) } else { Ok(false) };
        };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let text = std::str::from_utf8(digits).map_err(|_| BodyError::ChunkLine)?;
        self.left = u64::from_str_radix(text.trim(), 16).map_err(|_| BodyError::ChunkLine)?;
        if self.left == 0 { Err(BodyError::Ended) } else { Ok(true) }
    }

    fn frame_header(&mut self) -> Result<bool, BodyError> {
        let &[first, second, ref rest @ ..] = self.header.as_slice() else { return Ok(false) };
        let (opcode, masked) = (first & 15, second & 128 != 0);
        let length = match (second & 127, rest) {
            (126, &[a, b]) => u64::from(u16::from_be_bytes([a, b])),
            (127, &[a, b, c, d, e, f, g, h]) => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            (126 | 127, _) => return Ok(false),
            (length, _) => u64::from(length),
        };
        match opcode {
            _ if masked => return Err(BodyError::Frame { opcode, masked }),
            0 | 2 => self.aside = false,
            8 => return Err(BodyError::Ended),
            9 | 10 => self.aside = true,
            _ => return Err(BodyError::Frame { opcode, masked }),
        }
        self.left = length;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, bytes: &[u8], cut: usize) -> Result<Vec<u8>, BodyError> {
        let mut deframer = Deframer::new(framing);
        let mut body = Vec::new();
        for mut piece in bytes.chunks(cut) {
            while let Some(run) = deframer.next(&mut piece)? {
                body.extend_from_slice(run);
            }
        }
        Ok(body)
    }

    #[test]
    fn chunks_are_joined_however_they_arrive() {
        let bytes = b"5\r\nhello\r\n1;x=y\r\n,\r\n6\r\n world\r\n";
        for cut in 1..bytes.len() {
            assert_eq!(read(Framing::Chunked, bytes, cut).unwrap(), b"hello, world");
        }
        assert_eq!(read(Framing::Chunked, b"0\r\n\r\n", 9), Err(BodyError::Ended));
        assert_eq!(read(Framing::Chunked, b"wat\r\n", 9), Err(BodyError::ChunkLine));
    }

    #[test]
    fn frames_are_joined_and_pings_left_out() {
        let mut bytes = vec![0x02, 2, b'h', b'e', 0x89, 1, b'!', 0x80, 126, 1, 0];
        bytes.extend_from_slice(&[b'l'; 256]);
        bytes.extend_from_slice(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'o']);
        let expected = [b"he".as_slice(), &[b'l'; 256], b"o"].concat();
        for cut in 1..bytes.len() {
            assert_eq!(read(Framing::WebSocket, &bytes, cut).unwrap(), expected);
        }
        assert_eq!(read(Framing::WebSocket, &[0x88, 0], 2), Err(BodyError::Ended));
        let masked = BodyError::Frame { opcode: 2, masked: true };
        assert_eq!(read(Framing::WebSocket, &[0x82, 0x81], 2), Err(masked));
    }
}
