//! Tests of the demuxer: files of ffmpeg, what the muxer wrote, and both damaged.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::mux::{TsMuxer, TsOptions};
use super::super::timing::START_OFFSET_TICKS;
use super::*;
use crate::codec::golden::frame as golden_frame;
use crate::codec::{
    AacConfig, Ac3Config, AvcConfig, Codec, DataFormat, HevcConfig, Mp3Config, OpusConfig, nal,
};
use crate::container::flv::FlvFileDemuxer;
use crate::mux::Muxer;
use crate::testing::Synthetic;

const H264_AAC: &[u8] = include_bytes!("../../../../testdata/ts/h264_aac.ts");
const HEVC_OPUS: &[u8] = include_bytes!("../../../../testdata/ts/hevc_opus.ts");
const MP3: &[u8] = include_bytes!("../../../../testdata/ts/mp3.ts");
const AC3_EAC3: &[u8] = include_bytes!("../../../../testdata/ts/ac3_eac3.ts");

fn pull_all(demuxer: &mut TsDemuxer) -> Vec<Media> {
    std::iter::from_fn(|| demuxer.pull().unwrap()).collect()
}

fn demuxed(bytes: &[u8]) -> (Vec<Media>, TsStats) {
    let mut demuxer = TsDemuxer::new();
    demuxer.push(bytes);
    let mut media = pull_all(&mut demuxer);
    demuxer.finish();
    media.extend(pull_all(&mut demuxer));
    (media, demuxer.stats())
}

fn muxed(media: &[Media]) -> Vec<u8> {
    let mut muxer = TsMuxer::new(TsOptions::default());
    let mut out = Vec::new();
    for media in media {
        muxer.mux(media, &mut out).unwrap();
    }
    out.concat()
}

fn frames(media: &[Media]) -> Vec<Frame> {
    let frame = |media: &Media| match media {
        Media::Frame(frame) => Some(Frame::clone(frame)),
        Media::Tracks(_) => None,
    };
    media.iter().filter_map(frame).collect()
}

fn frames_of(media: &[Media], track: TrackId) -> Vec<Frame> {
    frames(media).into_iter().filter(|frame| frame.track == track).collect()
}

fn all_tracks(media: &[Media]) -> Vec<Arc<Tracks>> {
    let tracks = |media: &Media| match media {
        Media::Tracks(tracks) => Some(Arc::clone(tracks)),
        Media::Frame(_) => None,
    };
    media.iter().filter_map(tracks).collect()
}

/// A frame as it comes back: on the stream's clock.
fn shifted(frame: &Frame) -> Frame {
    let shift = |at: Timestamp| at.rescale(Timescale::MPEG).offset_by(START_OFFSET_TICKS);
    Frame { dts: shift(frame.dts), pts: shift(frame.pts), ..frame.clone() }
}

fn tracks(list: Vec<(TrackId, Codec)>) -> Media {
    let track = |(id, codec)| Track { id, timescale: Timescale::MPEG, codec };
    Media::Tracks(Arc::new(Tracks { list: list.into_iter().map(track).collect(), metadata: Vec::new() }))
}

fn frame(track: TrackId, ticks: i64, data: Bytes) -> Media {
    let at = Timestamp::new(ticks, Timescale::MPEG);
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync: true, data }))
}

fn mp3() -> (TrackId, Codec) {
    let frame = golden_frame("mp3-44100-stereo", 0);
    (TrackId::audio(0), Codec::Mp3(Mp3Config::parse(&frame).unwrap()))
}

