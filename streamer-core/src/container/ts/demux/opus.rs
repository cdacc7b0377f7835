//! Opus packets behind their control headers (ETSI TS 101 154, annex on Opus).

use bytes::Bytes;

use super::unit::Unit;
use crate::codec::opus::packet_samples;

const PREFIX: u16 = 0x7fe0;
const PREFIX_MASK: u16 = 0xffe0;
const START_TRIM: u16 = 0x10;
const END_TRIM: u16 = 0x08;
const EXTENSION: u16 = 0x04;

/// Reads the packets in `payload`, the first of which is presented at `pts`. Returns whether all of it was
/// understood.
pub(super) fn read(payload: &Bytes, pts: i64, out: &mut Vec<Unit>) -> bool {
    let mut rest = payload.clone();
    let mut samples = 0u32;
    while !rest.is_empty() {
        let Some(packet) = take(&mut rest) else { return false };
        let Some(count) = packet_samples(&packet) else { return false };
        // 90 000 ticks of 48 000 samples.
        let at = pts.wrapping_add((i64::from(samples) * 15 + 4) / 8);
        out.push(Unit::sound(at, packet));
        samples = samples.saturating_add(count);
    }
    true
}

/// The next packet, without its control header.
fn take(rest: &mut Bytes) -> Option<Bytes> {
    let (&prefix, mut fields) = rest.split_first_chunk::<2>()?;
    let prefix = u16::from_be_bytes(prefix);
    if prefix & PREFIX_MASK != PREFIX {
        return None;
    }
    let mut size = 0;
    loop {
        let (&byte, behind) = fields.split_first()?;
        fields = behind;
        size += usize::from(byte);
        if byte != 255 {
            break;
        }
    }
    for flag in [START_TRIM, END_TRIM] {
        if prefix & flag != 0 {
            fields = fields.get(2..)?;
        }
    }
    if prefix & EXTENSION != 0 {
        let (&len, behind) = fields.split_first()?;
        fields = behind.get(usize::from(len)..)?;
    }
    let begin = rest.len() - fields.len();
    let packet = (size <= fields.len()).then(|| rest.slice(begin..begin + size))?;
    *rest = rest.slice(begin + size..);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_behind_headers_of_every_form() {
        // 20 ms each; the second one of 300 bytes with both trims and an extension.
        let mut payload = vec![0x7f, 0xe0, 2, 0x08, 0xaa];
        payload.extend([0x7f, 0xfc, 255, 45, 1, 2, 3, 4, 1, 9, 0x08]);
        payload.extend([0xbb; 299]);
        let mut out = Vec::new();
        assert!(read(&Bytes::from(payload.clone()), 100, &mut out));
        let second = Bytes::from([&[0x08][..], &[0xbb; 299]].concat());
        let expected =
            [Unit::sound(100, Bytes::from_static(&[0x08, 0xaa])), Unit::sound(100 + 1_800, second)];
        assert_eq!(out, expected);
        out.clear();
        assert!(!read(&Bytes::from(payload).slice(..100), 100, &mut out));
        assert_eq!(out.len(), 1);
        for bad in
            [&[0x7f][..], &[0x7e, 0xe0, 1, 8], &[0x7f, 0xe0, 0], &[0x7f, 0xe0, 255], &[0x7f, 0xe4, 1, 5, 8]]
        {
            assert!(!read(&Bytes::copy_from_slice(bad), 0, &mut out), "{bad:02x?}");
        }
    }
}
