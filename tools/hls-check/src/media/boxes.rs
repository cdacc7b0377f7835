//! The box structure of ISO/IEC 14496-12.

/// One box: its type and what it holds.
pub(super) struct Box4<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
}

/// Splits `data` into boxes.
pub(super) fn boxes(mut data: &[u8]) -> Result<Vec<Box4<'_>>, String> {
    let mut list = Vec::new();
    while !data.is_empty() {
        let mut reader = Reader(data);
        let (Some(size), Some(kind)) =
            (reader.u32(), reader.take(4).and_then(|kind| kind.first_chunk::<4>()))
        else {
            return Err(format!("{} bytes are left where a box should begin", data.len()));
        };
        let (header, size) = match size {
            0 => (8, data.len() as u64),
            1 => (16, reader.u64().unwrap_or(0)),
            size => (8, u64::from(size)),
        };
        let body = usize::try_from(size).ok().and_then(|size| data.get(header..size)).ok_or_else(|| {
            format!("box {} says {size} bytes where {} are", String::from_utf8_lossy(kind), data.len())
        })?;
        list.push(Box4 { kind: *kind, body });
        data = data.get(header + body.len()..).unwrap_or_default();
    }
    Ok(list)
}

/// The first box of that type.
pub(super) fn find<'a>(data: &'a [u8], kind: &[u8; 4]) -> Result<Option<&'a [u8]>, String> {
    Ok(boxes(data)?.into_iter().find(|found| &found.kind == kind).map(|found| found.body))
}

/// Takes big-endian numbers from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().copied().map(u64::from_be_bytes)
    }

    /// Version and flags of a full box.
    pub(super) fn full(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0x00ff_ffff))
    }
}
