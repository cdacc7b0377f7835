//! Good days and bad ones, one by one.

use std::time::Duration;

use streamer_core::codec::{Codec, DataFormat};
use streamer_core::{Timescale, Timestamp, Track, TrackId};

use super::read::{fragments_of, timescale};
use super::script::*;
use super::valid::assert_valid;
use crate::proto::hls::name::{Container, RenditionId};
use crate::proto::hls::packager::track::MAX_PENDING_EVENTS;
use crate::proto::hls::packager::{Packager, PackagerOptions};
use crate::proto::hls::segment::{DateRangeKind, Segment, SegmentBody};

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
    segments.iter().flat_map(fragments_of).flat_map(|fragment| fragment.samples).collect()
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
    assert_eq!(parts, [10; 5], "parts are held beyond the three target durations in which they are listed");
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

#[test]
fn sound_alone_is_cut_by_time() {
    for container in [Container::Ts, Container::Fmp4] {
        let mut run = Run::holding_all(container);
        run.tracks(&[audio_track(44_100)]);
        run.frames(&sounds(0, 44_100, 431));
        run.end();
        assert_valid(&run.presentation);
        let id = run.presentation.renditions[0].id;
        let durations = durations_ms(&run, id);
        assert!(durations[..4].iter().all(|duration| (1_988..=2_012).contains(duration)), "{durations:?}");
        assert!(segments(&run, id).iter().all(|segment| segment.independent));
        if container == Container::Fmp4 {
            assert_eq!(numbers(&segments(&run, id)), (0..431).collect::<Vec<_>>());
        }
    }
}

#[test]
fn gops_of_one_frame_are_gathered_to_the_target() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track()]);
    run.frames(&Pictures { gop: 1, ..Pictures::default() }.frames());
    run.end();
    assert_valid(&run.presentation);
    assert_eq!(durations_ms(&run, FMP4_VIDEO), [2_000; 5]);
}

#[test]
fn gops_of_thirty_seconds_are_cut_within() {
    for container in [Container::Ts, Container::Fmp4] {
        let mut run = Run::holding_all(container);
        run.tracks(&[video_track(), audio_track(48_000)]);
        run.frames(&interleaved(
            Pictures { count: 2_000, gop: 750, ..Pictures::default() }.frames(),
            sounds(0, 48_000, 3_750),
            0,
        ));
        run.end();
        assert_valid(&run.presentation);
        let rendition = &run.presentation.renditions[0];
        assert_eq!(rendition.window.target_duration_s, Some(10));
        let independent: Vec<_> = segments(&run, rendition.id)
            .iter()
            .filter(|segment| segment.independent)
            .map(|segment| segment.start_unix_ms - START_UNIX_MS)
            .collect();
        assert_eq!(independent, [0, 30_000, 60_000], "each key frame begins a segment");
        assert!(!rendition.window.independent);
    }
}

#[test]
fn gops_longer_than_the_target_make_the_target() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track()]);
    run.frames(&Pictures { count: 500, gop: 96, ..Pictures::default() }.frames());
    run.end();
    assert_valid(&run.presentation);
    assert_eq!(run.presentation.renditions[0].window.target_duration_s, Some(4));
    assert_eq!(durations_ms(&run, FMP4_VIDEO), [3_840, 3_840, 3_840, 3_840, 3_840, 800]);
}

#[test]
fn pictures_out_of_order_keep_their_times() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), audio_track(48_000)]);
    let pictures = Pictures { reorder: 2, ..Pictures::default() }.frames();
    run.frames(&interleaved(pictures.clone(), sounds(0, 48_000, 468), 0));
    run.end();
    assert_valid(&run.presentation);
    let video = segments(&run, FMP4_VIDEO);
    for (sample, frame) in samples(&video).iter().zip(&pictures) {
        assert_eq!(sample.presentation_time, frame.pts.as_millis() * 90);
    }
    // The first picture is shown 80 ms after it is decoded: that is when the segment begins, for sound as well.
    assert_eq!(video[0].start_unix_ms, START_UNIX_MS + 80);
    let sound = &segments(&run, FMP4_AUDIO)[1];
    assert!((2_080..2_102).contains(&(sound.start_unix_ms - START_UNIX_MS)));
}

