//! Encryption undone again, and its stretches.

use aes::cipher::BlockDecryptMut;
use cbc::Decryptor;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::testing::{aac, avc, codecs, payload};
use super::*;

const KEY: [u8; 16] = [0x42; 16];
const PROTECTION: Protection = Protection { key_id: [0x11; 16], constant_iv: [0x22; 16] };

fn cipher() -> SampleCipher {
    SampleCipher::new(KEY, &PROTECTION)
}

fn sample(data: Bytes) -> Sample {
    Sample { duration: 1, composition_offset: 0, sync: true, data }
}

/// A NAL unit with this first byte, behind its length.
fn unit(first: u8, len: usize) -> Vec<u8> {
    let mut unit = payload(len).to_vec();
    unit[0] = first;
    nal::join([&unit[..]]).to_vec()
}

fn stretch(clear: u16, protected: u32) -> Subsample {
    Subsample { clear, protected }
}

fn decryptor() -> Decryptor<Aes128> {
    Decryptor::new(&KEY.into(), &PROTECTION.constant_iv.into())
}

/// As ISO/IEC 23001-7 10.4 tells a player, block by block.
fn decrypt(data: &[u8], stretches: &[Subsample]) -> Vec<u8> {
    let mut out = data.to_vec();
    let mut at = 0;
    for stretch in stretches {
        at += usize::from(stretch.clear);
        let mut decryptor = decryptor();
        for block in 0..stretch.protected as usize / 16 {
            if block % 10 == 0 {
                decryptor.decrypt_block_mut((&mut out[at + block * 16..][..16]).into());
            }
        }
        at += stretch.protected as usize;
    }
    assert_eq!(at, data.len(), "the stretches make up the sample");
    out
}

#[test]
fn slices_are_protected_behind_their_headers() {
    let access_unit =
        [unit(0x09, 2), unit(0x67, 300), unit(0x65, 128 + 330), unit(0x41, 128 + 15), unit(0x41, 160)]
            .concat();
    let mut samples = [sample(access_unit.clone().into())];
    let stretches = cipher().encrypt(&avc(), &mut samples).unwrap().unwrap();
    // 330 bytes are 20 blocks and 10 bytes; the slice of 15 bytes behind its header has no block.
    let expected = [stretch(6 + 304 + 4 + 128, 320), stretch(10 + 4 + 143 + 4 + 128, 32)];
    assert_eq!(stretches, [expected.to_vec()]);
    let changed: Vec<usize> = samples[0]
        .data
        .iter()
        .zip(&access_unit)
        .enumerate()
        .filter(|(_, (a, b))| a != b)
        .map(|(at, _)| at / 16 * 16)
        .collect();
    assert!(!changed.is_empty());
    assert_eq!(decrypt(&samples[0].data, &expected), access_unit);
    // One block in ten: the first and the eleventh, and the first of the last slice.
    let encrypted = |from: usize| samples[0].data[from..from + 16] != access_unit[from..from + 16];
    let blocks: Vec<_> = (0..20).filter(|block| encrypted(442 + block * 16)).collect();
    assert_eq!(blocks, [0, 10]);
}

#[test]
fn audio_is_protected_whole() {
    let data = payload(40);
    let mut samples = [sample(data.clone())];
    assert_eq!(cipher().encrypt(&aac(), &mut samples), Ok(None));
    let mut out = samples[0].data.to_vec();
    assert_eq!(out[32..], data[32..]);
    assert_ne!(out[16..32], data[16..32]);
    let mut decryptor = decryptor();
    for block in out.chunks_exact_mut(16) {
        decryptor.decrypt_block_mut(block.into());
    }
    assert_eq!(out, data);
}

#[test]
fn long_clear_stretches_are_told_in_pieces() {
    let access_unit = [unit(0x06, 70_000), unit(0x65, 128 + 16)].concat();
    let mut samples = [sample(access_unit.into())];
    let stretches = cipher().encrypt(&avc(), &mut samples).unwrap().unwrap();
    let clear = u16::try_from(70_004 + 4 + 128 - 65_535).unwrap();
    assert_eq!(stretches, [[stretch(65_535, 0), stretch(clear, 16)]]);
}

#[test]
fn slices_past_the_limit_stay_clear() {
    let access_unit = unit(0x65, 128 + 16).repeat(50);
    let stretches = slice_stretches(&avc(), &access_unit).unwrap();
    assert_eq!(stretches.len(), MAX_SUBSAMPLES - SPARE_SUBSAMPLES + 1);
    let large = unit(0x06, 65_535 * MAX_SUBSAMPLES - 4);
    assert!(slice_stretches(&avc(), &large).is_ok());
    let larger = unit(0x06, 65_535 * MAX_SUBSAMPLES - 3);
    assert!(matches!(slice_stretches(&avc(), &larger), Err(Fmp4Error::Limit { value: 43, max: 42, .. })));
}

#[test]
fn what_is_not_protected_is_refused_untouched() {
    for (_, _, codec) in codecs() {
        let protects = !matches!(codec, Codec::Av1(_) | Codec::Vp9(_));
        assert_eq!(SampleCipher::protects(&codec), protects);
        let mut samples = [sample(unit(0x65, 200).into())];
        assert_eq!(cipher().encrypt(&codec, &mut samples).is_ok(), protects);
    }
    let cut = Bytes::from_static(&[0, 0, 0, 9, 1]);
    let mut samples = [sample(unit(0x65, 400).into()), sample(cut)];
    let before = samples.clone();
    assert!(matches!(cipher().encrypt(&avc(), &mut samples), Err(Fmp4Error::Codec(_))));
    assert_eq!(samples, before);
    assert!(!format!("{:?}", cipher()).contains("66"), "the key is not shown");
}

proptest! {
    #[test]
    fn encryption_can_be_undone(units in vec((any::<u8>(), 0usize..600), 0..8), hevc in any::<bool>()) {
        let codec = if hevc { codecs().swap_remove(1).2 } else { avc() };
        let access_unit: Vec<u8> = units.iter().flat_map(|(first, len)| unit(*first, len + 1)).collect();
        let mut samples = [sample(access_unit.clone().into())];
        let stretches = cipher().encrypt(&codec, &mut samples).unwrap().unwrap();
        prop_assert_eq!(decrypt(&samples[0].data, &stretches[0]), access_unit);
    }

    #[test]
    fn no_bytes_panic(data in vec(0u8..4, 0..60)) {
        let _ = slice_stretches(&avc(), &data);
    }
}
