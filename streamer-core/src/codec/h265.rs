//! H.265: the `hvcC` record and the sequence parameter set (ITU-T H.265 7.3.2.2, ISO/IEC 14496-15 8.3.3).

mod profile;
mod sps;
mod vps;

use bytes::Bytes;

use super::bits::BitReader;
use super::record::{check_count, check_record_size, put_sets, read_sets};
use super::{CodecError, FrameRate, Resolution, nal};
use profile::Profile;
use sps::Sps;

/// The `nal_unit_type`s of random access pictures, at which a decoder can begin (ITU-T H.265 table 7-1).
pub const NAL_IRAP: std::ops::RangeInclusive<u8> = 16..=23;
/// `nal_unit_type` of a video parameter set.
pub const NAL_VPS: u8 = 32;
/// `nal_unit_type` of a sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// `nal_unit_type` of a picture parameter set.
pub const NAL_PPS: u8 = 34;
/// `nal_unit_type` of an access unit delimiter.
pub const NAL_AUD: u8 = 35;
/// `nal_unit_type` of supplemental enhancement information in front of the picture.
pub const NAL_PREFIX_SEI: u8 = 39;

/// Parameter sets accepted of each kind: a stream can tell 64 picture parameter sets apart, and 16 of the
/// others (ITU-T H.265 7.4.3).
pub const MAX_PARAMETER_SETS: usize = 64;

const RECORD: &str = "HEVCDecoderConfigurationRecord";
/// Byte of the record that holds `lengthSizeMinusOne`, in its two low bits.
const LENGTH_SIZE_AT: usize = 21;

/// H.265 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct HevcConfig {
    /// The `HEVCDecoderConfigurationRecord`, verbatim but for a version of 1 and a NAL length size of 4.
    pub record: Bytes,
    /// Video parameter sets, NAL header included, no prefix.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets, NAL header included, no prefix.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL header included, no prefix.
    pub pps: Vec<Bytes>,
    /// `general_profile_space`, 0 to 3.
    pub profile_space: u8,
    /// `general_tier_flag`: true for the high tier.
    pub high_tier: bool,
    /// `general_profile_idc`.
    pub profile: u8,
    /// `general_profile_compatibility_flag`s, flag 0 in the most significant bit.
    pub compatibility: u32,
    /// The 48 bits from `general_progressive_source_flag` on.
    pub constraints: u64,
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
    /// Size of the picture after the conformance window.
    pub resolution: Resolution,
    /// From the VUI's or VPS' timing, where present.
    pub frame_rate: Option<FrameRate>,
}

