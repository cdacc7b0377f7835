//! Server, pull and forward over loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use streamer_core::hub::{AppOptions, CloseReason, DuplicatePublish, EventKind, Heard, RingLimits};
use streamer_core::task::{TaskState, TaskStatus};
use streamer_core::{AccessRequest, Action, Authorizer, Denied, DeniedKind, Gateway, Registry, StreamKey};
use streamer_net::{ClientTls, MAX_GATHER_WAIT, ServerTls};
use streamer_rtmp::proto::chunk::{MessageHeader, MessageKind, write_message};
use streamer_rtmp::proto::client::{ClientEvent, ClientOptions as SessionOptions, ClientSession, Purpose};
use streamer_rtmp::proto::command::{Command, PublishKind};
use streamer_rtmp::proto::media::{MediaMessage, MediaMessageKind};
use streamer_rtmp::proto::message::COMMAND_CHUNK_STREAM;
use streamer_rtmp::proto::server::{ServerEvent, ServerOptions, ServerSession};
use streamer_rtmp::{
    ClientOptions, ClientTimeouts, ForwardOptions, PullOptions, Request, RtmpError, RtmpForward, RtmpOptions,
    RtmpPull, Timeouts, forward, pull,
};
use support::{Encoder, Server, next_picture, picture_of, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

fn key() -> StreamKey {
    "live/test".parse().unwrap()
}

/// Waits until the hub tells of something.
async fn wait_for(registry: &Registry, wanted: impl Fn(&EventKind) -> bool, act: impl AsyncFnOnce()) {
    let mut events = registry.events();
    act().await;
    loop {
        match soon(events.next()).await {
            Heard::Event(event) if wanted(&event.kind) => return,
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_published_is_played_from_the_newest_key_frame_on() {
    let server = Server::open(Registry::default());
    let mut encoder = Encoder::start(&server, "live/test?token=x").await;
    encoder.send(25).await.unwrap();
    let broadcast = soon(server.registry.wait(&key())).await.unwrap();
    while broadcast.stats().video_frames.get() < 25 {
        tokio::task::yield_now().await;
    }
    let mut viewer = server.play("live/test").await.unwrap();
    for expected in 20..25 {
        assert_eq!(soon(next_picture(&mut viewer)).await, Some((expected, expected % 10 == 0)));
    }
    encoder.send(30).await.unwrap();
    for expected in 25..55 {
        assert_eq!(soon(next_picture(&mut viewer)).await, Some((expected, expected % 10 == 0)));
    }
    encoder.forward.close().await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, None, "an orderly end ends the viewer in order");
}

/// Sends so many pictures at their pace, 25 a second, and returns the longest time that one was not in the hub.
async fn lateness(encoder: &mut Encoder, registry: &Registry, pictures: usize) -> Duration {
    let broadcast = soon(registry.wait(&key())).await.unwrap();
    let arrived = || usize::try_from(broadcast.stats().video_frames.get()).unwrap();
    let (before, sent) = (arrived(), Mutex::new(Vec::new()));
    let send = async {
        let mut pace = interval(Duration::from_millis(40));
        for _ in 0..pictures {
            pace.tick().await;
            encoder.send(1).await.unwrap();
            sent.lock().unwrap().push(Instant::now());
        }
    };
    let look = async {
        let (mut seen, mut most) = (0, Duration::ZERO);
        while seen < pictures {
            sleep(Duration::from_millis(1)).await;
            for since in &sent.lock().unwrap()[seen..arrived() - before] {
                seen += 1;
                most = most.max(since.elapsed());
            }
        }
        most
    };
    tokio::join!(send, look).1
}

#[tokio::test(start_paused = true)]
async fn what_nobody_watches_comes_in_gathered_until_somebody_does() {
    let server = Server::open(Registry::default());
    let mut encoder = Encoder::start(&server, "live/test").await;
    let mut lateness = async |pictures| lateness(&mut encoder, &server.registry, pictures).await;
    let moment = Duration::from_millis(10);
    assert!(lateness(20).await < moment, "the rate is not known yet");
    lateness(10).await;
    let gathered = lateness(40).await;
    assert!(gathered >= moment && gathered <= MAX_GATHER_WAIT + moment, "{gathered:?}");
    let jitter_us = server.registry.get(&key()).unwrap().stats().jitter_us.get().unwrap();
    assert!(jitter_us < 3_000, "{jitter_us}: what lay there for a while has no part in it");
    let mut viewer = server.play("live/test").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((60, true)));
    assert!(lateness(40).await < moment, "somebody watches");
    for expected in 61..110 {
        assert_eq!(soon(next_picture(&mut viewer)).await, Some((expected, expected % 10 == 0)));
    }
}

#[tokio::test]
async fn a_viewer_may_come_before_its_publisher() {
    let server = Server::open(Registry::default());
    let mut viewing = Box::pin(server.play("live/test"));
    wait_for(
        &server.registry,
        |kind| *kind == EventKind::Wanted,
        async || {
            let asked = tokio::time::timeout(Duration::from_millis(1), &mut viewing).await;
            assert!(asked.is_err());
        },
    )
    .await;
    let (viewer, mut encoder) = tokio::join!(viewing, Encoder::start(&server, "live/test"));
    encoder.send(3).await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer.unwrap())).await, Some((0, true)));
}

