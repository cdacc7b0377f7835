//! Requests and answers one after another on a connection that stays (RFC 9112), without sockets.

use thiserror::Error;

/// Longest answer head that is believed.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Why no further request can follow.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum AnswerError {
    #[error("{path} was answered: {line}")]
    Status { path: String, line: String },
    #[error("the answer to {path} has no Content-Length")]
    NoLength { path: String },
    #[error("the answer to {path} has a head without end")]
    HeadTooLong { path: String },
    #[error("{bytes} bytes follow the answer to {path}")]
    Surplus { path: String, bytes: usize },
}

/// One request at a time, and what came back so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    path: String,
    head: Vec<u8>,
    length: Option<usize>,
    arrived: usize,
    keeps_body: bool,
    body: Vec<u8>,
}

impl Exchange {
    /// An exchange that keeps the bodies, or only counts them.
    pub(crate) fn new(keeps_body: bool) -> Self {
        Self { path: String::new(), head: Vec::new(), length: None, arrived: 0, keeps_body, body: Vec::new() }
    }

    /// Appends a request to `out` and forgets the answer before.
    pub(crate) fn ask(&mut self, path: &str, out: &mut Vec<u8>) {
        path.clone_into(&mut self.path);
        self.head.clear();
        self.length = None;
        self.arrived = 0;
        self.body.clear();
        for piece in ["GET ", path, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Takes received bytes. An answer other than 200 is an error.
    pub(crate) fn handle_input(&mut self, mut input: &[u8]) -> Result<(), AnswerError> {
        if self.length.is_none() {
            // Room is given to the end mark that two inputs share.
            let searched = self.head.len().saturating_sub(3);
            self.head.extend_from_slice(input);
            let Some(end) = self.head[searched..].windows(4).position(|window| window == b"\r\n\r\n") else {
                return if self.head.len() > MAX_HEAD_BYTES {
                    Err(AnswerError::HeadTooLong { path: self.path.clone() })
                } else {
                    Ok(())
                };
            };
            let end = searched + end + 4;
            input = &input[input.len() - (self.head.len() - end)..];
            self.head.truncate(end);
            self.length = Some(self.read_head()?);
        }
        let (wanted, surplus) = input.split_at(input.len().min(self.missing()));
        if !surplus.is_empty() {
            return Err(AnswerError::Surplus { path: self.path.clone(), bytes: surplus.len() });
        }
        self.arrived += wanted.len();
        if self.keeps_body {
            self.body.extend_from_slice(wanted);
        }
        Ok(())
    }

    fn read_head(&self) -> Result<usize, AnswerError> {
        let text = String::from_utf8_lossy(&self.head);
        let mut lines = text.lines();
        let line = lines.next().unwrap_or_default();
        if line.split(' ').nth(1) != Some("200") {
            return Err(AnswerError::Status { path: self.path.clone(), line: line.to_owned() });
        }
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .ok_or_else(|| AnswerError::NoLength { path: self.path.clone() })
    }

    /// Bytes of the body that are still to come; 0 before the head is whole.
    pub(crate) fn missing(&self) -> usize {
        self.length.map_or(0, |length| length - self.arrived)
    }

    /// So many bytes of the body were taken away unread, no more than [`missing`](Self::missing).
    pub(crate) fn skipped(&mut self, bytes: usize) {
        self.arrived += bytes.min(self.missing());
    }

    /// Whether the answer is there to its last byte.
    pub(crate) fn is_whole(&self) -> bool {
        self.length == Some(self.arrived)
    }

    /// Bytes of the body that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived
    }

    /// The body so far, when bodies are kept.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(exchange: &mut Exchange, bytes: &[u8], cut: usize) -> Result<(), AnswerError> {
        let mut request = Vec::new();
        exchange.ask("/x", &mut request);
        assert_eq!(request, b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        bytes.chunks(cut).try_for_each(|piece| exchange.handle_input(piece))
    }

    #[test]
    fn answers_are_read_however_they_arrive() {
        let mut exchange = Exchange::new(true);
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nEtag: \"1\"\r\n\r\nhello";
        for cut in 1..=bytes.len() {
            answer(&mut exchange, bytes, cut).unwrap();
            assert!(exchange.is_whole() && exchange.body() == b"hello", "in pieces of {cut}");
        }
        answer(&mut exchange, &bytes[..bytes.len() - 1], 9).unwrap();
        assert!(!exchange.is_whole() && exchange.missing() == 1);
        answer(&mut exchange, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 50).unwrap();
        assert!(exchange.is_whole() && exchange.body().is_empty());
    }

    #[test]
    fn bodies_can_be_taken_away_unread() {
        let mut exchange = Exchange::new(false);
        answer(&mut exchange, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345", 7).unwrap();
        assert_eq!((exchange.missing(), exchange.arrived(), exchange.body()), (95, 5, [].as_slice()));
        exchange.skipped(95);
        assert!(exchange.is_whole());
    }

    #[test]
    fn whatever_is_no_plain_answer_is_an_error() {
        let mut exchange = Exchange::new(true);
        let path = "/x".to_owned();
        let status = AnswerError::Status { path: path.clone(), line: "HTTP/1.1 404 Not Found".to_owned() };
        let bytes = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answer(&mut exchange, bytes, 8), Err(status));
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(answer(&mut exchange, bytes, 8), Err(AnswerError::NoLength { path: path.clone() }));
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n123";
        assert_eq!(
            answer(&mut exchange, bytes, 80),
            Err(AnswerError::Surplus { path: path.clone(), bytes: 2 })
        );
        let endless = vec![b'x'; MAX_HEAD_BYTES + 1];
        assert_eq!(answer(&mut exchange, &endless, 1000), Err(AnswerError::HeadTooLong { path }));
    }
}
