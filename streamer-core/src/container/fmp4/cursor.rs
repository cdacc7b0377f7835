//! Fields and boxes out of a byte slice; every read is checked against its end.

use super::boxes::FourCc;
use super::error::Fmp4Error;

/// Reads the fields of a named structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    structure: &'static str,
    data: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte of `data`; `structure` names it in errors.
    pub(super) const fn new(structure: &'static str, data: &'a [u8]) -> Self {
        Self { structure, data, position: 0 }
    }

    /// The next `count` bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fmp4Error> {
        let end = self.position.checked_add(count);
        let bytes = end.and_then(|end| self.data.get(self.position..end));
        let truncated = Fmp4Error::Truncated { structure: self.structure, offset: self.data.len() };
        let bytes = bytes.ok_or(truncated)?;
        self.position += count;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fmp4Error> {
        let bytes = self.bytes(N)?;
        Ok(bytes.first_chunk().copied().unwrap_or([0; N]))
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Fmp4Error> {
        self.bytes(count).map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fmp4Error> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fmp4Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fmp4Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fmp4Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// Version and flags of a full box.
    pub(super) fn version_and_flags(&mut self) -> Result<(u8, u32), Fmp4Error> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0xff_ffff))
    }

    /// A text that ends with a zero byte, anything that is not UTF-8 replaced.
    pub(super) fn text(&mut self) -> Result<String, Fmp4Error> {
        let rest = self.rest();
        let len = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(self.bytes(len)?).into_owned();
        self.skip(1)?;
        Ok(text)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.data.get(self.position..).unwrap_or_default()
    }

    /// The boxes that what has not been read consists of.
    pub(super) fn boxes(&self) -> Boxes<'a> {
        Boxes { inner: Cursor::new(self.structure, self.rest()) }
    }

    /// An error about `field` of the structure.
    pub(super) fn field(&self, field: &'static str, value: impl Into<i64>) -> Fmp4Error {
        Fmp4Error::Field { structure: self.structure, field, value: value.into() }
    }
}

/// Iterator over the boxes in a slice: names and bodies (ISO/IEC 14496-12 4.2.2). After an error it ends.
#[derive(Clone, Debug)]
pub(super) struct Boxes<'a> {
    inner: Cursor<'a>,
}

impl<'a> Boxes<'a> {
    /// The body of the first box of this kind.
    pub(super) fn find(self, kind: FourCc) -> Result<Option<&'a [u8]>, Fmp4Error> {
        for found in self {
            let (name, body) = found?;
            if name == kind {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> Result<Option<(FourCc, &'a [u8])>, Fmp4Error> {
        // Some writers leave less than a header's length of zeros behind the last box.
        if self.inner.rest().len() < 8 {
            return Ok(None);
        }
        let size = self.inner.u32()?;
        let name = self.inner.array()?;
        let body = match size {
            0 => self.inner.rest().len(),
            1 => {
                usize::try_from(self.inner.u64()?).unwrap_or(usize::MAX).checked_sub(16).unwrap_or(usize::MAX)
            }
            _ => (size as usize).checked_sub(8).unwrap_or(usize::MAX),
        };
        Ok(Some((name, self.inner.bytes(body)?)))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<(FourCc, &'a [u8]), Fmp4Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.inner = Cursor::new(self.inner.structure, &[]);
        }
        read.transpose()
    }
}
