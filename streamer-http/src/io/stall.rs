//! A guard around a connection that gives a peer up which takes nothing of what is written to it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::error::Stalled;

/// Passes everything on; a write, flush or shutdown that is held up longer than the limit, without a byte
/// taken in between, fails with [`Stalled`] inside an [`io::ErrorKind::TimedOut`].
pub(crate) struct StallGuard<IO> {
    io: IO,
    after: Duration,
    /// Kept once made: who was slow once will be again.
    timer: Option<Pin<Box<Sleep>>>,
    held_up: Arc<AtomicBool>,
}

impl<IO> StallGuard<IO> {
    pub(crate) fn new(io: IO, after: Duration) -> Self {
        Self { io, after, timer: None, held_up: Arc::default() }
    }

    pub(crate) const fn get_ref(&self) -> &IO {
        &self.io
    }

    /// Whether the last write was held up, to be seen from outside.
    pub(crate) fn held_up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.held_up)
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.held_up.store(false, Ordering::Relaxed);
            return result;
        }
        let begins = !self.held_up.swap(true, Ordering::Relaxed);
        let after = self.after;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(after)));
        if begins {
            timer.as_mut().reset(Instant::now() + after);
        }
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stalled { after }))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for StallGuard<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for StallGuard<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(cx, result)
    }
}