#[test]
fn a_file_of_h264_and_aac() {
    let (media, stats) = demuxed(H264_AAC);
    let told = all_tracks(&media);
    assert_eq!(told.len(), 1, "one change of tracks, before the first frame");
    assert!(matches!(media[0], Media::Tracks(_)));
    let Codec::H264(config) = &told[0].list[0].codec else { panic!() };
    assert_eq!((config.resolution.width, config.resolution.height), (64, 48));
    let Codec::Aac(config) = &told[0].list[1].codec else { panic!() };
    assert_eq!((config.sample_rate_hz, config.channels, config.object_type), (48_000, 1, 2));
    let video = frames_of(&media, TrackId::video(0));
    let times: Vec<_> =
        video.iter().map(|frame| (frame.pts.ticks(), frame.dts.ticks(), frame.sync)).take(6).collect();
    let expected = [
        (144_000, 126_000, true),
        (171_000, 135_000, false),
        (153_000, 144_000, false),
        (162_000, 153_000, false),
        (180_000, 162_000, false),
        (189_000, 171_000, true),
    ];
    assert_eq!(times, expected);
    assert_eq!(video.len(), 10);
    let kinds: Vec<_> = nal::units(&video[5].data).map(|unit| unit.unwrap()[0] & 0x1f).collect();
    assert_eq!(kinds, [5], "neither delimiters nor parameter sets");
    let audio = frames_of(&media, TrackId::audio(0));
    assert_eq!(audio.len(), 48);
    // ffprobe counts the seven bytes of the header.
    let first: Vec<_> = audio.iter().map(|frame| (frame.pts.ticks(), frame.data.len() + 7)).take(3).collect();
    assert_eq!(first, [(142_080, 107), (144_000, 129), (145_920, 61)]);
    assert_eq!(stats, TsStats { packets: H264_AAC.len() as u64 / 188, ..TsStats::default() });
}

#[test]
fn files_of_other_codecs() {
    let summary = |bytes| {
        let (media, stats) = demuxed(bytes);
        assert_eq!(stats, TsStats { packets: stats.packets, ..TsStats::default() });
        let told = all_tracks(&media);
        assert_eq!(told.len(), 1);
        let of_track = |track: &Track| (track.codec.name(), frames_of(&media, track.id).len());
        told[0].list.iter().map(of_track).collect::<Vec<_>>()
    };
    assert_eq!(summary(HEVC_OPUS), [("H265", 5), ("Opus", 26)]);
    assert_eq!(summary(MP3), [("MP3", 13)]);
    assert_eq!(summary(AC3_EAC3), [("AC-3", 10), ("E-AC-3", 10)]);
}

#[test]
fn files_read_the_same_when_they_are_written_again() {
    for bytes in [H264_AAC, HEVC_OPUS, MP3, AC3_EAC3] {
        let (media, _) = demuxed(bytes);
        let (again, stats) = demuxed(&muxed(&media));
        assert_eq!(stats, TsStats { packets: stats.packets, ..TsStats::default() });
        assert_eq!(all_tracks(&again), all_tracks(&media));
        for track in &all_tracks(&media)[0].list {
            let expected: Vec<Frame> = frames_of(&media, track.id).iter().map(shifted).collect();
            assert_eq!(frames_of(&again, track.id), expected, "{}", track.id);
        }
    }
}

#[test]
fn what_comes_from_flv_is_carried_whole() {
    let bytes = include_bytes!("../../../../testdata/flv/legacy_h264_aac.flv");
    let mut flv = FlvFileDemuxer::new();
    flv.push(bytes);
    let media: Vec<Media> = std::iter::from_fn(|| flv.pull().unwrap()).collect();
    let (again, _) = demuxed(&muxed(&media));
    for track in [TrackId::video(0), TrackId::audio(0)] {
        let expected: Vec<Frame> = frames_of(&media, track).iter().map(shifted).collect();
        let found = frames_of(&again, track);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found.pts, found.dts, found.sync), (expected.pts, expected.dts, expected.sync));
            assert_eq!(found.data, expected.data);
        }
    }
}

