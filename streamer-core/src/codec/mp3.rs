//! MPEG audio layer III: the frame header (ISO/IEC 11172-3 2.4.1.3).

/// MP3 parameters, read from a frame header.
#[derive(Clone, Debug, PartialEq)]
pub struct Mp3Config {
    /// Sampling frequency.
    pub sample_rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
    /// PCM samples per frame: 1152 (MPEG-1) or 576 (MPEG-2 and 2.5).
    pub frame_samples: u16,
}
