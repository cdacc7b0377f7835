//! Plans of segments: their bounds, their ranges, and samples that are rewritten.

use std::time::Duration;

use proptest::prelude::*;
use streamer_core::testing::Synthetic;
use streamer_core::{Codec, Timescale, TrackId};

use super::super::index::{AssetIndex, Gatherer, SourceFormat};
use super::super::timeline::Timeline;
use super::*;

fn video_codec() -> Codec {
    let Some(Media::Tracks(tracks)) = Synthetic::new(1, 20).unwrap().next() else { panic!() };
    tracks.list[0].codec.clone()
}

/// A video track of so many samples of one size, all in one GOP of a second.
fn asset(count: u32, size: u32, length_size: u8) -> AssetIndex {
    let mut gatherer = Gatherer::new();
    let at = gatherer.track((TrackId::video(0), video_codec(), Timescale::NANOS), None, length_size);
    for number in 0..count {
        let dts = i64::from(number) * 1_000;
        let offset = u64::from(number) * u64::from(size);
        let sample = FileSample { offset, size, dts, pts: dts, duration: 1_000, sync: number == 0 };
        gatherer.push(at, sample).unwrap();
    }
    gatherer.finish(SourceFormat::Mp4).unwrap()
}

fn cut(asset: &AssetIndex) -> TrackCut {
    Timeline::new(&[asset], Duration::from_secs(6)).cut(&asset.tracks[0])
}

fn both(asset: &AssetIndex) -> [Result<usize, SliceError>; 2] {
    let (index, cut) = (&asset.tracks[0], cut(asset));
    let ts = plan_ts(&[TsTrack { index, cut: &cut }], 0).map(|plan| plan.len_bytes());
    [plan_fmp4(index, &cut, 0).map(|plan| plan.len_bytes() - plan.head.len()), ts]
}

#[test]
fn bytes_and_samples_of_a_segment_at_their_limits() {
    let size = 16 << 20;
    let limit = u32::try_from(MAX_SEGMENT_BYTES / u64::from(size)).unwrap();
    let at = usize::try_from(MAX_SEGMENT_BYTES).unwrap();
    assert_eq!(both(&asset(limit, size, 4))[1], Ok(at));
    for refused in both(&asset(limit + 1, size, 4)) {
        assert!(matches!(refused, Err(SliceError::TooLarge { what: "bytes", .. })), "{refused:?}");
    }
    let limit = u32::try_from(MAX_SAMPLES_PER_RUN).unwrap();
    assert_eq!(both(&asset(limit, 1, 4)), [Ok(MAX_SAMPLES_PER_RUN), Ok(MAX_SAMPLES_PER_RUN)]);
    for refused in both(&asset(limit + 1, 1, 4)) {
        assert!(matches!(refused, Err(SliceError::TooLarge { what: "samples", .. })), "{refused:?}");
    }
    let asset = asset(1, 1, 4);
    let none = plan_fmp4(&asset.tracks[0], &cut(&asset), 1);
    assert!(matches!(none, Err(SliceError::NoSegment { segment: 1 })));
}

#[test]
fn other_length_prefixes_are_rewritten() {
    let asset = asset(2, 5, 2);
    let plan = plan_fmp4(&asset.tracks[0], &cut(&asset), 0).unwrap();
    assert_eq!(plan.extents, [Extent { offset: 0, place: 0..10 }]);
    let segment = Fmp4Plan::finish(plan, b"\0\x03\x65ab\0\x03\x41cd".to_vec()).unwrap();
    assert!(segment.ends_with(b"mdat\0\0\0\x03\x65ab\0\0\0\x03\x41cd"));
}

proptest! {
    #[test]
    fn every_sample_is_read_to_where_it_is_looked_for(
        parts in proptest::collection::vec((0u64..200_000, 1u32..500), 1..60),
    ) {
        let mut offsets: Vec<(u64, u64)> =
            parts.iter().map(|&(begin, len)| (begin, begin + u64::from(len))).collect();
        offsets.sort_unstable();
        let extents = spans(&offsets);
        let len = extents.last().unwrap().place.end;
        let mut filled = vec![0; len];
        let byte = |at: u64| (at * 31 % 251) as u8;
        for Extent { offset, place } in &extents {
            for (at, held) in filled[place.clone()].iter_mut().enumerate() {
                *held = byte(offset + at as u64);
            }
        }
        let filled = Bytes::from(filled);
        for (offset, size) in parts {
            let sample = FileSample { offset, size, dts: 0, pts: 0, duration: 0, sync: true };
            let expected: Vec<u8> = (offset..offset + u64::from(size)).map(byte).collect();
            prop_assert_eq!(&at_place(&extents, &filled, &sample)[..], &expected[..]);
        }
        let exact: u64 = parts_len(&offsets);
        prop_assert!(len as u64 <= 2 * exact);
    }
}

/// Bytes that ranges cover together.
fn parts_len(offsets: &[(u64, u64)]) -> u64 {
    let (mut len, mut until) = (0, 0);
    for &(begin, end) in offsets {
        len += end.saturating_sub(begin.max(until));
        until = until.max(end);
    }
    len
}
