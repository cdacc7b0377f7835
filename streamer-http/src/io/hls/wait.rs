//! Requests that wait for media: each is woken once, when what it waits for is there.

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::proto::hls::{Presentation, Reload, RenditionId};

/// Requests held open for one container of one stream: a viewer holds a playlist and a part of two renditions,
/// and five times what one core serves of viewers fit.
pub const MAX_BLOCKED_REQUESTS: usize = 50_000;

/// There is no room for another waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyBlocked;

struct Waiter {
    rendition: RenditionId,
    reload: Reload,
    wake: oneshot::Sender<()>,
}

impl Waiter {
    /// Whether it is there, or never will be.
    fn is_over(&self, presentation: &Presentation) -> bool {
        self.wake.is_closed() || is_over(presentation, self.rendition, self.reload)
    }
}

/// Whether `reload` of a rendition is answered: it is there, or nothing more comes.
pub(crate) fn is_over(presentation: &Presentation, rendition: RenditionId, reload: Reload) -> bool {
    presentation
        .rendition(rendition)
        .is_none_or(|rendition| rendition.window.ended || rendition.window.has(reload.msn, reload.part))
}

/// All that wait for one presentation.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<Vec<Waiter>>);

impl Waiters {
    /// Enters a request. What is received is sent once; the caller looks whether it is over already after this,
    /// else it could miss the moment.
    pub(crate) fn enter(
        &self,
        rendition: RenditionId,
        reload: Reload,
    ) -> Result<oneshot::Receiver<()>, TooManyBlocked> {
        let mut waiters = self.0.lock();
        if waiters.len() >= MAX_BLOCKED_REQUESTS {
            waiters.retain(|waiter| !waiter.wake.is_closed());
            if waiters.len() >= MAX_BLOCKED_REQUESTS {
                return Err(TooManyBlocked);
            }
        }
        let (wake, woken) = oneshot::channel();
        waiters.push(Waiter { rendition, reload, wake });
        Ok(woken)
    }

    /// Wakes those whose wait is over, and forgets those who left.
    pub(crate) fn wake(&self, presentation: &Presentation) {
        let over: Vec<Waiter> = {
            let mut waiters = self.0.lock();
            waiters.extract_if(.., |waiter| waiter.is_over(presentation)).collect()
        };
        for waiter in over {
            // Who left meanwhile is not there to hear it.
            let _ = waiter.wake.send(());
        }
    }

    /// How many wait, those included who left and were not noticed yet.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::hls::sample::{fmp4, part, window, with_part};

    const VIDEO: RenditionId = RenditionId::Video(0);

    fn reload(msn: u64, part: Option<u32>) -> Reload {
        Reload { msn, part }
    }

    #[test]
    fn each_is_woken_by_what_it_waits_for_alone() {
        let mut window = with_part(window(&[2_000; 4]));
        let waiters = Waiters::default();
        let mut part_1 = waiters.enter(VIDEO, reload(4, Some(1))).unwrap();
        let mut whole = waiters.enter(VIDEO, reload(4, None)).unwrap();
        let mut elsewhere = waiters.enter(RenditionId::Video(7), reload(4, None)).unwrap();
        waiters.wake(&fmp4(&window));
        assert!(part_1.try_recv().is_err() && whole.try_recv().is_err());
        assert!(elsewhere.try_recv().is_ok(), "there is no such rendition");
        window.open.as_mut().unwrap().parts.push(part(500, false));
        waiters.wake(&fmp4(&window));
        assert!(part_1.try_recv().is_ok() && whole.try_recv().is_err());
        window.ended = true;
        waiters.wake(&fmp4(&window));
        assert!(whole.try_recv().is_ok(), "nothing more comes");
        assert_eq!(waiters.count(), 0);
    }

    #[test]
    fn waiting_requests_at_their_limit() {
        let waiters = Waiters::default();
        let mut held: Vec<_> =
            (0..MAX_BLOCKED_REQUESTS).map(|_| waiters.enter(VIDEO, reload(9, None)).unwrap()).collect();
        assert_eq!(waiters.enter(VIDEO, reload(9, None)).err(), Some(TooManyBlocked));
        held.pop();
        assert!(waiters.enter(VIDEO, reload(9, None)).is_ok(), "one has left");
    }
}
