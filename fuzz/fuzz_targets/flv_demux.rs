//! FLV files and live streams; the chopping of the bytes changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::Media;
use streamer_core::container::flv::FlvFileDemuxer;

/// What one tag can make at most: the frames of its parts, and as many changes of the tracks.
const MEDIA_PER_TAG: usize = 64;

fn demux<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Media> {
    let mut demuxer = FlvFileDemuxer::new();
    let mut media = Vec::new();
    for piece in pieces {
        demuxer.push(piece);
        let mut header_refused = true;
        // Every call that gives something has come further, so this ends by itself unless the header is refused.
        for _ in 0..MEDIA_PER_TAG * (piece.len() + 16) {
            match demuxer.pull() {
                Ok(Some(next)) => media.push(next),
                Ok(None) => {
                    header_refused = false;
                    break;
                }
                Err(error) if error.is_fatal() => return media,
                Err(_) => {}
            }
        }
        if header_refused {
            return media;
        }
    }
    media
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, data)) = data.split_first() else { return };
    assert_eq!(demux(std::iter::once(data)), demux(data.chunks(usize::from(step) * 4 + 1)));
});
