//! The packager: media in, segments and parts out, without clock or I/O.
//!
//! | what | where |
//! |---|---|
//! | where segments begin, in all renditions alike | [`schedule`] |
//! | how long frames and parts last | `rate`, `part_target`, `gather` |
//! | frames of tracks that are ahead of the leading one | [`hold`] |
//! | one fMP4 rendition of one track | [`track`] |
//! | the transport stream of all tracks | `ts` |
//! | which key a segment has | [`keys`] |
//! | wall-clock time | [`clock`] |
//! | messages beside the media | [`events`] |
//! | what leaves the window, and when | [`retention`] |

pub mod clock;
pub mod events;
mod form;
pub mod gather;
pub mod hold;
pub mod keys;
pub mod options;
mod part_target;
mod rate;
pub mod retention;
pub mod schedule;
mod ticks;
pub mod track;
mod ts;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use streamer_core::{Frame, Media, MediaKind, Timestamp, Track, Tracks};

use self::clock::WallClock;
use self::events::SpliceLog;
use self::form::{Form, Shared, event_scheme};
use self::gather::Gather;
use self::hold::Hold;
use self::keys::KeyRing;
use self::schedule::{Cut, MAX_LEAP, MAX_SEGMENT_BYTES, MAX_SEGMENT_FRAMES, Schedule};
use self::ticks::{CUE_SCALE, ticks_in};
use super::name::{Container, RenditionId, RunId};
use super::presentation::Presentation;

pub use keys::KeySource;
pub use options::PackagerOptions;
pub use retention::{Evicted, evict};

/// How far a track may be behind the others before its segments are completed without it: tracks that arrive so
/// much apart cannot be played in low latency, and whoever waits for its playlist is answered.
pub const MAX_TRACK_LAG: Duration = Duration::from_secs(2);

/// What a call has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// Renditions whose playlist is another one now.
    pub renditions: Vec<RenditionId>,
    /// Segments that left their window, oldest first.
    pub evicted: Vec<Evicted>,
}

impl Changed {
    /// Whether nothing has changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.renditions.is_empty() && self.evicted.is_empty()
    }
}

/// Cuts one broadcast into the segments of one container.
///
/// All renditions share media sequence numbers, discontinuities and the instants at which segments begin. The
/// leading track ([`Tracks::leading`] of those that the container carries) decides: a segment begins at its first
/// sync frame after the target duration, or at any frame when none comes in time.
///
/// One packager makes one run. [`Presentation`] is the caller's, so that readers can share it; each call must be
/// given the same one.
pub struct Packager {
    options: PackagerOptions,
    shared: Shared,
    schedule: Schedule,
    form: Form,
    hold: Hold,
    gather: Option<Gather>,
    /// Tracks that are carried, and those of messages beside the media.
    tracks: Vec<Track>,
    data: Vec<Track>,
    splices: SpliceLog,
    messages: u32,
    /// Media time up to which there are media in any track, on the clock of cue points.
    newest: Option<i64>,
    is_begun: bool,
}

impl Packager {
    /// A packager that starts at `started_unix_ms`, when the newest frame of the broadcast was decoded at
    /// `newest_dts`, if there was one: frames from before then come in a burst and say nothing of the clock.
    ///
    /// The run is named after its start, and media sequence numbers begin with its Unix second: they grow over
    /// restarts, so that a player that goes on polling never sees them fall.
    #[must_use]
    pub fn new(
        container: Container,
        options: PackagerOptions,
        started_unix_ms: i64,
        newest_dts: Option<Timestamp>,
    ) -> Self {
        let started_ms = started_unix_ms.max(1_000).unsigned_abs();
        let clock = WallClock::new(started_unix_ms, newest_dts.map(Timestamp::as_millis));
        let has_parts = options.makes_parts(container);
        let encryption = options.encryption_of(container);
        let mut schedule = Schedule::new(&options, started_ms / 1_000, clock);
        if let Some(encryption) = encryption {
            schedule.encrypt(KeyRing::new(encryption));
        }
        Self {
            shared: Shared {
                run: RunId(started_ms),
                part_target: None,
                shortest: options.target_duration,
                origin_s: 0,
            },
            schedule,
            form: Form::new(container, encryption),
            hold: Hold::default(),
            gather: has_parts.then(Gather::default),
            tracks: Vec::new(),
            data: Vec::new(),
            splices: SpliceLog::default(),
            messages: 0,
            newest: None,
            is_begun: false,
            options,
        }
    }