#[tokio::test]
async fn a_stream_that_does_not_come_is_refused_after_the_wait() {
    let options = AppOptions { wait_for_publisher: Duration::from_millis(1), ..AppOptions::default() };
    let server = Server::open(Registry::new(options));
    let refused = server.play("live/test").await;
    assert!(
        matches!(refused.err(), Some(RtmpError::Rejected { code, .. }) if code == "NetStream.Play.StreamNotFound")
    );
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let server = Server::open(Registry::default());
    for path in ["live/..", "live/%3Cb%3E", "live/a%00b", &format!("live/{}", "x".repeat(300)), "a/test"] {
        let refused = soon(server.publish(path)).await;
        assert!(matches!(refused.err(), Some(RtmpError::Rejected { .. })), "{path}");
    }
    assert!(server.registry.snapshot().is_empty());
}

#[tokio::test]
async fn a_second_publisher_is_refused_or_takes_over() {
    let server = Server::open(Registry::default());
    let mut first = Encoder::start(&server, "live/test").await;
    first.send(5).await.unwrap();
    let refused = server.publish("live/test").await;
    assert!(
        matches!(refused.err(), Some(RtmpError::Rejected { code, .. }) if code == "NetStream.Publish.BadName")
    );

    let take_over = AppOptions { duplicate: DuplicatePublish::TakeOver, ..AppOptions::default() };
    server.registry.set_app_options(key().app, take_over);
    let mut viewer = server.play("live/test").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    let mut second = Encoder::start(&server, "live/test").await;
    second.send(1).await.unwrap();
    // The viewer stays, and sees the second one from its key frame on.
    while soon(next_picture(&mut viewer)).await != Some((0, true)) {}
    let told = async {
        loop {
            if let Err(error) = first.send(1).await {
                return error;
            }
        }
    };
    let told = soon(told).await;
    assert!(
        matches!(told, RtmpError::Rejected { .. } | RtmpError::Io(_) | RtmpError::Disconnected),
        "{told}"
    );
}

#[tokio::test]
async fn a_publisher_that_drops_out_finds_its_viewers_again() {
    let server = Server::open(Registry::default());
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(5).await.unwrap();
    let mut viewer = server.play("live/test").await.unwrap();
    for expected in 0..5 {
        assert_eq!(soon(next_picture(&mut viewer)).await.unwrap().0, expected);
    }
    wait_for(&server.registry, |kind| *kind == EventKind::Interrupted, async || drop(encoder)).await;
    let mut again = Encoder::start(&server, "live/test").await;
    again.send(3).await.unwrap();
    for expected in 0..3 {
        assert_eq!(soon(next_picture(&mut viewer)).await.unwrap().0, expected);
    }
}

