//! Tests of the record and the parameter sets against records of x265, and against sets written by hand.

use proptest::prelude::*;

use super::*;
use crate::codec::bit_writer::BitWriter;
use crate::codec::golden::{frame, golden, mutated};
use crate::codec::{MAX_DIMENSION, MAX_RECORD_BYTES};

fn rate(numerator: u32, denominator: u32) -> Option<FrameRate> {
    Some(FrameRate { numerator, denominator })
}

#[test]
fn records_of_x265() {
    for (name, profile, high_tier, level, width, height, frame_rate) in [
        ("h265-main-720", 1, false, 120, 1280, 720, rate(60, 1)),
        ("h265-main10-cropped", 2, true, 123, 322, 182, rate(24_000, 1001)),
        ("h265-temporal-layers", 1, false, 90, 640, 360, rate(50, 1)),
    ] {
        let record = golden(&format!("{name}.record"));
        let (config, length_size) = HevcConfig::parse_with_length_size(&record).unwrap();
        assert_eq!((length_size, &config.record), (4, &record), "{name}");
        assert_eq!((config.vps.len(), config.sps.len(), config.pps.len()), (1, 1, 1), "{name}");
        let described = (config.profile_space, config.profile, config.high_tier, config.level);
        assert_eq!(described, (0, profile, high_tier, level), "{name}");
        // The record repeats them: two independent writers of the same fields.
        assert_eq!(config.compatibility.to_be_bytes(), record[2..6], "{name}");
        assert_eq!(config.constraints.to_be_bytes()[2..], record[6..12], "{name}");
        assert_eq!(config.resolution, Resolution { width, height }, "{name}");
        assert_eq!(config.frame_rate, frame_rate, "{name}");
    }
}

#[test]
fn built_records_are_those_of_ffmpeg() {
    for name in ["h265-main-720", "h265-main10-cropped", "h265-temporal-layers"] {
        let record = golden(&format!("{name}.record"));
        let config = HevcConfig::parse(&record).unwrap();
        let built = HevcConfig::from_parameter_sets(config.vps, config.sps, config.pps).unwrap();
        assert_eq!(HevcConfig::parse(&built.record).unwrap(), built, "{name}");
        // ffmpeg marks the arrays of `hvc1` complete as well.
        assert_eq!(built.record, record, "{name}");
    }
}

#[test]
fn version_and_length_size_are_stored_as_one_and_four() {
    let good = golden("h265-main-720.record");
    let mut record = good.to_vec();
    record[0] = 0;
    record[21] &= 0xfc;
    let (config, length_size) = HevcConfig::parse_with_length_size(&record).unwrap();
    assert_eq!((length_size, config.record), (1, good));
    record[0] = 2;
    let version = CodecError::Field { structure: RECORD, field: "configurationVersion", value: 2 };
    assert_eq!(HevcConfig::parse(&record), Err(version));
}

