//! H.265: the `hvcC` record and the sequence parameter set (ITU-T H.265 7.3.2.2, ISO/IEC 14496-15 8.3.3).

use bytes::Bytes;

use super::{FrameRate, Resolution};

/// H.265 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct HevcConfig {
    /// The `HEVCDecoderConfigurationRecord`, verbatim but for a NAL length size of 4.
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
