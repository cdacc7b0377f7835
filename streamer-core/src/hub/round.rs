//! A round: what comes next for all viewers at one place of a form's ring, gathered once.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::cursor::Place;
use super::item::Batch;
use super::outlet::Outlet;
use super::ring::{Held, Phase, Ring};

/// Batches that are sent with one call: past this number what each costs the kernel is all there is.
pub const MAX_ROUND_PARTS: usize = 32;
/// Bytes after which no further batch is gathered for one call, by whoever writes to a viewer: the longest write window of
/// 2.5 Mbit/s. A viewer whose connection takes nothing of it keeps these, and at most one batch more, alive.
pub const MAX_ROUND_BYTES: usize = 128 << 10;

/// What comes from one place on.
pub(crate) struct Round {
    from_seq: Option<u64>,
    to_seq: u64,
    next_frame: u64,
    header: Option<Arc<Bytes>>,
    parts: Vec<Bytes>,
    /// The parts in one buffer, for each framing that was asked for.
    framed: Vec<(u8, Bytes)>,
    /// Where they are made, kept from one round to the next.
    room: BytesMut,
    bytes: usize,
    frames: u64,
    dts_ms: i64,
    /// What the ring was in.
    phase: (Phase, u64),
    evicted: bool,
    /// Whether batches follow that are not gathered.
    more: bool,
}

/// What a viewer's place calls for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It has all there is.
    Wait,
    /// The round's parts.
    Send,
    /// Something else than batches that follow one another: for the viewer's own task.
    Return,
}

impl Round {
    pub(crate) fn new() -> Self {
        Self {
            from_seq: None,
            to_seq: 0,
            next_frame: 0,
            header: None,
            parts: Vec::new(),
            framed: Vec::new(),
            room: BytesMut::new(),
            bytes: 0,
            frames: 0,
            dts_ms: 0,
            phase: (Phase::Live, 0),
            evicted: false,
            more: false,
        }
    }

    /// Holds nothing any more: the ring may have gone on.
    pub(crate) fn forget(&mut self) {
        self.from_seq = None;
        self.header = None;
        self.parts.clear();
        self.framed.clear();
    }

    /// What `place` calls for, gathered anew unless the viewer before was at the same place.
    pub(crate) fn call(&mut self, place: &Place<Batch>, ring: &Ring<Batch>) -> Call {
        if self.from_seq != Some(place.next_seq) {
            ring.read(|held| self.gather(place.next_seq, held));
        }
        if self.evicted {
            return Call::Return;
        }
        let Some(header) = &self.header else {
            let known = match self.phase {
                (Phase::Live, _) => true,
                (Phase::Interrupted, changes) => changes == place.phase_changes,
                (Phase::Ended, _) => false,
            };
            return if known { Call::Wait } else { Call::Return };
        };
        if place.runs_under(header) { Call::Send } else { Call::Return }
    }

    fn gather(&mut self, from_seq: u64, held: &Held<Batch>) {
        self.forget();
        self.from_seq = Some(from_seq);
        (self.to_seq, self.bytes, self.frames, self.more) = (from_seq, 0, 0, false);
        self.phase = held.phase();
        self.evicted = from_seq < held.first_seq();
        while let Some(slot) = held.get(self.to_seq) {
            let batch = &slot.item;
            let header = self.header.get_or_insert_with(|| Arc::clone(&batch.header));
            if !Arc::ptr_eq(header, &batch.header)
                || self.parts.len() >= MAX_ROUND_PARTS
                || self.bytes >= MAX_ROUND_BYTES
            {
                self.more = true;
                return;
            }
            self.parts.push(batch.bytes.clone());
            self.bytes += batch.bytes.len();
            self.frames += batch.frames;
            self.dts_ms = batch.dts_ms;
            self.next_frame = slot.frames_before + batch.frames;
            self.to_seq += 1;
        }
    }

    /// The bytes to send to `outlet`.
    pub(crate) fn framed_for(&mut self, outlet: &dyn Outlet) -> Bytes {
        let framing = outlet.framing();
        if let Some((_, bytes)) = self.framed.iter().find(|(of, _)| *of == framing) {
            return bytes.clone();
        }
        let bytes = outlet.frame(&self.parts, &mut self.room);
        self.framed.push((framing, bytes.clone()));
        bytes
    }

    /// Whether there was more than the round holds: batches, or the end of them, of which nobody tells a second time.
    pub(crate) fn more(&self) -> bool {
        self.more || self.phase.0 != Phase::Live
    }

    pub(crate) const fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) const fn dts_ms(&self) -> i64 {
        self.dts_ms
    }

    /// Moves `place` behind what the round holds.
    pub(crate) const fn pass(&self, place: &mut Place<Batch>) {
        place.next_seq = self.to_seq;
        place.next_frame = self.next_frame;
    }
}
