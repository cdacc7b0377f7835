//! Pulls on demand, from several places, over loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

#[allow(dead_code, reason = "each test file uses its part")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use streamer_core::hub::{Broadcast, Delivery, EventKind, Heard, SubscribeOptions, Subscriber, ViewerInfo};
use streamer_core::task::{TaskState, TaskStatus};
use streamer_core::testing::Synthetic;
use streamer_core::{Registry, StreamKey};
use streamer_rtmp::{
    ClientOptions, ClientTimeouts, ForwardOptions, OnDemand, PullOptions, RtmpForward, RtmpUrl, forward, pull,
};
use support::{Encoder, Server, soon};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const OFTEN: Duration = Duration::from_millis(1);

fn key() -> StreamKey {
    "live/test".parse().unwrap()
}

/// A pull that runs, and what is seen of it.
struct Pulling {
    edge: Registry,
    status: Arc<TaskStatus>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Pulling {
    fn start(options: PullOptions) -> Self {
        let (edge, status) = (Registry::default(), Arc::<TaskStatus>::default());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(pull(options, edge.clone(), Arc::clone(&status), shutdown.clone()));
        Self { edge, status, shutdown, task }
    }

    async fn watch(&self) -> Subscriber {
        let broadcast = soon(self.edge.wait(&key())).await.unwrap();
        broadcast.subscribe(&SubscribeOptions::new(ViewerInfo::remote("test", None))).unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        soon(self.task).await.unwrap();
        assert_eq!(self.status.state(), TaskState::Stopped);
    }
}

/// An encoder that never rests, with pictures of a size that tells it from others.
fn feed(server: &Server, picture_bytes: usize) -> JoinHandle<()> {
    let url = server.url("live/test");
    tokio::spawn(async move {
        let forward = RtmpForward::connect(&url, &ClientOptions::default()).await.unwrap();
        let mut encoder = Encoder { forward, media: Synthetic::new(10, picture_bytes).unwrap() };
        let mut clock = tokio::time::interval(Duration::from_millis(2));
        while encoder.send(1).await.is_ok() {
            clock.tick().await;
        }
    })
}

/// Waits for a picture of so many bytes; returns whether it is a key frame.
async fn picture_of_size(subscriber: &mut Subscriber, bytes: usize) -> bool {
    soon(async {
        loop {
            match subscriber.next().await.expect("the stream goes on") {
                Delivery::Item(item) if item.frame.data.len() == bytes => return item.random_access,
                Delivery::Closed(reason) => panic!("closed: {reason}"),
                _ => {}
            }
        }
    })
    .await
}

fn broadcast(registry: &Registry) -> Broadcast {
    registry.get(&key()).unwrap()
}

fn several(places: &[RtmpUrl]) -> PullOptions {
    let mut options = PullOptions::new(key(), places[0].clone());
    options.stand_ins = places[1..].to_vec();
    options.return_every = Some(OFTEN);
    options
}

#[tokio::test]
async fn a_pull_goes_to_the_stand_in_and_returns_and_viewers_stay() {
    let (first, second) = (Server::open(Registry::default()), Server::open(Registry::default()));
    let (preferred, stand_in) = (feed(&first, 300), feed(&second, 400));
    let pulling = Pulling::start(several(&[first.url("live/test"), second.url("live/test")]));
    let mut viewer = pulling.watch().await;
    picture_of_size(&mut viewer, 300).await;
    assert_eq!(pulling.status.place(), Some(0));
    let before = broadcast(&pulling.edge);

    // The preferred encoder goes and its server ends the stream for good.
    preferred.abort();
    broadcast(&first.registry).close_publisher(streamer_core::hub::CloseReason::Kicked);
    for viewer in first.registry.get(&key()).iter().flat_map(Broadcast::viewers) {
        viewer.close(streamer_core::hub::CloseReason::Kicked);
    }
    assert!(picture_of_size(&mut viewer, 400).await, "it begins with a key frame");
    assert!(pulling.status.retries.get() >= 1 && pulling.status.last_error().is_some());
    assert_eq!(pulling.status.place(), Some(1));

    let retries = pulling.status.retries.get();
    let again = feed(&first, 500);
    assert!(picture_of_size(&mut viewer, 500).await, "it begins with a key frame");
    assert_eq!(pulling.status.place(), Some(0));
    assert_eq!(broadcast(&pulling.edge), before, "the same broadcast");
    assert_eq!(pulling.status.retries.get(), retries, "to return is no failure");
    // The stand-in is let go.
    soon(async {
        while broadcast(&second.registry).viewer_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pulling.stop().await;
    stand_in.abort();
    again.abort();
}

#[tokio::test]
async fn a_source_that_falls_silent_has_failed() {
    let (first, second) = (Server::open(Registry::default()), Server::open(Registry::default()));
    let stand_in = feed(&second, 400);
    let mut silent = Encoder::start(&first, "live/test").await;
    silent.send(3).await.unwrap();
    let mut options = several(&[first.url("live/test"), second.url("live/test")]);
    options.client.timeouts =
        ClientTimeouts { idle: Duration::from_millis(200), ..ClientTimeouts::default() };
    options.return_every = None;
    let pulling = Pulling::start(options);
    let mut viewer = pulling.watch().await;
    picture_of_size(&mut viewer, 400).await;
    let error = pulling.status.last_error().unwrap();
    assert!(error.contains("the server's next message"), "{error}");
    pulling.stop().await;
    stand_in.abort();
}

#[tokio::test]
async fn a_pull_on_demand_runs_from_the_first_viewer_to_the_last() {
    let origin = Server::open(Registry::default());
    let encoder = feed(&origin, 300);
    let mut options = PullOptions::new(key(), origin.url("live/test"));
    options.on_demand = Some(OnDemand { idle: Duration::from_millis(50), settle: Duration::ZERO });
    let pulling = Pulling::start(options);
    let mut events = pulling.edge.events();
    for _ in 0..2 {
        assert!(pulling.edge.get(&key()).is_none());
        let mut viewer = pulling.watch().await;
        picture_of_size(&mut viewer, 300).await;
        let reader = broadcast(&pulling.edge)
            .subscribe(&SubscribeOptions::new(ViewerInfo::internal("segmenter")))
            .unwrap();
        drop(viewer);
        // The reader of our own does not keep it up.
        loop {
            match soon(events.next()).await {
                Heard::Event(event) if event.kind == EventKind::Unpublished => break,
                _ => {}
            }
        }
        drop(reader);
        soon(async {
            while pulling.status.state() != TaskState::Waiting {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(pulling.status.retries.get(), 0);
    pulling.stop().await;
    encoder.abort();
}

#[tokio::test]
async fn a_forward_wants_the_stream_it_forwards() {
    let (origin, target) = (Server::open(Registry::default()), Server::open(Registry::default()));
    let encoder = feed(&origin, 300);
    let mut options = PullOptions::new(key(), origin.url("live/test"));
    options.on_demand = Some(OnDemand { idle: Duration::ZERO, settle: Duration::ZERO });
    let pulling = Pulling::start(options);
    let to = ForwardOptions { key: key(), url: target.url("live/out"), client: ClientOptions::default() };
    let stop = CancellationToken::new();
    let forwarding = tokio::spawn(forward(to, pulling.edge.clone(), Arc::default(), stop.clone()));
    let out = soon(target.registry.wait(&"live/out".parse().unwrap())).await.unwrap();
    let mut viewer = out.subscribe(&SubscribeOptions::new(ViewerInfo::remote("test", None))).unwrap();
    picture_of_size(&mut viewer, 300).await;
    let mut events = pulling.edge.events();
    stop.cancel();
    soon(forwarding).await.unwrap();
    loop {
        match soon(events.next()).await {
            Heard::Event(event) if event.kind == EventKind::Unpublished => break,
            _ => {}
        }
    }
    pulling.stop().await;
    encoder.abort();
}

#[tokio::test]
async fn a_pull_that_nobody_wants_any_more_gives_up_a_place_that_is_not_there() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url: RtmpUrl = format!("rtmp://{}/live/test", nobody.local_addr().unwrap()).parse().unwrap();
    drop(nobody);
    let mut options = PullOptions::new(key(), url);
    options.on_demand = Some(OnDemand { idle: Duration::from_millis(20), settle: Duration::ZERO });
    let pulling = Pulling::start(options);
    let key = key();
    let waiting = Box::pin(pulling.edge.wait(&key));
    tokio::select! {
        _ = waiting => panic!("there is no such stream"),
        () = async {
            while pulling.status.retries.get() == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    soon(async {
        while pulling.status.state() != TaskState::Waiting {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pulling.stop().await;
}
