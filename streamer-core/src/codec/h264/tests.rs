//! Tests of the record and the parameter set against records of x264.

use proptest::prelude::*;

use super::*;
use crate::codec::MAX_RECORD_BYTES;
use crate::codec::bit_writer::BitWriter;
use crate::codec::golden::{frame, golden, mutated};

fn rate(numerator: u32, denominator: u32) -> Option<FrameRate> {
    Some(FrameRate { numerator, denominator })
}

#[test]
fn records_of_x264() {
    for (name, profile, constraints, level, width, height, frame_rate) in [
        ("h264-high-1080-ntsc", 100, 0, 40, 1920, 1080, rate(30_000, 1001)),
        ("h264-baseline-240", 66, 0xc0, 13, 320, 240, rate(25, 1)),
        ("h264-interlaced-422-10", 122, 0, 30, 720, 576, rate(25, 1)),
        ("h264-cropped-444", 244, 0, 21, 321, 181, rate(50, 1)),
        ("h264-scaling-lists", 100, 0, 13, 322, 182, rate(24, 1)),
    ] {
        let record = golden(&format!("{name}.record"));
        let (config, length_size) = AvcConfig::parse_with_length_size(&record).unwrap();
        assert_eq!(length_size, 4, "{name}");
        assert_eq!(config.record, record, "{name}");
        assert_eq!((config.sps.len(), config.pps.len()), (1, 1), "{name}");
        assert_eq!(
            (nal_type(&config.sps[0]), nal_type(&config.pps[0])),
            (Some(NAL_SPS), Some(NAL_PPS)),
            "{name}"
        );
        let described = (config.profile, config.constraints, config.level);
        assert_eq!(described, (profile, constraints, level), "{name}");
        assert_eq!(config.resolution, Resolution { width, height }, "{name}");
        assert_eq!(config.frame_rate, frame_rate, "{name}");
        // The record built of the parameter sets is the encoder's own, extension included.
        let built = AvcConfig::from_parameter_sets(config.sps.clone(), config.pps.clone()).unwrap();
        assert_eq!(built, config, "{name}");
    }
}

#[test]
fn another_length_size_is_told_and_stored_as_four() {
    let mut record = golden("h264-baseline-240.record").to_vec();
    record[4] = 0xfc | 1;
    let (config, length_size) = AvcConfig::parse_with_length_size(&record).unwrap();
    assert_eq!(length_size, 2);
    assert_eq!(config.record, golden("h264-baseline-240.record"));
}

#[test]
fn the_high_profile_extension_may_be_missing_or_cut() {
    let record = golden("h264-high-1080-ntsc.record");
    let whole = AvcConfig::parse(&record).unwrap();
    for missing in 1..=4 {
        let config = AvcConfig::parse(&record[..record.len() - missing]).unwrap();
        assert_eq!(config.sps, whole.sps, "{missing} bytes short");
    }
    assert!(matches!(
        AvcConfig::parse(&record[..record.len() - 5]),
        Err(CodecError::Truncated { structure: RECORD, .. })
    ));
}

#[test]
fn what_a_record_must_hold() {
    let missing = CodecError::Field { structure: RECORD, field: "numOfSequenceParameterSets", value: 0 };
    assert_eq!(AvcConfig::parse(&[1, 100, 0, 40, 0xff, 0xe0, 0]), Err(missing.clone()));
    assert_eq!(AvcConfig::from_parameter_sets(vec![], vec![]), Err(missing));
    let version = CodecError::Field { structure: RECORD, field: "configurationVersion", value: 0 };
    assert_eq!(AvcConfig::parse(&[0; 16]), Err(version));
    // A picture parameter set is no sequence parameter set.
    let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
    assert!(AvcConfig::from_parameter_sets(config.pps, config.sps).is_err());
}

#[test]
fn counts_and_sizes_up_to_their_limits() {
    let config = AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap();
    let (sps, pps) = (config.sps[0].clone(), config.pps[0].clone());
    let full =
        AvcConfig::from_parameter_sets(vec![sps.clone(); MAX_SPS], vec![pps.clone(); MAX_PPS]).unwrap();
    assert_eq!(AvcConfig::parse(&full.record).unwrap(), full);
    let limit = |max: usize, result: Result<AvcConfig, CodecError>| {
        let max = max as u64;
        assert!(matches!(result, Err(CodecError::Limit { max: found, .. }) if found == max), "{max}");
    };
    limit(MAX_SPS, AvcConfig::from_parameter_sets(vec![sps.clone(); MAX_SPS + 1], vec![]));
    limit(MAX_PPS, AvcConfig::from_parameter_sets(vec![sps.clone()], vec![pps.clone(); MAX_PPS + 1]));

    let room = MAX_RECORD_BYTES - 11 - 2 - 2 - sps.len();
    let sized = |bytes: usize| {
        let filler = Bytes::from([&[NAL_PPS][..], &vec![1; bytes - 1]].concat());
        AvcConfig::from_parameter_sets(vec![sps.clone()], vec![filler])
    };
    sized(room).unwrap();
    limit(MAX_RECORD_BYTES, sized(room + 1));
    let mut record = config.record.to_vec();
    record.resize(MAX_RECORD_BYTES, 0);
    AvcConfig::parse(&record).unwrap();
    record.push(0);
    limit(MAX_RECORD_BYTES, AvcConfig::parse(&record));
}

