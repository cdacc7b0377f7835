//! From 32-bit timestamps that wrap to 64-bit ones that do not.

/// Unwraps the 32-bit millisecond timestamps of one connection (RTMP 1.0 section 5.3.1.2.1 lets them wrap after
/// 49 days): of all 64-bit values with the right low 32 bits, the one nearest to the last timestamp is meant.
///
/// One unwrapper serves the whole connection, so that audio and video wrap together.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimestampUnwrapper {
    last: Option<i64>,
}

impl TimestampUnwrapper {
    /// Unwraps `timestamp` and takes it as the new reference.
    pub fn advance(&mut self, timestamp: u32) -> i64 {
        let unwrapped = self.peek(timestamp);
        self.last = Some(unwrapped);
        unwrapped
    }

    /// Unwraps `timestamp` and leaves the reference alone: for messages whose timestamp says nothing about the media,
    /// such as commands, which are commonly sent at zero.
    pub fn peek(&self, timestamp: u32) -> i64 {
        let Some(last) = self.last else { return i64::from(timestamp) };
        // The low 32 bits are what is compared; the difference, read as signed, is the shortest way round.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let difference = timestamp.wrapping_sub(last as u32).cast_signed();
        last.saturating_add(i64::from(difference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wraps_forward_and_back() {
        let mut unwrap = TimestampUnwrapper::default();
        assert_eq!(unwrap.advance(0xffff_fff0), 0xffff_fff0);
        assert_eq!(unwrap.advance(0x10), 0x1_0000_0010);
        assert_eq!(unwrap.advance(0xffff_fff8), 0xffff_fff8);
        assert_eq!(unwrap.advance(0x20), 0x1_0000_0020);
    }

    #[test]
    fn a_command_at_zero_does_not_move_the_reference() {
        let mut unwrap = TimestampUnwrapper::default();
        assert_eq!(unwrap.peek(0), 0);
        assert_eq!(unwrap.advance(3_000_000_000), 3_000_000_000);
        let _ = unwrap.peek(0);
        assert_eq!(unwrap.advance(3_000_000_033), 3_000_000_033);
    }

    proptest! {
        #[test]
        fn steps_of_less_than_half_the_range_are_followed(start: u32, steps in proptest::collection::vec(-0x7fff_ffffi32..=0x7fff_ffff, 0..40)) {
            let mut unwrap = TimestampUnwrapper::default();
            let mut expected = i64::from(start);
            prop_assert_eq!(unwrap.advance(start), expected);
            for step in steps {
                expected += i64::from(step);
                prop_assert_eq!(unwrap.advance(expected as u32), expected);
            }
        }
    }
}
