//! AMF 0 and AMF 3 values; what AMF 0 reads it can write and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::container::flv::{amf0, amf3};

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let _ = amf3::decode(&mut rest);
    let _ = amf0::decode_all_selected(data);
    if let Ok(values) = amf0::decode_all(data) {
        // NaN is not equal to itself: compare what is written.
        let written = amf0::encode_all(&values);
        if let Ok(again) = amf0::decode_all(&written) {
            assert_eq!(amf0::encode_all(&again), written);
        }
    }
});
