//! What can be wrong with media to be muxed and with the bytes of a transport stream.

use thiserror::Error;

use crate::codec::CodecError;

/// Why a frame cannot be carried, or a stream is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TsError {
    /// The frame's payload is not in the canonical form of its codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A frame is longer than a PES packet can tell (ISO/IEC 13818-1 2.4.3.7).
    #[error("{codec} frame of {len} bytes: {max} fit a PES packet")]
    FrameTooLarge {
        /// Name of the codec.
        codec: &'static str,
        /// Bytes of payload with what is put in front of it.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A section to be carried is broken.
    #[error("{structure}: {field} is {value}")]
    Section {
        /// The section's name.
        structure: &'static str,
        /// The field's name in its specification.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// Not a transport stream: no packets were found for too long.
    #[error("no transport stream packet in {searched} bytes, {max} are searched")]
    NoSync {
        /// Bytes passed over.
        searched: usize,
        /// The bound.
        max: usize,
    },
}

impl TsError {
    /// Whether nothing more can be made of the stream.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::NoSync { .. })
    }
}
