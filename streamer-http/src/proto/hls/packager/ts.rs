//! All tracks in one transport stream: segments are spans between cue points.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streamer_core::container::ts::{TsMuxer, TsOptions};
use streamer_core::{Codec, Frame, Media, Muxer, Track, TrackId, Tracks};

use super::clock::SegmentClock;
use super::keys::Seal;
use super::rate::FrameInterval;
use super::schedule::{Cue, Progress, Schedule};
use super::ticks::{CUE_SCALE, cue_ticks, duration_of, millis};
use crate::proto::hls::segment::{DateRange, Segment, SegmentBody};
use crate::proto::hls::window::Window;

/// A gap lasts some time: a segment of duration zero is none.
const MIN_DURATION: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Open {
    cue: Cue,
    seal: Seal,
    /// Whether its first frame of the leading track is a sync frame, once there is one.
    independent: Option<bool>,
    frames: usize,
    bytes: u64,
    pieces: Vec<Bytes>,
    date_ranges: Vec<DateRange>,
}

/// When a frame is due, on the clock of cue points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) cue_at: i64,
    pub(super) cue_length: i64,
}

/// Writes the rendition of all tracks.
pub(super) struct TsWriter {
    muxer: TsMuxer,
    /// Of each track: its frame interval, and the ticks from decode to presentation of its first frame.
    tracks: Vec<(TrackId, FrameInterval, Option<i64>)>,
    open: Option<Open>,
    next_msn: Option<u64>,
    clock: SegmentClock,
    date_ranges: Vec<DateRange>,
}

impl TsWriter {
    pub(super) fn new() -> Self {
        let options = TsOptions { repeat_tables: false, ..TsOptions::default() };
        let muxer = TsMuxer::new(options);
        Self {
            muxer,
            tracks: Vec::new(),
            open: None,
            next_msn: None,
            clock: SegmentClock::default(),
            date_ranges: Vec::new(),
        }
    }

    /// Whether a transport stream carries `codec`.
    pub(super) fn carries(codec: &Codec) -> bool {
        TsMuxer::carries(codec)
    }

    /// The tracks from here on.
    pub(super) fn set_tracks(&mut self, tracks: Vec<Track>) {
        self.tracks = tracks
            .iter()
            .map(|track| (track.id, FrameInterval::new(&track.codec, CUE_SCALE), None))
            .collect();
        let tracks = Tracks { list: tracks, metadata: Vec::new() };
        // The tables stand at the start of each segment.
        let _ = self.muxer.mux(&Media::Tracks(Arc::new(tracks)), &mut Vec::new());
    }

    pub(super) fn msn(&self) -> Option<u64> {
        self.open.as_ref().map_or(self.next_msn, |open| Some(open.cue.msn))
    }

    /// When `frame` is due. To be called once for each, in order.
    pub(super) fn stamp(&mut self, frame: &Frame) -> Stamp {
        let dts = cue_ticks(frame.dts);
        let Some((_, interval, reorder)) = self.tracks.iter_mut().find(|(id, ..)| *id == frame.track) else {
            return Stamp { cue_at: dts, cue_length: 0 };
        };
        interval.observe(dts);
        let reorder = *reorder.get_or_insert(cue_ticks(frame.pts).saturating_sub(dts));
        Stamp { cue_at: dts.saturating_add(reorder), cue_length: interval.ticks() }
    }

    /// How far the open segment is, now that `next` is the next frame.
    pub(super) fn progress(&self, next: &Stamp) -> Progress {
        self.open.as_ref().map_or(Progress::default(), |open| Progress {
            msn: Some(open.cue.msn),
            used: next.cue_at - open.cue.at,
            bytes: open.bytes,
            frames: open.frames,
            lag: 0,
        })
    }

    /// Completes segments up to the one before `msn`, and begins that.
    pub(super) fn advance(&mut self, msn: u64, schedule: &mut Schedule, window: &mut Window) {
        loop {
            let next = self.next_msn.unwrap_or(msn);
            let Some(cue) = schedule.get(next).filter(|_| next <= msn) else { return };
            self.complete(cue.at, schedule, window);
            let mut pieces = Vec::new();
            if cue.discontinuity {
                self.muxer.discontinuity();
            }
            self.muxer.begin_segment(&mut pieces);
            let date_ranges = std::mem::take(&mut self.date_ranges);
            let seal = schedule.seal(&cue);
            self.open = Some(Open { cue, seal, independent: None, frames: 0, bytes: 0, pieces, date_ranges });
            self.next_msn = Some(cue.msn + 1);
        }
    }

    /// Puts a frame into the open segment.
    pub(super) fn push(&mut self, frame: &Arc<Frame>, leading: bool) {
        let Some(open) = &mut self.open else { return };
        let before = open.pieces.len();
        // A frame that the container cannot carry is left out.
        let _ = self.muxer.mux(&Media::Frame(Arc::clone(frame)), &mut open.pieces);
        let written: usize = open.pieces.iter().skip(before).map(Bytes::len).sum();
        if written > 0 {
            open.frames += 1;
            open.bytes += written as u64;
            if leading {
                open.independent.get_or_insert(frame.sync);
            }
        }
    }

    /// Puts a date range into the open segment, or else into the next one.
    pub(super) fn date_range(&mut self, range: DateRange) {
        self.open.as_mut().map_or(&mut self.date_ranges, |open| &mut open.date_ranges).push(range);
    }

    /// Completes the open segment, which ends at `until` and is the last of its timeline.
    pub(super) fn finish(&mut self, until: i64, schedule: &mut Schedule, window: &mut Window) {
        self.complete(until, schedule, window);
        for (_, interval, reorder) in &mut self.tracks {
            interval.restart();
            *reorder = None;
        }
    }

    fn complete(&mut self, until: i64, schedule: &mut Schedule, window: &mut Window) {
        let Some(open) = self.open.take() else { return };
        let longest = schedule.longest_segment();
        let duration = duration_of(until - open.cue.at, CUE_SCALE).clamp(MIN_DURATION, longest);
        let body =
            if open.frames == 0 { SegmentBody::Missing } else { open.seal.body(open.cue.msn, &open.pieces) };
        let len_bytes = match &body {
            SegmentBody::Memory(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            SegmentBody::Stored | SegmentBody::Missing => 0,
        };
        let media_unix_ms = open.cue.offset_ms.saturating_add(millis(open.cue.at));
        window.target_duration_s = Some(schedule.target_duration_s(duration));
        window.independent &= open.independent.unwrap_or(false) || body == SegmentBody::Missing;
        window.segments.push_back(Arc::new(Segment {
            msn: open.cue.msn,
            duration,
            start_unix_ms: self.clock.begin(media_unix_ms, open.cue.discontinuity),
            media_time: None,
            discontinuity: open.cue.discontinuity,
            discontinuity_sequence: open.cue.discontinuity_sequence,
            independent: open.independent.unwrap_or(false),
            map: None,
            key: open.seal.key().cloned(),
            parts: Vec::new(),
            date_ranges: open.date_ranges,
            len_bytes,
            body,
        }));
    }
}
