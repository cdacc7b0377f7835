//! A live body on an HTTP/1 connection: pieces gathered from the feed, framed and written at once.
//!
//! From the moment the answer begins the connection belongs to one viewer, and hyper with its buffers is
//! gone. What a viewer costs here is this struct and its place in the ring; nothing is queued for it but
//! the pieces of the write under way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use streamer_core::hub::{CloseReason, MAX_ROUND_BYTES, MAX_TURNS, Turn};
use streamer_net::{give_room_back, take_room};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::feed::{Feed, FeedEnd};
use crate::error::ConnectionError;
use crate::proto::framing::{Framing, Prefix};
use crate::proto::websocket::{CloseCode, Opcode, PeerFrame, PeerReader, frame_header};

/// Pieces of one write: as many as a window has turns, and as many again; with prefix and suffix three slices each.
const MAX_GATHERED_PIECES: usize = 2 * MAX_TURNS;
const MAX_SLICES: usize = 3 * MAX_GATHERED_PIECES;
/// Bytes an HTTP viewer may send after its request: room for a request sent ahead, which the answer has
/// told will not be served.
pub const MAX_BYTES_AFTER_REQUEST: usize = 16 << 10;
/// Bytes read at a time: what a viewer sends is at most a few control frames.
const READ_BYTES: usize = 256;
/// Reads before it is the writer's turn again, so that a viewer that floods cannot starve itself.
const READS_PER_TURN: usize = 8;

thread_local!(static ROOM: RefCell<VecDeque<Queued>> = const { RefCell::new(VecDeque::new()) });

/// One live body and the connection it is written to.
pub(crate) struct Session<IO> {
    io: IO,
    feed: Feed,
    framing: Framing,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// Something was written that is not flushed yet.
    unflushed: bool,
    peer: Peer,
    /// The last pong that is due (RFC 6455, 5.5.3: only the most recent ping need be answered).
    pong: Option<Vec<u8>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    ending: Option<Ending>,
}

/// What is heard from the viewer.
enum Peer {
    Http { bytes: usize },
    WebSocket(PeerReader),
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    /// Nothing more comes, for what the code says.
    Clean(CloseCode),
    /// The peer broke the WebSocket protocol and is told so.
    Violation(CloseCode),
}

/// A piece with what stands around it.
struct Queued {
    prefix: Prefix,
    bytes: Bytes,
    suffix: &'static [u8],
    /// Bytes of prefix and suffix written already; `bytes` shortens itself.
    prefix_done: usize,
    suffix_done: usize,
}

impl Queued {
    fn framed(framing: Framing, bytes: Bytes) -> Self {
        let (prefix, suffix) = (framing.prefix(bytes.len()), framing.suffix());
        Self { prefix, bytes, suffix, prefix_done: 0, suffix_done: 0 }
    }

    const fn raw(prefix: Prefix, bytes: Bytes) -> Self {
        Self { prefix, bytes, suffix: b"", prefix_done: 0, suffix_done: 0 }
    }

    fn parts(&self) -> [&[u8]; 3] {
        let prefix = self.prefix.as_slice().get(self.prefix_done..).unwrap_or_default();
        [prefix, &self.bytes, self.suffix.get(self.suffix_done..).unwrap_or_default()]
    }

