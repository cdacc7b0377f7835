//! What one AMF decoding may spend, and what can be wrong with the bytes.

use thiserror::Error;

/// Deepest nesting of objects and arrays; a value at the top has depth 1. Bounds the stack: what real
/// encoders send stays below 5.
pub const MAX_AMF_DEPTH: usize = 64;
/// Most values in one message, references expanded. Bounds memory to some 5 MB; the largest real
/// messages are key frame indexes of recorded files, two numbers for each key frame.
pub const MAX_AMF_VALUES: usize = 65_536;
/// Most bytes of one string as sent. Above what an RTMP data message carries in practice (captions,
/// cue points, XMP), far below the longest message.
pub const MAX_AMF_STRING_BYTES: usize = 1024 * 1024;
/// Most bytes of all texts of one message together as decoded, names included: a few bytes that refer to
/// a long string again and again must not fill the memory.
pub const MAX_AMF_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// Why AMF bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AmfError {
    /// The bytes end inside a value.
    #[error("AMF value ends early at byte {offset}")]
    Truncated {
        /// Byte at which more was expected.
        offset: usize,
    },
    /// A type marker that is reserved or not defined.
    #[error("AMF type marker {marker:#04x} at byte {offset} is not defined")]
    Marker {
        /// The marker.
        marker: u8,
        /// Where it stands.
        offset: usize,
    },
    /// Nested deeper than [`MAX_AMF_DEPTH`]; a cycle of AMF 3 references ends here too.
    #[error("AMF values nested deeper than {max}")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// More values than [`MAX_AMF_VALUES`].
    #[error("more than {max} AMF values in one message")]
    TooManyValues {
        /// The limit.
        max: usize,
    },
    /// A string longer than [`MAX_AMF_STRING_BYTES`].
    #[error("AMF string of {len} bytes: {max} are allowed")]
    StringTooLong {
        /// Length as declared.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// More text than [`MAX_AMF_TEXT_BYTES`].
    #[error("more than {max} bytes of AMF text in one message")]
    TooMuchText {
        /// The limit.
        max: usize,
    },
    /// An AMF 3 reference to an entry that does not exist.
    #[error("AMF 3 reference {index} at byte {offset} points to nothing")]
    Reference {
        /// The index.
        index: usize,
        /// Where it stands.
        offset: usize,
    },
    /// An AMF 3 object whose class writes itself in a form only the class knows.
    #[error("AMF 3 externalizable class at byte {offset} is not known")]
    Externalizable {
        /// Where the object stands.
        offset: usize,
    },
}

/// What is left to spend in one message.
#[derive(Debug)]
pub(super) struct Budget {
    values: usize,
    text: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { values: MAX_AMF_VALUES, text: MAX_AMF_TEXT_BYTES }
    }

    /// Pays for one value at `depth`, the top being 1.
    pub(super) const fn value(&mut self, depth: usize) -> Result<(), AmfError> {
        if depth > MAX_AMF_DEPTH {
            return Err(AmfError::TooDeep { max: MAX_AMF_DEPTH });
        }
        match self.values.checked_sub(1) {
            Some(left) => {
                self.values = left;
                Ok(())
            }
            None => Err(AmfError::TooManyValues { max: MAX_AMF_VALUES }),
        }
    }

    /// Makes text of `bytes` and pays for it. Invalid UTF-8 is accepted with replacement characters:
    /// encoders do send Latin-1 in metadata, and no decision hangs on it.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<String, AmfError> {
        let too_much = AmfError::TooMuchText { max: MAX_AMF_TEXT_BYTES };
        // Checked before the copy is made, and again after it: a replacement character is longer.
        if bytes.len() > self.text {
            return Err(too_much);
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.text = self.text.checked_sub(text.len()).ok_or(too_much)?;
        Ok(text)
    }
}
