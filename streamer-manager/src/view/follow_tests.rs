//! The follower beside an engine's API over loopback, with datagrams sent by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use streamer_control::link::engine_api::{ProcessBody, TakeSnapshot};
use streamer_control::link::manager_api::FollowRequest;
use streamer_control::link::serve::{Answer, guard};
use streamer_control::link::{Endpoint, EngineEvent};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::event::ManagerEvent;

const PATIENCE: Duration = Duration::from_secs(20);

/// An engine without streams, whose last event has the number that is put here.
#[derive(Clone, Default)]
struct Api(Arc<AtomicU64>);

impl Api {
    async fn start(&self, listener: TcpListener) -> JoinHandle<()> {
        let router = Router::new()
            .route(TakeSnapshot::PATH, get(async |State(api): State<Self>| Answer(api.snapshot())))
            .layer(from_fn_with_state(key(), guard))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            engine: "run".into(),
            seq: self.0.load(Ordering::SeqCst),
            program_version: "1".into(),
            uptime_ms: 0,
            config: None,
            listeners: Vec::new(),
            process: ProcessBody::default(),
            streams: Vec::new(),
            tasks: Vec::new(),
            viewers: Vec::new(),
        }
    }
}

fn key() -> LinkKey {
    LinkKey::from_secret([1; 32])
}

struct Running {
    api: Api,
    presence: Presence,
    feed: broadcast::Receiver<Arc<ManagerEvent>>,
    follower: Follower,
    engine: UdpSocket,
    stop: CancellationToken,
}

impl Running {
    async fn start() -> Self {
        let (events, presence) = (Events::default(), Presence::default());
        let feed = events.subscribe();
        let client = EngineClient::new(presence.clone(), key());
        let follower = Follower::new(events, presence.clone(), client, key());
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let engine = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        engine.connect(socket.local_addr().unwrap()).await.unwrap();
        let stop = CancellationToken::new();
        let (running, stopped) = (follower.clone(), stop.clone());
        tokio::spawn(async move { running.run(socket, stopped).await });
        Self { api: Api::default(), presence, feed, follower, engine, stop }
    }

    /// Shows the engine to the manager, as if it had asked for its configuration.
    fn show(&self, run: &str, listener: &TcpListener) {
        let request = FollowRequest {
            engine: run.into(),
            program_version: "1".into(),
            api: vec![listener.local_addr().unwrap()],
            known: None,
            wait_ms: 0,
        };
        self.presence.saw(request, 1);
    }

    async fn told(&mut self) -> Event {
        timeout(PATIENCE, self.feed.recv()).await.expect("an event is told").unwrap().event.clone()
    }

    async fn send(&self, seq: u64, published: bool) {
        let (app, stream) = ("live".to_owned(), "a".to_owned());
        let event = if published {
            EngineEvent::StreamPublished { app, stream, protocol: "rtmp".into(), address: None }
        } else {
            EngineEvent::StreamUnpublished { app, stream, reason: "over".into() }
        };
        let datagram = Datagram { engine: "run".into(), seq, at_unix_ms: 1, event: Some(event) };
        self.engine.send(&datagram.encode(&key())).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn events_are_told_and_what_is_missing_is_fetched() {
    let mut running = Running::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    running.show("run", &listener);
    let _api = running.api.start(listener).await;
    assert_eq!(running.told().await.kind(), "engine_up");
    assert!(matches!(running.follower.reach(), Reach::Reached { run, .. } if run == "run"));

    running.send(1, true).await;
    let published = running.told().await;
    assert!(matches!(&published, Event::StreamPublished { protocol: Some(name), .. } if name == "rtmp"));

    // The second and third are lost, and what the fourth says stands in the snapshot.
    running.api.0.store(4, Ordering::SeqCst);
    running.send(4, false).await;
    let ended = running.told().await;
    assert!(matches!(&ended, Event::StreamUnpublished { reason: Some(reason), .. } if reason == "over"));
    assert_eq!(running.follower.view.lock().known().streams().count(), 0);
}

#[tokio::test]
async fn a_stranger_is_left_out() {
    let mut running = Running::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    running.show("run", &listener);
    let _api = running.api.start(listener).await;
    assert_eq!(running.told().await.kind(), "engine_up");
    let event = EngineEvent::StreamUnpublished { app: "live".into(), stream: "a".into(), reason: "x".into() };
    let datagram = Datagram { engine: "run".into(), seq: 1, at_unix_ms: 1, event: Some(event) };
    running.engine.send(&datagram.encode(&LinkKey::from_secret([2; 32]))).await.unwrap();
    running.engine.send(&[0; MAX_DATAGRAM_BYTES + 1]).await.unwrap();
    running.send(1, true).await;
    assert_eq!(running.told().await.kind(), "stream_published", "ours is the first that is told");
}

#[tokio::test]
async fn an_engine_that_is_away_is_said_to_be_once_and_comes_back() {
    let mut running = Running::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    running.show("run", &gone);
    drop(gone);
    assert_eq!(running.told().await.kind(), "engine_down");
    assert!(matches!(running.follower.reach(), Reach::Lost { .. }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    running.show("run", &listener);
    let _api = running.api.start(listener).await;
    assert_eq!(running.told().await.kind(), "engine_up", "and not down a second time");
}
