//! Instants of a media timeline: a number of ticks that never travels without its timescale.

use std::num::NonZeroU32;

/// Ticks per second of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 1 000 ticks per second: RTMP and FLV.
    pub const MILLIS: Self = Self::const_new(1_000);
    /// 90 000 ticks per second: MPEG-2 systems (ISO/IEC 13818-1) and RTP video.
    pub const MPEG: Self = Self::const_new(90_000);
    /// 1 000 000 000 ticks per second: the nanosecond offset of enhanced RTMP.
    pub const NANOS: Self = Self::const_new(1_000_000_000);

    const fn const_new(ticks_per_second: u32) -> Self {
        match NonZeroU32::new(ticks_per_second) {
            Some(value) => Self(value),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// A timescale of `ticks_per_second`, or `None` for zero.
    #[must_use]
    pub fn new(ticks_per_second: u32) -> Option<Self> {
        NonZeroU32::new(ticks_per_second).map(Self)
    }

    /// Ticks per second.
    #[must_use]
    pub const fn ticks_per_second(self) -> u32 {
        self.0.get()
    }
}

/// An instant of a media timeline.
///
/// There is no `+`, no `-` and no order: two instants may be of different scales. Use
/// [`rescale`](Self::rescale), [`offset_by`](Self::offset_by) and [`millis_since`](Self::millis_since).
/// `==` compares the representation, so one second at 1 000 and at 90 000 ticks are different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    ticks: i64,
    scale: Timescale,
}

impl Timestamp {
    /// `ticks` counted in `scale`.
    #[must_use]
    pub const fn new(ticks: i64, scale: Timescale) -> Self {
        Self { ticks, scale }
    }

    /// `millis` milliseconds in [`Timescale::MILLIS`].
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self::new(millis, Timescale::MILLIS)
    }

    /// The number of ticks.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// The scale the ticks are counted in.
    #[must_use]
    pub const fn scale(self) -> Timescale {
        self.scale
    }

    /// The same instant in another scale, rounded to the nearest tick (halves away from zero) and
    /// saturated at the ends of `i64`.
    #[must_use]
    pub fn rescale(self, to: Timescale) -> Self {
        if to == self.scale {
            return self;
        }
        let from_hz = i128::from(self.scale.ticks_per_second());
        let scaled = i128::from(self.ticks) * i128::from(to.ticks_per_second());
        let half = from_hz / 2;
        let rounded = if scaled >= 0 { (scaled + half) / from_hz } else { (scaled - half) / from_hz };
        Self::new(saturate(rounded), to)
    }

    /// Whole milliseconds, rounded to the nearest.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.rescale(Timescale::MILLIS).ticks
    }

    /// The instant `ticks` later, counted in this instant's own scale (saturating).
    #[must_use]
    pub const fn offset_by(self, ticks: i64) -> Self {
        Self::new(self.ticks.saturating_add(ticks), self.scale)
    }

    /// Milliseconds from `earlier` to `self`; negative when `self` lies before it.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.as_millis().saturating_sub(earlier.as_millis())
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_to_nearest_both_sides_of_zero() {
        let third = Timescale::new(3).unwrap();
        assert_eq!(Timestamp::new(2, third).as_millis(), 667);
        assert_eq!(Timestamp::new(-2, third).as_millis(), -667);
        assert_eq!(Timestamp::from_millis(1).rescale(Timescale::MPEG).ticks(), 90);
    }

    #[test]
    fn saturates_instead_of_wrapping() {
        let far = Timestamp::from_millis(i64::MAX).rescale(Timescale::MPEG);
        assert_eq!(far.ticks(), i64::MAX);
        assert_eq!(Timestamp::from_millis(i64::MIN).rescale(Timescale::MPEG).ticks(), i64::MIN);
    }

    proptest! {
        #[test]
        fn millis_survive_a_trip_through_a_finer_scale(ms in -1_000_000_000_000i64..1_000_000_000_000) {
            let there = Timestamp::from_millis(ms).rescale(Timescale::MPEG);
            prop_assert_eq!(there.as_millis(), ms);
        }
    }
}