    /// The same, with keys of `source` where the options ask for encryption.
    #[must_use]
    pub fn with_keys(mut self, source: KeySource) -> Self {
        self.schedule.set_key_source(source);
        self
    }

    /// Takes the next medium, which arrived at `now_unix_ms`.
    pub fn push(&mut self, media: &Media, now_unix_ms: i64, presentation: &mut Presentation) -> Changed {
        self.observed(presentation, |packager, presentation| match media {
            Media::Tracks(tracks) => packager.set_tracks(tracks, now_unix_ms, presentation),
            Media::Frame(frame) => packager.take(frame, now_unix_ms, presentation),
        })
    }

    /// Frames were missed: what is open is completed, and what follows is a discontinuity.
    pub fn lost(&mut self, now_unix_ms: i64, presentation: &mut Presentation) -> Changed {
        self.interrupted(now_unix_ms, presentation)
    }

    /// The publisher is away: what is open is completed, so that viewers get all that there is, and what
    /// follows is a discontinuity.
    pub fn interrupted(&mut self, now_unix_ms: i64, presentation: &mut Presentation) -> Changed {
        self.observed(presentation, |packager, presentation| packager.restart(now_unix_ms, presentation))
    }

    /// The stream is over: what is open is completed, and the windows end.
    pub fn end(&mut self, now_unix_ms: i64, presentation: &mut Presentation) -> Changed {
        self.observed(presentation, |packager, presentation| {
            packager.restart(now_unix_ms, presentation);
            for rendition in &mut presentation.renditions {
                rendition.window.ended = true;
            }
        })
    }

    /// Does `work` and tells what it changed.
    fn observed(
        &mut self,
        presentation: &mut Presentation,
        work: impl FnOnce(&mut Self, &mut Presentation),
    ) -> Changed {
        let before: Vec<_> = presentation.renditions.iter().map(state).collect();
        work(self, presentation);
        let mut changed = Changed::default();
        let mut completed = false;
        for rendition in &mut presentation.renditions {
            let was = before.iter().find(|was| was.id == rendition.id);
            let now = state(rendition);
            if was != Some(&now) {
                completed |= was.is_none_or(|was| was.next_msn != now.next_msn);
                changed.renditions.push(rendition.id);
            }
        }
        if completed {
            if let Some(target) = self.schedule.fixed_target_s() {
                for rendition in &mut presentation.renditions {
                    rendition.window.target_duration_s.get_or_insert(target);
                }
            }
            if let Some(lowest) = self.form.lowest_msn() {
                self.schedule.forget_before(lowest);
            }
            changed.evicted = evict(presentation, &self.options);
        }
        changed
    }

    fn leading(&self) -> Option<&Track> {
        let first = |kind| self.tracks.iter().find(|track| track.codec.kind() == kind);
        first(MediaKind::Video).or_else(|| first(MediaKind::Audio))
    }

    fn set_tracks(&mut self, tracks: &Tracks, now_unix_ms: i64, presentation: &mut Presentation) {
        let is_data = |track: &&Track| event_scheme(&track.codec).is_some();
        let carried = |track: &&Track| track.codec.kind() != MediaKind::Data && self.form.carries(track);
        let new: Vec<Track> = tracks.list.iter().filter(carried).cloned().collect();
        let new_data: Vec<Track> = tracks.list.iter().filter(is_data).cloned().collect();
        let in_one_file = matches!(self.form, Form::Ts(_));
        if new == self.tracks && (new_data == self.data || !in_one_file) {
            self.data = new_data;
            return;
        }
        let old_leading = self.leading().map(|track| track.id);
        let old = std::mem::replace(&mut self.tracks, new);
        self.data = new_data;
        let is_same_leading = self.leading().map(|track| track.id) == old_leading;
        let is_reconfigured =
            old.iter().any(|old| self.tracks.iter().any(|new| new.id == old.id && new != old));
        if self.is_begun {
            // Number, type and identifiers of the tracks of a file, and its encoding, change only at a
            // discontinuity (RFC 8216, 4.3.2.3).
            if in_one_file || is_reconfigured || !is_same_leading {
                let new = std::mem::replace(&mut self.tracks, old);
                self.restart(now_unix_ms, presentation);
                self.tracks = new;
            } else {
                let until = self.newest.unwrap_or(0);
                let gone = |id: RenditionId| !self.tracks.iter().any(|track| Some(track.id) == id.track());
                self.form.finish(until, &mut self.schedule, presentation, gone);
            }
        }
        let mut written = self.tracks.clone();
        if in_one_file {
            written.extend(self.data.iter().cloned());
        }
        self.form.set_tracks(&written, presentation);
    }

