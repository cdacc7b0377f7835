//! Opus: the `OpusHead` identification header (RFC 7845 5.1) and packet durations (RFC 6716 3.1).

use bytes::Bytes;

use super::CodecError;
use super::bits::BitReader;
use super::record::check_record_size;

const HEAD: &str = "OpusHead";
const MAGIC: &[u8] = b"OpusHead";

/// Samples at 48 kHz of the longest packet, 120 ms (RFC 6716 3.2.5).
pub const MAX_PACKET_SAMPLES: u32 = 5_760;
/// Samples at 48 kHz that libopus asks a decoder to discard at the start, for a record that is made up.
const DEFAULT_PRE_SKIP: u16 = 312;

/// Streams, coupled streams and channel mapping of 3 to 8 channels in family 1 (RFC 7845 5.1.1.2; the streams as
/// libopus lays them out).
const LAYOUTS: [(u8, u8, &[u8]); 6] = [
    (2, 1, &[0, 2, 1]),
    (2, 2, &[0, 1, 2, 3]),
    (3, 2, &[0, 4, 1, 2, 3]),
    (4, 2, &[0, 4, 1, 2, 3, 5]),
    (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
    (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
];

/// Opus decoder configuration. Opus always decodes at 48 kHz.
#[derive(Clone, Debug, PartialEq)]
pub struct OpusConfig {
    /// The `OpusHead` header, verbatim.
    pub record: Bytes,
    /// Output channels.
    pub channels: u8,
    /// Samples at 48 kHz to discard at the start.
    pub pre_skip: u16,
    /// Sampling frequency of the original input; informative, 0 when unknown.
    pub input_sample_rate_hz: u32,
}

impl OpusConfig {
    /// Reads an `OpusHead`.
    ///
    /// # Errors
    /// When the header ends early, lacks its magic, is of another major version, has a channel count its mapping
    /// family does not allow, or is larger than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        check_record_size(HEAD, record.len())?;
        let mut reader = BitReader::new(HEAD, record);
        if reader.bytes(MAGIC.len())? != MAGIC {
            return Err(CodecError::Unsupported { structure: HEAD, what: "another signature" });
        }
        let version = reader.small(8)?;
        if version > 15 {
            return Err(reader.field("version", version.into()));
        }
        let channels = reader.small(8)?;
        let pre_skip = (reader.bits(16)? as u16).swap_bytes();
        let input_sample_rate_hz = reader.bits(32)?.swap_bytes();
        reader.skip(16)?; // output gain
        let family = reader.small(8)?;
        let max_channels = match family {
            0 => 2,
            1 => 8,
            _ => u8::MAX,
        };
        if channels == 0 || channels > max_channels {
            return Err(reader.field("channel count", channels.into()));
        }
        if family != 0 {
            check_mapping(&mut reader, channels)?;
        }
        Ok(Self { record: Bytes::copy_from_slice(record), channels, pre_skip, input_sample_rate_hz })
    }

    /// Builds the header of 1 to 8 channels in their default order, for inputs that do not carry one.
    ///
    /// # Errors
    /// [`CodecError::Field`] for another number of channels.
    pub fn new(channels: u8) -> Result<Self, CodecError> {
        let mut record = MAGIC.to_vec();
        record.extend([1, channels]);
        record.extend(DEFAULT_PRE_SKIP.to_le_bytes());
        record.extend(48_000u32.to_le_bytes());
        record.extend([0, 0]);
        if let Some((streams, coupled, mapping)) =
            channels.checked_sub(3).and_then(|at| LAYOUTS.get(usize::from(at)))
        {
            record.extend([1, *streams, *coupled]);
            record.extend_from_slice(mapping);
        } else {
            record.push(0);
        }
        Self::parse(&record)
    }
}

/// The channel mapping table (RFC 7845 5.1.1): every channel must come from a decoded one, or be silent (255).
fn check_mapping(reader: &mut BitReader<'_>, channels: u8) -> Result<(), CodecError> {
    let streams = reader.small(8)?;
    let coupled = reader.small(8)?;
    if streams == 0 {
        return Err(reader.field("stream count", 0));
    }
    let decoded = u16::from(streams) + u16::from(coupled);
    if coupled > streams || decoded > 255 {
        return Err(reader.field("coupled count", coupled.into()));
    }
    for &index in reader.bytes(channels.into())? {
        if index != 255 && u16::from(index) >= decoded {
            return Err(reader.field("channel mapping", index.into()));
        }
    }
    Ok(())
}

/// Duration of a packet in samples at 48 kHz, from its TOC byte (RFC 6716 3.1); `None` for an empty packet and
/// one longer than [`MAX_PACKET_SAMPLES`], both malformed (3.4).
#[must_use]
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame_samples = match config {
        0..=11 => [480, 960, 1920, 2880].get(usize::from(config % 4)).copied()?,
        12..=15 => 480 << (config % 2),
        _ => 120 << (config % 4),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame_samples * frames).filter(|&samples| (1..=MAX_PACKET_SAMPLES).contains(&samples))
}

