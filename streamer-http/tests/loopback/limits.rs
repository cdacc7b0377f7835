//! Bad days: stalled viewers, slow strangers, too much of everything.

use std::time::Duration;

use streamer_core::hub::{AppOptions, CloseReason, RingLimits};
use streamer_core::{Gateway, Registry};
use streamer_http::{HttpOptions, MAX_BYTES_AFTER_REQUEST, MAX_REQUEST_HEAD_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{Flv, get, send};
use super::server::{Server, VIDEO, frame, impatient, start, start_with, time_in, tracks};

const PLAY: &str = "/live/test/play.flv";
/// Large enough that the sockets' buffers are full after some dozens.
const PADDING: usize = 200_000;

async fn start_stalling(write_stall_timeout: Duration) -> Server {
    let ring = RingLimits { max_bytes: 4 << 20, ..RingLimits::default() };
    let gateway = Gateway::open(Registry::new(AppOptions { ring, ..impatient() }));
    start_with(HttpOptions { write_stall_timeout, ..HttpOptions::default() }, gateway).await
}

/// A server with a viewer that reads nothing after its first frame, and one that reads on.
async fn two_viewers(server: &Server) -> (streamer_core::Publisher, Flv, Flv) {
    let mut publisher = server.publish(tracks());
    publisher.push(frame(VIDEO, 0, true, 0));
    let mut stalled = get(server.address, PLAY).await.into_flv();
    assert_eq!(stalled.times(1).await, [0]);
    let mut other = get(server.address, PLAY).await.into_flv();
    assert_eq!(other.times(1).await, [0]);
    (publisher, stalled, other)
}

/// Pushes pictures, each read by `other` before the next, until `enough`.
async fn push_until(
    publisher: &mut streamer_core::Publisher,
    other: &mut Flv,
    mut enough: impl FnMut() -> bool,
) -> i64 {
    let mut ms = 0;
    while !enough() {
        ms += 40;
        publisher.push(frame(VIDEO, ms, ms % 400 == 0, PADDING));
        assert_eq!(other.times(1).await, [ms], "a stalled viewer costs the others nothing");
    }
    ms
}

/// True once the first viewer was given nothing for some dozens of pictures.
fn held_up(server: &Server) -> impl FnMut() -> bool + '_ {
    let (mut given, mut quiet) = (0, 0);
    move || {
        let now = server.broadcast().viewers()[0].stats().bytes.get();
        quiet = if now == given { quiet + 1 } else { 0 };
        given = now;
        quiet > 40
    }
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_is_cut_in_the_end() {
    let server = start_stalling(Duration::from_millis(300)).await;
    let (mut publisher, _stalled, mut other) = two_viewers(&server).await;
    push_until(&mut publisher, &mut other, || server.stats.write_stalls.get() == 1).await;
    server.viewers(1).await;
}

#[tokio::test]
async fn a_viewer_that_was_slow_goes_on_at_a_random_access_point_and_its_loss_is_counted() {
    let server = start_stalling(Duration::from_secs(3600)).await;
    let (mut publisher, mut slow, mut other) = two_viewers(&server).await;
    let last = push_until(&mut publisher, &mut other, held_up(&server)).await;
    let (mut expected, mut lost) = (40, 0);
    loop {
        let frame = slow.frame().await.unwrap();
        let ms = time_in(&frame);
        if ms != expected {
            assert!(frame.sync && ms > expected, "{ms}");
            lost += (ms - expected) / 40;
        }
        expected = ms + 40;
        if ms == last {
            break;
        }
    }
    let counted = server.broadcast().viewers()[0].stats().lost_frames.get();
    assert!(lost > 0);
    assert_eq!(counted, u64::try_from(lost).unwrap());
    assert_eq!(server.broadcast().viewers()[1].stats().lost_frames.get(), 0);
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_can_be_kicked() {
    let server = start_stalling(Duration::from_secs(3600)).await;
    let (mut publisher, _stalled, mut other) = two_viewers(&server).await;
    push_until(&mut publisher, &mut other, held_up(&server)).await;
    assert!(server.broadcast().viewers()[0].close(CloseReason::Kicked));
    server.viewers(1).await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_those_who_take_nothing() {
    let options = HttpOptions { drain_timeout: Duration::from_millis(50), ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let (mut publisher, _stalled, mut other) = two_viewers(&server).await;
    push_until(&mut publisher, &mut other, held_up(&server)).await;
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert_eq!(server.stats.connections.open(), 0);
}

/// Lets the other tasks run until `done`.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

async fn cut(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is a cut as well.
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn strangers_that_do_not_finish_a_request_are_cut() {
    let options = HttpOptions { header_read_timeout: Duration::from_millis(100), ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let mut half_open = Vec::new();
    for index in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        if index % 2 == 0 {
            stream.write_all(b"GET /live/test/play.flv HTTP/1.1\r\nHost:").await.unwrap();
        }
        half_open.push(stream);
    }
    let publisher = server.publish_gop();
    let mut flv = get(server.address, PLAY).await.into_flv();
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
    for stream in half_open {
        cut(stream).await;
    }
    until(|| server.stats.header_timeouts.get() == 100).await;
    assert_eq!(server.broadcast().viewer_count(), 1, "who watches is not held to that time");
    drop(publisher);
}

#[tokio::test]
async fn a_connection_that_rests_is_closed() {
    let options = HttpOptions { header_read_timeout: Duration::from_millis(100), ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let response = get(server.address, "/").await;
    assert_eq!(response.status, 404);
    cut(response.stream).await;
    until(|| server.stats.connections.open() == 0).await;
}

#[tokio::test]
async fn a_request_head_at_its_limit() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let address = server.address;
    let of_length = |length: usize| async move {
        let (before, after) = (format!("GET {PLAY} HTTP/1.1\r\nHost: t\r\nCookie: "), "\r\n\r\n");
        let cookie = "c".repeat(length - before.len() - after.len());
        send(address, &format!("{before}{cookie}{after}")).await
    };
    assert_eq!(of_length(MAX_REQUEST_HEAD_BYTES).await.status, 200);
    assert_eq!(of_length(MAX_REQUEST_HEAD_BYTES + 1).await.status, 431);
}

#[tokio::test]
async fn bytes_after_the_request_at_their_limit() {
    let server = start().await;
    let mut publisher = server.publish_gop();
    let mut flv = get(server.address, PLAY).await.into_flv();
    flv.times(6).await;
    flv.response.stream.write_all(&vec![b'x'; MAX_BYTES_AFTER_REQUEST]).await.unwrap();
    publisher.push(frame(VIDEO, 120, false, 0));
    assert_eq!(flv.times(1).await, [120]);
    flv.response.stream.write_all(b"x").await.unwrap();
    server.viewers(0).await;
    until(|| server.stats.protocol_errors.get() == 1).await;
}

#[tokio::test]
async fn a_full_stream_says_when_to_come_again() {
    let gateway = Gateway::open(Registry::new(AppOptions { max_viewers: 1, ..impatient() }));
    let server = start_with(HttpOptions::default(), gateway).await;
    let _publisher = server.publish_gop();
    let _first = get(server.address, PLAY).await.into_flv();
    let mut second = get(server.address, PLAY).await;
    assert_eq!((second.status, second.header("retry-after")), (503, Some("5")));
    assert_eq!(second.text().await, "The stream has as many viewers as it may.\n");
    assert_eq!(server.stats.unavailable.get(), 1);
}

#[tokio::test]
async fn connections_are_bounded() {
    let options = HttpOptions { max_connections: 1, ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let first = get(server.address, "/").await;
    cut(TcpStream::connect(server.address).await.unwrap()).await;
    assert_eq!(server.stats.connections.refused_full(), 1);
    drop(first);
}

#[tokio::test]
async fn shutdown_closes_connections_that_rest() {
    let hour = Duration::from_secs(3600);
    let options = HttpOptions { header_read_timeout: hour, drain_timeout: hour, ..HttpOptions::default() };
    let server = start_with(options, Gateway::open(Registry::new(impatient()))).await;
    let response = get(server.address, "/").await;
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    cut(response.stream).await;
}