    fn len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// Takes up to `count` bytes off the front; returns how many.
    fn advance(&mut self, count: usize) -> usize {
        let [prefix, bytes, suffix] = self.parts().map(<[u8]>::len);
        let of_prefix = count.min(prefix);
        let of_bytes = (count - of_prefix).min(bytes);
        let of_suffix = (count - of_prefix - of_bytes).min(suffix);
        self.prefix_done += of_prefix;
        self.bytes.advance(of_bytes);
        self.suffix_done += of_suffix;
        of_prefix + of_bytes + of_suffix
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// A session that begins with `head`.
    pub(crate) fn new(
        io: IO,
        feed: Feed,
        framing: Framing,
        head: Bytes,
        shutdown: CancellationToken,
    ) -> Self {
        let peer = match framing {
            Framing::WebSocket => Peer::WebSocket(PeerReader::default()),
            Framing::Chunked | Framing::UntilClose => Peer::Http { bytes: 0 },
        };
        let queued_bytes = head.len();
        Self {
            io,
            feed,
            framing,
            queue: VecDeque::from([Queued::raw(Prefix::default(), head)]),
            queued_bytes,
            unflushed: false,
            peer,
            pong: None,
            shutdown: Box::pin(shutdown.cancelled_owned()),
            ending: None,
        }
    }

    /// Takes what was read behind the request already.
    ///
    /// # Errors
    /// [`ConnectionError::Chatter`].
    pub(crate) fn hear_early(&mut self, early: &[u8]) -> Result<(), ConnectionError> {
        self.hear(early)
    }

    /// Runs until the stream ends, the viewer leaves or is put out, or the server stops.
    ///
    /// # Errors
    /// [`ConnectionError`] when it did not end cleanly.
    pub(crate) async fn run(mut self) -> Result<(), ConnectionError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        if self.poll_peer(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let stops = self.ending.is_none() && self.shutdown.as_mut().poll(cx).is_ready();
        if self.feed.is_entrusted() {
            let speaks = stops || self.pong.is_some() || self.ending.is_some();
            if !speaks && self.feed.poll_returned(cx).is_pending() {
                return Poll::Pending;
            }
            self.take_back();
        }
        if stops {
            self.end(Ending::Clean(CloseCode::GOING_AWAY));
        }
        loop {
            let waits = self.gather(cx);
            if !self.queue.is_empty() {
                match self.poll_write(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return self.held_up(cx),
                }
                continue;
            }
            if self.unflushed {
                match Pin::new(&mut self.io).poll_flush(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return self.held_up(cx),
                }
                self.unflushed = false;
            }
            if let Some(ending) = self.ending {
                ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
                return Poll::Ready(match ending {
                    Ending::Clean(_) => Ok(()),
                    Ending::Violation(code) => Err(ConnectionError::WebSocket { code: code.0 }),
                });
            }
            if waits {
                if let Turn::Writer(Some(writer)) = self.feed.entrust(cx) {
                    tokio::spawn(writer.run());
                }
                return Poll::Pending;
            }
        }
    }

    /// Writes again, first what the form's writer did not get rid of.
    fn take_back(&mut self) {
        let rest = self.feed.take_back();
        if !rest.is_empty() {
            self.queued_bytes += rest.len();
            take_room(&ROOM, &mut self.queue);
            self.queue.push_front(Queued::raw(Prefix::default(), rest));
        }
    }

    /// A viewer that takes nothing does not hear that it was put out; it is simply cut.
    fn held_up(&mut self, cx: &Context<'_>) -> Poll<Result<(), ConnectionError>> {
        match self.feed.poll_closed(cx) {
            Poll::Ready(reason) if self.ending.is_none() => Poll::Ready(Err(ConnectionError::Closed(reason))),
            Poll::Ready(_) | Poll::Pending => Poll::Pending,
        }
    }

    /// Fills the queue from the feed; returns whether more has to be waited for.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(payload) = self.pong.take_if(|_| self.ending.is_none()) {
            self.push(Queued::raw(frame_header(Opcode::Pong, payload.len()), payload.into()));
        }
        while self.ending.is_none()
            && self.queue.len() < MAX_GATHERED_PIECES
            && self.queued_bytes < MAX_ROUND_BYTES
        {
            match self.feed.poll_next(cx) {
                Poll::Ready(Ok(piece)) => {
                    let queued = Queued::framed(self.framing, piece.bytes);
                    self.feed.record_sent(queued.len(), piece.frames);
                    self.push(queued);
                }
                Poll::Ready(Err(end)) => self.end(Ending::Clean(close_code(end))),
                Poll::Pending => return true,
            }
        }
        false
    }

    fn push(&mut self, queued: Queued) {
        self.queued_bytes += queued.len();
        take_room(&ROOM, &mut self.queue);
        self.queue.push_back(queued);
    }

    /// Sends what ends the body and then nothing more.
    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            let (Ending::Clean(code) | Ending::Violation(code)) = ending;
            self.push(Queued::raw(self.framing.end(code), Bytes::new()));
        }
    }

    /// One vectored write of what is queued.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        let parts = self.queue.iter().flat_map(Queued::parts).filter(|part| !part.is_empty());
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        let mut written = if count == 0 {
            0
        } else {
            let slices = slices.get(..count).unwrap_or_default();
            match ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => written,
            }
        };
        self.unflushed = true;
        self.queued_bytes -= written;
        while let Some(first) = self.queue.front_mut() {
            written -= first.advance(written);
            if first.len() > 0 {
                break;
            }
            self.queue.pop_front();
        }
        give_room_back(&ROOM, &mut self.queue);
        Poll::Ready(Ok(()))
    }

    /// Hears the viewer; ready when it has gone.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        for _ in 0..READS_PER_TURN {
            let mut bytes = [0; READ_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            let heard = buffer.filled();
            if heard.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.hear(heard)?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn hear(&mut self, mut heard: &[u8]) -> Result<(), ConnectionError> {
        match &mut self.peer {
            Peer::Http { bytes } => {
                *bytes += heard.len();
                if *bytes > MAX_BYTES_AFTER_REQUEST {
                    return Err(ConnectionError::Chatter { max: MAX_BYTES_AFTER_REQUEST });
                }
            }
            // After the close frame nothing that comes matters (RFC 6455, 5.5.1).
            Peer::WebSocket(_) if self.ending.is_some() => {}
            Peer::WebSocket(reader) => {
                while !heard.is_empty() {
                    match reader.read(&mut heard) {
                        Ok(Some(PeerFrame::Ping(payload))) => self.pong = Some(payload),
                        Ok(Some(PeerFrame::Close(code))) => {
                            self.end(Ending::Clean(code.unwrap_or(CloseCode::NORMAL)));
                            break;
                        }
                        Ok(None) => {}
                        Err(violation) => {
                            self.end(Ending::Violation(violation));
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// How a WebSocket viewer is told why nothing more comes.
const fn close_code(end: FeedEnd) -> CloseCode {
    match end {
        FeedEnd::Ended => CloseCode::NORMAL,
        FeedEnd::Closed(CloseReason::Shutdown) => CloseCode::GOING_AWAY,
        FeedEnd::Closed(_) => CloseCode::POLICY,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Duration;

    use streamer_core::codec::{Codec, G711Config, G711Law};
    use streamer_core::container::flv::Dialect;
    use streamer_core::hub::{AppOptions, PublisherInfo};
    use streamer_core::{Frame, Media, Publisher, Registry, Timescale, Timestamp, Track, TrackId, Tracks};

    use super::super::admission::subscribe;
    use super::*;
    use crate::proto::framing::MAX_PREFIX_BYTES;
    use crate::proto::route::{LiveFormat, LiveRequest, Selection};

    /// Takes what it is told to take, and keeps it.
    struct Narrow {
        room: usize,
        taken: Vec<u8>,
    }

    impl AsyncRead for Narrow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let count = self.room.min(buf.len());
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.taken.extend_from_slice(&buf[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    const BYTES_PER_FRAME: usize = 1_000;

    fn sound(ms: i64, bytes: usize) -> Media {
        let at = Timestamp::from_millis(ms);
        let (track, sync) = (TrackId::audio(0), ms == 0);
        Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync, data: vec![0; bytes].into() }))
    }

    /// A session whose feed has `frames` of sound ready, joined at the first.
    async fn session(frames: usize, framing: Framing) -> (Session<Narrow>, Publisher) {
        let options = AppOptions { write_window: Duration::ZERO, ..AppOptions::default() };
        let registry = Registry::new(options);
        let key = "live/test".parse().unwrap();
        let mut publisher = registry.publish(&key, PublisherInfo::default()).unwrap();
        let id = TrackId::audio(0);
        let codec = Codec::G711(G711Config { law: G711Law::A, sample_rate_hz: 8_000, channels: 1 });
        let list = vec![Track { id, timescale: Timescale::MILLIS, codec }];
        publisher.push(Media::Tracks(Arc::new(Tracks { list, metadata: Vec::new() })));
        for ms in 0..i64::try_from(frames).unwrap() {
            publisher.push(sound(ms, BYTES_PER_FRAME));
        }
        let request =
            LiveRequest { key, selection: Selection::All, format: LiveFormat::Flv { enhanced: None } };
        let peer = "192.0.2.1:1".parse().unwrap();
        let feed = subscribe(&publisher.broadcast(), &request, Dialect::Legacy, "test", peer).unwrap();
        // The feeder runs when this task lets it.
        tokio::task::yield_now().await;
        let io = Narrow { room: 0, taken: Vec::new() };
        let head = Bytes::from_static(b"HEAD");
        (Session::new(io, feed, framing, head, CancellationToken::new()), publisher)
    }

    fn poll<IO: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<IO>) -> bool {
        session.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_viewer_that_is_held_up_keeps_one_gathered_write() {
        // Each frame is a batch of its own: small ones fill the slices, large ones the bytes.
        for (bytes, pieces) in [(100, MAX_GATHERED_PIECES), (30_000, 9)] {
            let (mut session, mut publisher) = session(1, Framing::Chunked).await;
            for ms in 1..100 {
                publisher.push(sound(ms, bytes));
                tokio::task::yield_now().await;
                assert!(!poll(&mut session));
                assert!(session.queued_bytes <= MAX_ROUND_BYTES + bytes + MAX_PREFIX_BYTES + 2);
            }
            assert_eq!(session.queue.len(), pieces);
        }
    }

    #[tokio::test]
    async fn however_little_is_taken_at_a_time_the_bytes_are_the_same() {
        for framing in [Framing::UntilClose, Framing::Chunked, Framing::WebSocket] {
            let mut whole: Option<Vec<u8>> = None;
            for step in [usize::MAX, 1, 7, 1_003] {
                let (mut session, publisher) = session(20, framing).await;
                drop(publisher);
                tokio::task::yield_now().await;
                let mut done = false;
                while !done {
                    session.io.room = step;
                    done = poll(&mut session);
                }
                assert_eq!((session.queue.len(), session.queued_bytes), (0, 0));
                let taken = std::mem::take(&mut session.io.taken);
                assert!(taken.len() > 20 * BYTES_PER_FRAME && taken.starts_with(b"HEAD"));
                assert!(taken.ends_with(session.framing.end(CloseCode::NORMAL).as_slice()));
                assert_eq!(whole.get_or_insert_with(|| taken.clone()), &taken, "{framing:?} {step}");
            }
        }
    }
}
