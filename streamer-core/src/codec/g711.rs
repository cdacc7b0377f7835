//! G.711: companded telephone audio (ITU-T G.711).

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