impl HevcConfig {
    /// Reads an `HEVCDecoderConfigurationRecord`.
    ///
    /// The first sequence parameter set is described. Version 0, which muxers wrote before the format was
    /// final, is read as version 1. Arrays of other NAL units stay in the record alone.
    ///
    /// # Errors
    /// When the record ends early, holds no sequence parameter set or one that cannot be read, holds more than
    /// [`MAX_PARAMETER_SETS`] of a kind, or is larger than [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
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
        if version > 1 {
            return Err(reader.field("configurationVersion", version.into()));
        }
        reader.bytes(LENGTH_SIZE_AT - 1)?;
        reader.skip(6)?; // constantFrameRate, numTemporalLayers, temporalIdNested
        let length_size = reader.small(2)? + 1;
        let mut stored = record.to_vec();
        if let Some([first, .., last]) = stored.get_mut(..=LENGTH_SIZE_AT) {
            *first = 1;
            *last |= nal::LENGTH_SIZE - 1;
        }
        let stored = Bytes::from(stored);
        let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..reader.bits(8)? {
            reader.skip(2)?; // array_completeness
            let nal_type = reader.small(6)?;
            let count = reader.bits(16)?;
            let sets = read_sets(&mut reader, &stored, count)?;
            match nal_type {
                NAL_VPS => vps.extend(sets),
                NAL_SPS => sps.extend(sets),
                NAL_PPS => pps.extend(sets),
                _ => {}
            }
        }
        Ok((Self::described(stored, vps, sps, pps)?, length_size))
    }

    /// Builds the record of parameter sets that came within a stream, and its description. Each set is one
    /// NAL unit with its header, without length or start code.
    ///
    /// # Errors
    /// When there is no sequence parameter set or one that cannot be read, when there are more than
    /// [`MAX_PARAMETER_SETS`] of a kind, or the record would be larger than
    /// [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    pub fn from_parameter_sets(
        vps: Vec<Bytes>,
        sps: Vec<Bytes>,
        pps: Vec<Bytes>,
    ) -> Result<Self, CodecError> {
        let arrays = [(NAL_VPS, &vps), (NAL_SPS, &sps), (NAL_PPS, &pps)];
        let bytes: usize = arrays.iter().flat_map(|(_, sets)| sets.iter()).map(|set| set.len() + 2).sum();
        check_record_size(RECORD, bytes + LENGTH_SIZE_AT + 2 + 3 * arrays.len())?;
        let parsed = first_sps(&sps)?;
        let mut record = vec![1];
        parsed.profile.write(&mut record);
        record.extend([0xf0, 0]); // min_spatial_segmentation_idc 0: not told
        record.push(0xfc); // parallelismType 0: not told
        record.push(0xfc | parsed.chroma_format);
        record.push(0xf8 | (parsed.bit_depth_luma - 8));
        record.push(0xf8 | (parsed.bit_depth_chroma - 8));
        record.extend([0, 0]); // avgFrameRate 0: not told
        let nested = u8::from(parsed.temporal_id_nesting);
        record.push((parsed.sub_layers << 3) | (nested << 2) | (nal::LENGTH_SIZE - 1));
        let arrays = arrays.into_iter().filter(|(_, sets)| !sets.is_empty());
        record.push((arrays.clone().count() & 0xff) as u8);
        for (nal_type, sets) in arrays {
            record.push(0x80 | nal_type); // array_completeness
            record.extend(((sets.len() & 0xffff) as u16).to_be_bytes());
            put_sets(&mut record, sets);
        }
        Self::described(Bytes::from(record), vps, sps, pps)
    }

    fn described(
        record: Bytes,
        vps: Vec<Bytes>,
        sps: Vec<Bytes>,
        pps: Vec<Bytes>,
    ) -> Result<Self, CodecError> {
        for (what, sets) in [
            ("video parameter sets", &vps),
            ("sequence parameter sets", &sps),
            ("picture parameter sets", &pps),
        ] {
            check_count(RECORD, what, sets.len(), MAX_PARAMETER_SETS)?;
        }
        let Sps { profile, resolution, frame_rate, .. } = first_sps(&sps)?;
        let Profile { space, high_tier, idc, compatibility, constraints, level } = profile;
        Ok(Self {
            record,
            profile_space: space,
            high_tier,
            profile: idc,
            compatibility,
            constraints,
            level,
            resolution,
            frame_rate: frame_rate.or_else(|| vps.first().and_then(|unit| vps::frame_rate(unit))),
            vps,
            sps,
            pps,
        })
    }
}

/// Whether a canonical access unit holds a random access picture: IDR, CRA or BLA, `nal_unit_type` 16 to 23.
#[must_use]
pub fn is_sync(payload: &[u8]) -> bool {
    let mut types = nal::units(payload).map_while(Result::ok).filter_map(nal_type);
    types.any(|nal_type| NAL_IRAP.contains(&nal_type))
}

/// `nal_unit_type` of a NAL unit, or `None` for an empty one.
#[must_use]
pub fn nal_type(unit: &[u8]) -> Option<u8> {
    unit.first().map(|header| (header >> 1) & 0x3f)
}

fn first_sps(sps: &[Bytes]) -> Result<Sps, CodecError> {
    let missing = CodecError::Field { structure: RECORD, field: "sequence parameter sets", value: 0 };
    Sps::parse(sps.first().ok_or(missing)?)
}

#[cfg(test)]
mod tests;
