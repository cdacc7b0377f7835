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
/// Kilobits a second of `frmsizecod`, two codes each (table 4.13).
const BITRATES_KBPS: [usize; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
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
    /// `bsid`: 8 and less for AC-3, 9 and 10 for AC-3 at half and a quarter of the frequency, 16 for E-AC-3.
    pub bsid: u8,
    /// `bsmod`, the kind of service: 0 for the main one. E-AC-3 tells it too deep in the frame; 0 there.
    pub bsmod: u8,
    /// `acmod`, the layout of the full-range channels.
    pub acmod: u8,
    /// `lfeon`: whether there is a low-frequency channel.
    pub lfe: bool,
    /// Half of `frmsizecod`, which numbers the bit rates (ETSI TS 102 366 table 4.13); 0 for E-AC-3.
    pub bit_rate_code: u8,
}

/// `data_rate` of the E-AC-3 box in kbit/s: the most that the format allows, as told for variable rates.
const MAX_DATA_RATE_KBPS: u16 = 6_144;

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
        reader.skip(5)?; // bsid
        let bsmod = reader.small(3)?;
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
        let lfe = reader.flag()?;
        Ok(Self {
            sample_rate_hz,
            channels: channels_of(mode, lfe),
            frame_samples: 6 * BLOCK_SAMPLES,
            bsid,
            bsmod,
            acmod: mode,
            lfe,
            bit_rate_code: size_code >> 1,
        })
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
        let lfe = reader.flag()?;
        let channels = channels_of(mode, lfe);
        let frame_samples = blocks * BLOCK_SAMPLES;
        let (bsmod, bit_rate_code) = (0, 0);
        Ok(Self { sample_rate_hz, channels, frame_samples, bsid, bsmod, acmod: mode, lfe, bit_rate_code })
    }

    /// The body of an `AC3SpecificBox`, `dac3` (F.4).
    #[must_use]
    pub fn dac3(&self) -> [u8; 3] {
        let fields = u32::from(self.rate_code()) << 22
            | u32::from(self.bsid) << 17
            | u32::from(self.bsmod) << 14
            | u32::from(self.acmod) << 11
            | u32::from(self.lfe) << 10
            | u32::from(self.bit_rate_code) << 5;
        let [_, bytes @ ..] = fields.to_be_bytes();
        bytes
    }

    /// The body of an `EC3SpecificBox`, `dec3`, of one independent substream without dependent ones (F.6).
    #[must_use]
    pub fn dec3(&self) -> [u8; 5] {
        // num_ind_sub, which counts from 0, is 0.
        let [high, low] = (MAX_DATA_RATE_KBPS << 3).to_be_bytes();
        let fields = u32::from(self.rate_code()) << 22
            | u32::from(self.bsid) << 17
            | u32::from(self.bsmod) << 12
            | u32::from(self.acmod) << 9
            | u32::from(self.lfe) << 8;
        let [_, substream @ ..] = fields.to_be_bytes();
        let [first, second, third] = substream;
        [high, low, first, second, third]
    }

    /// Reads the body of a `dac3` box.
    ///
    /// # Errors
    /// When it ends early or a field is reserved.
    pub fn from_dac3(body: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new("dac3", body);
        let rate = sample_rate(&mut reader)?;
        let bsid = reader.small(5)?;
        let bsmod = reader.small(3)?;
        let acmod = reader.small(3)?;
        let lfe = reader.flag()?;
        let bit_rate_code = reader.small(5)?;
        if bsid > 10 {
            return Err(reader.field("bsid", bsid.into()));
        }
        Ok(Self {
            sample_rate_hz: rate >> bsid.saturating_sub(8),
            channels: channels_of(acmod, lfe),
            frame_samples: 6 * BLOCK_SAMPLES,
            bsid,
            bsmod,
            acmod,
            lfe,
            bit_rate_code,
        })
    }

    /// Reads the first independent substream of the body of a `dec3` box, of frames of six blocks.
    ///
    /// # Errors
    /// When it ends early or a field is reserved.
    pub fn from_dec3(body: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new("dec3", body);
        reader.skip(13 + 3)?; // data_rate, num_ind_sub
        let sample_rate_hz = sample_rate(&mut reader)?;
        let bsid = reader.small(5)?;
        reader.skip(1 + 1)?; // reserved, asvc
        let bsmod = reader.small(3)?;
        let acmod = reader.small(3)?;
        let lfe = reader.flag()?;
        let channels = channels_of(acmod, lfe);
        let (frame_samples, bit_rate_code) = (6 * BLOCK_SAMPLES, 0);
        Ok(Self { sample_rate_hz, channels, frame_samples, bsid, bsmod, acmod, lfe, bit_rate_code })
    }

    /// `fscod`; for a halved or quartered frequency that of the whole one.
    fn rate_code(&self) -> u8 {
        let whole = |rate: &u32| (0..3).any(|shift| rate >> shift == self.sample_rate_hz);
        SAMPLE_RATES_HZ.iter().position(whole).map_or(0, |code| (code & 3) as u8)
    }
}

