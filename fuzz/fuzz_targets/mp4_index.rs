//! The index of an MP4 file: samples lie in the file, and come back from wherever one begins.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use streamer_vod::proto::mp4::index_mp4;

fuzz_target!(|data: &[u8]| {
    let Ok(index) = index_mp4(&Bytes::copy_from_slice(data)) else { return };
    for track in &index.tracks {
        let all: Vec<_> = track.samples.from(0).collect();
        assert_eq!(all.len(), track.samples.count() as usize);
        assert!(all.iter().all(|sample| sample.offset + u64::from(sample.size) <= data.len() as u64));
        assert!(all.windows(2).all(|pair| pair[0].dts <= pair[1].dts));
        let middle = track.samples.count() / 2;
        assert!(track.samples.from(middle).eq(all[middle as usize..].iter().copied()));
    }
});
