//! The audio codecs described by a fixed header: FLAC, MP3, AC-3, E-AC-3.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::{Ac3Config, FlacConfig, Mp3Config};

fuzz_target!(|data: &[u8]| {
    if let Ok(config) = FlacConfig::parse(data) {
        assert!(config.sample_rate_hz > 0 && config.channels > 0);
        assert_eq!(FlacConfig::parse(&config.record).as_ref(), Ok(&config));
        let _ = config.frame_samples();
    }
    if let Ok(config) = Mp3Config::parse(data) {
        assert!(config.sample_rate_hz > 0);
    }
    for config in [Ac3Config::parse(data), Ac3Config::parse_enhanced(data)].into_iter().flatten() {
        assert!(config.sample_rate_hz > 0 && (1..=6).contains(&config.channels));
    }
});