/// Frames from the `index`-th on, `ms` later.
fn stalled(
    frames: Vec<std::sync::Arc<streamer_core::Frame>>,
    index: usize,
    ms: i64,
) -> Vec<std::sync::Arc<streamer_core::Frame>> {
    let later = |(at, old): (usize, std::sync::Arc<streamer_core::Frame>)| {
        let ms = if at < index { 0 } else { ms };
        let (dts, pts) = (old.dts.as_millis() + ms, old.pts.as_millis() + ms);
        frame(old.track, dts, pts, old.sync, number_of(&old.data))
    };
    frames.into_iter().enumerate().map(later).collect()
}

#[test]
fn a_short_stall_is_made_up_by_the_frames_after_it() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track()]);
    run.frames(&stalled(Pictures::default().frames(), 60, 400));
    run.end();
    assert_valid(&run.presentation);
    let video = segments(&run, FMP4_VIDEO);
    assert!(video.iter().all(|segment| !segment.discontinuity));
    let samples = samples(&video);
    // Each frame takes a whole part until it is made up for.
    assert!(samples[60..62].iter().all(|sample| sample.duration > 90 * 150), "{:?}", &samples[58..66]);
    let behind = |index: usize| samples[index].presentation_time - samples[index].decode_time;
    assert!(behind(60) > 90 * 350 && behind(64).abs() <= 90 * 2, "{} {}", behind(60), behind(64));
}

#[test]
fn a_long_stall_is_a_discontinuity() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), audio_track(48_000)]);
    let pictures = stalled(Pictures::default().frames(), 60, 1_900);
    let sounds = stalled(sounds(0, 48_000, 468), 112, 1_900);
    run.frames(&interleaved(pictures, sounds, 0));
    run.end();
    assert_valid(&run.presentation);
    for id in [FMP4_VIDEO, FMP4_AUDIO] {
        let told: Vec<_> = segments(&run, id).iter().map(|segment| segment.discontinuity).collect();
        assert_eq!(told.iter().filter(|&&told| told).count(), 1, "{id}: {told:?}");
    }
    assert_eq!(numbers(&segments(&run, FMP4_VIDEO)), (0..250).collect::<Vec<_>>());
    assert_eq!(numbers(&segments(&run, FMP4_AUDIO)), (0..468).collect::<Vec<_>>());
}

#[test]
fn sound_goes_on_while_pictures_stall() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), audio_track(48_000)]);
    let pictures = stalled(Pictures::default().frames(), 60, 8_000);
    run.frames(&interleaved(pictures, sounds(0, 48_000, 800), 0));
    run.end();
    assert_valid(&run.presentation);
    let video = segments(&run, FMP4_VIDEO);
    let missing = video.iter().filter(|segment| segment.body == SegmentBody::Missing).count();
    assert!((2..=4).contains(&missing), "{missing} gaps");
    assert!(video.iter().all(|segment| !segment.discontinuity), "a gap is none");
    assert_eq!(numbers(&video), (0..250).collect::<Vec<_>>());
    let audio = segments(&run, FMP4_AUDIO);
    assert!(audio.iter().all(|segment| segment.body != SegmentBody::Missing));
    assert_eq!(numbers(&audio), (0..800).collect::<Vec<_>>());
}

#[test]
fn a_track_that_falls_silent_is_not_waited_for() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), audio_track(48_000)]);
    run.frames(&interleaved(
        Pictures { count: 500, ..Pictures::default() }.frames(),
        sounds(0, 48_000, 200),
        0,
    ));
    let (video, audio) = (&run.presentation.renditions[0].window, &run.presentation.renditions[1].window);
    let behind = video.next_msn() - audio.next_msn();
    assert!(behind <= 1, "sound is {behind} segments behind");
    assert_valid(&run.presentation);
    let last = segments(&run, FMP4_AUDIO).pop().unwrap();
    assert_eq!((last.body, last.duration), (SegmentBody::Missing, Duration::from_secs(2)));
    // Sound that comes back is where it belongs.
    run.frames(&interleaved(
        Pictures { from_ms: 20_000, count: 100, ..Pictures::default() }.frames(),
        sounds(20_000, 48_000, 180),
        0,
    ));
    run.end();
    assert_valid(&run.presentation);
    let back = samples(&segments(&run, FMP4_AUDIO)[10..]);
    assert_eq!(back[0].presentation_time, 20 * 48_000);
}

