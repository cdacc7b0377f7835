//! Sample tables read: ffmpeg's, made by hand, and such as lie.

use proptest::prelude::*;

use super::super::super::boxes::BoxHeader;
use super::super::super::testing::{boxes, golden_file};
use super::super::{FragmentItem, FragmentReader};
use super::*;
use crate::frame::{Frame, Media};

/// The body of the `moov` box of a file.
fn movie_of(file: &[u8]) -> Vec<u8> {
    boxes(file).into_iter().find(|(name, _)| name == "moov").unwrap().1.to_vec()
}

/// The frames of ffmpeg's fragmented file.
fn frames() -> Vec<Frame> {
    let mut reader = FragmentReader::new();
    reader.push(&golden_file("ffmpeg_h264_aac.mp4"));
    let mut frames = Vec::new();
    while let Some(item) = reader.pull().unwrap() {
        if let FragmentItem::Media(Media::Frame(frame)) = item {
            frames.push(Frame::clone(&frame));
        }
    }
    frames
}

/// What both a frame and a sample with its bytes say.
type Seen = (i64, i64, bool, Vec<u8>);

fn expect_frames(index: &MovieIndex, at: usize, file: &[u8], samples: &[FileSample]) {
    let id = index.tracks().nth(at).unwrap().id;
    let expected: Vec<Seen> = frames()
        .into_iter()
        .filter(|frame| frame.track == id)
        .map(|frame| (frame.dts.ticks(), frame.pts.ticks(), frame.sync, frame.data.to_vec()))
        .collect();
    let found: Vec<Seen> = samples
        .iter()
        .map(|sample| {
            let begin = usize::try_from(sample.offset).unwrap();
            let data = file[begin..begin + sample.size as usize].to_vec();
            (sample.dts, sample.pts, sample.sync, data)
        })
        .collect();
    assert_eq!(found, expected, "{id}");
}

#[test]
fn tables_lead_to_what_fragments_hold() {
    for name in ["ffmpeg_progressive.mp4", "ffmpeg_quicktime.mov"] {
        let file = golden_file(name);
        let index = MovieIndex::read(movie_of(&file).into()).unwrap();
        let tracks: Vec<_> =
            index.tracks().map(|track| (track.codec.name(), track.timescale.ticks_per_second())).collect();
        assert_eq!(tracks, [("H264", 15_360), ("AAC", 48_000)], "{name}");
        for at in 0..2 {
            let samples: Vec<FileSample> = index.samples(at).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(index.samples(at).unwrap().announced(), samples.len());
            expect_frames(&index, at, &file, &samples);
        }
        let language = index.tracks().nth(1).unwrap().language;
        assert_eq!(language, name.ends_with("mp4").then_some(*b"fra"));
        assert!(index.samples(2).is_err());
    }
}

