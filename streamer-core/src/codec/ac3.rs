//! AC-3 and E-AC-3: the sync frame header (ETSI TS 102 366 4.3, E.1.2).

use super::CodecError;
use super::bits::BitReader;

const FRAME: &str = "AC-3 sync frame";
const SYNC_WORD: u32 = 0x0b77;
/// Where `bsid` stands, in both syntaxes.
const BSID_AT: usize = 5;
/// PCM samples of an audio block.
const BLOCK_SAMPLES: u16 = 256;

/// Frequencies of `fscod` 0 to 2.
const SAMPLE_RATES_HZ: [u32; 3] = [48_000, 44_100, 32_000];
/// Full-range channels of `acmod` 0 to 7; 0 is two independent ones.
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// AC-3 or E-AC-3 parameters, read from a frame header.
#[derive(Clone, Debug, PartialEq)]
pub struct Ac3Config {
    /// Sampling frequency.
    pub sample_rate_hz: u32,
    /// Channels, the low-frequency one included.
    pub channels: u8,
    /// PCM samples per frame: 1536, or 256 times the blocks of an E-AC-3 frame.
    pub frame_samples: u16,
}

impl Ac3Config {
    /// Reads the AC-3 header that `frame` begins with (4.3.1, 4.3.2).
    ///
    /// # Errors
    /// When the header ends early, does not begin with a sync word, a field is reserved, or the frame is E-AC-3.
    pub fn parse(frame: &[u8]) -> Result<Self, CodecError> {
        let (mut reader, bsid) = begin(frame)?;
        if bsid > 10 {
            return Err(reader.field("bsid", bsid.into()));
        }
        reader.skip(16)?; // crc1
        let rate = sample_rate(&mut reader)?;
        // Bit stream identifications 9 and 10 halve and quarter the frequency.
        let sample_rate_hz = rate >> bsid.saturating_sub(8);
        let size_code = reader.small(6)?;
        if size_code > 37 {
            return Err(reader.field("frmsizecod", size_code.into()));
        }
        reader.skip(5 + 3)?; // bsid, bsmod
        let mode = reader.small(3)?;
        if mode & 1 != 0 && mode != 1 {
            reader.skip(2)?; // cmixlev
        }
        if mode & 4 != 0 {
            reader.skip(2)?; // surmixlev
        }
        if mode == 2 {
            reader.skip(2)?; // dsurmod
        }
        let channels = channels_of(&mut reader, mode)?;
        Ok(Self { sample_rate_hz, channels, frame_samples: 6 * BLOCK_SAMPLES })
    }

    /// Reads the E-AC-3 header that `frame` begins with (E.1.2.1, E.1.2.2): that of independent substream 0, so
    /// channels which dependent substreams add are not counted. A frame in AC-3 syntax, which E-AC-3 allows, is
    /// read as such.
    ///
    /// # Errors
    /// When the header ends early, does not begin with a sync word, or a field is reserved.
    pub fn parse_enhanced(frame: &[u8]) -> Result<Self, CodecError> {
        let (mut reader, bsid) = begin(frame)?;
        if bsid <= 10 {
            return Self::parse(frame);
        }
        if bsid > 16 {
            return Err(reader.field("bsid", bsid.into()));
        }
        let stream_type = reader.small(2)?;
        if stream_type == 3 {
            return Err(reader.field("strmtyp", stream_type.into()));
        }
        reader.skip(3 + 11)?; // substreamid, frmsiz
        let (sample_rate_hz, blocks) = if reader.clone().small(2)? == 3 {
            reader.skip(2)?;
            (sample_rate(&mut reader)? / 2, 6)
        } else {
            let rate = sample_rate(&mut reader)?;
            let blocks = [1, 2, 3, 6].get(reader.bits(2)? as usize).copied();
            (rate, blocks.unwrap_or(6))
        };
        let mode = reader.small(3)?;
        let channels = channels_of(&mut reader, mode)?;
        Ok(Self { sample_rate_hz, channels, frame_samples: blocks * BLOCK_SAMPLES })
    }
}

/// A reader behind the sync word, and `bsid`, which decides how to read on.
fn begin(frame: &[u8]) -> Result<(BitReader<'_>, u8), CodecError> {
    let mut reader = BitReader::new(FRAME, frame);
    let sync = reader.bits(16)?;
    if sync != SYNC_WORD {
        return Err(reader.field("syncword", sync.into()));
    }
    let byte = frame.get(BSID_AT).ok_or(CodecError::Truncated { structure: FRAME, offset: frame.len() })?;
    Ok((reader, byte >> 3))
}

