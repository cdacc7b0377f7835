//! The hub as its users see it: publishers and subscribers of one registry.

mod fanout;

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_executor::block_on;

use super::wake::tests::Count;
use super::*;
use crate::codec::{Codec, G711Config, G711Law, Vp9Config};
use crate::frame::{Frame, Media};
use crate::key::StreamKey;
use crate::mux::Muxer;
use crate::time::{Timescale, Timestamp};
use crate::track::{MAX_TRACKS, Track, TrackId, Tracks};

const VIDEO: TrackId = TrackId::video(0);
const AUDIO: TrackId = TrackId::audio(0);

fn key() -> StreamKey {
    "live/test".parse().unwrap()
}

fn tracks() -> Media {
    let video = Vp9Config { record: Bytes::new(), profile: 0, level: 0, bit_depth: 8, resolution: None };
    let audio = G711Config { law: G711Law::A, sample_rate_hz: 8_000, channels: 1 };
    let track = |id, codec| Track { id, timescale: Timescale::MILLIS, codec };
    Media::Tracks(Arc::new(Tracks {
        list: vec![track(VIDEO, Codec::Vp9(video)), track(AUDIO, Codec::G711(audio))],
        metadata: Vec::new(),
    }))
}

fn frame(track: TrackId, ms: i64, sync: bool) -> Media {
    let at = Timestamp::from_millis(ms);
    let data = Bytes::from(format!("[{ms}]"));
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync, data }))
}

fn viewer() -> SubscribeOptions {
    SubscribeOptions::new(ViewerInfo::remote("test", None))
}

