//! A cursor over AMF bytes that knows how far it has come.

use super::budget::{AmfError, MAX_AMF_STRING_BYTES};

#[derive(Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Input<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], AmfError> {
        let end = self.offset.saturating_add(len);
        let taken =
            self.bytes.get(self.offset..end).ok_or(AmfError::Truncated { offset: self.bytes.len() })?;
        self.offset = end;
        Ok(taken)
    }

    /// The bytes of a string, whose length is bounded before they are looked at.
    pub(super) fn string(&mut self, len: usize) -> Result<&'a [u8], AmfError> {
        if len > MAX_AMF_STRING_BYTES {
            return Err(AmfError::StringTooLong { len, max: MAX_AMF_STRING_BYTES });
        }
        self.take(len)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let offset = self.bytes.len();
        self.take(N)?.try_into().map_err(|_| AmfError::Truncated { offset })
    }

    pub(super) fn u8(&mut self) -> Result<u8, AmfError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, AmfError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, AmfError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, AmfError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, AmfError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, AmfError> {
        self.array().map(f64::from_be_bytes)
    }
}
