//! Every order in which threads can meet at a ring and its wakers, tried by a model checker.
//!
//! `scripts/test-model` runs it: it needs `--cfg loom`, under which nothing else of the crate is of use.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;

use super::cursor::{Cursor, Join, Step};
use super::ring::tests::{Probe, probe};
use super::ring::{Phase, Ring, RingLimits};
use super::wake::Signal;

/// Times that a thread of three is interrupted where it could go on: with each one more the orders are tenfold, and
/// faults of this kind need two.
const MAX_PREEMPTIONS: usize = 3;

/// The numbers that a reader reads until the end, waiting where there is none; a wake that is lost is a deadlock,
/// which the checker reports.
fn read_to_end(ring: &Arc<Ring<Probe>>) -> Vec<u64> {
    let mut cursor = Cursor::new(Arc::clone(ring), Join::OldestHeld);
    let mut read = Vec::new();
    block_on(poll_fn(|cx| {
        loop {
            match cursor.poll_step(cx) {
                Poll::Ready(Step::Item(item)) => read.push(item.number),
                Poll::Ready(Step::Ended) => return Poll::Ready(()),
                Poll::Ready(_) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }));
    read
}

#[test]
fn a_reader_that_waits_misses_no_item_and_no_end() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(RingLimits::default()));
        ring.append(probe(0, true, 0));
        let reader = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || read_to_end(&ring))
        };
        ring.append(probe(1, false, 1));
        ring.wake(&mut Vec::new());
        ring.set_phase(Phase::Ended);
        assert_eq!(reader.join().unwrap(), [0, 1]);
    });
}

#[test]
fn readers_woken_in_turns_are_all_woken() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(MAX_PREEMPTIONS);
    model.check(|| {
        let ring = Arc::new(Ring::in_turns(RingLimits::default(), 2));
        ring.append(probe(0, true, 0));
        let readers = [(); 2].map(|()| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || read_to_end(&ring))
        });
        ring.wake_sets(0b01, &mut Vec::new());
        ring.set_phase(Phase::Ended);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), [0]);
        }
    });
}

#[test]
fn who_waits_for_a_signal_hears_it_however_close_it_comes() {
    loom::model(|| {
        let signal = Arc::new(Signal::new());
        let waiter = {
            let signal = Arc::clone(&signal);
            thread::spawn(move || block_on(signal.wait()))
        };
        assert!(signal.set(7));
        assert_eq!(waiter.join().unwrap(), 7);
    });
}
