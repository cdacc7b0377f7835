//! Bytes on their way to a socket: shared buffers, written with as few calls as possible.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use streamer_net::{give_room_back, take_room};
use tokio::io::AsyncWrite;

/// Buffers gathered for one vectored write: past this number the kernel's cost per buffer is all there is.
const MAX_SLICES: usize = 32;

thread_local!(static ROOM: RefCell<VecDeque<Bytes>> = const { RefCell::new(VecDeque::new()) });

/// Bytes that wait to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    buffers: VecDeque<Bytes>,
    len: usize,
}

impl WriteQueue {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            take_room(&ROOM, &mut self.buffers);
            self.buffers.push_back(bytes);
        }
    }

    /// Queues bytes before all that waits.
    pub(crate) fn push_first(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            take_room(&ROOM, &mut self.buffers);
            self.buffers.push_front(bytes);
        }
    }

    /// Bytes that wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes until nothing is left or the stream takes no more. Returns, through `written`, how much went.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        written: &mut u64,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, buffer) in slices.iter_mut().zip(&self.buffers) {
                *slice = IoSlice::new(buffer);
                count += 1;
            }
            let sent = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += sent as u64;
            self.advance(sent);
        }
        // TLS keeps records of its own until flushed.
        Pin::new(stream).poll_flush(cx)
    }

    fn advance(&mut self, mut sent: usize) {
        self.len -= sent;
        while let Some(front) = self.buffers.front_mut() {
            if front.len() > sent {
                front.advance(sent);
                return;
            }
            sent -= front.len();
            self.buffers.pop_front();
        }
        give_room_back(&ROOM, &mut self.buffers);
    }
}
