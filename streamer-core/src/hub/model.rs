//! Every order in which threads can meet at a ring and its wakers, tried by a model checker.
//!
//! `scripts/test-model` runs it: it needs `--cfg loom`, under which nothing else of the crate is of use.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use loom::future::block_on;
use loom::thread;

use super::cursor::{Cursor, Join, Step};
use super::fanout::Fanout;
use super::item::Batch;
use super::outlet::{Outlet, frame_in};
use super::ring::tests::{Probe, probe};
use super::ring::{Phase, Ring, RingLimits};
use super::round::Round;
use super::seat::{Entrusted, Seat};
use super::sync::Mutex;
use super::viewer::{ViewerEntry, ViewerId, ViewerInfo};
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

/// A connection that takes everything.
struct Taken(Arc<Mutex<Vec<u8>>>);

impl Outlet for Taken {
    fn framing(&self) -> u8 {
        0
    }

    fn frame(&self, parts: &[Bytes], room: &mut BytesMut) -> Bytes {
        frame_in(room, &[], parts, &[])
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.0.lock().extend_from_slice(bytes);
        bytes.len()
    }
}

fn batch(header: &Arc<Bytes>, bytes: &'static [u8]) -> Batch {
    Batch {
        header: Arc::clone(header),
        bytes: Bytes::from_static(bytes),
        frames: 1,
        random_access: true,
        dts_ms: 0,
    }
}

/// Reads until the end; entrusts itself to a writer, in a thread of its own, whenever there is nothing to read.
fn watch_to_end(fanout: &Arc<Fanout>, taken: &Arc<Mutex<Vec<u8>>>) {
    let ring = fanout.ring();
    let mut cursor = Cursor::new(Arc::clone(ring), Join::OldestHeld);
    let seat = Arc::new(Seat::new());
    let viewer = Arc::new(ViewerEntry::new(ViewerId(1), ViewerInfo::internal("model")));
    let mut writers = Vec::new();
    loop {
        match cursor.try_step() {
            Some(Step::Item(batch)) => taken.lock().extend_from_slice(&batch.bytes),
            Some(Step::Ended) => break,
            Some(_) => {}
            None => {
                let mut entrusted = false;
                block_on(poll_fn(|cx| {
                    if entrusted {
                        return seat.poll_returned(cx);
                    }
                    entrusted = true;
                    let newcomer = seat.entrust(Entrusted {
                        place: cursor.place().clone(),
                        outlet: Box::new(Taken(Arc::clone(taken))),
                        viewer: Arc::clone(&viewer),
                        waker: cx.waker().clone(),
                    });
                    if newcomer && let Some(writer) = fanout.list(0, Arc::clone(&seat)) {
                        writers.push(thread::spawn(move || block_on(writer.run())));
                    }
                    seat.serve(ring, &mut Round::new());
                    seat.poll_returned(cx)
                }));
                if let Some((entrusted, rest)) = seat.take_back() {
                    assert!(rest.is_empty());
                    cursor.go_on_at(entrusted.place);
                }
            }
        }
    }
    for writer in writers {
        writer.join().unwrap();
    }
}

#[test]
fn a_viewer_that_lets_a_writer_send_misses_nothing_however_close_it_comes() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let header = Arc::new(Bytes::new());
        let fanout = Arc::new(Fanout::new(Arc::new(Ring::in_turns(RingLimits::default(), 1))));
        fanout.ring().append(batch(&header, b"a"));
        let taken = Arc::new(Mutex::new(Vec::new()));
        let viewer = {
            let (fanout, taken) = (Arc::clone(&fanout), Arc::clone(&taken));
            thread::spawn(move || watch_to_end(&fanout, &taken))
        };
        fanout.ring().append(batch(&header, b"b"));
        fanout.ring().wake(&mut Vec::new());
        fanout.ring().set_phase(Phase::Ended);
        viewer.join().unwrap();
        assert_eq!(*taken.lock(), b"ab");
    });
}
