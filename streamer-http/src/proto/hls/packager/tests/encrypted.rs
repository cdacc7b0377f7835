//! Streams that are encrypted: which key a segment has, what is left in the clear, and what players decrypt.

use std::sync::Arc;
use std::time::Duration;

use aes::Aes128;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use bytes::{BufMut, BytesMut};
use cbc::Decryptor;
use streamer_core::codec::{Codec, Vp9Config};
use streamer_core::{Frame, Timescale, Track};

use super::read::fragments;
use super::script::*;
use super::valid::assert_valid;
use crate::proto::hls::encryption::{Encryption, EncryptionMethod, Key};
use crate::proto::hls::name::{Container, RenditionId};
use crate::proto::hls::packager::{Packager, PackagerOptions};
use crate::proto::hls::segment::{Segment, SegmentBody};

const FMP4_VIDEO: RenditionId = RenditionId::Video(0);
const FMP4_AUDIO: RenditionId = RenditionId::Audio(0);

fn options(method: EncryptionMethod, rotate_s: u64) -> PackagerOptions {
    let encryption = Some(Encryption { method, rotate: Duration::from_secs(rotate_s) });
    PackagerOptions { history: Duration::from_secs(100_000), encryption, ..PackagerOptions::default() }
}

fn segments(run: &Run, id: RenditionId) -> Vec<Arc<Segment>> {
    run.presentation.rendition(id).expect("the rendition is there").window.segments.iter().cloned().collect()
}

/// Ten seconds of pictures and sounds, each of some hundred bytes.
fn frames() -> Vec<Arc<Frame>> {
    let grown = |frame: Arc<Frame>| {
        let mut data = BytesMut::new();
        let body = if frame.track == VIDEO {
            data.put_u32(9 + 500);
            &frame.data[4..]
        } else {
            &frame.data[..]
        };
        data.put_slice(&body[..1]);
        data.put_bytes(0x33, 500);
        data.put_slice(&body[1..]);
        Arc::new(Frame { data: data.freeze(), ..Frame::clone(&frame) })
    };
    let frames = interleaved(Pictures::default().frames(), sounds(0, 48_000, 468), 0);
    frames.into_iter().map(grown).collect()
}

fn packaged(container: Container, options: PackagerOptions) -> Run {
    let mut run = Run::new(container, options);
    run.tracks(&[video_track(), audio_track(48_000)]);
    run.frames(&frames());
    run.end();
    run
}

fn numbers(segments: &[Arc<Segment>]) -> Vec<u32> {
    segments.iter().map(|segment| segment.key.as_ref().unwrap().number).collect()
}

#[test]
fn keys_change_where_a_segment_begins() {
    for (container, method) in [
        (Container::Ts, EncryptionMethod::Aes128),
        (Container::Ts, EncryptionMethod::SampleAes),
        (Container::Fmp4, EncryptionMethod::Aes128),
        (Container::Fmp4, EncryptionMethod::SampleAes),
    ] {
        let run = packaged(container, options(method, 4));
        for rendition in &run.presentation.renditions {
            let segments = segments(&run, rendition.id);
            assert_eq!(numbers(&segments), [0, 0, 1, 1, 2]);
            assert_ne!(segments[0].key.as_ref().unwrap().bytes(), segments[2].key.as_ref().unwrap().bytes());
            assert!(segments.iter().all(|held| held.key.as_ref().unwrap().method() == method.of(container)));
        }
    }
}

#[test]
fn what_is_encrypted_whole_has_no_parts() {
    let run = packaged(Container::Fmp4, options(EncryptionMethod::Aes128, 0));
    for rendition in &run.presentation.renditions {
        assert_eq!(rendition.window.part_target, None);
        assert!(rendition.window.segments.iter().all(|segment| segment.parts.is_empty()));
    }
}

/// A sample as a player decrypts it, video by the pattern of one block in ten behind the slice header.
fn decrypt(key: &Key, is_video: bool, data: &[u8]) -> Vec<u8> {
    let iv = key.protection().unwrap().constant_iv;
    let mut decryptor = Decryptor::<Aes128>::new(&key.bytes().into(), &iv.into());
    let (lead, step) = if is_video { (4 + 128, 10) } else { (0, 1) };
    let mut data = data.to_vec();
    for block in data[lead..].chunks_exact_mut(16).step_by(step) {
        decryptor.decrypt_block_mut(block.into());
    }
    data
}