#[tokio::test]
async fn without_grace_a_lost_publisher_ends_its_viewers() {
    let server = Server::open(Registry::new(AppOptions { grace: Duration::ZERO, ..AppOptions::default() }));
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(1).await.unwrap();
    let mut viewer = server.play("live/test").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    drop(encoder);
    assert_eq!(soon(next_picture(&mut viewer)).await, None);
}

#[tokio::test]
async fn the_grace_time_ends_a_stream_whose_publisher_stays_away() {
    let grace = Duration::from_millis(20);
    let server = Server::open(Registry::new(AppOptions { grace, ..AppOptions::default() }));
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(1).await.unwrap();
    wait_for(&server.registry, |kind| *kind == EventKind::Unpublished, async || drop(encoder)).await;
    assert!(server.registry.get(&key()).is_none());
}

/// Lets in who knows the word, and remembers who asked.
#[derive(Default)]
struct Doorman(Mutex<Vec<(Action, String, &'static str)>>);

#[async_trait]
impl Authorizer for Doorman {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        self.0.lock().unwrap().push((request.action, request.key.to_string(), request.protocol));
        match request.parameter("word") {
            Some("please") => Ok(()),
            _ => Err(Denied::new(DeniedKind::BadToken, "say the word")),
        }
    }
}

#[tokio::test]
async fn the_authorizer_decides_before_anything_flows() {
    let doorman = Arc::new(Doorman::default());
    let gateway = Gateway::guarded(Registry::default(), Arc::clone(&doorman) as _);
    let server = Server::start(RtmpOptions::default(), gateway);
    let refused = server.publish("live/test").await;
    assert!(
        matches!(refused.err(), Some(RtmpError::Rejected { description, .. }) if description == "say the word")
    );
    let mut encoder = Encoder::start(&server, "live/test?word=please").await;
    encoder.send(1).await.unwrap();
    assert!(matches!(server.play("live/test?word=now").await.err(), Some(RtmpError::Rejected { .. })));
    let mut viewer = server.play("live/test?a=b&word=please").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    let asked = doorman.0.lock().unwrap().clone();
    let actions: Vec<Action> = asked.iter().map(|(action, ..)| *action).collect();
    assert_eq!(actions, [Action::Publish, Action::Publish, Action::Play, Action::Play]);
    assert!(asked.iter().all(|(_, key, protocol)| key == "live/test" && *protocol == "rtmp"));
}

#[tokio::test]
async fn a_stalled_viewer_costs_the_others_nothing_and_has_its_loss_counted() {
    let ring = RingLimits { max_items: 200, ..RingLimits::default() };
    let options = AppOptions { ring, write_window: Duration::ZERO, ..AppOptions::default() };
    let server = Server::open(Registry::new(options));
    let mut encoder = Encoder::start(&server, "live/test").await;
    // Large pictures, so that the buffers of the kernel are soon full.
    encoder.media = streamer_core::testing::Synthetic::new(10, 200_000).unwrap();
    encoder.send(1).await.unwrap();
    let mut stalled = server.play("live/test").await.unwrap();
    let mut healthy = server.play("live/test").await.unwrap();
    assert_eq!(soon(next_picture(&mut stalled)).await, Some((0, true)));
    for expected in 0..600 {
        if expected > 0 {
            soon(encoder.send(1)).await.unwrap();
        }
        assert_eq!(soon(next_picture(&mut healthy)).await.unwrap().0, expected);
    }
    // It reads again: what it gets after the gap begins with a key frame.
    let mut last = 0;
    let gap = loop {
        let (number, sync) = soon(next_picture(&mut stalled)).await.unwrap();
        if number != last + 1 {
            assert!(sync);
            break number - last;
        }
        last = number;
    };
    assert!(gap > 1);
    let broadcast = server.registry.get(&key()).unwrap();
    let lost: Vec<u64> = broadcast.viewers().iter().map(|viewer| viewer.stats().lost_frames.get()).collect();
    assert!(lost[0] > 0 && lost[1] == 0, "{lost:?}");
}

#[tokio::test]
async fn viewers_and_publishers_can_be_kicked() {
    let server = Server::open(Registry::default());
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(1).await.unwrap();
    let mut viewer = server.play("live/test").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    let broadcast = server.registry.get(&key()).unwrap();
    assert!(broadcast.viewers()[0].close(CloseReason::Kicked));
    let ended = async { while let Ok(Some(_)) = viewer.next_media().await {} };
    soon(ended).await;
    wait_for(
        &server.registry,
        |kind| *kind == EventKind::Unpublished,
        async || {
            assert!(broadcast.close_publisher(CloseReason::Kicked));
        },
    )
    .await;
}

#[tokio::test]
async fn rtmps_serves_and_is_pulled_from() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key_path) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key_path, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls::from_files(&certificate, &key_path).unwrap();
    let server = Server::start(RtmpOptions::default().with_tls(tls), Gateway::open(Registry::default()));
    let trust = Some(ClientTls::from_roots_file(&certificate).unwrap());
    let options = ClientOptions { tls: trust, ..ClientOptions::default() };
    let url = server.url("live/test");
    let forward = RtmpForward::connect(&url, &options).await.unwrap();
    let mut encoder = Encoder { forward, media: streamer_core::testing::Synthetic::new(10, 200).unwrap() };
    encoder.send(2).await.unwrap();
    let mut viewer = RtmpPull::connect(&url, &options).await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
}

