//! How long the next frame of a track will last: what lets a part leave with its last frame and not one later.

use std::collections::VecDeque;
use std::time::Duration;

use streamer_core::codec::opus;
use streamer_core::{Codec, MediaKind, Timescale, Timestamp};

use super::ticks::ticks_in;

/// Distances between frames that the estimate is made of: half a second at 30 frames per second.
const SAMPLES: usize = 16;
/// Distances that outweigh what the codec's configuration states, which is often wrong.
const ENOUGH: usize = 4;
/// Parts in a hundred that the configuration may differ from what is seen and still be taken: it is exact,
/// and stamps of whole milliseconds are not.
const STATED_TOLERANCE_PERCENT: i64 = 5;
/// Longest distance that says something of the rate.
const MAX_INTERVAL: Duration = Duration::from_secs(2);
/// Of a track of which nothing is known: 25 frames per second.
const UNKNOWN_MS: i64 = 40;

/// The frame interval of one track, in ticks of its timescale.
#[derive(Debug)]
pub(super) struct FrameInterval {
    scale: Timescale,
    stated: Option<i64>,
    distances: VecDeque<i64>,
    last: Option<i64>,
    estimate: i64,
}

impl FrameInterval {
    pub(super) fn new(codec: &Codec, scale: Timescale) -> Self {
        let stated = stated_interval(codec, scale);
        let unknown = Timestamp::from_millis(UNKNOWN_MS).rescale(scale).ticks();
        let estimate = stated.unwrap_or(unknown).max(1);
        Self { scale, stated, distances: VecDeque::with_capacity(SAMPLES), last: None, estimate }
    }

    /// A frame is decoded at `at`.
    pub(super) fn observe(&mut self, at: i64) {
        let distance = self.last.map(|last| at.saturating_sub(last));
        self.last = Some(at);
        // A pause of seconds says nothing of the rate; nor do frames whose stamps were flattened.
        let sane = 1..=ticks_in(MAX_INTERVAL, self.scale);
        if let Some(distance) = distance.filter(|distance| sane.contains(distance)) {
            if self.distances.len() == SAMPLES {
                self.distances.pop_front();
            }
            self.distances.push_back(distance);
            self.estimate = self.made_of_distances();
        }
    }

    /// The timeline begins anew: the next frame has no distance to the last one.
    pub(super) const fn restart(&mut self) {
        self.last = None;
    }

    /// Ticks from a frame to the next, at least 1.
    pub(super) const fn ticks(&self) -> i64 {
        self.estimate
    }

    /// Distances seen.
    pub(super) fn seen(&self) -> usize {
        self.distances.len()
    }

    fn made_of_distances(&self) -> i64 {
        let mut sorted: Vec<i64> = self.distances.iter().copied().collect();
        sorted.sort_unstable();
        let Some(&median) = sorted.get(sorted.len() / 2) else { return self.estimate };
        // The mean of what lies about the median: finer than the stamps, and blind to lost frames.
        let (sum, count) = sorted
            .iter()
            .filter(|&&distance| 2 * distance > median && 2 * distance < 3 * median)
            .fold((0, 0), |(sum, count), distance| (sum + distance, count + 1));
        let mean = if count == 0 { median } else { (sum + count / 2) / count };
        match self.stated {
            Some(stated)
                if sorted.len() < ENOUGH
                    || (stated - mean).saturating_mul(100).abs() <= stated * STATED_TOLERANCE_PERCENT =>
            {
                stated
            }
            _ => mean,
        }
        .max(1)
    }
}

/// The interval that a codec's configuration states.
fn stated_interval(codec: &Codec, scale: Timescale) -> Option<i64> {
    if codec.kind() == MediaKind::Audio {
        let rate = Timescale::new(codec.sample_rate_hz()?)?;
        return Some(Timestamp::new(codec.frame_samples()?.into(), rate).rescale(scale).ticks())
            .filter(|&ticks| ticks > 0);
    }
    let rate = codec.frame_rate()?;
    let ticks = i64::from(scale.ticks_per_second()) * i64::from(rate.denominator);
    let numerator = i64::from(rate.numerator);
    // Below a picture in two seconds and above a thousand a second it is a mistake.
    let sane =
        numerator <= 1_000 * i64::from(rate.denominator) && 2 * numerator >= i64::from(rate.denominator);
    sane.then(|| (ticks + numerator / 2) / numerator).filter(|&ticks| ticks > 0)
}

/// Samples that the audio frame `data` decodes to, where it or the configuration tells.
pub(super) fn audio_samples(codec: &Codec, data: &[u8]) -> Option<u32> {
    match codec {
        Codec::Opus(_) => opus::packet_samples(data),
        Codec::G711(config) => u32::try_from(data.len()).ok()?.checked_div(config.channels.into()),
        _ => codec.frame_samples(),
    }
    .filter(|&samples| samples > 0)
}

#[cfg(test)]
mod tests {
    use streamer_core::codec::{AacConfig, DataFormat};

    use super::*;

    fn interval_of(stamps_ms: impl IntoIterator<Item = i64>) -> i64 {
        let mut interval = FrameInterval::new(&Codec::Data(DataFormat::Amf0), Timescale::MPEG);
        for ms in stamps_ms {
            interval.observe(ms * 90);
        }
        interval.ticks()
    }

    #[test]
    fn whole_milliseconds_are_averaged() {
        let estimate = interval_of((0..17).map(|frame| (frame * 1001 + 15) / 30));
        assert!((estimate - 3003).abs() <= 6, "{estimate}");
    }

    #[test]
    fn lost_frames_pauses_and_equal_stamps_do_not_count() {
        assert_eq!(interval_of([0, 40, 80, 80, 120, 240, 280, 5_000, 5_040]), 3_600);
        assert_eq!(interval_of([]), 3_600);
        assert_eq!(interval_of([0, 500, 1_000]), 45_000);
    }

    #[test]
    fn what_is_stated_holds_until_the_frames_say_otherwise() {
        let scale = Timescale::new(48_000).unwrap();
        let aac = Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap());
        let mut interval = FrameInterval::new(&aac, scale);
        assert_eq!(interval.ticks(), 1_024);
        for ms in [0, 21, 43, 64, 85, 107] {
            interval.observe(ms * 48);
        }
        assert_eq!(interval.ticks(), 1_024, "exact");
        for ms in 10..26 {
            interval.observe(ms * 50 * 48);
        }
        assert_eq!(interval.ticks(), 2_400);
        assert_eq!(audio_samples(&aac, &[0]), Some(1_024));
    }
}