/// Where a sync frame ends and what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFrame {
    /// Bytes of the frame, header included.
    pub bytes: usize,
    /// Whether an access unit begins with it: false of the dependent substreams and further programs of E-AC-3,
    /// which belong to the unit before them (E.1.3.1.1, E.1.3.1.2).
    pub begins_unit: bool,
}

impl SyncFrame {
    /// Bytes of a frame that [`parse`](Self::parse) looks at.
    pub const HEADER_BYTES: usize = 6;

    /// Reads the beginning of a frame of AC-3 or E-AC-3 (4.3.1.4, table 4.13; E.1.3.1.3).
    ///
    /// # Errors
    /// When fewer than [`HEADER_BYTES`](Self::HEADER_BYTES) are there, they do not begin with a sync word, or a field
    /// is reserved.
    pub fn parse(frame: &[u8]) -> Result<Self, CodecError> {
        let (mut reader, bsid) = begin(frame)?;
        if bsid > 10 {
            if bsid > 16 {
                return Err(reader.field("bsid", bsid.into()));
            }
            let stream_type = reader.small(2)?;
            let substream = reader.small(3)?;
            let bytes = (reader.bits(11)? as usize + 1) * 2;
            if bytes < Self::HEADER_BYTES {
                return Err(reader.field("frmsiz", bytes as u64 / 2 - 1));
            }
            return Ok(Self { bytes, begins_unit: stream_type != 1 && substream == 0 });
        }
        reader.skip(16)?; // crc1
        let rate = sample_rate(&mut reader)?;
        let code = reader.small(6)?;
        let kbps = BITRATES_KBPS.get(usize::from(code / 2)).copied();
        let kbps = kbps.ok_or_else(|| reader.field("frmsizecod", code.into()))?;
        let words = match rate {
            48_000 => kbps * 2,
            32_000 => kbps * 3,
            // 16-bit words in 1536 samples at 44.1 kHz, rounded down, and up in the odd codes.
            _ => kbps * 320 / 147 + usize::from(code % 2),
        };
        Ok(Self { bytes: words * 2, begins_unit: true })
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

/// Channels of an `acmod`, and the low-frequency one.
fn channels_of(mode: u8, lfe: bool) -> u8 {
    CHANNELS.get(usize::from(mode)).copied().unwrap_or_default() + u8::from(lfe)
}

#[cfg(test)]
#[expect(clippy::unusual_byte_groupings, reason = "grouped by field")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::golden::{frame, mutated};

    #[test]
    fn frames_of_ffmpeg() {
        let surround = config(48_000, 6, 8, 7, true, 15);
        assert_eq!(Ac3Config::parse(&frame("ac3-48000-51", 0)), Ok(surround.clone()));
        assert_eq!(Ac3Config::parse(&frame("ac3-44100-mono", 0)), Ok(config(44_100, 1, 8, 1, false, 6)));
        let enhanced = frame("eac3-48000-51", 0);
        assert_eq!(Ac3Config::parse_enhanced(&enhanced), Ok(config(48_000, 6, 16, 7, true, 0)));
        assert!(matches!(
            Ac3Config::parse(&enhanced),
            Err(CodecError::Field { field: "bsid", value: 16, .. })
        ));
        // AC-3 syntax within an E-AC-3 stream.
        assert_eq!(Ac3Config::parse_enhanced(&frame("ac3-48000-51", 0)), Ok(surround));
    }

    fn config(
        sample_rate_hz: u32,
        channels: u8,
        bsid: u8,
        acmod: u8,
        lfe: bool,
        bit_rate_code: u8,
    ) -> Ac3Config {
        let (frame_samples, bsmod) = (1536, 0);
        Ac3Config { sample_rate_hz, channels, frame_samples, bsid, bsmod, acmod, lfe, bit_rate_code }
    }

    #[test]
    fn boxes_as_ffmpeg_writes_them() {
        let surround = config(48_000, 6, 8, 7, true, 15);
        assert_eq!(surround.dac3(), [0x10, 0x3d, 0xe0]);
        let mono = config(44_100, 1, 8, 1, false, 6);
        assert_eq!(mono.dac3(), [0x50, 0x08, 0xc0]);
        for config in [surround, mono, config(24_000, 2, 9, 2, false, 4)] {
            assert_eq!(Ac3Config::from_dac3(&config.dac3()), Ok(config));
        }
        let enhanced = config(48_000, 6, 16, 7, true, 0);
        // But for the data rate, which one frame does not tell.
        let [_, _, substream @ ..] = enhanced.dec3();
        assert_eq!(substream, [0x20, 0x0f, 0x00]);
        assert_eq!(Ac3Config::from_dec3(&enhanced.dec3()), Ok(enhanced));
        assert!(Ac3Config::from_dac3(&[0xd0, 0x3d, 0xe0]).is_err(), "fscod 3");
        assert!(Ac3Config::from_dac3(&[0x16, 0x3d, 0xe0]).is_err(), "bsid 11");
        assert!(Ac3Config::from_dec3(&[0, 0, 0x20, 0x0f]).is_ok());
        assert!(Ac3Config::from_dec3(&[0, 0, 0x20]).is_err());
    }

    #[test]
    fn lengths_of_frames() {
        for name in ["ac3-48000-51", "ac3-44100-mono", "eac3-48000-51"] {
            let frame = frame(name, 0);
            let expected = SyncFrame { bytes: frame.len(), begins_unit: true };
            assert_eq!(SyncFrame::parse(&frame), Ok(expected), "{name}");
        }
        // 192 kbit/s at 32 kHz, and at 44.1 kHz with the shorter and the longer of its frames.
        for (fields, bytes) in [(0b10_010100, 1152), (0b01_010100, 834), (0b01_010101, 836)] {
            let parsed = SyncFrame::parse(&[0x0b, 0x77, 0, 0, fields, 0x40]).unwrap();
            assert_eq!(parsed.bytes, bytes);
        }
        // A dependent substream.
        let dependent = SyncFrame::parse(&[0x0b, 0x77, 0b01_000_000, 0xff, 0, 0x80]).unwrap();
        assert_eq!(dependent, SyncFrame { bytes: 512, begins_unit: false });
        assert!(SyncFrame::parse(&[0x0b, 0x77, 0, 1, 0, 0x80]).is_err(), "shorter than its header");
        assert!(SyncFrame::parse(&[0x0b, 0x77, 0, 0, 38, 0x40]).is_err(), "reserved size");
    }

    #[test]
    fn headers_by_hand() {
        // E-AC-3, fscod 3, fscod2 1: 22.05 kHz, six blocks, stereo, no low-frequency channel, bsid 16.
        let half_rate = [0x0b, 0x77, 0x00, 0xff, 0b1101_010_0, 0x80];
        let expected = config(22_050, 2, 16, 2, false, 0);
        assert_eq!(Ac3Config::parse_enhanced(&half_rate), Ok(expected));
        // E-AC-3 of two blocks, 3/2 and low-frequency channel.
        let two_blocks = [0x0b, 0x77, 0x00, 0xff, 0b0001_111_1, 0x80];
        let expected = Ac3Config { frame_samples: 512, ..config(48_000, 6, 16, 7, true, 0) };
        assert_eq!(Ac3Config::parse_enhanced(&two_blocks), Ok(expected));
        // AC-3, bsid 9: half of 48 kHz; 2/0 with its dsurmod, low-frequency channel.
        let half_rate = [0x0b, 0x77, 0, 0, 0, 9 << 3, 0b010_00_1_00];
        let expected = config(24_000, 3, 9, 2, true, 0);
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
