//! H.264: the `avcC` record and the sequence parameter set (ITU-T H.264 7.3.2.1, ISO/IEC 14496-15 5.3.3).

mod sps;

use bytes::Bytes;

use super::bits::BitReader;
use super::record::{check_count, check_record_size, put_sets, read_sets};
use super::{CodecError, FrameRate, Resolution, nal};
use sps::Sps;

/// `nal_unit_type` of a coded slice of an IDR picture (ITU-T H.264 table 7-1).
pub const NAL_IDR: u8 = 5;
/// `nal_unit_type` of supplemental enhancement information.
pub const NAL_SEI: u8 = 6;
/// `nal_unit_type` of a sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
pub const NAL_PPS: u8 = 8;
/// `nal_unit_type` of an access unit delimiter.
pub const NAL_AUD: u8 = 9;

/// Sequence parameter sets a record can count, in five bits (ISO/IEC 14496-15 5.3.3.1.2).
pub const MAX_SPS: usize = 31;
/// Picture parameter sets a record can count, in eight bits.
pub const MAX_PPS: usize = 255;

const RECORD: &str = "AVCDecoderConfigurationRecord";

/// H.264 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct AvcConfig {
    /// The `AVCDecoderConfigurationRecord`, verbatim but for a NAL length size of 4.
    pub record: Bytes,
    /// Sequence parameter sets, NAL header included, no prefix.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL header included, no prefix.
    pub pps: Vec<Bytes>,
    /// `profile_idc`.
    pub profile: u8,
    /// `constraint_set0_flag`..`constraint_set5_flag` and two zero bits.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Size of the picture after cropping.
    pub resolution: Resolution,
    /// From the VUI's timing, where present.
    pub frame_rate: Option<FrameRate>,
}

impl AvcConfig {
    /// Reads an `AVCDecoderConfigurationRecord`.
    ///
    /// Where several sequence parameter sets are present the first is described. A missing or cut
    /// high-profile extension behind the parameter sets is accepted, as is a record without picture
    /// parameter sets: some encoders send those within the stream.
    ///
    /// # Errors
    /// When the record ends early, holds no sequence parameter set or one that cannot be read, or is larger
    /// than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    pub fn parse(record: &[u8]) -> Result<Self, CodecError> {
        Self::parse_with_length_size(record).map(|(config, _)| config)
    }

    /// As [`parse`](Self::parse), with the size in bytes of the NAL length prefixes the record announces, 1 to 4.
    ///
    /// The stored record announces 4 whatever the input did; give the payloads to [`nal::canonical`].
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with_length_size(record: &[u8]) -> Result<(Self, u8), CodecError> {
        check_record_size(RECORD, record.len())?;
        let mut reader = BitReader::new(RECORD, record);
        let version = reader.small(8)?;
        if version != 1 {
            return Err(reader.field("configurationVersion", version.into()));
        }
        // AVCProfileIndication, profile_compatibility, AVCLevelIndication: repeated in the parameter set.
        reader.skip(3 * 8 + 6)?;
        let length_size = reader.small(2)? + 1;
        let mut stored = record.to_vec();
        if let Some(byte) = stored.get_mut(4) {
            *byte |= nal::LENGTH_SIZE - 1;
        }
        let stored = Bytes::from(stored);
        reader.skip(3)?;
        let sps_count = reader.bits(5)?;
        let sps = read_sets(&mut reader, &stored, sps_count)?;
        let pps_count = reader.bits(8)?;
        let pps = read_sets(&mut reader, &stored, pps_count)?;
        Ok((Self::described(stored, sps, pps)?, length_size))
    }

    /// Builds the record of parameter sets that came within a stream, and its description. Each set is one
    /// NAL unit with its header, without length or start code.
    ///
    /// # Errors
    /// When there is no sequence parameter set or one that cannot be read, when there are more than [`MAX_SPS`]
    /// or [`MAX_PPS`], or the record would be larger than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    pub fn from_parameter_sets(sps: Vec<Bytes>, pps: Vec<Bytes>) -> Result<Self, CodecError> {
        check_count(RECORD, "sequence parameter sets", sps.len(), MAX_SPS)?;
        check_count(RECORD, "picture parameter sets", pps.len(), MAX_PPS)?;
        check_record_size(RECORD, sps.iter().chain(&pps).map(|set| set.len() + 2).sum::<usize>() + 11)?;
        let parsed = first_sps(&sps)?;
        let mut record =
            vec![1, parsed.profile, parsed.constraints, parsed.level, 0xfc | (nal::LENGTH_SIZE - 1)];
        // The counts and lengths fit: both were checked above.
        record.push(0xe0 | (sps.len() & 0x1f) as u8);
        put_sets(&mut record, &sps);
        record.push((pps.len() & 0xff) as u8);
        put_sets(&mut record, &pps);
        if matches!(parsed.profile, 100 | 110 | 122 | 144 | 244) {
            record.extend([
                0xfc | parsed.chroma_format,
                0xf8 | (parsed.bit_depth_luma - 8),
                0xf8 | (parsed.bit_depth_chroma - 8),
                0,
            ]);
        }
        Self::described(Bytes::from(record), sps, pps)
    }

    fn described(record: Bytes, sps: Vec<Bytes>, pps: Vec<Bytes>) -> Result<Self, CodecError> {
        let Sps { profile, constraints, level, resolution, frame_rate, .. } = first_sps(&sps)?;
        Ok(Self { record, sps, pps, profile, constraints, level, resolution, frame_rate })
    }
}

/// Whether a canonical access unit holds an IDR picture, at which a decoder can begin.
///
/// A recovery point SEI does not count: pictures behind it may still refer to what came before.
#[must_use]
pub fn is_sync(payload: &[u8]) -> bool {
    nal::units(payload).map_while(Result::ok).any(|unit| nal_type(unit) == Some(NAL_IDR))
}

/// `nal_unit_type` of a NAL unit, or `None` for an empty one.
#[must_use]
pub fn nal_type(unit: &[u8]) -> Option<u8> {
    unit.first().map(|header| header & 0x1f)
}

fn first_sps(sps: &[Bytes]) -> Result<Sps, CodecError> {
    let missing = CodecError::Field { structure: RECORD, field: "numOfSequenceParameterSets", value: 0 };
    Sps::parse(sps.first().ok_or(missing)?)
}

#[cfg(test)]
mod tests;