#[test]
fn cues_and_tags_come_back() {
    // A splice_null with a CRC that is right.
    let cue = Bytes::from_static(&[
        0xfc, 0x30, 0x11, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0, 0, 0, 0, 0x7a, 0x4f, 0xbf, 0xff,
    ]);
    let long_tag = Bytes::from([&b"ID3\x04\0\0\0\0\x07\x68"[..], &[7; 1_000]].concat());
    let list = vec![
        mp3(),
        (TrackId::data(0), Codec::Data(DataFormat::Scte35)),
        (TrackId::data(1), Codec::Data(DataFormat::Id3)),
    ];
    let media = [
        tracks(list.clone()),
        frame(TrackId::audio(0), 100, golden_frame("mp3-44100-stereo", 0)),
        frame(TrackId::data(0), 100, cue.clone()),
        frame(TrackId::data(1), 200, long_tag.clone()),
        frame(TrackId::audio(0), 2_451, golden_frame("mp3-44100-stereo", 1)),
    ];
    let (again, stats) = demuxed(&muxed(&media));
    assert_eq!(stats, TsStats { packets: stats.packets, ..TsStats::default() });
    assert_eq!(all_tracks(&again).len(), 1);
    let codecs: Vec<_> =
        all_tracks(&again)[0].list.iter().map(|track| (track.id, track.codec.clone())).collect();
    assert_eq!(codecs, list);
    let found = frames(&again);
    let times: Vec<_> =
        found.iter().map(|frame| (frame.track, frame.pts.ticks() - START_OFFSET_TICKS)).collect();
    let (audio, data) = (TrackId::audio(0), TrackId::data(0));
    assert_eq!(times, [(audio, 100), (data, 100), (TrackId::data(1), 200), (audio, 2_451)]);
    assert_eq!(found[2].data, long_tag);
    // The cue is on the new clock, and the rest of it the same.
    assert_eq!((&found[1].data[..4], &found[1].data[9..16]), (&cue[..4], &cue[9..16]));
    let adjustment = u64::from_be_bytes([&[0; 3][..], &found[1].data[4..9]].concat().try_into().unwrap());
    assert_eq!(adjustment, START_OFFSET_TICKS as u64);
}

#[test]
fn times_go_on_past_their_33_bits() {
    let start = (1 << 33) - START_OFFSET_TICKS - 7_000;
    let mut media = vec![tracks(vec![mp3()])];
    let steps = (0..10)
        .map(|index| frame(TrackId::audio(0), start + index * 2_351, golden_frame("mp3-44100-stereo", 0)));
    media.extend(steps);
    let (again, _) = demuxed(&muxed(&media));
    let expected: Vec<Frame> = frames(&media).iter().map(shifted).collect();
    assert!(expected[9].pts.ticks() > 1 << 33);
    assert_eq!(frames(&again), expected);
}

#[test]
fn a_change_of_the_map_changes_the_tracks() {
    let (audio, video) = (mp3(), Synthetic::new(1, 100).unwrap().next().unwrap());
    let Media::Tracks(video) = video else { panic!() };
    let picture = (TrackId::video(0), video.list[0].codec.clone());
    let sound = |ticks| frame(TrackId::audio(0), ticks, golden_frame("mp3-44100-stereo", 0));
    let idr = |ticks| frame(TrackId::video(0), ticks, nal::join([&[0x65, 0x88][..]]));
    let media = [
        tracks(vec![audio.clone()]),
        sound(0),
        sound(2_351),
        tracks(vec![picture.clone(), audio.clone()]),
        idr(4_000),
        sound(4_702),
        tracks(vec![picture.clone()]),
        idr(8_000),
    ];
    let (again, stats) = demuxed(&muxed(&media));
    assert_eq!((stats.gaps, stats.malformed), (0, 0));
    let names: Vec<Vec<TrackId>> =
        all_tracks(&again).iter().map(|tracks| tracks.list.iter().map(|track| track.id).collect()).collect();
    assert_eq!(names, [vec![audio.0], vec![picture.0, audio.0], vec![picture.0]]);
    assert_eq!(frames(&again).len(), 5);
}

#[test]
fn duplicates_and_garbage_change_nothing() {
    let (whole, _) = demuxed(H264_AAC);
    let twice: Vec<u8> = H264_AAC.chunks(188).flat_map(|packet| packet.repeat(2)).collect();
    let (media, stats) = demuxed(&twice);
    assert_eq!(media, whole);
    assert!(stats.duplicates > 40 && stats.gaps == 0);
    let garbage: Vec<u8> =
        H264_AAC.chunks(188 * 9).flat_map(|packets| [packets, &[0x55; 77]].concat()).collect();
    assert_eq!(demuxed(&garbage).0, whole);
}

