//! When parts became available to those who waited, matched with when their last frames were sent.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::{CreationError, Histogram};
use thiserror::Error;

use super::playlist::PartId;
use crate::figures::microseconds;
use crate::stamp::Stamp;

/// A part does not hold what it should.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PartError {
    #[error("part {id:?} carries no stamp")]
    NoStamp { id: PartId },
    #[error("part {id:?} goes on with picture {found}, should with {expected}")]
    Gap { id: PartId, found: u64, expected: u64 },
}

/// One part.
#[derive(Debug, Default)]
struct Record {
    /// Pictures in it and when its last one was sent, once the part was read.
    read: Option<(u64, u64)>,
    /// When answers that list it arrived, until it was read.
    answered_ns: Vec<u64>,
    /// Whether any answer counted.
    measured: bool,
}

/// Collects answers and parts, which come in any order.
#[derive(Debug)]
pub(crate) struct Availability {
    /// Whether answers count.
    pub(crate) measuring: bool,
    /// Parts that counted, and the pictures in them.
    pub(crate) parts: u64,
    pub(crate) pictures: u64,
    /// Answers that listed the part after, too.
    pub(crate) late: u64,
    /// From the send of a part's last frame to the answer that lists it.
    pub(crate) delay_us: Histogram<u64>,
    records: BTreeMap<PartId, Record>,
    newest: Option<PartId>,
    unread: VecDeque<(PartId, String)>,
    reading: Option<PartId>,
    next_picture: Option<u64>,
}

impl Availability {
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            measuring: false,
            parts: 0,
            pictures: 0,
            late: 0,
            delay_us: microseconds()?,
            records: BTreeMap::new(),
            newest: None,
            unread: VecDeque::new(),
            reading: None,
            next_picture: None,
        })
    }

    /// Whether the part has not been seen in a playlist.
    pub(crate) fn is_new(&self, id: PartId) -> bool {
        self.newest.is_none_or(|newest| newest < id)
    }

    /// The part was seen in a playlist for the first time and can be read at `path`.
    pub(crate) fn on_listed(&mut self, id: PartId, path: String) {
        self.newest = Some(id);
        self.unread.push_back((id, path));
    }

    /// An answer that waited for the part arrived; `late` when the part after was listed, too.
    pub(crate) fn on_answer(&mut self, id: PartId, late: bool, now_ns: u64) {
        if !self.measuring {
            return;
        }
        self.late += u64::from(late);
        let record = self.records.entry(id).or_default();
        self.parts += u64::from(!record.measured);
        if let Some((pictures, sent_ns)) = record.read {
            self.pictures += if record.measured { 0 } else { pictures };
            self.delay_us.saturating_record(now_ns.saturating_sub(sent_ns) / 1000);
        } else {
            record.answered_ns.push(now_ns);
        }
        record.measured = true;
    }

    /// Where to read the next part, when the one before is done.
    pub(crate) fn next_to_read(&mut self) -> Option<String> {
        if self.reading.is_some() {
            return None;
        }
        let (id, path) = self.unread.pop_front()?;
        self.reading = Some(id);
        Some(path)
    }

    /// The part named last by [`next_to_read`](Self::next_to_read) is here.
    pub(crate) fn on_part(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let Some(id) = self.reading.take() else { return Ok(()) };
        let (mut pictures, mut last_sent_ns) = (0, None);
        for stamp in Stamp::find_in(bytes) {
            let expected = self.next_picture.unwrap_or(stamp.sequence);
            if stamp.sequence != expected {
                return Err(PartError::Gap { id, found: stamp.sequence, expected });
            }
            self.next_picture = Some(expected + 1);
            pictures += 1;
            last_sent_ns = Some(stamp.sent_ns);
        }
        let sent_ns = last_sent_ns.ok_or(PartError::NoStamp { id })?;
        let record = self.records.entry(id).or_default();
        record.read = Some((pictures, sent_ns));
        self.pictures += if record.measured { pictures } else { 0 };
        for answered_ns in record.answered_ns.drain(..) {
            self.delay_us.saturating_record(answered_ns.saturating_sub(sent_ns) / 1000);
        }
        Ok(())
    }

    /// Whether the part of every answer that counted was read.
    pub(crate) fn is_settled(&self) -> bool {
        self.records.values().all(|record| record.answered_ns.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: PartId = PartId { msn: 3, part: 0 };
    const SECOND: PartId = PartId { msn: 3, part: 1 };

    /// A part with pictures `from..to`, picture n sent n milliseconds after the start.
    fn part(from: u64, to: u64) -> Vec<u8> {
        let stamps = (from..to).map(|sequence| Stamp { sequence, sent_ns: sequence * 1_000_000 });
        let frames = stamps.map(|stamp| [stamp.to_sei().as_slice(), b"\0\0\0\x04slice"].concat());
        [b"moof, mdat".to_vec(), frames.flatten().collect()].concat()
    }

    fn listed() -> Availability {
        let mut availability = Availability::new().unwrap();
        availability.measuring = true;
        for (id, path) in [(FIRST, "/3.0"), (SECOND, "/3.1")] {
            assert!(availability.is_new(id));
            availability.on_listed(id, path.to_owned());
            assert!(!availability.is_new(id));
        }
        availability
    }

    #[test]
    fn delays_count_from_the_last_frame_whichever_is_known_first() {
        let mut availability = listed();
        availability.on_answer(FIRST, false, 9_000_000);
        assert!(!availability.is_settled());
        assert_eq!(availability.next_to_read().as_deref(), Some("/3.0"));
        assert_eq!(availability.next_to_read(), None, "one at a time");
        availability.on_part(&part(0, 6)).unwrap();
        assert!(availability.is_settled());
        assert_eq!(availability.next_to_read().as_deref(), Some("/3.1"));
        availability.on_part(&part(6, 9)).unwrap();
        availability.on_answer(SECOND, true, 10_000_000);
        availability.measuring = false;
        availability.on_answer(SECOND, true, 50_000_000);
        let Availability { parts, pictures, late, delay_us, .. } = availability;
        assert_eq!((parts, pictures, late, delay_us.len()), (2, 9, 1, 2));
        assert_eq!(
            (delay_us.min(), delay_us.max()),
            (delay_us.lowest_equivalent(2000), delay_us.highest_equivalent(4000))
        );
    }

    #[test]
    fn a_missing_picture_and_a_part_without_any_are_errors() {
        let mut availability = listed();
        availability.next_to_read();
        availability.on_part(&part(0, 6)).unwrap();
        availability.next_to_read();
        let gap = PartError::Gap { id: SECOND, found: 7, expected: 6 };
        assert_eq!(availability.on_part(&part(7, 9)), Err(gap));
        let mut availability = listed();
        availability.next_to_read();
        assert_eq!(availability.on_part(b"moof, mdat"), Err(PartError::NoStamp { id: FIRST }));
    }
}
