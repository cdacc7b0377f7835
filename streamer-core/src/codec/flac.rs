//! FLAC: the `STREAMINFO` metadata block (RFC 9639 8.2).

use bytes::Bytes;

use super::CodecError;
use super::bits::BitReader;

const STREAM_INFO: &str = "STREAMINFO";

/// Bytes of the block's body.
pub const STREAM_INFO_BYTES: usize = 34;
/// What a FLAC file begins with (RFC 9639 6).
const MARKER: &[u8] = b"fLaC";
/// Block type 0 and a length of 34; the first bit, that of the last block, apart.
const BLOCK_HEADER: [u8; 3] = [0, 0, STREAM_INFO_BYTES as u8];

/// FLAC decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct FlacConfig {
    /// The body of the `STREAMINFO` block, 34 bytes, verbatim.
    pub record: Bytes,
    /// Sampling frequency.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
    /// Bits per sample, 4 to 32.
    pub bit_depth: u8,
}

impl FlacConfig {
    /// Reads the body of a `STREAMINFO` block. Its block header, and the `fLaC` marker before that, may stand in
    /// front, as senders differ in what they call the configuration; what follows is not kept.
    ///
    /// # Errors
    /// When the block ends early, or a field is out of its range.
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        let mut body = record.strip_prefix(MARKER).unwrap_or(record);
        if let Some(([first, header @ ..], rest)) = body.split_at_checked(4)
            && first & 0x7f == 0
            && header == BLOCK_HEADER
            && rest.len() >= STREAM_INFO_BYTES
        {
            body = rest;
        }
        let mut reader = BitReader::new(STREAM_INFO, body);
        let min_block = reader.bits(16)?;
        let max_block = reader.bits(16)?;
        if min_block < 16 || max_block < min_block {
            return Err(reader.field("minimum block size", min_block.into()));
        }
        reader.skip(24 + 24)?; // frame sizes
        let sample_rate_hz = reader.bits(20)?;
        if sample_rate_hz == 0 {
            return Err(reader.field("sample rate", 0));
        }
        let channels = reader.small(3)? + 1;
        let bit_depth = reader.small(5)? + 1;
        if bit_depth < 4 {
            return Err(reader.field("bits per sample", bit_depth.into()));
        }
        reader.skip(36 + 128)?; // number of samples, MD5
        let record = body.get(..STREAM_INFO_BYTES).unwrap_or_default();
        Ok(Self { record: Bytes::copy_from_slice(record), sample_rate_hz, channels, bit_depth })
    }

    /// Samples per frame where all frames but the last have the same number; `None` where they vary.
    #[must_use]
    pub fn frame_samples(&self) -> Option<u16> {
        let mut reader = BitReader::new(STREAM_INFO, &self.record);
        let (min, max) = (reader.bits(16).ok()?, reader.bits(16).ok()?);
        if min == max { u16::try_from(min).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::golden::{golden, mutated};

    #[test]
    fn the_block_of_ffmpeg_in_every_wrapping() {
        let record = golden("flac-44100-stereo.record");
        let config = FlacConfig::parse(&record).unwrap();
        assert_eq!((config.sample_rate_hz, config.channels, config.bit_depth), (44_100, 2, 16));
        assert_eq!((config.record.clone(), config.frame_samples()), (record.clone(), Some(4608)));
        for front in [&[0, 0, 0, 34][..], &[0x80, 0, 0, 34], b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22"] {
            let wrapped = [front, &record, &[4, 0, 0, 0]].concat();
            assert_eq!(FlacConfig::parse(&wrapped).unwrap(), config, "{front:02x?}");
        }
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        let good = golden("flac-44100-stereo.record");
        for (range, bytes, field) in [
            (0..2, &[0, 15][..], "minimum block size"),
            (0..4, &[0x10, 0, 0x0f, 0xff], "minimum block size"),
            (10..13, &[0, 0, 0x02], "sample rate"),
            (12..14, &[0x42, 0x20], "bits per sample"),
        ] {
            let mut bad = good.to_vec();
            bad[range].copy_from_slice(bytes);
            let refused = FlacConfig::parse(&bad);
            assert!(
                matches!(refused, Err(CodecError::Field { field: found, .. }) if found == field),
                "{field}"
            );
        }
        assert!(matches!(FlacConfig::parse(&good[..33]), Err(CodecError::Truncated { .. })));
        let mut varying = good.to_vec();
        varying[0] = 0x11;
        assert_eq!(FlacConfig::parse(&varying).unwrap().frame_samples(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = FlacConfig::parse(&data);
        }

        #[test]
        fn mutated_blocks_are_survived(record in mutated("flac-44100-stereo.record")) {
            if let Ok(config) = FlacConfig::parse(&record) {
                prop_assert_eq!(config.record.len(), STREAM_INFO_BYTES);
            }
        }
    }
}
