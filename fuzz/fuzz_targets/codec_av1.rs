//! `av1C` records and temporal units of AV1.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::codec::{Av1Config, Codec, av1};

fuzz_target!(|data: &[u8]| {
    let _ = av1::is_sync(data);
    if let Ok(Some(built)) = Av1Config::from_temporal_unit(data) {
        assert_eq!(Av1Config::parse(&built.record).as_ref(), Ok(&built));
    }
    if let Ok(config) = Av1Config::parse(data) {
        let codec = Codec::Av1(config);
        let _ = (codec.rfc6381(), codec.level_text(), codec.profile_name());
    }
});
