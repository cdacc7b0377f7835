//! The view against a model of an engine behind a network that loses, repeats and reorders.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use streamer_control::link::engine_api::{
    IngestBody, ProcessBody, PublisherBody, Snapshot, StreamBody, TaskBody,
};
use streamer_control::link::{Datagram, EngineEvent};

use super::*;
use crate::event::Event;

/// The engine as it truly is.
#[derive(Default)]
struct Engine {
    run: u32,
    seq: u64,
    clock: u64,
    /// Name, with when it began.
    streams: BTreeMap<String, u64>,
    /// Name, with its state.
    forwards: BTreeMap<String, &'static str>,
    /// All that was told of streams, in order: name, and whether it was published.
    history: Vec<(String, bool)>,
}

impl Engine {
    fn datagram(&mut self, event: Option<EngineEvent>) -> Datagram {
        if event.is_some() {
            self.seq += 1;
        }
        Datagram { engine: format!("run{}", self.run), seq: self.seq, at_unix_ms: self.clock, event }
    }

    fn toggle(&mut self, name: &str) -> Datagram {
        self.clock += 10;
        let (app, stream) = ("live".to_owned(), name.to_owned());
        let published = !self.streams.contains_key(name);
        self.history.push((name.to_owned(), published));
        let event = if published {
            self.streams.insert(stream.clone(), self.clock);
            EngineEvent::StreamPublished { app, stream, protocol: "rtmp".into(), address: None }
        } else {
            self.streams.remove(name);
            EngineEvent::StreamUnpublished { app, stream, reason: "over".into() }
        };
        self.datagram(Some(event))
    }

    fn forward(&mut self, name: &str, state: &'static str) -> Datagram {
        self.clock += 10;
        self.forwards.insert(name.to_owned(), state);
        let event = EngineEvent::TaskState {
            task: "forward".into(),
            app: "live".into(),
            stream: "s".into(),
            name: Some(name.to_owned()),
            state: state.into(),
            last_error: None,
        };
        self.datagram(Some(event))
    }

    fn restart(&mut self) {
        self.clock += 10;
        for name in std::mem::take(&mut self.streams).into_keys() {
            self.history.push((name, false));
        }
        self.forwards.values_mut().for_each(|state| *state = "connecting");
        self.run += 1;
        self.seq = 0;
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            engine: format!("run{}", self.run),
            seq: self.seq,
            program_version: "1".into(),
            uptime_ms: 0,
            config: None,
            listeners: Vec::new(),
            process: ProcessBody::default(),
            streams: self.streams.iter().map(|(name, since)| stream(name, *since)).collect(),
            tasks: self.forwards.iter().map(|(name, state)| forward(name, state)).collect(),
            viewers: Vec::new(),
        }
    }
}

fn stream(name: &str, since_unix_ms: u64) -> StreamBody {
    StreamBody {
        app: "live".into(),
        stream: name.into(),
        state: "streaming".into(),
        since_unix_ms,
        uptime_ms: 0,
        publisher: PublisherBody { protocol: "rtmp".into(), address: None },
        tracks: Vec::new(),
        metadata: BTreeMap::new(),
        ingest: IngestBody {
            bytes: 0,
            video_frames: 0,
            audio_frames: 0,
            data_frames: 0,
            sync_frames: 0,
            bitrate_bps: 0,
            video_bitrate_bps: 0,
            audio_bitrate_bps: 0,
            fps: 0.0,
            gop_ms: None,
            gop_frames: None,
            jitter_us: None,
            timestamp_jumps: 0,
            timestamps_backwards: 0,
            dropped_without_track: 0,
            dropped_before_sync: 0,
            track_changes: 0,
            publishers: 1,
        },
        viewer_count: 0,
        audience: BTreeMap::new(),
        held_bytes: 0,
    }
}

fn forward(name: &str, state: &str) -> TaskBody {
    TaskBody {
        kind: "forward".into(),
        name: Some(name.into()),
        app: "live".into(),
        stream: "s".into(),
        urls: Vec::new(),
        current_url: None,
        state: state.into(),
        last_error: None,
        retries: 0,
        bytes: 0,
        frames: 0,
        bitrate_bps: 0,
    }
}

