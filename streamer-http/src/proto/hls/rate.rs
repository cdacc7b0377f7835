//! Measured bit rates of a window: what `BANDWIDTH` and `AVERAGE-BANDWIDTH` promise.

use std::time::Duration;

use super::segment::{Segment, SegmentBody};
use super::window::Window;

/// Least headroom on the measured peak, as a fraction of it: encoders that keep a constant rate still vary by
/// this much from one segment to the next.
const LEAST_HEADROOM: (u64, u64) = (1, 4);

/// Bit rates of a rendition, in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// What no run of segments is expected to exceed: the measured peak and headroom. The fewer segments were
    /// measured the more: a half of the peak after one, a third after two, then a quarter.
    pub peak_bps: u64,
    /// The average of what is held.
    pub average_bps: u64,
}

impl Rates {
    /// Measures `window`. The peak is that of RFC 8216, 4.1: the largest rate of any run of segments that lasts
    /// between a half and one and a half target durations.
    #[must_use]
    pub fn of(window: &Window) -> Self {
        let target_duration = Duration::from_secs(window.target_duration_s.unwrap_or_default().into());
        let measured: Vec<&Segment> = window
            .segments
            .iter()
            .map(|segment| &**segment)
            .filter(|segment| segment.body != SegmentBody::Missing && !segment.duration.is_zero())
            .collect();
        let average_bps = rate(
            measured.iter().map(|segment| segment.len_bytes).sum(),
            measured.iter().map(|segment| segment.duration).sum(),
        );
        let mut peak_bps = average_bps;
        for first in 0..measured.len() {
            let (mut bytes, mut duration) = (0, Duration::ZERO);
            for segment in measured.iter().skip(first) {
                bytes += segment.len_bytes;
                duration += segment.duration;
                if 2 * duration > 3 * target_duration {
                    break;
                }
                if 2 * duration >= target_duration {
                    peak_bps = peak_bps.max(rate(bytes, duration));
                }
            }
        }
        let (part, whole) = LEAST_HEADROOM;
        let headroom = (peak_bps * part / whole).max(peak_bps / (measured.len() as u64 + 1));
        Self { peak_bps: peak_bps + headroom, average_bps }
    }

    /// Of this and another that are played together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            peak_bps: self.peak_bps.saturating_add(other.peak_bps),
            average_bps: self.average_bps.saturating_add(other.average_bps),
        }
    }
}

/// Bits per second, rounded up.
fn rate(bytes: u64, duration: Duration) -> u64 {
    let bits = u128::from(bytes) * 8 * 1_000_000;
    let micros = duration.as_micros().max(1);
    u64::try_from(bits.div_ceil(micros)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{change, window};
    use super::*;

    #[test]
    fn the_fewer_segments_the_more_headroom() {
        let rates = |count| Rates::of(&window(&vec![2_000; count]));
        assert_eq!(rates(0), Rates::default());
        assert_eq!(rates(1), Rates { peak_bps: 1_500_000, average_bps: 1_000_000 });
        assert_eq!(rates(2).peak_bps, 1_333_333);
        assert_eq!(rates(9).peak_bps, 1_250_000);
    }

    #[test]
    fn a_peak_is_that_of_a_run_near_the_target_duration() {
        let mut window = window(&[2_000, 2_000, 2_000, 100, 2_000]);
        change(&mut window, 1, |segment| segment.len_bytes = 500_000);
        assert_eq!(Rates::of(&window).peak_bps, 2_500_000);
        // A tenth of a second is no run by itself; with its neighbour it is.
        change(&mut window, 3, |segment| segment.len_bytes = 290_000);
        let expected = rate(290_000 + 250_000, Duration::from_millis(2_100));
        assert_eq!(Rates::of(&window).peak_bps, expected * 5 / 4);
    }

    #[test]
    fn what_is_missing_is_not_measured() {
        let mut window = window(&[2_000; 4]);
        change(&mut window, 2, |segment| (segment.len_bytes, segment.body) = (0, SegmentBody::Missing));
        assert_eq!(Rates::of(&window).average_bps, 1_000_000);
    }
}
