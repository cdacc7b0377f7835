//! The question to another server who may publish or play: asked once, its answers kept.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use streamer_control::config::{CallbackConfig, HttpUrl, OnFailure};
use streamer_core::{AccessRequest, Denied, DeniedKind};
use streamer_http::proto::hls::request::credentials;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};
use url::form_urlencoded;

use super::Outside;

/// Answers kept of one callback, some 100 bytes each: as many viewers as a machine serves.
pub const MAX_KEPT_ANSWERS: usize = 65_536;
/// Questions that one callback is asked at once; more wait, within the time that their answer may take.
pub const MAX_ASKED_AT_ONCE: usize = 64;
/// Bytes that are read of an answer's body, for its message.
pub const MAX_ANSWER_BYTES: usize = 4 << 10;
/// Characters of a message that are passed on to a peer: one sentence.
pub const MAX_MESSAGE_CHARS: usize = 200;

/// What is asked: the body of the request.
#[derive(Serialize)]
struct Question<'a> {
    action: &'static str,
    app: &'a str,
    stream: &'a str,
    protocol: &'static str,
    address: Option<IpAddr>,
    query: Map<String, Value>,
    page_url: Option<&'a str>,
    encrypted: bool,
}

impl<'a> Question<'a> {
    fn of(request: &'a AccessRequest<'_>) -> Self {
        // Directives of playlists differ from request to request and say nothing about who asks.
        let pairs = credentials(request.query);
        let mut query = Map::new();
        for (name, value) in form_urlencoded::parse(pairs.as_bytes()) {
            query.entry(name).or_insert_with(|| value.into_owned().into());
        }
        Self {
            action: request.action.as_str(),
            app: request.key.app.as_str(),
            stream: request.key.stream.as_str(),
            protocol: request.protocol,
            address: request.peer.map(|peer| peer.ip().to_canonical()),
            query,
            page_url: request.page_url,
            encrypted: request.encrypted,
        }
    }
}

/// Names a question: the digest of all of it, so that long ones are kept at the price of short ones and nobody
/// can make two that share a name.
type QuestionId = [u8; 32];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Granted,
    Refused(Denied),
    Failed,
}

type Hearing = watch::Receiver<Option<Answer>>;

/// Answers that are kept, and questions that are being asked.
#[derive(Default)]
struct Known {
    answers: HashMap<QuestionId, (Answer, Instant)>,
    /// In the order they were kept, which is the one in which they expire.
    order: VecDeque<(QuestionId, Instant)>,
    asked: HashMap<QuestionId, Hearing>,
}

impl Known {
    fn answer(&self, id: &QuestionId, now: Instant) -> Option<Answer> {
        self.answers.get(id).filter(|(_, until)| *until > now).map(|(answer, _)| answer.clone())
    }

    fn keep(&mut self, id: QuestionId, answer: Answer, now: Instant, until: Instant) {
        while let Some(&(oldest, expires)) = self.order.front()
            && (expires <= now || self.answers.len() >= MAX_KEPT_ANSWERS)
        {
            self.order.pop_front();
            // A question may have been answered anew since.
            if self.answers.get(&oldest).is_some_and(|(_, until)| *until == expires) {
                self.answers.remove(&oldest);
            }
        }
        self.answers.insert(id, (answer, until));
        self.order.push_back((id, until));
    }
}

/// The callback of one rule.
pub(super) struct Callback {
    url: HttpUrl,
    limit: Duration,
    keep_for: Duration,
    on_failure: OnFailure,
    outside: Outside,
    known: Mutex<Known>,
    room: Semaphore,
    failing: AtomicBool,
}

impl Callback {
    pub(super) fn new(config: &CallbackConfig, outside: &Outside) -> Arc<Self> {
        Arc::new(Self {
            url: config.url.clone(),
            limit: Duration::from_millis(config.timeout_ms),
            keep_for: Duration::from_secs(config.cache_s),
            on_failure: config.on_failure,
            outside: outside.clone(),
            known: Mutex::default(),
            room: Semaphore::new(MAX_ASKED_AT_ONCE),
            failing: AtomicBool::new(false),
        })
    }

