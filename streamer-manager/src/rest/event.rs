//! Events: the newest as a list, and all as they come.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::IntoParams;

use super::RestState;
use super::envelope::{List, ListBody};
use super::error::ApiError;
use super::page::{Limit, SearchText};
use super::request::Params;
use crate::event::ManagerEvent;
use crate::view::{EventFilter, MAX_KEPT_EVENTS};

/// Feeds at once: each is a connection and a place in the list of listeners.
pub const MAX_FEEDS: usize = 64;
/// Pause a reader is told when all places are taken, seconds.
const FEED_RETRY_S: u64 = 10;
/// Pause after which an idle feed is sent a comment, so that both sides notice the loss of the other.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Places of feeds.
#[derive(Clone)]
pub(super) struct Feeds(Arc<Semaphore>);

impl Default for Feeds {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_FEEDS)))
    }
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct EventParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// The `next` of the page before.
    after: Option<u64>,
    /// Only those of this kind.
    #[param(value_type = Option<String>, max_length = 200)]
    kind: Option<SearchText>,
    /// Only those of this application.
    #[param(value_type = Option<String>, max_length = 200)]
    app: Option<SearchText>,
    /// Only those of streams of this name.
    #[param(value_type = Option<String>, max_length = 200)]
    stream: Option<SearchText>,
}

/// List events
///
/// The newest first. They are kept in memory: some thousand of them, since the manager was started.
#[utoipa::path(get, path = "/v1/event", tag = "event", params(EventParams),
    responses((status = 200, description = "A page of events.", body = ListBody<ManagerEvent>)))]
pub(super) async fn list(
    State(state): State<RestState>,
    Params(params): Params<EventParams>,
) -> Result<List<ManagerEvent>, ApiError> {
    let text = |text: Option<SearchText>| text.map(|text| text.0);
    let filter = EventFilter {
        after: None,
        before: params.after,
        kind: text(params.kind),
        app: text(params.app),
        stream: text(params.stream),
    };
    let mut found = state.events().newest(&filter, params.limit.0 + 1);
    let more = found.len() > params.limit.0;
    found.truncate(params.limit.0);
    let next = found.last().filter(|_| more).map(|event| event.id.to_string());
    let list = found.iter().map(|event| (**event).clone()).collect();
    Ok(List { list, total: None, next, version: None })
}

/// Follow events
///
/// Server-Sent Events: each has the number, the kind and the JSON of one event. With `Last-Event-ID` the feed begins behind
/// that event, as far as it is still kept. A reader that is too slow is sent an event `missed`, with how many it missed.
#[utoipa::path(get, path = "/v1/event/feed", tag = "event",
    responses((status = 200, description = "Events, until either side ends it.", content_type = "text/event-stream", body = String)))]
pub(super) async fn feed(
    State(state): State<RestState>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, ApiError> {
    let place = Arc::clone(&state.feeds().0)
        .try_acquire_owned()
        .map_err(|_| ApiError::too_many("too many feeds are open", FEED_RETRY_S))?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    // First the subscription, so that nothing falls between it and what is kept.
    let coming = state.events().subscribe();
    let filter = EventFilter { after: last, ..EventFilter::default() };
    let mut kept = last.map_or_else(Vec::new, |_| state.events().newest(&filter, MAX_KEPT_EVENTS));
    kept.sort_by_key(|event| std::cmp::Reverse(event.id));
    let reader =
        Reader { kept, last: last.unwrap_or(0), coming, stopping: state.stopping().clone(), _place: place };
    let events = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One reader of the feed.
struct Reader {
    /// What came before, the newest first.
    kept: Vec<Arc<ManagerEvent>>,
    last: u64,
    coming: Receiver<Arc<ManagerEvent>>,
    stopping: tokio_util::sync::CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; `None` when the manager stops.
    async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.kept.pop() {
                self.last = event.id;
                return Some(shown(&event));
            }
            let received = tokio::select! {
                received = self.coming.recv() => received,
                () = self.stopping.cancelled() => return None,
            };
            match received {
                // What was kept may come once more.
                Ok(event) if event.id <= self.last => {}
                Ok(event) => {
                    self.last = event.id;
                    return Some(shown(&event));
                }
                Err(RecvError::Lagged(count)) => {
                    return Some(SseEvent::default().event("missed").data(format!("{{\"count\":{count}}}")));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn shown(event: &ManagerEvent) -> SseEvent {
    let text = serde_json::to_string(event).unwrap_or_default();
    SseEvent::default().id(event.id.to_string()).event(event.event.kind()).data(text)
}