#[test]
fn audio_stamps_are_believed_past_the_tolerance() {
    for (gap_ms, believed) in [(49, false), (52, true)] {
        let mut run = Run::holding_all(Container::Fmp4);
        run.tracks(&[audio_track(48_000)]);
        run.frames(&stalled(sounds(0, 48_000, 100), 50, gap_ms));
        run.end();
        assert_valid(&run.presentation);
        let samples = samples(&segments(&run, FMP4_AUDIO));
        assert_eq!(samples.iter().any(|sample| sample.duration != 1_024), believed, "{gap_ms}");
        let end = samples[99].decode_time - 99 * 1_024;
        assert_eq!(end > 0, believed, "{gap_ms}");
    }
}

#[test]
fn sound_that_is_ahead_lands_in_the_segment_it_belongs_to() {
    for late_ms in [-1_500, -400, 0, 400, 1_500] {
        let mut run = Run::holding_all(Container::Fmp4);
        run.tracks(&[video_track(), audio_track(48_000)]);
        run.frames(&interleaved(Pictures::default().frames(), sounds(0, 48_000, 468), late_ms));
        run.end();
        assert_valid(&run.presentation);
        let (video, audio) = (segments(&run, FMP4_VIDEO), segments(&run, FMP4_AUDIO));
        assert_eq!(video.len(), audio.len());
        for (video, audio) in video.iter().zip(&audio) {
            let later = audio.start_unix_ms - video.start_unix_ms;
            assert!((-1..=22).contains(&later), "{later} ms at {late_ms}");
        }
    }
}

#[test]
fn another_configuration_begins_a_segment_with_another_map() {
    for container in [Container::Ts, Container::Fmp4] {
        let mut run = Run::holding_all(container);
        let other = audio_track(44_100);
        run.tracks(&[video_track(), audio_track(48_000)]);
        run.frames(&interleaved(
            Pictures { count: 80, ..Pictures::default() }.frames(),
            sounds(0, 48_000, 150),
            0,
        ));
        assert!(run.tracks(&[video_track(), audio_track(48_000)]).is_empty(), "nothing has changed");
        run.tracks(&[video_track(), other.clone()]);
        let after = Pictures { from_ms: 3_200, count: 80, ..Pictures::default() }.frames();
        run.frames(&interleaved(after, sounds(3_200, 44_100, 137), 0));
        run.end();
        assert_valid(&run.presentation);
        for rendition in &run.presentation.renditions {
            let told: Vec<_> =
                segments(&run, rendition.id).iter().map(|segment| segment.discontinuity).collect();
            assert_eq!(told, [false, false, true, false], "{}", rendition.id);
        }
        if container == Container::Fmp4 {
            let maps = |id| {
                segments(&run, id)
                    .iter()
                    .map(|segment| segment.map.as_ref().unwrap().number)
                    .collect::<Vec<_>>()
            };
            assert_eq!((maps(FMP4_VIDEO), maps(FMP4_AUDIO)), (vec![0; 4], vec![1, 1, 2, 2]));
            assert_eq!(run.presentation.rendition(FMP4_AUDIO).unwrap().tracks, [other]);
        }
    }
}

#[test]
fn tracks_come_and_go() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track()]);
    run.frames(&Pictures { count: 75, ..Pictures::default() }.frames());
    run.tracks(&[video_track(), audio_track(48_000)]);
    let pictures = |from_ms| Pictures { from_ms, count: 100, ..Pictures::default() }.frames();
    run.frames(&interleaved(pictures(3_000), sounds(3_000, 48_000, 187), 0));
    assert_valid(&run.presentation);
    let first = run.presentation.renditions[0].window.first_msn;
    assert_eq!(run.presentation.rendition(FMP4_AUDIO).unwrap().window.first_msn, first + 1);
    run.tracks(&[video_track()]);
    run.frames(&pictures(7_000));
    assert_valid(&run.presentation);
    let ended: Vec<_> = run.presentation.renditions.iter().map(|rendition| rendition.window.ended).collect();
    assert_eq!(ended, [false, true]);
    assert!(segments(&run, FMP4_VIDEO).iter().all(|segment| !segment.discontinuity));
    run.tracks(&[video_track(), audio_track(48_000)]);
    run.frames(&interleaved(pictures(11_000), sounds(11_000, 48_000, 187), 0));
    run.end();
    assert_valid(&run.presentation);
    let back = &run.presentation.rendition(FMP4_AUDIO).unwrap().window;
    assert!(back.first_msn > first + 3, "a window of its own");
}

