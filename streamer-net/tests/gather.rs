//! Gathering over loopback, on a clock that stands still while anything is under way.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use streamer_net::{Arrival, Gather, MAX_GATHER_WAIT, Stream, bind};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// One side of a connection, read as a publisher's is.
struct Reader {
    stream: Stream,
    gather: Gather,
    total: u64,
    hurried: bool,
    scratch: Vec<u8>,
}

impl Reader {
    async fn start() -> (TcpStream, Self) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        peer.set_nodelay(true).unwrap();
        let stream = listener.accept().await.unwrap().0.into();
        (peer, Self { stream, gather: Gather::default(), total: 0, hurried: false, scratch: vec![0; 65_536] })
    }

    /// What one read takes, and what is known of when that arrived.
    async fn read(&mut self) -> (usize, Arrival) {
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut self.scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(result) => {
                    result.unwrap();
                    self.total += buffer.filled().len() as u64;
                    Poll::Ready((buffer.filled().len(), self.gather.arrival()))
                }
                Poll::Pending => {
                    self.gather.rest(&self.stream, self.total, self.hurried, cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// A connection that gathers, and ten bytes of it that a read did not find.
    async fn start_below_the_mark() -> (TcpStream, Self) {
        let (mut peer, mut reader) = Self::start().await;
        reader.reads_of(&mut peer, 150).await;
        peer.write_all(&[7; 10]).await.unwrap();
        assert!(tokio::time::timeout(MAX_GATHER_WAIT / 4, reader.read()).await.is_err());
        (peer, reader)
    }

    /// Sends a message of 300 bytes each 10 ms and counts the reads that it takes to have them.
    async fn reads_of(&mut self, peer: &mut TcpStream, messages: u64) -> usize {
        let (end, mut reads) = (self.total + messages * 300, 0);
        let send = async {
            for _ in 0..messages {
                sleep(Duration::from_millis(10)).await;
                peer.write_all(&[7; 300]).await.unwrap();
            }
        };
        let read = async {
            while self.total < end {
                self.read().await;
                reads += 1;
            }
        };
        tokio::join!(send, read);
        reads
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_read_in_few_reads() {
    let (mut peer, mut reader) = Reader::start().await;
    let first = reader.reads_of(&mut peer, 80).await;
    assert!(first > 60, "{first}: nothing is gathered before the rate is known");
    reader.reads_of(&mut peer, 40).await;
    let gathered = reader.reads_of(&mut peer, 200).await;
    assert!((40..80).contains(&gathered), "{gathered} reads, of 1 024 bytes in 300 each");
    reader.hurried = true;
    let hurried = reader.reads_of(&mut peer, 100).await;
    assert!(hurried > 80, "{hurried}");
}

#[tokio::test(start_paused = true)]
async fn what_stays_below_the_mark_is_read_after_the_longest_wait() {
    let (mut peer, mut reader) = Reader::start().await;
    reader.reads_of(&mut peer, 150).await;
    for _ in 0..3 {
        let sent = Instant::now();
        peer.write_all(&[7; 10]).await.unwrap();
        assert_eq!(reader.read().await, (10, Arrival::Unknown));
        let waited = sent.elapsed();
        assert!(
            waited > MAX_GATHER_WAIT / 2 && waited < MAX_GATHER_WAIT + Duration::from_millis(5),
            "{waited:?}"
        );
    }
    peer.write_all(&[7; 2_048]).await.unwrap();
    let sent = Instant::now();
    assert_eq!(reader.read().await, (2_048, Arrival::Last));
    assert_eq!(sent.elapsed(), Duration::ZERO, "the mark is reached");
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_wait_has_what_was_gathered_at_once() {
    let (mut peer, mut reader) = Reader::start_below_the_mark().await;
    reader.hurried = true;
    let hurried = Instant::now();
    assert_eq!(reader.read().await, (10, Arrival::Unknown));
    assert_eq!(hurried.elapsed(), Duration::ZERO);
    peer.write_all(&[7; 20]).await.unwrap();
    assert_eq!(reader.read().await, (20, Arrival::Each));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_is_told_at_once() {
    let (peer, mut reader) = Reader::start_below_the_mark().await;
    let ended = Instant::now();
    drop(peer);
    assert_eq!(reader.read().await.0, 10);
    assert_eq!(reader.read().await.0, 0);
    assert_eq!(ended.elapsed(), Duration::ZERO);
}
