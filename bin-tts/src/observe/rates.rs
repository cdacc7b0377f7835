//! Rates of streams and tasks, from their counters at moments a second apart.

use std::collections::VecDeque;
use std::time::Instant;

use streamer_core::hub::IngestStats;

/// Samples in a window: rates are means over five seconds, which evens out the bursts of a GOP.
const WINDOW_SAMPLES: usize = 6;

/// What a stream brings in per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Payload bits per second.
    pub bitrate_bps: u64,
    /// Payload bits per second of video tracks.
    pub video_bitrate_bps: u64,
    /// Payload bits per second of audio tracks.
    pub audio_bitrate_bps: u64,
    /// Pictures per second, all video tracks together.
    pub fps: f64,
}

/// The counters of a stream that have rates.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamSample {
    bytes: u64,
    video_bytes: u64,
    audio_bytes: u64,
    video_frames: u64,
}

impl StreamSample {
    pub(super) fn of(stats: &IngestStats) -> Self {
        Self {
            bytes: stats.bytes.get(),
            video_bytes: stats.video_bytes.get(),
            audio_bytes: stats.audio_bytes.get(),
            video_frames: stats.video_frames.get(),
        }
    }
}

/// The newest samples of one stream ([`StreamSample`]) or one task (its bytes).
#[derive(Debug)]
pub(super) struct Window<S>(VecDeque<(Instant, S)>);

impl<S> Default for Window<S> {
    fn default() -> Self {
        Self(VecDeque::with_capacity(WINDOW_SAMPLES))
    }
}

impl<S> Window<S> {
    pub(super) fn push(&mut self, at: Instant, sample: S) {
        if self.0.len() == WINDOW_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((at, sample));
    }

    /// The oldest sample, the newest one and the seconds between them; `None` until there are two moments.
    fn span(&self) -> Option<(&S, &S, f64)> {
        let ((first_at, first), (last_at, last)) = (self.0.front()?, self.0.back()?);
        let seconds = last_at.duration_since(*first_at).as_secs_f64();
        (seconds > 0.0).then_some((first, last, seconds))
    }
}

impl Window<u64> {
    /// Mean bits per second over the window; zero until there are two samples.
    pub(super) fn bitrate_bps(&self) -> u64 {
        self.span().map_or(0, |(&first, &last, seconds)| bits_per_second(first, last, seconds))
    }
}

fn bits_per_second(first_bytes: u64, last_bytes: u64, seconds: f64) -> u64 {
    (last_bytes.saturating_sub(first_bytes) as f64 * 8.0 / seconds).round() as u64
}

impl Window<StreamSample> {
    /// Means over the window; zero until there are two samples.
    pub(super) fn rates(&self) -> Rates {
        let Some((first, last, seconds)) = self.span() else { return Rates::default() };
        Rates {
            bitrate_bps: bits_per_second(first.bytes, last.bytes, seconds),
            video_bitrate_bps: bits_per_second(first.video_bytes, last.video_bytes, seconds),
            audio_bitrate_bps: bits_per_second(first.audio_bytes, last.audio_bytes, seconds),
            fps: last.video_frames.saturating_sub(first.video_frames) as f64 / seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates_are_means_over_the_window() {
        let start = Instant::now();
        let mut window = Window::default();
        assert_eq!(window.rates(), Rates::default());
        for second in 0..10u64 {
            // Nothing at first, then 1 000 bytes (100 of them audio) and 25 pictures a second.
            let flowing = second.saturating_sub(4);
            let sample = StreamSample {
                bytes: flowing * 1_000,
                video_bytes: flowing * 900,
                audio_bytes: flowing * 100,
                video_frames: flowing * 25,
            };
            window.push(start + Duration::from_secs(second), sample);
        }
        let rates = Rates { bitrate_bps: 8_000, video_bitrate_bps: 7_200, audio_bitrate_bps: 800, fps: 25.0 };
        assert_eq!(window.rates(), rates);
    }
}
