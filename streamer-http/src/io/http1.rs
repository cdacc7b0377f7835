//! HTTP/1: hyper reads the requests and writes short answers; a live body takes the connection over.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Port, Share, Transport};
use super::feed::Feed;
use super::outlet::FramedOutlet;
use super::service::{Carrier, answer};
use super::session::Session;
use super::stall::StallGuard;
use crate::error::ConnectionError;
use crate::proto::framing::Framing;

/// Longest head of a request: URL, token, cookies and all; what browsers and proxies allow as well.
pub const MAX_REQUEST_HEAD_BYTES: usize = 16 << 10;

/// A live body that wants the connection.
pub(crate) struct Takeover {
    pub(crate) feed: Feed,
    pub(crate) framing: Framing,
    pub(crate) head: Bytes,
}

/// Where a request leaves its takeover for the connection's task.
#[derive(Default)]
pub(crate) struct TakeoverSlot(Mutex<Option<Takeover>>);

impl TakeoverSlot {
    pub(crate) fn take_over(&self, takeover: Takeover) {
        *self.0.lock() = Some(takeover);
    }
}

pub(crate) async fn serve<IO>(
    io: StallGuard<IO>,
    share: Share<IO>,
    transport: Transport,
    port: Arc<Port>,
) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Boxed, so that what hyper needs is freed when a live body begins.
    let Some(taken) = Box::pin(requests(io, transport, Arc::clone(&port))).await? else { return Ok(()) };
    let (io, early, Takeover { mut feed, framing, head }) = taken;
    if let Some(socket) = share(io.get_ref()) {
        feed.set_outlet(Box::new(FramedOutlet { socket, framing }));
    }
    let mut session = Session::new(io, feed, framing, head, port.shutdown.clone());
    session.hear_early(&early)?;
    // It is a piece of hyper's read buffer and would keep all of it.
    drop((early, port));
    session.run().await
}

type Taken<IO> = (StallGuard<IO>, Bytes, Takeover);

/// Serves requests until the connection ends or one of them takes it over.
async fn requests<IO>(
    io: StallGuard<IO>,
    transport: Transport,
    port: Arc<Port>,
) -> Result<Option<Taken<IO>>, ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let held_up = io.held_up();
    let slot = Arc::new(TakeoverSlot::default());
    let service = service_fn(|request| {
        let (port, carrier) = (Arc::clone(&port), Carrier::Http1(Arc::clone(&slot)));
        Box::pin(async move { Ok::<_, Infallible>(answer(port, transport, carrier, request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(port.options.header_read_timeout)
        .max_buf_size(MAX_REQUEST_HEAD_BYTES)
        .max_header_size(MAX_REQUEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let mut shutdown = Some(Box::pin(port.shutdown.clone().cancelled_owned()));
    let takeover = poll_fn(|cx| {
        if shutdown.as_mut().is_some_and(|shutdown| shutdown.as_mut().poll(cx).is_ready()) {
            shutdown = None;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(result.map(|()| None));
        }
        // hyper flushes whenever it is polled: unless the socket holds it up, the answers before are out.
        if held_up.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        match slot.0.lock().take() {
            Some(takeover) => Poll::Ready(Ok(Some(takeover))),
            None => Poll::Pending,
        }
    })
    .await?;
    Ok(takeover.map(|takeover| {
        let parts = connection.into_parts();
        (parts.io.into_inner(), parts.read_buf, takeover)
    }))
}
