//! SCTE 35 messages as date ranges (RFC 8216, 4.3.2.7.1): just enough of a `splice_info_section` is read.

use std::collections::VecDeque;

use bytes::Bytes;
use streamer_core::{Frame, Timescale, Timestamp};

use super::ticks::{CUE_SCALE, cue_ticks, duration_of};
use crate::proto::hls::segment::{DateRange, DateRangeKind};

/// Messages remembered, to tell repetitions: a splice is announced a few times before it comes.
pub const MAX_REMEMBERED_SPLICES: usize = 32;
/// Largest message listed: `section_length` is of 12 bits, and the text of a playlist grows by twice of it.
pub const MAX_SPLICE_BYTES: usize = 4_096;

const TABLE_ID: u64 = 0xfc;
const SPLICE_INSERT: u64 = 5;
const TIME_SIGNAL: u64 = 6;
const SEGMENTATION_DESCRIPTOR: u64 = 2;
const IDENTIFIER: u64 = 0x4355_4549; // CUEI

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Splice {
    kind: DateRangeKind,
    /// 90 kHz, modulo 2^33.
    pts: Option<u64>,
    duration: Option<u64>,
    event_id: Option<u64>,
}

/// Makes date ranges of messages, one of each.
#[derive(Debug, Default)]
pub(super) struct SpliceLog {
    count: u64,
    seen: VecDeque<Bytes>,
}

impl SpliceLog {
    /// The date range of the message in `frame`, where `offset_ms` is Unix time at media time 0. `None` for a
    /// repetition and for what is no message.
    pub(super) fn date_range(&mut self, frame: &Frame, offset_ms: i64) -> Option<DateRange> {
        let message = &frame.data;
        if message.len() > MAX_SPLICE_BYTES || self.seen.contains(message) {
            return None;
        }
        let splice = Splice::parse(message)?;
        if self.seen.len() == MAX_REMEMBERED_SPLICES {
            self.seen.pop_front();
        }
        self.seen.push_back(message.clone());
        self.count += 1;
        let carried = cue_ticks(frame.pts);
        let at = splice.pts.map_or(carried, |pts| unwrapped(pts, carried));
        let at_ms = Timestamp::new(at, CUE_SCALE).rescale(Timescale::MILLIS).ticks();
        let id = match splice.event_id {
            Some(event) => format!("scte35-{event}-{}", self.count),
            None => format!("scte35-{}", self.count),
        };
        Some(DateRange {
            id,
            start_unix_ms: offset_ms.saturating_add(at_ms),
            planned_duration: splice.duration.map(|ticks| duration_of(ticks.cast_signed(), CUE_SCALE)),
            scte35: message.clone(),
            kind: splice.kind,
        })
    }
}

/// The instant that is `pts` modulo 2^33 and nearest to `near`.
fn unwrapped(pts: u64, near: i64) -> i64 {
    const RANGE: i64 = 1 << 33;
    let ahead = (pts.cast_signed() - near).rem_euclid(RANGE);
    near + if ahead >= RANGE / 2 { ahead - RANGE } else { ahead }
}

impl Splice {
    fn parse(section: &[u8]) -> Option<Self> {
        let mut bits = Bits { data: section, at: 0 };
        if bits.take(8)? != TABLE_ID {
            return None;
        }
        bits.skip(4 + 12 + 8)?;
        let encrypted = bits.flag()?;
        bits.skip(6)?;
        let adjustment = bits.take(33)?;
        bits.skip(8 + 12)?;
        let command_length = bits.take(12)?;
        let mut splice = Self { kind: DateRangeKind::Command, pts: None, duration: None, event_id: None };
        if encrypted {
            return Some(splice);
        }
        let command = bits.take(8)?;
        let command_at = bits.at;
        match command {
            SPLICE_INSERT => splice.insert(&mut bits)?,
            TIME_SIGNAL => bits.splice_time(&mut splice.pts)?,
            _ => {}
        }
        // 0xfff: an old message that does not tell the length of its command.
        if command_length != 0xfff {
            bits.at = command_at + usize::try_from(command_length).ok()? * 8;
        }
        if command == TIME_SIGNAL {
            // What follows is a bonus: a message without descriptors is one as well.
            let _ = splice.descriptors(&mut bits);
        }
        splice.pts = splice.pts.map(|pts| (pts + adjustment) & 0x1_ffff_ffff);
        Some(splice)
    }

