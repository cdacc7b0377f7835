//! FLAC: the `STREAMINFO` metadata block (RFC 9639 8.2).

use bytes::Bytes;

/// FLAC decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct FlacConfig {
    /// The body of the `STREAMINFO` block, 34 bytes, verbatim.
    pub record: Bytes,
    /// Sampling frequency.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
    /// Bits per sample, 4 to 32.
    pub bit_depth: u8,
}
