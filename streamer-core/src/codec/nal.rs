//! NAL unit framing: length prefixes, start codes, emulation prevention (ITU-T H.264 7.4.1 and annex B).
//!
//! The canonical access unit has 4-byte big-endian lengths. Annex B streams (MPEG-TS, RTSP cameras)
//! and records with shorter lengths are converted once, where they come in.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use super::CodecError;

/// Size of the length prefix of a canonical access unit.
pub const LENGTH_SIZE: u8 = 4;

const ACCESS_UNIT: &str = "access unit";
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of a canonical access unit (4-byte lengths), in order, without their prefixes.
#[must_use]
pub const fn units(payload: &[u8]) -> Units<'_> {
    units_with_length_size(payload, LENGTH_SIZE)
}

/// The NAL units of an access unit whose lengths take `length_size` bytes, 1 to 4
/// (`lengthSizeMinusOne` + 1 of the configuration record, ISO/IEC 14496-15 5.3.3.1).
#[must_use]
pub const fn units_with_length_size(payload: &[u8], length_size: u8) -> Units<'_> {
    Units { payload, position: 0, length_size }
}

/// Iterator over length-prefixed NAL units.
///
/// Units of length zero, which some encoders write as padding, are passed over. A length that runs
/// past the end gives one [`CodecError::Truncated`], then the end.
#[derive(Clone, Debug)]
pub struct Units<'a> {
    payload: &'a [u8],
    position: usize,
    length_size: u8,
}

impl<'a> Units<'a> {
    fn read(&mut self) -> Result<Option<&'a [u8]>, CodecError> {
        if !(1..=4).contains(&self.length_size) {
            let value = self.length_size.into();
            return Err(CodecError::Field { structure: ACCESS_UNIT, field: "length size", value });
        }
        loop {
            let rest = self.payload.get(self.position..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let truncated = CodecError::Truncated { structure: ACCESS_UNIT, offset: self.position };
            let Some((prefix, rest)) = rest.split_at_checked(self.length_size.into()) else {
                return Err(truncated);
            };
            let length = prefix.iter().fold(0, |length, &byte| (length << 8) | usize::from(byte));
            let Some(unit) = rest.get(..length) else { return Err(truncated) };
            self.position += prefix.len() + length;
            if length > 0 {
                return Ok(Some(unit));
            }
        }
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = Result<&'a [u8], CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            *self = units(&[]);
        }
        read.transpose()
    }
}

/// The NAL units of an Annex B byte stream, in order, without start codes and padding zeros.
///
/// Bytes before the first start code belong to no unit and are passed over.
#[must_use]
pub fn annex_b_units(stream: &[u8]) -> AnnexBUnits<'_> {
    let rest = find_start_code(stream).and_then(|at| stream.get(at + 3..)).unwrap_or_default();
    AnnexBUnits { rest }
}

/// Iterator over the NAL units of an Annex B byte stream.
#[derive(Clone, Debug)]
pub struct AnnexBUnits<'a> {
    /// From behind a start code on.
    rest: &'a [u8],
}

impl<'a> Iterator for AnnexBUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = match find_start_code(self.rest) {
                Some(at) => self.rest.split_at(at),
                None => (self.rest, &[][..]),
            };
            self.rest = rest.get(3..).unwrap_or_default();
            // A NAL unit never ends in a zero byte: these are padding, or the first byte of a 4-byte start code.
            let padding = unit.iter().rev().take_while(|&&byte| byte == 0).count();
            if padding < unit.len() {
                return unit.get(..unit.len() - padding);
            }
        }
        None
    }
}

/// Offset of the first `00 00 01`.
fn find_start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    // The third byte decides how far the next candidate can be.
    while let Some(&[first, second, third]) = data.get(at..at + 3) {
        match (first, second, third) {
            (0, 0, 1) => return Some(at),
            (_, _, 0) => at += 1,
            _ => at += 3,
        }
    }
    None
}

/// A canonical access unit from an Annex B byte stream.
#[must_use]
pub fn from_annex_b(stream: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(stream.len() + 16);
    for unit in annex_b_units(stream) {
        put_unit(&mut out, unit);
    }
    out.freeze()
}

/// Appends a canonical access unit to `out` as an Annex B byte stream with 4-byte start codes.
///
/// # Errors
/// [`CodecError::Truncated`] when a length runs past the end; the units before it are in `out`.
pub fn to_annex_b(payload: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.reserve(payload.len());
    for unit in units(payload) {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(unit?);
    }
    Ok(())
}

/// A canonical access unit from one whose lengths take `length_size` bytes, 1 to 4.
///
/// With a size of 4 the payload is returned as it is, unread. Empty units are dropped, so the result
/// is at most two and a half times as long as the payload.
///
/// # Errors
/// [`CodecError::Truncated`] when a length runs past the end, [`CodecError::Field`] for another `length_size`.
pub fn canonical(payload: &Bytes, length_size: u8) -> Result<Bytes, CodecError> {
    if length_size == LENGTH_SIZE {
        return Ok(payload.clone());
    }
    let mut out = BytesMut::with_capacity(payload.len() + 16);
    for unit in units_with_length_size(payload, length_size) {
        put_unit(&mut out, unit?);
    }
    Ok(out.freeze())
}

/// A canonical access unit of `units`, each without prefix or start code. Empty ones are dropped.
#[must_use]
pub fn join<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    for unit in units.into_iter().filter(|unit| !unit.is_empty()) {
        put_unit(&mut out, unit);
    }
    out.freeze()
}