#[test]
fn what_a_record_must_hold() {
    let missing = CodecError::Field { structure: RECORD, field: "sequence parameter sets", value: 0 };
    assert_eq!(HevcConfig::from_parameter_sets(vec![], vec![], vec![]), Err(missing.clone()));
    let mut empty = golden("h265-main-720.record")[..23].to_vec();
    empty[22] = 0;
    assert_eq!(HevcConfig::parse(&empty), Err(missing));
    let record = golden("h265-main-720.record");
    for length in 0..record.len() {
        assert!(HevcConfig::parse(&record[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn counts_and_sizes_up_to_their_limits() {
    let config = HevcConfig::parse(&golden("h265-main-720.record")).unwrap();
    let (vps, sps, pps) = (config.vps[0].clone(), config.sps[0].clone(), config.pps[0].clone());
    let build = |counts: [usize; 3]| {
        let [vps, sps, pps] =
            [(&vps, counts[0]), (&sps, counts[1]), (&pps, counts[2])].map(|(set, n)| vec![set.clone(); n]);
        HevcConfig::from_parameter_sets(vps, sps, pps)
    };
    let most = MAX_PARAMETER_SETS;
    let full = build([most, most, most]).unwrap();
    assert_eq!(HevcConfig::parse(&full.record).unwrap(), full);
    for counts in [[most + 1, 1, 1], [1, most + 1, 1], [1, 1, most + 1]] {
        assert!(matches!(build(counts), Err(CodecError::Limit { max: 64, .. })), "{counts:?}");
    }

    let mut record = config.record.to_vec();
    record.resize(MAX_RECORD_BYTES, 0);
    HevcConfig::parse(&record).unwrap();
    record.push(0);
    assert!(matches!(HevcConfig::parse(&record), Err(CodecError::Limit { .. })));
}

/// A Main set up to `sps_seq_parameter_set_id`, of one layer.
fn begin() -> BitWriter {
    let mut set = BitWriter::default();
    set.bits(16, u64::from(NAL_SPS) << 9 | 1).bits(4, 0).bits(3, 0).bits(1, 1);
    set.bits(8, 1).bits(32, 0x6000_0000).bits(24, 0x90_0000).bits(24, 0).bits(8, 93).ue(0);
    set
}

/// A set with everything in front of the timing that a parser has to get past, its reference sets written by
/// `sets`. The frame rate is 30.
fn elaborate(width: u64, sets: impl Fn(&mut BitWriter)) -> Result<Sps, CodecError> {
    with_long_term(width, 2, sets)
}

/// As [`elaborate`], with `long_term` long-term reference pictures.
fn with_long_term(width: u64, long_term: u64, sets: impl Fn(&mut BitWriter)) -> Result<Sps, CodecError> {
    let mut set = begin();
    set.ue(1).ue(width).ue(720).bits(1, 0).ue(0).ue(0);
    set.ue(4).bits(1, 1).ue(4).ue(0).ue(0); // order count of 8 bits; buffering
    set.ue(0).ue(3).ue(0).ue(3).ue(0).ue(0); // block sizes
    set.bits(2, 0b11); // scaling lists, written out
    for size_id in 0..4 {
        for list in 0..if size_id == 3 { 2 } else { 6 } {
            if list % 2 == 1 {
                set.bits(1, 0).ue(1);
                continue;
            }
            set.bits(1, 1);
            if size_id > 1 {
                set.se(-7);
            }
            for coefficient in 0..if size_id == 0 { 16 } else { 64 } {
                set.se(coefficient - 8);
            }
        }
    }
    set.bits(2, 0).bits(1, 1).bits(8, 0x77).ue(0).ue(2).bits(1, 1); // tools, PCM
    sets(&mut set);
    set.bits(1, 1).ue(long_term);
    for _ in 0..long_term {
        set.bits(9, 0x1ff);
    }
    set.bits(2, 0);
    set.bits(1, 1).bits(1, 1).bits(8, 255).bits(32, 0x0001_0001); // VUI, extended aspect ratio
    set.bits(2, 0b11).bits(1, 1).bits(4, 0b1010).bits(1, 1).bits(24, 0x01_0101).bits(1, 1).ue(0).ue(0);
    set.bits(3, 0).bits(1, 1).ue(0).ue(0).ue(0).ue(0); // default display window
    set.bits(1, 1).bits(32, 1001).bits(32, 30_030).bits(8, 0x80);
    Sps::parse(&set.unit())
}

#[test]
fn everything_in_front_of_the_timing_is_passed() {
    let sps = elaborate(1280, |set| {
        set.ue(0);
    });
    let sps = sps.unwrap();
    assert_eq!((sps.resolution, sps.frame_rate), (Resolution { width: 1280, height: 720 }, rate(30, 1)));
}

/// Sets predicted from one another: a miscounted picture would shift all that follows.
#[test]
fn predicted_reference_sets_are_derived() {
    let sps = elaborate(1280, |set| {
        set.ue(5);
        // -1 -3 | +2
        set.ue(2).ue(1).ue(0).bits(1, 1).ue(1).bits(1, 1).ue(1).bits(1, 0);
        // All four, one nearer: -2 -4 | +1, and -1 for the set before's own picture.
        set.bits(1, 1).bits(1, 1).ue(0).bits(4, 0b1111);
        // One farther again: of -1 -2 -4 | +1 the first two are kept, and -1 becomes zero, which is no reference.
        set.bits(1, 1).bits(1, 0).ue(0).bits(2, 0b11).bits(2, 0b00).bits(2, 0b00).bits(2, 0b00);
        // One picture, by use_delta_flag, and the own one.
        set.bits(1, 1).bits(1, 0).ue(4).bits(2, 0b01).bits(1, 1);
        // Two and their own.
        set.bits(1, 1).bits(1, 0).ue(9).bits(3, 0b111);
    });
    assert_eq!(sps.unwrap().frame_rate, rate(30, 1));
}

#[test]
fn reference_sets_up_to_their_limits() {
    let sets = |count: u64, before: u64| {
        elaborate(1280, move |set| {
            set.ue(count);
            for index in 0..count {
                set.bits(u32::from(index > 0), 0).ue(before).ue(0);
                for _ in 0..before {
                    set.ue(0).bits(1, 1);
                }
            }
        })
    };
    assert_eq!(sets(64, 16).unwrap().frame_rate, rate(30, 1));
    // Past a limit the frame rate is lost, not the set.
    for (count, before) in [(65, 16), (64, 17)] {
        let sps = sets(count, before).unwrap();
        assert_eq!((sps.resolution.width, sps.frame_rate), (1280, None), "{count} sets of {before}");
    }
    // Sets that grow by prediction, one picture each.
    let grown = |count: u64| {
        elaborate(1280, move |set| {
            set.ue(count).ue(16).ue(0);
            for _ in 0..16 {
                set.ue(0).bits(1, 1);
            }
            for index in 1..count {
                set.bits(1, 1).bits(1, 1).ue(0).bits(16 + index as u32, u64::MAX);
            }
        })
    };
    assert_eq!(grown(17).unwrap().frame_rate, rate(30, 1));
    assert_eq!(grown(18).unwrap().frame_rate, None);
}

#[test]
fn long_term_references_up_to_their_limit() {
    let none = |set: &mut BitWriter| {
        set.ue(0);
    };
    assert_eq!(with_long_term(1280, 32, none).unwrap().frame_rate, rate(30, 1));
    assert_eq!(with_long_term(1280, 33, none).unwrap().frame_rate, None);
}

#[test]
fn dimensions_up_to_the_limit() {
    let none = |set: &mut BitWriter| {
        set.ue(0);
    };
    let max = u64::from(MAX_DIMENSION);
    assert_eq!(elaborate(max, none).unwrap().resolution.width, MAX_DIMENSION);
    assert!(matches!(elaborate(max + 1, none), Err(CodecError::Limit { .. })));
    assert!(matches!(elaborate(0, none), Err(CodecError::Field { .. })));
}

/// The lower sub-layers' profiles and levels stand between the general ones and the picture.
#[test]
fn sub_layers_are_passed_over() {
    let mut set = BitWriter::default();
    set.bits(16, u64::from(NAL_SPS) << 9 | 1).bits(4, 0).bits(3, 2).bits(1, 1);
    set.bits(8, 0x21).bits(32, 0x6000_0000).bits(24, 0xb0_0000).bits(24, 0).bits(8, 120);
    set.bits(4, 0b11_01).bits(12, 0);
    set.bits(32, u64::MAX).bits(32, u64::MAX).bits(24, u64::MAX).bits(8, 90).bits(8, 93);
    set.ue(0).ue(2).ue(1922).ue(1080).bits(1, 1).ue(0).ue(1).ue(0).ue(2).ue(2).ue(2).bits(8, 0x80);
    let sps = Sps::parse(&set.unit()).unwrap();
    assert_eq!((sps.sub_layers, sps.profile.level, sps.profile.high_tier), (3, 120, true));
    assert_eq!((sps.chroma_format, sps.bit_depth_luma, sps.bit_depth_chroma), (2, 10, 10));
    assert_eq!(sps.resolution, Resolution { width: 1920, height: 1078 });
    // Seven sub-layers are the most.
    let mut set = BitWriter::default();
    set.bits(16, u64::from(NAL_SPS) << 9 | 1)
        .bits(4, 0)
        .bits(3, 7)
        .bits(1, 1)
        .bits(32, 0)
        .bits(32, 0)
        .bits(32, 0);
    let refused = Sps::parse(&set.unit());
    assert!(matches!(refused, Err(CodecError::Field { field: "max_sub_layers_minus1", value: 7, .. })));
}

#[test]
fn the_video_parameter_set_tells_the_rate_where_the_vui_does_not() {
    let mut set = begin();
    set.ue(1).ue(640).ue(480).bits(1, 0).ue(0).ue(0).bits(8, 0x80);
    let sps = Bytes::from(set.unit());
    let vps = |layer_sets: u64| {
        let mut set = BitWriter::default();
        set.bits(16, u64::from(NAL_VPS) << 9 | 1)
            .bits(4 + 2 + 6, 0x300)
            .bits(3, 1)
            .bits(1, 1)
            .bits(16, 0xffff);
        set.bits(8, 1).bits(32, 0x6000_0000).bits(24, 0x90_0000).bits(24, 0).bits(8, 93);
        set.bits(2, 0).bits(14, 0); // sub-layer without profile and level
        set.bits(1, 1).ue(1).ue(0).ue(0).ue(4).ue(2).ue(0); // orderings of both sub-layers
        set.bits(6, 2).ue(layer_sets);
        for _ in 0..3 * layer_sets {
            set.bits(1, 1);
        }
        set.bits(1, 1).bits(32, 1001).bits(32, 60_000).bits(8, 0x80);
        HevcConfig::from_parameter_sets(vec![Bytes::from(set.unit())], vec![sps.clone()], vec![]).unwrap()
    };
    assert_eq!(vps(0).frame_rate, rate(60_000, 1001));
    assert_eq!(vps(1023).frame_rate, rate(60_000, 1001));
    assert_eq!(vps(1024).frame_rate, None);
}

#[test]
fn sync_is_a_random_access_picture() {
    assert!(is_sync(&frame("h265-main-720", 0)));
    assert!(!is_sync(&frame("h265-main-720", 1)));
    for nal_type in 0..64u8 {
        let unit = [nal_type << 1, 1, 0x80];
        assert_eq!(is_sync(&nal::join([&unit[..]])), (16..24).contains(&nal_type), "{nal_type}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = HevcConfig::parse(&data);
        let _ = Sps::parse(&data);
        let _ = vps::frame_rate(&data);
        let _ = is_sync(&data);
    }

    #[test]
    fn mutated_records_are_survived(record in mutated("h265-temporal-layers.record")) {
        if let Ok(config) = HevcConfig::parse(&record) {
            prop_assert!(config.resolution.width > 0 && config.resolution.height > 0);
            let built = HevcConfig::from_parameter_sets(config.vps, config.sps, config.pps).unwrap();
            prop_assert_eq!(HevcConfig::parse(&built.record).unwrap(), built);
        }
    }
}
