//! Waiting without a runtime: a set of wakers, and a one-shot signal built on it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::sync::Mutex;

/// The wakers of everyone who waits for one thing. Each waiter owns a slot, so that polling again never
/// adds a second waker: the set is bounded by the number of waiters.
#[derive(Debug, Default)]
pub(crate) struct WakeSet(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl WakeSet {
    /// Wakes every waiter. Runs no waker while the set is locked.
    pub(crate) fn wake_all(&self) {
        self.wake_all_in(&mut Vec::new());
    }

    /// As [`wake_all`](Self::wake_all), by way of a vector the caller keeps to spare the allocation.
    pub(crate) fn wake_all_in(&self, scratch: &mut Vec<Waker>) {
        scratch.extend(self.0.lock().wakers.iter_mut().filter_map(Option::take));
        scratch.drain(..).for_each(Waker::wake);
    }

    /// Waiters that hold a slot.
    #[cfg(test)]
    pub(crate) fn waiters(&self) -> usize {
        let slots = self.0.lock();
        slots.wakers.len() - slots.free.len()
    }
}

/// A waiter's place in a [`WakeSet`], given back when dropped.
#[derive(Debug)]
pub(crate) struct WakeSlot {
    set: Arc<WakeSet>,
    index: Option<usize>,
}

impl WakeSlot {
    pub(crate) const fn new(set: Arc<WakeSet>) -> Self {
        Self { set, index: None }
    }

    /// Leaves the waker of `cx` to be woken by the next [`WakeSet::wake_all`]. The caller looks again at
    /// what it waits for after this, else it could miss the wake that came in between.
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        let mut slots = self.set.0.lock();
        let index = *self.index.get_or_insert_with(|| {
            slots.free.pop().unwrap_or_else(|| {
                slots.wakers.push(None);
                slots.wakers.len() - 1
            })
        });
        if let Some(slot) = slots.wakers.get_mut(index) {
            match slot {
                Some(held) => held.clone_from(cx.waker()),
                None => *slot = Some(cx.waker().clone()),
            }
        }
    }
}

impl WakeSlot {
    /// Whether the waker that was left has been taken to be woken.
    pub(crate) fn is_woken(&self) -> bool {
        let slots = self.set.0.lock();
        self.index.is_none_or(|index| !matches!(slots.wakers.get(index), Some(Some(_))))
    }

    /// Takes the waker back that was left, if it was not woken.
    pub(crate) fn withdraw(&self) {
        if let Some(index) = self.index
            && let Some(slot) = self.set.0.lock().wakers.get_mut(index)
        {
            *slot = None;
        }
    }
}

impl Drop for WakeSlot {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            let mut slots = self.set.0.lock();
            if let Some(slot) = slots.wakers.get_mut(index) {
                *slot = None;
            }
            slots.free.push(index);
        }
    }
}

/// A value that is set by one side and seen by everyone who waits or asks.
#[derive(Debug)]
pub(crate) struct Signal<T> {
    value: Mutex<Option<T>>,
    wake: Arc<WakeSet>,
}

impl<T: Clone + Send> Signal<T> {
    pub(crate) fn new() -> Self {
        Self { value: Mutex::new(None), wake: Arc::default() }
    }

    /// Sets the value unless there is one. Returns whether it was set.
    pub(crate) fn set(&self, value: T) -> bool {
        {
            let mut held = self.value.lock();
            if held.is_some() {
                return false;
            }
            *held = Some(value);
        }
        self.wake.wake_all();
        true
    }

    pub(crate) fn get(&self) -> Option<T> {
        self.value.lock().clone()
    }

    /// Takes the value out, so that the signal can be set again.
    pub(crate) fn take(&self) -> Option<T> {
        self.value.lock().take()
    }

    /// A waiter's place, for [`poll`](Self::poll).
    pub(crate) fn slot(&self) -> WakeSlot {
        WakeSlot::new(Arc::clone(&self.wake))
    }

    pub(crate) fn poll(&self, slot: &mut WakeSlot, cx: &Context<'_>) -> Poll<T> {
        if let Some(value) = self.get() {
            return Poll::Ready(value);
        }
        slot.register(cx);
        self.get().map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) fn wait(&self) -> impl Future<Output = T> + Send {
        let mut slot = self.slot();
        poll_fn(move |cx| self.poll(&mut slot, cx))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// A waker that counts.
    #[derive(Default)]
    pub(crate) struct Count(pub(crate) AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn polling_again_takes_no_second_slot_and_dropping_frees_it() {
        let set = Arc::new(WakeSet::default());
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let mut slot = WakeSlot::new(Arc::clone(&set));
        for _ in 0..3 {
            slot.register(&cx);
        }
        set.wake_all();
        set.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(set.waiters(), 1);
        drop(slot);
        assert_eq!(set.waiters(), 0);
        let mut other = WakeSlot::new(Arc::clone(&set));
        other.register(&cx);
        assert_eq!(set.0.lock().wakers.len(), 1, "a freed slot is used again");
    }

    #[test]
    fn a_signal_keeps_its_first_value_until_it_is_taken() {
        let signal = Signal::new();
        assert!(signal.set(1));
        assert!(!signal.set(2));
        assert_eq!(signal.take(), Some(1));
        assert!(signal.set(2));
        assert_eq!(signal.get(), Some(2));
    }
}
