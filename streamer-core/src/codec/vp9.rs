//! VP9: the `vpcC` record and the uncompressed frame header (VP9 bitstream 6.2, VP9 ISOBMFF).

use bytes::Bytes;

use super::Resolution;

/// VP9 decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Vp9Config {
    /// The `VPCodecConfigurationRecord` without the full-box header, verbatim.
    pub record: Bytes,
    /// Profile, 0 to 3.
    pub profile: u8,
    /// Ten times the level; 0 when unknown.
    pub level: u8,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// From the first key frame; the record does not carry it.
    pub resolution: Option<Resolution>,
}
