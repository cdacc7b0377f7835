//! Boxes: their headers read, and boxes written in network order, sizes filled in when one is closed
//! (ISO/IEC 14496-12 4.2).

use super::error::Fmp4Error;

/// Bytes that the header of any box fits.
pub const MAX_BOX_HEADER_BYTES: usize = 16;

/// What the header of a box says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxHeader {
    /// Four characters that name it.
    pub kind: [u8; 4],
    /// Bytes of the box with its header; `None` when it goes up to the end of the file.
    pub size: Option<u64>,
    /// Bytes of the header, 8 or 16.
    pub header_bytes: usize,
}

impl BoxHeader {
    /// Reads the header at the beginning of `data`; `None` when it is not there as a whole.
    ///
    /// # Errors
    /// [`Fmp4Error::Field`] for a size that does not hold the header itself.
    pub fn parse(data: &[u8]) -> Result<Option<Self>, Fmp4Error> {
        let Some(&[a, b, c, d, kind @ ..]) = data.first_chunk::<BOX_HEADER_BYTES>() else { return Ok(None) };
        let (size, header_bytes) = match u32::from_be_bytes([a, b, c, d]) {
            0 => return Ok(Some(Self { kind, size: None, header_bytes: BOX_HEADER_BYTES })),
            1 => {
                let Some(&[_, _, _, _, _, _, _, _, size @ ..]) = data.first_chunk::<MAX_BOX_HEADER_BYTES>()
                else {
                    return Ok(None);
                };
                (u64::from_be_bytes(size), MAX_BOX_HEADER_BYTES)
            }
            size => (size.into(), BOX_HEADER_BYTES),
        };
        if size < header_bytes as u64 {
            return Err(Fmp4Error::Field { structure: "box", field: "size", value: size.cast_signed() });
        }
        Ok(Some(Self { kind, size: Some(size), header_bytes }))
    }
}

/// Four characters that name a box, a brand or a sample entry.
pub(super) type FourCc = [u8; 4];

/// Bytes of a box header with a 32-bit size.
pub(super) const BOX_HEADER_BYTES: usize = 8;
/// Bytes of a box header with version and flags.
pub(super) const FULL_BOX_HEADER_BYTES: usize = 12;

/// Bytes in the making.
#[derive(Debug, Default)]
pub(super) struct BoxWriter {
    out: Vec<u8>,
}

impl BoxWriter {
    /// A writer with room for `bytes`.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    /// What was written.
    pub(super) fn into_inner(self) -> Vec<u8> {
        self.out
    }

    /// Number of bytes written.
    pub(super) const fn len(&self) -> usize {
        self.out.len()
    }

    /// A box of `kind` around what `body` writes.
    pub(super) fn boxed<T>(&mut self, kind: FourCc, body: impl FnOnce(&mut Self) -> T) -> T {
        let start = self.out.len();
        self.u32(0);
        self.bytes(&kind);
        let result = body(self);
        // Only `mdat` can pass 32 bits, and it is not written through here.
        let size = u32::try_from(self.out.len() - start).unwrap_or(u32::MAX);
        if let Some(field) = self.out.get_mut(start..start + 4) {
            field.copy_from_slice(&size.to_be_bytes());
        }
        result
    }

    /// A box of `kind` with `version` and the low 24 bits of `flags`, around what `body` writes.
    pub(super) fn full<T>(
        &mut self,
        kind: FourCc,
        version: u8,
        flags: u32,
        body: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.boxed(kind, |out| {
            out.u32(u32::from(version) << 24 | flags & 0xff_ffff);
            body(out)
        })
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, 0);
    }
}
