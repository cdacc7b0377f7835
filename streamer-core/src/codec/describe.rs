//! What a codec tells people and players: sizes, rates, names of profiles and levels, RFC 6381 strings.

use super::aac::AacExtension;
use super::{AvcConfig, Codec, FrameRate, G711Law, HevcConfig, Resolution, av1, h264, h265, vp9};

/// Sampling frequency at which Opus decodes, whatever went in.
const OPUS_RATE_HZ: u32 = 48_000;

impl Codec {
    /// Size of the picture, where the configuration tells it.
    #[must_use]
    pub const fn resolution(&self) -> Option<Resolution> {
        match self {
            Self::H264(config) => Some(config.resolution),
            Self::H265(config) => Some(config.resolution),
            Self::Av1(config) => config.resolution,
            Self::Vp9(config) => config.resolution,
            _ => None,
        }
    }

    /// Pictures per second, where the configuration tells it.
    #[must_use]
    pub const fn frame_rate(&self) -> Option<FrameRate> {
        match self {
            Self::H264(config) => config.frame_rate,
            Self::H265(config) => config.frame_rate,
            Self::Av1(config) => config.frame_rate,
            _ => None,
        }
    }

    /// Sampling frequency of decoded audio.
    #[must_use]
    pub const fn sample_rate_hz(&self) -> Option<u32> {
        match self {
            Self::Aac(config) => Some(config.sample_rate_hz),
            Self::Opus(_) => Some(OPUS_RATE_HZ),
            Self::Mp3(config) => Some(config.sample_rate_hz),
            Self::G711(config) => Some(config.sample_rate_hz),
            Self::Ac3(config) | Self::Eac3(config) => Some(config.sample_rate_hz),
            Self::Flac(config) => Some(config.sample_rate_hz),
            _ => None,
        }
    }

    /// Channels of decoded audio.
    #[must_use]
    pub const fn channels(&self) -> Option<u8> {
        match self {
            Self::Aac(config) => Some(config.channels),
            Self::Opus(config) => Some(config.channels),
            Self::Mp3(config) => Some(config.channels),
            Self::G711(config) => Some(config.channels),
            Self::Ac3(config) | Self::Eac3(config) => Some(config.channels),
            Self::Flac(config) => Some(config.channels),
            _ => None,
        }
    }

    /// Samples at [`sample_rate_hz`](Self::sample_rate_hz) that each coded audio frame decodes to; `None` for video
    /// and data, and where it differs from frame to frame
    /// ([`opus::packet_samples`](super::opus::packet_samples) tells that of an Opus packet; each byte of G.711 is one
    /// sample of one channel).
    #[must_use]
    pub fn frame_samples(&self) -> Option<u32> {
        match self {
            Self::Aac(config) => {
                let core = u64::from(config.frame_samples) * u64::from(config.sample_rate_hz);
                core.checked_div(config.core_sample_rate_hz.into())
                    .and_then(|samples| samples.try_into().ok())
            }
            Self::Mp3(config) => Some(config.frame_samples.into()),
            Self::Ac3(config) | Self::Eac3(config) => Some(config.frame_samples.into()),
            Self::Flac(config) => config.frame_samples().map(Into::into),
            _ => None,
        }
    }

    /// Whether a decoder can begin at the frame with this canonical payload, for inputs that do not tell.
    /// Always true of audio and data.
    #[must_use]
    pub fn is_sync(&self, payload: &[u8]) -> bool {
        match self {
            Self::H264(_) => h264::is_sync(payload),
            Self::H265(_) => h265::is_sync(payload),
            Self::Av1(_) => av1::is_sync(payload),
            Self::Vp9(_) => vp9::is_sync(payload),
            _ => true,
        }
    }

