//! H.264: the `avcC` record and the sequence parameter set (ITU-T H.264 7.3.2.1, ISO/IEC 14496-15 5.3.3).

use bytes::Bytes;

use super::{FrameRate, Resolution};

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
