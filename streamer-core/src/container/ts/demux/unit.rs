//! What is read of an elementary stream.

use bytes::Bytes;

use crate::codec::Codec;

/// Times of a frame in ticks of 90 kHz, unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) pts: i64,
    pub(super) dts: i64,
}

/// An element of one stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unit {
    /// The configuration of the frames from here on.
    Config(Codec),
    /// A frame in canonical form.
    Frame { pts: i64, dts: i64, sync: bool, data: Bytes },
}

impl Unit {
    /// A frame at which decoding can begin, presented when it is decoded.
    pub(super) const fn sound(pts: i64, data: Bytes) -> Self {
        Self::Frame { pts, dts: pts, sync: true, data }
    }
}