    /// `splice_insert()` (SCTE 35, 9.7.3).
    fn insert(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.event_id = Some(bits.take(32)?);
        let cancelled = bits.flag()?;
        bits.skip(7)?;
        if cancelled {
            return Some(());
        }
        let out = bits.flag()?;
        let program = bits.flag()?;
        let has_duration = bits.flag()?;
        let immediate = bits.flag()?;
        bits.skip(4)?;
        self.kind = if out { DateRangeKind::Out } else { DateRangeKind::In };
        if program {
            if !immediate {
                bits.splice_time(&mut self.pts)?;
            }
        } else {
            for _ in 0..bits.take(8)? {
                bits.skip(8)?;
                if !immediate {
                    bits.splice_time(&mut self.pts)?;
                }
            }
        }
        if has_duration {
            bits.skip(1 + 6)?;
            self.duration = Some(bits.take(33)?);
        }
        bits.skip(16 + 8 + 8)
    }

    /// The first segmentation descriptor that begins or ends a break (10.3.3).
    fn descriptors(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let end = bits.take(16)?;
        let end = bits.at + usize::try_from(end).ok()? * 8;
        while bits.at < end {
            let tag = bits.take(8)?;
            let length = bits.take(8)?;
            let next = bits.at + usize::try_from(length).ok()? * 8;
            if tag == SEGMENTATION_DESCRIPTOR && bits.take(32)? == IDENTIFIER {
                self.segmentation(bits)?;
                if self.kind != DateRangeKind::Command {
                    return Some(());
                }
            }
            bits.at = next;
        }
        Some(())
    }

    fn segmentation(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let event_id = bits.take(32)?;
        let cancelled = bits.flag()?;
        bits.skip(7)?;
        if cancelled {
            return Some(());
        }
        let program = bits.flag()?;
        let has_duration = bits.flag()?;
        bits.skip(6)?;
        if !program {
            for _ in 0..bits.take(8)? {
                bits.skip(8 + 7 + 33)?;
            }
        }
        let duration = if has_duration { Some(bits.take(40)?) } else { None };
        bits.skip(8)?;
        let upid_bytes = usize::try_from(bits.take(8)?).ok()?;
        bits.skip(upid_bytes * 8)?;
        // Starts are even, ends the odd number behind (10.3.3.1, table 23).
        let kind = match bits.take(8)? {
            0x22 | 0x30 | 0x32 | 0x34 | 0x36 | 0x38 | 0x3a | 0x44 | 0x46 => DateRangeKind::Out,
            0x23 | 0x31 | 0x33 | 0x35 | 0x37 | 0x39 | 0x3b | 0x45 | 0x47 => DateRangeKind::In,
            _ => DateRangeKind::Command,
        };
        if kind != DateRangeKind::Command || self.event_id.is_none() {
            (self.kind, self.duration, self.event_id) = (kind, duration, Some(event_id));
        }
        Some(())
    }
}