fn sample_rate(reader: &mut BitReader<'_>) -> Result<u32, CodecError> {
    let code = reader.bits(2)?;
    let rate = SAMPLE_RATES_HZ.get(code as usize).copied();
    rate.ok_or_else(|| reader.field("fscod", code.into()))
}

/// Channels of an `acmod`, and the `lfeon` behind it.
fn channels_of(reader: &mut BitReader<'_>, mode: u8) -> Result<u8, CodecError> {
    let full_range = CHANNELS.get(usize::from(mode)).copied().unwrap_or_default();
    Ok(full_range + u8::from(reader.flag()?))
}

#[cfg(test)]
#[expect(clippy::unusual_byte_groupings, reason = "grouped by field")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::golden::{frame, mutated};

    #[test]
    fn frames_of_ffmpeg() {
        let config = |sample_rate_hz, channels| Ac3Config { sample_rate_hz, channels, frame_samples: 1536 };
        assert_eq!(Ac3Config::parse(&frame("ac3-48000-51", 0)), Ok(config(48_000, 6)));
        assert_eq!(Ac3Config::parse(&frame("ac3-44100-mono", 0)), Ok(config(44_100, 1)));
        let enhanced = frame("eac3-48000-51", 0);
        assert_eq!(Ac3Config::parse_enhanced(&enhanced), Ok(config(48_000, 6)));
        assert!(matches!(
            Ac3Config::parse(&enhanced),
            Err(CodecError::Field { field: "bsid", value: 16, .. })
        ));
        // AC-3 syntax within an E-AC-3 stream.
        assert_eq!(Ac3Config::parse_enhanced(&frame("ac3-48000-51", 0)), Ok(config(48_000, 6)));
    }

    #[test]
    fn headers_by_hand() {
        // E-AC-3, fscod 3, fscod2 1: 22.05 kHz, six blocks, stereo, no low-frequency channel, bsid 16.
        let half_rate = [0x0b, 0x77, 0x00, 0xff, 0b1101_010_0, 0x80];
        let expected = Ac3Config { sample_rate_hz: 22_050, channels: 2, frame_samples: 1536 };
        assert_eq!(Ac3Config::parse_enhanced(&half_rate), Ok(expected));
        // E-AC-3 of two blocks, 3/2 and low-frequency channel.
        let two_blocks = [0x0b, 0x77, 0x00, 0xff, 0b0001_111_1, 0x80];
        let expected = Ac3Config { sample_rate_hz: 48_000, channels: 6, frame_samples: 512 };
        assert_eq!(Ac3Config::parse_enhanced(&two_blocks), Ok(expected));
        // AC-3, bsid 9: half of 48 kHz; 2/0 with its dsurmod, low-frequency channel.
        let half_rate = [0x0b, 0x77, 0, 0, 0, 9 << 3, 0b010_00_1_00];
        let expected = Ac3Config { sample_rate_hz: 24_000, channels: 3, frame_samples: 1536 };
        assert_eq!(Ac3Config::parse(&half_rate), Ok(expected));
        for (header, field) in [
            ([0x0b, 0x78, 0, 0, 0, 0x40, 0x40], "syncword"),
            ([0x0b, 0x77, 0, 0, 0xc0, 0x40, 0x40], "fscod"),
            ([0x0b, 0x77, 0, 0, 38, 0x40, 0x40], "frmsizecod"),
            ([0x0b, 0x77, 0, 0, 0, 17 << 3, 0x40], "bsid"),
            ([0x0b, 0x77, 0xc0, 0, 0, 0x80, 0x40], "strmtyp"),
        ] {
            let refused = Ac3Config::parse_enhanced(&header);
            assert!(
                matches!(refused, Err(CodecError::Field { field: found, .. }) if found == field),
                "{field}"
            );
        }
        assert!(matches!(Ac3Config::parse(&[0x0b, 0x77, 0, 0, 0]), Err(CodecError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn mutated_frames_are_survived(ac3 in mutated("ac3-44100-mono.0.frame"), enhanced in mutated("eac3-48000-51.0.frame")) {
            let _ = Ac3Config::parse(&ac3[..ac3.len().min(8)]);
            let _ = Ac3Config::parse_enhanced(&enhanced);
        }

        #[test]
        fn any_header_is_survived(mut header in any::<[u8; 8]>()) {
            header[..2].copy_from_slice(&[0x0b, 0x77]);
            for config in [Ac3Config::parse(&header), Ac3Config::parse_enhanced(&header)].into_iter().flatten() {
                prop_assert!(config.sample_rate_hz >= 8_000 && (1..=6).contains(&config.channels));
            }
        }
    }
}