    fn take(&mut self, frame: &Arc<Frame>, now_unix_ms: i64, presentation: &mut Presentation) {
        if self.is_leap(frame) {
            self.restart(now_unix_ms, presentation);
        }
        self.schedule.clock().observe(now_unix_ms, frame.dts.as_millis());
        if self.data.iter().any(|track| track.id == frame.track) {
            self.message(frame, presentation);
        } else if !self.tracks.iter().any(|track| track.id == frame.track) {
            // A frame that the container cannot carry is left out.
        } else if let Some(gather) = &mut self.gather {
            gather.push(Arc::clone(frame));
            self.gathered(false, now_unix_ms, presentation);
        } else {
            self.route(frame, now_unix_ms, presentation);
        }
    }

    /// Whether the timeline leaps to `frame`, forth or back.
    fn is_leap(&self, frame: &Frame) -> bool {
        let ahead = self.newest.map_or(0, |newest| ticks::cue_ticks(frame.dts).saturating_sub(newest));
        let leap = ticks_in(MAX_LEAP, CUE_SCALE);
        let is_leading = self.leading().is_some_and(|leading| leading.id == frame.track);
        is_leading && ahead.saturating_abs() > leap
            || ahead > leap && self.tracks.iter().any(|track| track.id == frame.track)
    }

    /// Goes on with the frames gathered, if they tell enough, or in any case.
    fn gathered(&mut self, enough: bool, now_unix_ms: i64, presentation: &mut Presentation) {
        let (Some(gather), Some(leading)) = (&self.gather, self.leading()) else { return };
        let Some(target) = gather.part_target(&self.tracks, leading, &self.options, enough) else { return };
        self.shared.part_target = Some(target);
        for frame in self.gather.take().map(Gather::into_frames).unwrap_or_default() {
            if self.tracks.iter().any(|track| track.id == frame.track) {
                self.route(&frame, now_unix_ms, presentation);
            }
        }
    }

    fn route(&mut self, frame: &Arc<Frame>, now_unix_ms: i64, presentation: &mut Presentation) {
        if !self.is_begun {
            self.is_begun = true;
            self.shared.origin_s = frame.dts.as_millis().min(0).saturating_neg().saturating_add(999) / 1_000;
        }
        if self.leading().is_some_and(|leading| leading.id == frame.track) {
            if let Some(at) = self.leading_frame(frame, presentation) {
                self.hold.leading(at, now_unix_ms);
            }
        } else {
            self.hold.push(ticks::cue_ticks(frame.pts), Arc::clone(frame), now_unix_ms);
        }
        while let Some(held) = self.hold.pop(now_unix_ms) {
            self.follower_frame(&held, presentation);
        }
        self.advance_laggards(presentation);
    }

    /// A frame of the leading track: decides whether a segment begins. Tells where the track is now.
    fn leading_frame(&mut self, frame: &Arc<Frame>, presentation: &mut Presentation) -> Option<i64> {
        let (id, stamp) = self.stamped(frame, true, presentation)?;
        let at = stamp.cue_at();
        self.schedule.reach(at);
        let progress = self.form.progress(id, &stamp);
        let cut = self.schedule.decide(at, frame.sync, stamp.cue_length(), &progress);
        if cut != Cut::No {
            self.schedule.cue(at, cut == Cut::Discontinuity);
        }
        let newest = self.schedule.newest().filter(|_| cut != Cut::No);
        let msn = newest.or_else(|| self.schedule.governing(at))?.msn;
        self.form.push((id, msn), (frame, &stamp), true, &mut self.schedule, presentation);
        Some(at)
    }

