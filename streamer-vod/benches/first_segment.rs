//! How long the first segment of a large file takes, from nothing known of it, and one that is in memory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench ends where it cannot go on"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::Request;
use http_body_util::BodyExt;
use streamer_vod::{Vod, VodOptions};
use tokio::runtime::Runtime;

/// An hour of 30 pictures and 47 audio frames a second, of 2 GiB together.
const SECONDS: u32 = 3_600;
const PICTURES: u32 = 30 * SECONDS;
const PICTURE_BYTES: u32 = 19_000;
const SOUNDS: u32 = 168_750;
const SOUND_BYTES: u32 = 340;

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// The body of the box that stands at the end of `path` in `data`.
fn at<'a>(data: &'a [u8], path: &[&[u8; 4]]) -> &'a [u8] {
    let Some((first, rest)) = path.split_first() else { return data };
    let mut data = data;
    loop {
        let size = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        if data[4..8] == first[..] {
            return at(&data[8..size], rest);
        }
        data = &data[size..];
    }
}

/// A track of `count` samples of one size, in chunks of a second each, from the description of another file's.
fn track(
    like: &[u8],
    id: u32,
    scale: u32,
    (count, size, per_second): (u32, u32, u32),
    begin: u32,
    sync: Option<u32>,
) -> Vec<u8> {
    let description = boxed(b"stsd", at(like, &[b"mdia", b"minf", b"stbl", b"stsd"]));
    let chunks = count.div_ceil(per_second);
    let chunk = PICTURE_BYTES * 30 + SOUND_BYTES * 47;
    let mut table = description;
    table.extend(boxed(b"stts", &words([0, 1, count, scale / per_second])));
    table.extend(boxed(b"stsc", &words([0, 1, 1, per_second, 1])));
    table.extend(boxed(b"stsz", &words([0, 0, count].into_iter().chain((0..count).map(|_| size)))));
    table.extend(boxed(
        b"stco",
        &words([0, chunks].into_iter().chain((0..chunks).map(|at| begin + at % SECONDS * chunk))),
    ));
    if let Some(every) = sync {
        let syncs = count.div_ceil(every);
        table.extend(boxed(
            b"stss",
            &words([0, syncs].into_iter().chain((0..syncs).map(|at| at * every + 1))),
        ));
    }
    let media =
        [boxed(b"mdhd", &words([0, 0, 0, scale, 0, 0])), boxed(b"minf", &boxed(b"stbl", &table))].concat();
    boxed(b"trak", &[boxed(b"tkhd", &words([0, 0, 0, id, 0, 0])), boxed(b"mdia", &media)].concat())
}

/// A file of 2 GiB that takes almost no room on the disk.
fn write_large(path: &Path) {
    let small = include_bytes!("../testdata/ffmpeg_progressive.mp4");
    let movie = at(small, &[b"moov"]);
    let video = at(movie, &[b"trak"]);
    let behind = movie.windows(4).rposition(|name| name == b"trak").unwrap();
    let audio = &movie[behind + 4..];
    let begin = 64;
    let tracks = [
        track(video, 1, 90_000, (PICTURES, PICTURE_BYTES, 30), begin, Some(60)),
        track(audio, 2, 48_000, (SOUNDS, SOUND_BYTES, 47), begin + PICTURE_BYTES * 30, None),
    ];
    let moov = boxed(b"moov", &[boxed(b"mvhd", &words([0, 0, 0, 1_000, 0])), tracks.concat()].concat());
    let media = u64::from(SECONDS) * u64::from(PICTURE_BYTES * 30 + SOUND_BYTES * 47);
    let mut file = File::create(path).unwrap();
    file.write_all(&boxed(b"ftyp", b"isom\0\0\0\0")).unwrap();
    file.write_all(&u32::try_from(media + 64).unwrap().to_be_bytes()).unwrap();
    file.write_all(b"mdat").unwrap();
    let end = 16 + media + 64;
    std::os::unix::fs::FileExt::write_all_at(&file, &moov, end).unwrap();
}

async fn get(vod: &Vod, path: &str) -> Vec<u8> {
    let (parts, body) = vod.answer(Request::get(path).body(()).unwrap()).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    assert_eq!(parts.status, 200, "{}", String::from_utf8_lossy(&body));
    body
}

/// The first segment of a rendition, found as a player finds it.
async fn first(vod: &Vod, rendition: &str) -> usize {
    let folder = format!("/vod/large.mp4/media/{rendition}");
    let playlist = String::from_utf8(get(vod, &format!("{folder}/index.m3u8")).await).unwrap();
    let uri = playlist.lines().find(|line| !line.starts_with('#')).unwrap();
    get(vod, &format!("{folder}/{uri}")).await.len()
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    write_large(&folder.path().join("large.mp4"));
    let runtime = Runtime::new().unwrap();
    let open = || {
        Vod::open(VodOptions { roots: vec![folder.path().to_path_buf()], ..VodOptions::default() }).unwrap()
    };
    for rendition in ["0-video0", "0-audio0", "0-ts"] {
        criterion.bench_function(&format!("first segment of 2 GiB, nothing known: {rendition}"), |bencher| {
            bencher.iter_batched(
                open,
                |vod| runtime.block_on(first(&vod, rendition)),
                BatchSize::PerIteration,
            );
        });
    }
    let vod = open();
    criterion.bench_function("a segment in memory", |bencher| {
        bencher.iter(|| runtime.block_on(first(&vod, "0-video0")));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
