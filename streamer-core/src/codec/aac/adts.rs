//! The ADTS frame header (ISO/IEC 13818-7 6.2, ISO/IEC 14496-3 1.A.2.2).

use super::asc::SAMPLE_RATES_HZ;
use crate::codec::CodecError;
use crate::codec::bits::BitReader;

pub(super) const ADTS: &str = "ADTS header";

/// Bytes of a header without CRC: enough to know whether there is one.
pub const MIN_HEADER_BYTES: usize = 7;

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
}
