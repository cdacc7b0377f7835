//! Rates of a stream, from its counters at moments a second apart.

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

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    bytes: u64,
    video_bytes: u64,
    audio_bytes: u64,
    video_frames: u64,
}

/// The newest samples of one stream.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Sample>);

impl Window {
    pub(super) fn sample(&mut self, at: Instant, stats: &IngestStats) {
        self.push(Sample {
            at,
            bytes: stats.bytes.get(),
            video_bytes: stats.video_bytes.get(),
            audio_bytes: stats.audio_bytes.get(),
            video_frames: stats.video_frames.get(),
        });
    }

    fn push(&mut self, sample: Sample) {
        if self.0.len() == WINDOW_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// Means over the window; zero until there are two samples.
    pub(super) fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Rates::default() };
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let bits = |first: u64, last: u64| (last.saturating_sub(first) as f64 * 8.0 / seconds).round() as u64;
        Rates {
            bitrate_bps: bits(first.bytes, last.bytes),
            video_bitrate_bps: bits(first.video_bytes, last.video_bytes),
            audio_bitrate_bps: bits(first.audio_bytes, last.audio_bytes),
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
            window.push(Sample {
                at: start + Duration::from_secs(second),
                bytes: flowing * 1_000,
                video_bytes: flowing * 900,
                audio_bytes: flowing * 100,
                video_frames: flowing * 25,
            });
        }
        let rates = Rates { bitrate_bps: 8_000, video_bitrate_bps: 7_200, audio_bitrate_bps: 800, fps: 25.0 };
        assert_eq!(window.rates(), rates);
    }
}
