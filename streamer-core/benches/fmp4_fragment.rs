//! Fragmented MP4: a part of six frames and a segment of two seconds, written and read.
//!
//! Pictures of 10 kB at 30 per second, of 90 kB at the start of a GOP: 2.6 Mbit/s. Beyond a fixed cost, writing
//! should cost what copying the payload costs.
#![allow(missing_docs, unreachable_pub, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use streamer_core::codec::{AvcConfig, CodecError};
use streamer_core::container::fmp4::{
    Fmp4Error, Fragment, FragmentReader, InitTrack, Sample, TrackRun, init_segment, write_fragment,
};
use streamer_core::{Codec, Timescale};

/// Sequence parameter set of Constrained Baseline, level 1, 16 x 16.
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x0a, 0xda, 0x7b, 0x20];
const PPS: &[u8] = &[0x68, 0xce, 0x38, 0x80];

fn codec() -> Result<Codec, CodecError> {
    let (sps, pps) = (vec![Bytes::from_static(SPS)], vec![Bytes::from_static(PPS)]);
    AvcConfig::from_parameter_sets(sps, pps).map(Codec::H264)
}

/// `count` pictures from the start of a GOP on, as B-frames order them, of sizes that differ.
fn samples(count: usize, first_is_sync: bool) -> Vec<Sample> {
    let sample = |at: usize| {
        let sync = at == 0 && first_is_sync;
        let len = if sync { 90_000 } else { 10_000 + at * 16 };
        let composition_offset = if at.is_multiple_of(3) { 6_000 } else { -3_000 };
        Sample { duration: 3_000, composition_offset, sync, data: Bytes::from(vec![0x65; len]) }
    };
    (0..count).map(sample).collect()
}

fn written(samples: &[Sample], segment_start: bool) -> Result<Bytes, Fmp4Error> {
    let runs = [TrackRun { track_id: 1, base_decode_time: 90_000, samples, protection: None }];
    let (sequence_number, reference_time, events) = (1, None, &[][..]);
    write_fragment(&Fragment { sequence_number, runs: &runs, reference_time, events, segment_start })
}

fn fmp4_fragment(criterion: &mut Criterion) {
    let Ok(codec) = codec() else { return };
    let (id, timescale, start_offset, protection) = (1, Timescale::MPEG, None, None);
    let track = InitTrack { id, timescale, codec: &codec, start_offset, protection };
    let Ok(init) = init_segment(&[track]) else { return };
    let mut group = criterion.benchmark_group("fmp4");
    group.bench_function("init_segment", |bencher| bencher.iter(|| init_segment(black_box(&[track]))));
    for (name, samples) in [("part_of_6", samples(6, false)), ("segment_of_2s", samples(60, true))] {
        let Ok(fragment) = written(&samples, true) else { return };
        group.throughput(Throughput::Bytes(fragment.len() as u64));
        group.bench_function(format!("write_{name}"), |bencher| {
            bencher.iter(|| written(black_box(&samples), true));
        });
        // What no writer can do without.
        group.bench_function(format!("copy_{name}"), |bencher| {
            bencher.iter(|| {
                let mut out = Vec::with_capacity(fragment.len());
                for sample in black_box(&samples) {
                    out.extend_from_slice(&sample.data);
                }
                out
            });
        });
        let file = [&init[..], &fragment].concat();
        group.bench_function(format!("read_{name}"), |bencher| {
            bencher.iter(|| {
                let mut reader = FragmentReader::new();
                for piece in file.chunks(64 * 1_024) {
                    reader.push(black_box(piece));
                    while let Ok(Some(item)) = reader.pull() {
                        black_box(item);
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fmp4_fragment);
criterion_main!(benches);
