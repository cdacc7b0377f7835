//! The fields of an `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1, 4.4.1).

use crate::codec::CodecError;
use crate::codec::bits::BitReader;

use super::AacExtension;

pub(super) const ASC: &str = "AudioSpecificConfig";

/// `audioObjectType`s (table 1.17).
const AOT_SCALABLE: u8 = 6;
const AOT_SBR: u8 = 5;
const AOT_ER_LC: u8 = 17;
const AOT_ER_LTP: u8 = 19;
const AOT_ER_SCALABLE: u8 = 20;
const AOT_ER_BSAC: u8 = 22;
const AOT_ER_LD: u8 = 23;
const AOT_PS: u8 = 29;
const AOT_ESCAPE: u8 = 31;
const AOT_ER_ELD: u8 = 39;

/// `syncExtensionType` in front of a backward compatible SBR signal.
const SYNC_SBR: u32 = 0x2b7;
/// `syncExtensionType` in front of a backward compatible parametric stereo signal.
const SYNC_PS: u32 = 0x548;

/// `samplingFrequencyIndex` 0 to 12 (table 1.18).
pub(super) const SAMPLE_RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// `samplingFrequencyIndex` that announces 24 bits of frequency.
const RATE_ESCAPE: u8 = 15;

pub(super) struct AudioSpecificConfig {
    pub(super) object_type: u8,
    pub(super) extension: AacExtension,
    pub(super) sample_rate_hz: u32,
    pub(super) core_sample_rate_hz: u32,
    pub(super) channels: u8,
    pub(super) channel_configuration: u8,
    pub(super) frame_samples: u16,
}

impl AudioSpecificConfig {
    pub(super) fn parse(record: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new(ASC, record);
        let mut object_type = object_type(&mut reader)?;
        let core_sample_rate_hz = sample_rate(&mut reader)?;
        let mut sample_rate_hz = core_sample_rate_hz;
        let configuration = reader.small(4)?;
        let mut channels = channels_of(&reader, configuration)?;
        let mut extension = AacExtension::None;
        let hierarchical = matches!(object_type, AOT_SBR | AOT_PS);
        if hierarchical {
            extension =
                if object_type == AOT_PS { AacExtension::ParametricStereo } else { AacExtension::Sbr };
            sample_rate_hz = sample_rate(&mut reader)?;
            object_type = self::object_type(&mut reader)?;
            if object_type == AOT_ER_BSAC {
                reader.skip(4)?; // extensionChannelConfiguration
            }
        }
        let frame_samples = match object_type {
            1..=4 | AOT_SCALABLE | 7 | AOT_ER_LC | AOT_ER_LTP..=AOT_ER_LD => {
                general_audio(&mut reader, object_type, configuration, &mut channels)?
            }
            AOT_ER_ELD => {
                if reader.flag()? {
                    480
                } else {
                    512
                }
            }
            _ => {
                return Err(CodecError::Unsupported { structure: ASC, what: "this audioObjectType" });
            }
        };
        if channels == 0 {
            return Err(reader.field("channelConfiguration", configuration.into()));
        }
        if !hierarchical
            && object_type < AOT_ER_LC
            && let Some(found) = backward_compatible(&mut reader)
        {
            extension = found.0;
            sample_rate_hz = found.1;
        }
        if extension == AacExtension::ParametricStereo && channels == 1 {
            channels = 2;
        }
        Ok(Self {
            object_type,
            extension,
            sample_rate_hz,
            core_sample_rate_hz,
            channels,
            channel_configuration: configuration,
            frame_samples,
        })
    }
}

fn object_type(reader: &mut BitReader<'_>) -> Result<u8, CodecError> {
    match reader.small(5)? {
        AOT_ESCAPE => Ok(32 + reader.small(6)?),
        object_type => Ok(object_type),
    }
}

fn sample_rate(reader: &mut BitReader<'_>) -> Result<u32, CodecError> {
    let index = reader.small(4)?;
    if index == RATE_ESCAPE {
        return match reader.bits(24)? {
            0 => Err(reader.field("samplingFrequency", 0)),
            rate => Ok(rate),
        };
    }
    let rate = SAMPLE_RATES_HZ.get(usize::from(index)).copied();
    rate.ok_or_else(|| reader.field("samplingFrequencyIndex", index.into()))
}

