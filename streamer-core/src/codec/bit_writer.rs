//! Writes fields as bits: for tests of headers that no encoder at hand makes.

/// The opposite of [`BitReader`](super::bits::BitReader).
#[derive(Clone, Default)]
pub(crate) struct BitWriter(Vec<bool>);

impl BitWriter {
    /// `u(count)`.
    pub(crate) fn bits(&mut self, count: u32, value: u64) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| (value >> bit) & 1 == 1));
        self
    }

    /// `ue(v)`.
    pub(crate) fn ue(&mut self, value: u64) -> &mut Self {
        let length = (value + 1).ilog2();
        self.bits(length, 0).bits(length + 1, value + 1)
    }

    /// `se(v)`.
    pub(crate) fn se(&mut self, value: i64) -> &mut Self {
        self.ue(if value > 0 { value.unsigned_abs() * 2 - 1 } else { value.unsigned_abs() * 2 })
    }

    /// What was written, padded with zeros.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let byte =
            |bits: &[bool]| (0..8).fold(0, |byte, at| (byte << 1) | u8::from(bits.get(at) == Some(&true)));
        self.0.chunks(8).map(byte).collect()
    }

    /// What was written, with emulation prevention (ITU-T H.264 7.4.1), as a NAL unit.
    pub(crate) fn unit(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in self.bytes() {
            if byte <= 3 && out.ends_with(&[0, 0]) {
                out.push(3);
            }
            out.push(byte);
        }
        out
    }
}
