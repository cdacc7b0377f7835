//! Streams cut into fragments.

use super::super::testing::{aac, at, avc, names, payload};
use super::*;

const VIDEO: TrackId = TrackId::video(0);
const AUDIO: TrackId = TrackId::audio(0);

fn tracks(list: &[(TrackId, Codec)]) -> Media {
    let list = list.iter().cloned();
    let list = list.map(|(id, codec)| Track { id, timescale: Timescale::MILLIS, codec }).collect();
    Media::Tracks(Arc::new(Tracks { list, metadata: Vec::new() }))
}

fn frame(track: TrackId, at_ms: i64, sync: bool) -> Media {
    sized(track, at_ms, sync, payload(10))
}

fn sized(track: TrackId, at_ms: i64, sync: bool, data: Bytes) -> Media {
    let at = Timestamp::from_millis(at_ms);
    Media::Frame(Arc::new(Frame { track, dts: at, pts: at, sync, data }))
}

/// What comes out for each element, and at the end.
fn mux(options: Fmp4MuxOptions, media: &[Media]) -> Vec<Vec<Bytes>> {
    let mut muxer = Fmp4Muxer::new(options);
    let mut all = Vec::new();
    for media in media {
        let mut out = Vec::new();
        muxer.mux(media, &mut out).unwrap();
        all.push(out);
    }
    let mut out = Vec::new();
    muxer.finish(&mut out).unwrap();
    all.push(out);
    all
}

/// Track, decode time and number of samples of each run of a fragment.
fn runs(fragment: &[u8]) -> Vec<(u8, u64, u8)> {
    let mut moof = at(fragment, "moof");
    let mut found = Vec::new();
    moof = &moof[16..];
    while !moof.is_empty() {
        let traf = at(moof, "traf");
        let base = u64::from_be_bytes(at(traf, "tfdt")[4..].try_into().unwrap());
        found.push((at(traf, "tfhd")[7], base, at(traf, "trun")[7]));
        moof = &moof[traf.len() + 8..];
    }
    found
}

#[test]
fn a_fragment_for_each_gop() {
    let mut media = vec![tracks(&[(VIDEO, avc()), (AUDIO, aac())])];
    for at_ms in (0..400).step_by(40) {
        media.push(frame(VIDEO, at_ms, at_ms % 200 == 0));
        media.push(frame(AUDIO, at_ms + 10, true));
    }
    let out = mux(Fmp4MuxOptions::default(), &media);
    assert_eq!(names(&out[0].concat()), ["ftyp", "moov"]);
    let written: Vec<_> = out.iter().enumerate().skip(1).filter(|(_, bytes)| !bytes.is_empty()).collect();
    let at_index: Vec<_> = written.iter().map(|(at, bytes)| (*at, runs(&bytes.concat()))).collect();
    // The second GOP begins with the eleventh frame; the audio before it waits for its duration.
    let first = (11, vec![(1, 0, 5), (2, 10, 4)]);
    assert_eq!(at_index, [first, (21, vec![(1, 200, 5), (2, 170, 6)])]);
    let sequence = |at: usize| at_index.get(at).map(|(index, _)| out[*index].concat());
    assert_eq!(at(&sequence(0).unwrap(), "moof/mfhd")[4..], [0, 0, 0, 1]);
    assert_eq!(at(&sequence(1).unwrap(), "moof/mfhd")[4..], [0, 0, 0, 2]);
}

#[test]
fn durations_are_the_distances_and_the_last_one_is_taken_over() {
    let media: Vec<_> = [tracks(&[(VIDEO, avc())])]
        .into_iter()
        .chain([0, 40, 100].map(|at_ms| frame(VIDEO, at_ms, at_ms == 0)))
        .collect();
    let out = mux(Fmp4MuxOptions::default(), &media);
    let trun = at(&out[4][0], "moof/traf/trun").to_vec();
    let durations: Vec<u8> = trun[16..].chunks(4).map(|word| word[3]).collect();
    assert_eq!(durations, [40, 60, 60]);
    // Of a single frame the configuration tells it: 1024 samples at 44.1 kHz.
    let out = mux(Fmp4MuxOptions::default(), &[tracks(&[(AUDIO, aac())]), frame(AUDIO, 0, true)]);
    assert_eq!(at(&out[2][0], "moof/traf/tfhd")[11], 23);
}

