//! Media in, one continuous fragmented file or stream out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::error::Fmp4Error;
use super::fragment::{Fragment, MAX_SAMPLES_PER_RUN, Sample, TrackRun, write_fragment};
use super::init::{InitTrack, init_segment};
use super::sample_entry::{carries, picture_size};
use crate::codec::{Codec, MediaKind};
use crate::frame::{Frame, Media};
use crate::mux::Muxer;
use crate::time::{Timescale, Timestamp};
use crate::track::{Track, TrackId, Tracks};

/// Longest fragment, whatever the options say: media is held until its fragment is written.
pub const MAX_FRAGMENT_DURATION: Duration = Duration::from_secs(30);
/// Payload held for a fragment before it is written early: 16 s at 16 Mbit/s.
pub const MAX_PENDING_BYTES: usize = 32 * 1024 * 1024;

/// Fragments of streams without video, where the options do not tell: every frame is a random access point there.
const AUDIO_FRAGMENT: Duration = Duration::from_secs(1);

/// How a stream is cut into fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fmp4MuxOptions {
    /// A fragment is written before a frame of the leading track that comes so long after the fragment's first.
    /// `None` writes one per GOP, or per second where there is no video. A random access point of video begins a
    /// fragment in any case. Bounded by [`MAX_FRAGMENT_DURATION`].
    pub fragment: Option<Duration>,
}

/// Turns [`Media`] into an init segment and fragments of all tracks together.
///
/// A sample's duration is known when the next frame of its track comes, so each track's last frame waits for
/// the fragment behind. Tracks that MP4 does not [carry](super::carries) are left out, as is video of unknown size.
/// New tracks that differ from the ones before begin with a new init segment.
#[derive(Debug, Default)]
pub struct Fmp4Muxer {
    options: Fmp4MuxOptions,
    tracks: Vec<PendingTrack>,
    leading: Option<TrackId>,
    sequence_number: u32,
    pending_bytes: usize,
}

#[derive(Debug)]
struct PendingTrack {
    track: Track,
    frames: Vec<Arc<Frame>>,
    /// Duration of the last sample written, in ticks.
    last_duration: Option<u32>,
}

impl Fmp4Muxer {
    /// A muxer that knows of no track yet.
    #[must_use]
    pub fn new(options: Fmp4MuxOptions) -> Self {
        Self { options, ..Self::default() }
    }

    fn set_tracks(&mut self, tracks: &Tracks, out: &mut Vec<Bytes>) -> Result<(), Fmp4Error> {
        let sized = |codec: &Codec| codec.kind() != MediaKind::Video || picture_size(codec).is_ok();
        let carried: Vec<&Track> =
            tracks.list.iter().filter(|track| carries(&track.codec) && sized(&track.codec)).collect();
        if carried.iter().copied().eq(self.tracks.iter().map(|pending| &pending.track)) {
            return Ok(());
        }
        let flushed = self.flush(true, out);
        self.leading = tracks.leading().map(|track| track.id);
        let new =
            |track: &Track| PendingTrack { track: track.clone(), frames: Vec::new(), last_duration: None };
        self.tracks = carried.into_iter().map(new).collect();
        let init: Vec<InitTrack<'_>> = self
            .tracks
            .iter()
            .zip(1..)
            .map(|(PendingTrack { track, .. }, id)| InitTrack {
                id,
                timescale: track.timescale,
                codec: &track.codec,
                start_offset: None,
                protection: None,
            })
            .collect();
        if !init.is_empty() {
            out.push(init_segment(&init)?);
        }
        flushed
    }

    fn push(&mut self, frame: &Arc<Frame>, out: &mut Vec<Bytes>) -> Result<(), Fmp4Error> {
        let Some(at) = self.tracks.iter().position(|pending| pending.track.id == frame.track) else {
            return Ok(());
        };
        if frame.dts.ticks() < 0 {
            let (structure, value) = ("tfdt", frame.dts.ticks());
            return Err(Fmp4Error::Field { structure, field: "baseMediaDecodeTime", value });
        }
        composition_offset(frame)?;
        let full = self.pending_bytes.saturating_add(frame.data.len()) > MAX_PENDING_BYTES;
        let done = if full || self.is_due(at, frame) { self.flush_before(frame, out) } else { Ok(()) };
        if let Some(pending) = self.tracks.get_mut(at) {
            self.pending_bytes += frame.data.len();
            pending.frames.push(Arc::clone(frame));
        }
        done
    }

