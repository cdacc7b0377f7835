//! Creating once though it was asked twice: the header field `Idempotency-Key`.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::RestState;
use super::caller::Caller;
use super::error::{ApiError, ErrorCode};
use super::request::MAX_BODY_BYTES;

/// Paths whose `POST` takes an idempotency key.
pub(super) const IDEMPOTENT_PATHS: &[&str] = &["/v1/app", "/v1/stream", "/v1/forward", "/v1/webhook"];
/// Keys that are remembered; beyond it the oldest is forgotten.
pub const MAX_IDEMPOTENCY_KEYS: usize = 1_024;
/// How long a key is remembered: longer than any program goes on trying.
pub const IDEMPOTENCY_TIME: Duration = Duration::from_secs(60 * 60);
/// Longest idempotency key, in bytes: a UUID has 36.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Longest answer that is remembered, in bytes: those of creating are short sentences.
pub const MAX_REMEMBERED_BYTES: usize = 4 << 10;

type Name = (String, String);
type Fingerprint = [u8; 32];

/// What became of a request.
#[derive(Clone)]
enum Fate {
    /// It is under way.
    UnderWay,
    /// It was answered.
    Answered(StatusCode, HeaderMap, Bytes),
}

/// The keys that were seen.
#[derive(Default)]
pub(super) struct Keys(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    fates: HashMap<Name, (Fingerprint, Fate)>,
    order: VecDeque<(Instant, Name)>,
}

impl Keys {
    /// What became of the request of this name before; otherwise it is under way from now on.
    fn begin(&self, name: &Name, fingerprint: Fingerprint, now: Instant) -> Option<(Fingerprint, Fate)> {
        let mut seen = self.0.lock();
        while let Some((at, _)) = seen.order.front()
            && (seen.order.len() >= MAX_IDEMPOTENCY_KEYS || now.duration_since(*at) >= IDEMPOTENCY_TIME)
        {
            if let Some((_, old)) = seen.order.pop_front() {
                seen.fates.remove(&old);
            }
        }
        if let Some(known) = seen.fates.get(name) {
            return Some(known.clone());
        }
        seen.fates.insert(name.clone(), (fingerprint, Fate::UnderWay));
        seen.order.push_back((now, name.clone()));
        None
    }

    /// The request of this name is over; a failure of the server is not remembered, so that it can be tried again.
    fn end(&self, name: &Name, answer: Option<(StatusCode, HeaderMap, Bytes)>) {
        let mut seen = self.0.lock();
        match answer {
            Some((status, headers, body)) => {
                if let Some((_, fate)) = seen.fates.get_mut(name) {
                    *fate = Fate::Answered(status, headers, body);
                }
            }
            None => {
                seen.fates.remove(name);
                seen.order.retain(|(_, other)| other != name);
            }
        }
    }
}

/// Ends a request that was given up, as when its client left: it may be tried again.
struct UnderWay<'a> {
    keys: &'a Keys,
    name: Name,
    answered: bool,
}

impl UnderWay<'_> {
    /// Remembers the answer on its way. A failure of the server is not, nor one that is too long.
    async fn remember(mut self, response: Response) -> Result<Response, ApiError> {
        let (parts, body) = response.into_parts();
        let is_short = body.size_hint().upper().is_some_and(|len| len <= MAX_REMEMBERED_BYTES as u64);
        if parts.status.is_server_error() || !is_short {
            return Ok(Response::from_parts(parts, body));
        }
        let body = to_bytes(body, MAX_REMEMBERED_BYTES)
            .await
            .map_err(|error| ApiError::internal("remembering the answer", &error))?;
        self.answered = true;
        let answer = (parts.status, parts.headers.clone(), body.clone());
        self.keys.end(&self.name, Some(answer));
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.keys.end(&self.name, None);
        }
    }
}

