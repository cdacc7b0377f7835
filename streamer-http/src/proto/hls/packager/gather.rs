//! The first frames of a run, held back until it is known how long frames last: `PART-TARGET` is constant.

use std::sync::Arc;
use std::time::Duration;

use streamer_core::{Codec, Frame, Timescale, Track};

use super::options::PackagerOptions;
use super::part_target;
use super::rate::{FrameInterval, audio_samples};
use super::ticks::{CUE_SCALE, cue_ticks, duration_of, ticks_in};

/// Distances of frames of the leading track that are enough.
const ENOUGH_DISTANCES: usize = 8;
/// Media after which one distance is enough, and after which none is waited for.
const ENOUGH_MEDIA: Duration = Duration::from_millis(500);
const MAX_MEDIA: Duration = Duration::from_secs(2);
/// Frames gathered: two seconds of 120 pictures and 100 audio frames a second.
pub const MAX_GATHERED_FRAMES: usize = 512;
/// Bytes gathered: one frame of the largest size.
pub const MAX_GATHERED_BYTES: usize = 16 << 20;

/// The frames held back.
#[derive(Debug, Default)]
pub(super) struct Gather {
    frames: Vec<Arc<Frame>>,
    bytes: usize,
}

impl Gather {
    pub(super) fn push(&mut self, frame: Arc<Frame>) {
        self.bytes += frame.data.len();
        self.frames.push(frame);
    }

    /// `PART-TARGET` as what was gathered has it, once that is enough or `enough` in any case.
    pub(super) fn part_target(
        &self,
        tracks: &[Track],
        leading: &Track,
        options: &PackagerOptions,
        enough: bool,
    ) -> Option<Duration> {
        let wanted = options.part_target?;
        let mut interval = FrameInterval::new(&leading.codec, CUE_SCALE);
        for frame in self.frames.iter().filter(|frame| frame.track == leading.id) {
            interval.observe(cue_ticks(frame.dts));
        }
        let ends = || self.frames.iter().map(|frame| cue_ticks(frame.dts));
        let media = ends().max()?.saturating_sub(ends().min()?);
        let is_enough = enough
            || interval.seen() >= ENOUGH_DISTANCES
            || interval.seen() > 0 && media >= ticks_in(ENOUGH_MEDIA, CUE_SCALE)
            || media >= ticks_in(MAX_MEDIA, CUE_SCALE)
            || self.frames.len() >= MAX_GATHERED_FRAMES
            || self.bytes >= MAX_GATHERED_BYTES;
        is_enough.then(|| {
            let frame = self.audio_frame(leading).unwrap_or_else(|| duration_of(interval.ticks(), CUE_SCALE));
            let others: Vec<_> = tracks
                .iter()
                .filter(|track| track.id != leading.id)
                .filter_map(|track| self.audio_frame(track))
                .collect();
            let coarse = leading.timescale.ticks_per_second() <= Timescale::MILLIS.ticks_per_second();
            part_target::choose(wanted, frame, &others, coarse)
        })
    }

    /// What was gathered, in order.
    pub(super) fn into_frames(self) -> Vec<Arc<Frame>> {
        self.frames
    }

    /// How long a frame of an audio track lasts.
    fn audio_frame(&self, track: &Track) -> Option<Duration> {
        let first = self.frames.iter().find(|frame| frame.track == track.id);
        let samples = audio_samples(&track.codec, first.map_or(&[][..], |frame| &frame.data))?;
        samples_last(&track.codec, samples)
    }
}

fn samples_last(codec: &Codec, samples: u32) -> Option<Duration> {
    Some(duration_of(samples.into(), Timescale::new(codec.sample_rate_hz()?)?))
}

#[cfg(test)]
mod tests {
    use streamer_core::codec::AacConfig;
    use streamer_core::{Timestamp, TrackId};

    use super::*;

    fn track() -> Track {
        let codec = Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap());
        Track { id: TrackId::audio(0), timescale: Timescale::MILLIS, codec }
    }

    /// Whether frames at these milliseconds, of so many bytes, are enough.
    fn is_enough(stamps: impl IntoIterator<Item = i64>, len: usize) -> bool {
        let mut gather = Gather::default();
        for ms in stamps {
            let at = Timestamp::from_millis(ms);
            let frame =
                Frame { track: TrackId::audio(0), dts: at, pts: at, sync: true, data: vec![0; len].into() };
            gather.push(Arc::new(frame));
        }
        let options = PackagerOptions::default();
        gather.part_target(&[track()], &track(), &options, false).is_some()
    }

    #[test]
    fn a_few_frames_or_some_media_are_enough() {
        assert!(!is_enough((0..8).map(|frame| frame * 21), 1));
        assert!(is_enough((0..9).map(|frame| frame * 21), 1));
        assert!(!is_enough([0, 499], 1) && is_enough([0, 500], 1));
    }

    #[test]
    fn what_is_gathered_is_bounded() {
        assert!(!is_enough((0..MAX_GATHERED_FRAMES as i64 - 1).map(|_| 0), 1));
        assert!(is_enough((0..MAX_GATHERED_FRAMES as i64).map(|_| 0), 1));
        assert!(!is_enough([0], MAX_GATHERED_BYTES - 1) && is_enough([0], MAX_GATHERED_BYTES));
    }
}
