//! The writers of a presentation, one of each rendition, behind one face.

use std::sync::Arc;
use std::time::Duration;

use streamer_core::codec::DataFormat;
use streamer_core::container::fmp4::{self, SampleCipher};
use streamer_core::{Codec, Frame, MediaKind, Track, TrackId};

use super::schedule::{Progress, Schedule};
use super::track::{self, MapNumbers, TrackWriter};
use super::ts::{self, TsWriter};
use crate::proto::hls::encryption::{Encryption, EncryptionMethod};
use crate::proto::hls::name::{Container, RenditionId, RunId};
use crate::proto::hls::presentation::{Presentation, Rendition};
use crate::proto::hls::segment::DateRange;
use crate::proto::hls::window::Window;

/// When a frame is due, in the terms of its writer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stamp {
    Ts(ts::Stamp),
    Fmp4(track::Stamp),
}

impl Stamp {
    /// On the clock of cue points.
    pub(super) const fn cue_at(&self) -> i64 {
        match self {
            Self::Ts(stamp) => stamp.cue_at,
            Self::Fmp4(stamp) => stamp.cue_at,
        }
    }

    /// What the frame is to last, on the same clock.
    pub(super) const fn cue_length(&self) -> i64 {
        match self {
            Self::Ts(stamp) => stamp.cue_length,
            Self::Fmp4(stamp) => stamp.cue_length,
        }
    }
}

/// What is the same for all writers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) run: RunId,
    /// `PART-TARGET`, where parts are made.
    pub(super) part_target: Option<Duration>,
    /// Where segments are to be cut at the earliest.
    pub(super) shortest: Duration,
    /// Seconds that make every decode time positive.
    pub(super) origin_s: i64,
}

/// The writers.
pub(super) enum Form {
    Ts(Box<TsWriter>),
    Fmp4 { writers: Vec<TrackWriter>, maps: MapNumbers, sample_aes: bool },
}

impl Form {
    pub(super) fn new(container: Container, encryption: Option<Encryption>) -> Self {
        let sample_aes =
            encryption.is_some_and(|encryption| encryption.method == EncryptionMethod::SampleAes);
        match container {
            Container::Ts => Self::Ts(Box::new(TsWriter::new())),
            Container::Fmp4 => Self::Fmp4 { writers: Vec::new(), maps: MapNumbers::default(), sample_aes },
        }
    }

    /// Whether `track` can be written.
    pub(super) fn carries(&self, track: &Track) -> bool {
        match self {
            Self::Ts(_) => TsWriter::carries(&track.codec),
            Self::Fmp4 { sample_aes, .. } => {
                let is_video = track.codec.kind() == MediaKind::Video;
                let is_carried = if *sample_aes {
                    SampleCipher::protects(&track.codec)
                } else {
                    fmp4::carries(&track.codec)
                };
                is_carried && (!is_video || track.codec.resolution().is_some())
            }
        }
    }

    /// Makes sure that there is a writer of `track`, and a rendition; without either the frame is left out.
    pub(super) fn open(
        &mut self,
        track: &Track,
        leading: bool,
        tracks: &[Track],
        shared: &Shared,
        presentation: &mut Presentation,
    ) -> Option<RenditionId> {
        match self {
            Self::Ts(_) => {
                if presentation.rendition(RenditionId::Ts).is_none() {
                    let window = Window::new(shared.run, 0, None);
                    let rendition = Rendition { id: RenditionId::Ts, tracks: tracks.to_vec(), window };
                    presentation.renditions.push(rendition);
                }
                Some(RenditionId::Ts)
            }
            Self::Fmp4 { writers, maps, .. } => {
                let id = rendition_of(track)?;
                if writers.iter().any(|writer| writer.id == id) {
                    return Some(id);
                }
                let held = presentation.renditions.iter().position(|rendition| rendition.id == id);
                let going_on = held
                    .and_then(|index| presentation.renditions.get_mut(index))
                    .filter(|rendition| !rendition.window.ended);
                let next_msn = going_on.as_ref().map(|rendition| rendition.window.next_msn());
                let writer = TrackWriter::new(
                    id,
                    track.clone(),
                    maps.clone(),
                    shared.origin_s,
                    shared.part_target,
                    next_msn,
                )
                .ok()?;
                writers.push(writer);
                if let Some(rendition) = going_on {
                    rendition.tracks = vec![track.clone()];
                    return Some(id);
                }
                // A track that comes back has a window of its own: the old one has ended.
                presentation.renditions.retain(|rendition| rendition.id != id);
                let mut window = Window::new(shared.run, 0, shared.part_target);
                window.shortest = shared.shortest;
                let rendition = Rendition { id, tracks: vec![track.clone()], window };
                let index = if leading { 0 } else { presentation.renditions.len() };
                presentation.renditions.insert(index, rendition);
                Some(id)
            }
        }
    }

