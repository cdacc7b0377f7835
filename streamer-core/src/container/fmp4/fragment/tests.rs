//! Fragments, taken apart.

use super::super::testing::{at, golden_file, names, payload};
use super::super::{SCHEME_ID3, Subsample};
use super::*;
use crate::time::Timescale;

fn sample(duration: u32, composition_offset: i32, sync: bool, len: usize) -> Sample {
    Sample { duration, composition_offset, sync, data: payload(len) }
}

fn run(samples: &[Sample]) -> TrackRun<'_> {
    TrackRun { track_id: 1, base_decode_time: 90_000, samples, protection: None }
}

fn fragment<'a>(runs: &'a [TrackRun<'a>]) -> Fragment<'a> {
    Fragment { sequence_number: 7, runs, reference_time: None, events: &[], segment_start: false }
}

fn one(samples: &[Sample]) -> Bytes {
    write_fragment(&fragment(&[run(samples)])).unwrap()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn what_all_samples_agree_on_is_told_once() {
    let bytes = one(&[sample(1_024, 0, true, 5), sample(1_024, 0, true, 5)]);
    assert_eq!(words(at(&bytes, "moof/traf/tfhd")), [0x02_0038, 1, 1_024, 5, SYNC_SAMPLE]);
    // Version 1, the data offset and nothing for each sample.
    let offset = u32::try_from(bytes.len() - 10).unwrap();
    assert_eq!(words(at(&bytes, "moof/traf/trun")), [0x0100_0001, 2, offset]);
    assert_eq!(at(&bytes, "moof/traf/tfdt"), [&[1, 0, 0, 0][..], &90_000u64.to_be_bytes()].concat());
    assert_eq!(at(&bytes, "mdat"), [payload(5), payload(5)].concat());
    assert_eq!(at(&bytes, "moof/mfhd"), [0, 0, 0, 0, 0, 0, 0, 7]);
}

#[test]
fn a_gop_tells_its_first_sample_apart() {
    let bytes = one(&[sample(40, 80, true, 5), sample(40, -40, false, 6), sample(40, 0, false, 7)]);
    assert_eq!(words(at(&bytes, "moof/traf/tfhd")), [0x02_0028, 1, 40, NON_SYNC_SAMPLE]);
    let offset = u32::try_from(bytes.len() - 18).unwrap();
    let minus_40 = (-40i32).cast_unsigned();
    let expected = [0x0100_0a05, 3, offset, SYNC_SAMPLE, 5, 80, 6, minus_40, 7, 0];
    assert_eq!(words(at(&bytes, "moof/traf/trun")), expected);
}

#[test]
fn what_differs_is_told_of_each_sample() {
    let bytes = one(&[sample(1, 0, false, 5), sample(2, 0, false, 5), sample(3, 0, true, 5)]);
    assert_eq!(words(at(&bytes, "moof/traf/tfhd")), [0x02_0010, 1, 5]);
    let trun = words(at(&bytes, "moof/traf/trun"));
    let samples = [1, NON_SYNC_SAMPLE, 2, NON_SYNC_SAMPLE, 3, SYNC_SAMPLE];
    assert_eq!((trun[0], &trun[3..]), (0x0100_0501, &samples[..]));
}

/// See the provenance in `testdata/fmp4/README.md`.
#[test]
fn the_bytes_of_a_segment_do_not_change() {
    let video =
        [sample(3_600, 7_200, true, 50), sample(3_600, -3_600, false, 20), sample(3_600, 0, false, 10)];
    let audio = [sample(1_024, 0, true, 11), sample(1_024, 0, true, 12)];
    let runs = [run(&video), TrackRun { track_id: 2, base_decode_time: 44_100, ..run(&audio) }];
    let events = [event()];
    let reference_time = Some(ProducerReferenceTime::from_unix_micros(1_700_000_000_250_000));
    let whole = Fragment { reference_time, events: &events, segment_start: true, ..fragment(&runs) };
    assert_eq!(write_fragment(&whole).unwrap(), golden_file("segment_h264_aac.m4s"));
}

fn event() -> EventMessage {
    EventMessage {
        scheme_id_uri: SCHEME_ID3.to_owned(),
        value: String::new(),
        timescale: Timescale::MPEG,
        presentation_time: 93_600,
        duration: None,
        id: 3,
        data: Bytes::from_static(b"ID3\x04\0\0\0\0\0\0"),
    }
}

#[test]
fn what_stands_before_the_media() {
    let samples = [sample(1_024, 0, true, 5)];
    let runs = [run(&samples)];
    let events = [event(), EventMessage { duration: Some(9), value: "v".to_owned(), ..event() }];
    let reference_time = Some(ProducerReferenceTime { ntp_timestamp: 0x0102_0304_0506_0708 });
    let whole = Fragment { reference_time, events: &events, segment_start: true, ..fragment(&runs) };
    let bytes = write_fragment(&whole).unwrap();
    assert_eq!(names(&bytes), ["styp", "prft", "emsg", "emsg", "moof", "mdat"]);
    assert_eq!(at(&bytes, "styp"), b"msdh\0\0\0\0msdhcmfscmffcmfl");
    assert_eq!(words(at(&bytes, "prft")), [0x0100_0000, 1, 0x0102_0304, 0x0506_0708, 0, 90_000]);
    let fields = [0x0100_0000, 90_000, 0, 93_600, u32::MAX, 3];
    let emsg = at(&bytes, "emsg");
    assert_eq!(words(&emsg[..24]), fields);
    assert_eq!(emsg[24..], [SCHEME_ID3.as_bytes(), b"\0\0ID3\x04\0\0\0\0\0\0"].concat());
    // The data offset counts from the moof, not from the start.
    assert_eq!(at(&bytes, "mdat"), payload(5));
    let trun = words(at(&bytes, "moof/traf/trun"));
    assert_eq!(trun[2] as usize, 8 + at(&bytes, "moof").len() + 8);
}

#[test]
fn the_data_of_two_tracks_lies_in_a_row() {
    let (video, audio) = ([sample(1, 0, true, 100)], [sample(1, 0, true, 3)]);
    let runs = [run(&video), TrackRun { track_id: 2, ..run(&audio) }];
    let whole = Fragment { segment_start: true, ..fragment(&runs) };
    let bytes = write_fragment(&whole).unwrap();
    assert_eq!(at(&bytes, "styp"), b"msdh\0\0\0\0msdh", "CMAF's brands are of one track");
    let moof = at(&bytes, "moof");
    let second = &moof[16 + 8 + at(moof, "traf").len()..];
    let offsets = [at(moof, "traf/trun"), at(second, "traf/trun")].map(|trun| words(trun)[2] as usize);
    assert_eq!(offsets[1] - offsets[0], 100);
    assert_eq!(offsets[0], moof.len() + 8 + 8);
}

#[test]
fn wall_clock_as_ntp_counts_it() {
    let half_past = ProducerReferenceTime::from_unix_micros(500_000);
    assert_eq!(half_past.ntp_timestamp, (2_208_988_800 << 32) | (1 << 31));
}

#[test]
fn stretches_of_protection_stand_where_their_offset_says() {
    let samples = [sample(1, 0, true, 100), sample(1, 0, false, 40)];
    let stretch = |clear, protected| Subsample { clear, protected };
    let protection = [vec![stretch(20, 32), stretch(32, 16)], vec![stretch(40, 0)]];
    let runs = [TrackRun { protection: Some(&protection), ..run(&samples) }];
    let bytes = write_fragment(&Fragment { segment_start: true, ..fragment(&runs) }).unwrap();
    assert_eq!(at(&bytes, "moof/traf/saiz"), [0, 0, 0, 0, 0, 0, 0, 0, 2, 14, 8]);
    let saio = words(at(&bytes, "moof/traf/saio"));
    assert_eq!(saio[..2], [0, 1]);
    let moof_start = 8 + at(&bytes, "styp").len();
    let expected = [&[0, 2, 0, 20, 0, 0, 0, 32, 0, 32, 0, 0, 0, 16][..], &[0, 1, 0, 40, 0, 0, 0, 0]].concat();
    assert_eq!(bytes[moof_start + saio[2] as usize..][..22], expected);
    assert!(at(&bytes, "moof/traf/senc").starts_with(&[0, 0, 0, 2, 0, 0, 0, 2]));
    let one_only = [vec![stretch(20, 32)]];
    let runs = [TrackRun { protection: Some(&one_only), ..run(&samples) }];
    assert!(matches!(write_fragment(&fragment(&runs)), Err(Fmp4Error::Missing { .. })));
}

#[test]
fn subsamples_at_their_limit() {
    let samples = [sample(1, 0, true, 100)];
    let at_limit = |count| {
        let protection = [vec![Subsample { clear: 1, protected: 0 }; count]];
        write_fragment(&fragment(&[TrackRun { protection: Some(&protection), ..run(&samples) }]))
    };
    assert!(at_limit(super::super::MAX_SUBSAMPLES).is_ok());
    assert!(matches!(at_limit(super::super::MAX_SUBSAMPLES + 1), Err(Fmp4Error::Limit { .. })));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let samples = [sample(1, 0, true, 1)];
    assert!(matches!(write_fragment(&fragment(&[])), Err(Fmp4Error::Missing { .. })));
    assert!(matches!(write_fragment(&fragment(&[run(&[])])), Err(Fmp4Error::Missing { .. })));
    let many = vec![samples[0].clone(); MAX_SAMPLES_PER_RUN + 1];
    assert!(write_fragment(&fragment(&[run(&many[1..])])).is_ok());
    assert!(matches!(write_fragment(&fragment(&[run(&many)])), Err(Fmp4Error::Limit { max: 65_536, .. })));
    let runs = vec![run(&samples); MAX_TRACKS + 1];
    assert!(write_fragment(&fragment(&runs[1..])).is_ok());
    assert!(matches!(write_fragment(&fragment(&runs)), Err(Fmp4Error::Limit { .. })));
    let runs = [run(&samples)];
    let events = [EventMessage { value: "a\0b".to_owned(), ..event() }];
    let refused = write_fragment(&Fragment { events: &events, ..fragment(&runs) });
    assert!(matches!(refused, Err(Fmp4Error::Field { field: "value", .. })));
}

#[test]
fn bytes_of_a_fragment_at_their_limit() {
    // One buffer that all samples share.
    let data = Bytes::from(vec![0; 1 << 20]);
    let samples = vec![Sample { data, ..sample(1, 0, true, 0) }; 2_048];
    let refused = Plan::of(&fragment(&[run(&samples)]));
    assert!(matches!(refused, Err(Fmp4Error::Limit { max: 0x7fff_ffff, .. })));
    assert!(Plan::of(&fragment(&[run(&samples[1..])])).is_ok());
}

#[test]
fn a_head_and_its_payload_are_what_is_written_at_once() {
    for count in [1, 2, 5] {
        let samples: Vec<Sample> = (0..count)
            .map(|at| Sample {
                duration: 3_000 + at % 2,
                composition_offset: 10 - at.cast_signed(),
                sync: at == 0,
                data: payload(10 + at as usize),
            })
            .collect();
        let runs = [TrackRun { track_id: 7, base_decode_time: 1 << 33, samples: &samples, protection: None }];
        let (sequence_number, reference_time, events, segment_start) = (9, None, &[][..], true);
        let fragment = Fragment { sequence_number, runs: &runs, reference_time, events, segment_start };
        let heads: Vec<SampleHead> = samples.iter().map(Described::head).collect();
        let head = FragmentHead { sequence_number, track_id: 7, base_decode_time: 1 << 33, samples: &heads };
        let mut written = write_fragment_head(&head).unwrap();
        let room = written.capacity();
        written.extend(samples.iter().flat_map(|sample| &sample.data));
        assert_eq!(written, write_fragment(&fragment).unwrap());
        assert_eq!(written.capacity(), room, "there was room for the payload");
    }
    let none = FragmentHead { sequence_number: 1, track_id: 1, base_decode_time: 0, samples: &[] };
    assert!(matches!(write_fragment_head(&none), Err(Fmp4Error::Missing { .. })));
    let large = SampleHead { duration: 1, composition_offset: 0, sync: true, size: i32::MAX.cast_unsigned() };
    let head = FragmentHead { samples: &[large], ..none };
    assert!(matches!(write_fragment_head(&head), Err(Fmp4Error::Limit { .. })));
}
