//! Viewers who let the writer of their form send for them: they get what they would have read themselves.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

/// A connection that takes as many bytes as it has room for.
#[derive(Default)]
struct Pipe {
    room: usize,
    taken: Vec<u8>,
    /// Bytes of each send by the writer.
    sends: Vec<usize>,
}

impl Pipe {
    /// Takes what goes in of `bytes` and leaves the rest.
    fn take(&mut self, bytes: &mut Bytes) {
        let taken = bytes.split_to(self.room.min(bytes.len()));
        self.room -= taken.len();
        self.taken.extend_from_slice(&taken);
    }
}

struct Shared(Arc<Mutex<Pipe>>);

impl Outlet for Shared {
    fn framing(&self) -> u8 {
        0
    }

    fn frame(&self, parts: &[Bytes], room: &mut BytesMut) -> Bytes {
        frame_in(room, &[], parts, &[])
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        let mut rest = Bytes::copy_from_slice(bytes);
        let mut pipe = self.0.lock().unwrap();
        pipe.sends.push(bytes.len());
        pipe.take(&mut rest);
        bytes.len() - rest.len()
    }
}

/// Runs only when it was woken.
struct Task<T> {
    wakes: Arc<Count>,
    ran: usize,
    what: T,
}

impl<T> Task<T> {
    fn new(what: T) -> Self {
        // It runs a first time without having been woken.
        Self { wakes: Arc::new(Count(1.into())), ran: 0, what }
    }

    fn run<R>(&mut self, run: impl FnOnce(&mut T, &mut Context<'_>) -> R) -> Option<R> {
        let wakes = self.wakes.0.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.ran, wakes) == wakes {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.wakes));
        Some(run(&mut self.what, &mut Context::from_waker(&waker)))
    }

    fn wake(&self) {
        self.wakes.0.fetch_add(1, Ordering::Relaxed);
    }
}

type Writer = Pin<Box<dyn Future<Output = ()>>>;

struct Watcher {
    subscriber: Subscriber<Batch>,
    pipe: Arc<Mutex<Pipe>>,
    queue: VecDeque<Bytes>,
    lost: u64,
    ended: bool,
}

impl Watcher {
    fn new(mut subscriber: Subscriber<Batch>, room: usize) -> Task<Self> {
        let pipe = Arc::new(Mutex::new(Pipe { room, ..Pipe::default() }));
        subscriber.set_outlet(Box::new(Shared(Arc::clone(&pipe))));
        Task::new(Self { subscriber, pipe, queue: VecDeque::new(), lost: 0, ended: false })
    }

    /// What a connection's task does when it is woken. Returns a writer that is to be run.
    fn run(&mut self, cx: &Context<'_>) -> Option<Box<FanoutWriter>> {
        if self.subscriber.is_entrusted() {
            if self.subscriber.poll_returned(cx).is_pending() {
                return None;
            }
            self.queue.push_back(self.subscriber.take_back());
        }
        while !self.ended {
            while let Some(bytes) = self.queue.front_mut() {
                self.pipe.lock().unwrap().take(bytes);
                if !bytes.is_empty() {
                    return None;
                }
                self.queue.pop_front();
            }
            match self.subscriber.poll_next(cx) {
                Poll::Ready(Some(Delivery::Header(header))) => self.queue.push_back(Bytes::clone(&header)),
                Poll::Ready(Some(Delivery::Item(batch))) => {
                    self.subscriber.viewer().record_sent(batch.bytes.len(), batch.frames);
                    self.queue.push_back(batch.bytes);
                }
                Poll::Ready(Some(Delivery::Interrupted)) => self.queue.push_back(Bytes::from_static(b"|")),
                Poll::Ready(Some(Delivery::Lost { frames })) => self.lost += frames,
                Poll::Ready(Some(Delivery::Closed(_)) | None) => self.ended = true,
                Poll::Pending => match self.subscriber.entrust(cx) {
                    Turn::Writer(writer) => return writer,
                    Turn::Own => return None,
                },
            }
        }
        None
    }

