//! A bit reader over a byte slice, most significant bit first (ITU-T H.264 7.2 and 9.1).

use super::CodecError;

/// Reads fields of a named structure; every read is checked against the end of the slice.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    structure: &'static str,
    data: &'a [u8],
    /// Bits read so far; at most `8 * data.len()`.
    position: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit of `data`; `structure` names what is read in errors.
    pub(crate) const fn new(structure: &'static str, data: &'a [u8]) -> Self {
        Self { structure, data, position: 0 }
    }

    /// Offset of the byte that holds the next bit.
    pub(crate) const fn byte_offset(&self) -> usize {
        self.position / 8
    }

    /// Bits not yet read.
    pub(crate) const fn remaining_bits(&self) -> usize {
        self.data.len() * 8 - self.position
    }

    /// One bit, as a flag.
    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        Ok(self.bits(1)? == 1)
    }

    /// `u(count)`, `count` of 0 to 32.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, CodecError> {
        debug_assert!(count <= 32, "a field of {count} bits");
        self.require(count as usize)?;
        let mut value: u64 = 0;
        let mut missing = count as usize;
        while missing > 0 {
            let byte = self.data.get(self.position / 8).copied().unwrap_or(0);
            let left_in_byte = 8 - self.position % 8;
            let take = missing.min(left_in_byte);
            let chunk = (u64::from(byte) >> (left_in_byte - take)) & ((1 << take) - 1);
            value = (value << take) | chunk;
            self.position += take;
            missing -= take;
        }
        // At most 32 bits were gathered.
        Ok((value & u64::from(u32::MAX)) as u32)
    }

    /// `u(8)` or less, for fields kept in a byte.
    pub(crate) fn small(&mut self, count: u32) -> Result<u8, CodecError> {
        debug_assert!(count <= 8, "a small field of {count} bits");
        Ok((self.bits(count)? & 0xff) as u8)
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), CodecError> {
        self.require(count)?;
        self.position += count;
        Ok(())
    }

    /// Passes over the bits up to the next byte boundary, if not at one.
    pub(crate) fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    /// The next `count` bytes, from the next byte boundary on.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        self.align();
        let start = self.position / 8;
        let bytes = start.checked_add(count).and_then(|end| self.data.get(start..end));
        let bytes = bytes.ok_or_else(|| self.truncated())?;
        self.position += count * 8;
        Ok(bytes)
    }

    /// `ue(v)`: an unsigned Exp-Golomb code of at most 32 bits of value.
    pub(crate) fn ue(&mut self) -> Result<u32, CodecError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 32 {
                return Err(self.field("ue(v) leading zeros", zeros.into()));
            }
        }
        let suffix = u64::from(self.bits(zeros)?);
        let value = (1u64 << zeros) - 1 + suffix;
        u32::try_from(value).map_err(|_| self.field("ue(v)", value))
    }

    /// `ue(v)` that its specification bounds by `max`.
    pub(crate) fn ue_max(&mut self, field: &'static str, max: u32) -> Result<u32, CodecError> {
        let value = self.ue()?;
        if value > max { Err(self.field(field, value.into())) } else { Ok(value) }
    }

    /// `se(v)`: a signed Exp-Golomb code.
    pub(crate) fn se(&mut self) -> Result<i64, CodecError> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }

    /// An error about `field` of the structure being read.
    pub(crate) const fn field(&self, field: &'static str, value: u64) -> CodecError {
        CodecError::Field { structure: self.structure, field, value }
    }

    fn require(&self, bits: usize) -> Result<(), CodecError> {
        if bits > self.remaining_bits() { Err(self.truncated()) } else { Ok(()) }
    }

    const fn truncated(&self) -> CodecError {
        CodecError::Truncated { structure: self.structure, offset: self.data.len() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_cross_byte_boundaries() {
        let mut reader = BitReader::new("test", &[0b1010_0101, 0xff, 0x00, 0x80]);
        assert_eq!(reader.bits(3), Ok(0b101));
        assert_eq!(reader.bits(9), Ok(0b0_0101_1111));
        assert_eq!(reader.byte_offset(), 1);
        assert_eq!(reader.bytes(1), Ok(&[0x00][..]));
        assert_eq!(reader.flag(), Ok(true));
        assert_eq!(reader.remaining_bits(), 7);
        assert_eq!(reader.bits(8), Err(CodecError::Truncated { structure: "test", offset: 4 }));
        assert_eq!(reader.remaining_bits(), 7, "a failed read consumes nothing");
    }

    #[test]
    fn thirty_two_bits_at_any_offset() {
        let mut reader = BitReader::new("test", &[0x0f, 0xff, 0xff, 0xff, 0xf0]);
        assert_eq!(reader.bits(4), Ok(0));
        assert_eq!(reader.bits(32), Ok(u32::MAX));
    }

    /// The table of ITU-T H.264 9.1: code numbers 0 to 4, and their signed readings.
    #[test]
    fn exp_golomb_codes_of_the_table() {
        // 1 010 011 00100 00101
        let data = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut reader = BitReader::new("test", &data);
        let unsigned: Vec<u32> = (0..5).map(|_| reader.ue().unwrap()).collect();
        assert_eq!(unsigned, [0, 1, 2, 3, 4]);
        let mut reader = BitReader::new("test", &data);
        let signed: Vec<i64> = (0..5).map(|_| reader.se().unwrap()).collect();
        assert_eq!(signed, [0, 1, -1, 2, -2]);
    }

    #[test]
    fn the_longest_code_is_the_largest_u32() {
        // 32 zeros, a one, 32 zeros: 2^32 - 1.
        let mut data = vec![0, 0, 0, 0, 0x80, 0, 0, 0, 0];
        assert_eq!(BitReader::new("test", &data).ue(), Ok(u32::MAX));
        // The next one no longer fits.
        data[8] = 0x80;
        assert!(matches!(BitReader::new("test", &data).ue(), Err(CodecError::Field { .. })));
        // Neither do 33 zeros.
        assert!(matches!(BitReader::new("test", &[0; 16]).ue(), Err(CodecError::Field { .. })));
    }

    proptest! {
        #[test]
        fn splitting_a_read_gives_the_same_bits(data in proptest::collection::vec(any::<u8>(), 4..12), at in 0u32..33) {
            let mut whole = BitReader::new("test", &data);
            let mut split = BitReader::new("test", &data);
            let (high, low) = (u64::from(split.bits(at).unwrap()), u64::from(split.bits(32 - at).unwrap()));
            prop_assert_eq!(u64::from(whole.bits(32).unwrap()), (high << (32 - at)) | low);
        }
    }
}
