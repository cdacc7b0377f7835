//! Codecs and their configurations: parsed once, the record kept verbatim.
//!
//! Canonical payload of a frame, one form per codec:
//!
//! | codec | payload of a frame | configuration record |
//! |---|---|---|
//! | H.264, H.265 | NAL units with 4-byte length prefixes (ISO/IEC 14496-15), parameter sets in the track | `avcC`, `hvcC` |
//! | AV1 | temporal unit in low-overhead OBU format, no temporal delimiter (AV1 ISOBMFF 2.4) | `av1C` |
//! | VP9 | frame or superframe (VP9 ISOBMFF) | `vpcC` without the full-box header |
//! | AAC | raw data block, no ADTS (ISO/IEC 14496-3) | `AudioSpecificConfig` |
//! | Opus | packet (RFC 6716) | `OpusHead` (RFC 7845 5.1) |
//! | FLAC | frame (RFC 9639) | `STREAMINFO` block body, 34 bytes |
//! | MP3, AC-3, E-AC-3 | whole frame with its header | none: read from the first frame |
//! | G.711 | samples, one byte each | none |
//! | data | one message of the named form | none |

pub mod aac;
pub mod ac3;
pub mod av1;
#[cfg(test)]
mod bit_writer;
mod bits;
mod describe;
mod error;
pub mod flac;
mod g711;
#[cfg(test)]
pub(crate) mod golden;
pub mod h264;
pub mod h265;
pub mod mp3;
pub mod nal;
pub mod opus;
mod picture;
mod record;
pub mod vp9;

pub use aac::{AacConfig, AacExtension};
pub use ac3::Ac3Config;
pub use av1::Av1Config;
pub use error::CodecError;
pub use flac::FlacConfig;
pub use g711::{G711Config, G711Law};
pub use h264::AvcConfig;
pub use h265::HevcConfig;
pub use mp3::Mp3Config;
pub use opus::OpusConfig;
pub use picture::MAX_DIMENSION;
pub use record::MAX_RECORD_BYTES;
pub use vp9::Vp9Config;

/// What a track is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Timed data.
    Data,
}

/// Form of the messages of a data track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataFormat {
    /// AMF0 values as in an RTMP data message or an FLV script tag: a name, then its values.
    Amf0,
    /// One `splice_info_section` (SCTE 35 9.6), from `table_id` to `CRC_32`. The `pts_time`s in it, with
    /// `pts_adjustment` added, are instants of the track's timeline in 90 kHz ticks modulo 2^33.
    Scte35,
    /// One `ID3v2` tag: timed metadata of HLS (RFC 8216 3.4).
    Id3,
}

/// A codec and the configuration its decoder needs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Codec {
    /// H.264 / AVC (ITU-T H.264, ISO/IEC 14496-10).
    H264(AvcConfig),
    /// H.265 / HEVC (ITU-T H.265, ISO/IEC 23008-2).
    H265(HevcConfig),
    /// AV1 (AOMedia AV1 bitstream).
    Av1(Av1Config),
    /// VP9.
    Vp9(Vp9Config),
    /// AAC (ISO/IEC 14496-3).
    Aac(AacConfig),
    /// Opus (RFC 6716).
    Opus(OpusConfig),
    /// MPEG-1/2 audio layer III (ISO/IEC 11172-3, 13818-3).
    Mp3(Mp3Config),
    /// G.711 A-law or mu-law.
    G711(G711Config),
    /// AC-3 (ETSI TS 102 366).
    Ac3(Ac3Config),
    /// Enhanced AC-3 (ETSI TS 102 366 annex E).
    Eac3(Ac3Config),
    /// FLAC (RFC 9639).
    Flac(FlacConfig),
    /// Timed data.
    Data(DataFormat),
}

/// Picture size in luma samples, after cropping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Pictures per second as a fraction, where the configuration states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    /// Numerator.
    pub numerator: u32,
    /// Denominator, never zero.
    pub denominator: u32,
}

impl FrameRate {
    /// The fraction in lowest terms; `None` when it is zero, has no denominator, or does not fit.
    pub(crate) fn reduced(numerator: u64, denominator: u64) -> Option<Self> {
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let numerator = u32::try_from(numerator.checked_div(a)?).ok().filter(|&value| value > 0)?;
        let denominator = u32::try_from(denominator.checked_div(a)?).ok().filter(|&value| value > 0)?;
        Some(Self { numerator, denominator })
    }

    /// Pictures per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl Codec {
    /// Video, audio or data.
    #[must_use]
    pub const fn kind(&self) -> MediaKind {
        match self {
            Self::H264(_) | Self::H265(_) | Self::Av1(_) | Self::Vp9(_) => MediaKind::Video,
            Self::Aac(_)
            | Self::Opus(_)
            | Self::Mp3(_)
            | Self::G711(_)
            | Self::Ac3(_)
            | Self::Eac3(_)
            | Self::Flac(_) => MediaKind::Audio,
            Self::Data(_) => MediaKind::Data,
        }
    }

    /// Short name for people and labels: `H264`, `AAC`, ...
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::H264(_) => "H264",
            Self::H265(_) => "H265",
            Self::Av1(_) => "AV1",
            Self::Vp9(_) => "VP9",
            Self::Aac(_) => "AAC",
            Self::Opus(_) => "Opus",
            Self::Mp3(_) => "MP3",
            Self::G711(_) => "G711",
            Self::Ac3(_) => "AC-3",
            Self::Eac3(_) => "E-AC-3",
            Self::Flac(_) => "FLAC",
            Self::Data(_) => "data",
        }
    }
}
