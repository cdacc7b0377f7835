//! Conversions between durations, timestamps and ticks of the clock that cue points are counted in.

use std::time::Duration;

use streamer_core::{Timescale, Timestamp};

/// The scale that the tracks of a presentation are compared in.
pub(super) const CUE_SCALE: Timescale = Timescale::MPEG;

/// `at` on the clock of cue points.
pub(super) fn cue_ticks(at: Timestamp) -> i64 {
    at.rescale(CUE_SCALE).ticks()
}

/// Ticks of `scale` that `duration` lasts, rounded down.
pub(super) fn ticks_in(duration: Duration, scale: Timescale) -> i64 {
    let ticks = duration.as_nanos().saturating_mul(scale.ticks_per_second().into()) / 1_000_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// How long `ticks` of `scale` last, to the nearest nanosecond; zero for negative ones.
pub(super) fn duration_of(ticks: i64, scale: Timescale) -> Duration {
    let nanos = Timestamp::new(ticks.max(0), scale).rescale(Timescale::NANOS).ticks();
    Duration::from_nanos(nanos.unsigned_abs())
}

/// `ticks` of `from` counted in `to`, rounded to the nearest.
pub(super) fn convert(ticks: i64, from: Timescale, to: Timescale) -> i64 {
    Timestamp::new(ticks, from).rescale(to).ticks()
}

/// Milliseconds of `at`, a time on the clock of cue points.
pub(super) fn millis(at: i64) -> i64 {
    convert(at, CUE_SCALE, Timescale::MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_ticks_agree() {
        let audio = Timescale::new(48_000).unwrap();
        assert_eq!(ticks_in(Duration::from_millis(201), Timescale::MPEG), 18_090);
        assert_eq!(ticks_in(Duration::from_millis(201), audio), 9_648);
        assert_eq!(duration_of(1_024, audio), Duration::from_nanos(21_333_333));
        assert_eq!(duration_of(-1, audio), Duration::ZERO);
        assert_eq!(convert(1_024, audio, CUE_SCALE), 1_920);
        assert_eq!(cue_ticks(Timestamp::from_millis(-2)), -180);
    }
}
