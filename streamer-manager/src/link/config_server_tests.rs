//! The Config Server over loopback, asked as an engine asks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use streamer_control::link::manager_api::{ConfigVersion, Refusal};
use streamer_control::link::{LinkClient, LinkError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::document::ConfigDocument;
use crate::view::EventFilter;

struct Running {
    address: SocketAddr,
    configs: watch::Sender<Arc<StoredConfig>>,
    presence: Presence,
    events: Events,
    stopping: CancellationToken,
    asked: AtomicU64,
    _server: JoinHandle<()>,
}

fn key(byte: u8) -> LinkKey {
    LinkKey::from_secret([byte; 32])
}

fn version(version: u64) -> ConfigVersion {
    ConfigVersion { store: "store".into(), version }
}

fn stored(number: u64) -> Arc<StoredConfig> {
    Arc::new(StoredConfig { version: version(number), document: ConfigDocument::default() })
}

fn request(known: Option<ConfigVersion>, wait_ms: u64) -> FollowRequest {
    FollowRequest {
        engine: "run".into(),
        program_version: "1".into(),
        api: vec!["127.0.0.1:1".parse().unwrap()],
        known,
        wait_ms,
    }
}

impl Running {
    async fn start() -> Self {
        let configs = watch::Sender::new(stored(1));
        let (presence, events, stopping) = (Presence::default(), Events::default(), CancellationToken::new());
        let server = ConfigServer {
            configs: configs.subscribe(),
            presence: presence.clone(),
            events: events.clone(),
            stopping: stopping.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = server.router(key(1));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, configs, presence, events, stopping, asked: AtomicU64::new(0), _server: server }
    }

    fn client(&self) -> LinkClient {
        LinkClient::new(self.address, key(1)).unwrap()
    }

    /// Asks in the background; returns once the server has the question.
    async fn ask_and_wait(&self) -> JoinHandle<Result<FollowResponse, LinkError>> {
        let client = self.client();
        let mut seen = self.presence.subscribe();
        let mut question = request(Some(version(1)), MAX_FOLLOW_WAIT_MS);
        // Another name than any before, however fast they come: it shows that this very question has arrived.
        question.engine = format!("run {}", self.asked.fetch_add(1, Ordering::Relaxed));
        let asked = question.engine.clone();
        let patience = Duration::from_secs(60);
        let answer =
            tokio::spawn(async move { client.call_within::<FollowConfig>(&question, patience).await });
        seen.wait_for(|seen| seen.as_ref().is_some_and(|seen| seen.run == asked)).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn another_version_is_answered_at_once_and_the_same_after_the_wait() {
    let running = Running::start().await;
    let client = running.client();
    let wait = MAX_FOLLOW_WAIT_MS;
    for known in [None, Some(version(7)), Some(ConfigVersion { store: "another".into(), version: 1 })] {
        let answer = client.call::<FollowConfig>(&request(known, wait)).await.unwrap();
        assert_eq!(answer.version, version(1));
        assert_eq!(answer.config, Some(ConfigDocument::default().engine));
    }
    let answer = client.call::<FollowConfig>(&request(Some(version(1)), 1)).await.unwrap();
    assert_eq!(answer, FollowResponse { version: version(1), config: None });
    assert_eq!(running.presence.seen().unwrap().known, Some(version(1)));
}

#[tokio::test]
async fn who_waits_is_told_of_the_next_version_and_of_the_end() {
    let running = Running::start().await;
    let answer = running.ask_and_wait().await;
    running.configs.send_replace(stored(2));
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.version, answer.config.is_some()), (version(2), true));

    running.configs.send_replace(stored(1));
    let answer = running.ask_and_wait().await;
    running.stopping.cancel();
    assert_eq!(answer.await.unwrap().unwrap().config, None);
}

#[tokio::test]
async fn engines_that_wait_at_their_limit() {
    let running = Running::start().await;
    let mut waiting = Vec::new();
    for _ in 0..MAX_WAITING_ENGINES {
        waiting.push(running.ask_and_wait().await);
    }
    let refused = running.client().call::<FollowConfig>(&request(Some(version(1)), 1)).await.unwrap_err();
    assert!(matches!(refused, LinkError::Refused { code: 503, .. }), "{refused}");
    running.configs.send_replace(stored(2));
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().version, version(2));
    }
    running.client().call::<FollowConfig>(&request(None, 1)).await.unwrap();
}

#[tokio::test]
async fn a_stranger_is_not_heard() {
    let running = Running::start().await;
    let stranger = LinkClient::new(running.address, key(2)).unwrap();
    stranger.call::<FollowConfig>(&request(None, 1)).await.unwrap_err();
    assert_eq!(running.presence.seen(), None);
}

#[tokio::test]
async fn a_report_is_kept_and_told() {
    let running = Running::start().await;
    let report = AppliedReport {
        engine: "run".into(),
        version: version(3),
        applied: vec!["application live changed".into()],
        refused: vec![Refusal { path: "settings.listeners.rtmp".into(), reason: "taken".into() }],
        needs_restart: vec!["limits".into()],
        took_ms: 5,
    };
    running.client().call::<ReportApplied>(&report).await.unwrap();
    assert_eq!(running.presence.last_report().unwrap().report, report);
    let told = running.events.newest(&EventFilter::default(), 10);
    let told: Vec<_> = told.iter().rev().map(|event| event.event.clone()).collect();
    let applied = Event::ConfigApplied { version: 3, took_ms: 5, needs_restart: report.needs_restart };
    assert_eq!(told, [applied, Event::ConfigRefused { version: 3, refused: report.refused }]);
}