/// A Baseline set of `width` by `height` macroblocks with picture order count type 1 and a cycle of `cycle`.
fn baseline(width: u64, height: u64, cycle: u64) -> Vec<u8> {
    let mut set = BitWriter::default();
    set.bits(8, 0x67).bits(24, 0x42_c0_1e).ue(0).ue(0);
    set.ue(1).bits(1, 1).ue(0).ue(0).ue(cycle);
    for offset in 0..cycle {
        set.ue(offset);
    }
    set.ue(1).bits(1, 0).ue(width - 1).ue(height - 1).bits(1, 1).bits(1, 1).bits(1, 0).bits(1, 0).bits(1, 1);
    set.unit()
}

/// A High 4:4:4 set of 20 by 15 macroblocks, cropped by one unit on each side, with twelve scaling lists: of 16
/// and 64 coefficients, absent, and ended early by a scale of zero.
fn high_444(separate_planes: bool, frame_mbs_only: bool) -> Vec<u8> {
    let mut set = BitWriter::default();
    set.bits(8, 0x67)
        .bits(24, 0xf4_00_1e)
        .ue(0)
        .ue(3)
        .bits(1, u64::from(separate_planes))
        .ue(2)
        .ue(6)
        .bits(1, 0);
    set.bits(1, 1);
    for (list, kind) in [0, 1, 2, 0, 1, 0, 0, 2, 1, 0, 2, 0].into_iter().enumerate() {
        match kind {
            0 => {
                set.bits(1, 1);
                for coefficient in 0..if list < 6 { 16 } else { 64 } {
                    set.se(coefficient % 3 - 1);
                }
            }
            1 => {
                set.bits(1, 1).se(-7).se(-1); // scales 1, then 0: the rest repeats
            }
            _ => {
                set.bits(1, 0);
            }
        }
    }
    set.ue(0).ue(2).ue(1).bits(1, 0).ue(19).ue(14).bits(1, u64::from(frame_mbs_only));
    if !frame_mbs_only {
        set.bits(1, 0);
    }
    set.bits(1, 1).bits(1, 1).ue(1).ue(1).ue(1).ue(1).bits(1, 0).bits(1, 1);
    set.unit()
}

#[test]
fn scaling_lists_are_passed_and_crops_follow_the_chroma_format() {
    for separate_planes in [false, true] {
        let sps = Sps::parse(&high_444(separate_planes, true)).unwrap();
        assert_eq!((sps.chroma_format, sps.bit_depth_luma, sps.bit_depth_chroma), (3, 10, 14));
        assert_eq!(sps.resolution, Resolution { width: 318, height: 238 });
    }
    // Fields: twice the lines, in pairs.
    let sps = Sps::parse(&high_444(true, false)).unwrap();
    assert_eq!(sps.resolution, Resolution { width: 318, height: 476 });
}

#[test]
fn dimensions_up_to_the_limit() {
    let max = u64::from(crate::codec::MAX_DIMENSION);
    let sps = Sps::parse(&baseline(max / 16, max / 16, 0)).unwrap();
    assert_eq!((u64::from(sps.resolution.width), u64::from(sps.resolution.height)), (max, max));
    assert!(matches!(Sps::parse(&baseline(max / 16 + 1, 1, 0)), Err(CodecError::Limit { .. })));
    assert!(matches!(Sps::parse(&baseline(1, 1 << 31, 0)), Err(CodecError::Limit { .. })));
}

#[test]
fn picture_order_count_cycles_up_to_255() {
    assert_eq!(
        Sps::parse(&baseline(20, 15, 255)).unwrap().resolution,
        Resolution { width: 320, height: 240 }
    );
    assert!(matches!(Sps::parse(&baseline(20, 15, 256)), Err(CodecError::Field { value: 256, .. })));
}

#[test]
fn a_cut_vui_costs_the_frame_rate_alone() {
    let record = golden("h264-high-1080-ntsc.record");
    let config = AvcConfig::parse(&record).unwrap();
    let sps = config.sps[0].slice(..config.sps[0].len() - 8);
    let cut = AvcConfig::from_parameter_sets(vec![sps], config.pps).unwrap();
    assert_eq!((cut.resolution, cut.frame_rate), (config.resolution, None));
}

#[test]
fn sync_is_an_idr_picture() {
    assert!(is_sync(&frame("h264-baseline-240", 0)));
    assert!(!is_sync(&frame("h264-baseline-240", 1)));
    assert!(
        !is_sync(&nal::join([&[NAL_SEI, 6, 1, 0x80][..], &[0x41, 0x9a]])),
        "a recovery point is not enough"
    );
    assert!(!is_sync(&[]));
    assert!(!is_sync(&[0, 0, 0, 9, NAL_IDR]), "a cut unit is none");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = AvcConfig::parse(&data);
        let _ = Sps::parse(&data);
        let _ = is_sync(&data);
    }

    #[test]
    fn mutated_records_are_survived(record in mutated("h264-scaling-lists.record")) {
        if let Ok(config) = AvcConfig::parse(&record) {
            prop_assert!(config.resolution.width > 0 && config.resolution.height > 0);
            let built = AvcConfig::from_parameter_sets(config.sps.clone(), config.pps.clone()).unwrap();
            prop_assert_eq!(AvcConfig::parse(&built.record).unwrap(), built);
        }
    }
}
