//! The engine and its manager: configuration that takes effect while media flow, reports, events, snapshots, and days
//! on which one of the two is away or is not who it says. The manager here is the library's own side of the link over
//! versions kept in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::on;
use serde_json::{Value, json};
use streamer_control::config::{ListenerConfig, ManagedConfig};
use streamer_control::link::engine_api::{Snapshot, TakeSnapshot};
use streamer_control::link::manager_api::{
    AppliedReport, ConfigVersion, FollowConfig, FollowRequest, FollowResponse, ReportApplied,
};
use streamer_control::link::serve::{self, Answer, Asked};
use streamer_control::link::{Datagram, Endpoint, EngineEvent, LinkClient, LinkKey, link_key};
use streamer_rtmp::{ClientOptions, RtmpPull};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use support::{PATIENCE, Running, soon};

/// A version and what it says.
type Word = Option<(u64, ManagedConfig)>;

#[derive(Clone)]
struct Store {
    word: watch::Sender<Word>,
    reports: mpsc::UnboundedSender<AppliedReport>,
}

/// The manager's side of the link.
struct Manager {
    address: SocketAddr,
    key: LinkKey,
    store: Store,
    reports: mpsc::UnboundedReceiver<AppliedReport>,
    events: UdpSocket,
    serving: JoinHandle<()>,
}

async fn follow(State(store): State<Store>, Asked(asked): Asked<FollowRequest>) -> Answer<FollowResponse> {
    let known = asked.known.map(|known| known.version);
    let mut word = store.word.subscribe();
    let waited = tokio::time::timeout(
        Duration::from_millis(asked.wait_ms),
        word.wait_for(|word| word.as_ref().is_some_and(|(version, _)| Some(*version) != known)),
    );
    let answer = |version: u64, config| FollowResponse {
        version: ConfigVersion { store: "store".into(), version },
        config,
    };
    match waited.await {
        Ok(Ok(word)) => {
            let (version, config) = word.clone().unwrap();
            Answer(answer(version, Some(config)))
        }
        _ => Answer(answer(known.unwrap_or_default(), None)),
    }
}

async fn applied(State(store): State<Store>, Asked(report): Asked<AppliedReport>) -> Answer<()> {
    store.reports.send(report).unwrap();
    Answer(())
}

impl Manager {
    async fn start(key: LinkKey) -> Self {
        let (reported, reports) = mpsc::unbounded_channel();
        let store = Store { word: watch::Sender::new(None), reports: reported };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve_on(listener, key.clone(), store.clone());
        let events = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { address, key, store, reports, events, serving }
    }

    fn say(&self, version: u64, config: &ManagedConfig) {
        self.store.word.send_replace(Some((version, config.clone())));
    }

    async fn report(&mut self) -> AppliedReport {
        soon(self.reports.recv()).await.unwrap()
    }

    /// Says it and waits until the engine has answered.
    async fn have(&mut self, version: u64, config: &ManagedConfig) -> AppliedReport {
        self.say(version, config);
        let report = self.report().await;
        assert_eq!(report.version.version, version);
        report
    }

    /// The next datagram, sealed as it must be.
    async fn datagram(&self) -> Datagram {
        let mut bytes = vec![0; 9_000];
        let len = soon(self.events.recv(&mut bytes)).await.unwrap();
        Datagram::decode(&bytes[..len], &self.key).expect("a datagram that is not sealed")
    }

    async fn event(&self) -> (u64, EngineEvent) {
        loop {
            let Datagram { seq, event, .. } = self.datagram().await;
            if let Some(event) = event {
                return (seq, event);
            }
        }
    }

    fn link(&self) -> Value {
        json!({ "manager": { "address": self.address }, "events": { "address": self.events.local_addr().unwrap() } })
    }

    fn stop(&self) {
        self.serving.abort();
    }
}

fn serve_on(listener: TcpListener, key: LinkKey, store: Store) -> JoinHandle<()> {
    let routes = Router::new()
        .route(FollowConfig::PATH, on(serve::filter::<FollowConfig>().unwrap(), follow))
        .route(ReportApplied::PATH, on(serve::filter::<ReportApplied>().unwrap(), applied))
        .with_state(store)
        .layer(from_fn_with_state(key, serve::guard));
    tokio::spawn(async move {
        let stop = tokio_util::sync::CancellationToken::new();
        let options = streamer_net::AcceptOptions::default();
        streamer_daemon::http::run(listener, options, routes, Arc::default(), stop).await.unwrap();
    })
}

/// A folder of an engine that is to be, and the manager that has its secret.
async fn prepared() -> (TempDir, Manager) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let manager = Manager::start(link_key(&folder.path().join("data")).unwrap()).await;
    (folder, manager)
}