/// Answers a request with a key that was seen as it was answered then.
pub(super) async fn once(State(state): State<RestState>, request: Request, next: Next) -> Response {
    match attempt(&state, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn attempt(state: &RestState, request: Request, next: Next) -> Result<Response, ApiError> {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let key = request.headers().get("idempotency-key");
    let caller = request.extensions().get::<Caller>().map(|caller| caller.identity.actor());
    let (Some(path), Some(key), Some(actor)) = (path, key, caller) else {
        return Ok(next.run(request).await);
    };
    if request.method() != Method::POST || !IDEMPOTENT_PATHS.contains(&path.as_str()) {
        return Ok(next.run(request).await);
    }
    let bad_key = || ApiError::parameter("Idempotency-Key");
    let key = key.to_str().map_err(|_| bad_key())?.to_owned();
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES {
        return Err(bad_key().detail(format!("1 to {MAX_IDEMPOTENCY_KEY_BYTES} characters are allowed")));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        let message = "the body is longer than this call takes";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, message)
    })?;
    let mut digest = Sha256::new();
    digest.update(path.as_bytes());
    digest.update([0]);
    digest.update(&body);
    let fingerprint: Fingerprint = digest.finalize().into();
    let name = (actor, key);
    let conflict =
        |message| Err(ApiError::new(StatusCode::CONFLICT, ErrorCode::IdempotencyConflict, message));
    match state.keys().begin(&name, fingerprint, Instant::now()) {
        Some((other, _)) if other != fingerprint => {
            return conflict("the idempotency key was used for another request");
        }
        Some((_, Fate::UnderWay)) => return conflict("the request of this idempotency key is under way"),
        Some((_, Fate::Answered(status, headers, body))) => {
            return Ok((status, headers, body).into_response());
        }
        None => {}
    }
    let under_way = UnderWay { keys: state.keys(), name, answered: false };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    under_way.remember(response).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        ("token:t".into(), number.to_string())
    }

    fn answered() -> Option<(StatusCode, HeaderMap, Bytes)> {
        Some((StatusCode::OK, HeaderMap::new(), Bytes::new()))
    }

    #[test]
    fn keys_at_their_limit() {
        let (keys, now) = (Keys::default(), Instant::now());
        for number in 0..MAX_IDEMPOTENCY_KEYS {
            assert!(keys.begin(&name(number), [0; 32], now).is_none());
            keys.end(&name(number), answered());
        }
        assert_eq!(keys.0.lock().fates.len(), MAX_IDEMPOTENCY_KEYS);
        assert!(keys.begin(&name(MAX_IDEMPOTENCY_KEYS), [0; 32], now).is_none());
        assert_eq!(keys.0.lock().fates.len(), MAX_IDEMPOTENCY_KEYS);
        assert!(!keys.0.lock().fates.contains_key(&name(0)));
    }

    #[tokio::test]
    async fn an_answer_at_its_limit_is_remembered_and_a_longer_one_passes() {
        for (len, is_remembered) in [(MAX_REMEMBERED_BYTES, true), (MAX_REMEMBERED_BYTES + 1, false)] {
            let keys = Keys::default();
            assert!(keys.begin(&name(1), [0; 32], Instant::now()).is_none());
            let under_way = UnderWay { keys: &keys, name: name(1), answered: false };
            let response = under_way.remember(Response::new(Body::from(vec![b'x'; len]))).await.unwrap();
            assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap().len(), len);
            let known = keys.begin(&name(1), [0; 32], Instant::now());
            let body = known.map(|(_, fate)| match fate {
                Fate::Answered(_, _, body) => body.len(),
                Fate::UnderWay => panic!("it is over"),
            });
            assert_eq!(body, is_remembered.then_some(len));
        }
    }

    #[test]
    fn a_key_is_forgotten_after_its_time_and_after_a_failure() {
        let (keys, now) = (Keys::default(), Instant::now());
        assert!(keys.begin(&name(1), [0; 32], now).is_none());
        keys.end(&name(1), answered());
        let almost = now + IDEMPOTENCY_TIME - Duration::from_millis(1);
        assert!(keys.begin(&name(1), [0; 32], almost).is_some());
        assert!(keys.begin(&name(1), [0; 32], now + IDEMPOTENCY_TIME).is_none());
        keys.end(&name(1), None);
        assert!(keys.begin(&name(1), [0; 32], now + IDEMPOTENCY_TIME).is_none());
    }
}
