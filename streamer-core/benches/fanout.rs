//! The hub: one write window of a stream, muxed once and taken by many viewers.
//!
//! What it shows is the hub's own cost for each viewer and window, no socket involved; it should not depend
//! on how many viewers there are.
#![allow(missing_docs, unreachable_pub, reason = "criterion's macros make public functions")]

use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use streamer_core::Registry;
use streamer_core::container::flv::{FlvMuxer, MuxOptions};
use streamer_core::hub::{
    AppOptions, Batch, Delivery, FormKey, PublisherInfo, SubscribeOptions, Subscriber, ViewerInfo,
};
use streamer_core::testing::Synthetic;

/// A picture of 2.5 Mbit/s at 25 a second.
const PICTURE_BYTES: usize = 12_500;
/// A picture and the sound beside it: what a window of 40 ms holds.
const MEDIA_PER_WINDOW: usize = 3;

fn window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fanout");
    for viewers in [1, 100, 1_000] {
        let registry = Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() });
        let (Ok(key), Ok(mut media)) = ("live/bench".parse(), Synthetic::new(50, PICTURE_BYTES)) else {
            return;
        };
        let Ok(mut publisher) = registry.publish(&key, PublisherInfo::default()) else { return };
        let form = FormKey { protocol: "bench", variant: 0 };
        let subscribe = SubscribeOptions::new(ViewerInfo::remote("bench", None));
        let mut feeder = None;
        let mut subscribers: Vec<Subscriber<Batch>> = Vec::new();
        for _ in 0..viewers {
            let Ok((subscriber, first)) = publisher.broadcast().subscribe_form(form, &subscribe) else {
                return;
            };
            subscribers.push(subscriber);
            feeder = feeder.or(first);
        }
        let Some(feeder) = feeder else { return };
        let mut feeding = pin!(feeder.run(FlvMuxer::new(MuxOptions::default()), |_| ready(())));
        let mut cx = Context::from_waker(Waker::noop());
        group.throughput(Throughput::Elements(viewers));
        group.bench_function(BenchmarkId::from_parameter(viewers), |bencher| {
            bencher.iter(|| {
                for media in media.by_ref().take(MEDIA_PER_WINDOW) {
                    publisher.push(media);
                }
                let fed = feeding.as_mut().poll(&mut cx);
                assert!(fed.is_pending(), "the feeder runs as long as it is read");
                for subscriber in &mut subscribers {
                    while let Poll::Ready(Some(delivery)) = subscriber.poll_next(&cx) {
                        if let Delivery::Item(batch) = delivery {
                            black_box(batch);
                        }
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, window);
criterion_main!(benches);
