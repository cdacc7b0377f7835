//! NAL unit framing: length prefixes of every size, start codes, emulation prevention.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use streamer_core::codec::nal;

fuzz_target!(|data: &[u8]| {
    let Some((&size, data)) = data.split_first() else { return };
    assert!(nal::unescape(data).len() <= data.len());
    let unit_bytes: usize = nal::annex_b_units(data).map(<[u8]>::len).sum();
    assert!(unit_bytes <= data.len());
    // Start codes to lengths to start codes: the same units.
    let canonical = nal::from_annex_b(data);
    let mut stream = Vec::new();
    nal::to_annex_b(&canonical, &mut stream).expect("what was framed can be read");
    assert!(nal::annex_b_units(&stream).eq(nal::annex_b_units(data)));
    let payload = Bytes::copy_from_slice(data);
    if let Ok(canonical) = nal::canonical(&payload, size % 6) {
        let units: Result<Vec<_>, _> = nal::units_with_length_size(data, size % 6).collect();
        if let Ok(units) = units {
            assert!(units.into_iter().eq(nal::units(&canonical).flatten()));
        }
    }
});