#[test]
fn a_picture_with_a_packet_missing_is_left_out_with_those_behind_it() {
    let media: Vec<Media> = Synthetic::new(10, 1_000).unwrap().take(120).collect();
    let bytes = muxed(&media);
    let packets: Vec<&[u8]> = bytes.chunks(188).collect();
    // The second packet of the fourth picture.
    let begins = |packet: &&[u8]| packet[1] == 0x41 && packet[2] == 0;
    let at = packets.iter().enumerate().filter(|(_, packet)| begins(packet)).nth(3).unwrap().0 + 1;
    let lossy: Vec<u8> = packets
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != at)
        .flat_map(|(_, packet)| packet.to_vec())
        .collect();
    let (found, stats) = demuxed(&lossy);
    let numbers: Vec<_> = frames_of(&found, TrackId::video(0))
        .iter()
        .filter_map(|frame| Synthetic::number_of(&frame.data))
        .collect();
    let expected: Vec<u64> = (0..3).chain(10..numbers.len() as u64 + 7).collect();
    assert_eq!(numbers, expected);
    assert_eq!((stats.gaps, stats.damaged, stats.skipped), (1, 1, 6));
    let sounds = frames_of(&media, TrackId::audio(0)).len();
    assert_eq!(frames_of(&found, TrackId::audio(0)).len(), sounds);
}

/// Packets of a PES packet that tells no length, filled with zeros behind `head`.
fn endless(pid: u16, head: &[u8], packets: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut counter = 0;
    let zeros = vec![0; packets * 184 - head.len()];
    let adaptation = super::super::packet::Adaptation::default();
    let mut writer =
        super::super::packet::PacketWriter::begin(&mut out, pid, &mut counter, adaptation, packets * 184);
    writer.put(head);
    writer.put(&zeros);
    out
}

const ENDLESS_PES: &[u8] = &[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];

#[test]
fn pictures_up_to_their_limit() {
    let Some(Media::Tracks(synthetic)) = Synthetic::new(1, 100).unwrap().next() else { panic!() };
    let video = (TrackId::video(0), synthetic.list[0].codec.clone());
    let tables = muxed(&[tracks(vec![video])]);
    let most = MAX_PICTURE_BYTES / 184;
    for (packets, malformed) in [(most, 0), (most + 1, 1)] {
        let mut demuxer = TsDemuxer::new();
        demuxer.push(&tables);
        demuxer.push(&endless(0x100, ENDLESS_PES, packets));
        assert_eq!(pull_all(&mut demuxer), []);
        assert_eq!(demuxer.stats().malformed, malformed);
        assert_eq!(demuxer.streams[0].held_bytes(), if malformed == 0 { most * 184 } else { 0 });
    }
}

#[test]
fn other_packets_up_to_their_limit() {
    let tables = muxed(&[tracks(vec![mp3()])]);
    let most = MAX_PES_BYTES / 184;
    for (packets, malformed) in [(most, 0), (most + 1, 1)] {
        let mut demuxer = TsDemuxer::new();
        demuxer.push(&tables);
        demuxer.push(&endless(0x200, ENDLESS_PES, packets));
        assert_eq!(pull_all(&mut demuxer), []);
        assert_eq!(demuxer.stats().malformed, malformed);
    }
}

#[test]
fn all_streams_together_up_to_their_limit() {
    let Some(Media::Tracks(synthetic)) = Synthetic::new(1, 100).unwrap().next() else { panic!() };
    let codec = synthetic.list[0].codec.clone();
    let tables = muxed(&[tracks((0..4).map(|index| (TrackId::video(index), codec.clone())).collect())]);
    let mut demuxer = TsDemuxer::new();
    demuxer.push(&tables);
    for pid in 0x100..0x104 {
        demuxer.push(&endless(pid, ENDLESS_PES, MAX_PICTURE_BYTES / 184));
        pull_all(&mut demuxer);
        let held: usize = demuxer.streams.iter().map(Stream::held_bytes).sum();
        assert!(held <= MAX_HELD_BYTES + UNCOUNTED_BYTES * 4, "{held}");
    }
    assert_eq!(demuxer.stats().malformed, 2);
}

#[test]
fn tracks_up_to_their_limit() {
    let list = |count| (0..count).map(|index| (TrackId::audio(index), mp3().1)).collect();
    for (count, unsupported) in [(MAX_TRACKS as u8, 0), (MAX_TRACKS as u8 + 3, 3)] {
        let mut demuxer = TsDemuxer::new();
        demuxer.push(&muxed(&[tracks(list(count))]));
        assert_eq!(pull_all(&mut demuxer), []);
        assert_eq!(demuxer.streams.len(), MAX_TRACKS);
        assert_eq!(demuxer.stats().unsupported_streams, unsupported);
    }
}