fn begin(registry: &Registry) -> Publisher {
    let mut publisher = registry.publish(&key(), PublisherInfo::default()).unwrap();
    publisher.push(tracks());
    publisher
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The decode times of the frames there are now.
fn drain(subscriber: &mut Subscriber) -> Vec<i64> {
    let mut times = Vec::new();
    while let Some(delivery) = subscriber.try_next() {
        if let Delivery::Item(item) = delivery {
            times.push(item.frame.dts.as_millis());
        }
    }
    times
}

#[test]
fn a_late_subscriber_gets_the_tracks_then_the_newest_gop() {
    let registry = Registry::default();
    let mut publisher = begin(&registry);
    for ms in [0, 40, 80] {
        publisher.push(frame(VIDEO, ms, ms == 0 || ms == 40));
        publisher.push(frame(AUDIO, ms, true));
    }
    let mut subscriber = publisher.broadcast().subscribe(&viewer()).unwrap();
    assert!(matches!(subscriber.try_next(), Some(Delivery::Header(tracks)) if tracks.list.len() == 2));
    assert_eq!(drain(&mut subscriber), [40, 40, 80, 80]);
    assert!(poll(subscriber.next()).is_pending());
    drop(publisher);
    assert!(block_on(subscriber.next()).is_none());
    assert!(registry.get(&key()).is_none());
}

#[test]
fn frames_nobody_can_decode_are_dropped_and_counted() {
    let registry = Registry::default();
    let mut publisher = registry.publish(&key(), PublisherInfo::default()).unwrap();
    publisher.push(frame(VIDEO, 0, true));
    publisher.push(tracks());
    publisher.push(frame(VIDEO, 1, false));
    publisher.push(frame(AUDIO, 1, true));
    let broadcast = publisher.broadcast();
    assert_eq!(broadcast.stats().dropped_without_track.get(), 1);
    assert_eq!(broadcast.stats().dropped_before_sync.get(), 2);
    assert_eq!(broadcast.held(), (0, 0));
}

#[test]
fn tracks_past_the_limit_are_left_out() {
    let registry = Registry::default();
    let mut publisher = registry.publish(&key(), PublisherInfo::default()).unwrap();
    let codec = Codec::G711(G711Config { law: G711Law::A, sample_rate_hz: 8_000, channels: 1 });
    let track =
        |index| Track { id: TrackId::audio(index), timescale: Timescale::MILLIS, codec: codec.clone() };
    let list: Vec<Track> = (0..=u8::try_from(MAX_TRACKS).unwrap()).map(track).collect();
    publisher.push(Media::Tracks(Arc::new(Tracks { list, metadata: Vec::new() })));
    assert_eq!(publisher.broadcast().tracks().list.len(), MAX_TRACKS);
}

#[test]
fn a_second_publisher_is_refused_or_takes_over() {
    let registry = Registry::default();
    let mut first = begin(&registry);
    let refused = registry.publish(&key(), PublisherInfo::default());
    assert!(matches!(refused, Err(PublishError::AlreadyPublished(_))));
    registry.set_app_options(
        key().app,
        AppOptions { duplicate: DuplicatePublish::TakeOver, ..AppOptions::default() },
    );
    first.push(frame(VIDEO, 5_000, true));
    let mut subscriber = first.broadcast().subscribe(&viewer()).unwrap();
    assert_eq!(drain(&mut subscriber), [5_000]);

    let mut second = registry.publish(&key(), PublisherInfo::default()).unwrap();
    assert_eq!(block_on(first.closed()), CloseReason::TakenOver);
    first.push(frame(VIDEO, 5_040, true));
    second.push(tracks());
    second.push(frame(VIDEO, 40, false));
    second.push(frame(VIDEO, 80, true));
    drop(first);
    // One viewer, one timeline: what the first still sent is ignored, the second goes on at a sync frame.
    let times = drain(&mut subscriber);
    assert_eq!(times, [5_040]);
    assert!(registry.get(&key()).is_some());
}

#[test]
fn an_interrupted_broadcast_goes_on_with_its_viewers_or_ends_with_the_grace() {
    let registry = Registry::default();
    let mut first = begin(&registry);
    first.push(frame(VIDEO, 60_000, true));
    let mut subscriber = first.broadcast().subscribe(&viewer()).unwrap();
    let away = first.interrupt();
    assert_eq!(drain(&mut subscriber), [60_000]);
    assert_eq!(registry.get(&key()).unwrap().state(), BroadcastState::Interrupted);

    let mut second = begin(&registry);
    drop(away);
    second.push(frame(VIDEO, 0, true));
    assert_eq!(drain(&mut subscriber), [60_040], "the timeline goes on");

    drop(second.interrupt());
    assert!(matches!(subscriber.try_next(), Some(Delivery::Interrupted) | None));
    assert!(block_on(subscriber.next()).is_none());
    assert!(registry.get(&key()).is_none());
}

#[test]
fn waiting_ends_when_the_publisher_comes_and_leaves_nothing_behind() {
    let registry = Registry::default();
    {
        let key = key();
        let mut wait = Box::pin(registry.wait(&key));
        assert!(poll(wait.as_mut()).is_pending());
        assert_eq!(registry.waiting(), 1);
        let _publisher = begin(&registry);
        assert_eq!(block_on(wait).unwrap().key(), &key);
    }
    assert_eq!(registry.waiting(), 0);
    assert!(registry.snapshot().is_empty());
    let key = key();
    let mut held = Vec::new();
    for _ in 0..MAX_WAITING {
        let mut wait = Box::pin(registry.wait(&key));
        assert!(poll(wait.as_mut()).is_pending());
        held.push(wait);
    }
    assert!(matches!(block_on(registry.wait(&key)), Err(SubscribeError::TooManyWaiting { .. })));
    drop(held);
    assert_eq!(registry.waiting(), 0);
}

#[test]
fn viewers_are_bounded_but_the_servers_own_readers_are_not() {
    let registry = Registry::new(AppOptions { max_viewers: 2, ..AppOptions::default() });
    let publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let _one = broadcast.subscribe(&viewer()).unwrap();
    let two = broadcast.subscribe(&viewer()).unwrap();
    assert!(matches!(broadcast.subscribe(&viewer()), Err(SubscribeError::TooManyViewers { max: 2 })));
    let internal = SubscribeOptions::new(ViewerInfo::internal("record"));
    let _record = broadcast.subscribe(&internal).unwrap();
    drop(two);
    assert_eq!(broadcast.viewer_count(), 2);
}

#[test]
fn a_kicked_viewer_and_a_kicked_publisher_are_told() {
    let registry = Registry::default();
    let publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let mut subscriber = broadcast.subscribe(&viewer()).unwrap();
    let held_up = |subscriber: &mut Subscriber| subscriber.poll_closed(&Context::from_waker(Waker::noop()));
    assert!(held_up(&mut subscriber).is_pending());
    assert!(broadcast.viewers()[0].close(CloseReason::Kicked));
    assert!(matches!(held_up(&mut subscriber), Poll::Ready(CloseReason::Kicked)));
    assert!(matches!(block_on(subscriber.next()), Some(Delivery::Closed(CloseReason::Kicked))));
    assert!(broadcast.close_publisher(CloseReason::Kicked));
    assert_eq!(block_on(publisher.closed()), CloseReason::Kicked);
}

#[test]
fn a_slow_viewer_is_resynchronised_or_disconnected_and_the_loss_counted() {
    let ring = RingLimits { max_items: 20, ..RingLimits::default() };
    let registry = Registry::new(AppOptions { ring, ..AppOptions::default() });
    let mut publisher = begin(&registry);
    publisher.push(frame(VIDEO, 0, true));
    let broadcast = publisher.broadcast();
    let strict = SubscribeOptions { overrun: Some(Overrun::Disconnect), ..viewer() };
    let (mut patient, mut strict) =
        (broadcast.subscribe(&viewer()).unwrap(), broadcast.subscribe(&strict).unwrap());
    assert_eq!((drain(&mut patient), drain(&mut strict)), (vec![0], vec![0]));
    for ms in 1..100 {
        publisher.push(frame(VIDEO, ms, ms == 90));
    }
    assert!(matches!(patient.try_next(), Some(Delivery::Lost { frames: 89 })));
    assert_eq!(drain(&mut patient).first(), Some(&90));
    assert_eq!(broadcast.viewers()[0].stats().lost_frames.get(), 89);
    assert!(matches!(strict.try_next(), Some(Delivery::Closed(CloseReason::TooSlow))));
}

#[test]
fn a_viewers_lag_is_media_time_to_the_live_edge() {
    let registry = Registry::default();
    let mut publisher = begin(&registry);
    publisher.push(frame(VIDEO, 0, true));
    let mut subscriber = publisher.broadcast().subscribe(&viewer()).unwrap();
    assert_eq!(publisher.broadcast().viewers()[0].lag_ms(), None);
    drain(&mut subscriber);
    publisher.push(frame(VIDEO, 700, false));
    assert_eq!(publisher.broadcast().viewers()[0].lag_ms(), Some(700));
}

#[test]
fn what_viewers_were_given_is_summed_by_protocol_after_they_left() {
    let registry = Registry::default();
    let publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let subscribe = || broadcast.subscribe(&viewer()).unwrap();
    let (first, second) = (subscribe(), subscribe());
    let protocol = broadcast.viewers()[0].info().protocol;
    first.viewer().record_sent(100, 2);
    second.viewer().record_sent(10, 1);
    let sum =
        |present| AudienceTotals { present, joined: 2, bytes: 110, frames: 3, ..AudienceTotals::default() };
    assert_eq!(broadcast.audience()[protocol], sum(2));
    drop(first);
    assert_eq!(broadcast.audience()[protocol], sum(1));
    drop(second);
    assert_eq!(broadcast.audience()[protocol], sum(0));
}

#[test]
fn handles_of_one_broadcast_are_equal_and_of_its_successor_not() {
    let registry = Registry::default();
    let publisher = begin(&registry);
    let before = publisher.broadcast();
    assert_eq!(before, registry.get(before.key()).unwrap());
    drop(publisher);
    assert_ne!(before, begin(&registry).broadcast());
}

#[test]
fn a_key_frame_wish_reaches_the_publisher() {
    let registry = Registry::default();
    let publisher = begin(&registry);
    assert!(poll(publisher.key_frame_wished()).is_pending());
    let _subscriber = publisher.broadcast().subscribe(&viewer()).unwrap();
    block_on(publisher.key_frame_wished());
    assert!(poll(publisher.key_frame_wished()).is_pending());
}

#[test]
fn a_publisher_learns_that_somebody_watches_and_is_woken_by_the_first() {
    let registry = Registry::default();
    let mut publisher = begin(&registry);
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = Context::from_waker(&waker);
    assert!(publisher.poll_watched(&cx).is_pending());
    let broadcast = publisher.broadcast();
    let recording = broadcast.subscribe(&SubscribeOptions::new(ViewerInfo::internal("dvr"))).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "the server's own readers wait for media too");
    let segments = broadcast.admit(ViewerInfo::remote("hls", None)).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "only the first");
    assert!(publisher.poll_watched(&cx).is_ready());
    drop(recording);
    assert!(publisher.poll_watched(&cx).is_ready());
    drop(segments);
    assert!(publisher.poll_watched(&cx).is_pending());
    let _again = broadcast.subscribe(&viewer()).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 2);
}

