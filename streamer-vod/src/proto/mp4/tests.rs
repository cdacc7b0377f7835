//! Files indexed: our own, ffmpeg's, cut off, and such as lie.

use std::path::Path;

use proptest::prelude::*;
use streamer_core::container::fmp4::{Fmp4MuxOptions, Fmp4Muxer};
use streamer_core::testing::Synthetic;
use streamer_core::{Media, Muxer};

use super::super::index::MAX_SAMPLES;
use super::*;

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn index(file: &[u8]) -> Result<AssetIndex, IndexError> {
    index_mp4(&Bytes::copy_from_slice(file))
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

/// The media of a file that our muxer made of a synthetic stream, and the file.
fn muxed(frames: usize) -> (Vec<Media>, Vec<u8>) {
    let mut muxer = Fmp4Muxer::new(Fmp4MuxOptions::default());
    let (mut media, mut out) = (Vec::new(), Vec::new());
    for item in Synthetic::new(25, 60).unwrap().take(frames) {
        muxer.mux(&item, &mut out).unwrap();
        media.push(item);
    }
    muxer.finish(&mut out).unwrap();
    (media, out.concat())
}

#[test]
fn what_our_muxer_writes_is_found_again() {
    let (media, file) = muxed(1_000);
    let found = index(&file).unwrap();
    let kinds: Vec<_> = found.tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!(kinds, ["H264", "AAC"]);
    for track in &found.tracks {
        let frames: Vec<_> = media
            .iter()
            .filter_map(|media| match media {
                Media::Frame(frame) if frame.track == track.id => Some(frame),
                _ => None,
            })
            .collect();
        assert_eq!(track.samples.count() as usize, frames.len());
        for (sample, frame) in track.samples.from(0).zip(frames) {
            let begin = usize::try_from(sample.offset).unwrap();
            assert_eq!(&file[begin..begin + sample.size as usize], &frame.data[..]);
            let expected = (frame.dts.ticks(), frame.pts.ticks(), frame.sync);
            assert_eq!((sample.dts, sample.pts, sample.sync), expected);
        }
    }
    let video = &found.tracks[0];
    assert!(video.syncs.iter().all(|sync| sync.sample.is_multiple_of(25)) && video.syncs.len() > 10);
}

#[test]
fn progressive_and_fragmented_files_have_the_same_samples() {
    let seen = |name: &str| {
        let index = index(&golden(name)).unwrap();
        let times = |sample: FileSample| (sample.dts, sample.pts, sample.size, sample.sync);
        let tracks = index.tracks.iter();
        tracks.map(|track| track.samples.from(0).map(times).collect()).collect::<Vec<Vec<_>>>()
    };
    let fragmented = seen("ffmpeg_h264_aac.mp4");
    assert_eq!(fragmented, seen("ffmpeg_progressive.mp4"));
    assert_eq!(fragmented, seen("ffmpeg_quicktime.mov"));
    assert_eq!(fragmented[0].len(), 10);
}

#[test]
fn the_structure_is_read_in_few_pieces_without_the_media() {
    let file = Bytes::from(golden("ffmpeg_progressive.mp4"));
    // The same file with media of some megabytes in front, which the box of the media covers.
    let at = file.windows(4).position(|name| name == b"mdat").unwrap() - 4;
    let padding = 5 << 20;
    let free = boxed(b"free", &vec![0; padding - 8]);
    let padded = Bytes::from([&file[..at], &free, &file[at..]].concat());
    let mut indexer = Mp4Indexer::new(padded.len() as u64);
    let (mut reads, mut bytes) = (0, 0);
    while let Some(wanted) = indexer.wanted() {
        reads += 1;
        bytes += wanted.end - wanted.start;
        let range = usize::try_from(wanted.start).unwrap()..usize::try_from(wanted.end).unwrap();
        indexer.supply(padded.slice(range)).unwrap();
    }
    assert!(reads <= 4 && bytes < 20_000, "{reads} reads of {bytes} bytes");
}

#[test]
fn a_file_that_is_cut_off_is_refused_or_plays_to_where_it_goes() {
    let progressive = golden("ffmpeg_progressive.mp4");
    for len in 0..progressive.len() {
        let refused = index(&progressive[..len]);
        assert!(refused.is_err(), "{len}");
    }
    let fragmented = golden("ffmpeg_h264_aac.mp4");
    let mut before = 0;
    for len in 0..fragmented.len() {
        let Ok(found) = index(&fragmented[..len]) else { continue };
        let count = found.tracks.iter().map(|track| track.samples.count()).sum();
        assert!(count >= before);
        before = count;
    }
    assert!(before > 20);
    let mut indexer = Mp4Indexer::new(1_000);
    let shorter = indexer.supply(Bytes::from(vec![0; 999]));
    assert!(matches!(shorter, Err(IndexError::CutOff { needed_bytes: 1_000, .. })));
}

#[test]
fn boxes_that_lie_are_told_with_their_place() {
    let file = golden("ffmpeg_progressive.mp4");
    let ftyp = &file[..32];
    let large = |kind: &[u8; 4], size: u64| [&1u32.to_be_bytes()[..], kind, &size.to_be_bytes()].concat();
    let of = |second: Vec<u8>| index(&[ftyp, &second].concat());
    assert!(matches!(
        of(large(b"moov", 1 << 63)),
        Err(IndexError::Mp4 { offset: 32, source: Fmp4Error::Limit { value: 0x8000_0000_0000_0000, .. } })
    ));
    assert!(matches!(of(large(b"moov", MAX_MOVIE_BYTES)), Err(IndexError::CutOff { offset: 32, .. })));
    assert!(matches!(of(large(b"moov", MAX_MOVIE_BYTES + 1)), Err(IndexError::Mp4 { offset: 32, .. })));
    assert!(matches!(of(large(b"mdat", u64::MAX)), Err(IndexError::NoMedia { .. })));
    assert!(matches!(of(b"\0\0\0\x07moov".to_vec()), Err(IndexError::Mp4 { offset: 32, .. })));
    assert!(matches!(of(boxed(b"moof", &[])), Err(IndexError::Mp4 { offset: 32, .. })));
    // Boxes within boxes without end are not followed.
    let mut nested = boxed(b"moov", &[]);
    for _ in 0..10_000 {
        nested = boxed(b"moov", &nested);
    }
    assert!(of(nested).is_err());
    assert!(matches!(index(&[]), Err(IndexError::NoMedia { .. })));
    assert!(matches!(index(b"not an mp4 file at all, but long enough"), Err(IndexError::NoMedia { .. })));
}

#[test]
fn samples_behind_the_end_are_told() {
    let file = golden("ffmpeg_progressive.mp4");
    let mut lying = file.clone();
    let at = lying.windows(4).position(|name| name == b"stco").unwrap();
    lying[at + 12..at + 16].copy_from_slice(&u32::MAX.to_be_bytes());
    let refused = index(&lying);
    assert!(
        matches!(refused, Err(IndexError::OutsideFile { sample: 0, offset: 0xffff_ffff, .. })),
        "{refused:?}"
    );
}

#[test]
fn boxes_at_their_limit() {
    let movie = golden("ffmpeg_progressive.mp4");
    let with = |count: usize| index(&[movie.clone(), boxed(b"free", &[]).repeat(count)].concat());
    let held = 4; // ftyp, free, mdat, moov
    assert!(with(MAX_BOXES as usize - held).is_ok());
    let past = with(MAX_BOXES as usize - held + 1);
    assert!(matches!(past, Err(IndexError::Limit { what: "boxes of the file", .. })), "{past:?}");
}

/// ffmpeg's file with `count` samples of `size` bytes each in its video track, all in one chunk, and media for them.
fn many_samples(size: u32, count: u32, media_bytes: usize) -> Vec<u8> {
    let mut file = golden("ffmpeg_progressive.mp4");
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    for (name, body) in [
        (b"stts", words(&[0, 1, count, 512])),
        (b"stsz", words(&[0, size, count])),
        (b"stsc", words(&[0, 1, 1, count, 1])),
    ] {
        let at = file.windows(4).position(|found| found == name).unwrap() - 4;
        let held = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        // What is left of the room is a box of no interest.
        let mut replaced = boxed(name, &body);
        if replaced.len() < held {
            replaced.extend(boxed(b"free", &vec![0; held - replaced.len() - 8]));
        }
        file[at..at + held].copy_from_slice(&replaced);
    }
    file.extend(boxed(b"free", &vec![0; media_bytes]));
    file
}

#[test]
fn samples_at_their_limit() {
    let past = u32::try_from(MAX_SAMPLES + 1).unwrap();
    let refused = index(&many_samples(1, past, past as usize));
    assert!(matches!(refused, Err(IndexError::Limit { what: "samples", .. })), "{refused:?}");
    let outside = index(&many_samples(1, u32::MAX, 1_000));
    assert!(matches!(outside, Err(IndexError::OutsideFile { .. })), "{outside:?}");
}

proptest! {
    #[test]
    fn no_damage_panics_and_samples_lie_in_the_file(
        which in 0usize..3,
        places in proptest::collection::vec((0usize..6_000, any::<u8>()), 1..30),
    ) {
        let mut file = golden(["ffmpeg_h264_aac.mp4", "ffmpeg_progressive.mp4", "ffmpeg_quicktime.mov"][which]);
        for (at, byte) in places {
            let at = at % file.len();
            file[at] = byte;
        }
        if let Ok(found) = index(&file) {
            for sample in found.tracks.iter().flat_map(|track| track.samples.from(0)) {
                prop_assert!(sample.offset + u64::from(sample.size) <= file.len() as u64);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = index(&boxed(b"moov", &bytes));
        let _ = index(&bytes);
    }
}
