//! What flows through the hub: tracks, and frames in decode order.

use std::sync::Arc;

use bytes::Bytes;

use crate::time::Timestamp;
use crate::track::{TrackId, Tracks};

/// One access unit of video, one coded audio frame, or one unit of timed data, in decode order.
///
/// `data` has one canonical form per codec (see [`Codec`](crate::codec::Codec)): protocols that carry
/// that form pass it on without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The track it belongs to.
    pub track: TrackId,
    /// When it is decoded, in the track's timescale.
    pub dts: Timestamp,
    /// When it is presented, in the track's timescale. `pts - dts` is the composition offset.
    pub pts: Timestamp,
    /// Whether decoding can start here (random access point). True for every frame of most audio codecs.
    pub sync: bool,
    /// The coded payload.
    pub data: Bytes,
}

/// An element of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// The tracks that govern the frames from here on.
    Tracks(Arc<Tracks>),
    /// A frame.
    Frame(Arc<Frame>),
}
