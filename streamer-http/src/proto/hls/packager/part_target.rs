//! The choice of `PART-TARGET`: whole frames of every track must fill it to 85 % at least.

use std::time::Duration;

/// Parts in a hundred of `PART-TARGET` that a part which is neither independent nor the last of its segment
/// fills at least (second edition, 4.4.4.9).
pub(super) const MIN_PART_PERCENT: i64 = 85;
/// What is aimed at: room for stamps that jitter.
const WANTED_PERCENT: u128 = 88;

/// `PART-TARGET` near `wanted` for frames of the leading track that last `leading`, and frames of other tracks
/// that last `others`. Whole milliseconds; one more where stamps are `coarse` and a part may be longer by one.
pub(super) fn choose(wanted: Duration, leading: Duration, others: &[Duration], coarse: bool) -> Duration {
    let frame = leading.as_nanos().max(1);
    let first = ((wanted.as_nanos() + frame / 2) / frame).max(1);
    let candidate = |count: u128| (count * frame).div_ceil(1_000_000) + u128::from(coarse);
    let all_fill = |count: &u128| {
        let target = candidate(*count) * 1_000_000;
        let fills = |frame: u128| target / frame * frame * 100 >= target * WANTED_PERCENT;
        others.iter().all(|other| fills(other.as_nanos().max(1)))
    };
    let millis = (first..=3 * first).find(all_fill).map_or_else(|| candidate(first), candidate);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(leading_us: u64, others_us: &[u64], coarse: bool) -> u128 {
        let others: Vec<_> = others_us.iter().map(|&us| Duration::from_micros(us)).collect();
        choose(Duration::from_millis(200), Duration::from_micros(leading_us), &others, coarse).as_millis()
    }

    #[test]
    fn whole_frames_of_the_leading_track() {
        assert_eq!(millis(40_000, &[], false), 200);
        assert_eq!(millis(40_000, &[], true), 201);
        assert_eq!(millis(41_708, &[21_333], true), 210, "24 per second");
        assert_eq!(millis(33_367, &[21_333], true), 202);
        assert_eq!(millis(1_000_000, &[], true), 1_001, "one-frame parts");
        assert_eq!(millis(1, &[], false), 200);
    }

    #[test]
    fn other_tracks_must_fill_it_too() {
        // One frame of AAC at 8 kHz fills 64 % of 201 ms; two fill 91 % of 281 ms.
        assert_eq!(millis(40_000, &[128_000], true), 281);
    }
}
