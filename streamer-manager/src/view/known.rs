//! What the view knows of streams, viewers and tasks, and the events that lead from one state to another.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use streamer_control::link::EngineEvent;
use streamer_control::link::engine_api::{Snapshot, StreamBody, TaskBody};

use crate::event::Event;

/// An event and when it happened, Unix milliseconds.
pub type Told = (u64, Event);

type StreamId = (String, String);
/// Application, stream, number.
type ViewerId = (String, String, u64);
/// `pull` or `forward`, application, stream, name of a forward.
type TaskId = (String, String, String, Option<String>);

/// The engine as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// When each began: as a snapshot says, or when its event was told, which is never earlier.
    streams: BTreeMap<StreamId, u64>,
    /// Protocol and address.
    viewers: BTreeMap<ViewerId, (String, Option<String>)>,
    /// Whether each was told to be up or down; `None` for neither.
    tasks: BTreeMap<TaskId, Option<bool>>,
}

impl Known {
    /// Application and name of the live streams.
    pub fn streams(&self) -> impl Iterator<Item = (&str, &str)> {
        self.streams.keys().map(|(app, stream)| (app.as_str(), stream.as_str()))
    }

    /// Viewers known.
    #[must_use]
    pub fn viewer_count(&self) -> usize {
        self.viewers.len()
    }

    /// What a snapshot shows, as it must have been before `events` if they lead there.
    pub(super) fn before(snapshot: &Snapshot, events: &[(u64, EngineEvent)]) -> Self {
        let mut known = Self::default();
        known.reconcile(snapshot, 0, &mut Vec::new());
        let mut mentioned = HashSet::new();
        for (_, event) in events {
            if !mentioned.insert(subject(event)) {
                continue;
            }
            match event {
                EngineEvent::StreamPublished { app, stream, .. } => {
                    known.streams.remove(&(app.clone(), stream.clone()));
                }
                EngineEvent::StreamUnpublished { app, stream, .. } => {
                    known.streams.insert((app.clone(), stream.clone()), 0);
                }
                EngineEvent::ViewerJoined { app, stream, viewer, .. } => {
                    known.viewers.remove(&(app.clone(), stream.clone(), *viewer));
                }
                EngineEvent::ViewerLeft { app, stream, viewer, protocol, address, .. } => {
                    let id = (app.clone(), stream.clone(), *viewer);
                    known.viewers.insert(id, (protocol.clone(), address.clone()));
                }
                EngineEvent::TaskState { task, app, stream, name, .. } => {
                    known.tasks.remove(&(task.clone(), app.clone(), stream.clone(), name.clone()));
                }
                _ => {}
            }
        }
        known
    }

    /// Takes `event` in. One that cannot follow on what is known shows that another was missed, which is told first.
    pub(super) fn apply(&mut self, at: u64, event: EngineEvent, told: &mut Vec<Told>) {
        match event {
            EngineEvent::StreamPublished { app, stream, protocol, address } => {
                let id = (app.clone(), stream.clone());
                if self.streams.insert(id.clone(), at).is_some() {
                    told.push((at, unpublished(id, None)));
                }
                let protocol = Some(protocol);
                told.push((at, Event::StreamPublished { app, stream, protocol, address }));
            }
            EngineEvent::StreamUnpublished { app, stream, reason } => {
                let id = (app, stream);
                if self.streams.remove(&id).is_none() {
                    let (app, stream) = id.clone();
                    told.push((at, Event::StreamPublished { app, stream, protocol: None, address: None }));
                }
                told.push((at, unpublished(id, Some(reason))));
            }
            EngineEvent::ViewerJoined { app, stream, viewer, protocol, address } => {
                self.join((app, stream, viewer), (protocol, address), at, told);
            }
            EngineEvent::ViewerLeft { app, stream, viewer, protocol, address, bytes } => {
                let id = (app, stream, viewer);
                self.join(id.clone(), (protocol, address), at, told);
                self.leave(id, Some(bytes), at, told);
            }
            EngineEvent::TaskState { task, app, stream, name, state, last_error } => {
                self.task((task, app, stream, name), state, last_error, at, told);
            }
            // Of a newer version.
            _ => {}
        }
    }

