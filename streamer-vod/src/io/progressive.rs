//! Files as they are, whole or in part, read piece by piece as the peer takes them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes read at once: a piece is held for each peer while the next one is read.
pub const PIECE_BYTES: u64 = 256 << 10;

/// A range of a file as the body of an answer. The next piece is read while the one before is sent.
pub(crate) struct FileBody {
    file: Arc<File>,
    /// What is not being read yet.
    rest: Range<u64>,
    /// What was not given out yet.
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(crate) fn new(file: Arc<File>, range: Range<u64>) -> Self {
        let left = range.end.saturating_sub(range.start);
        Self { file, rest: range, left, reading: None }
    }

    fn read_on(&mut self) {
        let begin = self.rest.start;
        let end = begin.saturating_add(PIECE_BYTES).min(self.rest.end);
        if begin < end {
            self.rest.start = end;
            let file = Arc::clone(&self.file);
            self.reading = Some(spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(end - begin).unwrap_or(0)];
                file.read_exact_at(&mut piece, begin)?;
                Ok(Bytes::from(piece))
            }));
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.reading.is_none() {
            self.read_on();
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = match Pin::new(reading).poll(cx) {
            Poll::Ready(read) => read.unwrap_or_else(|error| Err(error.into())),
            Poll::Pending => return Poll::Pending,
        };
        self.reading = None;
        Poll::Ready(Some(read.map(|piece| {
            self.left = self.left.saturating_sub(piece.len() as u64);
            self.read_on();
            Frame::data(piece)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_at_their_limit() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..2 * PIECE_BYTES + 5).map(|at| (at % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let mut body = FileBody::new(Arc::new(file), 3..content.len() as u64);
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap());
        }
        let lengths: Vec<u64> = pieces.iter().map(|piece| piece.len() as u64).collect();
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, 2]);
        assert!(pieces.concat() == content[3..]);
    }
}