#[tokio::test]
async fn a_pull_and_a_forward_keep_themselves_up() {
    let origin = Server::open(Registry::default());
    let (edge, target) = (Registry::default(), Server::open(Registry::default()));
    let shutdown = CancellationToken::new();
    let (pulling, forwarding) = (Arc::new(TaskStatus::default()), Arc::new(TaskStatus::default()));
    let to = ForwardOptions { key: key(), url: target.url("live/out"), client: ClientOptions::default() };
    let pull_task = tokio::spawn(pull(
        PullOptions::new(key(), origin.url("live/test")),
        edge.clone(),
        Arc::clone(&pulling),
        shutdown.clone(),
    ));
    let forward_task = tokio::spawn(forward(to, edge.clone(), Arc::clone(&forwarding), shutdown.clone()));

    let mut encoder = Encoder::start(&origin, "live/test").await;
    encoder.send(2).await.unwrap();
    let mut viewer = target.play("live/out").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    assert_eq!((pulling.state(), forwarding.state()), (TaskState::Streaming, TaskState::Streaming));

    // The origin's publisher ends: the pull fails, says why, and comes back with the next publisher.
    encoder.forward.close().await.unwrap();
    let mut events = edge.events();
    let mut again = Encoder::start(&origin, "live/test").await;
    again.send(4).await.unwrap();
    loop {
        match soon(events.next()).await {
            Heard::Event(event) if event.kind == EventKind::Resumed => break,
            _ => {}
        }
    }
    assert!(pulling.retries.get() > 0 && pulling.last_error().is_some());
    assert!(soon(next_picture(&mut viewer)).await.is_some());

    shutdown.cancel();
    soon(pull_task).await.unwrap();
    soon(forward_task).await.unwrap();
    assert_eq!((pulling.state(), forwarding.state()), (TaskState::Stopped, TaskState::Stopped));
}