#[test]
fn pictures_that_come_later_lead_from_then_on() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[audio_track(48_000)]);
    run.frames(&sounds(0, 48_000, 150));
    run.tracks(&[video_track(), audio_track(48_000)]);
    let pictures = Pictures { from_ms: 3_200, count: 100, ..Pictures::default() }.frames();
    run.frames(&interleaved(pictures, sounds(3_200, 48_000, 187), 0));
    run.end();
    assert_valid(&run.presentation);
    let ids: Vec<_> = run.presentation.renditions.iter().map(|rendition| rendition.id).collect();
    assert_eq!(ids, [FMP4_VIDEO, FMP4_AUDIO], "the leading one is first");
    let told: Vec<_> = segments(&run, FMP4_AUDIO).iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(told, [false, false, true, false]);
}

#[test]
fn what_the_container_does_not_carry_is_left_out() {
    let law = streamer_core::codec::G711Config::new(streamer_core::codec::G711Law::A, 8_000, 1).unwrap();
    let track = Track { id: AUDIO, timescale: Timescale::MILLIS, codec: Codec::G711(law) };
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(std::slice::from_ref(&track));
    run.frames(&sounds(0, 48_000, 200));
    run.end();
    assert!(run.presentation.renditions.is_empty());
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), track]);
    run.frames(&interleaved(Pictures::default().frames(), sounds(0, 48_000, 400), 0));
    run.end();
    assert_valid(&run.presentation);
    assert_eq!(run.presentation.renditions.len(), 1);
}

#[test]
fn the_burst_at_the_start_ends_now() {
    let newest = Timestamp::from_millis(9_960);
    let mut run = Run::holding_all(Container::Fmp4);
    run.packager = Packager::new(Container::Fmp4, PackagerOptions::default(), START_UNIX_MS, Some(newest));
    run.now_unix_ms = START_UNIX_MS + 20_000;
    run.tracks(&[video_track()]);
    let media = Pictures::default().frames();
    for frame in &media {
        let frame = streamer_core::Media::Frame(std::sync::Arc::clone(frame));
        run.packager.push(&frame, START_UNIX_MS, &mut run.presentation);
    }
    assert_valid(&run.presentation);
    assert_eq!(segments(&run, FMP4_VIDEO)[0].start_unix_ms, START_UNIX_MS - 9_960);
    assert_eq!(segments(&run, FMP4_VIDEO)[3].start_unix_ms, START_UNIX_MS - 3_960);
}

#[test]
fn without_parts_a_segment_is_one_fragment() {
    let options = PackagerOptions { part_target: None, ..PackagerOptions::default() };
    let mut run = Run::new(Container::Fmp4, options);
    run.tracks(&[video_track(), audio_track(48_000)]);
    run.frames(&interleaved(Pictures::default().frames(), sounds(0, 48_000, 468), 0));
    run.end();
    assert_valid(&run.presentation);
    for segment in segments(&run, FMP4_VIDEO) {
        assert!(segment.parts.is_empty());
        assert!(matches!(&segment.body, SegmentBody::Memory(pieces) if pieces.len() == 1));
    }
    assert_eq!(run.presentation.renditions[0].window.part_target, None);
}

fn data_track(format: DataFormat) -> Track {
    Track { id: TrackId::data(0), timescale: Timescale::MPEG, codec: Codec::Data(format) }
}

fn message(at_ms: i64, data: &[u8]) -> std::sync::Arc<streamer_core::Frame> {
    let at = Timestamp::from_millis(at_ms).rescale(Timescale::MPEG);
    let data = bytes::Bytes::copy_from_slice(data);
    std::sync::Arc::new(streamer_core::Frame { track: TrackId::data(0), dts: at, pts: at, sync: true, data })
}

/// `splice_insert` of event 1, out of network, at once.
const SPLICE: &[u8] = &[
    0xfc, 0x30, 0x1b, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0x0a, 5, 0, 0, 0, 1, 0x7f, 0xdf, 0, 1, 0, 0, 0, 0, 1,
    2, 3, 4,
];

