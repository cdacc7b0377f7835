//! A publisher: the one who feeds a broadcast.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::broadcast::{Broadcast, Shared};
use super::error::CloseReason;
use super::event::EventKind;
use super::item::MediaItem;
use super::ring::Phase;
use super::stats::Jitter;
use super::timeline::{Repair, Timeline};
use super::wake::{Signal, WakeSlot};
use crate::codec::MediaKind;
use crate::frame::{Frame, Media};
use crate::track::{MAX_TRACKS, TrackId, Tracks};

/// Who publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherInfo {
    /// Short lower-case protocol name: `rtmp`, ...
    pub protocol: &'static str,
    /// The peer's address, if it has one.
    pub peer: Option<SocketAddr>,
}

/// What a broadcast remembers between the frames of its publishers.
pub(crate) struct Ingest {
    epoch: u64,
    info: PublisherInfo,
    closed: Arc<Signal<CloseReason>>,
    timeline: Timeline,
    tracks: Arc<Tracks>,
    /// The kinds of `tracks`, to be found with one step for each frame.
    kinds: Vec<(TrackId, MediaKind)>,
    leading: Option<TrackId>,
    /// Since the newest publisher came, no random access point was seen.
    awaiting_sync: bool,
    gop_start_ms: Option<i64>,
    gop_frames: i64,
    jitter: Jitter,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            epoch: 0,
            info: PublisherInfo::default(),
            closed: Arc::new(Signal::new()),
            timeline: Timeline::default(),
            tracks: Arc::default(),
            kinds: Vec::new(),
            leading: None,
            awaiting_sync: true,
            gop_start_ms: None,
            gop_frames: 0,
            jitter: Jitter::default(),
        }
    }
}

impl Ingest {
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) const fn info(&self) -> &PublisherInfo {
        &self.info
    }

    pub(crate) fn closed(&self) -> &Signal<CloseReason> {
        &self.closed
    }

    /// Makes room for another publisher; what the one before still pushes is ignored.
    pub(crate) fn begin(&mut self, info: PublisherInfo) -> (u64, Arc<Signal<CloseReason>>) {
        self.closed.set(CloseReason::TakenOver);
        self.epoch += 1;
        self.info = info;
        self.closed = Arc::new(Signal::new());
        self.awaiting_sync = true;
        self.timeline.resume();
        self.gop_start_ms = None;
        self.jitter = Jitter::default();
        (self.epoch, Arc::clone(&self.closed))
    }
}

/// The one who feeds a broadcast. Dropping it ends the broadcast; see also [`interrupt`](Self::interrupt).
pub struct Publisher {
    shared: Arc<Shared>,
    epoch: u64,
    closed: Arc<Signal<CloseReason>>,
    /// Decode time in milliseconds of what was pushed last, if it was a frame of the leading track.
    newest_leading_ms: Option<i64>,
    first_viewer: WakeSlot,
    wakers: Vec<Waker>,
    interrupted: bool,
}

impl Publisher {
    pub(crate) fn new(shared: Arc<Shared>, epoch: u64, closed: Arc<Signal<CloseReason>>) -> Self {
        let first_viewer = shared.first_viewer_slot();
        Self {
            shared,
            epoch,
            closed,
            newest_leading_ms: None,
            first_viewer,
            wakers: Vec::new(),
            interrupted: false,
        }
    }

    /// The broadcast it feeds.
    #[must_use]
    pub fn broadcast(&self) -> Broadcast {
        Broadcast(Arc::clone(&self.shared))
    }

    /// Tells when, on any steady clock, what was pushed last arrived. Only the estimate of the jitter uses it; of what
    /// arrived at a time that is not known, nothing is told.
    pub fn note_arrival(&mut self, at: Duration) {
        let Some(dts_ms) = self.newest_leading_ms.take() else { return };
        let mut ingest = self.shared.ingest.lock();
        if ingest.epoch == self.epoch {
            self.shared.stats.jitter_us.set(ingest.jitter.observe(at, dts_ms));
        }
    }

