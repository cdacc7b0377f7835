//! Events: the list, and the feed that loses nothing between what was and what comes.

use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use streamer_manager::event::Event;
use streamer_manager::rest::MAX_FEEDS;
use tower::ServiceExt;

use crate::support::Api;

const PATIENCE: Duration = Duration::from_secs(20);

fn published(stream: &str) -> Event {
    Event::StreamPublished { app: "live".into(), stream: stream.into(), protocol: None, address: None }
}

fn request(api: &Api, last: Option<u64>) -> Request<Body> {
    let mut request = Request::get("/v1/event/feed")
        .header("authorization", format!("Bearer {}", api.first.token.expose()));
    if let Some(id) = last {
        request = request.header("last-event-id", id);
    }
    request.body(Body::empty()).unwrap()
}

/// A reader of the feed.
struct Reader {
    body: Pin<Box<BodyDataStream>>,
    text: String,
}

impl Reader {
    async fn open(api: &Api, last: Option<u64>) -> Self {
        let answer = api.router.clone().oneshot(request(api, last)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: Box::pin(answer.into_body().into_data_stream()), text: String::new() }
    }

    /// The next event, as `name: value` lines.
    async fn next(&mut self) -> String {
        let next = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let event = event.to_owned();
                    self.text = rest.to_owned();
                    return event;
                }
                let bytes = self.body.next().await.expect("the feed goes on").unwrap();
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("an event")
    }
}

#[tokio::test]
async fn the_list_is_filtered_and_paged_the_newest_first() {
    let api = Api::new().await;
    for (at, stream) in ["a", "b", "c"].into_iter().enumerate() {
        api.events.tell(at as u64, at as u64, published(stream));
    }
    api.events.tell(9, 9, Event::EngineDown { reason: "<b>'; DROP TABLE x".into() });
    let page = api.get("/v1/event?limit=2&kind=stream_published").await;
    let names = |answer: &crate::support::Answer| -> Vec<String> {
        let list = answer.body["list"].as_array().unwrap();
        list.iter().map(|event| event["stream"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(names(&page), ["c", "b"]);
    let after = page.body["next"].as_str().unwrap();
    let rest = api.get(&format!("/v1/event?limit=2&kind=stream_published&after={after}")).await;
    assert_eq!(names(&rest), ["a"]);
    assert_eq!(rest.body["next"], serde_json::Value::Null);
    assert_eq!(names(&api.get("/v1/event?app=live&stream=b").await), ["b"]);
    let all = api.get("/v1/event").await;
    assert_eq!(all.body["list"][0]["reason"], "<b>'; DROP TABLE x");
}

#[tokio::test]
async fn the_feed_goes_on_behind_the_last_event_and_tells_each_once() {
    let api = Api::new().await;
    api.events.tell(1, 1, published("a"));
    api.events.tell(2, 2, published("b"));
    let mut fresh = Reader::open(&api, None).await;
    let mut behind = Reader::open(&api, Some(1_000)).await;
    api.events.tell(3, 3, published("c"));
    for (reader, streams) in [(&mut fresh, vec!["c"]), (&mut behind, vec!["b", "c"])] {
        for stream in streams {
            let event = reader.next().await;
            assert!(
                event.contains("event: stream_published\n") || event.contains("\nevent: stream_published"),
                "{event}"
            );
            assert!(event.contains(&format!("\"stream\":\"{stream}\"")), "{event}");
        }
    }
}

#[tokio::test]
async fn feeds_are_bounded_and_their_places_come_back() {
    let api = Api::new().await;
    let mut readers = Vec::new();
    for _ in 0..MAX_FEEDS {
        readers.push(Reader::open(&api, None).await);
    }
    let refused = api.router.clone().oneshot(request(&api, None)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    readers.pop();
    Reader::open(&api, None).await;
}
