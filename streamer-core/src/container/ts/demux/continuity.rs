//! The continuity counter of a PID (ISO/IEC 13818-1 2.4.3.3).

use super::super::packet::Packet;

/// What a packet's counter says about the packets before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// Nothing is missing.
    Next,
    /// It was there already.
    Duplicate,
    /// Packets are missing.
    Gap,
}

/// Follows the counter of one PID.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    last: Option<u8>,
    doubled: bool,
}

impl Counter {
    /// Judges the next packet, one with payload.
    pub(super) fn judge(&mut self, packet: &Packet<'_>) -> Continuity {
        let last = self.last.replace(packet.continuity);
        let Some(last) = last.filter(|_| !packet.discontinuity) else {
            self.doubled = false;
            return Continuity::Next;
        };
        // A packet may be sent twice, not more often: then sixteen are missing.
        let doubled = packet.continuity == last && !self.doubled;
        self.doubled = doubled;
        if doubled {
            Continuity::Duplicate
        } else if packet.continuity == (last + 1) & 0xf {
            Continuity::Next
        } else {
            Continuity::Gap
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(continuity: u8, discontinuity: bool) -> Packet<'static> {
        Packet {
            pid: 0x100,
            error: false,
            unit_start: false,
            scrambled: false,
            continuity,
            discontinuity,
            random_access: false,
            pcr: None,
            payload: Some(&[]),
        }
    }

    #[test]
    fn counters_are_judged() {
        use Continuity::{Duplicate, Gap, Next};
        let mut counter = Counter::default();
        for (continuity, discontinuity, expected) in [
            (14, false, Next),
            (15, false, Next),
            (0, false, Next),
            (0, false, Duplicate),
            (0, false, Gap),
            (1, false, Next),
            (1, false, Duplicate),
            (2, false, Next),
            (4, false, Gap),
            (9, true, Next),
            (10, false, Next),
        ] {
            assert_eq!(counter.judge(&packet(continuity, discontinuity)), expected, "{continuity}");
        }
    }
}
