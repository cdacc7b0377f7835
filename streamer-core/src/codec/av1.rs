//! AV1: the `av1C` record and the sequence header OBU (AV1 bitstream 5.5, AV1 ISOBMFF 2.3).

use bytes::Bytes;

use super::{FrameRate, Resolution};

/// AV1 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Av1Config {
    /// The `AV1CodecConfigurationRecord`, verbatim.
    pub record: Bytes,
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx_0`.
    pub level: u8,
    /// `seq_tier_0`: true for the high tier.
    pub high_tier: bool,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// Largest picture, from the sequence header; `None` when the record carries no sequence header.
    pub resolution: Option<Resolution>,
    /// From the timing info, where present.
    pub frame_rate: Option<FrameRate>,
}
