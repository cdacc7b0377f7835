//! Subtitles: what is given out of a file is such a file again, with the same cues.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use streamer_vod::proto::webvtt::Captions;

fuzz_target!(|data: &[u8]| {
    let Ok(captions) = Captions::parse(data) else { return };
    let all = captions.segment(Duration::ZERO, Duration::MAX);
    let again = Captions::parse(all.as_bytes()).expect("what was written is read");
    assert_eq!(again.segment(Duration::ZERO, Duration::MAX), all);
});
