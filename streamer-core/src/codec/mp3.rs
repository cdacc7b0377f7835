//! MPEG audio layer III: the frame header (ISO/IEC 11172-3 2.4.1.3).

use super::CodecError;
use super::bits::BitReader;

const HEADER: &str = "MPEG audio frame header";

/// Bytes of the header.
pub const HEADER_BYTES: usize = 4;

/// Kilobits a second of `bitrate_index` 1 to 14 in MPEG-1, and in MPEG-2 and 2.5 (2.4.2.3; ISO/IEC 13818-3 2.4.2.3).
const BITRATES_KBPS: [[u32; 14]; 2] = [
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Bytes of the frame that `frame` begins with, header included (2.4.3.1).
///
/// # Errors
/// As [`Mp3Config::parse`], and [`CodecError::Unsupported`] for the free format, whose frames do not tell.
pub fn frame_bytes(frame: &[u8]) -> Result<usize, CodecError> {
    let config = Mp3Config::parse(frame)?;
    let fields = frame.get(2).copied().unwrap_or_default();
    let low_rate = usize::from(config.frame_samples == 576);
    let bitrate = usize::from(fields >> 4)
        .checked_sub(1)
        .and_then(|at| BITRATES_KBPS.get(low_rate)?.get(at))
        .ok_or(CodecError::Unsupported { structure: HEADER, what: "the free format" })?;
    let padding = u32::from(fields >> 1) & 1;
    let bytes = u32::from(config.frame_samples) / 8 * bitrate * 1_000 / config.sample_rate_hz + padding;
    Ok(bytes as usize)
}

/// MP3 parameters, read from a frame header.
#[derive(Clone, Debug, PartialEq)]
pub struct Mp3Config {
    /// Sampling frequency.
    pub sample_rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
    /// PCM samples per frame: 1152 (MPEG-1) or 576 (MPEG-2 and 2.5).
    pub frame_samples: u16,
}

impl Mp3Config {
    /// Reads the header that `frame` begins with.
    ///
    /// # Errors
    /// When fewer than [`HEADER_BYTES`] are there, they do not begin with a sync word, a field is reserved, or the
    /// layer is not III.
    pub fn parse(frame: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new(HEADER, frame);
        let sync = reader.bits(11)?;
        if sync != 0x7ff {
            return Err(reader.field("syncword", sync.into()));
        }
        // The shift by which MPEG-2 and 2.5 divide the frequencies of MPEG-1.
        let divide = match reader.small(2)? {
            0 => 2,
            2 => 1,
            3 => 0,
            reserved => return Err(reader.field("version", reserved.into())),
        };
        match reader.small(2)? {
            1 => {}
            0 => return Err(reader.field("layer", 0)),
            _ => return Err(CodecError::Unsupported { structure: HEADER, what: "layer I or II" }),
        }
        reader.skip(1)?; // protection_bit
        let bitrate = reader.small(4)?;
        if bitrate == 15 {
            return Err(reader.field("bitrate_index", bitrate.into()));
        }
        let sample_rate_hz = match reader.small(2)? {
            0 => 44_100 >> divide,
            1 => 48_000 >> divide,
            2 => 32_000 >> divide,
            reserved => return Err(reader.field("sampling_frequency", reserved.into())),
        };
        reader.skip(2)?; // padding_bit, private_bit
        let channels = if reader.small(2)? == 3 { 1 } else { 2 };
        reader.skip(6)?; // mode_extension, copyright, original, emphasis
        let frame_samples = if divide == 0 { 1152 } else { 576 };
        Ok(Self { sample_rate_hz, channels, frame_samples })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::golden::frame;

    #[test]
    fn frames_of_lame() {
        for (name, sample_rate_hz, channels, frame_samples) in
            [("mp3-44100-stereo", 44_100, 2, 1152), ("mp3-22050-mono", 22_050, 1, 576)]
        {
            let expected = Mp3Config { sample_rate_hz, channels, frame_samples };
            assert_eq!(Mp3Config::parse(&frame(name, 1)), Ok(expected));
        }
    }

    #[test]
    fn lengths_of_frames() {
        for name in ["mp3-44100-stereo", "mp3-22050-mono"] {
            let frame = frame(name, 1);
            assert_eq!(frame_bytes(&frame), Ok(frame.len()), "{name}");
        }
        // 128 kbit/s at 44.1 kHz: 417 bytes, and one more with padding.
        assert_eq!(frame_bytes(&[0xff, 0xfb, 0x90, 0x64]), Ok(417));
        assert_eq!(frame_bytes(&[0xff, 0xfb, 0x92, 0x64]), Ok(418));
        assert!(matches!(frame_bytes(&[0xff, 0xfb, 0x00, 0x64]), Err(CodecError::Unsupported { .. })));
    }

    #[test]
    fn headers_by_hand() {
        let mpeg_2_5 = Mp3Config { sample_rate_hz: 8_000, channels: 2, frame_samples: 576 };
        assert_eq!(Mp3Config::parse(&[0xff, 0xe3, 0x18, 0x00]), Ok(mpeg_2_5));
        for (header, why) in [
            ([0xff, 0xdb, 0x90, 0x64], "sync"),
            ([0xff, 0xeb, 0x90, 0x64], "reserved version"),
            ([0xff, 0xf9, 0x90, 0x64], "reserved layer"),
            ([0xff, 0xfb, 0xf0, 0x64], "bit rate"),
            ([0xff, 0xfb, 0x9c, 0x64], "sampling frequency"),
        ] {
            assert!(matches!(Mp3Config::parse(&header), Err(CodecError::Field { .. })), "{why}");
        }
        assert!(matches!(Mp3Config::parse(&[0xff, 0xfd, 0x90, 0x64]), Err(CodecError::Unsupported { .. })));
        assert!(matches!(Mp3Config::parse(&[0xff, 0xfb, 0x90]), Err(CodecError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn any_header_is_survived(header in any::<u16>(), more in any::<u16>()) {
            let [a, b] = (header | 0xffe0).to_be_bytes();
            let [c, d] = more.to_be_bytes();
            if let Ok(config) = Mp3Config::parse(&[a, b, c, d]) {
                prop_assert!(config.sample_rate_hz >= 8_000);
            }
        }
    }
}
