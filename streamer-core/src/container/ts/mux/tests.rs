//! Tests of the muxer: its packets read one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::packet::Packet;
use super::super::pes::PesStart;
use super::super::psi::parse_association;
use super::super::timing::{PCR_INTERVAL_TICKS, PSI_INTERVAL_TICKS, START_OFFSET_TICKS};
use super::*;
use crate::codec::golden::golden;
use crate::codec::{AacConfig, DataFormat, G711Config, G711Law, HevcConfig, Mp3Config, OpusConfig};
use crate::testing::Synthetic;
use crate::time::{Timescale, Timestamp};

fn tracks(list: Vec<(TrackId, Codec)>) -> Media {
    let track = |(id, codec)| Track { id, timescale: Timescale::MPEG, codec };
    Media::Tracks(Arc::new(Tracks { list: list.into_iter().map(track).collect(), metadata: Vec::new() }))
}

fn mp3() -> Codec {
    Codec::Mp3(Mp3Config { sample_rate_hz: 44_100, channels: 2, frame_samples: 1_152 })
}

fn frame(track: TrackId, ticks: i64, data: Vec<u8>) -> Media {
    let at = Timestamp::new(ticks, Timescale::MPEG);
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync: true, data: Bytes::from(data) }))
}

fn muxed(muxer: &mut TsMuxer, media: &Media) -> Vec<u8> {
    let mut out = Vec::new();
    muxer.mux(media, &mut out).unwrap();
    out.concat()
}

fn read(bytes: &[u8]) -> Vec<Packet<'_>> {
    let (packets, rest) = bytes.as_chunks::<PACKET_BYTES>();
    assert!(rest.is_empty());
    packets.iter().map(|packet| Packet::parse(packet).unwrap()).collect()
}