/// What was told of streams, in the form of [`Engine::history`].
fn of_streams(told: &[Told]) -> Vec<(String, bool)> {
    told.iter()
        .filter_map(|(_, event)| match event {
            Event::StreamPublished { stream, .. } => Some((stream.clone(), true)),
            Event::StreamUnpublished { stream, .. } => Some((stream.clone(), false)),
            _ => None,
        })
        .collect()
}

/// The streams that are live after `history`, in which each begins and ends by turns.
fn live_after(history: &[(String, bool)]) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for (name, published) in history {
        let changed = if *published { live.insert(name.clone()) } else { live.remove(name) };
        assert!(changed, "{name} {published} twice in {history:?}");
    }
    live
}

/// The forwards that are up after `told`, in which each comes and goes by turns.
fn up_after(told: &[Told]) -> BTreeSet<String> {
    let mut up: BTreeMap<String, bool> = BTreeMap::new();
    for (_, event) in told {
        let (name, now) = match event {
            Event::ForwardUp { name, .. } => (name, true),
            Event::ForwardDown { name, .. } => (name, false),
            _ => continue,
        };
        assert_ne!(up.insert(name.clone(), now), Some(now), "{name} {now} twice in {told:?}");
    }
    up.into_iter().filter_map(|(name, up)| up.then_some(name)).collect()
}

/// A view that knows an empty engine.
fn founded(engine: &Engine) -> EngineView {
    let mut view = EngineView::default();
    assert_eq!(view.apply_snapshot(&engine.snapshot(), 0), []);
    assert!(!view.wants_snapshot());
    view
}

#[derive(Clone, Debug)]
enum Step {
    Toggle(u8),
    Forward(u8, u8),
    Restart,
    Repeat,
    Snapshot,
}

fn steps() -> impl Strategy<Value = Vec<(Step, Fate)>> {
    let step = prop_oneof![
        20 => (0..4_u8).prop_map(Step::Toggle),
        8 => (0..2_u8, 0..4_u8).prop_map(|(name, state)| Step::Forward(name, state)),
        1 => Just(Step::Restart),
        4 => Just(Step::Repeat),
        3 => Just(Step::Snapshot),
    ];
    proptest::collection::vec((step, (0..100_u8, 0..100_u8, 0..6_u8)), 0..200)
}

