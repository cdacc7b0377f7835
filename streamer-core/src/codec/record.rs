//! What configuration records share: their bound, and the parameter sets within.

use bytes::Bytes;

use super::CodecError;
use super::bits::BitReader;

/// Largest configuration record accepted or built. Records take some hundred bytes, a few thousand with
/// an encoder's settings in them; each track keeps one for as long as the stream lives.
pub const MAX_RECORD_BYTES: usize = 32 * 1024;

const _: () = assert!(MAX_RECORD_BYTES <= 0xffff, "a parameter set's length fits its 16 bits");

/// Refuses a record of more than [`MAX_RECORD_BYTES`].
pub(crate) const fn check_record_size(structure: &'static str, len: usize) -> Result<(), CodecError> {
    if len > MAX_RECORD_BYTES {
        let (value, max) = (len as u64, MAX_RECORD_BYTES as u64);
        return Err(CodecError::Limit { structure, what: "size in bytes", value, max });
    }
    Ok(())
}

/// Refuses more than `max` parameter sets of the kind `what`.
pub(crate) const fn check_count(
    structure: &'static str,
    what: &'static str,
    count: usize,
    max: usize,
) -> Result<(), CodecError> {
    if count > max {
        let (value, max) = (count as u64, max as u64);
        return Err(CodecError::Limit { structure, what, value, max });
    }
    Ok(())
}

/// Reads `count` parameter sets, each behind 16 bits of length, as slices of `record`, over whose bytes
/// `reader` goes. Empty ones are passed over.
pub(crate) fn read_sets(
    reader: &mut BitReader<'_>,
    record: &Bytes,
    count: u32,
) -> Result<Vec<Bytes>, CodecError> {
    let mut sets = Vec::new();
    for _ in 0..count {
        let length = reader.bits(16)? as usize;
        let start = reader.byte_offset();
        reader.bytes(length)?;
        if length > 0 {
            sets.push(record.slice(start..start + length));
        }
    }
    Ok(sets)
}

/// Appends parameter sets, each behind 16 bits of length; the record's size was checked before.
pub(crate) fn put_sets(record: &mut Vec<u8>, sets: &[Bytes]) {
    for set in sets {
        record.extend(((set.len() & 0xffff) as u16).to_be_bytes());
        record.extend_from_slice(set);
    }
}
