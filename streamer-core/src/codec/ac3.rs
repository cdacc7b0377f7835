//! AC-3 and E-AC-3: the sync frame header (ETSI TS 102 366 4.3, E.1.2).

/// AC-3 or E-AC-3 parameters, read from a frame header.
#[derive(Clone, Debug, PartialEq)]
pub struct Ac3Config {
    /// Sampling frequency.
    pub sample_rate_hz: u32,
    /// Channels, the low-frequency one included.
    pub channels: u8,
    /// PCM samples per frame: 1536, or 256 times the blocks of an E-AC-3 frame.
    pub frame_samples: u16,
}