#[test]
fn a_fragment_for_each_stretch_of_time() {
    let fragment = Some(Duration::from_millis(80));
    let media: Vec<_> = [tracks(&[(VIDEO, avc())])]
        .into_iter()
        .chain((0..5).map(|number| frame(VIDEO, number * 40, number == 0 || number == 3)))
        .collect();
    let out = mux(Fmp4MuxOptions { fragment }, &media).concat();
    let found: Vec<_> = out[1..].iter().flat_map(|bytes| runs(bytes)).collect();
    assert_eq!(found, [(1, 0, 2), (1, 80, 1), (1, 120, 2)]);
    // Audio alone has no GOPs: a second each.
    let media: Vec<_> = [tracks(&[(AUDIO, aac())])]
        .into_iter()
        .chain((0..30).map(|number| frame(AUDIO, number * 100, true)))
        .collect();
    let out = mux(Fmp4MuxOptions::default(), &media).concat();
    let found: Vec<_> = out[1..].iter().flat_map(|bytes| runs(bytes)).collect();
    assert_eq!(found, [(1, 0, 10), (1, 1_000, 10), (1, 2_000, 10)]);
}

#[test]
fn new_tracks_begin_with_a_new_init_segment() {
    let both = tracks(&[(VIDEO, avc()), (AUDIO, aac())]);
    let media =
        [both.clone(), frame(VIDEO, 0, true), both, tracks(&[(AUDIO, aac())]), frame(AUDIO, 40, true)];
    let out = mux(Fmp4MuxOptions::default(), &media);
    assert!(out[2].is_empty(), "the same tracks again are nothing new");
    let all: Vec<_> = names(&out.concat().concat());
    assert_eq!(all, ["ftyp", "moov", "moof", "mdat", "ftyp", "moov", "moof", "mdat"]);
}

#[test]
fn what_is_not_carried_is_left_out() {
    let data = Codec::Data(crate::codec::DataFormat::Amf0);
    let id = TrackId::data(0);
    let out = mux(Fmp4MuxOptions::default(), &[tracks(&[(id, data)]), frame(id, 0, true)]);
    assert!(out.concat().is_empty());
    let mut muxer = Fmp4Muxer::new(Fmp4MuxOptions::default());
    let mut out = Vec::new();
    muxer.mux(&tracks(&[(AUDIO, aac())]), &mut out).unwrap();
    assert!(muxer.mux(&frame(AUDIO, -1, true), &mut out).is_err());
    let (at, far) = (Timestamp::from_millis(0), Timestamp::from_millis(1 << 40));
    let frame = Frame { track: AUDIO, dts: at, pts: far, sync: true, data: payload(1) };
    assert!(muxer.mux(&Media::Frame(Arc::new(frame)), &mut out).is_err());
    muxer.finish(&mut out).unwrap();
    assert_eq!(out.len(), 1, "the muxer stays usable and has nothing to write");
}

#[test]
fn fragments_are_bounded_in_time_and_bytes() {
    // No random access point after the first, and a second track that falls silent.
    let media: Vec<_> = [tracks(&[(VIDEO, avc()), (AUDIO, aac())])]
        .into_iter()
        .chain([frame(AUDIO, 0, true)])
        .chain((0..=31).map(|second| frame(VIDEO, second * 1_000, second == 0)))
        .collect();
    let out = mux(Fmp4MuxOptions::default(), &media);
    let first = out.iter().position(|bytes| bytes.iter().any(|bytes| names(bytes) == ["moof", "mdat"]));
    assert_eq!(first, Some(2 + 30), "with the frame at 30 s");
    let quarter = Bytes::from(vec![0; MAX_PENDING_BYTES / 4]);
    let media: Vec<_> = [tracks(&[(VIDEO, avc())])]
        .into_iter()
        .chain((0..5).map(|number| sized(VIDEO, number * 40, number == 0, quarter.clone())))
        .collect();
    let out = mux(Fmp4MuxOptions::default(), &media);
    assert!(out[4].is_empty() && !out[5].is_empty(), "the fifth quarter is one too many");
    assert_eq!(runs(&out[5][0]), [(1, 0, 4)]);
}
