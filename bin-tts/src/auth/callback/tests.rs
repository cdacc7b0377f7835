//! Callbacks that answer, and callbacks that do not.

use serde_json::json;
use streamer_core::Action;

use super::super::testing::{Backend, Reply, asking, outside};
use super::*;

fn config(url: &str, more: &Value) -> CallbackConfig {
    let mut config = json!({ "url": url });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

async fn ask(callback: &Arc<Callback>, query: &str) -> Result<(), Denied> {
    asking(Action::Play, "live/test", query, async |request| callback.ask(request).await).await
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Lets a callback's time pass.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn all_that_is_known_is_asked() {
    let backend = Backend::start(Reply::status(204)).await;
    let url = backend.url("/ask?key=1").replace("http://", "http://me:word@");
    let callback = Callback::new(&config(&url, &json!({})), &outside());
    let query = "user=ann%20lee&x=%22&user=second&_HLS_msn=7&pass=1&flag";
    assert_eq!(ask(&callback, query).await, Ok(()));
    let heard = backend.heard().remove(0);
    assert!(heard.starts_with("POST /ask?key=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("authorization: Basic bWU6d29yZA==\r\n"), "{heard}");
    assert!(heard.contains("content-type: application/json\r\n"), "{heard}");
    let expected = json!({
        "action": "play", "app": "live", "stream": "test", "protocol": "http-flv", "address": "192.0.2.7",
        "query": { "user": "ann lee", "x": "\"", "flag": "" }, "page_url": "https://www.example/watch",
        "encrypted": true,
    });
    assert_eq!(body(&heard), expected);
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    let backend = Backend::start(Reply::status(200)).await;
    let deny = Callback::new(&config(&backend.url("/"), &json!({ "cache_s": 0 })), &outside());
    let allow = Callback::new(
        &config(&backend.url("/"), &json!({ "cache_s": 0, "on_failure": "allow" })),
        &outside(),
    );
    let unavailable = Err(DeniedKind::Unavailable);
    for (status, by_deny, by_allow) in [
        (200, Ok(()), Ok(())),
        (204, Ok(()), Ok(())),
        (401, Err(DeniedKind::BadToken), Err(DeniedKind::BadToken)),
        (403, Err(DeniedKind::NotAllowed), Err(DeniedKind::NotAllowed)),
        (404, Err(DeniedKind::NotAllowed), Err(DeniedKind::NotAllowed)),
        (400, unavailable, Ok(())),
        (429, unavailable, Ok(())),
        (500, unavailable, Ok(())),
        (304, unavailable, Ok(())),
    ] {
        backend.set(Reply::status(status));
        let kind = |result: Result<(), Denied>| result.map_err(|denied| denied.kind);
        assert_eq!(kind(ask(&deny, "").await), by_deny, "{status}");
        assert_eq!(kind(ask(&allow, "").await), by_allow, "{status}");
    }
    assert_eq!(backend.connections(), 2, "connections are used again");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_not_followed() {
    let target = Backend::start(Reply::status(200)).await;
    let backend = Backend::start(Reply::Elsewhere(target.url("/"))).await;
    let outside = outside();
    let callback = Callback::new(&config(&backend.url("/"), &json!({})), &outside);
    assert_eq!(ask(&callback, "").await.unwrap_err().kind, DeniedKind::Unavailable);
    assert!(target.heard().is_empty());
    assert_eq!(outside.stats.callback_failures.load(Relaxed), 1);
}

#[tokio::test]
async fn who_closes_or_is_not_there_has_failed() {
    let backend = Backend::start(Reply::Close).await;
    let callback = Callback::new(&config(&backend.url("/"), &json!({})), &outside());
    assert_eq!(ask(&callback, "").await.unwrap_err().kind, DeniedKind::Unavailable);
    backend.set(Reply::status(200));
    assert_eq!(ask(&callback, "").await, Ok(()), "failures are not kept");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    drop(socket);
    let nobody = Callback::new(&config(&url, &json!({})), &outside());
    assert_eq!(ask(&nobody, "").await.unwrap_err().kind, DeniedKind::Unavailable);
}

#[tokio::test]
async fn who_is_slow_has_failed_after_its_time() {
    let backend = Backend::start(Reply::Silence).await;
    let callback = Callback::new(&config(&backend.url("/"), &json!({ "timeout_ms": 9000 })), &outside());
    let asking = tokio::spawn({
        let callback = Arc::clone(&callback);
        async move { ask(&callback, "").await }
    });
    backend.heard_of(1).await;
    pass(Duration::from_millis(8_900)).await;
    assert!(!asking.is_finished());
    pass(Duration::from_millis(100)).await;
    assert_eq!(asking.await.unwrap().unwrap_err().kind, DeniedKind::Unavailable);
}

#[tokio::test]
async fn a_body_is_no_part_of_a_grant() {
    for reply in [Reply::Endless(200), Reply::Withheld(200)] {
        let backend = Backend::start(reply).await;
        let callback = Callback::new(&config(&backend.url("/"), &json!({ "timeout_ms": 9000 })), &outside());
        assert_eq!(ask(&callback, "").await, Ok(()));
    }
}

#[tokio::test]
async fn the_message_of_a_refusal_is_passed_on_in_bounds() {
    let backend = Backend::start(Reply::status(403)).await;
    let callback = Callback::new(&config(&backend.url("/"), &json!({ "cache_s": 0 })), &outside());
    let said = async |reply| {
        backend.set(reply);
        let denied = ask(&callback, "").await.unwrap_err();
        assert_eq!(denied.kind, DeniedKind::NotAllowed);
        denied.message.into_owned()
    };
    let answer = |message: Value| Reply::Answer(403, json!({ "message": message }).to_string());
    assert_eq!(said(answer(json!("Pay first."))).await, "Pay first.");
    assert_eq!(said(answer(json!("a\r\nb\u{1b}[31m"))).await, "ab[31m");
    let longest = "m".repeat(MAX_MESSAGE_CHARS);
    assert_eq!(said(answer(json!(longest))).await, longest);
    assert_eq!(said(answer(json!(format!("{longest}m")))).await, longest);
    let plain = "it is not allowed";
    for reply in
        [answer(json!(1)), answer(json!("")), Reply::Answer(403, "<html>".into()), Reply::Endless(403)]
    {
        assert_eq!(said(reply).await, plain);
    }
    let padded = |len: usize| {
        let text = json!({ "message": "m" }).to_string();
        Reply::Answer(403, format!("{text}{}", " ".repeat(len - text.len())))
    };
    assert_eq!(said(padded(MAX_ANSWER_BYTES)).await, "m");
    assert_eq!(said(padded(MAX_ANSWER_BYTES + 1)).await, plain);
}

#[tokio::test]
async fn answers_of_both_kinds_are_kept_for_their_time_and_their_question() {
    for (status, granted) in [(200, true), (403, false)] {
        let backend = Backend::start(Reply::status(status)).await;
        let outside = outside();
        let callback = Callback::new(&config(&backend.url("/"), &json!({ "cache_s": 10 })), &outside);
        for _ in 0..3 {
            assert_eq!(ask(&callback, "a=1&_HLS_msn=1").await.is_ok(), granted);
            assert_eq!(ask(&callback, "a=1&_HLS_msn=2&_HLS_part=0").await.is_ok(), granted);
        }
        assert_eq!((backend.heard().len(), outside.stats.callbacks_kept.load(Relaxed)), (1, 5));
        assert_eq!(ask(&callback, "a=2").await.is_ok(), granted);
        let publish =
            asking(Action::Publish, "live/test", "a=1", async |request| callback.ask(request).await);
        assert_eq!(publish.await.is_ok(), granted);
        let other = asking(Action::Play, "live/other", "a=1", async |request| callback.ask(request).await);
        assert_eq!(other.await.is_ok(), granted);
        assert_eq!(backend.heard().len(), 4, "another question is asked");
        pass(Duration::from_secs(10)).await;
        assert_eq!(ask(&callback, "a=1").await.is_ok(), granted);
        assert_eq!(backend.heard().len(), 5);
    }
}

#[tokio::test]
async fn equal_questions_are_asked_once_though_the_first_goes_away() {
    let backend = Backend::start(Reply::status(200)).await;
    backend.gate(false);
    let callback =
        Callback::new(&config(&backend.url("/"), &json!({ "cache_s": 0, "timeout_ms": 9000 })), &outside());
    let spawn = || {
        let callback = Arc::clone(&callback);
        tokio::spawn(async move { ask(&callback, "").await })
    };
    let first = spawn();
    backend.heard_of(1).await;
    let others: Vec<_> = (0..10).map(|_| spawn()).collect();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    backend.gate(true);
    for other in others {
        assert_eq!(other.await.unwrap(), Ok(()));
    }
    assert_eq!(backend.heard().len(), 1);
    assert_eq!(ask(&callback, "").await, Ok(()));
    assert_eq!(backend.heard().len(), 2, "nothing is kept");
}

#[tokio::test]
async fn questions_at_once_at_their_limit() {
    let backend = Backend::start(Reply::status(200)).await;
    backend.gate(false);
    let callback = Callback::new(&config(&backend.url("/"), &json!({ "timeout_ms": 9000 })), &outside());
    let all: Vec<_> = (0..=MAX_ASKED_AT_ONCE)
        .map(|number| {
            let callback = Arc::clone(&callback);
            tokio::spawn(async move { ask(&callback, &format!("n={number}")).await })
        })
        .collect();
    backend.heard_of(MAX_ASKED_AT_ONCE).await;
    assert_eq!((backend.heard().len(), callback.room.available_permits()), (MAX_ASKED_AT_ONCE, 0));
    backend.gate(true);
    for one in all {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    assert_eq!(backend.heard().len(), MAX_ASKED_AT_ONCE + 1);
}

#[test]
fn answers_kept_at_their_limit() {
    let now = Instant::now();
    let mut known = Known::default();
    let id = |number: usize| -> QuestionId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        id
    };
    let until = now + Duration::from_secs(10);
    for number in 0..MAX_KEPT_ANSWERS {
        known.keep(id(number), Answer::Granted, now, until);
    }
    assert_eq!(known.answer(&id(0), now), Some(Answer::Granted));
    known.keep(id(MAX_KEPT_ANSWERS), Answer::Granted, now, until);
    assert_eq!((known.answers.len(), known.order.len()), (MAX_KEPT_ANSWERS, MAX_KEPT_ANSWERS));
    assert_eq!((known.answer(&id(0), now), known.answer(&id(1), now)), (None, Some(Answer::Granted)));
    // The same question again and again takes one place among the answers, and what is over goes.
    let later = until + Duration::from_secs(1);
    known.keep(id(0), Answer::Failed, later, later + Duration::from_secs(10));
    assert_eq!((known.answers.len(), known.order.len()), (1, 1));
}
