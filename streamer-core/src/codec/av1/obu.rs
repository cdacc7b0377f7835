//! OBU framing in low-overhead format (AV1 bitstream 5.3, 4.10.5).

use crate::codec::CodecError;

const OBU: &str = "OBU";
/// Bytes of the longest `leb128`.
const MAX_LEB128_BYTES: usize = 8;

/// An open bitstream unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// `obu_type`.
    pub obu_type: u8,
    /// What follows header and size.
    pub body: &'a [u8],
}

/// The OBUs of a temporal unit. One without a size field runs to the end.
#[must_use]
pub const fn obus(data: &[u8]) -> Obus<'_> {
    Obus { data, position: 0 }
}

/// Iterator over OBUs; a size that runs past the end gives one error, then the end.
#[derive(Clone, Debug)]
pub struct Obus<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Obus<'a> {
    fn read(&mut self) -> Result<Option<Obu<'a>>, CodecError> {
        let rest = self.data.get(self.position..).unwrap_or_default();
        let Some(&header) = rest.first() else { return Ok(None) };
        if header & 0x80 != 0 {
            return Err(CodecError::Field { structure: OBU, field: "obu_forbidden_bit", value: 1 });
        }
        let truncated = CodecError::Truncated { structure: OBU, offset: self.position };
        let header_bytes = if header & 0x04 == 0 { 1 } else { 2 };
        let rest = rest.get(header_bytes..).ok_or(truncated.clone())?;
        let (size, size_bytes) =
            if header & 0x02 == 0 { (rest.len(), 0) } else { leb128(rest).ok_or(truncated.clone())? };
        let end = size_bytes.saturating_add(size);
        let body = rest.get(size_bytes..end).ok_or(truncated)?;
        self.position += header_bytes + end;
        Ok(Some(Obu { obu_type: (header >> 3) & 0x0f, body }))
    }
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            *self = obus(&[]);
        }
        read.transpose()
    }
}

/// A `leb128` and the bytes it takes; `None` when it ends early, is too long, or no size of this machine.
pub(super) fn leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (at, &byte) in data.iter().take(MAX_LEB128_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            // 4.10.5: no more than 32 bits of value.
            return Some((u32::try_from(value).ok()?.try_into().ok()?, at + 1));
        }
    }
    None
}

/// Appends a `leb128` in as few bytes as it takes.
pub(super) fn put_leb128(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}
