//! The ADTS frame header (ISO/IEC 13818-7 6.2, ISO/IEC 14496-3 1.A.2.2).

use super::AacConfig;
use super::asc::{AudioSpecificConfig, SAMPLE_RATES_HZ};
use crate::codec::CodecError;
use crate::codec::bits::BitReader;

pub(super) const ADTS: &str = "ADTS header";

/// Bytes of a header without CRC: enough to know whether there is one.
pub const MIN_HEADER_BYTES: usize = 7;

/// Longest frame that `aac_frame_length` can tell, header included.
pub const MAX_FRAME_BYTES: usize = 0x1fff;
/// PCM samples of the core coder in a raw data block: a header cannot tell of another frame length.
pub const BLOCK_SAMPLES: u16 = 1_024;

/// The header in front of an AAC frame in an ADTS stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdtsHeader {
    /// `audioObjectType`, 1 to 4.
    pub object_type: u8,
    /// Sampling frequency of the core coder.
    pub sample_rate_hz: u32,
    /// `channel_configuration`, 0 to 7; 0 when the layout stands in the payload.
    pub channel_configuration: u8,
    /// Bytes of the header itself: 7, or 9 with a CRC.
    pub header_bytes: usize,
    /// Bytes of the frame, header included; at most 8 191.
    pub frame_bytes: usize,
    /// Raw data blocks in the frame, 1 to 4; each makes one coded audio frame.
    pub raw_data_blocks: u8,
}

impl AdtsHeader {
    /// Reads the header that `data` begins with; `None` when `data` is shorter than [`MIN_HEADER_BYTES`].
    ///
    /// # Errors
    /// [`CodecError::Field`] when `data` does not begin with a sync word, or a field is reserved.
    pub fn parse(data: &[u8]) -> Result<Option<Self>, CodecError> {
        let Some(data) = data.get(..MIN_HEADER_BYTES) else { return Ok(None) };
        let mut reader = BitReader::new(ADTS, data);
        let sync = reader.bits(12)?;
        if sync != 0xfff {
            return Err(reader.field("syncword", sync.into()));
        }
        reader.skip(1)?; // ID: MPEG-4 or MPEG-2, the same for these profiles
        let layer = reader.bits(2)?;
        if layer != 0 {
            return Err(reader.field("layer", layer.into()));
        }
        let header_bytes = if reader.flag()? { MIN_HEADER_BYTES } else { MIN_HEADER_BYTES + 2 };
        let object_type = reader.small(2)? + 1;
        let index = reader.bits(4)?;
        let rate = SAMPLE_RATES_HZ.get(index as usize).copied();
        let sample_rate_hz = rate.ok_or_else(|| reader.field("sampling_frequency_index", index.into()))?;
        reader.skip(1)?; // private_bit
        let channel_configuration = reader.small(3)?;
        reader.skip(4)?; // original_copy, home, copyright bits
        let frame_bytes = reader.bits(13)? as usize;
        if frame_bytes < header_bytes {
            return Err(reader.field("aac_frame_length", frame_bytes as u64));
        }
        reader.skip(11)?; // adts_buffer_fullness
        let raw_data_blocks = reader.small(2)? + 1;
        Ok(Some(Self {
            object_type,
            sample_rate_hz,
            channel_configuration,
            header_bytes,
            frame_bytes,
            raw_data_blocks,
        }))
    }

    /// The header of `config`'s frames, without CRC, one raw data block each; `frame_bytes` counts the header alone.
    ///
    /// SBR and parametric stereo are not told: a decoder finds them in the payload.
    ///
    /// # Errors
    /// [`CodecError::Unsupported`] for what a header has no room for: object types past 4, frequencies outside the
    /// table, layouts that a program config element describes or past configuration 7, frames of other than
    /// [`BLOCK_SAMPLES`].
    pub fn of_config(config: &AacConfig) -> Result<Self, CodecError> {
        let parsed = AudioSpecificConfig::parse(&config.record)?;
        let what = if !(1..=4).contains(&parsed.object_type) {
            "this audioObjectType"
        } else if !SAMPLE_RATES_HZ.contains(&parsed.core_sample_rate_hz) {
            "this sampling frequency"
        } else if !(1..=7).contains(&parsed.channel_configuration) {
            "this channel layout"
        } else if parsed.frame_samples != BLOCK_SAMPLES {
            "this frame length"
        } else {
            return Ok(Self {
                object_type: parsed.object_type,
                sample_rate_hz: parsed.core_sample_rate_hz,
                channel_configuration: parsed.channel_configuration,
                header_bytes: MIN_HEADER_BYTES,
                frame_bytes: MIN_HEADER_BYTES,
                raw_data_blocks: 1,
            });
        };
        Err(CodecError::Unsupported { structure: ADTS, what })
    }

    /// The seven bytes in front of a raw data block of `payload_bytes`, with the parameters of this header and
    /// without CRC.
    ///
    /// # Errors
    /// [`CodecError::Limit`] when the frame would be longer than [`MAX_FRAME_BYTES`].
    pub fn write(&self, payload_bytes: usize) -> Result<[u8; MIN_HEADER_BYTES], CodecError> {
        let len = payload_bytes.saturating_add(MIN_HEADER_BYTES);
        if len > MAX_FRAME_BYTES {
            let (value, max) = (len as u64, MAX_FRAME_BYTES as u64);
            return Err(CodecError::Limit { structure: ADTS, what: "aac_frame_length", value, max });
        }
        let index = SAMPLE_RATES_HZ.iter().position(|&rate| rate == self.sample_rate_hz).unwrap_or_default();
        let profile = self.object_type.saturating_sub(1) & 3;
        let channels = self.channel_configuration & 7;
        Ok([
            0xff,
            0xf1, // MPEG-4, no CRC
            (profile << 6) | (((index & 0xf) as u8) << 2) | (channels >> 2),
            (channels << 6) | ((len >> 11) & 3) as u8,
            ((len >> 3) & 0xff) as u8,
            (((len & 7) as u8) << 5) | 0x1f, // adts_buffer_fullness: variable rate
            0xfc,
        ])
    }
}
