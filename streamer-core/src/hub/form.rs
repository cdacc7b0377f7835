//! Byte forms: what is the same for every viewer of a protocol is muxed once per broadcast and shared.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::broadcast::Shared;
use super::cursor::{Cursor, Join, Step};
use super::fanout::Fanout;
use super::item::{Batch, MediaItem};
use super::outlet::frame_in;
use super::overload::Relief;
use super::ring::{Phase, Ring, RingLimits};
use super::turns::{MAX_TURNS, Turns, turns_for};
use crate::frame::Media;
use crate::mux::Muxer;

/// Most forms of one broadcast at once: two protocols in three dialects, each whole, without sound and
/// without pictures, with room to double.
pub const MAX_FORMS: usize = 36;
/// Bytes after which a batch is closed even within the window, so that a catch-up after a stall does not
/// build one huge allocation; a single frame may be larger.
pub const MAX_BATCH_BYTES: usize = 256 << 10;

/// Names a byte form of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormKey {
    /// The protocol that makes it.
    pub protocol: &'static str,
    /// Which of its variants, numbered by the protocol.
    pub variant: u32,
}

pub(crate) struct Form {
    fanout: Arc<Fanout>,
    readers: usize,
}

impl Form {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self { fanout: Arc::new(Fanout::new(Arc::new(Ring::in_turns(limits, MAX_TURNS)))), readers: 0 }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring<Batch>> {
        self.fanout.ring()
    }

    pub(crate) const fn fanout(&self) -> &Arc<Fanout> {
        &self.fanout
    }

    pub(crate) const fn join(&mut self) {
        self.readers += 1;
    }

    pub(crate) fn leave(&mut self) {
        self.readers = self.readers.saturating_sub(1);
    }
}

/// Makes a byte form: reads the media, muxes it and puts the batches where the form's viewers read.
pub struct FormFeeder {
    media: Cursor<MediaItem>,
    ring: Arc<Ring<Batch>>,
    key: FormKey,
    shared: Weak<Shared>,
    window: Duration,
    header: Arc<Bytes>,
    parts: Vec<Bytes>,
    part_bytes: usize,
    frames: u64,
    random_access: bool,
    dts_ms: i64,
    turns: Turns,
    wakers: Vec<Waker>,
}

impl FormFeeder {
    pub(crate) fn new(shared: &Arc<Shared>, key: FormKey, ring: Arc<Ring<Batch>>) -> Self {
        Self {
            media: Cursor::new(Arc::clone(&shared.ring), Join::NewestSync),
            ring,
            key,
            shared: Arc::downgrade(shared),
            window: shared.options.write_window,
            header: Arc::default(),
            parts: Vec::new(),
            part_bytes: 0,
            frames: 0,
            random_access: false,
            dts_ms: 0,
            turns: Turns::default(),
            wakers: Vec::new(),
        }
    }

    /// Runs until the broadcast ends or nobody reads the form any more. `sleep` is the runtime's timer: it
    /// spaces the batches, so that each viewer is woken once in the application's write window.
    ///
    /// Media that the muxer refuses are left out.
    pub async fn run<M, S, F>(mut self, mut muxer: M, mut sleep: S)
    where
        M: Muxer,
        S: FnMut(Duration) -> F + Send,
        F: Future<Output = ()> + Send,
    {
        loop {
            if self.turns.all_told() {
                let step = poll_fn(|cx| self.media.poll_step(cx)).await;
                if self.take(step, &mut muxer) {
                    return;
                }
            }
            while let Some(step) = self.media.try_step() {
                if self.take(step, &mut muxer) {
                    return;
                }
            }
            self.close_batch();
            let Some((readers, relief)) = self.readers_or_leave() else { return };
            let window = relief.window(self.window);
            let turns = turns_for(readers, window);
            self.ring.wake_sets(self.turns.next(turns), &mut self.wakers);
            if !window.is_zero() {
                sleep(window / turns).await;
            }
        }
    }

    /// Takes one step of the media; returns whether it was the last.
    fn take(&mut self, step: Step<MediaItem>, muxer: &mut impl Muxer) -> bool {
        match step {
            Step::Header(tracks) => {
                self.close_batch();
                let mut header = Vec::new();
                if muxer.mux(&Media::Tracks(tracks), &mut header).is_ok() {
                    self.header = Arc::new(join(&header));
                }
            }
            Step::Item(item) => {
                if item.random_access || self.part_bytes >= MAX_BATCH_BYTES {
                    self.close_batch();
                }
                self.random_access |= item.random_access;
                let before = self.parts.len();
                let muxed = muxer.mux(&Media::Frame(Arc::clone(&item.frame)), &mut self.parts);
                if muxed.is_err() {
                    self.parts.truncate(before);
                }
                if self.parts.len() > before {
                    if self.frames == 0 {
                        self.dts_ms = item.frame.dts.as_millis();
                    }
                    self.frames += 1;
                    self.part_bytes += self.parts.iter().skip(before).map(Bytes::len).sum::<usize>();
                }
            }
            Step::Lost { .. } => {}
            Step::Interrupted => {
                self.close_batch();
                self.ring.set_phase(Phase::Interrupted);
            }
            Step::Ended => {
                self.close_batch();
                return true;
            }
        }
        false
    }

    fn close_batch(&mut self) {
        if self.frames == 0 {
            return;
        }
        self.ring.append(Batch {
            header: Arc::clone(&self.header),
            bytes: join(&self.parts),
            frames: self.frames,
            random_access: self.random_access,
            dts_ms: self.dts_ms,
        });
        self.turns.appended();
        self.parts.clear();
        (self.part_bytes, self.frames, self.random_access) = (0, 0, false);
    }

    /// How many read, and what gives way to overload; if nobody reads the form is taken away in the same moment,
    /// so that who comes next makes a new one.
    fn readers_or_leave(&self) -> Option<(usize, Relief)> {
        let Some(shared) = self.shared.upgrade() else { return Some((1, Relief::default())) };
        let mut forms = shared.forms.lock();
        let readers = forms.get(&self.key).map_or(0, |form| form.readers);
        if readers == 0 {
            forms.remove(&self.key);
            return None;
        }
        Some((readers, shared.relief()))
    }
}

impl Drop for FormFeeder {
    /// However the feeder ends, its readers must not wait for more.
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let mut forms = shared.forms.lock();
            if forms.get(&self.key).is_some_and(|form| Arc::ptr_eq(form.ring(), &self.ring)) {
                forms.remove(&self.key);
            }
        }
        self.ring.set_phase(Phase::Ended);
    }
}

fn join(parts: &[Bytes]) -> Bytes {
    frame_in(&mut BytesMut::new(), &[], parts, &[])
}