#[test]
fn fragments_are_listed_without_their_media() {
    let file = golden_file("ffmpeg_h264_aac.mp4");
    let mut index = MovieIndex::read(movie_of(&file).into()).unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while let Some(BoxHeader { kind, size, header_bytes }) = BoxHeader::parse(&file[at..]).unwrap() {
        let end = at + usize::try_from(size.unwrap()).unwrap();
        if kind == *b"moof" {
            found.extend(index.read_fragment(&file[at + header_bytes..end], at as u64).unwrap());
        }
        at = end;
    }
    for track in 0..2 {
        assert_eq!(index.samples(track).unwrap().count(), 0, "nothing in the tables");
        let samples: Vec<_> =
            found.iter().filter(|(at, _)| *at == track).map(|(_, sample)| *sample).collect();
        expect_frames(&index, track, &file, &samples);
        let lasts = |pair: &[FileSample]| pair[0].dts + i64::from(pair[0].duration) == pair[1].dts;
        assert!(samples.windows(2).all(lasts));
    }
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A table: version and flags, the number of entries, the entries.
fn table(kind: &[u8; 4], count: u32, entries: &[u32]) -> Vec<u8> {
    boxed(kind, &[words(&[0, count]), words(entries)].concat())
}

/// ffmpeg's movie with another sample table for its video track.
fn movie_with(tables: &[Vec<u8>]) -> MovieIndex {
    let mut movie = movie_of(&golden_file("ffmpeg_progressive.mp4"));
    let mut stbl = Vec::new();
    {
        let index = MovieIndex::read(movie.clone().into()).unwrap();
        let (begin, len) = index.movie.media[0].table;
        let held = boxes(&movie[begin..begin + len]);
        stbl.extend(boxed(b"stsd", held[0].1));
        stbl.extend(tables.concat());
        let grown = stbl.len() as i64 - len as i64;
        movie.splice(begin..begin + len, stbl);
        // stbl, minf, mdia, trak: the first of each is the video's.
        for name in [b"stbl", b"minf", b"mdia", b"trak"] {
            let at = movie.windows(4).position(|found| found == name).unwrap() - 4;
            let size = i64::from(u32::from_be_bytes(movie[at..at + 4].try_into().unwrap())) + grown;
            movie[at..at + 4].copy_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
        }
    }
    MovieIndex::read(movie.into()).unwrap()
}

fn samples_of(tables: &[Vec<u8>]) -> Result<Vec<FileSample>, Fmp4Error> {
    movie_with(tables).samples(0)?.collect()
}

/// Five samples in chunks of two, two and one.
fn usual() -> [Vec<u8>; 4] {
    [
        table(b"stts", 2, &[2, 10, 3, 20]),
        table(b"stsc", 2, &[1, 2, 1, 3, 1, 1]),
        table(b"stco", 3, &[100, 200, 300]),
        boxed(b"stsz", &words(&[0, 0, 5, 1, 2, 3, 4, 5])),
    ]
}

#[test]
fn runs_chunks_and_sizes_by_hand() {
    let [stts, stsc, _, _] = usual();
    let offsets = boxed(b"co64", &words(&[0, 3, 0, 100, 1, 0, 0, 300]));
    let ctts = table(b"ctts", 2, &[4, 7, 1, u32::MAX]);
    let stss = table(b"stss", 2, &[1, 4]);
    let stz2 = boxed(b"stz2", &[words(&[0, 4, 5]), vec![0x12, 0x34, 0x50]].concat());
    let found = samples_of(&[stts, stsc, offsets, ctts, stss, stz2]).unwrap();
    let shift = found[0].dts;
    let seen: Vec<_> =
        found.iter().map(|s| (s.offset, s.size, s.dts - shift, s.pts - shift, s.duration, s.sync)).collect();
    let high = 1 << 32;
    let expected = [
        (100, 1, 0, 7, 10, true),
        (101, 2, 10, 17, 10, false),
        (high, 3, 20, 27, 20, false),
        (high + 3, 4, 40, 47, 20, true),
        (300, 5, 60, 59, 20, false),
    ];
    assert_eq!(seen, expected);
    for (bits, bytes) in [(8, vec![1, 2, 3, 4, 5]), (16, vec![0, 1, 0, 2, 0, 3, 0, 4, 0, 5])] {
        let [stts, stsc, stco, _] = usual();
        let stz2 = boxed(b"stz2", &[words(&[0, bits, 5]), bytes].concat());
        let sizes: Vec<_> = samples_of(&[stts, stsc, stco, stz2]).unwrap().iter().map(|s| s.size).collect();
        assert_eq!(sizes, [1, 2, 3, 4, 5]);
    }
    let all = samples_of(&usual()).unwrap();
    assert!(all.len() == 5 && all.iter().all(|sample| sample.sync), "without stss");
}

#[test]
fn tables_that_lie_are_told() {
    let with = |at: usize, other: Vec<u8>| {
        let mut tables = usual();
        tables[at] = other;
        samples_of(&tables)
    };
    let short = |table, sample| Err(Fmp4Error::Short { table, sample });
    assert_eq!(with(0, table(b"stts", 1, &[4, 10])), short("stts", 4));
    assert_eq!(with(2, table(b"stco", 2, &[100, 200])), short("stco", 4));
    assert_eq!(with(1, table(b"stsc", 0, &[])), short("stsc", 0));
    assert_eq!(with(1, table(b"stsc", 1, &[1, 0, 1])), short("stco", 0));
    let field = |field, value| Err(Fmp4Error::Field { structure: "stsc", field, value });
    assert_eq!(with(1, table(b"stsc", 1, &[2, 5, 1])), field("first_chunk", 2));
    assert_eq!(with(1, table(b"stsc", 1, &[1, 5, 2])), field("sample_description_index", 2));
    // Counts past what is there.
    for (at, kind) in [(0, b"stts"), (1, b"stsc"), (2, b"stco")] {
        let refused = with(at, table(kind, u32::MAX, &[1, 1, 1]));
        assert!(matches!(refused, Err(Fmp4Error::Truncated { .. })), "{refused:?}");
    }
    let refused = with(3, boxed(b"stsz", &words(&[0, 0, u32::MAX, 1])));
    assert!(matches!(refused, Err(Fmp4Error::Truncated { structure: "stsz", .. })));
    let refused = with(3, boxed(b"stz2", &words(&[0, 16, u32::MAX])));
    assert!(matches!(refused, Err(Fmp4Error::Truncated { structure: "stz2", .. })));
    assert!(matches!(with(3, boxed(b"stz2", &words(&[0, 7, 1]))), Err(Fmp4Error::Field { value: 7, .. })));
    for at in 0..4 {
        assert!(matches!(with(at, boxed(b"free", &[])), Err(Fmp4Error::Missing { structure: "stbl", .. })));
    }
}

#[test]
fn sizes_of_samples_at_their_limit() {
    let with = |size: usize| {
        let mut tables = usual();
        tables[3] = boxed(b"stsz", &words(&[0, u32::try_from(size).unwrap(), 5]));
        samples_of(&tables)
    };
    assert_eq!(with(MAX_SAMPLE_BYTES).unwrap().len(), 5);
    assert!(matches!(with(MAX_SAMPLE_BYTES + 1), Err(Fmp4Error::Limit { .. })));
    // A count of samples of one size costs nothing until they are gone through, and ends with the chunks.
    let mut tables = usual();
    tables[3] = boxed(b"stsz", &words(&[0, 1, u32::MAX]));
    assert_eq!(movie_with(&tables).samples(0).unwrap().announced(), u32::MAX as usize);
    assert_eq!(samples_of(&tables), Err(Fmp4Error::Short { table: "stco", sample: 5 }));
}

#[test]
fn headers_of_boxes() {
    let parse = |bytes: &[u8]| BoxHeader::parse(bytes);
    let header = |size, header_bytes| Ok(Some(BoxHeader { kind: *b"moov", size, header_bytes }));
    assert_eq!(parse(b"\0\0\0\x08moov"), header(Some(8), 8));
    assert_eq!(parse(b"\0\0\0\0moov"), header(None, 8));
    assert_eq!(parse(b"\0\0\0\x01moov\x80\0\0\0\0\0\0\0"), header(Some(1 << 63), 16));
    assert_eq!(parse(b"\0\0\0\x08moo"), Ok(None));
    assert_eq!(parse(b"\0\0\0\x01moov\0\0\0\0\0\0\0"), Ok(None));
    assert!(parse(b"\0\0\0\x07moov").is_err());
    assert!(parse(b"\0\0\0\x01moov\0\0\0\0\0\0\0\x0f").is_err());
}

proptest! {
    #[test]
    fn no_damage_panics_or_makes_samples_up(places in proptest::collection::vec((0usize..2_000, any::<u8>()), 1..30)) {
        let mut movie = movie_of(&golden_file("ffmpeg_progressive.mp4"));
        for (at, byte) in places {
            let at = at % movie.len();
            movie[at] = byte;
        }
        if let Ok(index) = MovieIndex::read(movie.into()) {
            for at in 0..index.tracks().count() {
                let Ok(samples) = index.samples(at) else { continue };
                let announced = samples.announced();
                // Samples of nothing take no table's room; whoever goes through them bounds their number.
                prop_assert!(samples.take(100_000).count() <= announced);
            }
        }
    }
}
