//! Media segments and partial segments: what is known of one, and its bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use streamer_core::{Codec, Timescale};

use super::encryption::Key;

/// An initialization section (RFC 8216, 4.3.2.5).
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Counts the sections of a run from 0: part of its name.
    pub number: u32,
    /// What it describes.
    pub codec: Codec,
    /// The section.
    pub body: Bytes,
}

/// A partial segment (second edition, 4.4.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Duration of its media.
    pub duration: Duration,
    /// Whether it begins with a random access point.
    pub independent: bool,
    /// Its bytes.
    pub body: Bytes,
}

/// A span of the timeline that means something, made from an SCTE-35 message (RFC 8216, 4.3.2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// Unique within the playlist.
    pub id: String,
    /// When it begins, in Unix milliseconds.
    pub start_unix_ms: i64,
    /// How long it lasts, or shall last, where the message says.
    pub planned_duration: Option<Duration>,
    /// The message, which begins (`SCTE35-OUT`), ends (`SCTE35-IN`) or just marks (`SCTE35-CMD`).
    pub scte35: Bytes,
    /// Which of the three.
    pub kind: DateRangeKind,
}

/// Which attribute carries the message of a [`DateRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateRangeKind {
    /// `SCTE35-CMD`.
    Command,
    /// `SCTE35-OUT`.
    Out,
    /// `SCTE35-IN`.
    In,
}

/// Where the bytes of a segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentBody {
    /// In memory, in pieces.
    Memory(Vec<Bytes>),
    /// In the store of segments.
    Stored,
    /// Nowhere: its media are missing (`EXT-X-GAP`).
    Missing,
}

impl SegmentBody {
    /// One piece made of `pieces`: a segment is sent to many and written by few calls.
    #[must_use]
    pub fn joined(pieces: &[Bytes]) -> Self {
        let mut body = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
        Self::Memory(vec![body.freeze()])
    }
}

/// Where the timeline between two discontinuities begins: all of its segments, of all renditions, have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Presentation time at which it begins, in milliseconds. Some tracks begin a little earlier or later.
    pub begin_ms: u64,
    /// Wall clock then, in Unix milliseconds, as it was told at the beginning: drift is not followed. The wall
    /// clock at media time 0 never falls from one timeline to the next.
    pub begin_unix_ms: i64,
}

/// Where a segment lies on its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTime {
    /// The scale of the ticks: that of the track.
    pub timescale: Timescale,
    /// Decode time of its first sample, which its first fragment begins with (`tfdt`; ISO/IEC 14496-12, 8.8.12).
    pub decode_time: u64,
    /// Ticks from decode to presentation of a random access point, the same over a timeline.
    pub reorder: i64,
    /// Ticks that its samples last together: the next segment of the timeline begins there.
    pub ticks: u64,
    /// The timeline.
    pub timeline: Timeline,
}

/// A complete media segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// Duration of its media.
    pub duration: Duration,
    /// Wall clock at its first sample, in Unix milliseconds (`EXT-X-PROGRAM-DATE-TIME`).
    pub start_unix_ms: i64,
    /// Where it lies on its timeline; `None` in a transport stream, and where media are missing.
    pub media_time: Option<MediaTime>,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Discontinuities of the run up to and including the one before it.
    pub discontinuity_sequence: u64,
    /// Whether it begins with a random access point.
    pub independent: bool,
    /// The initialization section it needs; `None` in a transport stream.
    pub map: Option<Arc<Map>>,
    /// The key it is encrypted with; `None` in the clear.
    pub key: Option<Arc<Key>>,
    /// Its parts, for as long as they are to be listed; empty where none are made.
    pub parts: Vec<Part>,
    /// Date ranges that begin in it.
    pub date_ranges: Vec<DateRange>,
    /// Length of its body.
    pub len_bytes: u64,
    /// Its bytes.
    pub body: SegmentBody,
}

impl Segment {
    /// Wall clock at its end, in Unix milliseconds.
    #[must_use]
    pub fn end_unix_ms(&self) -> i64 {
        self.start_unix_ms.saturating_add(i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX))
    }
}