#[cfg(test)]
#[expect(clippy::unusual_byte_groupings, reason = "grouped by field")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::golden::{frame, golden, mutated};

    #[test]
    fn headers_of_libopus() {
        let stereo = OpusConfig::parse(&golden("opus-stereo.record")).unwrap();
        assert_eq!((stereo.channels, stereo.pre_skip, stereo.input_sample_rate_hz), (2, 312, 48_000));
        assert_eq!(stereo.record, golden("opus-stereo.record"));
        assert_eq!(OpusConfig::parse(&golden("opus-51.record")).unwrap().channels, 6);
    }

    #[test]
    fn built_headers_are_those_of_libopus() {
        assert_eq!(OpusConfig::new(2).unwrap().record, golden("opus-stereo.record"));
        assert_eq!(OpusConfig::new(6).unwrap().record, golden("opus-51.record"));
        for channels in 1..=8 {
            assert_eq!(OpusConfig::new(channels).unwrap().channels, channels);
        }
        for channels in [0, 9] {
            let refused =
                CodecError::Field { structure: HEAD, field: "channel count", value: channels.into() };
            assert_eq!(OpusConfig::new(channels), Err(refused));
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = golden("opus-51.record");
        for (at, value, why) in [
            (0, b'o', "signature"),
            (8, 16, "major version"),
            (9, 0, "no channel"),
            (9, 9, "channels past family 1"),
            (9, 7, "mapping cut"),
            (18, 0, "channels past family 0"),
            (19, 0, "no stream"),
            (20, 5, "more coupled streams than streams"),
            (21, 6, "a channel from nowhere"),
        ] {
            let mut bad = good.to_vec();
            bad[at] = value;
            assert!(OpusConfig::parse(&bad).is_err(), "{why}");
        }
        let mut silent = good.to_vec();
        silent[26] = 255;
        OpusConfig::parse(&silent).unwrap();
    }

    #[test]
    fn durations_of_packets() {
        assert_eq!(packet_samples(&frame("opus-stereo", 0)), Some(960));
        for (packet, samples) in [
            (&[0b00000_0_00][..], Some(480)),
            (&[0b00011_0_00], Some(2880)),
            (&[0b01011_1_01], Some(5760)),
            (&[0b01100_0_00], Some(480)),
            (&[0b01101_0_10], Some(1920)),
            (&[0b10000_0_00], Some(120)),
            (&[0b11111_0_00], Some(960)),
            (&[0b11111_0_11, 6], Some(5760)),
            (&[0b11111_0_11, 0b1100_0001], Some(960)),
            (&[0b11111_0_11, 7], None),
            (&[0b11111_0_11, 0], None),
            (&[0b11111_0_11], None),
            (&[], None),
        ] {
            assert_eq!(packet_samples(packet), samples, "{packet:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = OpusConfig::parse(&data);
            prop_assert!(packet_samples(&data).is_none_or(|samples| samples <= MAX_PACKET_SAMPLES));
        }

        #[test]
        fn mutated_headers_are_survived(record in mutated("opus-51.record")) {
            if let Ok(config) = OpusConfig::parse(&record) {
                prop_assert!(config.channels > 0);
            }
        }
    }
}