    /// Whether `request` is granted.
    pub(super) async fn ask(self: &Arc<Self>, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let unavailable = Denied::new(DeniedKind::Unavailable, "who decides about it does not answer");
        let body = serde_json::to_vec(&Question::of(request)).map_err(|_| unavailable.clone())?;
        let answer = match self.known_or_asked(body) {
            Ok(answer) => answer,
            // The sender is gone without an answer only if its task panicked.
            Err(mut hearing) => match hearing.wait_for(Option::is_some).await {
                Ok(answer) => answer.clone().unwrap_or(Answer::Failed),
                Err(_) => Answer::Failed,
            },
        };
        match (answer, self.on_failure) {
            (Answer::Granted, _) | (Answer::Failed, OnFailure::Allow) => Ok(()),
            (Answer::Refused(denied), _) => Err(denied),
            (Answer::Failed, OnFailure::Deny) => Err(unavailable),
        }
    }

    /// The answer to `body` that is kept, else where it will be heard. Whoever asks the same meanwhile hears the
    /// same; the asking is a task of its own, so that it goes on when this peer goes away.
    fn known_or_asked(self: &Arc<Self>, body: Vec<u8>) -> Result<Answer, Hearing> {
        let id: QuestionId = Sha256::digest(&body).into();
        let mut known = self.known.lock();
        if let Some(answer) = known.answer(&id, Instant::now()) {
            self.outside.stats.callbacks_kept.fetch_add(1, Relaxed);
            return Ok(answer);
        }
        if let Some(hearing) = known.asked.get(&id).filter(|hearing| hearing.has_changed().is_ok()) {
            return Err(hearing.clone());
        }
        let (sender, hearing) = watch::channel(None);
        known.asked.insert(id, hearing.clone());
        drop(known);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let (answer, rest) = this.inquire(body).await;
            this.take_note(id, &answer);
            sender.send_replace(Some(answer));
            if let Some((rest, until)) = rest {
                // Read to its end, the connection serves the next question.
                let _ = timeout_at(until, message(rest)).await;
            }
        });
        Err(hearing)
    }

    fn take_note(&self, id: QuestionId, answer: &Answer) {
        let mut known = self.known.lock();
        known.asked.remove(&id);
        if *answer != Answer::Failed && !self.keep_for.is_zero() {
            let now = Instant::now();
            known.keep(id, answer.clone(), now, now + self.keep_for);
        }
    }

    /// Asks, and takes note of a failure. With a grant comes what is still to be read of it, and until when.
    async fn inquire(&self, body: Vec<u8>) -> (Answer, Option<(reqwest::Response, Instant)>) {
        let until = Instant::now() + self.limit;
        self.outside.stats.callbacks.fetch_add(1, Relaxed);
        let exchanged = timeout(self.limit, self.exchange(body)).await;
        let late = |_| format!("no answer within {} ms", self.limit.as_millis());
        let failure = match exchanged.map_err(late).flatten() {
            Ok(response) => {
                let code = response.status().as_u16();
                let refused = match code {
                    200..=299 => None,
                    401 => Some(DeniedKind::BadToken),
                    403 | 404 => Some(DeniedKind::NotAllowed),
                    _ => return (self.failed(&format!("status {code}")), None),
                };
                if self.failing.swap(false, Relaxed) {
                    info!(url = %self.url, "callback answers again");
                }
                let Some(kind) = refused else { return (Answer::Granted, Some((response, until))) };
                let said = timeout_at(until, message(response)).await.ok().flatten();
                let message = said.map_or("it is not allowed".into(), Into::into);
                return (Answer::Refused(Denied { kind, message }), None);
            }
            Err(failure) => failure,
        };
        (self.failed(&failure), None)
    }

    fn failed(&self, error: &str) -> Answer {
        self.outside.stats.callback_failures.fetch_add(1, Relaxed);
        // Once for a row of failures: one for each viewer would drown everything else.
        if !self.failing.swap(true, Relaxed) {
            warn!(url = %self.url, error, on_failure = ?self.on_failure, "callback fails");
        }
        Answer::Failed
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<reqwest::Response, String> {
        let _place = self.room.acquire().await.map_err(|error| error.to_string())?;
        let post = self.outside.http.post(self.url.as_str());
        let post = post.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        // The URL may hold secrets: errors are told without it.
        post.send().await.map_err(|error| error.without_url().to_string())
    }
}

/// The `message` in the body of an answer, if it is short JSON and has one. Nothing that could act in a log or a
/// terminal is left in it.
async fn message(mut answer: reqwest::Response) -> Option<String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    let object: Map<String, Value> = serde_json::from_slice(&body).ok()?;
    let text = object.get("message")?.as_str()?;
    let clean: String = text.chars().filter(|char| !char.is_control()).take(MAX_MESSAGE_CHARS).collect();
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests;
