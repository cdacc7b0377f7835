//! `vpcC` records and frames of VP9.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::{Codec, Vp9Config, vp9};

fuzz_target!(|data: &[u8]| {
    let key = vp9::is_sync(data);
    if let Ok(Some(built)) = Vp9Config::from_key_frame(data) {
        assert!(key);
        let parsed = Vp9Config::parse(&built.record).expect("what was built can be parsed");
        assert_eq!(Vp9Config { resolution: built.resolution, ..parsed }, built);
    }
    if let Ok(config) = Vp9Config::parse(data) {
        let codec = Codec::Vp9(config);
        let _ = (codec.rfc6381(), codec.level_text(), codec.profile_name());
    }
});
