//! How fast the chunk stream of a publisher is read, at the chunk sizes that encoders use.
#![allow(missing_docs)]

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use streamer_rtmp::proto::chunk::{
    ChunkReader, ChunkSize, MessageHeader, MessageKind, ReaderLimits, write_message,
};

/// What one read of a socket brings at most.
const READ_BYTES: usize = 64 * 1024;

/// One second of a stream of some 2.5 Mbit/s: a key frame, 29 other frames, 47 audio frames in between.
fn second(chunk_size: ChunkSize) -> BytesMut {
    let mut out = BytesMut::new();
    let control = MessageHeader {
        chunk_stream: 2,
        message_stream: 0,
        kind: MessageKind::SetChunkSize,
        timestamp_ms: 0,
    };
    let mut write = |header: &MessageHeader, payload: &[u8], chunk_size| {
        // The sizes below are far from the limits, which are all that can go wrong.
        let _ = write_message(header, payload, chunk_size, &mut out);
    };
    write(&control, &chunk_size.get().to_be_bytes(), ChunkSize::DEFAULT);
    for frame in 0..30i64 {
        let len = if frame == 0 { 60_000 } else { 8_000 };
        let video = MessageHeader {
            chunk_stream: 6,
            message_stream: 1,
            kind: MessageKind::Video,
            timestamp_ms: frame * 33,
        };
        write(&video, &vec![0x27; len], chunk_size);
        let audio = MessageHeader { chunk_stream: 4, kind: MessageKind::Audio, ..video };
        for _ in 0..if frame % 2 == 0 { 2 } else { 1 } {
            write(&audio, &vec![0xaf; 350], chunk_size);
        }
    }
    out
}

fn chunk_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk_read");
    for chunk_size in [128, 4096, 60_000].into_iter().filter_map(ChunkSize::new) {
        let input = second(chunk_size);
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(chunk_size.get()), &input, |bencher, input| {
            bencher.iter(|| {
                let mut reader = ChunkReader::new(ReaderLimits::PUBLISHING);
                let mut messages = 0;
                for mut piece in input.chunks(READ_BYTES) {
                    while let Ok(Some(message)) = reader.read(&mut piece) {
                        messages += std::hint::black_box(message).payload.len();
                    }
                }
                messages
            });
        });
    }
    group.finish();
}

criterion_group!(benches, chunk_read);
criterion_main!(benches);