    /// A frame of another track: goes into the segment whose cue it has come to.
    fn follower_frame(&mut self, frame: &Arc<Frame>, presentation: &mut Presentation) -> Option<()> {
        let (id, stamp) = self.stamped(frame, false, presentation)?;
        let at = stamp.cue_at();
        self.schedule.reach(at);
        let progress = self.form.progress(id, &stamp);
        let longest = ticks_in(self.schedule.longest_segment(), CUE_SCALE);
        let is_full = progress.used.saturating_add(stamp.cue_length()) > longest
            || progress.bytes >= MAX_SEGMENT_BYTES
            || progress.frames >= MAX_SEGMENT_FRAMES;
        let newest = self.schedule.newest()?.msn;
        let msn = if is_full && progress.msn == Some(newest) {
            self.schedule.cue(at, false);
            self.schedule.newest()?.msn
        } else if is_full {
            newest
        } else {
            self.schedule.governing(at)?.msn
        };
        self.form.push((id, msn), (frame, &stamp), false, &mut self.schedule, presentation);
        Some(())
    }

    fn stamped(
        &mut self,
        frame: &Frame,
        leading: bool,
        presentation: &mut Presentation,
    ) -> Option<(RenditionId, form::Stamp)> {
        let track = self.tracks.iter().find(|track| track.id == frame.track)?;
        let id = self.form.open(track, leading, &self.tracks, &self.shared, presentation)?;
        let stamp = self.form.stamp(id, frame, self.schedule.longest_segment(), presentation)?;
        let end = stamp.cue_at().saturating_add(stamp.cue_length());
        self.newest = Some(self.newest.map_or(end, |newest| newest.max(end)));
        Some((id, stamp))
    }

    /// Completes the segments of tracks that are too far behind.
    fn advance_laggards(&mut self, presentation: &mut Presentation) {
        let Some(newest) = self.newest else { return };
        let waited_for = newest.saturating_sub(ticks_in(MAX_TRACK_LAG, CUE_SCALE));
        if let Some(cue) = self.schedule.governing(waited_for).filter(|cue| cue.at <= waited_for)
            && self.form.lowest_msn().is_some_and(|lowest| lowest < cue.msn)
        {
            self.form.advance_all(cue.msn, &mut self.schedule, presentation);
        }
    }

    /// A message beside the media.
    fn message(&mut self, frame: &Arc<Frame>, presentation: &mut Presentation) {
        let Some(leading) = self.leading().map(|track| track.id) else { return };
        let Some(track) = self.data.iter().find(|track| track.id == frame.track) else { return };
        let Some(scheme) = event_scheme(&track.codec) else { return };
        if scheme == streamer_core::container::fmp4::SCHEME_SCTE35 {
            let offset_ms = self.schedule.newest().map(|cue| cue.offset_ms);
            if let Some(range) = offset_ms.and_then(|offset_ms| self.splices.date_range(frame, offset_ms)) {
                self.form.date_range(&range, presentation);
            }
        }
        self.messages = self.messages.wrapping_add(1);
        self.form.event(scheme, self.messages, frame, leading);
    }

    /// Completes all that is open. What follows begins a timeline of its own.
    fn restart(&mut self, now_unix_ms: i64, presentation: &mut Presentation) {
        self.gathered(true, now_unix_ms, presentation);
        while let Some(held) = self.hold.drain() {
            self.follower_frame(&held, presentation);
        }
        self.hold.restart();
        if let (Some(newest), Some(until)) = (self.schedule.newest(), self.newest) {
            self.form.advance_all(newest.msn, &mut self.schedule, presentation);
            self.form.finish(until, &mut self.schedule, presentation, |_| true);
        }
        self.newest = None;
        self.schedule.restart();
    }
}

/// What of a rendition shows in its playlist.
#[derive(PartialEq, Eq)]
struct State {
    id: RenditionId,
    next_msn: u64,
    parts: Option<usize>,
    date_ranges: usize,
    ended: bool,
}

fn state(rendition: &super::presentation::Rendition) -> State {
    let open = rendition.window.open.as_ref();
    State {
        id: rendition.id,
        next_msn: rendition.window.next_msn(),
        parts: open.map(|open| open.parts.len()),
        date_ranges: open.map_or(0, |open| open.date_ranges.len()),
        ended: rendition.window.ended,
    }
}