    /// Whether a fragment ends before `frame`, of the track at index `at`.
    fn is_due(&self, at: usize, frame: &Frame) -> bool {
        let Some(pending) = self.tracks.get(at) else { return false };
        let Some(first) = pending.frames.first() else { return false };
        let held = Duration::from_millis(frame.dts.millis_since(first.dts).try_into().unwrap_or(0));
        if held >= MAX_FRAGMENT_DURATION || pending.frames.len() >= MAX_SAMPLES_PER_RUN {
            return true;
        }
        if self.leading != Some(frame.track) {
            return false;
        }
        match pending.track.codec.kind() {
            MediaKind::Video => frame.sync || self.options.fragment.is_some_and(|limit| held >= limit),
            MediaKind::Audio | MediaKind::Data => held >= self.options.fragment.unwrap_or(AUDIO_FRAGMENT),
        }
    }

    /// Writes what is held, `next` being the frame that tells the duration of its track's last one.
    fn flush_before(&mut self, next: &Arc<Frame>, out: &mut Vec<Bytes>) -> Result<(), Fmp4Error> {
        if let Some(pending) = self.tracks.iter_mut().find(|pending| pending.track.id == next.track) {
            pending.frames.push(Arc::clone(next));
        }
        let done = self.flush(false, out);
        if let Some(pending) = self.tracks.iter_mut().find(|pending| pending.track.id == next.track) {
            pending.frames.pop();
        }
        done
    }

    /// Writes what is held, each track's last frame only when it is the `end`.
    fn flush(&mut self, end: bool, out: &mut Vec<Bytes>) -> Result<(), Fmp4Error> {
        let mut runs = Vec::with_capacity(self.tracks.len());
        let mut held = 0;
        for (pending, track_id) in self.tracks.iter_mut().zip(1..) {
            if let Some(run) = pending.take(end)? {
                runs.push((track_id, run));
            }
            held += pending.frames.iter().map(|frame| frame.data.len()).sum::<usize>();
        }
        self.pending_bytes = held;
        let runs: Vec<TrackRun<'_>> = runs
            .iter()
            .map(|(track_id, (base_decode_time, samples))| TrackRun {
                track_id: *track_id,
                base_decode_time: *base_decode_time,
                samples,
                protection: None,
            })
            .collect();
        if !runs.is_empty() {
            self.sequence_number = self.sequence_number.wrapping_add(1);
            let sequence_number = self.sequence_number;
            let (reference_time, events) = (None, &[][..]);
            let segment_start = false;
            let fragment = Fragment { sequence_number, runs: &runs, reference_time, events, segment_start };
            out.push(write_fragment(&fragment)?);
        }
        Ok(())
    }
}

impl PendingTrack {
    /// The frames whose durations are known as samples, and the decode time of the first; all of them at the `end`.
    fn take(&mut self, end: bool) -> Result<Option<(u64, Vec<Sample>)>, Fmp4Error> {
        let count = if end { self.frames.len() } else { self.frames.len().saturating_sub(1) };
        let ahead = self.frames.split_off(count);
        let frames = std::mem::replace(&mut self.frames, ahead);
        let Some(first) = frames.first() else { return Ok(None) };
        let base = u64::try_from(first.dts.ticks()).unwrap_or(0);
        let mut samples = Vec::with_capacity(frames.len());
        for (at, frame) in frames.iter().enumerate() {
            let next = frames.get(at + 1).or(self.frames.first());
            let duration = match next {
                Some(next) => step(frame.dts, next.dts),
                None => self.last_duration.or_else(|| nominal_duration(&self.track)).unwrap_or(0),
            };
            self.last_duration = Some(duration);
            let composition_offset = composition_offset(frame)?;
            samples.push(Sample { duration, composition_offset, sync: frame.sync, data: frame.data.clone() });
        }
        Ok(Some((base, samples)))
    }
}

/// Ticks from one decode time to the next; none backwards.
fn step(from: Timestamp, to: Timestamp) -> u32 {
    let ticks = to.ticks().saturating_sub(from.ticks()).max(0);
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

fn composition_offset(frame: &Frame) -> Result<i32, Fmp4Error> {
    let offset = frame.pts.ticks().saturating_sub(frame.dts.ticks());
    let field = "sample_composition_time_offset";
    i32::try_from(offset).map_err(|_| Fmp4Error::Field { structure: "trun", field, value: offset })
}

/// What the configuration says of the distance of frames, in ticks of the track.
fn nominal_duration(track: &Track) -> Option<u32> {
    let (ticks, scale) = match (track.codec.frame_rate(), track.codec.frame_samples()) {
        (Some(rate), _) => (rate.denominator, rate.numerator),
        (None, Some(samples)) => (samples, track.codec.sample_rate_hz()?),
        (None, None) => return None,
    };
    let at = Timestamp::new(ticks.into(), Timescale::new(scale)?).rescale(track.timescale);
    u32::try_from(at.ticks()).ok()
}

impl Muxer for Fmp4Muxer {
    type Error = Fmp4Error;

    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), Fmp4Error> {
        match media {
            Media::Tracks(tracks) => self.set_tracks(tracks, out),
            Media::Frame(frame) => self.push(frame, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), Fmp4Error> {
        self.flush(true, out)
    }
}

#[cfg(test)]
mod tests;