    /// The profile as people name it: `High`, `Main 10`, `LC`. `None` where there are none, or it is not known.
    #[must_use]
    pub fn profile_name(&self) -> Option<&'static str> {
        match self {
            Self::H264(config) => avc_profile(config),
            Self::H265(config) => hevc_profile(config),
            Self::Av1(config) => ["Main", "High", "Professional"].get(usize::from(config.profile)).copied(),
            Self::Vp9(config) => {
                ["Profile 0", "Profile 1", "Profile 2", "Profile 3"].get(usize::from(config.profile)).copied()
            }
            Self::Aac(config) => match (config.extension(), config.object_type) {
                (AacExtension::ParametricStereo, _) => Some("HE-AAC v2"),
                (AacExtension::Sbr, _) => Some("HE-AAC"),
                (AacExtension::None, object_type) => aac_profile(object_type),
            },
            _ => None,
        }
    }

    /// The level as people name it: `4.1`, `1b`. `None` where there are none, or it is not told.
    #[must_use]
    pub fn level_text(&self) -> Option<String> {
        let dotted = |level: u8| format!("{}.{}", level / 10, level % 10);
        match self {
            // Level 1b has the number of 1.1 and a flag in the older profiles, and one of its own in the others.
            Self::H264(AvcConfig { level: 9, .. }) => Some("1b".to_owned()),
            Self::H264(AvcConfig { level: 11, profile: 66 | 77 | 88, constraints, .. })
                if constraints & 0x10 != 0 =>
            {
                Some("1b".to_owned())
            }
            Self::H264(config) => Some(dotted(config.level)),
            Self::H265(config) => Some(format!("{}.{}", config.level / 30, config.level % 30 / 3)),
            Self::Av1(config) if config.level < 24 => {
                Some(format!("{}.{}", 2 + config.level / 4, config.level % 4))
            }
            Self::Vp9(config) if config.level > 0 => Some(dotted(config.level)),
            _ => None,
        }
    }

    /// The `codecs` string of MIME types and playlists (RFC 6381 and the codec's ISO binding): `avc1.64001f`,
    /// `hvc1.1.6.L93.B0`, `mp4a.40.2`. `None` for data.
    #[must_use]
    pub fn rfc6381(&self) -> Option<String> {
        Some(match self {
            Self::H264(config) => {
                format!("avc1.{:02x}{:02x}{:02x}", config.profile, config.constraints, config.level)
            }
            Self::H265(config) => hevc_string(config),
            Self::Av1(config) => {
                let tier = if config.high_tier { 'H' } else { 'M' };
                format!("av01.{}.{:02}{tier}.{:02}", config.profile, config.level, config.bit_depth)
            }
            Self::Vp9(config) => {
                // There is no string for an unknown level; the lowest promises least.
                format!("vp09.{:02}.{:02}.{:02}", config.profile, config.level.max(10), config.bit_depth)
            }
            Self::Aac(config) => {
                let object_type = match config.extension() {
                    AacExtension::ParametricStereo => 29,
                    AacExtension::Sbr => 5,
                    AacExtension::None => config.object_type,
                };
                format!("mp4a.40.{object_type}")
            }
            Self::Opus(_) => "opus".to_owned(),
            Self::Mp3(_) => "mp4a.40.34".to_owned(),
            Self::G711(config) => match config.law {
                G711Law::A => "alaw".to_owned(),
                G711Law::Mu => "ulaw".to_owned(),
            },
            Self::Ac3(_) => "ac-3".to_owned(),
            Self::Eac3(_) => "ec-3".to_owned(),
            Self::Flac(_) => "fLaC".to_owned(),
            Self::Data(_) => return None,
        })
    }
}

/// ITU-T H.264 annex A.
fn avc_profile(config: &AvcConfig) -> Option<&'static str> {
    let constrained = |flag: u8| config.constraints & (0x80 >> flag) != 0;
    Some(match config.profile {
        66 if constrained(1) => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 => "High",
        110 if constrained(3) => "High 10 Intra",
        110 => "High 10",
        122 if constrained(3) => "High 4:2:2 Intra",
        122 => "High 4:2:2",
        244 if constrained(3) => "High 4:4:4 Intra",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4 Intra",
        83 => "Scalable Baseline",
        86 => "Scalable High",
        118 => "Multiview High",
        128 => "Stereo High",
        _ => return None,
    })
}

/// ITU-T H.265 annex A.
const fn hevc_profile(config: &HevcConfig) -> Option<&'static str> {
    Some(match config.profile {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Range Extensions",
        5 => "High Throughput",
        6 => "Multiview Main",
        7 => "Scalable Main",
        8 => "3D Main",
        9 => "Screen-Extended Main",
        10 => "Scalable Range Extensions",
        11 => "High Throughput Screen-Extended",
        _ => return None,
    })
}

/// ISO/IEC 14496-3 table 1.17.
const fn aac_profile(object_type: u8) -> Option<&'static str> {
    Some(match object_type {
        1 => "Main",
        2 => "LC",
        3 => "SSR",
        4 => "LTP",
        6 => "Scalable",
        17 => "ER LC",
        19 => "ER LTP",
        20 => "ER Scalable",
        23 => "LD",
        39 => "ELD",
        _ => return None,
    })
}

/// ISO/IEC 14496-15 E.3: compatibility flags in reverse order, constraint bytes without trailing zeros.
fn hevc_string(config: &HevcConfig) -> String {
    let space = ["", "A", "B", "C"].get(usize::from(config.profile_space)).copied().unwrap_or_default();
    let tier = if config.high_tier { 'H' } else { 'L' };
    let compatibility = config.compatibility.reverse_bits();
    let mut text = format!("hvc1.{space}{}.{compatibility:X}.{tier}{}", config.profile, config.level);
    let [_, _, constraints @ ..] = config.constraints.to_be_bytes();
    let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    for byte in constraints.iter().take(used) {
        text.push_str(&format!(".{byte:X}"));
    }
    text
}

#[cfg(test)]
mod tests;
