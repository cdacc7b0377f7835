//! What can be wrong with media that is to become MP4, and with MP4 that is read.

use thiserror::Error;

use crate::codec::CodecError;

/// Why something is not written or not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fmp4Error {
    /// The codec has no form in MP4 that players know; see [`carries`](super::carries).
    #[error("{codec} is not carried in MP4")]
    UnsupportedCodec {
        /// Its name.
        codec: &'static str,
    },
    /// Something that the format needs is not known.
    #[error("{structure}: {what} is not known")]
    Missing {
        /// The structure being made or read.
        structure: &'static str,
        /// What it needs.
        what: &'static str,
    },
    /// A field has a value that its specification forbids or that does not fit.
    #[error("{structure}: {field} is {value}")]
    Field {
        /// The structure being made or read.
        structure: &'static str,
        /// The field's name in its specification.
        field: &'static str,
        /// The value found.
        value: i64,
    },
    /// A box ends before what it has to hold does.
    #[error("{structure} ends early at byte {offset}")]
    Truncated {
        /// The structure being read.
        structure: &'static str,
        /// Byte of it at which more was expected.
        offset: usize,
    },
    /// More of something than a bound allows.
    #[error("{what}: {value}, the limit is {max}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        value: u64,
        /// The bound.
        max: u64,
    },
    /// A sample lies where there is no media data, or across the end of it.
    #[error("a sample lies outside the media data, at byte {offset}")]
    OutsideData {
        /// Where, in bytes from the beginning.
        offset: u64,
    },
    /// A table of a movie box has no entry for a sample that another one lists.
    #[error("{table} has nothing for sample {sample}")]
    Short {
        /// The table.
        table: &'static str,
        /// The sample, counted from 0.
        sample: usize,
    },
    /// A codec configuration is broken.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