#[test]
fn the_jitter_is_of_leading_frames_whose_arrival_is_told() {
    let registry = Registry::default();
    let mut publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let jitter = || broadcast.stats().jitter_us.get();
    publisher.push(frame(VIDEO, 0, true));
    assert_eq!(jitter(), None);
    publisher.note_arrival(Duration::from_millis(1_000));
    assert_eq!(jitter(), Some(0));
    publisher.push(frame(AUDIO, 10, false));
    publisher.note_arrival(Duration::from_millis(9_000));
    assert_eq!(jitter(), Some(0), "not the leading track");
    publisher.push(frame(VIDEO, 40, false));
    publisher.push(frame(VIDEO, 80, false));
    publisher.note_arrival(Duration::from_millis(1_096));
    publisher.note_arrival(Duration::from_millis(9_000));
    assert_eq!(jitter(), Some(1_000), "a sixteenth of 16 ms, of the last frame, once");
}

#[test]
fn events_tell_what_happens_and_what_was_missed() {
    let registry = Registry::default();
    let mut events = registry.events();
    let mut late = registry.events();
    let publisher = begin(&registry);
    drop(publisher.broadcast().subscribe(&viewer()).unwrap());
    drop(publisher);
    let mut kinds = Vec::new();
    while let Poll::Ready(Heard::Event(event)) = poll(events.next()) {
        kinds.push(event.kind);
    }
    assert!(matches!(
        kinds[..],
        [
            EventKind::Published,
            EventKind::TracksChanged,
            EventKind::ViewerJoined(..),
            EventKind::ViewerLeft(..),
            EventKind::Unpublished
        ]
    ));
    block_on(late.next());
    for _ in 0..MAX_HELD_EVENTS {
        drop(registry.publish(&key(), PublisherInfo::default()).unwrap());
    }
    assert!(matches!(block_on(late.next()), Heard::Missed(missed) if missed as usize >= MAX_HELD_EVENTS));
}

