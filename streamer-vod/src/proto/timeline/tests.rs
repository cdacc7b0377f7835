//! Boundaries and cuts.

use proptest::prelude::*;
use streamer_core::codec::AacConfig;
use streamer_core::container::fmp4::FileSample;
use streamer_core::testing::Synthetic;
use streamer_core::{Codec, Media, TrackId};

use super::super::index::{Gatherer, SourceFormat};
use super::*;

const SECOND: i64 = 1_000_000_000;

fn seconds(timeline: &Timeline) -> Vec<f64> {
    timeline.boundaries.iter().map(|&at| at as f64 / SECOND as f64).collect()
}

fn video_codec() -> Codec {
    let Some(Media::Tracks(tracks)) = Synthetic::new(1, 20).unwrap().next() else { panic!() };
    tracks.list[0].codec.clone()
}

/// An asset of 25 pictures a second, of which every `gop`-th is sync, and of sound from `sound_ms` on.
fn asset(pictures: u32, gop: u32, sound_ms: std::ops::Range<i64>) -> AssetIndex {
    let mut gatherer = Gatherer::new();
    let video = gatherer.track((TrackId::video(0), video_codec(), Timescale::MPEG), None, 4);
    for number in 0..pictures {
        let dts = i64::from(number) * 3_600;
        let sync = number.is_multiple_of(gop);
        let sample = FileSample { offset: 0, size: 100, dts, pts: dts, duration: 3_600, sync };
        gatherer.push(video, sample).unwrap();
    }
    let scale = Timescale::new(48_000).unwrap();
    let aac = Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap());
    let audio = gatherer.track((TrackId::audio(0), aac, scale), None, 4);
    let mut dts = sound_ms.start * 48;
    while dts < sound_ms.end * 48 {
        let sample = FileSample { offset: 0, size: 10, dts, pts: dts, duration: 1_024, sync: true };
        gatherer.push(audio, sample).unwrap();
        dts += 1_024;
    }
    gatherer.finish(SourceFormat::Mp4).unwrap()
}

fn timeline(assets: &[&AssetIndex], seconds: u64) -> Timeline {
    Timeline::new(assets, Duration::from_secs(seconds))
}

#[test]
fn segments_begin_at_the_sync_points_nearest_to_the_target() {
    let of = |gop: u32, target: u64| seconds(&timeline(&[&asset(500, gop, 0..19_980)], target));
    assert_eq!(of(50, 6), [0.0, 6.0, 12.0, 18.0, 20.0]);
    assert_eq!(of(40, 5), [0.0, 4.8, 9.6, 14.4, 19.2, 20.0]);
    assert_eq!(of(125, 6), [0.0, 5.0, 10.0, 15.0, 20.0]);
    assert_eq!(of(25, 1), (0..=20).map(f64::from).collect::<Vec<_>>());
    assert_eq!(of(500, 6), [0.0, 20.0]);
}

#[test]
fn renditions_are_cut_where_all_can_be() {
    let (two, three) = (asset(500, 50, 0..19_980), asset(500, 75, 0..19_980));
    let both = timeline(&[&two, &three], 4);
    assert_eq!(seconds(&both), [0.0, 6.0, 12.0, 18.0, 20.0]);
    for asset in [&two, &three] {
        let cut = both.cut(&asset.tracks[0]);
        let firsts: Vec<u32> = (0..4).map(|segment| cut.samples(segment).start).collect();
        assert_eq!(firsts, [0, 150, 300, 450]);
    }
}

