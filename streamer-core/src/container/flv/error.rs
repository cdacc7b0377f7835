//! What can be wrong with FLV bytes and messages.

use thiserror::Error;

use super::amf::amf0::AmfError;
use crate::codec::CodecError;

/// Why a message or a file is refused. Whoever feeds the demuxer may drop the one message and go on, or
/// end the stream: see [`is_fatal`](Self::is_fatal).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlvError {
    /// The message ends before the structure does.
    #[error("{structure} ends early: {len} bytes, {need} needed")]
    Truncated {
        /// The structure being read.
        structure: &'static str,
        /// Bytes there are.
        len: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A field has a value that is reserved or makes no sense.
    #[error("{structure}: {field} is {value}")]
    Field {
        /// The structure being read.
        structure: &'static str,
        /// The field's name in its specification.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// A codec that this server does not know.
    #[error("{kind} codec {codec} is not supported")]
    UnsupportedCodec {
        /// `video` or `audio`.
        kind: &'static str,
        /// The FourCC or the number of the codec.
        codec: String,
    },
    /// A codec configuration or coded header is broken.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A script message is broken.
    #[error(transparent)]
    Amf(#[from] AmfError),
    /// More of something than a bound allows.
    #[error("more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A frame is longer than a tag can be.
    #[error("FLV tag of {len} bytes: {max} are allowed")]
    TagTooLarge {
        /// Its length.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Not an FLV file.
    #[error("not an FLV file: it begins with {found:02x?}")]
    Signature {
        /// The first three bytes.
        found: [u8; 3],
    },
}

impl FlvError {
    /// Whether the sender should be cut off: it passed a bound that no honest encoder comes near, or the
    /// bytes that follow cannot be made sense of. After any other error the demuxer takes the next message
    /// as if the refused one had not been sent.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::TooMany { .. } | Self::Signature { .. } => true,
            Self::Amf(error) => !matches!(
                error,
                AmfError::Truncated { .. }
                    | AmfError::Marker { .. }
                    | AmfError::Reference { .. }
                    | AmfError::Externalizable { .. }
            ),
            Self::TagTooLarge { .. }
            | Self::Truncated { .. }
            | Self::Field { .. }
            | Self::UnsupportedCodec { .. }
            | Self::Codec(_) => false,
        }
    }
}
