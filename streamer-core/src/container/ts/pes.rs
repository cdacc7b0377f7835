//! The header of a PES packet (ISO/IEC 13818-1 2.4.3.6, 2.4.3.7).

use super::timing::wrap;

/// `stream_id` of `private_stream_1`.
pub(super) const PRIVATE_STREAM_1: u8 = 0xbd;
/// `stream_id` of the first audio stream.
pub(super) const AUDIO_STREAM: u8 = 0xc0;
/// `stream_id` of the first video stream.
pub(super) const VIDEO_STREAM: u8 = 0xe0;

/// Bytes up to `PES_packet_length`, which counts what is behind it.
pub(super) const PREFIX_BYTES: usize = 6;
/// Bytes of flags and of the length of the rest.
const FLAG_BYTES: usize = 3;
/// Bytes of a time stamp.
const STAMP_BYTES: usize = 5;
/// Bytes of the longest header written here.
pub(super) const MAX_HEADER_BYTES: usize = PREFIX_BYTES + FLAG_BYTES + 2 * STAMP_BYTES;
/// Payload that a packet can tell the length of, whatever its header.
pub(super) const MAX_PAYLOAD_BYTES: usize = 0xffff - FLAG_BYTES - 2 * STAMP_BYTES;

/// A header to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct PesHeader {
    bytes: [u8; MAX_HEADER_BYTES],
    len: usize,
}

impl PesHeader {
    /// The header in front of `payload` bytes that begin an access unit. A payload past
    /// [`MAX_PAYLOAD_BYTES`] gets no length, which only video may have.
    pub(super) fn new(stream_id: u8, pts: i64, dts: i64, payload: usize) -> Self {
        let (pts, dts) = (wrap(pts), wrap(dts));
        let both = pts != dts;
        let stamps = if both { 2 * STAMP_BYTES } else { STAMP_BYTES };
        let length = if payload > MAX_PAYLOAD_BYTES { 0 } else { FLAG_BYTES + stamps + payload };
        let [high, low] = ((length & 0xffff) as u16).to_be_bytes();
        let [p0, p1, p2, p3, p4] = stamp(if both { 3 } else { 2 }, pts);
        let [d0, d1, d2, d3, d4] = stamp(1, dts);
        let flags = if both { 0xc0 } else { 0x80 };
        let header_length = (stamps & 0xff) as u8;
        // data_alignment_indicator: an access unit begins with the payload.
        let bytes = [
            0,
            0,
            1,
            stream_id,
            high,
            low,
            0x84,
            flags,
            header_length,
            p0,
            p1,
            p2,
            p3,
            p4,
            d0,
            d1,
            d2,
            d3,
            d4,
        ];
        Self { bytes, len: PREFIX_BYTES + FLAG_BYTES + stamps }
    }

    /// The bytes of the header.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A time stamp behind its four bits of prefix.
fn stamp(prefix: u8, ticks: u64) -> [u8; STAMP_BYTES] {
    let bits = |shift: u32, mask: u64| (ticks >> shift & mask) as u8;
    [
        prefix << 4 | bits(30, 7) << 1 | 1,
        bits(22, 0xff),
        bits(15, 0x7f) << 1 | 1,
        bits(7, 0xff),
        bits(0, 0x7f) << 1 | 1,
    ]
}

/// The ticks of a time stamp; marker bits are not looked at.
fn parse_stamp(&[a, b, c, d, e]: &[u8; STAMP_BYTES]) -> u64 {
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

/// What was read of a packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PesStart {
    /// Bytes in front of the payload.
    pub(super) header_bytes: usize,
    pub(super) pts: Option<u64>,
    /// `None` when it is the PTS.
    pub(super) dts: Option<u64>,
}

impl PesStart {
    /// Reads the header that `packet` begins with; `None` when it is none, is cut, or is of a stream without
    /// payload or times (table 2-21).
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (&[0, 0, 1, stream_id, _, _, marker, flags, header_length], rest) =
            packet.split_first_chunk::<{ PREFIX_BYTES + FLAG_BYTES }>()?
        else {
            return None;
        };
        // program_stream_map, padding, private_stream_2, ECM, EMM, DSMCC, H.222.1 type E, directory.
        let plain = matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff);
        if plain || marker & 0xc0 != 0x80 {
            return None;
        }
        let fields = rest.get(..header_length.into())?;
        let (first, second) = fields.split_first_chunk::<STAMP_BYTES>().unzip();
        let pts = first.filter(|_| flags & 0x80 != 0).map(parse_stamp);
        let dts = second
            .and_then(|rest| rest.first_chunk::<STAMP_BYTES>())
            .filter(|_| flags & 0xc0 == 0xc0)
            .map(parse_stamp);
        Some(Self { header_bytes: PREFIX_BYTES + FLAG_BYTES + fields.len(), pts, dts })
    }
}

/// Bytes of the whole packet that begins with `prefix`; `None` when it does not tell.
pub(super) fn packet_bytes(prefix: &[u8]) -> Option<usize> {
    let &[_, _, _, _, high, low] = prefix.first_chunk::<PREFIX_BYTES>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    (length > 0).then_some(PREFIX_BYTES + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_by_hand() {
        let header = PesHeader::new(AUDIO_STREAM, 126_000, 126_000, 10);
        assert_eq!(header.bytes(), [0, 0, 1, 0xc0, 0, 18, 0x84, 0x80, 5, 0x21, 0, 7, 0xd8, 0x61]);
        let header = PesHeader::new(VIDEO_STREAM, (1 << 33) - 1, 1 << 32, MAX_PAYLOAD_BYTES + 1);
        let expected = [0, 0, 1, 0xe0, 0, 0, 0x84, 0xc0, 10, 0x3f, 0xff, 0xff, 0xff, 0xff, 0x19, 0, 1, 0, 1];
        assert_eq!(header.bytes(), expected);
        let longest = PesHeader::new(VIDEO_STREAM, 1, 0, MAX_PAYLOAD_BYTES);
        assert_eq!(packet_bytes(longest.bytes()), Some(PREFIX_BYTES + 0xffff));
    }

    #[test]
    fn headers_with_more_fields_are_passed_over() {
        let header = [0, 0, 1, 0xbd, 0, 0, 0x80, 0x81, 8, 0x21, 0, 7, 0xd8, 0x61, 1, 2, 3, 0x55];
        let start = PesStart::parse(&header).unwrap();
        assert_eq!(start, PesStart { header_bytes: 17, pts: Some(126_000), dts: None });
        assert_eq!(PesStart::parse(&header[..16]), None, "cut");
        for (at, value) in [(2, 2), (3, 0xbe), (6, 0x40)] {
            let mut bad = header;
            bad[at] = value;
            assert_eq!(PesStart::parse(&bad), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn times_read_back(pts in any::<i64>(), dts in any::<i64>(), payload in 0usize..70_000) {
            let header = PesHeader::new(VIDEO_STREAM, pts, dts, payload);
            let start = PesStart::parse(header.bytes()).unwrap();
            prop_assert_eq!(start.pts, Some(wrap(pts)));
            prop_assert_eq!(start.dts.or(start.pts), Some(wrap(dts)));
            prop_assert_eq!(start.header_bytes, header.bytes().len());
            let whole = header.bytes().len() + payload;
            prop_assert_eq!(packet_bytes(header.bytes()), (payload <= MAX_PAYLOAD_BYTES).then_some(whole));
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 9..40)) {
            bytes[..4].copy_from_slice(&[0, 0, 1, 0xe0]);
            if let Some(start) = PesStart::parse(&bytes) {
                prop_assert!(start.header_bytes <= bytes.len());
            }
        }
    }
}