#[test]
fn samples_are_encrypted_within_parts() {
    let run = packaged(Container::Fmp4, options(EncryptionMethod::SampleAes, 4));
    assert_valid(&run.presentation);
    for (id, track) in [(FMP4_VIDEO, VIDEO), (FMP4_AUDIO, AUDIO)] {
        let mut read = Vec::new();
        for segment in segments(&run, id) {
            let key = segment.key.as_ref().unwrap();
            let SegmentBody::Memory(pieces) = &segment.body else { panic!("{segment:?}") };
            let found: Vec<_> = pieces.iter().flat_map(|piece| fragments(piece)).collect();
            assert!(found.len() > 1, "in parts");
            for sample in found.into_iter().flat_map(|found| found.samples) {
                let clear = decrypt(key, track == VIDEO, &sample.data);
                assert_ne!(clear, sample.data);
                read.push(clear);
            }
        }
        let sent: Vec<_> =
            frames().iter().filter(|frame| frame.track == track).map(|frame| frame.data.to_vec()).collect();
        assert_eq!(read.len(), sent.len());
        assert!(read == sent, "all of {track:?} is decrypted to what it was");
    }
}

#[test]
fn each_key_of_samples_has_an_initialization_section_that_names_it() {
    let run = packaged(Container::Fmp4, options(EncryptionMethod::SampleAes, 4));
    let mut maps = Vec::new();
    for id in [FMP4_VIDEO, FMP4_AUDIO] {
        for segment in segments(&run, id) {
            let (map, key) = (segment.map.as_ref().unwrap(), segment.key.as_ref().unwrap());
            let protection = key.protection().unwrap();
            for wanted in [&b"cbcs"[..], &protection.key_id, &protection.constant_iv] {
                assert!(map.body.windows(wanted.len()).any(|bytes| bytes == wanted));
            }
            assert!(!map.body.windows(16).any(|bytes| bytes == key.bytes()), "the key is not told");
            maps.push((map.number, map.body.clone()));
        }
    }
    maps.dedup();
    let mut named: Vec<_> = maps.iter().map(|(number, _)| number).collect();
    named.sort();
    named.dedup();
    assert_eq!((maps.len(), named.len()), (6, 6), "three keys of two tracks, each section with its number");
}

#[test]
fn what_cannot_be_encrypted_does_not_leave() {
    // Slices that are none: the length goes past the end.
    let mut run = Run::new(Container::Fmp4, options(EncryptionMethod::SampleAes, 0));
    run.tracks(&[video_track()]);
    for frame in Pictures::default().frames() {
        let data = b"\0\0\xff\xffsecret".as_slice();
        run.frame(&Arc::new(Frame { data: data.into(), ..Frame::clone(&frame) }));
    }
    run.end();
    let segments = segments(&run, FMP4_VIDEO);
    assert_eq!(segments.len(), 5);
    for segment in segments {
        let SegmentBody::Memory(pieces) = &segment.body else { panic!("{segment:?}") };
        assert!(!pieces.concat().windows(6).any(|bytes| bytes == b"secret"));
    }
    // A codec that there is no way for.
    let codec = Codec::Vp9(Vp9Config::parse(&[1, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0]).unwrap());
    let mut run = Run::new(Container::Fmp4, options(EncryptionMethod::SampleAes, 0));
    run.tracks(&[Track { id: VIDEO, timescale: Timescale::MILLIS, codec }, audio_track(48_000)]);
    run.frames(&frames());
    run.end();
    assert!(
        run.presentation.rendition(FMP4_VIDEO).is_none() && run.presentation.rendition(FMP4_AUDIO).is_some()
    );
}

#[test]
fn without_a_key_there_are_gaps() {
    for (container, method) in [
        (Container::Ts, EncryptionMethod::Aes128),
        (Container::Fmp4, EncryptionMethod::Aes128),
        (Container::Fmp4, EncryptionMethod::SampleAes),
    ] {
        let mut run = Run::new(container, PackagerOptions::default());
        run.packager = Packager::new(container, options(method, 0), START_UNIX_MS, None);
        run.tracks(&[video_track(), audio_track(48_000)]);
        run.frames(&frames());
        run.end();
        for rendition in &run.presentation.renditions {
            assert!(rendition.window.open.is_none() && rendition.window.segments.len() == 5);
            for segment in &rendition.window.segments {
                assert_eq!((&segment.body, &segment.key), (&SegmentBody::Missing, &None));
                assert!(segment.parts.is_empty() && segment.len_bytes == 0);
            }
        }
    }
}
