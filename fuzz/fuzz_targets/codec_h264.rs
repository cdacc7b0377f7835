//! `avcC` records and access units of H.264.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::{AvcConfig, Codec, h264};

fuzz_target!(|data: &[u8]| {
    let _ = h264::is_sync(data);
    let Ok((config, length_size)) = AvcConfig::parse_with_length_size(data) else { return };
    assert!((1..=4).contains(&length_size));
    let built = AvcConfig::from_parameter_sets(config.sps.clone(), config.pps.clone())
        .expect("what was parsed can be built");
    assert_eq!(AvcConfig::parse(&built.record).as_ref(), Ok(&built));
    let codec = Codec::H264(config);
    let _ = (codec.rfc6381(), codec.level_text(), codec.profile_name());
});
