//! Tells the manager what happens, by numbered and sealed datagrams. They are hints: one that is lost leaves a gap in
//! the numbers, and the manager asks for a snapshot.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use streamer_control::link::client::unix_now_ms;
use streamer_control::link::event::event_text;
use streamer_control::link::{Datagram, EngineEvent};
use streamer_core::hub::{Event, EventKind, Heard};
use streamer_core::task::{TaskState, TaskStatus};
use streamer_core::{Registry, StreamKey};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::LinkState;
use super::pace::Pace;
use crate::tasks::{TaskSet, TaskView};

/// How often the number of the last event is repeated, so that the loss of the last one is noticed.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How often the states of the tasks are looked at.
pub const TASK_LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Where the manager receives events.
pub(super) struct Sender {
    link: Arc<LinkState>,
    socket: UdpSocket,
    to: SocketAddr,
    pace: Pace,
}

impl Sender {
    pub(super) fn new(link: Arc<LinkState>, to: SocketAddr) -> io::Result<Self> {
        let from =
            if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((from, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { link, socket, to, pace: Pace::new(Instant::now()) })
    }

    fn tell(&mut self, event: EngineEvent) {
        let seq = self.link.next_seq();
        if self.pace.admits(Instant::now()) {
            self.send(seq, Some(event));
        }
    }

    fn send(&self, seq: u64, event: Option<EngineEvent>) {
        let datagram = Datagram { engine: self.link.run.clone(), seq, at_unix_ms: unix_now_ms(), event };
        // Lost like one on the way: nobody is there, or the buffer is full.
        if let Err(error) = self.socket.send_to(&datagram.encode(&self.link.key), self.to) {
            debug!(%error, seq, "an event is not told");
        }
    }
}

/// Tells what happens in `hub` and to `tasks` until `stop`.
pub(super) fn run(
    mut sender: Sender,
    hub: Registry,
    tasks: Arc<TaskSet>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    // From this moment on, not from when the future is first polled.
    let mut heard = hub.events();
    async move {
        let mut states = TaskStates::default();
        let mut heartbeats = interval(HEARTBEAT_INTERVAL);
        let mut looks = interval(TASK_LOOK_INTERVAL);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = heartbeats.tick() => sender.send(sender.link.seq(), None),
                _ = looks.tick() => states.changes(&tasks).into_iter().for_each(|event| sender.tell(event)),
                heard = heard.next() => match heard {
                    Heard::Event(event) => {
                        if let Some(event) = of_hub(&hub, event) {
                            sender.tell(event);
                        }
                    }
                    Heard::Missed(events) => {
                        sender.link.skip(events);
                    }
                },
            }
        }
    }
}

fn of_hub(hub: &Registry, event: Event) -> Option<EngineEvent> {
    let StreamKey { app, stream } = &event.key;
    let (app, stream) = (app.to_string(), stream.to_string());
    let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    match event.kind {
        EventKind::Published => {
            let publisher = hub.get(&event.key).map(|broadcast| broadcast.publisher()).unwrap_or_default();
            let (protocol, address) = (publisher.protocol.to_owned(), text(publisher.peer));
            Some(EngineEvent::StreamPublished { app, stream, protocol, address })
        }
        EventKind::Unpublished => {
            Some(EngineEvent::StreamUnpublished { app, stream, reason: "the publisher is gone".to_owned() })
        }
        EventKind::ViewerJoined(viewer, info) => {
            let (protocol, address) = (info.protocol.to_owned(), text(info.peer));
            Some(EngineEvent::ViewerJoined { app, stream, viewer: viewer.0, protocol, address })
        }
        EventKind::ViewerLeft(viewer, info, bytes) => {
            let (protocol, address) = (info.protocol.to_owned(), text(info.peer));
            Some(EngineEvent::ViewerLeft { app, stream, viewer: viewer.0, protocol, address, bytes })
        }
        _ => None,
    }
}

/// What names a task: its kind, its stream, and its own name if it has one.
type TaskName = (&'static str, StreamKey, Option<String>);

/// What a task told at the last look: its state, and how often it tried again.
type Seen = (Arc<TaskStatus>, TaskState, u64);

/// The states of the tasks, as they were told last.
#[derive(Default)]
struct TaskStates {
    told: HashMap<TaskName, (TaskState, u64)>,
    seen: Vec<Seen>,
}

impl TaskStates {
    /// What changed since the last look.
    fn changes(&mut self, tasks: &TaskSet) -> Vec<EngineEvent> {
        // Mostly nothing: thousands of tasks are looked at, and no name of theirs is touched.
        let seen = |status: Arc<TaskStatus>| {
            let (state, retries) = (status.state(), status.retries.get());
            (status, state, retries)
        };
        let seen: Vec<_> = tasks.statuses().into_iter().map(seen).collect();
        let is_same = |(a, b): (&Seen, &Seen)| Arc::ptr_eq(&a.0, &b.0) && (a.1, a.2) == (b.1, b.2);
        if seen.len() == self.seen.len() && seen.iter().zip(&self.seen).all(is_same) {
            return Vec::new();
        }
        self.seen = seen;
        let mut before = std::mem::take(&mut self.told);
        let mut changes = Vec::new();
        for task in tasks.views() {
            let name = (task.kind, task.key.clone(), task.name.clone());
            // A task that failed again is told again: the reason may be another.
            let now = (task.status.state(), task.status.retries.get());
            if before.remove(&name) != Some(now) {
                changes.push(told(&name, now.0, error_of(&task)));
            }
            self.told.insert(name, now);
        }
        changes.extend(before.into_keys().map(|name| told(&name, TaskState::Stopped, None)));
        changes
    }
}

fn error_of(task: &TaskView) -> Option<String> {
    task.status.last_error().map(event_text)
}

fn told((kind, key, name): &TaskName, state: TaskState, last_error: Option<String>) -> EngineEvent {
    EngineEvent::TaskState {
        task: (*kind).to_owned(),
        app: key.app.to_string(),
        stream: key.stream.to_string(),
        name: name.clone(),
        state: state.as_str().to_owned(),
        last_error,
    }
}
