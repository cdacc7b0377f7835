//! What holds of every stream, however its frames are stamped and in whatever order they come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use streamer_core::container::ts::{START_OFFSET_TICKS, TsDemuxer};
use streamer_core::{Frame, Media};

use super::read::{Sample, fragments_of, timescale};
use super::script::*;
use super::valid::assert_valid;
use crate::proto::hls::encryption::tests::decrypt;
use crate::proto::hls::encryption::{Encryption, EncryptionMethod};
use crate::proto::hls::name::{Container, RenditionId};
use crate::proto::hls::packager::PackagerOptions;
use crate::proto::hls::packager::track::AUDIO_STAMP_TOLERANCE;
use crate::proto::hls::presentation::{Presentation, Rendition};
use crate::proto::hls::segment::{Part, SegmentBody};

/// A stream and how it is to be cut.
#[derive(Clone, Debug)]
struct Stream {
    per_second: (i64, i64),
    gop: i64,
    reorder: i64,
    seconds: i64,
    /// Most that a stamp is off, and what makes it so.
    jitter_ms: i64,
    seed: u64,
    /// The picture before which nothing comes for so many milliseconds, and whether the sound goes on.
    stall: (i64, i64, bool),
    audio_hz: i64,
    /// How much later than its decode time, and than the video, audio arrives.
    audio_late_ms: i64,
    has_video: bool,
    has_audio: bool,
    /// Seconds that come in a burst at the start.
    burst_s: i64,
    /// The frame after which the publisher goes away.
    interrupted_after: usize,
    target: Duration,
    part_target: Option<Duration>,
}

fn any_stream() -> impl Strategy<Value = Stream> {
    let rates = prop::sample::select(vec![
        (25, 1),
        (30, 1),
        (30_000, 1_001),
        (24_000, 1_001),
        (50, 1),
        (60, 1),
        (10, 1),
        (1, 1),
        (2, 3),
    ]);
    let gop = prop_oneof![Just(1i64), 2i64..100, Just(50), 100i64..900];
    let pictures = (rates, gop, 0i64..3, 3i64..40, prop_oneof![Just(0i64), 1i64..25], any::<u64>());
    let stall = (0i64..600, prop_oneof![Just(0i64), 1i64..1_000, 1_000i64..9_000], any::<bool>());
    let audio = (prop::sample::select(vec![48_000i64, 44_100, 32_000, 8_000]), -4_000i64..4_000);
    let kinds = prop_oneof![Just((true, true)), Just((true, true)), Just((true, false)), Just((false, true))];
    let cut = (
        1_000u64..4_000,
        prop_oneof![Just(None), Just(Some(200u64)), (50u64..500).prop_map(Some)],
        0i64..10,
        0usize..2_000,
    );
    (pictures, stall, audio, kinds, cut).prop_map(
        |(
            (per_second, gop, reorder, seconds, jitter_ms, seed),
            stall,
            (audio_hz, audio_late_ms),
            (has_video, has_audio),
            (target_ms, part_ms, burst_s, interrupted_after),
        )| Stream {
            per_second,
            gop,
            reorder,
            seconds,
            jitter_ms,
            seed,
            stall,
            audio_hz,
            audio_late_ms,
            has_video,
            has_audio,
            burst_s,
            interrupted_after,
            target: Duration::from_millis(target_ms),
            part_target: part_ms.map(Duration::from_millis),
        },
    )
}

