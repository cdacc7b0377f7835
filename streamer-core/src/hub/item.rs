//! What the rings of a broadcast hold: frames with their tracks, and batches of bytes made from them.

use std::sync::Arc;

use bytes::Bytes;

use super::ring::RingItem;
use crate::frame::Frame;
use crate::track::Tracks;

/// A frame and the tracks that govern it.
#[derive(Clone, Debug)]
pub struct MediaItem {
    /// The tracks in force.
    pub tracks: Arc<Tracks>,
    /// The frame.
    pub frame: Arc<Frame>,
    /// Whether a reader can begin here: a sync frame of the leading track.
    pub random_access: bool,
}

impl RingItem for MediaItem {
    type Header = Tracks;

    fn header(&self) -> &Arc<Tracks> {
        &self.tracks
    }

    fn random_access(&self) -> bool {
        self.random_access
    }

    fn byte_len(&self) -> usize {
        self.frame.data.len()
    }

    fn frame_count(&self) -> u64 {
        1
    }

    fn dts_ms(&self) -> i64 {
        self.frame.dts.as_millis()
    }
}

/// Consecutive frames in the byte form of one protocol, made once for all viewers of that form.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The bytes a decoder needs before these, made from the tracks.
    pub header: Arc<Bytes>,
    /// The bytes of the frames.
    pub bytes: Bytes,
    /// How many frames.
    pub frames: u64,
    /// Whether the first frame is a random access point; a batch never runs into another one.
    pub random_access: bool,
    /// Decode time of the first frame, in milliseconds.
    pub dts_ms: i64,
}

impl RingItem for Batch {
    type Header = Bytes;

    fn header(&self) -> &Arc<Bytes> {
        &self.header
    }

    fn random_access(&self) -> bool {
        self.random_access
    }

    fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    fn frame_count(&self) -> u64 {
        self.frames
    }

    fn dts_ms(&self) -> i64 {
        self.dts_ms
    }
}