#[test]
fn the_wait_at_the_start_is_bounded() {
    let Some(Media::Tracks(synthetic)) = Synthetic::new(1, 100).unwrap().next() else { panic!() };
    let video = (TrackId::video(0), synthetic.list[0].codec.clone());
    let list = tracks(vec![video, mp3()]);
    let sound = |ticks| frame(TrackId::audio(0), ticks, golden_frame("mp3-44100-stereo", 0));
    // Pictures are promised and never come.
    for (step, given) in [(900, 101), (0, MAX_PROBED_FRAMES)] {
        let mut demuxer = TsDemuxer::new();
        let mut media = vec![list.clone()];
        media.extend((0..given as i64).map(|index| sound(index * step)));
        let bytes = muxed(&media);
        let last = bytes.len() - 3 * 188;
        demuxer.push(&bytes[..last]);
        assert_eq!(pull_all(&mut demuxer), [], "step {step}");
        demuxer.push(&bytes[last..]);
        let media = pull_all(&mut demuxer);
        assert_eq!((all_tracks(&media).len(), frames(&media).len()), (1, given), "step {step}");
    }
    let mut probe = Probe::default();
    let big = |len| {
        let at = Timestamp::new(0, Timescale::MPEG);
        Arc::new(Frame {
            track: TrackId::audio(0),
            dts: at,
            pts: at,
            sync: true,
            data: Bytes::from(vec![0; len]),
        })
    };
    assert!(!probe.hold(big(MAX_PROBED_BYTES - 1), false));
    assert!(probe.hold(big(1), false));
}

#[test]
fn what_is_no_transport_stream_is_refused_and_stays_so() {
    let mut demuxer = TsDemuxer::new();
    for _ in 0..(MAX_SEARCHED_BYTES + 188) / 1_000 {
        demuxer.push(&[0x11; 1_000]);
        assert_eq!(demuxer.pull(), Ok(None));
    }
    demuxer.push(&[0x11; 2_000]);
    let refused = demuxer.pull().unwrap_err();
    assert!(refused.is_fatal());
    demuxer.push(H264_AAC);
    assert_eq!(demuxer.pull(), Err(refused));
}

/// Every codec that is carried, with payloads that its reader understands.
fn stream_of(kinds: &[(u8, u16)]) -> Vec<Media> {
    let h264 = AvcConfig::parse(&crate::codec::golden::golden("h264-baseline-240.record")).unwrap();
    let h264 = AvcConfig::from_parameter_sets(h264.sps, h264.pps).unwrap();
    let hevc = HevcConfig::parse(&crate::codec::golden::golden("h265-main-720.record")).unwrap();
    let hevc = HevcConfig::from_parameter_sets(hevc.vps, hevc.sps, hevc.pps).unwrap();
    let mut opus = OpusConfig::new(2).unwrap().record.to_vec();
    opus[10..12].fill(0);
    let (ac3, eac3) = (golden_frame("ac3-48000-51", 0), golden_frame("eac3-48000-51", 0));
    let list = vec![
        (TrackId::video(0), Codec::H264(h264)),
        (TrackId::video(1), Codec::H265(hevc)),
        (TrackId::audio(0), Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap())),
        mp3_of(1),
        (TrackId::audio(2), Codec::Opus(OpusConfig::parse(&opus).unwrap())),
        (TrackId::audio(3), Codec::Ac3(Ac3Config::parse(&ac3).unwrap())),
        (TrackId::audio(4), Codec::Eac3(Ac3Config::parse_enhanced(&eac3).unwrap())),
        (TrackId::data(0), Codec::Data(DataFormat::Id3)),
    ];
    let ids: Vec<TrackId> = list.iter().map(|(id, _)| *id).collect();
    let mut media = vec![tracks(list)];
    // One random access point of each first, so that all is known.
    let first = (0..8).map(|kind| (kind, 40));
    for (number, (kind, len)) in first.chain(kinds.iter().copied()).enumerate() {
        let at = number as i64 * 500;
        let len = usize::from(len) + 3;
        let fill = vec![0x55 | number as u8; len];
        let sync = number < 8 || len % 7 == 0;
        let (data, sync) = match kind {
            0 => (nal::join([&[&[if sync { 0x65 } else { 0x41 }][..], &fill].concat()[..]]), sync),
            1 => (nal::join([&[&[if sync { 0x26 } else { 0x02 }, 1][..], &fill].concat()[..]]), sync),
            2 => (Bytes::from(fill[..len.min(8_000)].to_vec()), true),
            3 => (golden_frame("mp3-44100-stereo", number % 2), true),
            4 => (Bytes::from([&[0x08][..], &fill].concat()), true),
            5 => (ac3.clone(), true),
            6 => (eac3.clone(), true),
            _ => (Bytes::from(fill), true),
        };
        let dts = Timestamp::new(at, Timescale::MPEG);
        let pts = if kind < 2 { dts.offset_by(len as i64) } else { dts };
        media.push(Media::Frame(Arc::new(Frame { track: ids[usize::from(kind)], dts, pts, sync, data })));
    }
    media
}

