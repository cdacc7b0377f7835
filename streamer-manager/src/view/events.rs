//! The feed of events: the newest are kept, all are told to whoever listens.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::known::Told;
use crate::event::{Event, ManagerEvent};

/// Events kept in memory for the API: some hours of a busy server, a megabyte or so.
pub const MAX_KEPT_EVENTS: usize = 4_096;
/// Events that a listener may be behind before it misses some and is told how many: a restart of an engine with
/// two thousand streams.
pub const MAX_EVENTS_BEHIND: usize = 8_192;

/// The feed. Clones are handles on the same.
#[derive(Clone, Debug)]
pub struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    feed: broadcast::Sender<Arc<ManagerEvent>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    newest: VecDeque<Arc<ManagerEvent>>,
}

/// Which events to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those after this one.
    pub after: Option<u64>,
    /// Only those before this one.
    pub before: Option<u64>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those of this application.
    pub app: Option<String>,
    /// Only those of streams of this name.
    pub stream: Option<String>,
}

impl EventFilter {
    /// Whether `event` is one of them.
    #[must_use]
    pub fn admits(&self, event: &ManagerEvent) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
        };
        let about = event.event.stream();
        self.after.is_none_or(|after| event.id > after)
            && self.before.is_none_or(|before| event.id < before)
            && is(&self.kind, Some(event.event.kind()))
            && is(&self.app, about.map(|(app, _)| app))
            && is(&self.stream, about.map(|(_, stream)| stream))
    }
}

impl Default for Events {
    fn default() -> Self {
        let (feed, _) = broadcast::channel(MAX_EVENTS_BEHIND);
        Self(Arc::new(Inner { feed, kept: Mutex::default() }))
    }
}

impl Events {
    /// Tells `event`, which happened at `at_unix_ms`, at the time `now_unix_ms`.
    pub fn tell(&self, now_unix_ms: u64, at_unix_ms: u64, event: Event) {
        let mut kept = self.0.kept.lock();
        // Made of the time, so that numbers rise across restarts: nothing else of this list outlives the process.
        let id = now_unix_ms.saturating_mul(1_000).max(kept.last_id.saturating_add(1));
        kept.last_id = id;
        let event = Arc::new(ManagerEvent { id, at_unix_ms, event });
        if kept.newest.len() == MAX_KEPT_EVENTS {
            kept.newest.pop_front();
        }
        kept.newest.push_back(Arc::clone(&event));
        // Within the lock, so that listeners get them in the order of their numbers. Nobody may be listening.
        let _ = self.0.feed.send(event);
    }

    /// Tells all of `told`.
    pub fn tell_all(&self, now_unix_ms: u64, told: Vec<Told>) {
        for (at, event) in told {
            self.tell(now_unix_ms, at, event);
        }
    }

    /// All events from now on. A listener that is more than [`MAX_EVENTS_BEHIND`] behind is told how many it missed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<ManagerEvent>> {
        self.0.feed.subscribe()
    }

    /// At most `limit` of the kept events that `filter` admits, the newest first.
    #[must_use]
    pub fn newest(&self, filter: &EventFilter, limit: usize) -> Vec<Arc<ManagerEvent>> {
        let kept = self.0.kept.lock();
        kept.newest.iter().rev().filter(|event| filter.admits(event)).take(limit).cloned().collect()
    }

    /// The kept events after `after`, the oldest first, and all from now on, with none between the two missed.
    #[must_use]
    pub fn since(&self, after: u64) -> (Vec<Arc<ManagerEvent>>, broadcast::Receiver<Arc<ManagerEvent>>) {
        let kept = self.0.kept.lock();
        let missed = kept.newest.iter().filter(|event| event.id > after).cloned().collect();
        (missed, self.0.feed.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(app: &str) -> Event {
        Event::PullUp { app: app.into(), stream: "a".into() }
    }

    #[test]
    fn numbers_rise_even_when_the_clock_does_not() {
        let events = Events::default();
        let mut feed = events.subscribe();
        for now in [5, 5, 3, 6] {
            events.tell(now, 1, up("live"));
        }
        let ids: Vec<u64> = (0..4).map(|_| feed.try_recv().unwrap().id).collect();
        assert_eq!(ids, [5_000, 5_001, 5_002, 6_000]);
        let listed: Vec<u64> =
            events.newest(&EventFilter::default(), 3).iter().map(|event| event.id).collect();
        assert_eq!(listed, [6_000, 5_002, 5_001]);
    }

    #[test]
    fn a_listener_that_comes_back_misses_nothing() {
        let events = Events::default();
        events.tell(1, 1, up("a1"));
        events.tell(2, 2, up("a2"));
        let (missed, mut feed) = events.since(1_000);
        assert_eq!(missed.iter().map(|event| event.id).collect::<Vec<_>>(), [2_000]);
        events.tell(3, 3, up("a3"));
        assert_eq!(feed.try_recv().unwrap().id, 3_000);
    }

    #[test]
    fn events_are_filtered() {
        let events = Events::default();
        events.tell(1, 1, up("a1"));
        events.tell(2, 2, up("a2"));
        events.tell(3, 3, Event::EngineDown { reason: "away".into() });
        let count = |filter| events.newest(&filter, 10).len();
        assert_eq!(count(EventFilter { app: Some("a1".into()), ..EventFilter::default() }), 1);
        assert_eq!(count(EventFilter { stream: Some("a".into()), ..EventFilter::default() }), 2);
        assert_eq!(count(EventFilter { kind: Some("engine_down".into()), ..EventFilter::default() }), 1);
        assert_eq!(count(EventFilter { after: Some(1_000), ..EventFilter::default() }), 2);
        assert_eq!(count(EventFilter { before: Some(3_000), ..EventFilter::default() }), 2);
    }

    #[test]
    fn kept_and_waiting_events_at_their_limits() {
        let events = Events::default();
        let mut feed = events.subscribe();
        for now in 0..=MAX_EVENTS_BEHIND as u64 {
            events.tell(now, now, up("live"));
        }
        assert_eq!(events.newest(&EventFilter::default(), usize::MAX).len(), MAX_KEPT_EVENTS);
        let missed = feed.try_recv().unwrap_err();
        assert_eq!(missed, broadcast::error::TryRecvError::Lagged(1));
    }
}
