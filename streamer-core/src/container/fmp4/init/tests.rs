//! Init segments, taken apart.

use super::super::testing::{aac, at, avc, boxes, codecs, golden_file, names};
use super::*;
use crate::codec::{DataFormat, G711Config, G711Law};

fn track(codec: &Codec) -> InitTrack<'_> {
    InitTrack { id: 1, timescale: Timescale::MPEG, codec, start_offset: None, protection: None }
}

const STSD: &str = "moov/trak/mdia/minf/stbl/stsd/+8";

#[test]
fn every_codec_has_its_entry_and_its_configuration_verbatim() {
    for (entry, configuration, codec) in codecs() {
        let init = init_segment(&[track(&codec)]).unwrap();
        let fixed = if codec.kind() == MediaKind::Video { 78 } else { 28 };
        let record = at(&init, &format!("{STSD}/{entry}/+{fixed}/{configuration}"));
        let expected = match &codec {
            Codec::H264(config) => config.record.clone(),
            Codec::H265(config) => config.record.clone(),
            Codec::Av1(config) => config.record.clone(),
            Codec::Vp9(config) => [&[1, 0, 0, 0], &config.record[..]].concat().into(),
            Codec::Aac(config) => {
                assert!(record.ends_with(&[&config.record[..], &[6, 0x80, 0x80, 0x80, 1, 2]].concat()));
                continue;
            }
            Codec::Mp3(config) => {
                let object_type = if config.sample_rate_hz == 44_100 { 0x6b } else { 0x69 };
                assert_eq!(record[17], object_type, "behind two descriptors' headers");
                continue;
            }
            Codec::Flac(config) => [&[0, 0, 0, 0, 0x80, 0, 0, 34], &config.record[..]].concat().into(),
            Codec::Ac3(config) => Bytes::copy_from_slice(&config.dac3()),
            Codec::Eac3(config) => Bytes::copy_from_slice(&config.dec3()),
            Codec::Opus(config) => {
                let fields =
                    [0, config.channels, (config.pre_skip >> 8) as u8, (config.pre_skip & 0xff) as u8];
                assert_eq!(record[..4], fields);
                assert_eq!(record[4..8], config.input_sample_rate_hz.to_be_bytes());
                assert_eq!(record[10..], config.record[18..], "the channel mapping is the header's own");
                continue;
            }
            Codec::G711(_) | Codec::Data(_) => panic!("carried?"),
        };
        assert_eq!(record, expected, "{entry}");
    }
}

/// See the provenance in `testdata/fmp4/README.md`.
#[test]
fn the_bytes_of_an_init_segment_do_not_change() {
    let (video, audio) = (avc(), aac());
    let audio = InitTrack {
        id: 2,
        timescale: Timescale::new(44_100).unwrap(),
        start_offset: Some(2_112),
        ..track(&audio)
    };
    assert_eq!(init_segment(&[track(&video), audio]).unwrap(), golden_file("init_h264_aac.mp4"));
}

#[test]
fn one_track_alone_is_a_cmaf_header() {
    let (video, audio) = (avc(), aac());
    let one = init_segment(&[track(&video)]).unwrap();
    assert!(at(&one, "ftyp").ends_with(b"iso6cmfc"));
    let two = init_segment(&[track(&video), InitTrack { id: 2, ..track(&audio) }]).unwrap();
    assert!(!at(&two, "ftyp").ends_with(b"cmfc"));
    assert_eq!(names(at(&two, "moov")), ["mvhd", "trak", "trak", "mvex"]);
    assert_eq!(boxes(at(&two, "moov/mvex")).len(), 2);
}

#[test]
fn an_edit_list_is_short_until_it_has_to_be_long() {
    let codec = aac();
    let edit = |start_offset| {
        let init = init_segment(&[InitTrack { start_offset, ..track(&codec) }]).unwrap();
        at(&init, "moov/trak/edts/elst").to_vec()
    };
    let short = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0][..], &[0x7f, 0xff, 0xff, 0xff, 0, 1, 0, 0]].concat();
    assert_eq!(edit(Some(0x7fff_ffff)), short);
    let long = [&[1, 0, 0, 0, 0, 0, 0, 1][..], &[0; 8], &[0, 0, 0, 0, 0x80, 0, 0, 0, 0, 1, 0, 0]].concat();
    assert_eq!(edit(Some(0x8000_0000)), long);
    let without = init_segment(&[track(&codec)]).unwrap();
    assert_eq!(names(at(&without, "moov/trak")), ["tkhd", "mdia"]);
    assert!(init_segment(&[InitTrack { start_offset: Some(u64::MAX), ..track(&codec) }]).is_err());
}

#[test]
fn a_protected_track_tells_its_scheme_and_what_it_was() {
    let protection = Protection { key_id: [0x11; 16], constant_iv: [0x22; 16] };
    for (codec, entry, fixed, original, pattern) in
        [(avc(), "encv", 78, b"avc1", 0x19), (aac(), "enca", 28, b"mp4a", 0)]
    {
        let init = init_segment(&[InitTrack { protection: Some(&protection), ..track(&codec) }]).unwrap();
        let sinf = at(&init, &format!("{STSD}/{entry}/+{fixed}/sinf"));
        assert_eq!(at(sinf, "frma"), original);
        assert_eq!(at(sinf, "schm"), b"\0\0\0\0cbcs\0\x01\0\0");
        let expected = [&[1, 0, 0, 0, 0, pattern, 1, 0][..], &[0x11; 16], &[16], &[0x22; 16]].concat();
        assert_eq!(at(sinf, "schi/tenc"), expected);
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let codec = avc();
    assert!(matches!(init_segment(&[]), Err(Fmp4Error::Missing { .. })));
    for tracks in [vec![InitTrack { id: 0, ..track(&codec) }], vec![track(&codec), track(&codec)]] {
        assert!(matches!(init_segment(&tracks), Err(Fmp4Error::Field { field: "track_ID", .. })));
    }
    let many: Vec<_> = (1..).take(MAX_TRACKS + 1).map(|id| InitTrack { id, ..track(&codec) }).collect();
    assert!(init_segment(&many[1..]).is_ok());
    assert!(matches!(init_segment(&many), Err(Fmp4Error::Limit { value: 33, max: 32, .. })));
    let g711 = Codec::G711(G711Config::new(G711Law::A, 8_000, 1).unwrap());
    for codec in [g711, Codec::Data(DataFormat::Amf0)] {
        assert!(!super::super::carries(&codec));
        assert!(matches!(init_segment(&[track(&codec)]), Err(Fmp4Error::UnsupportedCodec { .. })));
    }
    let mut unsized_video = codecs().swap_remove(3).2;
    if let Codec::Vp9(config) = &mut unsized_video {
        config.resolution = None;
    }
    assert!(matches!(init_segment(&[track(&unsized_video)]), Err(Fmp4Error::Missing { .. })));
}