    /// When `frame` is due; settles what came before it in its track.
    pub(super) fn stamp(
        &mut self,
        id: RenditionId,
        frame: &Frame,
        longest: Duration,
        presentation: &mut Presentation,
    ) -> Option<Stamp> {
        match self {
            Self::Ts(writer) => Some(Stamp::Ts(writer.stamp(frame))),
            Self::Fmp4 { writers, .. } => {
                let writer = writers.iter_mut().find(|writer| writer.id == id)?;
                let stamp = writer.stamp(frame);
                writer.settle(&stamp, longest, window(presentation, id)?);
                Some(Stamp::Fmp4(stamp))
            }
        }
    }

    /// How far the open segment of a rendition is.
    pub(super) fn progress(&self, id: RenditionId, next: &Stamp) -> Progress {
        match (self, next) {
            (Self::Ts(writer), Stamp::Ts(next)) => writer.progress(next),
            (Self::Fmp4 { writers, .. }, Stamp::Fmp4(next)) => writers
                .iter()
                .find(|writer| writer.id == id)
                .map_or_else(Progress::default, |writer| writer.progress(next)),
            _ => Progress::default(),
        }
    }

    /// Completes the segments of a rendition before `msn` and begins that, then puts in `frame`: into a later
    /// segment where that one is complete already.
    pub(super) fn push(
        &mut self,
        (id, msn): (RenditionId, u64),
        (frame, stamp): (&Arc<Frame>, &Stamp),
        leading: bool,
        schedule: &mut Schedule,
        presentation: &mut Presentation,
    ) {
        let Some(window) = window(presentation, id) else { return };
        self.tell_open(schedule);
        match (self, stamp) {
            (Self::Ts(writer), _) => {
                let open = writer.msn();
                let msn = open.map_or(msn, |least| least.max(msn));
                begin(window, msn);
                writer.advance(msn, schedule, window);
                window.independent &= frame.sync || open == Some(msn);
                writer.push(frame, leading);
            }
            (Self::Fmp4 { writers, .. }, Stamp::Fmp4(stamp)) => {
                if let Some(writer) = writers.iter_mut().find(|writer| writer.id == id) {
                    let open = writer.msn();
                    let msn = open.map_or(msn, |least| least.max(msn));
                    begin(window, msn);
                    writer.advance(msn, schedule, window);
                    window.independent &= frame.sync || open == Some(msn);
                    writer.push(frame, stamp, schedule.longest_segment(), window);
                }
            }
            (Self::Fmp4 { .. }, Stamp::Ts(_)) => {}
        }
    }

    /// Tells `schedule` how long the open segments are, which the target duration has to hold as well.
    fn tell_open(&self, schedule: &mut Schedule) {
        if let Self::Fmp4 { writers, .. } = self
            && schedule.fixed_target_s().is_none()
        {
            for writer in writers {
                schedule.is_open(writer.open_duration());
            }
        }
    }

    /// Completes the segments before `msn` of every rendition that has begun, and begins that.
    pub(super) fn advance_all(&mut self, msn: u64, schedule: &mut Schedule, presentation: &mut Presentation) {
        self.tell_open(schedule);
        match self {
            Self::Ts(writer) => {
                if let Some(window) = window(presentation, RenditionId::Ts)
                    && writer.msn().is_some()
                {
                    writer.advance(msn, schedule, window);
                }
            }
            Self::Fmp4 { writers, .. } => {
                for writer in writers {
                    if let Some(window) = window(presentation, writer.id)
                        && writer.msn().is_some()
                    {
                        writer.advance(msn, schedule, window);
                    }
                }
            }
        }
    }

