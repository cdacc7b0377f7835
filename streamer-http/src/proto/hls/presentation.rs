//! A presentation: what one container makes of one broadcast, rendition by rendition.

use streamer_core::Track;

use super::name::{Container, RenditionId};
use super::window::Window;

/// One rendition: its tracks and its window.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendition {
    /// Its name.
    pub id: RenditionId,
    /// The tracks its segments carry now; one in fMP4.
    pub tracks: Vec<Track>,
    /// Its segments. A window that has ended while others go on is that of a track that vanished: it is no
    /// longer for new players.
    pub window: Window,
}

/// All renditions that one container makes of one broadcast; the one with the leading track is first.
#[derive(Clone, Debug, PartialEq)]
pub struct Presentation {
    /// The container.
    pub container: Container,
    /// The renditions; empty until the tracks are known.
    pub renditions: Vec<Rendition>,
}

impl Presentation {
    /// A presentation of which nothing is known yet.
    #[must_use]
    pub const fn new(container: Container) -> Self {
        Self { container, renditions: Vec::new() }
    }

    /// The rendition called `id`.
    #[must_use]
    pub fn rendition(&self, id: RenditionId) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.id == id)
    }
}
