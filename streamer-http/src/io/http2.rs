//! HTTP/2: streams of one connection, each given up when its viewer takes nothing.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use super::connection::{Port, Transport};
use super::http1::MAX_REQUEST_HEAD_BYTES;
use super::service::{Carrier, answer};
use super::stall::StallGuard;
use crate::error::ConnectionError;

/// Requests under way on one connection: more players than a page has.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 32;
/// Bytes one stream may have waiting for its connection: as much as one gathered write of HTTP/1.
const MAX_SEND_BUFFER_BYTES: usize = 64 << 10;
/// Bytes a client may send ahead on one stream, and on all: viewers send none.
const RECEIVE_WINDOW_BYTES: u32 = 64 << 10;
/// How often a quiet peer is asked whether it is still there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);

pub(crate) async fn serve<IO>(
    io: StallGuard<IO>,
    transport: Transport,
    port: Arc<Port>,
) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let open = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(AtomicU64::new(0));
    let service = service_fn(|request| {
        requests.fetch_add(1, Ordering::Relaxed);
        let port = Arc::clone(&port);
        Box::pin(async move { Ok::<_, Infallible>(answer(port, transport, Carrier::Http2, request).await) })
    });
    let executor = Streams { port: Arc::clone(&port), open: Arc::clone(&open) };
    let connection = http2::Builder::new(executor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .max_send_buf_size(MAX_SEND_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(MAX_REQUEST_HEAD_BYTES).unwrap_or(u32::MAX))
        .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
        .initial_connection_window_size(RECEIVE_WINDOW_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = Box::pin(connection);
    let mut shutdown = Some(Box::pin(port.shutdown.clone().cancelled_owned()));
    let mut idle = Box::pin(sleep(port.options.header_read_timeout));
    let mut rest = Rest::default();
    poll_fn(|cx| {
        let mut leave = false;
        if shutdown.as_mut().is_some_and(|shutdown| shutdown.as_mut().poll(cx).is_ready()) {
            shutdown = None;
            leave = true;
        }
        while idle.as_mut().poll(cx).is_ready() {
            leave |= rest.is_over(requests.load(Ordering::Relaxed), open.load(Ordering::Relaxed));
            idle.as_mut().reset(Instant::now() + port.options.header_read_timeout);
        }
        if leave {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await?;
    Ok(())
}

/// Looks now and then whether a connection is used.
#[derive(Debug, Default)]
struct Rest {
    requests_before: u64,
}

impl Rest {
    /// Whether nothing was asked for since the last look, and nothing is under way.
    const fn is_over(&mut self, requests: u64, open: usize) -> bool {
        let quiet = requests == self.requests_before;
        self.requests_before = requests;
        quiet && open == 0
    }
}

/// Runs the streams of one connection, each in a task that ends with the server and with a stall.
#[derive(Clone)]
struct Streams {
    port: Arc<Port>,
    open: Arc<AtomicUsize>,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (port, open) = (Arc::clone(&self.port), Open::new(&self.open));
        let progress = Arc::new(Progress::default());
        tokio::spawn(Box::pin(PROGRESS.scope(Arc::clone(&progress), async move {
            let _open = open;
            let mut stream = Box::pin(stream);
            let stalled = progress.stalled(port.options.write_stall_timeout);
            // Not fair on purpose: a stream that is done is done, however late.
            tokio::select! {
                biased;
                () = &mut stream => {}
                () = stalled => {
                    port.options.stats.write_stalls.increment();
                    debug!("a stream is reset whose viewer takes nothing");
                }
            }
        })));
    }
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

tokio::task_local! {
    /// Of the stream that the running task serves. hyper runs the service's future, and polls the body,
    /// within the task it gives to the executor.
    static PROGRESS: Arc<Progress>;
}

/// Whether a live body is asked for more.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Times the body was asked.
    asked: AtomicU64,
    /// The body gave something and was not asked since.
    unasked: AtomicBool,
}

impl Progress {
    /// `body`, with note taken of when it is asked for more.
    pub(crate) fn watch<B>(body: B) -> Watched<B> {
        let progress = PROGRESS.try_with(Arc::clone).unwrap_or_default();
        // It has something to give from now on: a peer may leave it no room for the first byte.
        progress.asked.store(1, Ordering::Relaxed);
        progress.unasked.store(true, Ordering::Relaxed);
        Watched { body, progress }
    }

    /// Ends when the body was not asked for more for `limit`, though it had given something.
    async fn stalled(&self, limit: Duration) {
        let mut asked_before = self.asked.load(Ordering::Relaxed);
        loop {
            sleep_until(Instant::now() + limit).await;
            let asked = self.asked.load(Ordering::Relaxed);
            if asked == asked_before && asked > 0 && self.unasked.load(Ordering::Relaxed) {
                return;
            }
            asked_before = asked;
        }
    }
}

/// A body whose progress is watched.
pub(crate) struct Watched<B> {
    body: B,
    progress: Arc<Progress>,
}

impl<B: HttpBody + Unpin> HttpBody for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.asked.fetch_add(1, Ordering::Relaxed);
        self.progress.unasked.store(frame.is_ready(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::channel::Channel;
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn a_connection_rests_when_nothing_was_asked_and_nothing_is_under_way() {
        let mut rest = Rest::default();
        assert!(!rest.is_over(1, 0), "it was used");
        assert!(!rest.is_over(1, 1), "somebody watches");
        assert!(rest.is_over(1, 0));
        assert!(Rest::default().is_over(0, 0), "it never was used");
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_body_that_is_not_asked_again_has_stalled() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let progress = Arc::new(Progress::default());
        let mut body = Watched { body, progress: Arc::clone(&progress) };
        let mut ask = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(timeout(10 * LIMIT, progress.stalled(LIMIT)).await.is_err(), "nothing has begun");
        assert!(ask().is_pending());
        assert!(timeout(10 * LIMIT, progress.stalled(LIMIT)).await.is_err(), "it waits for media");
        sender.send_data(Bytes::from_static(b"media")).await.unwrap();
        assert!(ask().is_ready());
        assert!(timeout(10 * LIMIT, progress.stalled(LIMIT)).await.is_ok(), "it had more and was not asked");
    }
}