/// What the network does to one datagram: percentages of fate, and how long it takes.
type Fate = (u8, u8, u8);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_view_converges_whatever_the_network_does(
        steps in steps(),
        snapshot_delay in 0..6_usize,
    ) {
        let mut engine = Engine::default();
        let mut view = founded(&engine);
        let mut told = Vec::new();
        // By the step at which they arrive.
        let mut wire: BTreeMap<usize, Vec<Datagram>> = BTreeMap::new();
        let mut answers: BTreeMap<usize, Snapshot> = BTreeMap::new();
        for (now, (step, fate)) in steps.iter().enumerate() {
            let (lost, twice, delay) = *fate;
            let datagram = match step {
                Step::Toggle(name) => Some(engine.toggle(&format!("s{name}"))),
                Step::Forward(name, state) => {
                    let states = ["streaming", "retrying", "connecting", "stopped"];
                    Some(engine.forward(&format!("f{name}"), states[usize::from(*state)]))
                }
                Step::Restart => {
                    engine.restart();
                    Some(engine.datagram(None))
                }
                Step::Repeat => Some(engine.datagram(None)),
                Step::Snapshot => {
                    if view.wants_snapshot() {
                        answers.insert(now + snapshot_delay, engine.snapshot());
                    }
                    None
                }
            };
            let late = |percent: u8| now + usize::from(if percent >= 70 { delay } else { 0 });
            if let Some(datagram) = datagram.clone().filter(|_| lost >= 30) {
                wire.entry(late(lost)).or_default().push(datagram);
            }
            if let Some(datagram) = datagram.filter(|_| twice < 30) {
                wire.entry(now + usize::from(delay) * 2).or_default().push(datagram);
            }
            for datagram in wire.remove(&now).unwrap_or_default() {
                told.extend(view.apply_datagram(datagram));
            }
            if let Some(snapshot) = answers.remove(&now) {
                told.extend(view.apply_snapshot(&snapshot, engine.clock));
            }
        }
        // What is still on its way arrives, then the number of the last event, then what it asks for.
        for snapshot in answers.into_values() {
            told.extend(view.apply_snapshot(&snapshot, engine.clock));
        }
        for datagram in wire.into_values().flatten() {
            told.extend(view.apply_datagram(datagram));
        }
        told.extend(view.apply_datagram(engine.datagram(None)));
        for _ in 0..2 {
            if view.wants_snapshot() {
                told.extend(view.apply_snapshot(&engine.snapshot(), engine.clock));
            }
        }
        prop_assert!(!view.wants_snapshot());
        let truth: BTreeSet<String> = engine.streams.keys().cloned().collect();
        let seen: BTreeSet<String> = view.known().streams().map(|(_, stream)| stream.to_owned()).collect();
        prop_assert_eq!(&seen, &truth);
        prop_assert_eq!(&live_after(&of_streams(&told)), &truth);
        let up = engine.forwards.iter().filter(|(_, state)| **state == "streaming");
        let up: BTreeSet<String> = up.map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(up_after(&told), up);
    }

    #[test]
    fn reordered_and_repeated_but_not_lost_is_told_exactly(
        names in proptest::collection::vec(0..4_u8, 0..100),
        order in proptest::collection::vec((0..8_usize, any::<bool>()), 100),
    ) {
        let mut engine = Engine::default();
        let mut view = founded(&engine);
        let mut wire = Vec::new();
        for (at, (name, (delay, twice))) in names.iter().zip(order).enumerate() {
            let datagram = engine.toggle(&format!("s{name}"));
            wire.push((at + delay, datagram.clone()));
            if twice {
                wire.push((at + 2 * delay, datagram));
            }
        }
        wire.sort_by_key(|(arrival, _)| *arrival);
        let mut told = Vec::new();
        for (_, datagram) in wire {
            told.extend(view.apply_datagram(datagram));
        }
        prop_assert!(!view.wants_snapshot());
        prop_assert_eq!(of_streams(&told), engine.history);
    }
}

#[test]
fn what_was_there_before_is_no_news_and_what_comes_is() {
    let mut engine = Engine::default();
    engine.toggle("old");
    engine.toggle("gone");
    let mut view = EngineView::default();
    assert!(!view.wants_snapshot(), "there is nobody to ask yet");
    let before = engine.toggle("gone");
    let lost = engine.toggle("quick");
    let after = engine.toggle("quick");
    assert_eq!(view.apply_datagram(before), [], "not before it is known what was there");
    assert_eq!(view.apply_datagram(after), []);
    assert!(view.wants_snapshot());
    drop(lost);
    let told = view.apply_snapshot(&engine.snapshot(), 9);
    let expected = [("gone".into(), false), ("quick".into(), false)];
    assert_eq!(of_streams(&told), expected, "the one that was lost is not known to have been");
    assert_eq!(view.known().streams().collect::<Vec<_>>(), [("live", "old")]);
}

#[test]
fn a_lost_end_and_beginning_are_found_by_the_time_of_the_beginning() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    assert_eq!(view.apply_datagram(engine.toggle("a")).len(), 1);
    engine.toggle("a");
    engine.toggle("a");
    assert_eq!(view.apply_datagram(engine.datagram(None)), []);
    assert!(view.wants_snapshot(), "the number of the last event tells");
    let told = view.apply_snapshot(&engine.snapshot(), 99);
    assert_eq!(of_streams(&told), [("a".into(), false), ("a".into(), true)]);
    assert_eq!(told[1].0, engine.clock, "when it began");
    assert_eq!(view.apply_snapshot(&engine.snapshot(), 99), [], "once");
}

