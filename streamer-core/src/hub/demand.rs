//! Whether anybody wants a stream: what a pull on demand goes by.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::registry::Registry;
use super::wake::WakeSlot;
use crate::key::StreamKey;

/// Watches whether a stream is wanted: whether somebody waits for it, or it has a viewer that
/// [demands](super::ViewerInfo::demands) it. Made by [`Registry::demand`].
pub struct Demand {
    registry: Registry,
    key: StreamKey,
    slot: WakeSlot,
}

impl Demand {
    pub(crate) fn new(registry: &Registry, key: &StreamKey) -> Self {
        let slot = registry.0.with_shard(key, |shard| {
            let entry = shard.entry(key.clone()).or_default();
            entry.watching += 1;
            WakeSlot::new(Arc::clone(&entry.demand))
        });
        Self { registry: registry.clone(), key: key.clone(), slot }
    }

    /// Whether it is wanted now.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let (waiting, broadcast) = self.registry.0.with_shard(&self.key, |shard| {
            shard.get(&self.key).map_or((0, None), |entry| (entry.waiting, entry.broadcast.clone()))
        });
        waiting > 0 || broadcast.is_some_and(|broadcast| broadcast.0.is_demanded())
    }

    /// Waits until it is wanted, or until it is not. Cancel safe.
    pub async fn until(&mut self, wanted: bool) {
        poll_fn(|cx| {
            self.slot.register(cx);
            if self.is_wanted() == wanted { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        self.registry.0.with_shard(&self.key, |shard| {
            if let Some(entry) = shard.get_mut(&self.key) {
                entry.watching -= 1;
                if entry.is_idle() {
                    shard.remove(&self.key);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;
    use crate::hub::{PublisherInfo, SubscribeOptions, ViewerInfo};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether `act` wakes who waits for `wanted` and ends the waiting, which was not over before.
    fn ended_by(demand: &mut Demand, wanted: bool, act: impl FnOnce()) -> bool {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut until = pin!(demand.until(wanted));
        assert!(until.as_mut().poll(&mut cx).is_pending());
        act();
        woken.0.load(Ordering::Relaxed) > 0 && until.as_mut().poll(&mut cx).is_ready()
    }

    fn key() -> StreamKey {
        "live/test".parse().unwrap()
    }

    #[test]
    fn who_waits_wants_it_until_they_go() {
        let registry = Registry::default();
        let mut demand = registry.demand(&key());
        let key = key();
        let mut wait = Box::pin(registry.wait(&key));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ended_by(&mut demand, true, || assert!(wait.as_mut().poll(&mut cx).is_pending())));
        assert!(ended_by(&mut demand, false, || drop(wait)));
    }

    #[test]
    fn viewers_want_it_and_readers_of_our_own_only_if_they_say_so() {
        let registry = Registry::default();
        let mut demand = registry.demand(&key());
        let publisher = registry.publish(&key(), PublisherInfo::default()).unwrap();
        let broadcast = publisher.broadcast();
        let subscribe = |viewer| broadcast.subscribe(&SubscribeOptions::new(viewer)).unwrap();
        let segmenter = subscribe(ViewerInfo::internal("segmenter"));
        assert!(!demand.is_wanted());
        for viewer in [ViewerInfo::remote("rtmp", None), ViewerInfo::internal("forward").demanding()] {
            let mut held = None;
            assert!(ended_by(&mut demand, true, || held = Some(subscribe(viewer))));
            assert!(ended_by(&mut demand, false, || drop(held)));
        }
        let mut admitted = None;
        let viewer = ViewerInfo::remote("hls", None);
        assert!(ended_by(&mut demand, true, || admitted = Some(broadcast.admit(viewer).unwrap())));
        assert!(ended_by(&mut demand, false, || drop(admitted)));
        drop(segmenter);
    }

    #[test]
    fn it_outlives_broadcasts_and_leaves_nothing_behind() {
        let registry = Registry::default();
        let mut demand = registry.demand(&key());
        drop(registry.publish(&key(), PublisherInfo::default()).unwrap());
        let publisher = registry.publish(&key(), PublisherInfo::default()).unwrap();
        let broadcast = publisher.broadcast();
        let options = SubscribeOptions::new(ViewerInfo::remote("rtmp", None));
        let mut held = None;
        assert!(ended_by(&mut demand, true, || held = Some(broadcast.subscribe(&options).unwrap())));
        assert!(ended_by(&mut demand, false, || drop(publisher)), "viewers of what has ended want nothing");
        drop(demand);
        assert!(registry.0.with_shard(&key(), |shard| shard.is_empty()));
    }
}
