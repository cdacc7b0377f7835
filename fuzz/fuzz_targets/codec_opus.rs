//! `OpusHead` headers and Opus packets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::OpusConfig;
use streamer_core::codec::opus::{MAX_PACKET_SAMPLES, packet_samples};

fuzz_target!(|data: &[u8]| {
    assert!(packet_samples(data).is_none_or(|samples| samples > 0 && samples <= MAX_PACKET_SAMPLES));
    if let Ok(config) = OpusConfig::parse(data) {
        assert!(config.channels > 0);
    }
});