/// Reads bits, most significant first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u64> {
        let mut value = 0;
        for at in self.at..self.at + count {
            let byte = *self.data.get(at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.data.len() * 8).then_some(())
    }

    /// `splice_time()` (9.8.1), put into `pts` where it tells a time.
    fn splice_time(&mut self, pts: &mut Option<u64>) -> Option<()> {
        if self.flag()? {
            self.skip(6)?;
            *pts = Some(self.take(33)?);
            Some(())
        } else {
            self.skip(7)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use streamer_core::TrackId;

    use super::*;

    /// From the examples of ANSI/SCTE 35, annex on sample messages: `splice_insert` of 60.293 s, out of network.
    const INSERT: &str = "fc302f000000000000fffff014054800008f7feffe7369c02efe0052ccf500000000000a0008435545490000013562dba30a";
    /// The same annex: `time_signal`, placement opportunity start of 307 s.
    const SIGNAL_START: &str = "fc3034000000000000fffff00506fe72bd0050001e021c435545494800008e7fcf0001a599b00808000000002ca0a18a3402009ac9d17e";
    /// The same annex: `time_signal`, placement opportunity end.
    const SIGNAL_END: &str = "fc302f000000000000fffff00506fe746290a000190217435545494800008e7f9f0808000000002ca0a18a350200a9cc6758";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn frame(at: i64, data: &[u8]) -> Frame {
        let at = Timestamp::new(at, CUE_SCALE);
        Frame { track: TrackId::data(0), dts: at, pts: at, sync: true, data: Bytes::copy_from_slice(data) }
    }

    #[test]
    fn messages_of_the_standard() {
        let (insert, start, end) = (bytes(INSERT), bytes(SIGNAL_START), bytes(SIGNAL_END));
        assert_eq!(
            Splice::parse(&insert),
            Some(Splice {
                kind: DateRangeKind::Out,
                pts: Some(0x0_7369_c02e),
                duration: Some(0x52_ccf5),
                event_id: Some(0x4800_008f)
            })
        );
        assert_eq!(
            Splice::parse(&start),
            Some(Splice {
                kind: DateRangeKind::Out,
                pts: Some(0x0_72bd_0050),
                duration: Some(0x1_a599b0),
                event_id: Some(0x4800_008e)
            })
        );
        assert_eq!(
            Splice::parse(&end).map(|splice| (splice.kind, splice.duration)),
            Some((DateRangeKind::In, None))
        );
    }

    #[test]
    fn a_repeated_message_makes_one_range_and_its_time_is_the_nearest() {
        let mut log = SpliceLog::default();
        let insert = bytes(INSERT);
        let near = 0x7369_c02e + (5 << 33);
        let range = log.date_range(&frame(near - 90_000, &insert), 1_000).unwrap();
        assert_eq!(range.start_unix_ms, 1_000 + (near + 45) / 90);
        assert_eq!(range.planned_duration, Some(Duration::from_nanos(60_293_566_667)));
        assert_eq!((range.kind, range.scte35.as_ref()), (DateRangeKind::Out, &insert[..]));
        assert_eq!(log.date_range(&frame(near, &insert), 1_000), None);
        let other = log.date_range(&frame(near, &bytes(SIGNAL_END)), 1_000).unwrap();
        assert_ne!(other.id, range.id);
    }

    #[test]
    fn messages_remembered_and_their_size_are_bounded() {
        let mut log = SpliceLog::default();
        let mut message = bytes(INSERT);
        for splice in 0..=MAX_REMEMBERED_SPLICES {
            message[17] = u8::try_from(splice).unwrap();
            assert!(log.date_range(&frame(0, &message), 0).is_some());
        }
        assert_eq!(log.seen.len(), MAX_REMEMBERED_SPLICES);
        message.resize(MAX_SPLICE_BYTES, 0);
        assert!(log.date_range(&frame(0, &message), 0).is_some());
        message.push(0);
        assert!(log.date_range(&frame(0, &message), 0).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut message in proptest::collection::vec(any::<u8>(), 0..80), near in -(1i64 << 40)..(1 << 40)) {
            let mut log = SpliceLog::default();
            let _ = log.date_range(&frame(near, &message), 0);
            if let Some(first) = message.first_mut() {
                *first = 0xfc;
            }
            let _ = log.date_range(&frame(near, &message), 0);
        }

        #[test]
        fn mutated_messages_are_survived(at in 0usize..50, byte in any::<u8>()) {
            for message in [INSERT, SIGNAL_START, SIGNAL_END] {
                let mut message = bytes(message);
                if let Some(target) = message.get_mut(at) {
                    *target = byte;
                }
                let _ = SpliceLog::default().date_range(&frame(0, &message), 0);
            }
        }
    }
}