    /// Takes the state of `snapshot` in, and tells what must have happened, at `now` where nothing says when.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, now: u64, told: &mut Vec<Told>) {
        let present: HashSet<_> = snapshot
            .viewers
            .iter()
            .map(|viewer| (viewer.app.as_str(), viewer.stream.as_str(), viewer.viewer.id))
            .collect();
        let gone = |id: &&ViewerId| !present.contains(&(id.0.as_str(), id.1.as_str(), id.2));
        for id in self.viewers.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.leave(id, None, now, told);
        }
        self.reconcile_streams(&snapshot.streams, now, told);
        // The server's own readers are no viewers to anyone.
        for viewer in snapshot.viewers.iter().filter(|viewer| !viewer.viewer.internal) {
            let id = (viewer.app.clone(), viewer.stream.clone(), viewer.viewer.id);
            let address = viewer.viewer.address.map(|address| address.to_string());
            self.join(id, (viewer.viewer.protocol.clone(), address), now, told);
        }
        self.reconcile_tasks(&snapshot.tasks, now, told);
    }

    fn reconcile_streams(&mut self, streams: &[StreamBody], now: u64, told: &mut Vec<Told>) {
        let present: BTreeMap<StreamId, &StreamBody> =
            streams.iter().map(|body| ((body.app.clone(), body.stream.clone()), body)).collect();
        let ended = |(id, began): (&StreamId, &u64)| match present.get(id) {
            // It is there again since a time at which the one we know was there already.
            Some(body) => (body.since_unix_ms > *began).then(|| id.clone()),
            None => Some(id.clone()),
        };
        for id in self.streams.iter().filter_map(ended).collect::<Vec<_>>() {
            self.streams.remove(&id);
            told.push((now, unpublished(id, None)));
        }
        for (id, body) in present {
            if let Entry::Vacant(place) = self.streams.entry(id) {
                place.insert(body.since_unix_ms);
                let event = Event::StreamPublished {
                    app: body.app.clone(),
                    stream: body.stream.clone(),
                    protocol: Some(body.publisher.protocol.clone()),
                    address: body.publisher.address.map(|address| address.to_string()),
                };
                told.push((body.since_unix_ms, event));
            }
        }
    }

    fn reconcile_tasks(&mut self, tasks: &[TaskBody], now: u64, told: &mut Vec<Told>) {
        let mut gone = std::mem::take(&mut self.tasks);
        for body in tasks {
            let id = (body.kind.clone(), body.app.clone(), body.stream.clone(), body.name.clone());
            if let Some(up) = gone.remove(&id) {
                self.tasks.insert(id.clone(), up);
            }
            self.task(id, body.state.clone(), body.last_error.clone(), now, told);
        }
        for (id, up) in gone {
            self.tasks.insert(id.clone(), up);
            self.task(id.clone(), "stopped".to_owned(), None, now, told);
            self.tasks.remove(&id);
        }
    }

    /// All that was there ended, for `reason`.
    pub(super) fn end_all(&mut self, reason: &str, now: u64, told: &mut Vec<Told>) {
        for id in self.viewers.keys().cloned().collect::<Vec<_>>() {
            self.leave(id, None, now, told);
        }
        for id in std::mem::take(&mut self.streams).into_keys() {
            told.push((now, unpublished(id, Some(reason.to_owned()))));
        }
        for id in self.tasks.keys().cloned().collect::<Vec<_>>() {
            // Not forgotten: it is the same task in the next run, and was told to be down.
            self.task(id, "stopped".to_owned(), Some(reason.to_owned()), now, told);
        }
    }

    fn join(&mut self, id: ViewerId, who: (String, Option<String>), at: u64, told: &mut Vec<Told>) {
        if self.viewers.contains_key(&id) {
            return;
        }
        self.viewers.insert(id.clone(), who.clone());
        let ((app, stream, viewer), (protocol, address)) = (id, who);
        told.push((at, Event::ViewerJoined { app, stream, viewer, protocol, address }));
    }

    fn leave(&mut self, id: ViewerId, bytes: Option<u64>, at: u64, told: &mut Vec<Told>) {
        let Some((protocol, address)) = self.viewers.remove(&id) else { return };
        let (app, stream, viewer) = id;
        told.push((at, Event::ViewerLeft { app, stream, viewer, protocol, address, bytes }));
    }

    /// Only what matters to people is told: that it works, and that it does not.
    fn task(&mut self, id: TaskId, state: String, error: Option<String>, at: u64, told: &mut Vec<Told>) {
        let before = self.tasks.get(&id).copied().flatten();
        let after = match state.as_str() {
            "streaming" => Some(true),
            "retrying" => Some(false),
            // On its way, or off: no news unless it worked before.
            _ => before.map(|_| false),
        };
        self.tasks.insert(id.clone(), after);
        let Some(up) = after.filter(|_| before != after) else { return };
        let (kind, app, stream, name) = id;
        let event = match (kind.as_str(), up) {
            ("pull", true) => Event::PullUp { app, stream },
            ("pull", false) => Event::PullDown { app, stream, state, error },
            (_, true) => Event::ForwardUp { app, stream, name: name.unwrap_or_default() },
            (_, false) => Event::ForwardDown { app, stream, name: name.unwrap_or_default(), state, error },
        };
        told.push((at, event));
    }
}

fn unpublished((app, stream): StreamId, reason: Option<String>) -> Event {
    Event::StreamUnpublished { app, stream, reason }
}

/// Application, stream, viewer, and task of an event.
type Subject<'a> = (&'a str, &'a str, Option<u64>, Option<(&'a str, Option<&'a str>)>);

/// What an event is about: two of one subject tell of the same thing before and after.
fn subject(event: &EngineEvent) -> Subject<'_> {
    match event {
        EngineEvent::StreamPublished { app, stream, .. }
        | EngineEvent::StreamUnpublished { app, stream, .. } => (app, stream, None, None),
        EngineEvent::ViewerJoined { app, stream, viewer, .. }
        | EngineEvent::ViewerLeft { app, stream, viewer, .. } => (app, stream, Some(*viewer), None),
        EngineEvent::TaskState { task, app, stream, name, .. } => {
            (app, stream, None, Some((task, name.as_deref())))
        }
        _ => ("", "", None, None),
    }
}