    fn text(&self) -> String {
        String::from_utf8(self.pipe.lock().unwrap().taken.clone()).unwrap()
    }
}

/// Runs `watchers` and `writers` until none of them is woken.
fn settle(watchers: &mut [Task<Watcher>], writers: &mut Vec<Task<Writer>>) {
    loop {
        let mut idle = true;
        for watcher in &mut *watchers {
            if let Some(writer) = watcher.run(|watcher, cx| watcher.run(cx)) {
                idle = false;
                writers.extend(writer.map(|writer| Task::new(Box::pin(writer.run()) as Writer)));
            }
        }
        writers.retain_mut(|writer| match writer.run(|writer, cx| writer.as_mut().poll(cx)) {
            Some(polled) => {
                idle = false;
                polled.is_pending()
            }
            None => true,
        });
        if idle {
            return;
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Push { sync: bool },
    Retrack,
    Interrupt,
    Feed,
    Room { viewer: usize, bytes: usize },
    Watch { viewer: usize },
    Write { writer: usize },
    Leave,
}

const VIEWERS: usize = 3;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => any::<bool>().prop_map(|sync| Act::Push { sync }),
        1 => Just(Act::Retrack),
        1 => Just(Act::Interrupt),
        6 => Just(Act::Feed),
        3 => (0..VIEWERS, 0usize..30).prop_map(|(viewer, bytes)| Act::Room { viewer, bytes }),
        6 => (0..VIEWERS).prop_map(|viewer| Act::Watch { viewer }),
        6 => (0usize..VIEWERS).prop_map(|writer| Act::Write { writer }),
        1 => Just(Act::Leave),
    ]
}

/// Writes tracks as `<ms of the newest frame>`, so that two headers differ.
struct Headed {
    ms: i64,
}

