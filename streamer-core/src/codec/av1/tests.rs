//! Tests of the record, the OBUs and the sequence header against SVT-AV1 and libaom, and by hand.

use proptest::prelude::*;

use super::*;
use crate::codec::bit_writer::BitWriter;
use crate::codec::golden::{frame, golden, mutated};
use crate::codec::{MAX_DIMENSION, MAX_RECORD_BYTES};

#[test]
fn records_of_encoders() {
    for (name, level, bit_depth, width, height) in
        [("av1-main-360", 1, 8, 640, 360), ("av1-main10-180", 0, 10, 320, 180)]
    {
        let record = golden(&format!("{name}.record"));
        let config = Av1Config::parse(&record).unwrap();
        assert_eq!(config.record, record, "{name}");
        let described = (config.profile, config.level, config.high_tier, config.bit_depth);
        assert_eq!(described, (0, level, false, bit_depth), "{name}");
        assert_eq!(config.resolution, Some(Resolution { width, height }), "{name}");
        assert_eq!(config.frame_rate, None, "{name}");
        let built = Av1Config::from_temporal_unit(&frame(name, 0)).unwrap().unwrap();
        assert_eq!(built.record[..4], record[..4], "{name}");
        assert_eq!(Av1Config { record: record.clone(), ..built.clone() }, config, "{name}");
        // SVT-AV1 announces other tools up front than it uses in the end; libaom does not.
        assert_eq!(built.record == record, name == "av1-main10-180", "{name}");
        assert_eq!(Av1Config::from_temporal_unit(&frame(name, 1)), Ok(None), "{name}");
    }
}

#[test]
fn a_record_without_sequence_header_has_no_size() {
    let config = Av1Config::parse(&[0x81, 0x2d, 0xe2, 0]).unwrap();
    let described = (config.profile, config.level, config.high_tier, config.bit_depth, config.resolution);
    assert_eq!(described, (1, 13, true, 12, None));
    for record in [&[0x01, 0, 0, 0][..], &[0x82, 0, 0, 0]] {
        assert!(matches!(Av1Config::parse(record), Err(CodecError::Field { .. })));
    }
    assert!(matches!(Av1Config::parse(&[0x81, 0, 0]), Err(CodecError::Truncated { .. })));
}

#[test]
fn a_record_past_the_limit_is_refused() {
    // Padding OBUs (type 15) of no size.
    let mut record = vec![0x81, 0, 0, 0];
    record.resize(MAX_RECORD_BYTES, 0x78);
    Av1Config::parse(&record).unwrap();
    record.push(0x78);
    assert!(matches!(Av1Config::parse(&record), Err(CodecError::Limit { .. })));
}

/// A Professional 4:2:2 12-bit header with timing, decoder model and two operating points.
fn elaborate(width: u64, equal_interval: bool) -> Vec<u8> {
    let mut header = BitWriter::default();
    header.bits(3, 2).bits(2, 0).bits(1, 1).bits(32, 1001).bits(32, 120_000);
    if equal_interval {
        header.bits(1, 1).ue(1); // two ticks a picture
    } else {
        header.bits(1, 0);
    }
    header.bits(1, 1).bits(5, 9).bits(32, 1).bits(10, 0); // decoder model, delays of 10 bits
    header.bits(1, 1).bits(5, 1); // display delays, two operating points
    header.bits(12, 0x301).bits(5, 12).bits(1, 1).bits(1, 1).bits(21, 0x1f_ffff).bits(1, 1).bits(4, 9);
    header.bits(12, 0x100).bits(5, 4).bits(1, 0).bits(1, 0);
    header.bits(4, 14).bits(4, 10).bits(15, width - 1).bits(11, 1079);
    header.bits(1, 1).bits(7, 0).bits(3, 0).bits(4, 0); // frame ids, tools
    header.bits(1, 1).bits(2, 0).bits(1, 0).bits(1, 1).bits(1, 0).bits(1, 1).bits(3, 6); // order hints, screen content
    header.bits(3, 0);
    header.bits(2, 0b11).bits(1, 0).bits(1, 1).bits(24, 0x09_1009).bits(1, 1).bits(2, 0b10);
    header.bits(1, 0).bits(1, 0).bits(8, 0x80);
    header.bytes()
}

/// `obus` as (type, body) with size fields.
fn unit(obus: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (obu_type, body) in obus {
        out.push((obu_type << 3) | 2);
        obu::put_leb128(&mut out, body.len() as u64);
        out.extend_from_slice(body);
    }
    out
}

