//! When to acknowledge the bytes of a peer (RTMP 1.0 sections 5.4.3 and 5.4.4).

/// The smallest window that is honoured. A peer that asks for one of zero or one byte would otherwise be answered
/// with more bytes than it sends; a window of 4 KiB keeps acknowledgements under half a percent of the traffic.
pub const MIN_ACK_WINDOW_BYTES: u32 = 4096;

/// The window until the peer names one, as the known servers use it.
pub const DEFAULT_ACK_WINDOW_BYTES: u32 = 2_500_000;

/// Counts the bytes of a peer and says when an acknowledgement is due: after half the window, so that a peer which
/// stops at a full window never has to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledger {
    window: u32,
    received: u32,
    acknowledged: u32,
}

impl Acknowledger {
    pub(super) fn new() -> Self {
        Self { window: DEFAULT_ACK_WINDOW_BYTES, received: 0, acknowledged: 0 }
    }

    /// Takes the peer's Window Acknowledgement Size.
    pub(super) fn set_window(&mut self, bytes: u32) {
        self.window = bytes.max(MIN_ACK_WINDOW_BYTES);
    }

    /// Counts bytes received; the count wraps, as the field on the wire does.
    pub(super) fn receive(&mut self, bytes: usize) {
        // Only the low 32 bits count.
        #[allow(clippy::cast_possible_truncation)]
        let bytes = bytes as u32;
        self.received = self.received.wrapping_add(bytes);
    }

    /// The sequence number to acknowledge now, if it is time.
    pub(super) fn due(&mut self) -> Option<u32> {
        if self.received.wrapping_sub(self.acknowledged) < self.window / 2 {
            return None;
        }
        self.acknowledged = self.received;
        Some(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_after_half_a_window() {
        let mut acknowledger = Acknowledger::new();
        acknowledger.set_window(10_000);
        acknowledger.receive(4999);
        assert_eq!(acknowledger.due(), None);
        acknowledger.receive(1);
        assert_eq!(acknowledger.due(), Some(5000));
        assert_eq!(acknowledger.due(), None);
    }

    #[test]
    fn windows_of_zero_and_one_do_not_flood() {
        for window in [0, 1] {
            let mut acknowledger = Acknowledger::new();
            acknowledger.set_window(window);
            let count = (0..MIN_ACK_WINDOW_BYTES).filter(|_| {
                acknowledger.receive(1);
                acknowledger.due().is_some()
            });
            assert_eq!(count.count(), 2);
        }
    }

    #[test]
    fn the_count_wraps() {
        let mut acknowledger = Acknowledger { window: 100_000, received: u32::MAX, acknowledged: u32::MAX };
        acknowledger.receive(50_001);
        assert_eq!(acknowledger.due(), Some(50_000));
    }
}