    /// Ready while somebody watches, the server's own readers included. If nobody does, the task of `cx` is woken when
    /// somebody comes: what is on its way is to be read at once then.
    pub fn poll_watched(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.shared.is_watched() {
            return Poll::Ready(());
        }
        self.first_viewer.register(cx);
        if self.shared.is_watched() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Passes `media` to the subscribers. Never waits and never fails: frames of tracks that were not
    /// announced, and frames before the first random access point, are dropped and counted; timestamps
    /// are repaired as [`timeline`](super::timeline) says.
    pub fn push(&mut self, media: Media) {
        self.newest_leading_ms = None;
        let pushed = match media {
            Media::Tracks(tracks) => {
                self.push_tracks(tracks);
                false
            }
            Media::Frame(frame) => self.push_frame(frame),
        };
        if pushed {
            self.shared.ring.wake(&mut self.wakers);
        }
    }

    fn push_tracks(&self, tracks: Arc<Tracks>) {
        let mut ingest = self.shared.ingest.lock();
        if ingest.epoch != self.epoch || *ingest.tracks == *tracks {
            return;
        }
        let tracks = if tracks.list.len() > MAX_TRACKS {
            Arc::new(Tracks {
                list: tracks.list.iter().take(MAX_TRACKS).cloned().collect(),
                metadata: tracks.metadata.clone(),
            })
        } else {
            tracks
        };
        ingest.kinds = tracks.list.iter().map(|track| (track.id, track.codec.kind())).collect();
        ingest.leading = tracks.leading().map(|track| track.id);
        ingest.tracks = Arc::clone(&tracks);
        *self.shared.tracks.write() = tracks;
        drop(ingest);
        self.shared.stats.track_changes.add(1);
        self.shared.tell(EventKind::TracksChanged);
    }

    fn push_frame(&mut self, mut frame: Arc<Frame>) -> bool {
        let stats = &self.shared.stats;
        let mut ingest = self.shared.ingest.lock();
        if ingest.epoch != self.epoch {
            return false;
        }
        let Some(&(_, kind)) = ingest.kinds.iter().find(|(track, _)| *track == frame.track) else {
            stats.dropped_without_track.add(1);
            return false;
        };
        let leading = ingest.leading == Some(frame.track);
        let random_access = leading && frame.sync;
        if ingest.awaiting_sync && !random_access {
            stats.dropped_before_sync.add(1);
            return false;
        }
        ingest.awaiting_sync = false;
        match ingest.timeline.place(Arc::make_mut(&mut frame)) {
            Repair::None => {}
            Repair::Jump => stats.timestamp_jumps.add(1),
            Repair::Backwards => stats.timestamps_backwards.add(1),
        }
        stats.bytes.add(frame.data.len() as u64);
        match kind {
            MediaKind::Video => {
                stats.video_frames.add(1);
                stats.video_bytes.add(frame.data.len() as u64);
            }
            MediaKind::Audio => {
                stats.audio_frames.add(1);
                stats.audio_bytes.add(frame.data.len() as u64);
            }
            MediaKind::Data => stats.data_frames.add(1),
        }
        let dts_ms = frame.dts.as_millis();
        stats.newest_dts_ms.set(dts_ms);
        if leading {
            self.newest_leading_ms = Some(dts_ms);
            if random_access {
                stats.sync_frames.add(1);
                if let Some(start_ms) = ingest.gop_start_ms.replace(dts_ms) {
                    stats.gop_ms.set(dts_ms - start_ms);
                    stats.gop_frames.set(ingest.gop_frames);
                }
                ingest.gop_frames = 0;
            }
            ingest.gop_frames += 1;
        }
        let tracks = Arc::clone(&ingest.tracks);
        // Appended under the lock: a publisher that takes over cannot come in between.
        self.shared.ring.append(MediaItem { tracks, frame, random_access });
        true
    }

    /// Waits until the publisher is closed: kicked, or taken over. May be waited for while media are pushed.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + use<> {
        let closed = Arc::clone(&self.closed);
        let mut slot = closed.slot();
        poll_fn(move |cx| closed.poll(&mut slot, cx))
    }

    /// Waits until somebody wishes a key frame.
    pub async fn key_frame_wished(&self) {
        let mut slot = self.shared.key_frame_wish.slot();
        poll_fn(|cx| self.shared.key_frame_wish.poll(&mut slot, cx)).await;
        self.shared.key_frame_wish.take();
    }

    /// Lets go of the broadcast without ending it: viewers stay until the returned value is dropped, and
    /// a publisher of the same key goes on with it. The caller keeps the value for the grace time.
    #[must_use]
    pub fn interrupt(mut self) -> Interrupted {
        self.interrupted = true;
        {
            let ingest = self.shared.ingest.lock();
            if ingest.epoch == self.epoch {
                self.shared.ring.set_phase(Phase::Interrupted);
            }
        }
        self.shared.tell(EventKind::Interrupted);
        Interrupted { shared: Arc::clone(&self.shared), epoch: self.epoch }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if !self.interrupted {
            self.shared.end(self.epoch);
        }
    }
}

/// A broadcast whose publisher is away. Dropping it ends the broadcast, unless another publisher came.
pub struct Interrupted {
    shared: Arc<Shared>,
    epoch: u64,
}

impl Drop for Interrupted {
    fn drop(&mut self) {
        self.shared.end(self.epoch);
    }
}
