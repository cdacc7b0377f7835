//! The manager in process, on free ports: the Config Server is asked as an engine asks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::convert::Infallible;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use streamer_control::config::Loaded;
use streamer_control::link::manager_api::{FollowConfig, FollowRequest, FollowResponse};
use streamer_control::link::{Datagram, EngineEvent, LinkClient, LinkError, LinkKey, link_key};
use streamer_daemon::{DaemonError, DataDir};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use ttsm::files::{ConfigFiles, LoadedFiles};
use ttsm::manager::MAX_CONFIG_CONNECTIONS;
use ttsm::{MANAGER, Manager, ManagerError, ManagerOptions};

const PATIENCE: Duration = Duration::from_secs(20);

fn options(folder: &Path) -> Result<ManagerOptions, DaemonError> {
    let listener = r#"{ "bind": ["127.0.0.1"], "port": 0 }"#;
    let manager = format!(r#"{{ "listeners": {{ "config": {listener}, "rest": {listener} }} }}"#);
    let engine = r#"{ "events": { "address": "127.0.0.1:0" }, "vod": { "bind": ["127.0.0.1"], "port": 0 } }"#;
    Ok(ManagerOptions {
        loaded: LoadedFiles {
            manager: Loaded::from_text(manager, "server.json".into()).unwrap(),
            engine: Loaded::from_text(engine.into(), "engine.json".into()).unwrap(),
        },
        files: ConfigFiles::default(),
        data_dir: DataDir::open(folder, &MANAGER)?,
        admin_password: None,
        log: None,
    })
}

async fn start(folder: &TempDir) -> Manager {
    Manager::start(options(folder.path()).unwrap()).await.unwrap()
}

fn request(known: Option<&FollowResponse>) -> FollowRequest {
    FollowRequest {
        engine: "run".into(),
        program_version: "1".into(),
        api: Vec::new(),
        known: known.map(|answer| answer.version.clone()),
        wait_ms: 20_000,
    }
}

fn client(manager: &Manager, key: LinkKey) -> LinkClient {
    LinkClient::new(manager.addresses().config[0], key).unwrap()
}

async fn follow(client: &LinkClient, known: Option<&FollowResponse>) -> Result<FollowResponse, LinkError> {
    client.call_within::<FollowConfig>(&request(known), PATIENCE).await
}

#[tokio::test]
async fn an_engine_is_told_of_a_change_and_the_change_outlives_the_manager() {
    let folder = tempfile::tempdir().unwrap();
    let mut manager = start(&folder).await;
    let client = client(&manager, link_key(folder.path()).unwrap());
    let first = follow(&client, None).await.unwrap();
    assert_eq!(first.version.version, 1);

    let (waiting, known) = (client.clone(), first.clone());
    let next = tokio::spawn(async move { follow(&waiting, Some(&known)).await.unwrap() });
    let edit = manager.configuration().edit("system", "more viewers", |document| {
        document.engine.apps[0].max_viewers = 7;
        Ok::<_, Infallible>(())
    });
    edit.await.unwrap();
    let next = timeout(PATIENCE, next).await.unwrap().unwrap();
    assert_eq!(next.config.unwrap().apps[0].max_viewers, 7);
    assert!(manager.shutdown().await);
    drop(manager);

    let manager = start(&folder).await;
    assert!(manager.first_start().is_none(), "there is an administrator already");
    let again = follow(&self::client(&manager, link_key(folder.path()).unwrap()), None).await.unwrap();
    assert_eq!(again.version, next.version);
    assert_eq!(again.config.unwrap().apps[0].max_viewers, 7);
}

#[tokio::test]
async fn the_first_start_leaves_credentials_and_a_stranger_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manager = start(&folder).await;
    let made = manager.first_start().unwrap();
    let file = std::fs::read_to_string(folder.path().join("initial-credentials")).unwrap();
    assert!(file.contains(made.password.expose()) && file.contains(made.token.expose()), "{file}");
    let stranger = client(&manager, LinkKey::from_secret([0; 32]));
    let refused = follow(&stranger, None).await.unwrap_err();
    assert!(matches!(refused, LinkError::Unproved { status: 401 }), "{refused}");
}

#[tokio::test]
async fn event_messages_are_received() {
    let folder = tempfile::tempdir().unwrap();
    let manager = start(&folder).await;
    let key = link_key(folder.path()).unwrap();
    // Without an API nobody can ask what was before: the event waits, and the engine is said to be away.
    let mut feed = manager.events().subscribe();
    follow(&client(&manager, key.clone()), None).await.unwrap();
    let event = EngineEvent::StreamUnpublished { app: "live".into(), stream: "a".into(), reason: "x".into() };
    let datagram = Datagram { engine: "run".into(), seq: 1, at_unix_ms: 1, event: Some(event) };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&datagram.encode(&key), manager.addresses().events[0]).unwrap();
    let told = timeout(PATIENCE, feed.recv()).await.unwrap().unwrap();
    assert_eq!(told.event.kind(), "engine_down");
}

#[tokio::test]
async fn two_managers_on_one_data_folder_are_one_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let _first = start(&folder).await;
    let refused = options(folder.path()).unwrap_err();
    assert!(matches!(refused, DaemonError::DataDirInUse { role: "manager", .. }), "{refused}");
    // An engine may have it besides.
    let engine = streamer_daemon::Daemon { process: "tts", role: "engine", ..MANAGER };
    DataDir::open(folder.path(), &engine).unwrap();
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_replaced_by_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut manager = start(&folder).await;
    assert!(manager.shutdown().await);
    drop(manager);
    std::fs::remove_file(folder.path().join("manager.db")).unwrap();
    let refused = Manager::start(options(folder.path()).unwrap()).await.err().unwrap();
    assert!(matches!(&refused, ManagerError::StoreGone { .. }), "{refused}");
    assert!(!folder.path().join("manager.db").exists());
    // Whoever wants to begin anew says so.
    std::fs::remove_file(folder.path().join("manager.store")).unwrap();
    assert!(start(&folder).await.first_start().is_some());
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut options = options(folder.path()).unwrap();
    options.loaded.engine.config.events.address = taken.local_addr().unwrap();
    let refused = Manager::start(options).await.err().unwrap();
    assert!(matches!(refused, ManagerError::Daemon(DaemonError::Bind { .. })), "{refused}");
    assert!(refused.to_string().starts_with("engine.json: events: "), "{refused}");
}

#[tokio::test]
async fn connections_of_the_config_server_at_their_limit() {
    let folder = tempfile::tempdir().unwrap();
    let manager = start(&folder).await;
    let address = manager.addresses().config[0];
    let mut open = Vec::new();
    for _ in 0..MAX_CONFIG_CONNECTIONS {
        open.push(answered(address).await.expect("there is a place"));
    }
    assert!(answered(address).await.is_none(), "one too many");
}

/// A connection on which a request was answered; `None` if it was closed instead.
async fn answered(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = [0; 12];
    let asked = async {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        stream.read_exact(&mut answer).await
    };
    timeout(PATIENCE, asked).await.unwrap().is_ok().then_some(stream)
}
