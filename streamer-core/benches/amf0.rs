//! AMF 0: a `connect` command as a player sends it, and the metadata of a recorded file with its key frames.
#![allow(missing_docs, unreachable_pub, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use streamer_core::container::flv::amf0::{self, Value};

/// Key frames of the metadata: two hours of one every two seconds.
const KEY_FRAMES: u32 = 3_600;

fn named(fields: &[(&str, Value)]) -> Vec<(String, Value)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn connect() -> Vec<Value> {
    let arguments = named(&[
        ("app", Value::from("live")),
        ("flashVer", Value::from("LNX 9,0,124,2")),
        ("tcUrl", Value::from("rtmp://127.0.0.1:1935/live")),
        ("fpad", Value::from(false)),
        ("capabilities", Value::from(15.0)),
        ("audioCodecs", Value::from(4071.0)),
        ("videoCodecs", Value::from(252.0)),
        ("videoFunction", Value::from(1.0)),
        ("fourCcList", Value::StrictArray(["av01", "vp09", "hvc1", "Opus"].map(Value::from).to_vec())),
    ]);
    vec![Value::from("connect"), Value::from(1.0), Value::Object(arguments)]
}

fn metadata() -> Vec<Value> {
    let numbers = |scale: f64| {
        Value::StrictArray((0..KEY_FRAMES).map(|at| Value::from(f64::from(at) * scale)).collect())
    };
    let key_frames = named(&[("times", numbers(2.0)), ("filepositions", numbers(625_000.0))]);
    let fields = named(&[
        ("width", Value::from(1_920.0)),
        ("height", Value::from(1_080.0)),
        ("encoder", Value::from("x")),
        ("keyframes", Value::Object(key_frames)),
    ]);
    vec![Value::from("onMetaData"), Value::EcmaArray(fields)]
}

fn amf0(criterion: &mut Criterion) {
    for (name, values) in [("connect", connect()), ("metadata", metadata())] {
        let bytes = amf0::encode_all(&values);
        let mut group = criterion.benchmark_group(format!("amf0/{name}"));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| amf0::decode_all(black_box(&bytes)));
        });
        group.bench_function("encode", |bencher| bencher.iter(|| amf0::encode_all(black_box(&values))));
        group.finish();
    }
}

criterion_group!(benches, amf0);
criterion_main!(benches);
