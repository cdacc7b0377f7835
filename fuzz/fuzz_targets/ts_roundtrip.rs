//! Frames of any bytes and times, written as a transport stream and read back.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use streamer_core::codec::{AacConfig, DataFormat};
use streamer_core::container::ts::{START_OFFSET_TICKS, TsDemuxer, TsMuxer, TsOptions};
use streamer_core::{Codec, Frame, Media, Muxer, Timescale, Timestamp, Track, TrackId, Tracks};

/// Longest raw data block that an ADTS header can tell.
const MAX_BLOCK_BYTES: usize = 8_184;

/// Frames of sound and tags from records of a kind, a signed step in milliseconds, a length and a payload.
fn frames(mut data: &[u8]) -> Vec<Frame> {
    let mut ticks = 0;
    let mut frames = Vec::new();
    while let Some((&[kind, a, b, len], rest)) = data.split_first_chunk::<4>() {
        let len = (usize::from(len) * if kind & 2 == 0 { 1 } else { 32 }).clamp(1, MAX_BLOCK_BYTES);
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        data = rest;
        if payload.is_empty() {
            break;
        }
        ticks += i64::from(i16::from_be_bytes([a, b])) * 90;
        let at = Timestamp::new(ticks, Timescale::MPEG);
        let track = if kind & 1 == 0 { TrackId::audio(0) } else { TrackId::data(0) };
        frames.push(Frame { track, dts: at, pts: at, sync: true, data: Bytes::copy_from_slice(payload) });
    }
    frames
}

fuzz_target!(|data: &[u8]| {
    let frames = frames(data);
    let aac = AacConfig::new(2, 48_000, 2).expect("a plain configuration");
    let track = |id, codec| Track { id, timescale: Timescale::MPEG, codec };
    let list = vec![
        track(TrackId::audio(0), Codec::Aac(aac)),
        track(TrackId::data(0), Codec::Data(DataFormat::Id3)),
    ];
    let mut muxer = TsMuxer::new(TsOptions::default());
    let mut packets = Vec::new();
    let tracks = Media::Tracks(Arc::new(Tracks { list, metadata: Vec::new() }));
    muxer.mux(&tracks, &mut packets).expect("tracks are carried");
    for frame in &frames {
        muxer.mux(&Media::Frame(Arc::new(frame.clone())), &mut packets).expect("frames are carried");
    }
    let mut demuxer = TsDemuxer::new();
    demuxer.push(&packets.concat());
    demuxer.finish();
    // Times before the clock's zero come back one turn of it later.
    let turn = frames.first().map_or(0, |first| {
        let at = first.dts.ticks() + START_OFFSET_TICKS;
        at.rem_euclid(1 << 33) - at
    });
    let mut found = Vec::new();
    while let Ok(Some(media)) = demuxer.pull() {
        if let Media::Frame(frame) = media {
            let back = |at: Timestamp| at.offset_by(-START_OFFSET_TICKS - turn);
            found.push(Frame { dts: back(frame.dts), pts: back(frame.pts), ..Frame::clone(&frame) });
        }
    }
    assert_eq!(found, frames);
});