fn map_of(packets: &[Packet<'_>]) -> ProgramMap {
    let payload =
        packets.iter().find(|packet| packet.pid == PID_MAP).and_then(|packet| packet.payload).unwrap();
    let len = 3 + usize::from(u16::from_be_bytes([payload[2] & 0xf, payload[3]]));
    ProgramMap::parse(&payload[1..=len], 1).unwrap()
}

fn version_of(bytes: &[u8]) -> u8 {
    let packets = read(bytes);
    let payload =
        packets.iter().find(|packet| packet.pid == PID_MAP).and_then(|packet| packet.payload).unwrap();
    payload[6] >> 1 & 0x1f
}

/// Each packet that carries payload counts one on from the one before it of its PID.
fn assert_counters(packets: &[Packet<'_>]) {
    let mut counters = BTreeMap::new();
    for packet in packets {
        let step = u8::from(packet.payload.is_some());
        if let Some(before) = counters.insert(packet.pid, packet.continuity) {
            assert_eq!(packet.continuity, (before + step) & 0xf, "PID {:#x}", packet.pid);
        }
    }
}

#[test]
fn tables_and_clock_references_come_in_time() {
    let mut muxer = TsMuxer::new(TsOptions::default());
    let bytes: Vec<u8> =
        Synthetic::new(50, 9_000).unwrap().take(1_000).flat_map(|media| muxed(&mut muxer, &media)).collect();
    let packets = read(&bytes);
    assert_counters(&packets);
    assert_eq!(parse_association(&packets[0].payload.unwrap()[1..17]), Some((1, PID_MAP)));
    let map = map_of(&packets);
    assert_eq!(map.pcr_pid, PID_VIDEO);
    let (mut clock, mut tables, mut pictures) = (None, 0, 0);
    for packet in &packets {
        if packet.pid == PID_MAP {
            tables = clock.unwrap_or(START_OFFSET_TICKS - PCR_LEAD_TICKS);
        }
        if let Some(pcr) = packet.pcr.map(|pcr| pcr as i64) {
            assert_eq!(packet.pid, map.pcr_pid);
            assert!(!packet.discontinuity || clock.is_none());
            assert!(clock.is_none_or(|before| pcr > before && pcr - before <= PCR_INTERVAL_TICKS));
            assert!(pcr - tables <= PSI_INTERVAL_TICKS);
            clock = Some(pcr);
        }
        if packet.unit_start && packet.pid == PID_VIDEO {
            let start = PesStart::parse(packet.payload.unwrap()).unwrap();
            let pts = start.pts.unwrap() as i64;
            assert_eq!(pts, START_OFFSET_TICKS + pictures * 3_600);
            let lead = pts - clock.unwrap();
            assert!((PCR_LEAD_TICKS..=PCR_LEAD_TICKS + PCR_INTERVAL_TICKS).contains(&lead));
            assert_eq!(packet.random_access, pictures % 50 == 0);
            pictures += 1;
        }
    }
}

#[test]
fn each_frame_is_one_piece_of_exact_size() {
    let mut muxer = TsMuxer::new(TsOptions::default());
    for media in Synthetic::new(10, 70_000).unwrap().take(100) {
        let mut out = Vec::new();
        muxer.mux(&media, &mut out).unwrap();
        assert_eq!(out.len(), 1);
        let piece = Vec::from(out.remove(0));
        assert_eq!((piece.len() % PACKET_BYTES, piece.capacity()), (0, piece.len()));
    }
}

/// ffprobe 5.1.9 reads this as MP3, PTS 901.800 of the file's clock, 4 bytes.
#[test]
fn golden_bytes_of_a_frame() {
    let mut muxer = TsMuxer::new(TsOptions::default());
    let tables = muxed(&mut muxer, &tracks(vec![(TrackId::audio(0), mp3())]));
    assert_eq!(tables.len(), 2 * PACKET_BYTES);
    let map = [
        0x47, 0x50, 0x00, 0x10, 0x00, 0x02, 0xb0, 0x12, 0x00, 0x01, 0xc1, 0x00, 0x00, 0xe2, 0x00, 0xf0, 0x00,
        0x03, 0xe2, 0x00, 0xf0, 0x00,
    ];
    assert_eq!(tables[188..188 + map.len()], map);
    let bytes = muxed(&mut muxer, &frame(TrackId::audio(0), 1_800, vec![0xff, 0xfb, 0x90, 0x64]));
    let begin = [0x47, 0x42, 0x00, 0x30, 165, 0x50, 0x00, 0x06, 0xbe, 0x2c, 0x7e, 0x00, 0xff];
    assert_eq!(bytes[..begin.len()], begin);
    let end =
        [0xff, 0, 0, 1, 0xc0, 0, 12, 0x84, 0x80, 5, 0x21, 0x00, 0x37, 0x85, 0x51, 0xff, 0xfb, 0x90, 0x64];
    assert_eq!(bytes[188 - end.len()..], end);
    assert_eq!(bytes.len(), PACKET_BYTES);
}

#[test]
fn versions_change_with_the_map_and_counters_go_on() {
    let (audio, data) = ((TrackId::audio(0), mp3()), (TrackId::data(0), Codec::Data(DataFormat::Id3)));
    let mut muxer = TsMuxer::new(TsOptions::default());
    let mut all = muxed(&mut muxer, &tracks(vec![audio.clone()]));
    assert_eq!(version_of(&all), 0);
    all.extend(muxed(&mut muxer, &frame(TrackId::audio(0), 0, vec![1; 400])));
    let same = muxed(&mut muxer, &tracks(vec![audio.clone()]));
    assert_eq!(version_of(&same), 0);
    all.extend(same);
    let more = muxed(&mut muxer, &tracks(vec![audio.clone(), data]));
    assert_eq!(version_of(&more), 1);
    all.extend(more);
    all.extend(muxed(&mut muxer, &frame(TrackId::audio(0), 2_000, vec![1; 400])));
    // A stream that comes later says that its counter begins.
    let first = muxed(&mut muxer, &frame(TrackId::data(0), 2_000, b"ID3".to_vec()));
    let packets = read(&first);
    assert!(packets.last().unwrap().discontinuity && packets.last().unwrap().pid == PID_DATA);
    all.extend(first);
    let mut segment = Vec::new();
    muxer.begin_segment(&mut segment);
    all.extend(segment.concat());
    all.extend(muxed(&mut muxer, &frame(TrackId::audio(0), 4_000, vec![1; 400])));
    assert_counters(&read(&all));
}

#[test]
fn a_segment_begins_with_tables_and_has_no_more_when_not_asked_for() {
    let mut muxer = TsMuxer::new(TsOptions { repeat_tables: false, ..TsOptions::default() });
    let mut media = Synthetic::new(50, 1_000).unwrap();
    let mut out = Vec::new();
    muxer.begin_segment(&mut out);
    assert!(out.is_empty(), "no tracks yet");
    muxer.mux(&media.next().unwrap(), &mut out).unwrap();
    out.clear();
    muxer.begin_segment(&mut out);
    for media in media.take(300) {
        muxer.mux(&media, &mut out).unwrap();
    }
    let bytes = out.concat();
    let pids: Vec<u16> = read(&bytes).iter().map(|packet| packet.pid).collect();
    assert_eq!(pids[..3], [PID_PAT, PID_MAP, PID_VIDEO]);
    assert_eq!(pids.iter().filter(|pid| **pid == PID_MAP).count(), 1);
}

#[test]
fn a_discontinuity_is_told_on_each_stream_and_with_the_clock() {
    let mut muxer = TsMuxer::new(TsOptions::default());
    let mut media = Synthetic::new(5, 1_000).unwrap();
    for media in media.by_ref().take(20) {
        muxed(&mut muxer, &media);
    }
    muxer.discontinuity();
    let mut told = BTreeMap::new();
    for media in media.take(20) {
        for packet in read(&muxed(&mut muxer, &media)) {
            if packet.discontinuity {
                let (count, clocks) = told.entry(packet.pid).or_insert((0, 0));
                *count += 1;
                *clocks += u32::from(packet.pcr.is_some());
            }
        }
    }
    assert_eq!(told[&PID_AUDIO], (1, 0));
    assert_eq!(told[&PID_VIDEO], (1, 1));
    assert_eq!(told.len(), 2);
}

#[test]
fn only_what_is_wanted_and_known_is_carried() {
    let hevc = Codec::H265(HevcConfig::parse(&golden("h265-main-720.record")).unwrap());
    let g711 = Codec::G711(G711Config::new(G711Law::A, 8_000, 1).unwrap());
    let opus = Codec::Opus(OpusConfig::new(2).unwrap());
    let list = vec![
        (TrackId::data(0), Codec::Data(DataFormat::Amf0)),
        (TrackId::data(1), Codec::Data(DataFormat::Scte35)),
        (TrackId::audio(0), g711.clone()),
        (TrackId::audio(1), opus.clone()),
        (TrackId::video(0), hevc.clone()),
    ];
    assert!(TsMuxer::carries(&opus) && TsMuxer::carries(&hevc) && !TsMuxer::carries(&g711));
    let carried = |options| {
        let mut muxer = TsMuxer::new(options);
        let map = map_of(&read(&muxed(&mut muxer, &tracks(list.clone()))));
        assert_eq!(map.pcr_pid, map.entries.first().map_or(PID_NULL, |entry| entry.pid));
        assert!(muxed(&mut muxer, &frame(TrackId::audio(0), 0, vec![1])).is_empty());
        muxer.carried().collect::<Vec<_>>()
    };
    let all = TsOptions::default();
    let (video, audio, data) = (TrackId::video(0), TrackId::audio(1), TrackId::data(1));
    assert_eq!(carried(all), [video, audio, data]);
    assert_eq!(carried(TsOptions { video: false, ..all }), [audio, data]);
    assert_eq!(carried(TsOptions { audio: false, ..all }), [video, data]);
    assert_eq!(carried(TsOptions { data: false, ..all }), [video, audio]);
    assert_eq!(carried(TsOptions { video: false, audio: false, data: false, ..all }), []);
}

#[test]
fn tracks_past_one_section_of_the_map_are_left_out() {
    let many = (0..=255).map(|index| (TrackId::audio(index), mp3())).collect();
    let mut muxer = TsMuxer::new(TsOptions::default());
    let bytes = muxed(&mut muxer, &tracks(many));
    assert_eq!(muxer.carried().count(), (MAX_TABLE_BYTES - 16) / 5);
    assert_counters(&read(&bytes));
    let map: Vec<u8> = read(&bytes)
        .iter()
        .filter(|packet| packet.pid == PID_MAP)
        .filter_map(|packet| packet.payload)
        .collect::<Vec<_>>()
        .concat();
    let len = 16 + 5 * ((MAX_TABLE_BYTES - 16) / 5);
    assert_eq!(ProgramMap::parse(&map[1..=len], 1).unwrap().entries.len(), muxer.carried().count());
}

#[test]
fn frames_past_a_packet_are_refused_and_the_next_ones_go_on() {
    let aac = Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap());
    let opus = Codec::Opus(OpusConfig::new(2).unwrap());
    let list = vec![(TrackId::audio(0), mp3()), (TrackId::audio(1), aac), (TrackId::audio(2), opus)];
    let mut muxer = TsMuxer::new(TsOptions::default());
    let mut all = muxed(&mut muxer, &tracks(list));
    let max = super::super::pes::MAX_PAYLOAD_BYTES;
    let mut out = Vec::new();
    for (track, len) in [(0, max + 1), (1, 8_185), (2, max)] {
        let refused = muxer.mux(&frame(TrackId::audio(track), 0, vec![1; len]), &mut out).unwrap_err();
        assert!(!refused.is_fatal(), "{refused}");
    }
    assert!(out.is_empty());
    for (track, len) in [(0, max), (1, 8_184), (2, 60_000)] {
        all.extend(muxed(&mut muxer, &frame(TrackId::audio(track), 0, vec![1; len])));
    }
    assert!(muxed(&mut muxer, &frame(TrackId::audio(0), 0, vec![])).is_empty());
    assert_counters(&read(&all));
}

#[test]
fn a_jump_of_hours_is_a_discontinuity_and_not_a_flood() {
    let mut muxer = TsMuxer::new(TsOptions::default());
    muxed(&mut muxer, &tracks(vec![(TrackId::audio(0), mp3())]));
    for ticks in [0, i64::MAX, i64::MAX / 2, i64::MIN / 2, 90_000 * 3_600 * 5] {
        let bytes = muxed(&mut muxer, &frame(TrackId::audio(0), ticks, vec![1; 100]));
        let packets = read(&bytes);
        assert!(packets.len() <= 3);
        let last = packets.last().unwrap();
        assert_eq!((last.discontinuity, last.pcr.is_some()), (ticks != 0, true));
    }
}

#[test]
fn segments_made_alone_go_on_from_each_other() {
    let media: Vec<Media> = Synthetic::new(25, 700).unwrap().take(400).collect();
    let tracks = &media[0];
    let mut whole = Vec::new();
    for (number, frames) in (0..).zip(media[1..].chunks(70)) {
        let mut muxer = TsMuxer::for_segment(TsOptions::default(), number);
        whole.extend(muxed(&mut muxer, tracks));
        let id = |media: &Media| match media {
            Media::Frame(frame) => Some(frame.track),
            Media::Tracks(_) => None,
        };
        for (at, frame) in frames.iter().enumerate() {
            let is_last = frames[at + 1..].iter().all(|later| id(later) != id(frame));
            if let (true, Some(track)) = (is_last, id(frame)) {
                muxer.last_frame(track);
            }
            whole.extend(muxed(&mut muxer, frame));
        }
    }
    let packets = read(&whole);
    assert_counters(&packets);
    assert!(packets.iter().all(|packet| !packet.discontinuity));
    assert_eq!(packets.iter().filter(|packet| packet.pid == PID_PAT).count(), 6, "tables in front alone");
}
