//! One connection: a stream of bytes, the session that speaks over it, and what waits to be sent.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::IdleDeadline;
use super::write_queue::WriteQueue;
use crate::error::RtmpError;
use crate::proto::client::{ClientError, ClientEvent, ClientSession};
use crate::proto::server::{ServerEvent, ServerSession, SessionError};

/// Bytes read at once: a key frame in a few reads, and little enough to stay in the cache.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// Where reads land before the session takes them: one buffer for each worker thread rather than one
    /// for each connection, so that a connection which is silent costs no buffer.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What both sides' sessions have in common.
pub(crate) trait Session {
    type Event;
    type Error: Into<RtmpError>;
    fn handle_input(&mut self, input: &[u8]) -> Result<usize, Self::Error>;
    fn poll_event(&mut self) -> Option<Self::Event>;
    fn poll_output(&mut self) -> Option<Bytes>;
}

impl Session for ServerSession {
    type Event = ServerEvent;
    type Error = SessionError;
    fn handle_input(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        Self::handle_input(self, input)
    }
    fn poll_event(&mut self) -> Option<ServerEvent> {
        Self::poll_event(self)
    }
    fn poll_output(&mut self) -> Option<Bytes> {
        Self::poll_output(self)
    }
}

impl Session for ClientSession {
    type Event = ClientEvent;
    type Error = ClientError;
    fn handle_input(&mut self, input: &[u8]) -> Result<usize, ClientError> {
        Self::handle_input(self, input)
    }
    fn poll_event(&mut self) -> Option<ClientEvent> {
        Self::poll_event(self)
    }
    fn poll_output(&mut self) -> Option<Bytes> {
        Self::poll_output(self)
    }
}

/// A stream of bytes and the session that speaks over it.
pub(crate) struct Channel<S, P> {
    stream: S,
    pub(crate) session: P,
    /// Read, but not taken by the session yet.
    leftover: BytesMut,
    /// The session may hold more events than it had room for.
    feed_again: bool,
    out: WriteQueue,
    /// Runs while the peer takes nothing.
    stall: Option<IdleDeadline>,
    stall_timeout: Duration,
    /// Somebody else writes to the stream: what is to be sent waits.
    held: bool,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin, P: Session> Channel<S, P> {
    pub(crate) fn new(stream: S, session: P, stall_timeout: Duration) -> Self {
        Self {
            stream,
            session,
            leftover: BytesMut::new(),
            feed_again: false,
            out: WriteQueue::default(),
            stall: None,
            stall_timeout,
            held: false,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Queues bytes behind all that waits; whole messages only.
    pub(crate) fn queue(&mut self, bytes: Bytes) {
        self.collect_output();
        self.out.push(bytes);
    }

    /// Bytes that wait to be sent.
    pub(crate) const fn queued(&self) -> usize {
        self.out.len()
    }

    /// Leaves the writing to somebody else; everything was sent.
    pub(crate) const fn hold(&mut self) {
        self.held = true;
    }

    /// Writes again, first of all the `rest` that somebody else did not get rid of.
    pub(crate) fn resume(&mut self, rest: Bytes) {
        self.held = false;
        self.out.push_first(rest);
    }

    /// Whether the session has something to say.
    pub(crate) fn has_output(&mut self) -> bool {
        self.collect_output();
        !self.out.is_empty()
    }

    pub(crate) const fn stream(&self) -> &S {
        &self.stream
    }

    fn collect_output(&mut self) {
        while let Some(bytes) = self.session.poll_output() {
            self.out.push(bytes);
        }
    }

    /// Sends what waits. Ready when all is with the kernel.
    ///
    /// # Errors
    /// [`RtmpError::Stalled`] when the peer takes nothing for too long.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RtmpError>> {
        if self.held {
            return Poll::Pending;
        }
        self.collect_output();
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let before = self.bytes_out;
        match self.out.poll_write(&mut self.stream, cx, &mut self.bytes_out) {
            Poll::Ready(result) => {
                self.stall = None;
                Poll::Ready(result.map_err(RtmpError::from))
            }
            Poll::Pending => {
                let stall = self.stall.get_or_insert_with(|| IdleDeadline::new(self.stall_timeout));
                if self.bytes_out > before {
                    stall.touch();
                }
                ready!(stall.poll(cx));
                Poll::Ready(Err(RtmpError::Stalled { timeout: self.stall_timeout }))
            }
        }
    }

    /// Sends all that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), RtmpError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// The next event of the session; `None` when the peer has closed. Sends, on the way, what the session
    /// answers. Pending also while the session waits for its owner's verdict.
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<P::Event>, RtmpError>> {
        loop {
            if let Some(event) = self.session.poll_event() {
                return Poll::Ready(Ok(Some(event)));
            }
            // What cannot be sent now is sent later; a session with too much unsent reads no further.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if self.feed_again || !self.leftover.is_empty() {
                self.feed_again = false;
                let consumed = self.session.handle_input(&self.leftover).map_err(Into::into)?;
                self.leftover.advance(consumed);
                if self.leftover.is_empty() {
                    // Gives the memory back: most connections never need it again.
                    self.leftover = BytesMut::new();
                }
                if let Some(event) = self.session.poll_event() {
                    self.feed_again = true;
                    return Poll::Ready(Ok(Some(event)));
                }
                if consumed > 0 {
                    continue;
                }
                if !self.leftover.is_empty() {
                    return Poll::Pending;
                }
            }
            if ready!(self.poll_read(cx))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// The next event of the session; `None` when the peer has closed.
    pub(crate) async fn next_event(&mut self) -> Result<Option<P::Event>, RtmpError> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Reads once and hands it to the session. Ready with 0 at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, RtmpError>> {
        READ.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if !read.is_empty() {
                self.bytes_in += read.len() as u64;
                let consumed = self.session.handle_input(read).map_err(Into::into)?;
                self.leftover.extend_from_slice(&read[consumed..]);
                self.feed_again = true;
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Sends what waits and closes the sending side.
    pub(crate) async fn shutdown(&mut self) -> Result<(), RtmpError> {
        self.flush().await?;
        let closed: io::Result<()> = poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await;
        Ok(closed?)
    }
}
