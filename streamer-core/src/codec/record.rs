//! The bound that all configuration records share.

use bytes::Bytes;

use super::CodecError;

/// Largest configuration record accepted or built. Records take some hundred bytes, a few thousand with
/// an encoder's settings in them; each track keeps one for as long as the stream lives.
pub const MAX_RECORD_BYTES: usize = 32 * 1024;

/// Refuses a record of more than [`MAX_RECORD_BYTES`].
pub(crate) const fn check_record_size(structure: &'static str, len: usize) -> Result<(), CodecError> {
    if len > MAX_RECORD_BYTES {
        let (value, max) = (len as u64, MAX_RECORD_BYTES as u64);
        return Err(CodecError::Limit { structure, what: "size in bytes", value, max });
    }
    Ok(())
}

/// `length` bytes of `record` from `offset` on, shared with it; fewer where the record ends.
pub(crate) fn slice_of(record: &Bytes, offset: usize, length: usize) -> Bytes {
    let end = offset.saturating_add(length).min(record.len());
    record.slice(offset.min(end)..end)
}
