//! The index of a transport stream: a segment has all frames that the index names, or it is told.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use streamer_vod::proto::index::SourceFormat;
use streamer_vod::proto::slice::TsTrack;
use streamer_vod::proto::timeline::Timeline;
use streamer_vod::proto::ts::{Passage, TsIndexer};

fuzz_target!(|data: &[u8]| {
    let mut indexer = TsIndexer::new();
    if indexer.push(data).is_err() {
        return;
    }
    let Ok(index) = indexer.finish() else { return };
    let SourceFormat::Ts { head_bytes, first_pts } = index.format else { panic!("{:?}", index.format) };
    let timeline = Timeline::new(&[&index], Duration::from_secs(1));
    for index in &index.tracks {
        let cut = timeline.cut(index);
        for segment in 0..cut.segments().min(4) {
            let track = [TsTrack { index, cut: &cut }];
            let Ok(mut passage) = Passage::plan((head_bytes, first_pts), &track, segment, data.len() as u64)
            else {
                continue;
            };
            while let Some(wanted) = passage.wanted() {
                if passage.supply(&data[wanted.start as usize..wanted.end as usize]).is_err() {
                    break;
                }
            }
            if let Ok(frames) = passage.finish() {
                assert_eq!(frames[0].len(), cut.samples(segment).len());
            }
        }
    }
});