    /// Completes the open segments of the renditions for which `which` holds; they end at `until`.
    pub(super) fn finish(
        &mut self,
        until: i64,
        schedule: &mut Schedule,
        presentation: &mut Presentation,
        which: impl Fn(RenditionId) -> bool,
    ) {
        self.tell_open(schedule);
        match self {
            Self::Ts(writer) => {
                if let Some(window) = window(presentation, RenditionId::Ts) {
                    writer.finish(until, schedule, window);
                }
            }
            Self::Fmp4 { writers, .. } => {
                for writer in writers.iter_mut().filter(|writer| which(writer.id)) {
                    if let Some(window) = window(presentation, writer.id) {
                        writer.finish(until, schedule, window);
                    }
                }
            }
        }
    }

    /// Lets go of the writers whose track is not among `tracks` as it is; they are to be finished before. The
    /// window of a track that vanished ends.
    pub(super) fn set_tracks(&mut self, tracks: &[Track], presentation: &mut Presentation) {
        match self {
            Self::Ts(writer) => {
                writer.set_tracks(tracks.to_vec());
                if let Some(rendition) =
                    presentation.renditions.iter_mut().find(|rendition| rendition.id == RenditionId::Ts)
                {
                    rendition.tracks = tracks.to_vec();
                }
            }
            Self::Fmp4 { writers, .. } => {
                writers.retain(|writer| tracks.contains(&writer.track));
                for rendition in &mut presentation.renditions {
                    let track = rendition.id.track();
                    rendition.window.ended |= !tracks.iter().any(|held| Some(held.id) == track);
                }
                presentation.renditions.sort_by_key(|rendition| rendition.window.ended);
            }
        }
    }

    /// Lowest media sequence number that a writer is at.
    pub(super) fn lowest_msn(&self) -> Option<u64> {
        match self {
            Self::Ts(writer) => writer.msn(),
            Self::Fmp4 { writers, .. } => writers.iter().filter_map(TrackWriter::msn).min(),
        }
    }

    /// Puts a message into the rendition of the leading track.
    pub(super) fn event(&mut self, scheme: &'static str, number: u32, frame: &Arc<Frame>, leading: TrackId) {
        match self {
            Self::Ts(writer) => writer.push(frame, false),
            Self::Fmp4 { writers, .. } => {
                if let Some(writer) = writers.iter_mut().find(|writer| writer.track.id == leading) {
                    writer.event(scheme, number, frame.pts, frame.data.clone());
                }
            }
        }
    }

    /// Puts a date range into all renditions.
    pub(super) fn date_range(&mut self, range: &DateRange, presentation: &mut Presentation) {
        match self {
            Self::Ts(writer) => writer.date_range(range.clone()),
            Self::Fmp4 { writers, .. } => {
                for writer in writers {
                    if let Some(window) = window(presentation, writer.id) {
                        writer.date_range(range.clone(), window);
                    }
                }
            }
        }
    }
}

/// A window that holds nothing yet begins with the segment that its first frame falls into.
fn begin(window: &mut Window, msn: u64) {
    if window.segments.is_empty() && window.open.is_none() && window.first_msn == 0 {
        window.first_msn = msn;
    }
}

fn window(presentation: &mut Presentation, id: RenditionId) -> Option<&mut Window> {
    presentation
        .renditions
        .iter_mut()
        .find(|rendition| rendition.id == id)
        .map(|rendition| &mut rendition.window)
}

fn rendition_of(track: &Track) -> Option<RenditionId> {
    match track.codec.kind() {
        MediaKind::Video => Some(RenditionId::Video(track.id.index())),
        MediaKind::Audio => Some(RenditionId::Audio(track.id.index())),
        MediaKind::Data => None,
    }
}

/// Whether messages of `codec` go beside the media, and under which scheme.
pub(super) const fn event_scheme(codec: &Codec) -> Option<&'static str> {
    match codec {
        Codec::Data(DataFormat::Scte35) => Some(fmp4::SCHEME_SCTE35),
        Codec::Data(DataFormat::Id3) => Some(fmp4::SCHEME_ID3),
        _ => None,
    }
}
