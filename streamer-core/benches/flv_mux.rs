//! FLV: ten seconds of a stream of 2.5 Mbit/s through the muxers and the demuxer.
//!
//! What it shows is the cost for each frame; it should not depend on how large frames are, but for the
//! demuxer's one copy out of the caller's buffer.
#![allow(missing_docs, unreachable_pub, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use streamer_core::codec::{AacConfig, AvcConfig, CodecError};
use streamer_core::container::flv::{
    FlvFileDemuxer, FlvMuxer, MessageDemuxer, MessageKind, MessageMuxer, MuxOptions, flv_header,
};
use streamer_core::mux::Muxer;
use streamer_core::{Codec, Frame, Media, Timescale, Timestamp, Track, TrackId, Tracks};

/// Sequence parameter set of Constrained Baseline, level 1, 16 x 16.
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x0a, 0xda, 0x7b, 0x20];
const PPS: &[u8] = &[0x68, 0xce, 0x38, 0x80];
const SECONDS: i64 = 10;

fn frame(track: TrackId, at_ms: i64, sync: bool, payload: usize) -> Media {
    let at = Timestamp::from_millis(at_ms);
    // One NAL unit behind its length, or a raw AAC frame: nobody looks.
    let mut data = u32::try_from(payload).unwrap_or_default().to_be_bytes().to_vec();
    data.resize(payload + 4, 0x65);
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync, data: Bytes::from(data) }))
}

/// 25 pictures a second in GOPs of two seconds, 47 audio frames a second.
fn stream() -> Result<Vec<Media>, CodecError> {
    let (video, audio) = (TrackId::video(0), TrackId::audio(0));
    let avc = AvcConfig::from_parameter_sets(vec![Bytes::from_static(SPS)], vec![Bytes::from_static(PPS)])?;
    let track = |id, codec| Track { id, timescale: Timescale::MILLIS, codec };
    let list = vec![track(video, Codec::H264(avc)), track(audio, Codec::Aac(AacConfig::new(2, 48_000, 2)?))];
    let mut media = vec![Media::Tracks(Arc::new(Tracks { list, metadata: Vec::new() }))];
    let mut next_audio = 0;
    for at_ms in (0..SECONDS * 1_000).step_by(40) {
        let sync = at_ms % 2_000 == 0;
        media.push(frame(video, at_ms, sync, if sync { 90_000 } else { 10_000 }));
        while next_audio * 1_024 / 48 < at_ms + 40 {
            media.push(frame(audio, next_audio * 1_024 / 48, true, 340));
            next_audio += 1;
        }
    }
    Ok(media)
}

fn flv_mux(criterion: &mut Criterion) {
    let Ok(media) = stream() else { return };
    let mut muxer = FlvMuxer::new(MuxOptions::default());
    let mut tags = vec![Bytes::copy_from_slice(&flv_header(true, true))];
    for media in &media {
        if muxer.mux(media, &mut tags).is_err() {
            return;
        }
    }
    let file = tags.concat();

    let mut group = criterion.benchmark_group("flv");
    group.throughput(Throughput::Elements(media.len() as u64));
    group.bench_function("mux_messages", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            let mut muxer = MessageMuxer::new(MuxOptions::default());
            for media in &media {
                muxer.mux(black_box(media), &mut out);
                out.clear();
            }
        });
    });
    group.bench_function("mux_tags", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            let mut muxer = FlvMuxer::new(MuxOptions::default());
            for media in &media {
                let done = muxer.mux(black_box(media), &mut out);
                out.clear();
                black_box(done.is_ok());
            }
        });
    });
    group.bench_function("demux_messages", |bencher| {
        let mut muxer = MessageMuxer::new(MuxOptions::default());
        let mut messages = Vec::new();
        for media in &media {
            muxer.mux(media, &mut messages);
        }
        let bodies: Vec<_> = messages
            .iter()
            .map(|message| {
                let body = Bytes::from([message.head(), &message.payload].concat());
                (message.kind, message.timestamp_ms, body)
            })
            .collect();
        let mut out = Vec::new();
        bencher.iter(|| {
            let mut demuxer = MessageDemuxer::new();
            for (kind, at, body) in &bodies {
                let done = match kind {
                    MessageKind::Audio => demuxer.push_audio(*at, body.clone(), &mut out),
                    MessageKind::Video => demuxer.push_video(*at, body.clone(), &mut out),
                    MessageKind::Data => demuxer.push_data(*at, body, &mut out),
                };
                out.clear();
                black_box(done.is_ok());
            }
        });
    });
    group.bench_function("demux_file", |bencher| {
        bencher.iter(|| {
            let mut demuxer = FlvFileDemuxer::new();
            for piece in file.chunks(64 * 1_024) {
                demuxer.push(black_box(piece));
                while let Ok(Some(media)) = demuxer.pull() {
                    black_box(media);
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, flv_mux);
criterion_main!(benches);