impl Muxer for Headed {
    type Error = std::convert::Infallible;

    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), Self::Error> {
        match media {
            Media::Tracks(_) => out.push(Bytes::from(format!("<{}>", self.ms))),
            Media::Frame(frame) => {
                self.ms = frame.dts.as_millis();
                out.push(frame.data.clone());
            }
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Bytes>) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn at_once() -> Registry {
    Registry::new(AppOptions { write_window: Duration::ZERO, ..AppOptions::default() })
}

proptest! {
    /// Whatever the order in which publisher, feeder, writers and viewers have their turns, and however little the
    /// connections take at a time: everybody gets the same bytes as one who reads everything itself, and nobody sleeps
    /// while there is something to send.
    #[test]
    fn nothing_is_missing_or_out_of_order(script in prop::collection::vec(act(), 1..120)) {
        let registry = at_once();
        let mut publisher = begin(&registry);
        publisher.push(frame(VIDEO, 0, true));
        let broadcast = publisher.broadcast();
        let (reader, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
        let mut feeding = Box::pin(feeder.unwrap().run(Headed { ms: 0 }, |_| ready(())));
        let mut reader = Task::new(Watcher {
            subscriber: reader, pipe: Arc::new(Mutex::new(Pipe { room: usize::MAX, ..Pipe::default() })),
            queue: VecDeque::new(), lost: 0, ended: false,
        });
        prop_assert!(poll(feeding.as_mut()).is_pending());
        let subscribe = || broadcast.subscribe_form(FORM, &viewer()).unwrap().0;
        let mut watchers: Vec<_> = (0..VIEWERS).map(|_| Watcher::new(subscribe(), 10)).collect();
        let mut leaver = Some(Watcher::new(subscribe(), usize::MAX));
        let mut writers = Vec::new();
        let mut ms = 0;
        for act in script {
            match act {
                Act::Push { sync } => {
                    ms += 10;
                    publisher.push(frame(VIDEO, ms, sync));
                }
                Act::Retrack => publisher.push(tracks()),
                Act::Interrupt => {
                    let away = publisher.interrupt();
                    prop_assert!(poll(feeding.as_mut()).is_pending());
                    // Heard before the publisher is back, or not at all.
                    reader.wake();
                    reader.run(|watcher, cx| watcher.run(cx));
                    watchers.iter().for_each(Task::wake);
                    settle(&mut watchers, &mut writers);
                    publisher = begin(&registry);
                    ms += 10;
                    publisher.push(frame(VIDEO, ms, true));
                    drop(away);
                }
                Act::Feed => prop_assert!(poll(feeding.as_mut()).is_pending()),
                Act::Room { viewer, bytes } => {
                    watchers[viewer].what.pipe.lock().unwrap().room += bytes;
                    watchers[viewer].wake();
                }
                Act::Watch { viewer } => {
                    let writer = watchers[viewer].run(|watcher, cx| watcher.run(cx)).flatten();
                    writers.extend(writer.map(|writer| Task::new(Box::pin(writer.run()) as Writer)));
                }
                Act::Write { writer } => {
                    if let Some(task) = writers.get_mut(writer)
                        && task.run(|writer, cx| writer.as_mut().poll(cx)).is_some_and(|polled| polled.is_ready())
                    {
                        writers.swap_remove(writer);
                    }
                }
                Act::Leave => {
                    if let Some(mut leaver) = leaver.take() {
                        let writer = leaver.run(|watcher, cx| watcher.run(cx)).flatten();
                        writers.extend(writer.map(|writer| Task::new(Box::pin(writer.run()) as Writer)));
                    }
                }
            }
            reader.run(|watcher, cx| watcher.run(cx));
        }
        prop_assert!(poll(feeding.as_mut()).is_pending());
        for watcher in &watchers {
            watcher.what.pipe.lock().unwrap().room = usize::MAX;
            watcher.wake();
        }
        settle(&mut watchers, &mut writers);
        reader.run(|watcher, cx| watcher.run(cx));
        let expected = reader.what.text();
        let newest = format!("[{ms}]");
        prop_assert!(expected.ends_with(&newest));
        for watcher in &watchers {
            prop_assert_eq!(watcher.what.text().replace('|', ""), expected.replace('|', ""));
            prop_assert_eq!(watcher.what.lost, 0);
        }
        drop(leaver);
        drop(publisher);
        drop(registry);
    }
}

/// A form with `viewers` who have all there is, and sleep.
#[allow(clippy::type_complexity, reason = "the parts of one stage")]
fn stage(
    viewers: usize,
) -> (Publisher, Pin<Box<dyn Future<Output = ()>>>, Vec<Task<Watcher>>, Vec<Task<Writer>>) {
    let registry = at_once();
    let mut publisher = begin(&registry);
    publisher.push(frame(VIDEO, 0, true));
    let broadcast = publisher.broadcast();
    let (first, feeder) = broadcast.subscribe_form(FORM, &viewer()).unwrap();
    let mut feeding: Pin<Box<dyn Future<Output = ()>>> =
        Box::pin(feeder.unwrap().run(Headed { ms: 0 }, |_| ready(())));
    assert!(poll(feeding.as_mut()).is_pending());
    let others = (1..viewers).map(|_| broadcast.subscribe_form(FORM, &viewer()).unwrap().0);
    let mut watchers: Vec<_> =
        std::iter::once(first).chain(others).map(|subscriber| Watcher::new(subscriber, usize::MAX)).collect();
    let mut writers = Vec::new();
    settle(&mut watchers, &mut writers);
    (publisher, feeding, watchers, writers)
}

#[test]
fn a_frame_reaches_all_viewers_and_wakes_none_of_their_tasks() {
    let (mut publisher, mut feeding, mut watchers, mut writers) = stage(200);
    assert_eq!(writers.len(), MAX_TURNS, "a writer for each set");
    let wakes = |watchers: &[Task<Watcher>]| -> Vec<_> {
        watchers.iter().map(|watcher| watcher.wakes.0.load(Ordering::Relaxed)).collect()
    };
    let before = wakes(&watchers);
    publisher.push(frame(VIDEO, 40, false));
    assert!(poll(feeding.as_mut()).is_pending());
    settle(&mut watchers, &mut writers);
    assert!(watchers.iter().all(|watcher| watcher.what.text() == "<0>[0][40]"));
    assert_eq!(wakes(&watchers), before);
    let views = publisher.broadcast().viewers();
    assert!(views.iter().all(|view| (view.stats().frames.get(), view.stats().bytes.get()) == (2, 7)));
    assert!(views.iter().all(|view| view.lag_ms() == Some(0)));
}

#[test]
fn a_kicked_viewer_and_the_end_are_heard_and_writers_end_with_their_last_viewer() {
    let (publisher, mut feeding, mut watchers, mut writers) = stage(2);
    assert!(publisher.broadcast().viewers()[0].close(CloseReason::Kicked));
    settle(&mut watchers, &mut writers);
    assert!(watchers[0].what.ended && !watchers[1].what.ended);
    drop(publisher);
    assert!(poll(feeding.as_mut()).is_ready());
    settle(&mut watchers, &mut writers);
    assert!(watchers[1].what.ended);
    assert_eq!(writers.len(), 0);
}

#[test]
fn a_viewer_that_its_writer_left_behind_reads_on_itself_and_counts_its_loss() {
    let (mut publisher, mut feeding, mut watchers, mut writers) = stage(1);
    for second in 1..10 {
        publisher.push(frame(VIDEO, 1_000 * second, true));
        assert!(poll(feeding.as_mut()).is_pending());
    }
    settle(&mut watchers, &mut writers);
    assert_eq!((watchers[0].what.text().as_str(), watchers[0].what.lost), ("<0>[0][9000]", 8));
}

#[test]
fn viewers_of_a_writer_that_is_dropped_go_on_by_themselves() {
    let (mut publisher, mut feeding, mut watchers, writers) = stage(3);
    drop(writers);
    let mut writers = Vec::new();
    publisher.push(frame(VIDEO, 40, false));
    assert!(poll(feeding.as_mut()).is_pending());
    settle(&mut watchers, &mut writers);
    assert!(watchers.iter().all(|watcher| watcher.what.text() == "<0>[0][40]"));
    assert_eq!(writers.len(), 3, "they found new ones");
}

#[test]
fn what_is_sent_at_once_is_bounded_in_batches_and_bytes() {
    let (mut publisher, mut feeding, mut watchers, mut writers) = stage(1);
    for _ in 0..MAX_ROUND_PARTS + 1 {
        publisher.push(frame(VIDEO, 1, false));
        assert!(poll(feeding.as_mut()).is_pending());
    }
    settle(&mut watchers, &mut writers);
    let sends = || std::mem::take(&mut watchers[0].what.pipe.lock().unwrap().sends);
    assert_eq!(sends(), [3 * MAX_ROUND_PARTS, 3]);

    let large = |bytes| {
        let (at, data) = (Timestamp::from_millis(2), Bytes::from(vec![b'.'; bytes]));
        Media::Frame(Arc::new(Frame { track: VIDEO, dts: at, pts: at, sync: false, data }))
    };
    for bytes in [MAX_ROUND_BYTES - 1, MAX_ROUND_BYTES, 1] {
        publisher.push(large(bytes));
        assert!(poll(feeding.as_mut()).is_pending());
    }
    settle(&mut watchers, &mut writers);
    let sends = std::mem::take(&mut watchers[0].what.pipe.lock().unwrap().sends);
    assert_eq!(sends, [2 * MAX_ROUND_BYTES - 1, 1]);
}

#[test]
fn a_writer_lets_other_tasks_run_between_its_viewers() {
    let (mut publisher, mut feeding, watchers, mut writers) = stage((SEATS_PER_POLL + 1) * MAX_TURNS);
    publisher.push(frame(VIDEO, 40, false));
    assert!(poll(feeding.as_mut()).is_pending());
    for served in [SEATS_PER_POLL * MAX_TURNS, watchers.len()] {
        for writer in &mut writers {
            assert!(writer.run(|writer, cx| writer.as_mut().poll(cx)).unwrap().is_pending());
        }
        let sent = watchers.iter().filter(|watcher| !watcher.what.pipe.lock().unwrap().sends.is_empty());
        assert_eq!(sent.count(), served);
    }
    assert!(writers.iter_mut().all(|writer| writer.run(|_, _| ()).is_none()), "and then sleeps");
}
