//! Bodies of FLV video and audio tags, which are those of RTMP messages, legacy and enhanced.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use streamer_core::container::flv::tag::{AudioTag, VideoTag};

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    if let Ok(tag) = VideoTag::parse(body.clone()) {
        let mut out = Vec::new();
        let payload = tag.clone().write_head(&mut out);
        out.extend_from_slice(&payload);
        assert_eq!(VideoTag::parse(Bytes::from(out)), Ok(tag));
    }
    if let Ok(tag) = AudioTag::parse(body) {
        let mut out = Vec::new();
        let payload = tag.clone().write_head(&mut out);
        out.extend_from_slice(&payload);
        assert_eq!(AudioTag::parse(Bytes::from(out)), Ok(tag));
    }
});
