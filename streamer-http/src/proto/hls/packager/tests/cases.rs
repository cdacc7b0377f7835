//! Good days and bad ones, one by one.

use std::time::Duration;

use super::read::{fragments, timescale};
use super::script::*;
use super::valid::assert_valid;
use crate::proto::hls::name::{Container, RenditionId};
use crate::proto::hls::segment::{Segment, SegmentBody};

const FMP4_VIDEO: RenditionId = RenditionId::Video(0);
const FMP4_AUDIO: RenditionId = RenditionId::Audio(0);

fn segments(run: &Run, id: RenditionId) -> Vec<Segment> {
    let window = &run.presentation.rendition(id).expect("the rendition is there").window;
    window.segments.iter().map(|segment| Segment::clone(segment)).collect()
}

fn durations_ms(run: &Run, id: RenditionId) -> Vec<u128> {
    segments(run, id).iter().map(|segment| (segment.duration.as_micros() + 500) / 1_000).collect()
}

/// Numbers of the frames in fMP4 segments.
fn numbers(segments: &[Segment]) -> Vec<u64> {
    samples(segments).iter().map(|sample| number_of(&sample.data)).collect()
}

fn samples(segments: &[Segment]) -> Vec<super::read::Sample> {
    segments
        .iter()
        .filter_map(|segment| match &segment.body {
            SegmentBody::Memory(pieces) => Some(pieces),
            _ => None,
        })
        .flatten()
        .flat_map(|piece| fragments(piece))
        .flat_map(|fragment| fragment.samples)
        .collect()
}

#[test]
fn a_plain_stream() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), audio_track(48_000)]);
    run.frames(&interleaved(Pictures::default().frames(), sounds(0, 48_000, 468), 0));
    run.end();
    assert_valid(&run.presentation);
    assert_eq!(durations_ms(&run, FMP4_VIDEO), [2_000; 5]);
    let (video, audio) = (segments(&run, FMP4_VIDEO), segments(&run, FMP4_AUDIO));
    assert_eq!(numbers(&video), (0..250).collect::<Vec<_>>());
    assert_eq!(numbers(&audio), (0..468).collect::<Vec<_>>());
    assert!(video.iter().chain(&audio).all(|segment| segment.independent));
    assert_eq!(video[0].msn, START_UNIX_MS.unsigned_abs() / 1_000);
    assert_eq!(video[0].start_unix_ms, START_UNIX_MS);
    let window = &run.presentation.renditions[0].window;
    assert_eq!((window.target_duration_s, window.part_target), (Some(2), Some(Duration::from_millis(201))));
    assert!(window.ended);
    let parts: Vec<_> = video.iter().map(|segment| segment.parts.len()).collect();
    assert_eq!(parts, [0, 10, 10, 10, 10], "three target durations are listed with parts");
    // 1024 samples each, whatever the milliseconds say.
    assert!(samples(&audio).iter().all(|sample| sample.duration == 1_024));
    assert_eq!(timescale(&audio[0].map.as_ref().unwrap().body), 48_000);
}

#[test]
fn a_part_is_there_with_its_last_frame() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track()]);
    let mut made = Vec::new();
    let pictures = Pictures { count: 40, ..Pictures::default() };
    for frame in pictures.frames() {
        let changed = run.frame(&frame);
        let parts = run.presentation.renditions.first().and_then(|rendition| rendition.window.open.as_ref());
        made.push((parts.map_or(0, |open| open.parts.len()), changed.renditions.len()));
    }
    // The first frames are held back until it is known how long a frame lasts.
    assert_eq!(made[7], (0, 0));
    for (frame, &(parts, changed)) in made.iter().enumerate().skip(8) {
        assert_eq!(parts, (frame + 1) / 5, "parts after frame {frame}");
        assert_eq!(changed, usize::from(frame == 8 || frame % 5 == 4));
    }
}

#[test]
fn a_transport_stream_has_all_tracks_in_one() {
    let mut run = Run::holding_all(Container::Ts);
    run.tracks(&[video_track(), audio_track(48_000)]);
    run.frames(&interleaved(Pictures::default().frames(), sounds(0, 48_000, 468), 0));
    run.end();
    assert_valid(&run.presentation);
    assert_eq!(run.presentation.renditions.len(), 1);
    assert_eq!(durations_ms(&run, RenditionId::Ts)[..4], [2_000; 4]);
    let segments = segments(&run, RenditionId::Ts);
    assert!(segments.iter().all(|segment| segment.independent && segment.len_bytes % 188 == 0));
    assert!(segments.iter().all(|segment| segment.parts.is_empty() && segment.map.is_none()));
}

#[test]
fn a_publisher_that_comes_back_within_the_grace_time() {
    for container in [Container::Ts, Container::Fmp4] {
        let mut run = Run::holding_all(container);
        run.tracks(&[video_track(), audio_track(48_000)]);
        // The hub lets the second stay follow the first by 40 ms; the wall clock has gone on.
        run.frames(&interleaved(
            Pictures { count: 80, ..Pictures::default() }.frames(),
            sounds(0, 48_000, 150),
            0,
        ));
        run.interrupted();
        let closed = run.presentation.renditions[0].window.segments.len();
        assert_eq!(closed, 2, "viewers get all that there is");
        assert!(run.presentation.renditions.iter().all(|rendition| rendition.window.open.is_none()));
        run.now_unix_ms += 7_000;
        run.tracks(&[video_track(), audio_track(48_000)]);
        let again = Pictures { from_ms: 3_240, count: 80, ..Pictures::default() };
        run.frames(&interleaved(again.frames(), sounds(3_240, 48_000, 150), 0));
        run.end();
        assert_valid(&run.presentation);
        for rendition in &run.presentation.renditions {
            let segments = segments(&run, rendition.id);
            let told: Vec<_> = segments.iter().map(|segment| segment.discontinuity).collect();
            assert_eq!(told, [false, false, true, false]);
            let away_ms = segments[2].start_unix_ms - segments[1].end_unix_ms();
            assert!((6_900..=7_100).contains(&away_ms), "{away_ms}");
        }
        if container == Container::Fmp4 {
            let twice: Vec<_> = (0..80).chain(0..80).collect();
            assert_eq!(numbers(&segments(&run, FMP4_VIDEO)), twice);
        }
    }
}
