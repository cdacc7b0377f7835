//! The segmenter as a sink: media go in, a shared presentation comes out.

use std::time::SystemTime;

use async_trait::async_trait;
use streamer_core::{Media, Sink, SinkError, StreamKey, Timestamp};
use tracing::warn;

use super::options::HlsStore;
use super::shared::SharedPresentation;
use super::store::Spool;
use crate::proto::hls::{Changed, Container, Packager, PackagerOptions, Presentation};

/// Makes segments of what it is sent.
///
/// ```
/// use streamer_core::Media;
/// use streamer_core::sink::Sink;
/// use streamer_core::testing::Synthetic;
/// use streamer_http::HlsSink;
/// use streamer_http::proto::hls::{
///     Container, ListOptions, MediaView, PackagerOptions, RenditionId, media_playlist,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut sink = HlsSink::new(Container::Ts, PackagerOptions::default(), None);
/// for media in Synthetic::new(50, 1_000).unwrap().take(1_000) {
///     sink.send(media).await.unwrap();
/// }
/// let playlist = sink.presentation().read(|presentation| {
///     media_playlist(presentation, RenditionId::Ts, &MediaView::LIVE, ListOptions::default())
/// });
/// assert!(playlist.unwrap().contains("#EXTINF:2.00"));
/// # });
/// ```
pub struct HlsSink {
    packager: Packager,
    shared: SharedPresentation,
    spool: Option<Spool>,
    /// There are changes that nobody was told of.
    untold: bool,
}

impl HlsSink {
    /// A sink whose media begin now. `newest_dts` is the decode time of the newest frame of the stream, if frames
    /// from before are sent first, in a burst.
    #[must_use]
    pub fn new(container: Container, options: PackagerOptions, newest_dts: Option<Timestamp>) -> Self {
        Self {
            packager: Packager::new(container, options, now_unix_ms(), newest_dts)
                .with_keys(Box::new(random_key)),
            shared: SharedPresentation::new(container),
            spool: None,
            untold: false,
        }
    }

    /// What it makes.
    #[must_use]
    pub fn presentation(&self) -> SharedPresentation {
        self.shared.clone()
    }

    /// Lets history go to `store` where memory has no room for it.
    pub(crate) fn store(&mut self, store: HlsStore, key: StreamKey, options: &PackagerOptions) {
        let container = self.shared.read(|presentation| presentation.container);
        self.spool = Some(Spool::start(store, key, container, self.shared.clone(), options));
    }

    /// Takes a medium; [`tell`](Self::tell) lets those who wait know.
    pub(crate) fn take(&mut self, media: &Media) {
        self.work(|packager, now, presentation| packager.push(media, now, presentation));
    }

    /// Frames were missed: what follows is a discontinuity.
    pub fn lost(&mut self) {
        self.work(Packager::lost);
        self.tell();
    }

    /// The publisher is away: what there is can be played to its end.
    pub fn interrupted(&mut self) {
        self.work(Packager::interrupted);
        self.tell();
    }

    /// No media will follow.
    pub(crate) fn end(&mut self) {
        self.work(Packager::end);
        self.untold = true;
        self.tell();
    }

    /// Lets those who wait know of what has changed since they were told last.
    pub(crate) fn tell(&mut self) {
        if std::mem::take(&mut self.untold) {
            self.shared.tell();
        }
    }

    fn work(&mut self, work: impl FnOnce(&mut Packager, i64, &mut Presentation) -> Changed) {
        let changed = self.shared.write(|presentation| {
            let changed = work(&mut self.packager, now_unix_ms(), presentation);
            let is_other = !changed.is_empty();
            (changed, is_other)
        });
        if changed.is_empty() {
            return;
        }
        self.untold = true;
        if let Some(spool) = &mut self.spool {
            spool.remove(&changed.evicted);
            self.shared.read(|presentation| spool.spill(presentation));
        }
    }
}

#[async_trait]
impl Sink for HlsSink {
    async fn send(&mut self, media: Media) -> Result<(), SinkError> {
        self.take(&media);
        self.tell();
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), SinkError> {
        self.end();
        Ok(())
    }
}

/// Sixteen bytes that nobody can guess.
fn random_key() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            warn!(%error, "no key can be made: segments that are to be encrypted are missing");
            None
        }
    }
}

/// The wall clock in Unix milliseconds.
pub(crate) fn now_unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
