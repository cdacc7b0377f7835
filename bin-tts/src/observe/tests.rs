//! Streams with labels and without: sums go on when streams come and go. Tasks: their rates.

use std::time::Duration;

use bytes::Bytes;
use streamer_core::codec::{AacConfig, Codec};
use streamer_core::hub::{PublisherInfo, SubscribeOptions, ViewerInfo};
use streamer_core::{Frame, Media, Publisher, Timescale, Timestamp, Track, TrackId, Tracks};

use super::*;

fn publish(registry: &Registry, key: &str) -> Publisher {
    let info = PublisherInfo { protocol: "test", peer: None };
    let mut publisher = registry.publish(&key.parse().unwrap(), info).unwrap();
    let codec = Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap());
    let track = Track { id: TrackId::audio(0), timescale: Timescale::MILLIS, codec };
    publisher.push(Media::Tracks(Arc::new(Tracks { list: vec![track], metadata: Vec::new() })));
    publisher
}

fn push(publisher: &mut Publisher, at_ms: i64, bytes: usize) {
    let at = Timestamp::from_millis(at_ms);
    let data = Bytes::from(vec![0; bytes]);
    publisher.push(Media::Frame(Arc::new(Frame {
        track: TrackId::audio(0),
        dts: at,
        pts: at,
        sync: true,
        data,
    })));
}

#[test]
fn labels_are_bounded_and_the_rest_is_summed_without_loss() {
    let registry = Registry::default();
    let observer = Observer::new(registry.clone(), TaskSet::new(registry.clone()), 1);
    let start = Instant::now();
    let _first = publish(&registry, "live/a");
    observer.sample(start, SystemTime::now());
    let mut second = publish(&registry, "live/b");
    push(&mut second, 0, 100);
    observer.sample(start, SystemTime::now());
    let labelled: Vec<bool> = observer.streams().iter().map(|stream| stream.labelled).collect();
    assert_eq!(labelled, [true, false]);
    assert_eq!(observer.rest().bytes, 100);

    let viewer = SubscribeOptions::new(ViewerInfo::remote("rtmp", None));
    let subscriber = second.broadcast().subscribe(&viewer).unwrap();
    subscriber.viewer().record_sent(7, 1);
    drop(subscriber);
    push(&mut second, 20, 50);
    drop(second);
    observer.sample(start, SystemTime::now());
    assert_eq!(observer.rest().bytes, 150, "what came after the last sample counts");
    assert_eq!(observer.rest().audience["rtmp"].bytes, 7);

    let mut third = publish(&registry, "live/b");
    push(&mut third, 0, 1);
    observer.sample(start, SystemTime::now());
    assert_eq!(observer.rest().bytes, 151, "a stream of the same name begins anew");
    assert_eq!(observer.inner.lock().labelled, 1);
}

#[test]
fn a_label_is_free_again_when_its_stream_ends() {
    let registry = Registry::default();
    let observer = Observer::new(registry.clone(), TaskSet::new(registry.clone()), 1);
    let first = publish(&registry, "live/a");
    observer.sample(Instant::now(), SystemTime::now());
    drop(first);
    let _second = publish(&registry, "live/b");
    observer.sample(Instant::now(), SystemTime::now());
    assert!(observer.stream(&"live/b".parse().unwrap()).unwrap().labelled);
    assert!(observer.stream(&"live/a".parse().unwrap()).is_none());
}

#[tokio::test]
async fn a_stream_is_known_from_its_beginning() {
    let registry = Registry::default();
    let observer = Observer::new(registry.clone(), TaskSet::new(registry.clone()), 1);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (observer, stop) = (Arc::clone(&observer), stop.clone());
        async move { observer.run(stop).await }
    });
    let before = SystemTime::now();
    let _publisher = publish(&registry, "live/a");
    while observer.inner.lock().streams.is_empty() {
        tokio::task::yield_now().await;
    }
    let since = observer.stream(&"live/a".parse().unwrap()).unwrap().since;
    assert!(since >= before && since.duration_since(before).unwrap() < Duration::from_secs(5));
    stop.cancel();
    running.await.unwrap();
}

#[test]
fn the_rate_of_a_task_is_its_own_and_forgotten_with_it() {
    let mut inner = Inner::default();
    let start = Instant::now();
    let (busy, idle) = (Arc::<TaskStatus>::default(), Arc::<TaskStatus>::default());
    for second in 0..3 {
        busy.moved(1_000, 1);
        inner.sample_tasks(start + Duration::from_secs(second), vec![Arc::clone(&busy), Arc::clone(&idle)]);
    }
    assert_eq!((inner.task_bitrate_bps(&busy), inner.task_bitrate_bps(&idle)), (8_000, 0));
    inner.sample_tasks(start + Duration::from_secs(3), vec![idle]);
    assert_eq!(inner.task_bitrate_bps(&busy), 0);
    assert_eq!(inner.tasks.len(), 1);
}