#[test]
fn sound_is_cut_where_the_pictures_are() {
    let asset = asset(500, 50, -21..20_000);
    let timeline = timeline(&[&asset], 6);
    let (video, audio) = (timeline.cut(&asset.tracks[0]), timeline.cut(&asset.tracks[1]));
    assert_eq!(audio.samples(0).start, 0, "the priming is kept");
    for segment in 1..timeline.segments() {
        let first = asset.tracks[1].samples.from(audio.samples(segment).start).next().unwrap();
        let boundary = timeline.boundaries[segment] * 48 / 1_000_000;
        assert!((boundary..boundary + 1_024).contains(&first.pts), "{segment}");
    }
    let total = |cut: &TrackCut| (0..4).map(|segment| cut.duration(segment)).sum::<Duration>();
    assert_eq!(total(&video), Duration::from_secs(20));
    // From the priming to the end of the frame that ends the file.
    assert!(total(&audio).abs_diff(Duration::from_millis(20_021)) < Duration::from_millis(22));
    let bytes: u64 = (0..4).map(|segment| audio.media_bytes(segment)).sum();
    assert_eq!(bytes, asset.tracks[1].samples.media_bytes());
}

#[test]
fn sound_before_and_behind_the_pictures() {
    let asset = asset(250, 50, 7_000..40_000);
    let timeline = timeline(&[&asset], 4);
    assert_eq!(seconds(&timeline)[..9], [0.0, 4.0, 8.0, 10.0, 14.0, 18.0, 22.0, 26.0, 30.0]);
    let (video, audio) = (timeline.cut(&asset.tracks[0]), timeline.cut(&asset.tracks[1]));
    assert_eq!(video.segments(), 3);
    assert_eq!(audio.segments(), timeline.segments());
    assert!(audio.samples(0).is_empty() && !audio.samples(1).is_empty());
    assert_eq!(audio.duration(0), Duration::from_secs(7), "nothing up to the first sound");
}

#[test]
fn sound_alone_is_cut_evenly() {
    let mut sound = asset(1, 1, 0..24_000);
    sound.tracks.remove(0);
    let timeline = timeline(&[&sound], 6);
    assert_eq!(timeline.segments(), 4);
    let cut = timeline.cut(&sound.tracks[0]);
    let spread: Vec<u128> = (0..4).map(|segment| cut.duration(segment).as_millis()).collect();
    assert!(spread.iter().all(|&ms| (5_900..6_100).contains(&ms)), "{spread:?}");
}

#[test]
fn targets_and_numbers_at_their_limits() {
    let long = asset(5_000, 25, 0..200_000);
    assert_eq!(timeline(&[&long], 0), timeline(&[&long], 1));
    assert_eq!(timeline(&[&long], 61), timeline(&[&long], 60));
    let points: Vec<i64> = (0..MAX_SEGMENTS as i64 + 100).map(|at| at * SECOND).collect();
    let end = points.len() as i64 * SECOND;
    let timeline = Timeline::through(&points, (end, 100 * end), SECOND);
    assert_eq!(timeline.segments(), MAX_SEGMENTS);
}

proptest! {
    #[test]
    fn every_sample_from_the_first_boundary_on_is_in_one_segment(
        pictures in 1u32..400, gop in 1u32..80, from in -200i64..5_000, lasts in 1i64..20_000, target in 1u64..10,
    ) {
        let asset = asset(pictures, gop, from..from + lasts);
        let timeline = timeline(&[&asset], target);
        prop_assert!(timeline.boundaries.windows(2).all(|pair| pair[0] < pair[1]));
        for track in &asset.tracks {
            let cut = timeline.cut(track);
            let mut next = cut.samples(0).start;
            for segment in 0..timeline.segments() {
                let samples = cut.samples(segment);
                prop_assert_eq!(samples.start, next);
                next = samples.end;
                let bytes: u64 = track.samples.from(samples.start).take(samples.len()).map(|s| u64::from(s.size)).sum();
                prop_assert_eq!(bytes, cut.media_bytes(segment));
                if track.kind() == MediaKind::Video && !samples.is_empty() {
                    prop_assert!(track.samples.from(samples.start).next().unwrap().sync);
                }
            }
            prop_assert_eq!(next, track.samples.count());
        }
    }
}