impl Stream {
    fn frames(&self) -> Vec<Arc<Frame>> {
        let count = (self.seconds * self.per_second.0 / self.per_second.1).max(2);
        let pictures = Pictures {
            from_ms: 0,
            per_second: self.per_second,
            count: if self.has_video { count } else { 0 },
            gop: self.gop,
            reorder: self.reorder,
        };
        let sounds_count = if self.has_audio { self.seconds * self.audio_hz / 1_024 } else { 0 };
        let (stalled_picture, stall_ms, sound_goes_on) = self.stall;
        let stalled_ms = stalled_picture * 1_000 * self.per_second.1 / self.per_second.0;
        let (mut last, mut random) = ([0i64; 2], self.seed | 1);
        let mut moved = |frame: &Arc<Frame>| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let is_audio = frame.track == AUDIO;
            let dts = frame.dts.as_millis();
            let stall = if dts >= stalled_ms && !(is_audio && sound_goes_on) { stall_ms } else { 0 };
            let jitter = (random % (self.jitter_ms.unsigned_abs() + 1)).cast_signed();
            let last = &mut last[usize::from(is_audio)];
            // As the hub has it: within a track decode times never fall.
            let placed = (dts + stall + jitter).max(*last);
            *last = placed;
            let pts = placed + frame.pts.millis_since(frame.dts);
            self::frame(frame.track, placed, pts, frame.sync, number_of(&frame.data))
        };
        let pictures = pictures.frames().iter().map(&mut moved).collect();
        let sounds = sounds(0, self.audio_hz, sounds_count).iter().map(&mut moved).collect();
        interleaved(pictures, sounds, self.audio_late_ms)
    }

    fn run(&self, container: Container, encryption: Option<Encryption>) -> (Run, Vec<Arc<Frame>>) {
        let options = PackagerOptions {
            target_duration: self.target,
            part_target: self.part_target,
            history: Duration::from_secs(100_000),
            encryption,
            ..PackagerOptions::default()
        };
        let mut run = Run::new(container, options);
        let mut list = Vec::new();
        if self.has_video {
            list.push(video_track());
        }
        if self.has_audio {
            list.push(audio_track(u32::try_from(self.audio_hz).unwrap()));
        }
        run.tracks(&list);
        run.now_unix_ms += self.burst_s * 1_000;
        let frames = self.frames();
        let mut promised = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            if index == self.interrupted_after {
                run.interrupted();
            }
            run.frame(frame);
            promised = kept(&promised, &run.presentation);
        }
        run.end();
        kept(&promised, &run.presentation);
        (run, frames)
    }
}

/// Of each rendition: the open segment and its parts as they were told.
type Promised = Vec<(RenditionId, u64, Vec<(Duration, Bytes)>)>;

/// Fails when a part that was listed has changed since, in one byte or in what it lasts; tells what is listed now.
fn kept(promised: &Promised, presentation: &Presentation) -> Promised {
    let told = |parts: &[Part]| -> Vec<(Duration, Bytes)> {
        parts.iter().map(|part| (part.duration, part.body.clone())).collect()
    };
    for (id, msn, parts) in promised {
        let window = &presentation.rendition(*id).expect("renditions stay").window;
        let now = match (&window.open, window.segment(*msn)) {
            (Some(open), _) if open.msn == *msn => told(&open.parts),
            (_, Some(segment)) if !segment.parts.is_empty() => told(&segment.parts),
            // Old enough not to be listed with parts any more: held in one piece, which still begins with them.
            (_, Some(segment)) => match &segment.body {
                SegmentBody::Memory(pieces) => {
                    let parts: Vec<u8> = parts.iter().flat_map(|(_, body)| body.to_vec()).collect();
                    assert!(pieces.concat().starts_with(&parts), "segment {msn} is not its parts");
                    continue;
                }
                _ => panic!("segment {msn} lost its parts"),
            },
            (_, None) => panic!("segment {msn} is gone"),
        };
        assert!(now.starts_with(parts), "parts of segment {msn} have changed");
    }
    let open = |rendition: &Rendition| {
        rendition.window.open.as_ref().map(|open| (rendition.id, open.msn, told(&open.parts)))
    };
    presentation.renditions.iter().filter_map(open).collect()
}

