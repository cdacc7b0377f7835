//! Opus: the `OpusHead` identification header (RFC 7845 5.1) and packet durations (RFC 6716 3.1).

use bytes::Bytes;

/// Opus decoder configuration. Opus always decodes at 48 kHz.
#[derive(Clone, Debug, PartialEq)]
pub struct OpusConfig {
    /// The `OpusHead` header, verbatim.
    pub record: Bytes,
    /// Output channels.
    pub channels: u8,
    /// Samples at 48 kHz to discard at the start.
    pub pre_skip: u16,
    /// Sampling frequency of the original input; informative, 0 when unknown.
    pub input_sample_rate_hz: u32,
}