fn mp3_of(index: u8) -> (TrackId, Codec) {
    (TrackId::audio(index), mp3().1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_codec_comes_back(kinds in vec((0u8..8, 0u16..65_000), 0..40)) {
        let media = stream_of(&kinds);
        let (again, stats) = demuxed(&muxed(&media));
        prop_assert_eq!(stats, TsStats { packets: stats.packets, ..TsStats::default() });
        let told = all_tracks(&again);
        prop_assert_eq!(told.len(), 1);
        prop_assert_eq!(&told[0], &all_tracks(&media)[0]);
        for track in &told[0].list {
            let expected: Vec<Frame> = frames_of(&media, track.id).iter().map(shifted).collect();
            prop_assert_eq!(frames_of(&again, track.id), expected);
        }
    }

    #[test]
    fn any_chopping_gives_the_same_media(cuts in vec(0..H264_AAC.len(), 0..40), garbage in vec(any::<u8>(), 0..400)) {
        let bytes = [H264_AAC, &garbage, H264_AAC].concat();
        let mut cuts = cuts;
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut demuxer = TsDemuxer::new();
        let mut media = Vec::new();
        for pair in cuts.windows(2) {
            demuxer.push(&bytes[pair[0]..pair[1]]);
            media.extend(pull_all(&mut demuxer));
        }
        demuxer.finish();
        media.extend(pull_all(&mut demuxer));
        prop_assert_eq!((media, demuxer.stats()), demuxed(&bytes));
    }

    #[test]
    fn after_a_loss_pictures_begin_at_a_random_access_point(lost in vec(any::<prop::sample::Index>(), 1..30), gop in 1u64..12) {
        let media: Vec<Media> = Synthetic::new(gop, 700).unwrap().take(150).collect();
        let bytes = muxed(&media);
        let mut packets: Vec<&[u8]> = bytes.chunks(188).collect();
        for index in lost {
            packets.remove(index.index(packets.len()));
        }
        let (found, _) = demuxed(&packets.concat());
        let originals = frames_of(&media, TrackId::video(0));
        let mut next = None;
        for frame in frames_of(&found, TrackId::video(0)) {
            let number = Synthetic::number_of(&frame.data).unwrap();
            prop_assert!(frame.sync || next == Some(number), "{} after {:?}", number, next);
            prop_assert_eq!(&frame, &shifted(&originals[number as usize]));
            next = Some(number + 1);
        }
    }

    #[test]
    fn no_damage_panics(places in vec((any::<prop::sample::Index>(), any::<u8>()), 1..60), which in 0usize..4) {
        let mut bytes = [H264_AAC, HEVC_OPUS, MP3, AC3_EAC3][which].to_vec();
        for (at, byte) in places {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (media, _) = demuxed(&bytes);
        let known: Vec<TrackId> = all_tracks(&media).iter().flat_map(|tracks| tracks.list.iter().map(|track| track.id)).collect();
        for frame in frames(&media) {
            prop_assert!(known.contains(&frame.track));
        }
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..2_000)) {
        for byte in bytes.iter_mut().step_by(188) {
            *byte = 0x47;
        }
        demuxed(&bytes);
        demuxed(&[H264_AAC, &bytes].concat());
    }
}
