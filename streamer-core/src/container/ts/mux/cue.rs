//! Splice information sections on the muxer's clock (SCTE 35 9.6).

use super::super::crc::crc32;
use super::super::error::TsError;
use super::super::section::{MAX_SECTION_BYTES, SECTION_HEADER_BYTES, TABLE_SPLICE_INFO};
use super::super::timing::{START_OFFSET_TICKS, near, wrap};

const STRUCTURE: &str = "splice_info_section";
/// Where the 33 bits of `pts_adjustment` stand, behind seven bits of encryption flags.
const ADJUSTMENT: std::ops::Range<usize> = 4..9;
/// Bytes up to `splice_command_type`, a command and the descriptors of length zero, and `CRC_32`.
const MIN_BYTES: usize = 14 + 2 + 4;

/// The section with the muxer's offset added to `pts_adjustment`, as whoever changes the times of a stream must.
///
/// # Errors
/// [`TsError::Section`] when it is not one whole section with a right CRC.
pub(super) fn restamped(section: &[u8]) -> Result<Vec<u8>, TsError> {
    let field = |field, value| TsError::Section { structure: STRUCTURE, field, value };
    let &[table_id, high, low, ..] = section else { return Err(field("size", section.len() as u64)) };
    if table_id != TABLE_SPLICE_INFO {
        return Err(field("table_id", table_id.into()));
    }
    let length = usize::from(u16::from_be_bytes([high & 0xf, low]));
    let whole = SECTION_HEADER_BYTES + length;
    if whole != section.len() || !(MIN_BYTES..=MAX_SECTION_BYTES).contains(&whole) {
        return Err(field("section_length", length as u64));
    }
    if crc32(section) != 0 {
        return Err(field("CRC_32", crc32(section).into()));
    }
    let mut out = section.to_vec();
    if let Some([a, b, c, d, e]) = out.get_mut(ADJUSTMENT) {
        let adjustment = u64::from_be_bytes([0, 0, 0, *a & 1, *b, *c, *d, *e]);
        let shifted = wrap(near(None, adjustment) + START_OFFSET_TICKS);
        let [.., high, f, g, h, i] = shifted.to_be_bytes();
        *a = (*a & !1) | high;
        [*b, *c, *d, *e] = [f, g, h, i];
    }
    out.truncate(whole - 4);
    out.extend(crc32(&out).to_be_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `splice_null` with this adjustment and the flag of encryption algorithm 1.
    fn null(adjustment: u64) -> Vec<u8> {
        let mut section = vec![0xfc, 0x30, 0x11, 0];
        let [.., a, b, c, d, e] = (0x02_0000_0000 | adjustment).to_be_bytes();
        section.extend([a, b, c, d, e]);
        section.extend([0, 0xff, 0xf0, 0, 0, 0, 0]);
        section.extend(crc32(&section).to_be_bytes());
        section
    }

    #[test]
    fn the_offset_is_added_and_wraps() {
        for (before, after) in [(0, 900_000), ((1 << 33) - 1, 899_999), ((1 << 32) - 1, (1 << 32) + 899_999)]
        {
            assert_eq!(restamped(&null(before)).unwrap(), null(after));
        }
    }

    #[test]
    fn what_is_no_whole_section_is_refused() {
        let good = null(7);
        for (bad, name) in [
            (vec![0xfc, 0x30], "size"),
            ([&[0xfd], &good[1..]].concat(), "table_id"),
            (good[..19].to_vec(), "section_length"),
            ([&good[..], &[0]].concat(), "section_length"),
            ([&good[..10], &[1], &good[11..]].concat(), "CRC_32"),
            ([&[0xfc, 0x30, 0x0f][..], &good[3..18]].concat(), "section_length"),
        ] {
            let refused = restamped(&bad);
            assert!(matches!(refused, Err(TsError::Section { field, .. }) if field == name), "{name}");
        }
    }
}
