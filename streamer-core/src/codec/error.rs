//! What can be wrong with a codec's configuration or header.

use thiserror::Error;

/// Why a codec configuration or a coded header is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end before the structure does.
    #[error("{structure} ends early at byte {offset}")]
    Truncated {
        /// The structure being read.
        structure: &'static str,
        /// Byte at which more was expected.
        offset: usize,
    },
    /// A field has a value the specification forbids.
    #[error("{structure}: {field} is {value}")]
    Field {
        /// The structure being read.
        structure: &'static str,
        /// The field's name in its specification.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// Well-formed, but larger than this implementation accepts.
    #[error("{structure}: {what} is {value}, the limit is {max}")]
    Limit {
        /// The structure being read.
        structure: &'static str,
        /// What is too large.
        what: &'static str,
        /// The value found.
        value: u64,
        /// The largest value accepted.
        max: u64,
    },
    /// Well-formed, but of a kind that is not supported.
    #[error("{structure}: {what} is not supported")]
    Unsupported {
        /// The structure being read.
        structure: &'static str,
        /// What is not supported.
        what: &'static str,
    },
}