fn samples(run: &Run, id: RenditionId) -> (i64, Vec<Sample>) {
    let Some(rendition) = run.presentation.rendition(id) else { return (1, Vec::new()) };
    let mut all = Vec::new();
    let mut scale = 1;
    for segment in &rendition.window.segments {
        scale = timescale(&segment.map.as_ref().expect("fMP4 has a map").body);
        all.extend(fragments_of(segment).into_iter().flat_map(|fragment| fragment.samples));
    }
    (scale, all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_stream_makes_valid_fmp4(stream in any_stream()) {
        let (run, frames) = stream.run(Container::Fmp4, None);
        assert_valid(&run.presentation);
        for (track, id) in [(VIDEO, RenditionId::Video(0)), (AUDIO, RenditionId::Audio(0))] {
            let sent: Vec<_> = frames.iter().filter(|frame| frame.track == track).collect();
            let (scale, samples) = samples(&run, id);
            let numbers: Vec<_> = samples.iter().map(|sample| number_of(&sample.data)).collect();
            let expected: Vec<_> = sent.iter().map(|frame| number_of(&frame.data)).collect();
            prop_assert_eq!(numbers, expected, "every frame once, in order");
            for (sample, frame) in samples.iter().zip(&sent) {
                prop_assert_eq!(sample.sync, frame.sync);
                let off_ms = sample.presentation_time * 1_000 / scale - frame.pts.as_millis();
                let tolerance = if track == AUDIO { AUDIO_STAMP_TOLERANCE.as_millis() as i64 + 1 } else { 0 };
                prop_assert!(off_ms.abs() <= tolerance, "presented {} ms off", off_ms);
            }
        }
    }

    #[test]
    fn encrypted_whole_they_are_the_same_segments(stream in any_stream(), rotate_s in 0u64..8) {
        let rotate = Duration::from_secs(rotate_s);
        let encryption = Some(Encryption { method: EncryptionMethod::Aes128, rotate });
        let clear = Stream { part_target: None, ..stream.clone() };
        for container in [Container::Ts, Container::Fmp4] {
            let (clear, _) = clear.run(container, None);
            let (run, _) = stream.run(container, encryption);
            let mut keys = std::collections::BTreeMap::new();
            for segment in run.presentation.renditions.iter().flat_map(|rendition| &rendition.window.segments) {
                let number = segment.key.as_ref().expect("every segment has a key").number;
                prop_assert_eq!(*keys.entry(segment.msn).or_insert(number), number, "one key in all renditions");
            }
            prop_assert!(rotate_s > 0 || keys.values().all(|&number| number == 0));
            prop_assert_eq!(decrypted(run.presentation), clear.presentation);
        }
    }

    #[test]
    fn every_stream_makes_a_valid_transport_stream(stream in any_stream()) {
        let (run, frames) = stream.run(Container::Ts, None);
        assert_valid(&run.presentation);
        let mut demuxer = TsDemuxer::new();
        let mut read = Vec::new();
        for segment in &run.presentation.renditions[0].window.segments {
            if let SegmentBody::Memory(pieces) = &segment.body {
                for piece in pieces {
                    demuxer.push(piece);
                    read_out(&mut demuxer, &mut read);
                }
            }
        }
        demuxer.finish();
        read_out(&mut demuxer, &mut read);
        for track in [VIDEO, AUDIO] {
            let sent = frames.iter().filter(|frame| frame.track == track);
            let sent: Vec<_> = sent.map(|frame| (number_of(&frame.data), frame.pts.as_millis())).collect();
            let got = read.iter().filter(|frame| frame.track == track);
            let got: Vec<_> = got
                .map(|frame| (number_of(&frame.data), frame.pts.offset_by(-START_OFFSET_TICKS).as_millis()))
                .collect();
            prop_assert_eq!(got, sent, "every frame once, in order, at its time");
        }
    }
}

/// The presentation as it would be in the clear.
fn decrypted(mut presentation: Presentation) -> Presentation {
    for segment in presentation.renditions.iter_mut().flat_map(|rendition| &mut rendition.window.segments) {
        let segment = Arc::make_mut(segment);
        let key = segment.key.take().expect("every segment has a key");
        if let SegmentBody::Memory(pieces) = &mut segment.body {
            let whole = decrypt(key.bytes(), segment.msn, &pieces.concat());
            segment.len_bytes = whole.len() as u64;
            *pieces = vec![whole.into()];
        }
    }
    presentation
}

fn read_out(demuxer: &mut TsDemuxer, read: &mut Vec<Arc<Frame>>) {
    while let Some(media) = demuxer.pull().unwrap() {
        if let Media::Frame(frame) = media {
            read.push(frame);
        }
    }
}
