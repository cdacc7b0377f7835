//! Webhooks against receivers on loopback: signed, retried, bounded, and never where they must not go.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use streamer_manager::clock::Clock;
use streamer_manager::configuration::Configuration;
use streamer_manager::document::WebhookConfig;
use streamer_manager::store::deliveries::{Delivery, DeliveryState, DeliveryStore};
use streamer_manager::store::sqlite::SqliteStore;
use streamer_manager::webhook::schedule::RETRY_PAUSES;
use streamer_manager::webhook::sign::signature;
use streamer_manager::webhook::{Deliverer, MAX_ANSWER_BYTES, TargetPolicy, WebhookEvent, Webhooks};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);
const NOW: u64 = 1_700_000_000_000;

/// A request as the receiver saw it.
#[derive(Debug)]
struct Seen {
    head: String,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// Answers each request with the next of `answers`, then with the last one again; `None` never answers.
struct Receiver {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Receiver {
    async fn start(answers: Vec<Option<String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut answers = answers.into_iter().peekable();
            let mut last = None;
            while let Ok((socket, _)) = listener.accept().await {
                if let Some(answer) = answers.next() {
                    last = answer;
                }
                tokio::spawn(serve(socket, last.clone(), tell.clone()));
            }
        });
        Self { address, seen }
    }

    async fn next(&mut self) -> Seen {
        tokio::time::timeout(PATIENCE, self.seen.recv()).await.expect("a request").unwrap()
    }
}

async fn serve(mut socket: TcpStream, answer: Option<String>, tell: mpsc::UnboundedSender<Seen>) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if socket.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let _ = tell.send(Seen { head, body });
    match answer {
        Some(answer) => {
            let _ = socket.write_all(answer.as_bytes()).await;
        }
        None => std::future::pending().await,
    }
}

