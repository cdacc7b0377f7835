//! AAC: the `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1).

pub mod adts;
mod asc;

use bytes::Bytes;

use super::CodecError;
use super::record::check_record_size;
use adts::AdtsHeader;
use asc::AudioSpecificConfig;

/// `audioObjectType` of AAC-LC (ISO/IEC 14496-3 table 1.17).
pub const AAC_LC: u8 = 2;

/// AAC decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct AacConfig {
    /// The `AudioSpecificConfig`, verbatim.
    pub record: Bytes,
    /// `audioObjectType` of the core: 2 for AAC-LC.
    pub object_type: u8,
    /// Output sampling frequency (the extension's, when SBR is signalled).
    pub sample_rate_hz: u32,
    /// Sampling frequency of the core coder.
    pub core_sample_rate_hz: u32,
    /// Channels, from `channelConfiguration` or the program config element; 2 when parametric stereo is signalled.
    pub channels: u8,
    /// PCM samples per frame of the core coder: 1024 or 960 (512 or 480 with low delay).
    pub frame_samples: u16,
}

/// What a configuration signals on top of its core coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AacExtension {
    /// Nothing.
    None,
    /// Spectral band replication: HE-AAC.
    Sbr,
    /// Spectral band replication and parametric stereo: HE-AAC v2.
    ParametricStereo,
}

impl AacConfig {
    /// Reads an `AudioSpecificConfig`; SBR and parametric stereo are found signalled either way,
    /// hierarchical or backward compatible (ISO/IEC 14496-3 1.6.5.2).
    ///
    /// # Errors
    /// When the record ends early, is larger than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES), has a reserved
    /// sampling frequency or channel configuration, or is of an object type outside the AAC family.
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        check_record_size(asc::ASC, record.len())?;
        let parsed = AudioSpecificConfig::parse(record)?;
        Ok(Self {
            record: Bytes::copy_from_slice(record),
            object_type: parsed.object_type,
            sample_rate_hz: parsed.sample_rate_hz,
            core_sample_rate_hz: parsed.core_sample_rate_hz,
            channels: parsed.channels,
            frame_samples: parsed.frame_samples,
        })
    }

    /// Builds the record of a plain configuration: `object_type` 1 to 4 (2 for AAC-LC), the core's sampling
    /// frequency, and 1 to 6 or 8 channels in their default layout (ISO/IEC 14496-3 table 1.19).
    ///
    /// # Errors
    /// [`CodecError::Field`] for other object types, frequencies of 0 or past 24 bits, and other channel counts.
    pub fn new(object_type: u8, sample_rate_hz: u32, channels: u8) -> Result<Self, CodecError> {
        let configuration = match channels {
            1..=6 => channels,
            8 => 7,
            _ => {
                let value = channels.into();
                return Err(CodecError::Field { structure: asc::ASC, field: "channels", value });
            }
        };
        Self::parse(&asc::build(object_type, sample_rate_hz, configuration)?)
    }

    /// Builds the record that an ADTS stream implies. The header cannot tell SBR: where a stream has it, the
    /// frequencies are the core's.
    ///
    /// # Errors
    /// [`CodecError::Unsupported`] for channel configuration 0, whose layout stands in the payload.
    pub fn from_adts_header(header: &AdtsHeader) -> Result<Self, CodecError> {
        if header.channel_configuration == 0 {
            let what = "a channel layout within the payload";
            return Err(CodecError::Unsupported { structure: adts::ADTS, what });
        }
        let rate = header.sample_rate_hz;
        Self::parse(&asc::build(header.object_type, rate, header.channel_configuration)?)
    }

    /// What the record signals on top of the core coder.
    #[must_use]
    pub fn extension(&self) -> AacExtension {
        AudioSpecificConfig::parse(&self.record).map_or(AacExtension::None, |parsed| parsed.extension)
    }
}

#[cfg(test)]
mod tests;
