//! Codec configurations as FLV carries them, on the way in.

use bytes::{Buf, Bytes};

use super::error::FlvError;
use super::tag::{FourCc, SoundFormat, legacy_codec};
use crate::codec::{AacConfig, AvcConfig, Codec, G711Config, G711Law, nal};

/// Sampling frequency of G.711 in FLV, whatever the header says (Adobe FLV 10.1 E.4.2.1).
const G711_SAMPLE_RATE_HZ: u32 = 8_000;
/// Length prefix of the canonical form of H.264 and H.265.
const CANONICAL_LENGTH_SIZE: u8 = 4;

/// A codec as its headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodecName {
    /// By a FourCC, or by a number that has one.
    FourCc(FourCc),
    /// G.711, which has none.
    G711(G711Law, u8),
}

impl CodecName {
    /// The codec of a video header without a FourCC.
    pub(super) fn of_video(codec_id: u8) -> Result<Self, FlvError> {
        match codec_id {
            legacy_codec::AVC => Ok(Self::FourCc(FourCc::AVC)),
            legacy_codec::HEVC => Ok(Self::FourCc(FourCc::HEVC)),
            _ => Err(FlvError::UnsupportedCodec { kind: "video", codec: codec_id.to_string() }),
        }
    }

    /// The codec of an audio header without a FourCC.
    pub(super) fn of_audio(format: SoundFormat, stereo: bool) -> Result<Self, FlvError> {
        let channels = 1 + u8::from(stereo);
        match format {
            SoundFormat::AAC => Ok(Self::FourCc(FourCc::AAC)),
            SoundFormat::MP3 | SoundFormat::MP3_8K => Ok(Self::FourCc(FourCc::MP3)),
            SoundFormat::G711_A => Ok(Self::G711(G711Law::A, channels)),
            SoundFormat::G711_MU => Ok(Self::G711(G711Law::Mu, channels)),
            _ => Err(FlvError::UnsupportedCodec { kind: "audio", codec: format.0.to_string() }),
        }
    }
}

/// A configuration and what it says of the payloads that follow.
pub(super) struct Configured {
    pub(super) codec: Codec,
    /// Bytes of a NAL unit's length prefix; 4 for codecs without NAL units.
    pub(super) length_size: u8,
}

impl Configured {
    fn new(codec: Codec) -> Self {
        Self { codec, length_size: CANONICAL_LENGTH_SIZE }
    }
}

/// Reads the configuration of a sequence start. `None` for codecs that have none: their first frame says
/// what is to be known.
pub(super) fn from_sequence_start(fourcc: FourCc, record: &Bytes) -> Result<Option<Configured>, FlvError> {
    Ok(match fourcc {
        FourCc::AVC => {
            let (config, length_size) = AvcConfig::parse_with_length_size(record)?;
            Some(Configured { codec: Codec::H264(config), length_size })
        }
        FourCc::AAC => Some(Configured::new(Codec::Aac(AacConfig::parse(record)?))),
        FourCc::MP3 | FourCc::AC3 | FourCc::EAC3 => None,
        _ => return Err(unsupported(fourcc)),
    })
}

/// Reads the configuration from a frame, for codecs whose frames say it all; `None` for others.
pub(super) fn from_frame(name: CodecName, _frame: &Bytes) -> Result<Option<Configured>, FlvError> {
    Ok(match name {
        CodecName::G711(law, channels) => {
            let config = G711Config { law, sample_rate_hz: G711_SAMPLE_RATE_HZ, channels };
            Some(Configured::new(Codec::G711(config)))
        }
        CodecName::FourCc(_) => None,
    })
}

/// The canonical form of a frame's payload; a slice of it wherever no length has to be rewritten.
pub(super) fn canonical_payload(name: CodecName, length_size: u8, data: Bytes) -> Result<Bytes, FlvError> {
    Ok(match name {
        CodecName::FourCc(FourCc::AVC | FourCc::HEVC) if length_size != CANONICAL_LENGTH_SIZE => {
            nal::canonical(&data, length_size)?
        }
        CodecName::FourCc(FourCc::AV1) => without_temporal_delimiters(data),
        _ => data,
    })
}

/// A temporal unit without the temporal delimiters before it, which some encoders send though the ISO
/// binding leaves them out (AV1 ISOBMFF 2.4).
fn without_temporal_delimiters(mut data: Bytes) -> Bytes {
    // obu_type 2 with a size field, and a size of 0.
    while data.starts_with(&[0x12, 0x00]) {
        data.advance(2);
    }
    data
}

fn unsupported(fourcc: FourCc) -> FlvError {
    FlvError::UnsupportedCodec { kind: "FourCC", codec: fourcc.to_string() }
}
