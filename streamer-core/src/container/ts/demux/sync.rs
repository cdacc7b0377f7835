//! Packets found in a byte stream, behind garbage too.

use bytes::{Buf, BytesMut};

use super::super::packet::{PACKET_BYTES, SYNC_BYTE};

/// Bytes without packets after which a stream is refused: a second of one that is damaged for so long at
/// 8 Mbit/s, and soon enough to tell that something is no transport stream.
pub const MAX_SEARCHED_BYTES: usize = 1 << 20;

/// Finds packets by their sync bytes.
#[derive(Debug)]
pub(super) struct PacketFinder {
    input: BytesMut,
    synced: bool,
    /// Bytes passed over since the last packet.
    searched: usize,
}

impl PacketFinder {
    pub(super) fn new() -> Self {
        Self { input: BytesMut::new(), synced: true, searched: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Bytes passed over since the last packet.
    pub(super) const fn searched(&self) -> usize {
        self.searched
    }

    /// The next packet, or `None` until more bytes are pushed. One out of step with those before it is taken when
    /// another one seems to follow.
    pub(super) fn pull(&mut self) -> Option<[u8; PACKET_BYTES]> {
        loop {
            if self.synced {
                let packet = *self.input.first_chunk::<PACKET_BYTES>()?;
                if packet.first() == Some(&SYNC_BYTE) {
                    self.input.advance(PACKET_BYTES);
                    self.searched = 0;
                    return Some(packet);
                }
                self.synced = false;
            }
            // Where another packet could follow.
            let candidates = self.input.len().saturating_sub(PACKET_BYTES);
            let found = (0..candidates).find(|&at| {
                self.input.get(at) == Some(&SYNC_BYTE)
                    && self.input.get(at + PACKET_BYTES) == Some(&SYNC_BYTE)
            });
            let passed = found.unwrap_or(candidates);
            self.input.advance(passed);
            self.searched += passed;
            found?;
            self.synced = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u8) -> [u8; PACKET_BYTES] {
        let mut packet = [number; PACKET_BYTES];
        packet[0] = SYNC_BYTE;
        packet
    }

    fn found(bytes: &[u8]) -> (Vec<u8>, usize) {
        let mut finder = PacketFinder::new();
        finder.push(bytes);
        let packets: Vec<u8> = std::iter::from_fn(|| finder.pull()).map(|packet| packet[1]).collect();
        (packets, finder.searched())
    }

    #[test]
    fn packets_behind_garbage() {
        let all = [&packet(1)[..], &packet(2), &[9; 100], &packet(3), &packet(4), &[9; 5]].concat();
        assert_eq!(found(&all), (vec![1, 2, 3, 4], 0));
        let begin = [&[SYNC_BYTE][..], &[9; 50], &packet(3), &packet(4), &packet(5)].concat();
        // The first byte seems to begin a packet; the ones behind it are found.
        assert_eq!(found(&begin).0, [9, 4, 5]);
        assert_eq!(found(&[&[0; 3][..], &packet(1), &packet(2)].concat()), (vec![1, 2], 0));
        assert_eq!(found(&[7; 1_000]), (vec![], 1_000 - PACKET_BYTES));
    }

    #[test]
    fn no_more_is_held_than_a_packet_and_what_was_pushed() {
        let mut finder = PacketFinder::new();
        for _ in 0..1_000 {
            finder.push(&[0x11; 100]);
            assert_eq!(finder.pull(), None);
            assert!(finder.input.len() <= PACKET_BYTES + 100);
        }
    }
}
