//! A presentation that one task makes and many read and wait for.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::wait::{TooManyBlocked, Waiters, is_over};
use crate::proto::hls::{Container, Presentation, Reload, RenditionId};

/// How long a request is held in all, in target durations (second edition, 6.2.5.2).
const MAX_HELD_TARGET_DURATIONS: u32 = 3;
/// Without any news a request is answered after one target duration: by then there should have been a segment.
const MAX_SILENT_TARGET_DURATIONS: u32 = 1;

/// A presentation with its one writer and its readers. Cloning it clones a handle.
#[derive(Clone)]
pub struct SharedPresentation(Arc<Inner>);

struct Inner {
    state: RwLock<State>,
    /// The version that those who wait were told of.
    told: watch::Sender<u64>,
    told_at: Mutex<Instant>,
    waiters: Waiters,
}

struct State {
    presentation: Presentation,
    /// Counts the changes.
    version: u64,
}

impl std::fmt::Debug for SharedPresentation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedPresentation").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl SharedPresentation {
    pub(crate) fn new(container: Container) -> Self {
        Self(Arc::new(Inner {
            state: RwLock::new(State { presentation: Presentation::new(container), version: 0 }),
            told: watch::Sender::new(0),
            told_at: Mutex::new(Instant::now()),
            waiters: Waiters::default(),
        }))
    }

    /// Reads it. The writer waits meanwhile: render, clone, but do not stay.
    pub fn read<R>(&self, read: impl FnOnce(&Presentation) -> R) -> R {
        read(&self.0.state.read().presentation)
    }

    /// Counts the changes: while it is the same, playlists are.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.state.read().version
    }

    /// Waits until there is a version after `seen`, and returns it. Cancel safe. Pends for ever when nobody writes
    /// any more.
    pub async fn changed(&self, seen: u64) -> u64 {
        let mut told = self.0.told.subscribe();
        // The sender lives as long as this handle does.
        told.wait_for(|&version| version > seen).await.map_or(seen, |version| *version)
    }

    /// Changes it; `write` tells whether playlists are others now. Readers see that at once, those who wait when
    /// they are told.
    pub(crate) fn write<R>(&self, write: impl FnOnce(&mut Presentation) -> (R, bool)) -> R {
        let mut state = self.0.state.write();
        let (result, changed) = write(&mut state.presentation);
        state.version += u64::from(changed);
        result
    }

    /// Tells those who wait what the version is now.
    pub(crate) fn tell(&self) {
        *self.0.told_at.lock() = Instant::now();
        self.0.told.send_replace(self.version());
        self.read(|presentation| self.0.waiters.wake(presentation));
    }

    /// Holds a request until `reload` is there; returns whether it is. It is not when nothing more comes, when
    /// nothing has come for one target duration, and after three.
    pub(crate) async fn hold(&self, rendition: RenditionId, reload: Reload) -> Result<bool, TooManyBlocked> {
        let over = || self.read(|presentation| is_over(presentation, rendition, reload));
        if !over() {
            let mut woken = self.0.waiters.enter(rendition, reload)?;
            let target_duration = self.read(|presentation| {
                let rendition = presentation.rendition(rendition)?;
                rendition.window.target_duration_s
            });
            let target_duration = Duration::from_secs(target_duration.unwrap_or(1).into());
            let asked = Instant::now();
            loop {
                // Not at once after a silence that was there before: the next request would come at once too.
                let news = asked.max(*self.0.told_at.lock());
                let until = (news + MAX_SILENT_TARGET_DURATIONS * target_duration)
                    .min(asked + MAX_HELD_TARGET_DURATIONS * target_duration);
                if over() || until <= Instant::now() || timeout_at(until, &mut woken).await.is_ok() {
                    break;
                }
            }
        }
        Ok(self.read(|presentation| {
            let rendition = presentation.rendition(rendition);
            rendition.is_some_and(|rendition| rendition.window.has(reload.msn, reload.part))
        }))
    }

    /// How many requests are held.
    pub(crate) fn held(&self) -> usize {
        self.0.waiters.count()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::proto::hls::sample::{fmp4, part, window, with_part};

    const VIDEO: RenditionId = RenditionId::Video(0);

    /// Four segments of two seconds and one part of a fifth.
    fn shared() -> SharedPresentation {
        let shared = SharedPresentation::new(Container::Fmp4);
        shared.write(|presentation| (*presentation = fmp4(&with_part(window(&[2_000; 4]))), true));
        shared.tell();
        shared
    }

    fn add_part(shared: &SharedPresentation) {
        shared.write(|presentation| {
            for rendition in &mut presentation.renditions {
                rendition.window.open.as_mut().unwrap().parts.push(part(500, false));
            }
            ((), true)
        });
        shared.tell();
    }

    async fn hold(shared: &SharedPresentation, msn: u64, part: Option<u32>) -> (bool, Duration) {
        let asked = Instant::now();
        let there = shared.hold(VIDEO, Reload { msn, part }).await.unwrap();
        (there, asked.elapsed())
    }

    #[tokio::test]
    async fn readers_hear_of_each_change() {
        let shared = shared();
        let reader = shared.clone();
        let heard = tokio::spawn(async move { reader.changed(1).await });
        add_part(&shared);
        assert_eq!((heard.await.unwrap(), shared.version()), (2, 2));
        assert_eq!(shared.changed(0).await, 2, "what was missed is known at once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_not_waited_for() {
        let shared = shared();
        assert_eq!(hold(&shared, 3, None).await, (true, Duration::ZERO));
        assert_eq!(hold(&shared, 4, Some(0)).await, (true, Duration::ZERO));
        shared.write(|presentation| (presentation.renditions[0].window.ended = true, true));
        assert_eq!(hold(&shared, 4, None).await, (false, Duration::ZERO), "it has ended");
        assert_eq!(shared.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_answered_when_its_part_comes() {
        let shared = shared();
        let waiting = shared.clone();
        let held = tokio::spawn(async move { hold(&waiting, 4, Some(2)).await });
        tokio::task::yield_now().await;
        for _ in 0..2 {
            advance(Duration::from_millis(500)).await;
            tokio::task::yield_now().await;
            assert!(!held.is_finished());
            add_part(&shared);
        }
        assert_eq!(held.await.unwrap(), (true, Duration::from_secs(1)));
        assert_eq!(shared.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_waited_out_for_one_target_duration_and_anything_for_three() {
        let shared = shared();
        assert_eq!(hold(&shared, 4, None).await, (false, Duration::from_secs(2)));
        let waiting = shared.clone();
        let held = tokio::spawn(async move { hold(&waiting, 5, None).await });
        tokio::task::yield_now().await;
        for _ in 0..7 {
            add_part(&shared);
            advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(held.await.unwrap(), (false, Duration::from_secs(6)));
    }
}