#[tokio::test]
async fn a_pull_goes_to_the_stand_in_when_the_first_place_fails() {
    let (origin, edge) = (Server::open(Registry::default()), Registry::default());
    let mut encoder = Encoder::start(&origin, "live/test").await;
    encoder.send(2).await.unwrap();
    let stand_ins = vec![origin.url("live/test")];
    let options = PullOptions { stand_ins, ..PullOptions::new(key(), origin.url("live/-/absent")) };
    let (status, shutdown) = (Arc::new(TaskStatus::default()), CancellationToken::new());
    let task = tokio::spawn(pull(options, edge.clone(), Arc::clone(&status), shutdown.clone()));
    soon(edge.wait(&key())).await.unwrap();
    assert_eq!(status.retries.get(), 1);
    shutdown.cancel();
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_pull_that_is_closed_from_inside_ends_its_stream_at_once() {
    let grace = Duration::from_secs(3_600);
    let edge = Registry::new(AppOptions { grace, ..AppOptions::default() });
    let origin = Server::open(Registry::default());
    let mut encoder = Encoder::start(&origin, "live/test").await;
    encoder.send(2).await.unwrap();
    let options = PullOptions::new(key(), origin.url("live/test"));
    let (status, shutdown) = (Arc::new(TaskStatus::default()), CancellationToken::new());
    let task = tokio::spawn(pull(options, edge.clone(), Arc::clone(&status), shutdown.clone()));
    let broadcast = soon(edge.wait(&key())).await.unwrap();
    wait_for(
        &edge,
        |kind| *kind == EventKind::Unpublished,
        async || {
            assert!(broadcast.close_publisher(CloseReason::Kicked));
        },
    )
    .await;
    shutdown.cancel();
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_forward_that_is_stopped_ends_its_stream_at_once() {
    let (origin, target) = (Server::open(Registry::default()), Server::open(Registry::default()));
    let shutdown = CancellationToken::new();
    let options =
        ForwardOptions { key: key(), url: target.url("live/out"), client: ClientOptions::default() };
    let task = forward(options, origin.registry.clone(), Arc::default(), shutdown.clone());
    let task = tokio::spawn(task);
    let mut encoder = Encoder::start(&origin, "live/test").await;
    encoder.send(1).await.unwrap();
    let mut viewer = target.play("live/out").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    // Not interrupted, to wait out a grace time: ended.
    wait_for(&target.registry, |kind| *kind == EventKind::Unpublished, async || shutdown.cancel()).await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_frame_of_the_largest_message_passes() {
    let server = Server::open(Registry::default());
    let mut encoder = Encoder::start(&server, "live/test").await;
    // 5 bytes of the message are the FLV header; a message is 24 bits long (RTMP 1.0 5.3.1.2).
    let largest = streamer_rtmp::proto::chunk::MAX_MESSAGE_BYTES - 5;
    encoder.media = streamer_core::testing::Synthetic::new(1, largest).unwrap();
    soon(encoder.send(2)).await.unwrap();
    let mut viewer = server.play("live/test").await.unwrap();
    let length = loop {
        if let Some(frame) = soon(viewer.next_media()).await.unwrap().as_ref().and_then(picture_of) {
            break frame.data.len();
        }
    };
    assert_eq!(length, largest);
}

/// Connections that begin a handshake and say no more; both ends are in this process, so the usual limit of
/// 1 024 descriptors allows no more. `interop` does it with thousands against the daemon.
const HALF_OPEN: usize = 200;

#[tokio::test]
async fn a_half_open_handshake_is_cut_and_hinders_nobody() {
    let timeouts = Timeouts { handshake: Duration::from_millis(50), ..Timeouts::default() };
    let server =
        Server::start(RtmpOptions { timeouts, ..RtmpOptions::default() }, Gateway::open(Registry::default()));
    let mut half_open = Vec::new();
    for _ in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[3; 700]).await.unwrap();
        half_open.push(stream);
    }
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(1).await.unwrap();
    for mut stream in half_open {
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn a_silent_publisher_is_cut() {
    let brief = Duration::from_millis(50);
    let timeouts = Timeouts { publish_idle: brief, ..Timeouts::default() };
    let options = AppOptions { grace: Duration::ZERO, ..AppOptions::default() };
    let gateway = Gateway::open(Registry::new(options));
    let server = Server::start(RtmpOptions { timeouts, ..RtmpOptions::default() }, gateway);
    let mut silent = None;
    wait_for(
        &server.registry,
        |kind| *kind == EventKind::Unpublished,
        async || {
            silent = Some(server.publish("live/test").await.unwrap());
        },
    )
    .await;
    drop(silent);
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_cut() {
    let timeouts = Timeouts { request: Duration::from_millis(50), ..Timeouts::default() };
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let options = RtmpOptions { timeouts, ..RtmpOptions::default() };
    // The other end publishes, is refused, and then does nothing.
    let serving = async {
        let mut connection = streamer_rtmp::accept_stream(ours, &options).await.unwrap();
        match connection.request().await.unwrap() {
            Some(Request::Publish(publish)) => publish.reject("not today").await.unwrap(),
            _ => panic!("a publish was asked for"),
        }
        connection.request().await.err()
    };
    let asking = async {
        let url = "rtmp://localhost/live/test".parse().unwrap();
        let asked =
            ClientSession::new(SessionOptions::new(&url, Purpose::Publish(PublishKind::Live)), [7; 32]);
        speak(theirs, asked).await
    };
    let (cut, _held) = soon(Box::pin(async { tokio::join!(serving, asking) })).await;
    assert!(matches!(cut, Some(RtmpError::Timeout { .. })));
}

/// Speaks for a client session until it is refused; keeps the connection open.
async fn speak(mut stream: DuplexStream, mut session: ClientSession) -> DuplexStream {
    loop {
        while let Some(bytes) = session.poll_output() {
            stream.write_all(&bytes).await.unwrap();
        }
        if let Some(ClientEvent::Rejected { .. }) = session.poll_event() {
            return stream;
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        session.handle_input(&buffer[..read]).unwrap();
    }
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_is_cut() {
    let timeouts = Timeouts { write_stall: Duration::from_millis(100), ..Timeouts::default() };
    let gateway =
        Gateway::open(Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() }));
    let server = Server::start(RtmpOptions { timeouts, ..RtmpOptions::default() }, gateway);
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.media = streamer_core::testing::Synthetic::new(10, 1_000_000).unwrap();
    encoder.send(1).await.unwrap();
    let _stalled = server.play("live/test").await.unwrap();
    wait_for(
        &server.registry,
        |kind| matches!(kind, EventKind::ViewerLeft(..)),
        async || {
            for _ in 0..30 {
                soon(encoder.send(1)).await.unwrap();
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_stalled_viewer_can_be_kicked() {
    let options = AppOptions { write_window: Duration::ZERO, ..AppOptions::default() };
    let server = Server::open(Registry::new(options));
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.media = streamer_core::testing::Synthetic::new(10, 1_000_000).unwrap();
    encoder.send(1).await.unwrap();
    let _stalled = server.play("live/test").await.unwrap();
    for _ in 0..30 {
        soon(encoder.send(1)).await.unwrap();
    }
    let broadcast = server.registry.get(&key()).unwrap();
    wait_for(
        &server.registry,
        |kind| matches!(kind, EventKind::ViewerLeft(..)),
        async || {
            assert!(broadcast.viewers()[0].close(CloseReason::Kicked));
        },
    )
    .await;
}

/// A player spoken for by hand, to say what our own pulls never say.
struct HandPlayer {
    stream: TcpStream,
    session: ClientSession,
    message_stream: u32,
}

impl HandPlayer {
    async fn start(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let options = SessionOptions::new(&server.url("live/test"), Purpose::Play { buffer_ms: 100 });
        let session = ClientSession::new(options, [7; 32]);
        let mut player = Self { stream, session, message_stream: 0 };
        loop {
            if let ClientEvent::Ready { message_stream } = player.event().await {
                player.message_stream = message_stream;
                return player;
            }
        }
    }

    async fn event(&mut self) -> ClientEvent {
        loop {
            while let Some(bytes) = self.session.poll_output() {
                self.stream.write_all(&bytes).await.unwrap();
            }
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            let mut buffer = vec![0; 64 << 10];
            let read = soon(self.stream.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "the server closed");
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                rest = &rest[self.session.handle_input(rest).unwrap()..];
            }
        }
    }

    async fn media(&mut self) -> MediaMessage {
        loop {
            if let ClientEvent::Media(message) = self.event().await {
                return message;
            }
        }
    }

    async fn say(&mut self, command: Command) {
        let header = MessageHeader {
            chunk_stream: COMMAND_CHUNK_STREAM,
            message_stream: self.message_stream,
            kind: MessageKind::CommandAmf0,
            timestamp_ms: 0,
        };
        let mut bytes = BytesMut::new();
        write_message(&header, &command.encode(), self.session.chunk_size(), &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }
}

#[tokio::test]
async fn a_player_may_refuse_pictures() {
    let server =
        Server::open(Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() }));
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(3).await.unwrap();
    let mut player = HandPlayer::start(&server).await;
    while player.media().await.kind != MediaMessageKind::Video {}
    player.say(Command::ReceiveVideo { receive: false }).await;
    // The form without pictures begins with metadata of its own.
    while player.media().await.kind != MediaMessageKind::Data {
        encoder.send(1).await.unwrap();
    }
    encoder.send(20).await.unwrap();
    for _ in 0..20 {
        assert_eq!(player.media().await.kind, MediaMessageKind::Audio);
    }
}

/// Never decides.
struct Undecided;

#[async_trait]
impl Authorizer for Undecided {
    async fn authorize(&self, _request: &AccessRequest<'_>) -> Result<(), Denied> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_decision_that_does_not_come_is_a_refusal() {
    let timeouts = Timeouts { authorize: Duration::from_millis(10), ..Timeouts::default() };
    let gateway = Gateway::guarded(Registry::default(), Arc::new(Undecided));
    let server = Server::start(RtmpOptions { timeouts, ..RtmpOptions::default() }, gateway);
    for refused in [soon(server.publish("live/test")).await.err(), soon(server.play("live/test")).await.err()]
    {
        assert!(matches!(refused, Some(RtmpError::Rejected { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/live/test", silent.local_addr().unwrap()).parse().unwrap();
    let timeouts = ClientTimeouts { connect: Duration::from_millis(50), ..ClientTimeouts::default() };
    let options = ClientOptions { timeouts, ..ClientOptions::default() };
    assert!(matches!(RtmpPull::connect(&url, &options).await.err(), Some(RtmpError::Timeout { .. })));
}

#[tokio::test]
async fn a_circle_of_redirects_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let circle = tokio::spawn(async move {
        for visits in 1.. {
            let Ok((stream, _)) = listener.accept().await else { return visits };
            tokio::spawn(send_elsewhere(stream, format!("rtmp://{address}/live")));
        }
        0
    });
    let url = format!("rtmp://{address}/live/test").parse().unwrap();
    let refused = soon(RtmpPull::connect(&url, &ClientOptions::default())).await.err();
    assert!(matches!(refused, Some(RtmpError::TooManyRedirects { .. })), "{refused:?}");
    circle.abort();
}

/// A server session that refuses every `connect` and names another place.
async fn send_elsewhere(mut stream: TcpStream, tc_url: String) {
    let options = ServerOptions { confirm_connect: true, ..ServerOptions::default() };
    let mut session = ServerSession::new(options, [7; 32]);
    let mut buffer = vec![0; 4096];
    loop {
        while let Some(event) = session.poll_event() {
            if let ServerEvent::Connected(_) = event {
                session.reject_connect("NetConnection.Connect.Rejected", "elsewhere", Some(&tc_url)).unwrap();
            }
        }
        while let Some(bytes) = session.poll_output() {
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => _ = session.handle_input(&buffer[..read]).unwrap(),
            _ => return,
        }
    }
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let server = Server::open(Registry::default());
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 5_000], &[6; 1_537]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(1).await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_everybody_in_order() {
    let server = Server::open(Registry::default());
    let mut encoder = Encoder::start(&server, "live/test").await;
    encoder.send(1).await.unwrap();
    let mut viewer = server.play("live/test").await.unwrap();
    assert_eq!(soon(next_picture(&mut viewer)).await, Some((0, true)));
    server.shutdown.cancel();
    soon(server.task).await.unwrap().unwrap();
    assert!(viewer.next_media().await.is_err() || viewer.next_media().await.is_err());
}
