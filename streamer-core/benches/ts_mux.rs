//! Transport stream packets made of a live stream's frames, and read back.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use streamer_core::codec::{AacConfig, AvcConfig, CodecError};
use streamer_core::container::ts::{TsDemuxer, TsMuxer, TsOptions};
use streamer_core::mux::Muxer;
use streamer_core::{Codec, Frame, Media, Timescale, Timestamp, Track, TrackId, Tracks};

/// Sequence parameter set of Constrained Baseline, level 1, 16 x 16.
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x0a, 0xda, 0x7b, 0x20];
const PPS: &[u8] = &[0x68, 0xce, 0x38, 0x80];
const SECONDS: i64 = 10;

fn frame(track: TrackId, at_ms: i64, sync: bool, payload: usize) -> Media {
    let at = Timestamp::from_millis(at_ms);
    // One slice behind its length, of an IDR picture or another; or a raw AAC frame, at which nobody looks.
    let mut data = u32::try_from(payload).unwrap_or_default().to_be_bytes().to_vec();
    data.push(if sync { 0x65 } else { 0x41 });
    data.resize(payload + 4, 0x55);
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync, data: Bytes::from(data) }))
}

/// 25 pictures a second in GOPs of two seconds, some 2.4 Mbit/s; 47 audio frames a second.
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

fn ts_mux(criterion: &mut Criterion) {
    let Ok(media) = stream() else { return };
    let payload: usize = media
        .iter()
        .map(|media| match media {
            Media::Frame(frame) => frame.data.len(),
            Media::Tracks(_) => 0,
        })
        .sum();

    let mut group = criterion.benchmark_group("ts");
    group.throughput(Throughput::Bytes(payload as u64));
    group.bench_function("mux", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            let mut muxer = TsMuxer::new(TsOptions::default());
            for media in &media {
                let done = muxer.mux(black_box(media), &mut out);
                out.clear();
                black_box(done.is_ok());
            }
        });
    });
    let mut muxer = TsMuxer::new(TsOptions::default());
    let mut packets = Vec::new();
    for media in &media {
        if muxer.mux(media, &mut packets).is_err() {
            return;
        }
    }
    let packets = packets.concat();
    group.bench_function("demux", |bencher| {
        bencher.iter(|| {
            let mut demuxer = TsDemuxer::new();
            for piece in packets.chunks(64 * 1_024) {
                demuxer.push(black_box(piece));
                while let Ok(Some(media)) = demuxer.pull() {
                    black_box(media);
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, ts_mux);
criterion_main!(benches);