fn answer(status: &str, more: &str, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

/// A store with one webhook, and a clock that the test sets.
struct House {
    folder: TempDir,
    store: SqliteStore,
    configuration: Configuration,
    now: Arc<AtomicU64>,
    clock: Clock,
}

impl House {
    async fn with(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db")).await.unwrap();
        let now = Arc::new(AtomicU64::new(NOW));
        let shown = Arc::clone(&now);
        let clock = Clock::new(move || shown.load(Ordering::SeqCst));
        let configuration = Configuration::open(Arc::new(store.clone())).await.unwrap();
        let webhook: WebhookConfig =
            serde_json::from_value(json!({"name": "hook", "url": url, "secret": "key"})).unwrap();
        let edited = configuration.edit("user:test", "webhook", |document| {
            document.webhooks.push(webhook);
            Ok::<(), std::convert::Infallible>(())
        });
        edited.await.unwrap();
        Self { folder, store, configuration, now, clock }
    }

    fn webhooks(&self) -> Webhooks {
        Webhooks::new(self.configuration.clone(), Arc::new(self.store.clone()))
    }

    fn run(&self, webhooks: &Webhooks, policy: TargetPolicy) -> CancellationToken {
        let stop = CancellationToken::new();
        let deliverer = Deliverer::with_timeout(policy, Duration::from_secs(1)).unwrap();
        let (webhooks, clock, stopped) = (webhooks.clone(), self.clock.clone(), stop.clone());
        tokio::spawn(async move { webhooks.run(deliverer, clock, stopped).await });
        stop
    }

    /// The newest delivery once `right` says so.
    async fn newest(&self, right: impl Fn(&Delivery) -> bool) -> Delivery {
        let look = async {
            loop {
                let newest = self.store.deliveries(None, None, 1).await.unwrap().pop();
                if let Some(delivery) = newest.filter(&right) {
                    return delivery;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the delivery gets there")
    }
}

fn loopback() -> TargetPolicy {
    TargetPolicy::new(vec!["127.0.0.0/8".parse().unwrap()])
}

fn event(id: &str) -> WebhookEvent {
    let body = json!({"kind": "stream_published", "stream": "a'; DROP TABLE x;--<b>"}).to_string();
    WebhookEvent { id: id.into(), kind: "stream_published".into(), at_unix_ms: NOW, body }
}

#[tokio::test]
async fn an_event_arrives_signed_over_time_and_body() {
    let mut receiver = Receiver::start(vec![answer("204 No Content", "", "")]).await;
    let house = House::with(&format!("http://{}/in?token=t", receiver.address)).await;
    let webhooks = house.webhooks();
    let _stop = house.run(&webhooks, loopback());
    webhooks.notify(&event("e1")).await.unwrap();
    let seen = receiver.next().await;
    assert!(seen.head.starts_with("POST /in?token=t HTTP/1.1"), "{}", seen.head);
    assert_eq!(seen.body, event("e1").body);
    assert_eq!(seen.header("webhook-id"), "e1");
    assert_eq!(seen.header("webhook-timestamp"), "1700000000");
    assert_eq!(seen.header("webhook-signature"), signature("key", "e1", NOW / 1_000, seen.body.as_bytes()));
    let delivery = house.newest(|delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!((delivery.attempts, delivery.last_status), (1, Some(204)));
}

#[tokio::test]
async fn a_failure_is_tried_again_when_its_pause_is_over_under_the_same_name() {
    let answers = vec![answer("500 Oops", "", "no room"), answer("200 OK", "", "")];
    let mut receiver = Receiver::start(answers).await;
    let house = House::with(&format!("http://{}/", receiver.address)).await;
    let webhooks = house.webhooks();
    let _stop = house.run(&webhooks, loopback());
    webhooks.notify(&event("e1")).await.unwrap();
    let first = receiver.next().await;
    let waiting = house.newest(|delivery| delivery.attempts == 1).await;
    assert_eq!((waiting.state, waiting.last_status), (DeliveryState::Waiting, Some(500)));
    let pause_ms = u64::try_from(RETRY_PAUSES[0].as_millis()).unwrap();
    let spread = waiting.next_unix_ms - NOW;
    assert!((pause_ms..=pause_ms * 5 / 4).contains(&spread), "{spread}");
    house.now.store(waiting.next_unix_ms, Ordering::SeqCst);
    // Anything that wakes it makes it look at the clock.
    webhooks.notify(&event("e2")).await.unwrap();
    let mut later = [receiver.next().await, receiver.next().await];
    later.sort_by_key(|seen| seen.header("webhook-id").to_owned());
    assert_eq!(later[0].header("webhook-id"), first.header("webhook-id"));
    assert_ne!(later[0].header("webhook-signature"), first.header("webhook-signature"), "a time of its own");
}

#[tokio::test]
async fn what_is_queued_outlives_the_process_and_can_be_sent_again() {
    let mut receiver = Receiver::start(vec![answer("200 OK", "", "")]).await;
    let house = House::with(&format!("http://{}/", receiver.address)).await;
    house.webhooks().notify(&event("e1")).await.unwrap();
    house.store.close().await;
    // Another process.
    let store = SqliteStore::open(&house.folder.path().join("test.db")).await.unwrap();
    let configuration = Configuration::open(Arc::new(store.clone())).await.unwrap();
    let house = House { store, configuration, ..house };
    let webhooks = house.webhooks();
    let _stop = house.run(&webhooks, loopback());
    assert_eq!(receiver.next().await.header("webhook-id"), "e1");
    let delivery = house.newest(|delivery| delivery.state == DeliveryState::Delivered).await;
    let again = webhooks.redeliver(delivery.id, NOW).await.unwrap();
    assert!(again > delivery.id);
    assert_eq!(receiver.next().await.header("webhook-id"), "e1");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Receiver::start(vec![answer("200 OK", "", "")]).await;
    let to = format!("location: http://{}/\r\n", elsewhere.address);
    let receiver = Receiver::start(vec![answer("307 Temporary Redirect", &to, "")]).await;
    let house = House::with(&format!("http://{}/", receiver.address)).await;
    let webhooks = house.webhooks();
    let _stop = house.run(&webhooks, loopback());
    webhooks.notify(&event("e1")).await.unwrap();
    let delivery = house.newest(|delivery| delivery.attempts == 1).await;
    assert_eq!(delivery.last_status, Some(307));
    assert!(delivery.last_error.unwrap().contains("redirects are not followed"));
    assert!(elsewhere.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nobody_and_is_left() {
    let mut silent = Receiver::start(vec![None]).await;
    let mut other = Receiver::start(vec![answer("200 OK", "", "")]).await;
    let house = House::with(&format!("http://{}/", silent.address)).await;
    let second: WebhookConfig = serde_json::from_value(
        json!({"name": "second", "url": format!("http://{}/", other.address), "secret": "k"}),
    )
    .unwrap();
    let edited = house.configuration.edit("user:test", "second", |document| {
        document.webhooks.push(second);
        Ok::<(), std::convert::Infallible>(())
    });
    edited.await.unwrap();
    let webhooks = house.webhooks();
    let _stop = house.run(&webhooks, loopback());
    webhooks.notify(&event("e1")).await.unwrap();
    silent.next().await;
    other.next().await;
    let log = |name: &'static str| house.store.deliveries(Some(name), None, 1);
    let left = async {
        loop {
            let error = log("hook").await.unwrap().pop().and_then(|delivery| delivery.last_error);
            if let Some(error) = error {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::time::timeout(PATIENCE, left).await.unwrap();
    assert!(error.contains("no answer in time"), "{error}");
    assert_eq!(log("second").await.unwrap()[0].state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_huge_answer_is_read_up_to_its_bound() {
    let huge = answer("200 OK", "", &"x".repeat(4 << 20));
    let receiver = Receiver::start(vec![huge]).await;
    let deliverer = Deliverer::new(loopback()).unwrap();
    let webhook: WebhookConfig = serde_json::from_value(
        json!({"name": "w1", "url": format!("http://{}/", receiver.address), "secret": "k"}),
    )
    .unwrap();
    let message = streamer_manager::webhook::deliver::Message { id: "e", body: "{}" };
    let outcome = tokio::time::timeout(PATIENCE, deliverer.deliver(&webhook, &message, 1)).await.unwrap();
    assert!(outcome.delivered);
    assert_eq!(outcome.answer.len(), MAX_ANSWER_BYTES);
}

#[tokio::test]
async fn this_machine_is_not_called_unless_allowed() {
    let mut receiver = Receiver::start(vec![answer("200 OK", "", "")]).await;
    let port = receiver.address.port();
    let deliverer = Deliverer::new(TargetPolicy::default()).unwrap();
    let message = streamer_manager::webhook::deliver::Message { id: "e", body: "{}" };
    for host in ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let webhook: WebhookConfig = serde_json::from_value(
            json!({"name": "w1", "url": format!("http://user:word@{host}:{port}/?token=t"), "secret": "k"}),
        )
        .unwrap();
        let outcome = tokio::time::timeout(PATIENCE, deliverer.deliver(&webhook, &message, 1)).await.unwrap();
        let error = outcome.error.unwrap();
        assert!(error.contains("webhooks.allowed_networks"), "{host}: {error}");
        assert!(!error.contains("word") && !error.contains("token"), "no secret in {error}");
    }
    assert!(receiver.seen.try_recv().is_err());
}
