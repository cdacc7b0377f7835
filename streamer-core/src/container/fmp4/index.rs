//! The segment index: where the fragments of one file lie (`sidx`, ISO/IEC 14496-12 8.16.3).
//!
//! It lets a player seek by byte ranges in a file that holds many fragments, a recording or an export. Live
//! segments are files of their own, which their playlist names, and need none.

use bytes::Bytes;

use super::boxes::BoxWriter;
use super::error::Fmp4Error;
use crate::time::Timescale;

/// References of one index, which its 16 bits can count: a day in fragments of 1.3 s.
pub const MAX_REFERENCES: usize = 65_535;
/// Bytes that a reference can speak of, in 31 bits.
pub const MAX_REFERENCED_BYTES: u32 = (1 << 31) - 1;

/// A fragment, or several in a row, of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentReference {
    /// Bytes from its beginning to that of the next one, at most [`MAX_REFERENCED_BYTES`].
    pub bytes: u32,
    /// How long it lasts, in the index' timescale.
    pub duration: u32,
    /// Whether it begins with a sync sample (`SAP_type` 1).
    pub starts_with_sync: bool,
}

/// An index of what stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct SegmentIndex<'a> {
    /// `track_ID` of the track whose times are told.
    pub track_id: u32,
    /// Scale of the times.
    pub timescale: Timescale,
    /// When the first reference is presented.
    pub earliest_presentation_time: u64,
    /// Bytes between the index and the first reference.
    pub first_offset: u64,
    /// The references, which lie in a row.
    pub references: &'a [SegmentReference],
}

/// The bytes of the `sidx` box.
///
/// # Errors
/// [`Fmp4Error::Limit`] past [`MAX_REFERENCES`], and for a reference past [`MAX_REFERENCED_BYTES`].
pub fn segment_index(index: &SegmentIndex<'_>) -> Result<Bytes, Fmp4Error> {
    let limit =
        |what, value: usize, max: usize| Fmp4Error::Limit { what, value: value as u64, max: max as u64 };
    let count = index.references.len();
    let count =
        u16::try_from(count).map_err(|_| limit("references of a segment index", count, MAX_REFERENCES))?;
    if let Some(large) = index.references.iter().find(|reference| reference.bytes > MAX_REFERENCED_BYTES) {
        return Err(limit("bytes of a reference", large.bytes as usize, MAX_REFERENCED_BYTES as usize));
    }
    let mut out = BoxWriter::with_capacity(40 + 12 * index.references.len());
    out.full(*b"sidx", 1, 0, |out| {
        out.u32(index.track_id);
        out.u32(index.timescale.ticks_per_second());
        out.u64(index.earliest_presentation_time);
        out.u64(index.first_offset);
        out.u16(0);
        out.u16(count);
        for reference in index.references {
            out.u32(reference.bytes); // reference_type 0: media
            out.u32(reference.duration);
            out.u32(if reference.starts_with_sync { 0x9000_0000 } else { 0 });
        }
    });
    Ok(Bytes::from(out.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: SegmentReference =
        SegmentReference { bytes: 0x0102_0304, duration: 180_000, starts_with_sync: true };

    fn index(references: &[SegmentReference]) -> SegmentIndex<'_> {
        let (timescale, earliest_presentation_time) = (Timescale::MPEG, 1 << 40);
        SegmentIndex { track_id: 3, timescale, earliest_presentation_time, first_offset: 9, references }
    }

    #[test]
    fn fields_by_hand() {
        let second = SegmentReference { starts_with_sync: false, ..REFERENCE };
        let mut expected =
            vec![0, 0, 0, 64, b's', b'i', b'd', b'x', 1, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0x5f, 0x90];
        expected.extend([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2]);
        expected.extend([1, 2, 3, 4, 0, 2, 0xbf, 0x20, 0x90, 0, 0, 0]);
        expected.extend([1, 2, 3, 4, 0, 2, 0xbf, 0x20, 0, 0, 0, 0]);
        assert_eq!(segment_index(&index(&[REFERENCE, second])).unwrap(), expected);
    }

    #[test]
    fn references_at_their_limits() {
        let many = vec![REFERENCE; MAX_REFERENCES + 1];
        assert_eq!(segment_index(&index(&many[1..])).map(|bytes| bytes.len()), Ok(40 + 12 * MAX_REFERENCES));
        assert!(matches!(segment_index(&index(&many)), Err(Fmp4Error::Limit { max: 65_535, .. })));
        let large = |bytes| segment_index(&index(&[SegmentReference { bytes, ..REFERENCE }]));
        assert!(large(MAX_REFERENCED_BYTES).is_ok());
        assert!(matches!(large(MAX_REFERENCED_BYTES + 1), Err(Fmp4Error::Limit { .. })));
    }
}
