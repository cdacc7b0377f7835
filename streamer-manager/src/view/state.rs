//! The view of the engine as a state machine: datagrams and snapshots in, events out, each change once and in order.

use std::collections::{BTreeMap, VecDeque};

use streamer_control::link::engine_api::Snapshot;
use streamer_control::link::{Datagram, EngineEvent};

use super::known::{Known, Told};

/// Datagrams held while one before them is missing. Later ones are dropped: the snapshot shows what they did.
pub const MAX_HELD_DATAGRAMS: usize = 1_024;
/// Earlier runs of the engine that are remembered, so that a late datagram of one is not taken for a new run.
pub const MAX_RETIRED_RUNS: usize = 8;

/// Why all streams of an earlier run ended.
const RESTARTED: &str = "the engine was started again";

/// What the manager knows of the engine. It starts knowing nothing: what its first snapshot shows was there before
/// and is no news, what is told from then on is.
///
/// Which run of the engine is the present one, snapshots alone say: they are answers to questions asked one after the
/// other, while a datagram may be a late word of a run that ended unseen.
#[derive(Debug, Default)]
pub struct EngineView {
    run: Option<String>,
    retired: VecDeque<String>,
    /// Number of the last event taken in; all before it are.
    seq: u64,
    /// Largest number heard of.
    heard: u64,
    held: Held,
    /// Another run that was heard of.
    other: Option<OtherRun>,
    /// Whether a snapshot is wanted though no event is known to be missing.
    doubtful: bool,
    known: Known,
}

type Held = BTreeMap<u64, (u64, EngineEvent)>;

#[derive(Debug)]
struct OtherRun {
    run: String,
    held: Held,
    /// Whether a snapshot was of our run still. It may have been on its way when the other began; two may not.
    disputed: bool,
}

impl EngineView {
    /// What is known.
    #[must_use]
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// The run of the engine it is about.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// Whether a snapshot is needed: an event is missing, or another run was heard of.
    #[must_use]
    pub const fn wants_snapshot(&self) -> bool {
        self.doubtful || self.other.is_some() || self.heard > self.seq
    }

    /// Wants a snapshot, as from an engine that nothing was heard of yet.
    pub const fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Takes a datagram in, whenever and however often it comes; returns what is to be told.
    pub fn apply_datagram(&mut self, datagram: Datagram) -> Vec<Told> {
        let mut told = Vec::new();
        let Datagram { engine, seq, at_unix_ms, event } = datagram;
        if self.run.as_ref() != Some(&engine) {
            if !self.retired.contains(&engine) {
                self.hear_of_other(engine, seq, event.map(|event| (at_unix_ms, event)));
            }
            return told;
        }
        self.heard = self.heard.max(seq);
        let Some(event) = event else { return told };
        if seq > self.seq && (seq == self.seq + 1 || self.held.len() < MAX_HELD_DATAGRAMS) {
            self.held.insert(seq, (at_unix_ms, event));
        }
        self.take_held(&mut told);
        told
    }

    fn hear_of_other(&mut self, run: String, seq: u64, event: Option<(u64, EngineEvent)>) {
        let other = match self.other.take() {
            Some(other) if other.run == run => other,
            _ => OtherRun { run, held: Held::new(), disputed: false },
        };
        let other = self.other.insert(other);
        if let Some(event) = event
            && other.held.len() < MAX_HELD_DATAGRAMS
        {
            other.held.insert(seq, event);
        }
    }

    /// Takes a snapshot in, received at `now_unix_ms`; returns what is to be told. Snapshots must come in the order in
    /// which they were taken.
    pub fn apply_snapshot(&mut self, snapshot: &Snapshot, now_unix_ms: u64) -> Vec<Told> {
        let mut told = Vec::new();
        if self.retired.contains(&snapshot.engine) {
            return told;
        }
        self.doubtful = false;
        if self.run.as_ref() == Some(&snapshot.engine) {
            self.other = self.other.take().filter(|other| !other.disputed);
            if let Some(other) = &mut self.other {
                other.disputed = true;
            }
            if snapshot.seq < self.seq {
                // Events told since are in the view already, and not in the snapshot.
                return told;
            }
        } else {
            self.begin(snapshot, now_unix_ms, &mut told);
        }
        let later = self.held.split_off(&snapshot.seq.saturating_add(1));
        for (at, event) in std::mem::replace(&mut self.held, later).into_values() {
            self.known.apply(at, event, &mut told);
        }
        self.known.reconcile(snapshot, now_unix_ms, &mut told);
        self.seq = snapshot.seq;
        self.heard = self.heard.max(snapshot.seq);
        self.take_held(&mut told);
        told
    }

    /// The run of `snapshot` takes the place of the one before.
    fn begin(&mut self, snapshot: &Snapshot, now: u64, told: &mut Vec<Told>) {
        let heard_of = self.other.take().filter(|other| other.run == snapshot.engine);
        self.held = heard_of.map(|other| other.held).unwrap_or_default();
        self.heard = self.held.keys().next_back().copied().unwrap_or(0);
        if let Some(before) = self.run.replace(snapshot.engine.clone()) {
            self.retired.push_back(before);
            if self.retired.len() > MAX_RETIRED_RUNS {
                self.retired.pop_front();
            }
            self.known.end_all(RESTARTED, now, told);
        } else {
            let held: Vec<_> = self.held.range(..=snapshot.seq).map(|(_, held)| held.clone()).collect();
            self.known = Known::before(snapshot, &held);
        }
    }

    fn take_held(&mut self, told: &mut Vec<Told>) {
        while let Some((at, event)) = self.held.remove(&(self.seq + 1)) {
            self.seq += 1;
            self.known.apply(at, event, told);
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
