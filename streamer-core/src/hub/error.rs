//! Why the hub refuses or closes someone.

use thiserror::Error;

use crate::key::StreamKey;

/// Why a publisher or a viewer was closed from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// An operator or a program asked for it.
    #[error("kicked")]
    Kicked,
    /// Another publisher took the stream over.
    #[error("taken over by another publisher")]
    TakenOver,
    /// The viewer was too slow and its application says to disconnect such.
    #[error("too slow")]
    TooSlow,
    /// The application is gone or the server stops.
    #[error("shut down")]
    Shutdown,
}

/// Why a publish is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The stream has a publisher.
    #[error("{0} is being published already")]
    AlreadyPublished(StreamKey),
    /// The registry holds as many broadcasts as it may.
    #[error("{max} streams are live already")]
    TooManyBroadcasts {
        /// The bound.
        max: usize,
    },
}

/// Why a subscription is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The broadcast has as many viewers as it may.
    #[error("{max} viewers are connected already")]
    TooManyViewers {
        /// The bound.
        max: usize,
    },
    /// As many wait for streams that are not there as may.
    #[error("{max} viewers are waiting already")]
    TooManyWaiting {
        /// The bound.
        max: usize,
    },
    /// The broadcast has more byte forms than it may.
    #[error("{max} forms of the stream are in use already")]
    TooManyForms {
        /// The bound.
        max: usize,
    },
    /// The processor is short, and those who watch go first; see [`Overload`](super::Overload).
    #[error("the server is busy with those who watch already")]
    Overloaded,
}