fn put_unit(out: &mut BytesMut, unit: &[u8]) {
    // A unit of 4 GiB has no canonical form; no carrying protocol delivers one.
    if let Ok(length) = u32::try_from(unit.len()) {
        out.put_u32(length);
        out.put_slice(unit);
    }
}

/// The raw byte sequence payload of a NAL unit: the unit without its emulation prevention bytes
/// (ITU-T H.264 7.3.1, H.265 7.3.1.1). Borrowed where there are none.
#[must_use]
pub fn unescape(unit: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = unit.windows(3).position(|window| window == [0, 0, 3]) else {
        return Cow::Borrowed(unit);
    };
    let (clean, rest) = unit.split_at(first + 2);
    let mut out = Vec::with_capacity(unit.len());
    out.extend_from_slice(clean);
    let mut zeros = 2;
    for &byte in rest {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn collect(payload: &[u8], length_size: u8) -> Result<Vec<&[u8]>, CodecError> {
        units_with_length_size(payload, length_size).collect()
    }

    #[test]
    fn lengths_of_every_size() {
        for size in 1..=4u8 {
            let mut payload = vec![0; usize::from(size) - 1];
            payload.extend([2, 0x65, 0x88]);
            assert_eq!(collect(&payload, size).unwrap(), [&[0x65, 0x88][..]], "length size {size}");
        }
        assert!(matches!(collect(&[0; 8], 0), Err(CodecError::Field { value: 0, .. })));
        assert!(matches!(collect(&[0; 8], 5), Err(CodecError::Field { value: 5, .. })));
    }

    #[test]
    fn a_length_past_the_end_is_an_error_once() {
        let payload = [0, 0, 0, 1, 0x09, 0, 0, 0, 3, 0x65, 0x88];
        let mut iter = units(&payload);
        assert_eq!(iter.next(), Some(Ok(&[0x09][..])));
        assert_eq!(iter.next(), Some(Err(CodecError::Truncated { structure: ACCESS_UNIT, offset: 5 })));
        assert_eq!(iter.next(), None);
        // A prefix that is cut is an error too.
        assert!(collect(&[0, 0, 0], 4).is_err());
    }

    #[test]
    fn empty_units_are_passed_over() {
        assert_eq!(collect(&[0, 0, 1, 7, 0], 1).unwrap(), [&[7][..]]);
        assert_eq!(canonical(&Bytes::from_static(&[0, 0, 1, 7, 0]), 1).unwrap(), [0, 0, 0, 1, 7][..]);
    }

    #[test]
    fn annex_b_start_codes_of_both_lengths_and_padding() {
        let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 0, 0, 0, 1, 0x65, 0, 2, 0, 0];
        let found: Vec<&[u8]> = annex_b_units(&stream).collect();
        assert_eq!(found, [&[0x67, 1][..], &[0x68], &[0x65, 0, 2]]);
        assert_eq!(annex_b_units(&[9, 9, 9]).count(), 0, "no start code, no unit");
        assert_eq!(annex_b_units(&[9, 0, 0, 1, 5]).collect::<Vec<_>>(), [&[5][..]]);
        assert_eq!(annex_b_units(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn emulation_prevention_is_removed() {
        assert_eq!(*unescape(&[0, 0, 3, 1]), [0, 0, 1]);
        assert_eq!(*unescape(&[1, 0, 0, 3, 0, 0, 3, 0, 0, 3]), [1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(*unescape(&[0, 0, 3, 3]), [0, 0, 3]);
        assert!(matches!(unescape(&[0, 3, 0, 0, 2]), Cow::Borrowed(_)));
    }

    /// Inserts emulation prevention as ITU-T H.264 7.4.1 tells an encoder to.
    fn escape(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut zeros = 0;
        for &byte in payload {
            if zeros == 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
        out
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(payload in vec(0u8..5, 0..64)) {
            prop_assert_eq!(unescape(&escape(&payload)).into_owned(), payload);
        }

        #[test]
        fn framing_round_trips(units_in in vec(vec(0u8..4, 0..12), 0..6)) {
            // As an encoder would: escaped, with a last byte that is not zero.
            let units_in: Vec<Vec<u8>> = units_in.iter().map(|unit| { let mut unit = escape(unit); unit.push(0x80); unit }).collect();
            let canonical_form = join(units_in.iter().map(Vec::as_slice));
            let mut stream = Vec::new();
            to_annex_b(&canonical_form, &mut stream).unwrap();
            prop_assert_eq!(annex_b_units(&stream).collect::<Vec<_>>(), units_in.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(from_annex_b(&stream), canonical_form.clone());
            let short: Vec<u8> = units_in.iter().flat_map(|unit| [&[unit.len() as u8][..], unit].concat()).collect();
            prop_assert_eq!(canonical(&Bytes::from(short), 1).unwrap(), canonical_form);
        }

        #[test]
        fn any_bytes_are_survived(data in vec(0u8..4, 0..96), size in any::<u8>()) {
            let taken: usize = units_with_length_size(&data, size).flatten().map(<[u8]>::len).sum();
            prop_assert!(taken <= data.len());
            prop_assert!(annex_b_units(&data).map(<[u8]>::len).sum::<usize>() <= data.len());
            prop_assert!(unescape(&data).len() <= data.len());
            let data = Bytes::from(data);
            if let Ok(out) = canonical(&data, size) {
                prop_assert!(out.len() * 2 <= data.len() * 5);
            }
            prop_assert!(from_annex_b(&data).len() <= data.len() * 5 / 4 + 4);
        }
    }
}