/// An engine that has what its manager said first, which is `config`.
async fn begun(config: &ManagedConfig) -> (Running, Manager) {
    let (folder, mut manager) = prepared().await;
    manager.say(1, config);
    let running = Running::start_in(folder, manager.link()).await;
    assert_eq!(manager.report().await.refused, []);
    (running, manager)
}

fn on_loopback(last: u8) -> Option<ListenerConfig> {
    Some(ListenerConfig { bind: vec![[127, 0, 0, last].into()], port: 0 })
}

/// What an engine of the tests does by itself, as a manager says it.
fn managed(apps: &[&str]) -> ManagedConfig {
    let apps: Vec<Value> =
        apps.iter().map(|name| json!({ "app_name": name, "source_type": "rtmp_push" })).collect();
    let mut config: ManagedConfig = serde_json::from_value(json!({ "apps": apps })).unwrap();
    config.settings.listeners.rtmp = on_loopback(1);
    config.settings.listeners.http = on_loopback(1);
    config
}

fn with_pull(mut config: ManagedConfig, stream: &str, url: &str) -> ManagedConfig {
    let pull = json!({ "app": "pulled", "stream": stream, "urls": [url] });
    config.pulls.push(serde_json::from_value(pull).unwrap());
    config
}

fn pulling(apps: &[&str]) -> ManagedConfig {
    let mut config = managed(apps);
    let app = json!({ "app_name": "pulled", "source_type": "rtmp_pull" });
    config.apps.push(serde_json::from_value(app).unwrap());
    config
}

/// A viewer of HTTP-FLV that has been given something.
async fn viewer(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET /{path}/play.flv HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    is_given(&mut stream).await;
    stream
}

/// More media come.
async fn is_given(viewer: &mut TcpStream) {
    assert!(soon(viewer.read(&mut vec![0; 65_536])).await.unwrap() > 0, "the viewer was cut");
}

fn kept(folder: &Path) -> bool {
    folder.join("data/engine-config.json").exists()
}

#[tokio::test]
async fn a_configuration_holds_at_once_and_disturbs_nobody_else() {
    let (running, mut manager) = begun(&managed(&["live", "gone"])).await;
    assert!(running.engine.config().apps.iter().any(|app| app.app_name.as_str() == "gone"));
    let mut encoder = running.publish("live/a", 20).await.unwrap();
    let mut viewer = viewer(running.engine.addresses().http[0], "live/a").await;

    let mut config = with_pull(pulling(&["live", "more"]), "p", "rtmp://127.0.0.1:9/live/x");
    config.settings.limits.max_connections = 77;
    let began = Instant::now();
    let report = manager.have(2, &config).await;
    assert!(began.elapsed() < Duration::from_millis(1_000) && report.took_ms < 100, "{report:?}");
    assert_eq!((report.refused.as_slice(), report.needs_restart.as_slice()), (&[][..], &[][..]));
    for words in
        ["application more added", "application gone removed", "pull of pulled/p started", "limits of rtmp"]
    {
        assert!(report.applied.iter().any(|word| word == words), "{words}: {:?}", report.applied);
    }
    running.publish("more/b", 1).await.unwrap();
    assert!(running.publish("gone/c", 1).await.is_err());
    encoder.send(20).await.unwrap();
    is_given(&mut viewer).await;
    assert_eq!(running.engine.config().limits.max_connections, 77);
}

