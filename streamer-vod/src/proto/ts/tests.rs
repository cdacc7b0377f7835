//! Frames of transport streams found again, from every segment, and what hostile files lead to.

use std::time::Duration;

use proptest::prelude::*;
use streamer_core::Muxer;
use streamer_core::container::ts::{TsMuxer, TsOptions};
use streamer_core::testing::Synthetic;

use super::super::timeline::{Timeline, TrackCut};
use super::*;

fn muxed(count: usize) -> (Vec<Media>, Vec<u8>) {
    let mut muxer = TsMuxer::new(TsOptions::default());
    let (mut media, mut out): (Vec<Media>, Vec<Bytes>) = (Vec::new(), Vec::new());
    for item in Synthetic::new(25, 5_000).unwrap().take(count) {
        muxer.mux(&item, &mut out).unwrap();
        media.push(item);
    }
    muxer.finish(&mut out).unwrap();
    (media, out.concat())
}

fn index(file: &[u8], step: usize) -> Result<AssetIndex, IndexError> {
    let mut indexer = TsIndexer::new();
    for piece in file.chunks(step) {
        indexer.push(piece)?;
    }
    indexer.finish()
}

fn origin(index: &AssetIndex) -> (u64, i64) {
    let SourceFormat::Ts { head_bytes, first_pts } = index.format else { panic!("{:?}", index.format) };
    (head_bytes, first_pts)
}

fn cuts(index: &AssetIndex) -> (usize, Vec<TrackCut>) {
    let timeline = Timeline::new(&[index], Duration::from_secs(1));
    (timeline.segments(), index.tracks.iter().map(|track| timeline.cut(track)).collect())
}

/// The frames of a segment, and how many bytes of the file were read for them.
fn read(mut passage: Passage, file: &[u8], step: usize) -> Result<(Vec<Vec<Bytes>>, u64), SliceError> {
    let mut bytes = 0;
    while let Some(wanted) = passage.wanted() {
        let begin = usize::try_from(wanted.start).unwrap();
        let end = usize::try_from(wanted.end).unwrap().min(begin + step).min(file.len());
        bytes += (end - begin) as u64;
        passage.supply(&file[begin..end])?;
    }
    Ok((passage.finish()?, bytes))
}

#[test]
fn every_segment_has_the_frames_that_were_muxed() {
    let (media, file) = muxed(1_500);
    for (lead, step) in [(0, 1_000_000), (300, 777)] {
        // Packets are found behind garbage too.
        let file = [&vec![0x11; lead][..], &file].concat();
        let found = index(&file, step).unwrap();
        assert_eq!(found.tracks.len(), 2);
        let (segments, cuts) = cuts(&found);
        assert!(segments > 5, "{segments}");
        let both: Vec<TsTrack<'_>> =
            found.tracks.iter().zip(&cuts).map(|(index, cut)| TsTrack { index, cut }).collect();
        let mut gathered: Vec<Vec<Bytes>> = vec![Vec::new(); 2];
        for segment in 0..segments {
            let passage = Passage::plan(origin(&found), &both, segment, file.len() as u64).unwrap();
            let (frames, bytes) = read(passage, &file, step).unwrap();
            assert!(bytes < file.len() as u64 / 2, "{bytes} of {}", file.len());
            for (track, (all, frames)) in both.iter().zip(gathered.iter_mut().zip(frames)) {
                // Alone it is the same.
                let alone = Passage::plan(origin(&found), &[*track], segment, file.len() as u64).unwrap();
                assert_eq!(read(alone, &file, step).unwrap().0, std::slice::from_ref(&frames));
                all.extend(frames);
            }
        }
        for (track, gathered) in found.tracks.iter().zip(gathered) {
            let muxed = media.iter().filter_map(|media| match media {
                Media::Frame(frame) if frame.track == track.id => Some(frame),
                _ => None,
            });
            let first = muxed.clone().count() - gathered.len();
            assert!(first < 3, "{first} frames of {} are missing", track.id);
            assert!(muxed.skip(first).map(|frame| &frame.data).eq(&gathered));
        }
    }
}

#[test]
fn times_begin_at_nought() {
    let (_, file) = muxed(200);
    let found = index(&file, 1_000).unwrap();
    let first = found.tracks.iter().filter_map(|track| track.samples.from(0).next());
    assert_eq!(first.map(|sample| sample.pts).min(), Some(0));
}

#[test]
fn what_is_no_transport_stream_is_refused() {
    assert!(matches!(index(&vec![7; 2 << 20], 4_096), Err(IndexError::Ts { .. })));
    assert!(matches!(index(b"", 1), Err(IndexError::NoMedia { .. })));
}

#[test]
fn a_file_that_became_another_is_told() {
    let (_, file) = muxed(200);
    let found = index(&file, 1_000).unwrap();
    let (_, cuts) = cuts(&found);
    let track = [TsTrack { index: &found.tracks[0], cut: &cuts[0] }];
    let passage = Passage::plan(origin(&found), &track, 0, file.len() as u64).unwrap();
    let other = vec![0; file.len()];
    let refused = read(passage, &other, 4_096);
    assert!(matches!(refused, Err(SliceError::NotFound { .. } | SliceError::Ts(_))), "{refused:?}");
}

#[test]
fn bytes_of_a_passage_at_their_limit() {
    let gathered = |offset| {
        let (media, _) = muxed(1);
        let Some(Media::Tracks(tracks)) = media.first() else { panic!() };
        let mut gatherer = Gatherer::new();
        let video = tracks.list.iter().find(|track| track.codec.kind() == MediaKind::Video).unwrap();
        let at = gatherer.track((video.id, video.codec.clone(), Timescale::MPEG), None, 4);
        let sample = FileSample { offset, size: 1, dts: 0, pts: 0, duration: 3_600, sync: true };
        gatherer.push(at, sample).unwrap();
        gatherer.finish(SourceFormat::Ts { head_bytes: 10, first_pts: 0 }).unwrap()
    };
    let found = gathered(1_000);
    let (_, cuts) = cuts(&found);
    let track = [TsTrack { index: &found.tracks[0], cut: &cuts[0] }];
    let limit = MAX_PASSAGE_BYTES + 1_000 - 10;
    assert!(Passage::plan((10, 0), &track, 0, limit).is_ok());
    let refused = Passage::plan((10, 0), &track, 0, limit + 1);
    assert!(matches!(refused, Err(SliceError::TooLarge { what: "bytes", .. })), "{refused:?}");
}

proptest! {
    #[test]
    fn no_damage_panics_and_segments_are_bounded(places in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..30)) {
        let (_, mut file) = muxed(200);
        for (at, byte) in places {
            let at = at % file.len();
            file[at] = byte;
        }
        if let Ok(found) = index(&file, 500) {
            let (segments, cuts) = cuts(&found);
            for (index, cut) in found.tracks.iter().zip(&cuts) {
                for segment in 0..segments.min(4) {
                    let passage = Passage::plan(origin(&found), &[TsTrack { index, cut }], segment, file.len() as u64);
                    let frames = passage.and_then(|passage| read(passage, &file, 1_000));
                    // All of them, or it is told.
                    if let Ok((frames, _)) = frames {
                        prop_assert_eq!(frames[0].len(), cut.samples(segment).len());
                    }
                }
            }
        }
    }
}
