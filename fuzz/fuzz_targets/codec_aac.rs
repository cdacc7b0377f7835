//! `AudioSpecificConfig`s and ADTS headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::aac::adts::AdtsHeader;
use streamer_core::codec::{AacConfig, Codec};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(header)) = AdtsHeader::parse(data) {
        assert!(header.frame_bytes >= header.header_bytes);
        if let Ok(config) = AacConfig::from_adts_header(&header) {
            assert_eq!(config.sample_rate_hz, header.sample_rate_hz);
        }
    }
    if let Ok(config) = AacConfig::parse(data) {
        assert!(config.channels > 0 && config.sample_rate_hz > 0 && config.core_sample_rate_hz > 0);
        let codec = Codec::Aac(config);
        let _ = (codec.rfc6381(), codec.frame_samples(), codec.profile_name());
    }
});