#[tokio::test]
async fn a_listener_moves_and_what_runs_on_the_old_one_goes_on() {
    let (running, mut manager) = begun(&managed(&["live"])).await;
    let before = running.engine.addresses();
    let mut encoder = running.publish("live/a", 20).await.unwrap();
    let mut stays = viewer(before.http[0], "live/a").await;
    let mut config = managed(&["live"]);
    (config.settings.listeners.rtmp, config.settings.listeners.http) = (on_loopback(2), on_loopback(2));
    let report = manager.have(2, &config).await;
    assert_eq!((report.refused.len(), report.applied.len()), (0, 2), "{report:?}");

    let after = running.engine.addresses();
    assert_ne!((before.rtmp[0], before.http[0]), (after.rtmp[0], after.http[0]));
    for closed in [before.rtmp[0], before.http[0]] {
        assert!(TcpStream::connect(closed).await.is_err());
    }
    encoder.send(20).await.unwrap();
    is_given(&mut stays).await;
    let mut new = viewer(after.http[0], "live/a").await;
    let (url, options) = (running.rtmp_url("live/a"), ClientOptions::default());
    soon(RtmpPull::connect(&url, &options)).await.unwrap();
    encoder.send(20).await.unwrap();
    is_given(&mut new).await;
    is_given(&mut stays).await;

    let file = running.folder.path().join("data/engine-addresses.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(file["rtmp"][0], after.rtmp[0].to_string());
    let snapshot = snapshot(&running, &manager).await;
    let rtmp = snapshot.listeners.iter().find(|listener| listener.name == "rtmp").unwrap();
    assert_eq!(rtmp.addresses, after.rtmp);
    let mut engine = running.engine;
    assert!(soon(engine.shutdown()).await, "who is on an old listener ends with the engine as well");
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_alone_and_stays_as_it_was() {
    let (running, mut manager) = begun(&pulling(&["live"])).await;
    let before = running.engine.addresses();
    let mut encoder = running.publish("live/a", 20).await.unwrap();
    let mut viewer = viewer(before.http[0], "live/a").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

    let mut config = pulling(&["live", "more"]);
    config = with_pull(config, "bad", "rtmp://127.0.0.1:0/no/port");
    config = with_pull(config, "good", "rtmp://127.0.0.1:9/live/x");
    config.settings.tls = Some(
        serde_json::from_value(json!({ "certificate": "none.pem", "private_key": "none.key" })).unwrap(),
    );
    config.settings.listeners.rtmps = on_loopback(1);
    let port = taken.local_addr().unwrap().port();
    config.settings.listeners.http = Some(ListenerConfig { bind: vec![[127, 0, 0, 1].into()], port });
    let report = manager.have(2, &config).await;
    let mut paths: Vec<&str> = report.refused.iter().map(|refusal| refusal.path.as_str()).collect();
    paths.sort_unstable();
    let expected =
        ["pulls[0].urls[0]", "settings.listeners.http", "settings.listeners.rtmps", "settings.tls"];
    assert_eq!(paths, expected, "{report:?}");
    assert!(report.refused.iter().all(|refusal| !refusal.reason.is_empty()));
    assert!(report.applied.contains(&"application more added".to_owned()), "{report:?}");
    assert!(report.applied.contains(&"pull of pulled/good started".to_owned()), "{report:?}");
    assert_eq!(running.engine.addresses(), before);
    encoder.send(20).await.unwrap();
    is_given(&mut viewer).await;

    // Said again, what can be had by now is had.
    drop(taken);
    let report = manager.have(3, &config).await;
    assert!(!report.refused.iter().any(|refusal| refusal.path == "settings.listeners.http"), "{report:?}");
    assert_eq!(running.engine.addresses().http[0].port(), port);
}

#[tokio::test]
async fn without_its_manager_an_engine_goes_on_and_starts_again_from_the_last_word() {
    let (running, manager) = begun(&managed(&["live", "kept"])).await;
    manager.stop();
    let mut encoder = running.publish("kept/a", 20).await.unwrap();
    let mut viewer = viewer(running.engine.addresses().http[0], "kept/a").await;
    encoder.send(20).await.unwrap();
    is_given(&mut viewer).await;

    let link = manager.link();
    let Running { mut engine, folder } = running;
    assert!(soon(engine.shutdown()).await);
    drop(engine);
    assert!(kept(folder.path()));
    let running = Running::start_in(folder, link).await;
    running.publish("kept/a", 1).await.unwrap();

    // SIGHUP reads the file again, but the manager's word goes before it.
    let reloaded = running.engine.reload().unwrap();
    assert_eq!((reloaded.refused.len(), reloaded.needs_restart.len()), (0, 0), "{reloaded:?}");
    running.publish("kept/b", 1).await.unwrap();

    // It comes back, on the same address, and is found.
    let listener = soon(async {
        loop {
            match TcpListener::bind(manager.address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    let mut manager = manager;
    manager.say(2, &managed(&["live", "later"]));
    manager.serving = serve_on(listener, manager.key.clone(), manager.store.clone());
    assert_eq!(manager.report().await.version.version, 2);
    running.publish("later/a", 1).await.unwrap();
}

#[tokio::test]
async fn whoever_does_not_have_the_secret_is_not_obeyed() {
    let (folder, honest) = prepared().await;
    let mut imposter = Manager::start(LinkKey::from_secret([7; 32])).await;
    imposter.say(1, &managed(&["stolen"]));
    let mut running = Running::start_in(folder, imposter.link()).await;
    running.publish("live/a", 1).await.unwrap();
    // It was asked, and nothing came of it; an honest one on the same port is obeyed afterwards.
    let asked = TcpStream::connect(imposter.address).await;
    drop(asked);
    imposter.stop();
    assert!(running.publish("stolen/a", 1).await.is_err());
    let listener = soon(async {
        loop {
            match TcpListener::bind(imposter.address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    imposter.say(2, &managed(&["honest"]));
    imposter.serving = serve_on(listener, honest.key.clone(), imposter.store.clone());
    assert_eq!(imposter.report().await.version.version, 2, "the first word was never taken");
    running.publish("honest/a", 1).await.unwrap();
    assert!(soon(running.engine.shutdown()).await);
}

async fn snapshot(running: &Running, manager: &Manager) -> Snapshot {
    let client = LinkClient::new(running.engine.addresses().api[0], manager.key.clone()).unwrap();
    client.call::<TakeSnapshot>(&()).await.unwrap()
}

#[tokio::test]
async fn events_are_sealed_and_numbered_and_a_snapshot_has_what_they_told() {
    let mut config = managed(&["live"]);
    config.apps[0].grace_ms = 0;
    let (running, manager) = begun(&config).await;
    assert_eq!(snapshot(&running, &manager).await.seq, 0);
    let mut encoder = running.publish("live/a", 20).await.unwrap();
    let (first, event) = manager.event().await;
    assert!(
        matches!(&event, EngineEvent::StreamPublished { app, stream, .. } if (app.as_str(), stream.as_str()) == ("live", "a")),
        "{event:?}"
    );
    let watching = viewer(running.engine.addresses().http[0], "live/a").await;
    let (second, event) = manager.event().await;
    let EngineEvent::ViewerJoined { viewer: id, protocol, .. } = event else { panic!("{event:?}") };
    assert_eq!((first, second, protocol.as_str()), (1, 2, "http-flv"));

    let taken = snapshot(&running, &manager).await;
    assert_eq!((taken.seq, taken.streams.len(), taken.viewers.len()), (2, 1, 1));
    assert_eq!((taken.viewers[0].stream.as_str(), taken.viewers[0].viewer.id), ("a", id));
    assert_eq!(taken.config.unwrap().version, 1);
    assert!(taken.process.resident_bytes > 0 && taken.process.pid == std::process::id());
    let heartbeat = soon(async {
        loop {
            let datagram = manager.datagram().await;
            if datagram.event.is_none() && datagram.seq == 2 {
                return datagram;
            }
        }
    })
    .await;
    assert_eq!(heartbeat.engine, taken.engine);

    drop(watching);
    // Its end is noticed when more is written to it.
    let left = async {
        loop {
            encoder.send(1).await.unwrap();
            let event = tokio::time::timeout(Duration::from_millis(5), manager.event()).await;
            if let Ok((seq, EngineEvent::ViewerLeft { viewer, bytes, .. })) = event {
                return (seq, viewer, bytes);
            }
        }
    };
    let (seq, who, bytes) = tokio::time::timeout(PATIENCE, left).await.unwrap();
    assert_eq!((seq, who), (3, id));
    assert!(bytes > 0);
    drop(encoder);
    let (seq, event) = manager.event().await;
    assert!(seq == 4 && matches!(event, EngineEvent::StreamUnpublished { .. }), "{seq} {event:?}");
    let taken = snapshot(&running, &manager).await;
    assert_eq!((taken.seq, taken.streams.len(), taken.viewers.len()), (4, 0, 0));
}

#[tokio::test]
async fn states_of_tasks_are_told() {
    let (_running, mut manager) = begun(&pulling(&["live"])).await;
    manager.have(2, &with_pull(pulling(&["live"]), "p", "rtmp://127.0.0.1:9/live/x")).await;
    let failed = soon(async {
        loop {
            if let (_, EngineEvent::TaskState { stream, state, last_error: Some(error), .. }) =
                manager.event().await
            {
                return (stream, state, error);
            }
        }
    })
    .await;
    assert_eq!((failed.0.as_str(), failed.1.as_str()), ("p", "retrying"), "{failed:?}");
    manager.have(3, &pulling(&["live"])).await;
    soon(async {
        loop {
            let (_, event) = manager.event().await;
            if matches!(&event, EngineEvent::TaskState { state, .. } if state == "stopped") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_api_takes_the_token_or_the_seal() {
    let (running, manager) = begun(&managed(&["live"])).await;
    let (status, body) = running.api("GET", TakeSnapshot::PATH).await;
    assert_eq!((status, body["data"]["program_version"].as_str()), (200, Some(env!("CARGO_PKG_VERSION"))));
    let other = LinkClient::new(running.engine.addresses().api[0], LinkKey::from_secret([9; 32])).unwrap();
    assert!(other.call::<TakeSnapshot>(&()).await.is_err());
    let _encoder = running.publish("live/a", 1).await.unwrap();
    let client = LinkClient::new(running.engine.addresses().api[0], manager.key.clone()).unwrap();
    let path = "/v1/streams/live/a/publisher";
    client.send::<_, ()>("DELETE", path, &(), PATIENCE).await.unwrap();
}