#[test]
fn a_new_run_ends_what_the_old_one_had_and_late_words_of_the_old_one_are_not_heard() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    view.apply_datagram(engine.toggle("a"));
    let late = engine.toggle("b");
    let under_way = engine.snapshot();
    engine.restart();
    assert_eq!(
        view.apply_datagram(engine.toggle("c")),
        [],
        "not before a snapshot says that it is the present one"
    );
    assert!(view.wants_snapshot());
    let told = view.apply_snapshot(&under_way, 0);
    assert_eq!(of_streams(&told), [("b".into(), true)]);
    assert!(view.wants_snapshot(), "it was taken before");
    view.apply_datagram(engine.toggle("c"));
    let told = view.apply_snapshot(&engine.snapshot(), 0);
    let expected = [("a".into(), false), ("b".into(), false), ("c".into(), true), ("c".into(), false)];
    assert_eq!(of_streams(&told), expected);
    assert!(!view.wants_snapshot());
    assert_eq!(view.apply_datagram(late), []);
    assert_eq!((view.run(), view.wants_snapshot()), (Some("run1"), false));
}

#[test]
fn a_late_word_of_a_run_that_ended_unseen_is_forgotten() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    engine.restart();
    let late = engine.toggle("a");
    engine.restart();
    view.apply_snapshot(&engine.snapshot(), 0);
    assert_eq!(view.apply_datagram(late), []);
    assert!(view.wants_snapshot());
    view.apply_snapshot(&engine.snapshot(), 0);
    view.apply_snapshot(&engine.snapshot(), 0);
    assert!(!view.wants_snapshot());
    assert_eq!(of_streams(&view.apply_datagram(engine.toggle("b"))), [("b".into(), true)]);
}

#[test]
fn datagrams_held_at_their_limit() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    let missing = engine.toggle("missing");
    for number in 0..=MAX_HELD_DATAGRAMS {
        assert_eq!(view.apply_datagram(engine.toggle(&format!("s{number}"))), []);
    }
    assert_eq!(view.held.len(), MAX_HELD_DATAGRAMS);
    assert_eq!(view.apply_datagram(missing).len(), MAX_HELD_DATAGRAMS + 1);
    assert!(view.wants_snapshot(), "the last one was dropped");
    assert_eq!(view.apply_snapshot(&engine.snapshot(), 0).len(), 1);
}

#[test]
fn datagrams_of_another_run_are_held_up_to_the_same_limit() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    engine.restart();
    for number in 0..=MAX_HELD_DATAGRAMS {
        assert_eq!(view.apply_datagram(engine.toggle(&format!("s{number}"))), []);
    }
    assert_eq!(view.other.as_ref().unwrap().held.len(), MAX_HELD_DATAGRAMS);
    assert_eq!(view.apply_snapshot(&engine.snapshot(), 0).len(), MAX_HELD_DATAGRAMS + 1);
}

#[test]
fn runs_remembered_at_their_limit() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    let mut first_words = Vec::new();
    for _ in 0..=MAX_RETIRED_RUNS {
        first_words.push(engine.datagram(None));
        engine.restart();
        view.apply_snapshot(&engine.snapshot(), 0);
    }
    assert_eq!(view.retired.len(), MAX_RETIRED_RUNS);
    view.apply_datagram(first_words[1].clone());
    assert!(!view.wants_snapshot(), "remembered");
    view.apply_datagram(first_words[0].clone());
    assert!(view.wants_snapshot(), "forgotten, so it is asked for");
}

fn viewer_joined(viewer: u64) -> EngineEvent {
    EngineEvent::ViewerJoined {
        app: "live".into(),
        stream: "a".into(),
        viewer,
        protocol: "rtmp".into(),
        address: None,
    }
}

#[test]
fn viewers_come_and_go_once() {
    let mut engine = Engine::default();
    let mut view = founded(&engine);
    let joined = engine.datagram(Some(viewer_joined(1)));
    assert_eq!(view.apply_datagram(joined.clone()).len(), 1);
    assert_eq!(view.apply_datagram(joined), []);
    engine.datagram(Some(viewer_joined(2)));
    let left = EngineEvent::ViewerLeft {
        app: "live".into(),
        stream: "a".into(),
        viewer: 2,
        protocol: "rtmp".into(),
        address: None,
        bytes: 7,
    };
    view.apply_datagram(engine.datagram(Some(left)));
    let told = view.apply_snapshot(&engine.snapshot(), 0);
    let kinds: Vec<_> = told.iter().map(|(_, event)| event.kind()).collect();
    assert_eq!(kinds, ["viewer_joined", "viewer_left", "viewer_left"], "2 was missed, 1 is gone");
    assert_eq!(view.known().viewer_count(), 0);
}
