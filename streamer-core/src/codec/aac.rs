//! AAC: the `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1).

use bytes::Bytes;

/// AAC decoder configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct AacConfig {
    /// The `AudioSpecificConfig`, verbatim.
    pub record: Bytes,
    /// `audioObjectType` of the core: 2 for AAC-LC.
    pub object_type: u8,
    /// Output sampling frequency (the extension's, when SBR is signalled).
    pub sample_rate_hz: u32,
    /// Sampling frequency of the core coder.
    pub core_sample_rate_hz: u32,
    /// Channels, from `channelConfiguration` or the program config element; 2 when parametric stereo is signalled.
    pub channels: u8,
    /// PCM samples per frame of the core coder: 1024 or 960.
    pub frame_samples: u16,
}
