//! Tests of the record and the frame header against libvpx, and by hand.
#![expect(clippy::unusual_byte_groupings, reason = "grouped by field")]

use proptest::prelude::*;

use super::*;
use crate::codec::bit_writer::BitWriter;
use crate::codec::golden::{frame, golden, mutated};
use crate::codec::{MAX_DIMENSION, MAX_RECORD_BYTES};

#[test]
fn records_and_frames_of_libvpx() {
    for (name, profile, level, bit_depth, width, height) in
        [("vp9-360", 0, 21, 8, 640, 360), ("vp9-profile2-180", 2, 11, 10, 320, 180)]
    {
        let record = golden(&format!("{name}.record"));
        let config = Vp9Config::parse(&record).unwrap();
        assert_eq!(config.record, record, "{name}");
        assert_eq!((config.profile, config.level, config.bit_depth), (profile, level, bit_depth), "{name}");
        assert_eq!(config.resolution, None, "{name}");

        let key = frame(name, 0);
        let built = Vp9Config::from_key_frame(&key).unwrap().unwrap();
        let resolution = Some(Resolution { width, height });
        assert_eq!(built, Vp9Config { resolution, ..config.clone() }, "{name}");
        assert_eq!(key_frame_resolution(&key), Ok(resolution), "{name}");
        assert!(is_sync(&key), "{name}");
        let inter = frame(name, 1);
        assert_eq!(Vp9Config::from_key_frame(&inter), Ok(None), "{name}");
        assert!(!is_sync(&inter), "{name}");
    }
}

#[test]
fn a_full_box_header_is_passed_over() {
    let record = golden("vp9-360.record");
    let wrapped = [&[1, 0, 0, 0], &record[..]].concat();
    assert_eq!(Vp9Config::parse(&wrapped), Vp9Config::parse(&record));
}

#[test]
fn malformed_records_are_refused() {
    let good = golden("vp9-360.record");
    for (at, value, why) in [(0, 4, "profile"), (2, 0x72, "bit depth"), (7, 1, "initialisation data cut")] {
        let mut bad = good.to_vec();
        bad[at] = value;
        assert!(Vp9Config::parse(&bad).is_err(), "{why}");
    }
    assert!(matches!(Vp9Config::parse(&good[..7]), Err(CodecError::Truncated { .. })));
    let mut record = good.to_vec();
    record.resize(MAX_RECORD_BYTES, 0);
    Vp9Config::parse(&record).unwrap();
    record.push(0);
    assert!(matches!(Vp9Config::parse(&record), Err(CodecError::Limit { .. })));
}

/// A key frame of `profile` with the bits of its colour configuration.
fn key_frame(profile: u64, color: (u32, u64), width: u64, height: u64) -> Vec<u8> {
    let mut header = BitWriter::default();
    header.bits(2, 2).bits(1, profile & 1).bits(1, profile >> 1);
    if profile == 3 {
        header.bits(1, 0);
    }
    header.bits(1, 0).bits(1, 0).bits(2, 0b10).bits(24, SYNC_CODE.into());
    header.bits(color.0, color.1).bits(16, width - 1).bits(16, height - 1);
    header.bytes()
}

#[test]
fn key_frames_of_every_profile() {
    for (profile, color, third_byte, matrix, why) in [
        (0, (4, 0b010_1), 0x83, 1, "BT.709, full range"),
        (1, (7, 0b001_0_00_0), 0x86, 5, "4:4:4"),
        (1, (7, 0b011_0_10_0), 0x84, 6, "4:2:2"),
        (1, (4, 0b111_0), 0x87, 0, "RGB"),
        (2, (5, 0b1_101_0), 0xc2, 9, "12 bits, BT.2020"),
        (3, (8, 0b0_100_0_00_0), 0xa6, 7, "10 bits, 4:4:4"),
    ] {
        let config = Vp9Config::from_key_frame(&key_frame(profile, color, 1280, 720)).unwrap().unwrap();
        assert_eq!(config.record[..], [profile as u8, 31, third_byte, 2, 2, matrix, 0, 0], "{why}");
        assert_eq!(config.resolution, Some(Resolution { width: 1280, height: 720 }), "{why}");
        let parsed = Vp9Config::parse(&config.record).unwrap();
        assert_eq!((parsed.profile, parsed.bit_depth), (config.profile, config.bit_depth), "{why}");
    }
    for (profile, color, why) in
        [(0, (4, 0b111_0), "RGB in profile 0"), (1, (7, 0b001_0_11_0), "4:2:0 in profile 1")]
    {
        let refused = Vp9Config::from_key_frame(&key_frame(profile, color, 16, 16));
        assert!(matches!(refused, Err(CodecError::Field { .. })), "{why}");
    }
    let refused = Vp9Config::from_key_frame(&key_frame(1, (7, 0b001_0_01_0), 16, 16));
    assert!(matches!(refused, Err(CodecError::Unsupported { .. })));
}

#[test]
fn dimensions_up_to_the_limit() {
    let max = u64::from(MAX_DIMENSION);
    let config = Vp9Config::from_key_frame(&key_frame(0, (4, 0), max, max)).unwrap().unwrap();
    assert_eq!(config.level, 62);
    let refused = Vp9Config::from_key_frame(&key_frame(0, (4, 0), max + 1, 16));
    assert!(matches!(refused, Err(CodecError::Limit { .. })));
}

#[test]
fn what_is_no_key_frame() {
    // show_existing_frame.
    assert_eq!(Vp9Config::from_key_frame(&[0x88]), Ok(None));
    assert!(!is_sync(&[0x88]));
    let mut frame = key_frame(0, (4, 0), 16, 16);
    frame[1] ^= 1;
    assert!(matches!(key_frame_resolution(&frame), Err(CodecError::Field { field: "frame_sync_code", .. })));
    assert!(matches!(key_frame_resolution(&[0x40]), Err(CodecError::Field { field: "frame_marker", .. })));
    assert!(!is_sync(&[]));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Vp9Config::parse(&data);
        let _ = Vp9Config::from_key_frame(&data);
        let _ = is_sync(&data);
    }

    #[test]
    fn mutated_input_is_survived(record in mutated("vp9-360.record"), color in any::<u64>(), profile in 0u64..4) {
        let _ = Vp9Config::parse(&record);
        if let Ok(Some(config)) = Vp9Config::from_key_frame(&key_frame(profile, (8, color), 640, 360)) {
            prop_assert!(Vp9Config::parse(&config.record).is_ok());
        }
    }
}
