//! `profile_tier_level` (ITU-T H.265 7.3.3).

use crate::codec::CodecError;
use crate::codec::bits::BitReader;

/// Highest `sps_max_sub_layers_minus1` (7.4.3.2.1).
const MAX_SUB_LAYERS_MINUS1: u8 = 6;

/// The general profile, tier and level.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Profile {
    /// `general_profile_space`.
    pub(super) space: u8,
    pub(super) high_tier: bool,
    /// `general_profile_idc`.
    pub(super) idc: u8,
    pub(super) compatibility: u32,
    /// 48 bits.
    pub(super) constraints: u64,
    /// `general_level_idc`.
    pub(super) level: u8,
}

impl Profile {
    /// Reads `profile_tier_level(1, sub_layers_minus1)`; what it says of the lower sub-layers is passed over.
    pub(super) fn read(reader: &mut BitReader<'_>, sub_layers_minus1: u8) -> Result<Self, CodecError> {
        if sub_layers_minus1 > MAX_SUB_LAYERS_MINUS1 {
            return Err(reader.field("max_sub_layers_minus1", sub_layers_minus1.into()));
        }
        let profile = Self {
            space: reader.small(2)?,
            high_tier: reader.flag()?,
            idc: reader.small(5)?,
            compatibility: reader.bits(32)?,
            constraints: (u64::from(reader.bits(24)?) << 24) | u64::from(reader.bits(24)?),
            level: reader.small(8)?,
        };
        let mut sub_layer_bits = 0;
        for _ in 0..sub_layers_minus1 {
            sub_layer_bits += if reader.flag()? { 88 } else { 0 };
            sub_layer_bits += if reader.flag()? { 8 } else { 0 };
        }
        if sub_layers_minus1 > 0 {
            reader.skip(2 * usize::from(8 - sub_layers_minus1))?; // reserved_zero_2bits
        }
        reader.skip(sub_layer_bits)?;
        Ok(profile)
    }

    /// Appends the twelve bytes of it, as they stand in the record (ISO/IEC 14496-15 8.3.3.1.2).
    pub(super) fn write(&self, record: &mut Vec<u8>) {
        record.push((self.space << 6) | (u8::from(self.high_tier) << 5) | self.idc);
        record.extend(self.compatibility.to_be_bytes());
        record.extend(self.constraints.to_be_bytes().into_iter().skip(2));
        record.push(self.level);
    }
}
