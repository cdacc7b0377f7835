//! `hvcC` records and access units of H.265.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::{Codec, HevcConfig, h265};

fuzz_target!(|data: &[u8]| {
    let _ = h265::is_sync(data);
    let Ok((config, length_size)) = HevcConfig::parse_with_length_size(data) else { return };
    assert!((1..=4).contains(&length_size));
    let built = HevcConfig::from_parameter_sets(config.vps.clone(), config.sps.clone(), config.pps.clone())
        .expect("what was parsed can be built");
    assert_eq!(HevcConfig::parse(&built.record).as_ref(), Ok(&built));
    let codec = Codec::H265(config);
    let _ = (codec.rfc6381(), codec.level_text(), codec.profile_name());
});