/// Channels of a `channelConfiguration` (table 1.19); 0 where a program config element tells.
fn channels_of(reader: &BitReader<'_>, configuration: u8) -> Result<u8, CodecError> {
    match configuration {
        0..=6 => Ok(configuration),
        7 | 12 | 14 => Ok(8),
        11 => Ok(7),
        13 => Ok(24),
        _ => Err(reader.field("channelConfiguration", configuration.into())),
    }
}

/// `GASpecificConfig` (4.4.1): samples per frame, and the channels where they stand here.
fn general_audio(
    reader: &mut BitReader<'_>,
    object_type: u8,
    configuration: u8,
    channels: &mut u8,
) -> Result<u16, CodecError> {
    let short = reader.flag()?;
    if reader.flag()? {
        reader.skip(14)?; // coreCoderDelay
    }
    let extended = reader.flag()?;
    if configuration == 0 {
        *channels = program_config(reader)?;
    }
    if matches!(object_type, AOT_SCALABLE | AOT_ER_SCALABLE) {
        reader.skip(3)?; // layerNr
    }
    if extended {
        match object_type {
            AOT_ER_BSAC => reader.skip(5 + 11)?, // numOfSubFrame, layer_length
            AOT_ER_LC | AOT_ER_LTP | AOT_ER_SCALABLE | AOT_ER_LD => reader.skip(3)?, // resilience flags
            _ => {}
        }
        reader.skip(1)?; // extensionFlag3
    }
    Ok(match (object_type == AOT_ER_LD, short) {
        (true, true) => 480,
        (true, false) => 512,
        (false, true) => 960,
        (false, false) => 1024,
    })
}

/// `program_config_element` (4.4.1.1): the channels of its front, side, back and low-frequency elements.
fn program_config(reader: &mut BitReader<'_>) -> Result<u8, CodecError> {
    reader.skip(4 + 2 + 4)?; // element_instance_tag, object_type, sampling_frequency_index
    let [front, side, back] = [reader.bits(4)?, reader.bits(4)?, reader.bits(4)?];
    let low_frequency = reader.bits(2)?;
    let associated_data = reader.bits(3)?;
    let coupling = reader.bits(4)?;
    for mixdown_bits in [4, 4, 3] {
        if reader.flag()? {
            reader.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for _ in 0..front + side + back {
        channels += if reader.flag()? { 2 } else { 1 };
        reader.skip(4)?; // element_tag_select
    }
    let rest = 4 * low_frequency + 4 * associated_data + 5 * coupling;
    reader.skip(rest as usize)?;
    reader.align();
    let comment = reader.bits(8)? as usize;
    reader.bytes(comment)?;
    // At most 2 * 45 + 3.
    Ok((channels & 0xff) as u8)
}

/// The extension that may follow the configuration of an older decoder, and its sampling frequency.
/// What cannot be read there is not an extension.
fn backward_compatible(reader: &mut BitReader<'_>) -> Option<(AacExtension, u32)> {
    if reader.bits(11).ok()? != SYNC_SBR || object_type(reader).ok()? != AOT_SBR || !reader.flag().ok()? {
        return None;
    }
    let rate = sample_rate(reader).ok()?;
    let stereo = matches!(reader.bits(11), Ok(SYNC_PS)) && matches!(reader.flag(), Ok(true));
    Some((if stereo { AacExtension::ParametricStereo } else { AacExtension::Sbr }, rate))
}

/// Writes a configuration without extension; `channel_configuration` as in table 1.19.
pub(super) fn build(
    object_type: u8,
    sample_rate_hz: u32,
    channel_configuration: u8,
) -> Result<Vec<u8>, CodecError> {
    let field = |field, value| Err(CodecError::Field { structure: ASC, field, value });
    if !(1..=4).contains(&object_type) {
        return field("audioObjectType", object_type.into());
    }
    if sample_rate_hz == 0 || sample_rate_hz >= 1 << 24 {
        return field("samplingFrequency", sample_rate_hz.into());
    }
    let index = SAMPLE_RATES_HZ.iter().position(|&rate| rate == sample_rate_hz);
    // 5 bits object type, 4 index, [24 rate,] 4 channels, 3 flags of the general audio configuration, all zero.
    let (index, rate_bits, rate) = index.map_or((15, 24, u64::from(sample_rate_hz)), |at| (at as u64, 0, 0));
    let mut fields = (u64::from(object_type) << 4) | index;
    fields = (fields << rate_bits) | rate;
    fields = (fields << 7) | (u64::from(channel_configuration) << 3);
    let used = 16 + rate_bits;
    let bytes = (fields << (64 - used)).to_be_bytes();
    Ok(bytes.into_iter().take(used / 8).collect())
}
