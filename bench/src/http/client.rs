//! The player's side of HTTP-FLV and WebSocket-FLV: request, response head, tags.

use thiserror::Error;

use super::body::{BodyError, Deframer, Framing};
use super::flv::{TagError, TagReader};
use crate::source::Arrived;

/// Longest response head that is believed.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Why a player cannot go on.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum FlvError {
    #[error("the server answered: {line}")]
    Status { line: String },
    #[error("the response head has no end")]
    HeadTooLong,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Tag(#[from] TagError),
}

/// A player of one stream.
#[derive(Debug)]
pub(crate) struct FlvClient {
    websocket: bool,
    head: Vec<u8>,
    body: Option<Deframer>,
    tags: TagReader,
}

impl FlvClient {
    /// A player that has just appended its request to `out`.
    pub(crate) fn new(websocket: bool, path: &str, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n").as_bytes());
        if websocket {
            out.extend_from_slice(
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            );
            out.extend_from_slice(b"Sec-WebSocket-Key: ZmFub3V0LWxvYWQtc3RtcA==\r\n");
        }
        out.extend_from_slice(b"\r\n");
        Self { websocket, head: Vec::new(), body: None, tags: TagReader::default() }
    }

    /// Takes received bytes and shows each media tag to `on_media`.
    pub(crate) fn handle_input(
        &mut self,
        mut input: &[u8],
        on_media: &mut dyn FnMut(Arrived<'_>),
    ) -> Result<(), FlvError> {
        if self.body.is_none() {
            self.body = self.read_head(&mut input)?;
        }
        let Some(body) = &mut self.body else { return Ok(()) };
        while let Some(mut run) = body.next(&mut input)? {
            while let Some(tag) = self.tags.next(&mut run)? {
                on_media(tag);
            }
        }
        Ok(())
    }

    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Deframer>, FlvError> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.head.push(byte);
            if !self.head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let text = String::from_utf8_lossy(&std::mem::take(&mut self.head)).to_ascii_lowercase();
            let line = text.lines().next().unwrap_or_default();
            let expected = if self.websocket { "101" } else { "200" };
            if line.split(' ').nth(1) != Some(expected) {
                return Err(FlvError::Status { line: line.to_owned() });
            }
            let chunked =
                text.lines().any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked"));
            let framing = match (self.websocket, chunked) {
                (true, _) => Framing::WebSocket,
                (false, true) => Framing::Chunked,
                (false, false) => Framing::Plain,
            };
            return Ok(Some(Deframer::new(framing)));
        }
        if self.head.len() > MAX_HEAD_BYTES { Err(FlvError::HeadTooLong) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(websocket: bool, response: &[u8]) -> Result<usize, FlvError> {
        let mut request = Vec::new();
        let mut client = FlvClient::new(websocket, "/live/x/play.flv", &mut request);
        assert!(request.starts_with(b"GET /live/x/play.flv HTTP/1.1\r\n") && request.ends_with(b"\r\n\r\n"));
        let mut found = 0;
        for piece in response.chunks(3) {
            client.handle_input(piece, &mut |tag| found += tag.len)?;
        }
        Ok(found)
    }

    const FLV: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x08\0\0\x02\0\0\0\0\0\0\0\xaf\0\0\0\0\x0d";

    #[test]
    fn tags_are_found_behind_each_framing() {
        let plain = [b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n", FLV].concat();
        assert_eq!(play(false, &plain), Ok(2));
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        chunked.extend_from_slice(format!("{:x}\r\n", FLV.len()).as_bytes());
        chunked.extend_from_slice(FLV);
        chunked.extend_from_slice(b"\r\n");
        assert_eq!(play(false, &chunked), Ok(2));
        let frame =
            [b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x82", [FLV.len() as u8].as_slice(), FLV].concat();
        assert_eq!(play(true, &frame), Ok(2));
    }

    #[test]
    fn a_refusal_is_told_with_its_status_line() {
        let refusal = FlvError::Status { line: "http/1.1 404 not found".to_owned() };
        assert_eq!(play(false, b"HTTP/1.1 404 Not Found\r\n\r\n"), Err(refusal));
    }
}
