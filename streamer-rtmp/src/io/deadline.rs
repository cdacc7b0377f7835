//! A deadline that activity moves on, at no cost per activity.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::RtmpError;

/// Fires when nothing happened for a while. Activity only takes note of the time; the timer is looked at
/// when it fires, and set again if something happened meanwhile.
#[derive(Debug)]
pub(crate) struct IdleDeadline {
    timer: Pin<Box<Sleep>>,
    last: Instant,
    allowed: Duration,
}

impl IdleDeadline {
    pub(crate) fn new(allowed: Duration) -> Self {
        let last = Instant::now();
        Self { timer: Box::pin(sleep_until(last + allowed)), last, allowed }
    }

    /// Something happened.
    pub(crate) fn touch(&mut self) {
        self.last = Instant::now();
    }

    /// Ready, with what to say, when nothing happened for the allowed time; `step` is what was waited for.
    pub(crate) fn poll_late(&mut self, step: &'static str, cx: &mut Context<'_>) -> Poll<RtmpError> {
        self.poll(cx).map(|()| RtmpError::Timeout { step, timeout: self.allowed })
    }

    /// Ready when nothing happened for the allowed time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let due = self.last + self.allowed;
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}