#[test]
fn an_elaborate_sequence_header() {
    let config = Av1Config::from_temporal_unit(&unit(&[(1, &elaborate(1920, true))])).unwrap().unwrap();
    let described = (config.profile, config.level, config.high_tier, config.bit_depth);
    assert_eq!(described, (2, 12, true, 12));
    assert_eq!(config.resolution, Some(Resolution { width: 1920, height: 1080 }));
    assert_eq!(config.frame_rate, Some(FrameRate { numerator: 60_000, denominator: 1001 }));
    // High tier, 12 bits, 4:2:2, position unknown.
    assert_eq!(config.record[..4], [0x81, 0x4c, 0b1110_1000, 0]);
    let uneven = Av1Config::from_temporal_unit(&unit(&[(1, &elaborate(1920, false))])).unwrap().unwrap();
    assert_eq!((uneven.resolution, uneven.frame_rate), (config.resolution, None));
}

#[test]
fn dimensions_up_to_the_limit() {
    let width = |width: u64| Av1Config::from_temporal_unit(&unit(&[(1, &elaborate(width, true))]));
    let max = u64::from(MAX_DIMENSION);
    assert_eq!(width(max).unwrap().unwrap().resolution.unwrap().width, MAX_DIMENSION);
    assert!(matches!(width(max + 1), Err(CodecError::Limit { .. })));
}

#[test]
fn obus_with_extension_and_without_size() {
    let data = [0x12, 0x00, 0x36, 0x48, 0x82, 0x00, 7, 8, 0x30, 9];
    let found: Result<Vec<_>, _> = obus(&data).collect();
    let expected = [(2, &[][..]), (6, &[7, 8]), (6, &[9])];
    assert_eq!(found.unwrap(), expected.map(|(obu_type, body)| Obu { obu_type, body }));
    for (bad, why) in [
        (&[0x92, 0][..], "forbidden bit"),
        (&[0x32, 2, 0], "size past the end"),
        (&[0x32], "no size"),
        (&[0x34], "no extension"),
        (&[0x32, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], "size of nine bytes"),
        (&[0x32, 0x80, 0x80, 0x80, 0x80, 0x10], "size past 32 bits"),
    ] {
        let mut iter = obus(bad);
        assert!(matches!(iter.next(), Some(Err(_))), "{why}");
        assert_eq!(iter.next(), None, "{why}");
    }
}

#[test]
fn sync_is_a_shown_key_frame_behind_a_sequence_header() {
    for name in ["av1-main-360", "av1-main10-180"] {
        assert!(is_sync(&frame(name, 0)), "{name}");
        assert!(!is_sync(&frame(name, 1)), "{name}");
    }
    let sequence = elaborate(1920, true);
    for (header, sync, why) in [
        (0b0001_0000, true, "key frame, shown"),
        (0b0000_0000, false, "key frame, not shown"),
        (0b0011_0000, false, "inter frame"),
        (0b0101_0000, false, "intra-only frame"),
        (0b1001_0000, false, "a frame shown again"),
    ] {
        assert_eq!(is_sync(&unit(&[(2, &[]), (1, &sequence), (3, &[header])])), sync, "{why}");
        assert!(!is_sync(&unit(&[(6, &[header])])), "no sequence header: {why}");
    }
    assert!(!is_sync(&unit(&[(1, &sequence)])), "no frame");
}

/// A reduced header of a still picture, as AVIF has it: every frame is a key frame.
#[test]
fn a_still_picture() {
    let mut header = BitWriter::default();
    header.bits(3, 0).bits(2, 0b11).bits(5, 8).bits(4, 9).bits(4, 9).bits(10, 639).bits(10, 479);
    header.bits(3, 0).bits(3, 0).bits(1, 0).bits(1, 1).bits(1, 0).bits(8, 0x80);
    let data = unit(&[(1, &header.bytes()), (6, &[0xff])]);
    let config = Av1Config::from_temporal_unit(&data).unwrap().unwrap();
    assert_eq!((config.level, config.resolution), (8, Some(Resolution { width: 640, height: 480 })));
    assert_eq!(config.record[2], 0b0001_1100, "monochrome");
    assert!(is_sync(&data));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = Av1Config::parse(&data);
        let _ = Av1Config::from_temporal_unit(&data);
        let _ = is_sync(&data);
        prop_assert!(obus(&data).flatten().map(|obu| obu.body.len()).sum::<usize>() <= data.len());
    }

    #[test]
    fn mutated_records_are_survived(record in mutated("av1-main-360.record"), header in any::<u64>()) {
        let _ = Av1Config::parse(&record);
        let mut sequence = elaborate(1920, true);
        sequence[8..16].copy_from_slice(&header.to_be_bytes());
        if let Ok(Some(config)) = Av1Config::from_temporal_unit(&unit(&[(1, &sequence)])) {
            prop_assert_eq!(Av1Config::parse(&config.record), Ok(config));
        }
    }

    #[test]
    fn leb128_round_trips(value in any::<u32>()) {
        let mut out = Vec::new();
        obu::put_leb128(&mut out, value.into());
        prop_assert_eq!(obu::leb128(&out), Some((value as usize, out.len())));
    }
}
