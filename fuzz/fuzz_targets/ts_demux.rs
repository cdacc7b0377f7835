//! Transport streams, damaged in any way; the chopping of the bytes changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::Media;
use streamer_core::container::ts::{TsDemuxer, TsStats};

fn demux<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Media>, TsStats) {
    let mut demuxer = TsDemuxer::new();
    let mut media = Vec::new();
    for piece in pieces {
        demuxer.push(piece);
        while let Ok(Some(next)) = demuxer.pull() {
            media.push(next);
        }
    }
    demuxer.finish();
    while let Ok(Some(next)) = demuxer.pull() {
        media.push(next);
    }
    (media, demuxer.stats())
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, data)) = data.split_first() else { return };
    assert_eq!(demux(std::iter::once(data)), demux(data.chunks(usize::from(step) * 4 + 1)));
});