/// Writes frames as their payload and tracks as `<n>`.
struct Plain {
    tracks_seen: u32,
}

impl Muxer for Plain {
    type Error = std::convert::Infallible;

    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), Self::Error> {
        match media {
            Media::Tracks(_) => {
                self.tracks_seen += 1;
                out.push(Bytes::from(format!("<{}>", self.tracks_seen)));
            }
            Media::Frame(frame) => out.push(frame.data.clone()),
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Bytes>) -> Result<(), Self::Error> {
        Ok(())
    }
}

const FORM: FormKey = FormKey { protocol: "test", variant: 0 };

fn drain_form(subscriber: &mut Subscriber<Batch>) -> String {
    let mut text = String::new();
    while let Some(delivery) = subscriber.try_next() {
        match delivery {
            Delivery::Header(header) => text.push_str(std::str::from_utf8(&header).unwrap()),
            Delivery::Item(batch) => {
                text.push(if batch.random_access { '*' } else { ' ' });
                text.push_str(std::str::from_utf8(&batch.bytes).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    text
}

#[test]
fn a_form_is_made_once_and_batches_break_at_random_access_points() {
    let registry = Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() });
    let mut publisher = begin(&registry);
    for ms in [0, 40] {
        publisher.push(frame(VIDEO, ms, ms == 0));
    }
    let broadcast = publisher.broadcast();
    let (mut first, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    let mut feeding = Box::pin(feeder.unwrap().run(Plain { tracks_seen: 0 }, |_| ready(())));
    assert!(poll(feeding.as_mut()).is_pending());
    assert_eq!(drain_form(&mut first), "<1>*[0][40]");

    publisher.push(frame(VIDEO, 80, false));
    publisher.push(frame(VIDEO, 120, true));
    publisher.push(frame(VIDEO, 160, false));
    assert!(poll(feeding.as_mut()).is_pending());
    let (mut second, none) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    assert!(none.is_none(), "the form is shared");
    assert_eq!(drain_form(&mut first), " [80]*[120][160]");
    assert_eq!(drain_form(&mut second), "<1>*[120][160]");

    drop((first, second));
    publisher.push(frame(VIDEO, 200, false));
    assert!(poll(feeding.as_mut()).is_ready(), "nobody reads it any more");
    assert_eq!(broadcast.held_in_forms(), 0);
    assert!(broadcast.subscribe_form(FORM, &viewer()).unwrap().1.is_some(), "made anew for the next");
}

#[test]
fn a_form_ends_with_its_feeder_and_with_the_broadcast() {
    let registry = Registry::default();
    let publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let (mut orphan, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    drop(feeder);
    assert!(block_on(orphan.next()).is_none());
    let (mut reader, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    let mut feeding = Box::pin(feeder.unwrap().run(Plain { tracks_seen: 0 }, |_| ready(())));
    assert!(poll(feeding.as_mut()).is_pending());
    drop(publisher);
    block_on(feeding);
    assert!(block_on(reader.next()).is_none());
}

#[test]
fn forms_are_bounded() {
    let registry = Registry::default();
    let publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let held: Vec<_> = (0..u32::try_from(MAX_FORMS).unwrap())
        .map(|variant| broadcast.subscribe_form(FormKey { variant, ..FORM }, &viewer()).unwrap())
        .collect();
    let more = broadcast.subscribe_form(FormKey { variant: 1_000, ..FORM }, &viewer());
    assert!(matches!(more.err(), Some(SubscribeError::TooManyForms { .. })));
    drop(held);
}

#[test]
fn a_batch_is_closed_at_its_limit() {
    let registry = Registry::default();
    let mut publisher = begin(&registry);
    let at = Timestamp::from_millis(0);
    for number in 0..20 {
        let data = Bytes::from(vec![0; MAX_BATCH_BYTES / 4]);
        publisher.push(Media::Frame(Arc::new(Frame {
            track: VIDEO,
            dts: at,
            pts: at,
            sync: number == 0,
            data,
        })));
    }
    let (mut reader, feeder) = publisher.broadcast().subscribe_form(FORM, &viewer()).unwrap();
    let mut feeding = Box::pin(feeder.unwrap().run(Plain { tracks_seen: 0 }, |_| ready(())));
    assert!(poll(feeding.as_mut()).is_pending());
    let mut sizes = Vec::new();
    while let Some(delivery) = reader.try_next() {
        if let Delivery::Item(batch) = delivery {
            sizes.push(batch.bytes.len());
        }
    }
    assert_eq!(sizes, [MAX_BATCH_BYTES; 5]);
}

#[test]
fn the_write_window_is_capped() {
    let registry = Registry::new(AppOptions { write_window: Duration::MAX, ..AppOptions::default() });
    let mut publisher = begin(&registry);
    publisher.push(frame(VIDEO, 0, true));
    let (_reader, feeder) = publisher.broadcast().subscribe_form(FORM, &viewer()).unwrap();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let sleep = move |window| {
        told.lock().unwrap().push(window);
        std::future::pending::<()>()
    };
    assert!(poll(feeder.unwrap().run(Plain { tracks_seen: 0 }, sleep)).is_pending());
    assert_eq!(*asked.lock().unwrap(), [MAX_WRITE_WINDOW]);
}

#[test]
fn many_viewers_of_a_form_are_woken_in_turns_and_each_once_a_window() {
    let window = Duration::from_millis(40);
    let registry = Registry::new(AppOptions { write_window: window, ..AppOptions::default() });
    let mut publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let (first, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    let others = (1..3 * VIEWERS_PER_TURN).map(|_| broadcast.subscribe_form(FORM, &viewer()).unwrap().0);
    let mut subscribers: Vec<_> = std::iter::once(first).chain(others).collect();
    let slept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&slept);
    let sleep = move |wait| {
        told.lock().unwrap().push(wait);
        let mut over = false;
        // Over when it is asked for the second time.
        std::future::poll_fn(
            move |_| if std::mem::replace(&mut over, true) { Poll::Ready(()) } else { Poll::Pending },
        )
    };
    let mut feeding = Box::pin(feeder.unwrap().run(Plain { tracks_seen: 0 }, sleep));
    let wakes: Vec<Arc<Count>> = subscribers.iter().map(|_| Arc::default()).collect();
    for (subscriber, wakes) in subscribers.iter_mut().zip(&wakes) {
        let waker = std::task::Waker::from(Arc::clone(wakes));
        assert!(subscriber.poll_next(&Context::from_waker(&waker)).is_pending());
    }
    let count = |wakes: &Arc<Count>| wakes.0.load(Ordering::Relaxed);
    let woken = || wakes.iter().filter(|wakes| count(wakes) > 0).count();
    publisher.push(frame(VIDEO, 0, true));
    for turn in 1..=4 {
        assert!(poll(feeding.as_mut()).is_pending());
        assert_eq!(woken(), turn * subscribers.len() / 4);
    }
    assert!(wakes.iter().all(|wakes| count(wakes) == 1));
    assert!(slept.lock().unwrap().iter().all(|wait| *wait == window / 4));
    // What was pushed meanwhile is there for each of them.
    assert_eq!(drain_form(&mut subscribers[0]), "<1>*[0]");
}

#[test]
fn relief_widens_the_window_of_a_stream_that_runs_and_refuses_viewers_but_not_the_servers_own() {
    let registry = Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() });
    let mut publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let (_reader, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let sleep = move |window| {
        told.lock().unwrap().push(window);
        ready(())
    };
    let mut feeding = Box::pin(feeder.unwrap().run(Plain { tracks_seen: 0 }, sleep));
    let mut asked_after = |relief, ms| {
        registry.relieve(relief);
        publisher.push(frame(VIDEO, ms, true));
        assert!(poll(feeding.as_mut()).is_pending());
        asked.lock().unwrap().pop()
    };
    assert_eq!(asked_after(Relief::default(), 0), None);
    assert_eq!(
        asked_after(Relief { widening: 1, refuses_viewers: true }, 40),
        Some(Duration::from_millis(40))
    );
    assert_eq!(broadcast.subscribe(&viewer()).err(), Some(SubscribeError::Overloaded));
    assert_eq!(broadcast.subscribe_form(FORM, &viewer()).err(), Some(SubscribeError::Overloaded));
    assert!(broadcast.subscribe(&SubscribeOptions::new(ViewerInfo::internal("test"))).is_ok());
    assert_eq!(asked_after(Relief::default(), 80), None);
    assert!(broadcast.subscribe(&viewer()).is_ok());
}

#[test]
fn broadcasts_are_bounded() {
    let registry = Registry::default();
    let publish = |number: usize| {
        let key = StreamKey::new("live", &number.to_string()).unwrap();
        registry.publish(&key, PublisherInfo::default())
    };
    let held: Vec<Publisher> = (0..MAX_BROADCASTS).map(|number| publish(number).unwrap()).collect();
    assert!(matches!(publish(MAX_BROADCASTS).err(), Some(PublishError::TooManyBroadcasts { .. })));
    drop(held);
    assert!(publish(0).is_ok());
}

#[test]
fn a_viewer_without_a_cursor_is_counted_and_closed_like_any_other() {
    let registry = Registry::new(AppOptions { max_viewers: 1, ..AppOptions::default() });
    let publisher = begin(&registry);
    let broadcast = publisher.broadcast();
    let admitted = broadcast.admit(ViewerInfo::remote("test", None)).unwrap();
    let full = Err(SubscribeError::TooManyViewers { max: 1 });
    assert_eq!(broadcast.admit(ViewerInfo::remote("test", None)).map(|_| ()), full);
    admitted.record_sent(5, 0);
    assert_eq!((broadcast.audience()["test"].bytes, admitted.close_reason()), (5, None));
    assert!(broadcast.viewers()[0].close(CloseReason::Kicked));
    assert_eq!(admitted.close_reason(), Some(CloseReason::Kicked));
    assert!(admitted.watches(&broadcast));
    drop(publisher);
    let later = begin(&registry);
    assert!(!admitted.watches(&later.broadcast()));
    drop(admitted);
    assert_eq!(broadcast.viewer_count(), 0);
}
