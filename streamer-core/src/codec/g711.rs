//! G.711: companded telephone audio (ITU-T G.711).

use super::CodecError;

/// The companding law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum G711Law {
    /// A-law.
    A,
    /// Mu-law.
    Mu,
}

/// G.711 parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct G711Config {
    /// The companding law.
    pub law: G711Law,
    /// Sampling frequency: 8 000 but for odd devices.
    pub sample_rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl G711Config {
    /// Parameters of a track whose carrier told them; G.711 has no header of its own.
    ///
    /// # Errors
    /// [`CodecError::Field`] when the frequency is zero or the channels are neither one nor two.
    pub const fn new(law: G711Law, sample_rate_hz: u32, channels: u8) -> Result<Self, CodecError> {
        let structure = "G.711 track";
        if sample_rate_hz == 0 {
            return Err(CodecError::Field { structure, field: "sample rate", value: 0 });
        }
        if channels != 1 && channels != 2 {
            return Err(CodecError::Field { structure, field: "channels", value: channels as u64 });
        }
        Ok(Self { law, sample_rate_hz, channels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two_channels_at_some_frequency() {
        let stereo = G711Config { law: G711Law::Mu, sample_rate_hz: 16_000, channels: 2 };
        assert_eq!(G711Config::new(G711Law::Mu, 16_000, 2), Ok(stereo));
        assert!(G711Config::new(G711Law::A, 8_000, 1).is_ok());
        for (rate, channels) in [(0, 1), (8_000, 0), (8_000, 3)] {
            assert!(G711Config::new(G711Law::A, rate, channels).is_err(), "{rate} {channels}");
        }
    }
}
