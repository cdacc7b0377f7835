//! Codec configurations as FLV carries them, on the way in.

use bytes::{Buf, Bytes};

use super::error::FlvError;
use super::tag::{FourCc, SoundFormat, legacy_codec};
use crate::codec::{
    AacConfig, Ac3Config, Av1Config, AvcConfig, Codec, FlacConfig, G711Config, G711Law, HevcConfig,
    Mp3Config, OpusConfig, Vp9Config, nal, vp9,
};

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

/// Channels of an Opus track that says nothing of them.
const IMPLIED_CHANNELS: u8 = 2;

/// Reads the configuration of a sequence start. `None` for codecs that have none: their first frame says
/// what is to be known.
pub(super) fn from_sequence_start(fourcc: FourCc, record: &Bytes) -> Result<Option<Configured>, FlvError> {
    Ok(match fourcc {
        FourCc::AVC => {
            let (config, length_size) = AvcConfig::parse_with_length_size(record)?;
            Some(Configured { codec: Codec::H264(config), length_size })
        }
        FourCc::HEVC => {
            let (config, length_size) = HevcConfig::parse_with_length_size(record)?;
            Some(Configured { codec: Codec::H265(config), length_size })
        }
        FourCc::AV1 => Some(Configured::new(Codec::Av1(Av1Config::parse(record)?))),
        FourCc::VP9 => Some(Configured::new(Codec::Vp9(Vp9Config::parse(record)?))),
        FourCc::AAC => Some(Configured::new(Codec::Aac(AacConfig::parse(record)?))),
        FourCc::OPUS if record.is_empty() => from_channels(fourcc, IMPLIED_CHANNELS)?,
        FourCc::OPUS => Some(Configured::new(Codec::Opus(OpusConfig::parse(record)?))),
        FourCc::FLAC => Some(Configured::new(Codec::Flac(FlacConfig::parse(record)?))),
        FourCc::MP3 | FourCc::AC3 | FourCc::EAC3 => None,
        _ => return Err(unsupported(fourcc)),
    })
}

/// Makes a configuration of a number of channels, for Opus whose own was sent empty; `None` for others.
pub(super) fn from_channels(fourcc: FourCc, channels: u8) -> Result<Option<Configured>, FlvError> {
    Ok(match fourcc {
        FourCc::OPUS => Some(Configured::new(Codec::Opus(OpusConfig::new(channels)?))),
        _ => None,
    })
}

/// Reads the configuration from a frame, for codecs whose frames say it all; `None` for others.
pub(super) fn from_frame(name: CodecName, frame: &Bytes) -> Result<Option<Configured>, FlvError> {
    let codec = match name {
        CodecName::G711(law, channels) => Codec::G711(G711Config::new(law, G711_SAMPLE_RATE_HZ, channels)?),
        CodecName::FourCc(FourCc::MP3) => Codec::Mp3(Mp3Config::parse(frame)?),
        CodecName::FourCc(FourCc::AC3) => Codec::Ac3(Ac3Config::parse(frame)?),
        CodecName::FourCc(FourCc::EAC3) => Codec::Eac3(Ac3Config::parse_enhanced(frame)?),
        CodecName::FourCc(
            FourCc::AVC
            | FourCc::HEVC
            | FourCc::AV1
            | FourCc::VP9
            | FourCc::AAC
            | FourCc::OPUS
            | FourCc::FLAC,
        ) => return Ok(None),
        CodecName::FourCc(fourcc) => return Err(unsupported(fourcc)),
    };
    Ok(Some(Configured::new(codec)))
}

/// Puts into `codec` what a random access point says and its record does not: the size of pictures.
/// Returns whether anything changed.
pub(super) fn learn(codec: &mut Codec, frame: &[u8]) -> bool {
    match codec {
        Codec::Vp9(config) => match vp9::key_frame_resolution(frame) {
            Ok(Some(resolution)) if config.resolution != Some(resolution) => {
                config.resolution = Some(resolution);
                true
            }
            _ => false,
        },
        Codec::Av1(config) if config.resolution.is_none() => match Av1Config::from_temporal_unit(frame) {
            Ok(Some(found)) => {
                (config.resolution, config.frame_rate) = (found.resolution, found.frame_rate);
                found.resolution.is_some()
            }
            _ => false,
        },
        _ => false,
    }
}

/// Takes over into `codec` what was [learnt](learn) under the same record.
pub(super) fn keep_learnt(held: &Codec, codec: &mut Codec) {
    match (held, codec) {
        (Codec::Vp9(held), Codec::Vp9(config)) if held.record == config.record => {
            config.resolution = held.resolution;
        }
        (Codec::Av1(held), Codec::Av1(config)) if held.record == config.record => {
            (config.resolution, config.frame_rate) = (held.resolution, held.frame_rate);
        }
        _ => {}
    }
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
