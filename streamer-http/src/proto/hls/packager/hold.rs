//! Frames of other tracks that are ahead of the leading one: they wait, so that they land in the right segment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use streamer_core::Frame;

use super::ticks::{CUE_SCALE, ticks_in};

/// Time without a frame of the leading track after which the others go on without it.
pub const LEADING_STALL: Duration = Duration::from_millis(500);
/// Media of other tracks held while the leading one goes on behind them.
pub const MAX_HELD_DURATION: Duration = Duration::from_secs(5);
/// Frames of other tracks held: five seconds of two audio tracks of 50 frames a second.
pub const MAX_HELD_FRAMES: usize = 512;
/// Bytes of other tracks held: one frame of the largest size.
pub const MAX_HELD_BYTES: usize = 16 << 20;

#[derive(Debug)]
struct Held {
    /// Presentation time on the clock of cue points.
    at: i64,
    frame: Arc<Frame>,
}

/// The frames that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Hold {
    frames: VecDeque<Held>,
    bytes: usize,
    /// Where the leading track is; nothing passes it.
    leading_at: Option<i64>,
    leading_unix_ms: Option<i64>,
}

impl Hold {
    /// The leading track is at `at`.
    pub(super) const fn leading(&mut self, at: i64, now_unix_ms: i64) {
        self.leading_at = Some(at);
        self.leading_unix_ms = Some(now_unix_ms);
    }

    pub(super) fn push(&mut self, at: i64, frame: Arc<Frame>, now_unix_ms: i64) {
        // At the start the leading track is waited for as long as after a stall.
        self.leading_unix_ms.get_or_insert(now_unix_ms);
        self.bytes += frame.data.len();
        self.frames.push_back(Held { at, frame });
    }

    /// The next frame that may go on.
    pub(super) fn pop(&mut self, now_unix_ms: i64) -> Option<Arc<Frame>> {
        let passed = |held: &Held| self.leading_at.is_some_and(|leading| held.at <= leading);
        let index = self.frames.iter().position(passed).or_else(|| self.is_over(now_unix_ms).then_some(0))?;
        self.take(index)
    }

    /// The oldest frame held, wherever the leading track is.
    pub(super) fn drain(&mut self) -> Option<Arc<Frame>> {
        self.take(0)
    }

    /// The timeline begins anew.
    pub(super) const fn restart(&mut self) {
        self.leading_at = None;
        self.leading_unix_ms = None;
    }

    fn is_over(&self, now_unix_ms: i64) -> bool {
        let (Some(first), Some(last)) = (self.frames.front(), self.frames.back()) else { return false };
        let held = last.at.saturating_sub(first.at);
        let silent_ms = self.leading_unix_ms.map_or(0, |since| now_unix_ms.saturating_sub(since));
        let stalled = silent_ms > i64::try_from(LEADING_STALL.as_millis()).unwrap_or(i64::MAX);
        stalled
            || held > ticks_in(MAX_HELD_DURATION, CUE_SCALE)
            || self.frames.len() > MAX_HELD_FRAMES
            || self.bytes > MAX_HELD_BYTES
    }

    fn take(&mut self, index: usize) -> Option<Arc<Frame>> {
        let held = self.frames.remove(index)?;
        self.bytes -= held.frame.data.len();
        Some(held.frame)
    }
}

#[cfg(test)]
mod tests {
    use streamer_core::{Timestamp, TrackId};

    use super::*;

    fn frame(ms: i64, len: usize) -> Arc<Frame> {
        let at = Timestamp::from_millis(ms);
        Arc::new(Frame { track: TrackId::audio(0), dts: at, pts: at, sync: true, data: vec![0; len].into() })
    }

    fn hold(frames: impl IntoIterator<Item = (i64, usize)>) -> Hold {
        let mut hold = Hold::default();
        for (ms, len) in frames {
            hold.push(ms * 90, frame(ms, len), 0);
        }
        hold
    }

    #[test]
    fn frames_wait_until_the_leading_track_has_passed_them() {
        let mut hold = hold([(10, 1), (20, 1)]);
        assert!(hold.pop(0).is_none());
        hold.leading(10 * 90, 0);
        assert_eq!(hold.pop(0).map(|frame| frame.dts.as_millis()), Some(10));
        assert!(hold.pop(0).is_none());
        assert!(hold.drain().is_some() && hold.drain().is_none());
    }

    #[test]
    fn a_stalled_leading_track_is_not_waited_for() {
        let stall_ms = i64::try_from(LEADING_STALL.as_millis()).unwrap();
        let mut hold = hold([(10, 1), (20, 1)]);
        assert!(hold.pop(stall_ms).is_none());
        assert!(hold.pop(stall_ms + 1).is_some());
        hold.leading(0, stall_ms);
        assert!(hold.pop(stall_ms + 1).is_none());
    }

    #[test]
    fn what_is_held_is_bounded_in_time_frames_and_bytes() {
        let held_ms = i64::try_from(MAX_HELD_DURATION.as_millis()).unwrap();
        assert!(hold([(0, 1), (held_ms, 1)]).pop(0).is_none());
        assert!(hold([(0, 1), (held_ms + 1, 1)]).pop(0).is_some());
        assert!(hold((0..MAX_HELD_FRAMES).map(|_| (0, 1))).pop(0).is_none());
        assert!(hold((0..=MAX_HELD_FRAMES).map(|_| (0, 1))).pop(0).is_some());
        assert!(hold([(0, MAX_HELD_BYTES)]).pop(0).is_none());
        assert!(hold([(0, MAX_HELD_BYTES), (0, 1)]).pop(0).is_some());
    }
}