#[test]
fn messages_stand_beside_the_media_and_splices_are_date_ranges() {
    for container in [Container::Ts, Container::Fmp4] {
        let mut run = Run::holding_all(container);
        run.tracks(&[video_track(), audio_track(48_000), data_track(DataFormat::Scte35)]);
        let media = interleaved(Pictures::default().frames(), sounds(0, 48_000, 468), 0);
        let (before, after) = media.split_at(300);
        run.frames(before);
        let at = before.last().unwrap().dts.as_millis();
        run.frame(&message(at, SPLICE));
        run.frame(&message(at + 10, SPLICE));
        let open = run.presentation.renditions[0].window.open.as_ref();
        assert!(open.is_none_or(|open| open.date_ranges.len() == 1), "told with the parts");
        assert_eq!(open.is_some(), container == Container::Fmp4);
        run.frames(after);
        run.end();
        assert_valid(&run.presentation);
        for rendition in &run.presentation.renditions {
            let ranges: Vec<_> = segments(&run, rendition.id)
                .iter()
                .flat_map(|segment| {
                    segment
                        .date_ranges
                        .iter()
                        .map(|range| (range.kind, range.start_unix_ms))
                        .collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(ranges, [(DateRangeKind::Out, START_UNIX_MS + at)], "{}", rendition.id);
        }
        if container == Container::Fmp4 {
            assert_eq!((events(&run, FMP4_VIDEO), events(&run, FMP4_AUDIO)), (2, 0));
        }
    }
}

fn events(run: &Run, id: RenditionId) -> usize {
    segments(run, id).iter().flat_map(fragments_of).map(|fragment| fragment.events).sum()
}

#[test]
fn messages_that_wait_are_bounded() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), data_track(DataFormat::Id3)]);
    let media = Pictures::default().frames();
    run.frames(&media[..100]);
    for _ in 0..=MAX_PENDING_EVENTS {
        run.frame(&message(3_990, b"ID3"));
    }
    run.frames(&media[100..]);
    run.end();
    assert_eq!(events(&run, FMP4_VIDEO), MAX_PENDING_EVENTS);
}

#[test]
fn leaps_of_the_timeline_begin_anew() {
    for container in [Container::Ts, Container::Fmp4] {
        for (leap_ms, anew) in [(29_000, false), (31_000, true), (3_600_000, true), (-35_000, true)] {
            let mut run = Run::holding_all(container);
            run.tracks(&[video_track()]);
            let from_ms = 40_000;
            run.frames(&stalled(Pictures { from_ms, ..Pictures::default() }.frames(), 100, leap_ms));
            run.end();
            assert_valid(&run.presentation);
            let segments = segments(&run, run.presentation.renditions[0].id);
            assert_eq!(segments.iter().any(|segment| segment.discontinuity), anew, "{leap_ms}");
            let missing = segments.iter().filter(|segment| segment.body == SegmentBody::Missing).count();
            assert_eq!(missing > 5, !anew, "{leap_ms}");
        }
    }
}

#[test]
fn sound_that_begins_a_little_before_the_pictures_keeps_its_times() {
    let mut run = Run::holding_all(Container::Fmp4);
    run.tracks(&[video_track(), audio_track(48_000)]);
    let pictures = Pictures { from_ms: 100, ..Pictures::default() }.frames();
    run.frames(&interleaved(pictures, sounds(0, 48_000, 468), 0));
    run.end();
    assert_valid(&run.presentation);
    let samples = samples(&segments(&run, FMP4_AUDIO));
    assert!(
        samples
            .iter()
            .all(|sample| sample.duration == 1_024 && sample.presentation_time == sample.decode_time)
    );
}

#[test]
fn a_flood_of_frames_at_one_instant_is_cut() {
    let flood: Vec<_> = (0..25_000).map(|number| frame(AUDIO, 40, 40, true, number)).collect();
    for container in [Container::Ts, Container::Fmp4] {
        for pictures in [0, 2] {
            let mut run = Run::holding_all(container);
            let list = [video_track(), audio_track(48_000)];
            run.tracks(&list[usize::from(pictures == 0)..]);
            run.frames(&Pictures { count: pictures, ..Pictures::default() }.frames());
            run.frames(&flood);
            run.end();
            assert_valid(&run.presentation);
            let window = &run.presentation.renditions.last().unwrap().window;
            assert!((3..=5).contains(&window.segments.len()), "{} segments", window.segments.len());
        }
    }
}
