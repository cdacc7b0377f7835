//! How fast a frame becomes chunks, payload copied and payload shared.
#![allow(missing_docs)]

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use streamer_rtmp::proto::chunk::{
    ChunkSize, MessageHeader, MessageKind, write_message, write_message_slices,
};

const HEADER: MessageHeader =
    MessageHeader { chunk_stream: 6, message_stream: 1, kind: MessageKind::Video, timestamp_ms: 40 };

fn chunk_write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk_write");
    let payload = Bytes::from(vec![0x27u8; 10_000]);
    group.throughput(Throughput::Bytes(payload.len() as u64));
    for chunk_size in [128, 4096, 60_000].into_iter().filter_map(ChunkSize::new) {
        group.bench_with_input(BenchmarkId::new("copied", chunk_size.get()), &payload, |bencher, payload| {
            let mut out = BytesMut::new();
            bencher.iter(|| {
                out.clear();
                let written = write_message(&HEADER, payload, chunk_size, &mut out);
                std::hint::black_box((&out, written.is_ok()));
            });
        });
        group.bench_with_input(BenchmarkId::new("shared", chunk_size.get()), &payload, |bencher, payload| {
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                let written =
                    write_message_slices(&HEADER, std::slice::from_ref(payload), chunk_size, &mut out);
                std::hint::black_box((&out, written.is_ok()));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, chunk_write);
criterion_main!(benches);
