//! Tests of the configuration and of ADTS headers.

use proptest::prelude::*;

use super::*;
use crate::codec::bit_writer::BitWriter;
use crate::codec::golden::{frame, golden, mutated};

fn summary(record: &[u8]) -> (u8, u32, u32, u8, u16, AacExtension) {
    let config = AacConfig::parse(record).unwrap();
    assert_eq!(config.record, record);
    let extension = config.extension();
    let rates = (config.sample_rate_hz, config.core_sample_rate_hz);
    (config.object_type, rates.0, rates.1, config.channels, config.frame_samples, extension)
}

#[test]
fn records_of_ffmpeg() {
    let none = AacExtension::None;
    let stereo = golden("aac-lc-44100-stereo.record");
    assert_eq!(summary(&stereo), (2, 44_100, 44_100, 2, 1024, none));
    let surround = golden("aac-lc-48000-51.record");
    assert_eq!(summary(&surround), (2, 48_000, 48_000, 6, 1024, none));
}

/// Configurations as encoders write them, field by field.
#[test]
fn configurations_by_hand() {
    use AacExtension::{None, ParametricStereo, Sbr};
    for (what, record, expected) in [
        ("AAC-LC, 44.1 kHz, stereo", &[0x12, 0x10][..], (2, 44_100, 44_100, 2, 1024, None)),
        ("AAC-LC, 960 samples", &[0x12, 0x14], (2, 44_100, 44_100, 2, 960, None)),
        (
            "AAC-LC, escaped 44 100 Hz, mono",
            &[0x17, 0x80, 0x56, 0x22, 0x08],
            (2, 44_100, 44_100, 1, 1024, None),
        ),
        ("AAC-LC, 7.1", &[0x11, 0xb8], (2, 48_000, 48_000, 8, 1024, None)),
        // 00101 0111 0010 0100 00010 000
        (
            "HE-AAC, hierarchical, 22.05 to 44.1 kHz",
            &[0x2b, 0x92, 0x08, 0x00],
            (2, 44_100, 22_050, 2, 1024, Sbr),
        ),
        // 11101 0111 0001 0100 00010 000
        (
            "HE-AAC v2, hierarchical",
            &[0xeb, 0x8a, 0x08, 0x00],
            (2, 44_100, 22_050, 2, 1024, ParametricStereo),
        ),
        // 00010 0111 0010 000 01010110111 00101 1 0100
        ("HE-AAC, backward compatible", &[0x13, 0x90, 0x56, 0xe5, 0xa0], (2, 44_100, 22_050, 2, 1024, Sbr)),
        // as above, mono, then 10101001000 1
        (
            "HE-AAC v2, backward compatible",
            &[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80],
            (2, 44_100, 22_050, 2, 1024, ParametricStereo),
        ),
        ("SBR denied, sbrPresentFlag 0", &[0x12, 0x10, 0x56, 0xe5, 0x00], (2, 44_100, 44_100, 2, 1024, None)),
        // 10111 0011 0010 000
        ("AAC-LD", &[0xb9, 0x90], (23, 48_000, 48_000, 2, 512, None)),
        // 11111 000111 0011 0010 0 ...
        ("AAC-ELD", &[0xf8, 0xe6, 0x40], (39, 48_000, 48_000, 2, 512, None)),
    ] {
        assert_eq!(summary(record), expected, "{what}");
    }
}

#[test]
fn channels_of_a_program_config_element() {
    // 00010 0100 0000 000, then tag 4, profile 2, index 4, front 2, side 0, back 1, lfe 1, data 0, coupling 0,
    // mixdowns 000, front SCE and CPE, back CPE, lfe, aligned, no comment: 5.1.
    // 00010010 00000000 | 0000 01 01 | 00 0010 00 | 00 0001 01 | 000 0000 0 | 0 0 0 0000 1 | 0001 1 000 | 0 0000 000 | comment
    let record = [0x12, 0x00, 0x05, 0x08, 0x05, 0x00, 0x01, 0x18, 0x00, 0x00];
    let config = AacConfig::parse(&record).unwrap();
    assert_eq!((config.channels, config.sample_rate_hz), (6, 44_100));
    // No element at all is no layout.
    assert!(matches!(
        AacConfig::parse(&[0x12, 0x00, 0, 0, 0, 0, 0, 0]),
        Err(CodecError::Field { field: "channelConfiguration", value: 0, .. })
    ));
}

/// Everything a program config element can hold, in front of a backward compatible signal of SBR. The numbers of
/// side channels put its end at each bit of a byte: its alignment must not hide a field passed over wrongly.
#[test]
fn the_whole_program_config_element_is_passed() {
    for side in 0..8u8 {
        let mut record = BitWriter::default();
        record.bits(5, 2).bits(4, 7).bits(4, 0).bits(3, 0);
        record.bits(4, 0).bits(2, 1).bits(4, 7).bits(4, 1).bits(4, side.into()).bits(4, 0);
        record.bits(2, 2).bits(3, 1).bits(4, 3);
        record.bits(1, 1).bits(4, 0xf).bits(1, 1).bits(4, 0xf).bits(1, 1).bits(3, 7); // mixdowns
        record.bits(5, 0x1f).bits(5 * u32::from(side), 0); // front pair, single side channels
        record.bits(8, 0xff).bits(4, 0xf).bits(15, 0x7fff); // low frequency, associated data, coupling
        let written = 16 + 31 + 14 + 5 + 5 * u32::from(side) + 8 + 4 + 15;
        record.bits(written.next_multiple_of(8) - written, 0).bits(8, 2).bits(16, 0xffff); // alignment, comment
        record.bits(11, 0x2b7).bits(5, 5).bits(1, 1).bits(4, 4);
        let expected = (2, 44_100, 22_050, 4 + side, 1024, AacExtension::Sbr);
        assert_eq!(summary(&record.bytes()), expected, "{side} side channels");
    }
}

#[test]
fn reserved_values_are_refused() {
    for (record, field) in [
        (&[0x16, 0x90][..], "samplingFrequencyIndex"),
        (&[0x17, 0x80, 0, 0, 0x08], "samplingFrequency"),
        (&[0x12, 0x40], "channelConfiguration"),
        (&[0x12, 0x78], "channelConfiguration"),
    ] {
        assert!(
            matches!(AacConfig::parse(record), Err(CodecError::Field { field: found, .. }) if found == field),
            "{field}"
        );
    }
    // 01100: TwinVQ is 7; 12 is text to speech.
    assert!(matches!(AacConfig::parse(&[0x62, 0x10]), Err(CodecError::Unsupported { .. })));
    assert!(matches!(AacConfig::parse(&[0x12]), Err(CodecError::Truncated { .. })));
    assert!(matches!(AacConfig::parse(&[]), Err(CodecError::Truncated { .. })));
}

#[test]
fn built_records_read_back() {
    for (rate, channels) in [(44_100, 2), (48_000, 1), (8_000, 8), (7_350, 6), (37_800, 2), (0xff_ffff, 3)] {
        let config = AacConfig::new(AAC_LC, rate, channels).unwrap();
        assert_eq!((config.sample_rate_hz, config.channels), (rate, channels));
        assert_eq!(config.record.len(), if asc::SAMPLE_RATES_HZ.contains(&rate) { 2 } else { 5 });
    }
    assert_eq!(AacConfig::new(AAC_LC, 44_100, 2).unwrap().record, [0x12, 0x10][..]);
    for (object_type, rate, channels) in
        [(5, 48_000, 2), (0, 48_000, 2), (2, 0, 2), (2, 1 << 24, 2), (2, 48_000, 7)]
    {
        assert!(AacConfig::new(object_type, rate, channels).is_err(), "{object_type} {rate} {channels}");
    }
}

#[test]
fn a_record_of_an_adts_header() {
    let data = frame("aac-lc-adts", 0);
    let header = AdtsHeader::parse(&data).unwrap().unwrap();
    assert_eq!((header.header_bytes, header.frame_bytes, header.raw_data_blocks), (7, data.len(), 1));
    let config = AacConfig::from_adts_header(&header).unwrap();
    assert_eq!((config.object_type, config.sample_rate_hz, config.channels), (AAC_LC, 48_000, 2));
    assert_eq!(AdtsHeader::parse(&data[..6]), Ok(None));
    assert!(matches!(AdtsHeader::parse(&data[1..]), Err(CodecError::Field { field: "syncword", .. })));
    // protection_absent 0: two bytes of CRC.
    let mut protected = data[..7].to_vec();
    protected[1] &= 0xfe;
    assert_eq!(AdtsHeader::parse(&protected).unwrap().unwrap().header_bytes, 9);
    // A frame shorter than its header would never let a reader advance.
    protected[3] &= 0xfc;
    protected[4] = 1;
    protected[5] &= 0x1f;
    assert!(matches!(
        AdtsHeader::parse(&protected),
        Err(CodecError::Field { field: "aac_frame_length", value: 8, .. })
    ));
}

#[test]
fn headers_are_written_as_they_are_read() {
    for (object_type, rate, channels) in [(2, 48_000, 2), (1, 7_350, 1), (4, 96_000, 8), (2, 44_100, 6)] {
        let config = AacConfig::new(object_type, rate, channels).unwrap();
        let header = AdtsHeader::of_config(&config).unwrap();
        for payload in [0, 1, 371, adts::MAX_FRAME_BYTES - 7] {
            let read = AdtsHeader::parse(&header.write(payload).unwrap()).unwrap().unwrap();
            assert_eq!(read, AdtsHeader { frame_bytes: payload + 7, ..header.clone() });
            assert_eq!(AacConfig::from_adts_header(&read).unwrap(), config);
        }
        let past = header.write(adts::MAX_FRAME_BYTES - 6);
        assert!(matches!(past, Err(CodecError::Limit { value: 8_192, max: 8_191, .. })));
    }
    let own = frame("aac-lc-adts", 0);
    let header = AdtsHeader::parse(&own).unwrap().unwrap();
    let written = header.write(own.len() - 7).unwrap();
    assert_eq!(written[..3], own[..3]);
    assert_eq!(AdtsHeader::parse(&written).unwrap().unwrap(), header);
}

#[test]
fn what_a_header_cannot_tell_is_refused() {
    // HE-AAC has the header of its core.
    let hierarchical =
        BitWriter::default().bits(5, 5).bits(4, 6).bits(4, 2).bits(4, 3).bits(5, 2).bits(3, 0).bytes();
    let header = AdtsHeader::of_config(&AacConfig::parse(&hierarchical).unwrap()).unwrap();
    assert_eq!((header.object_type, header.sample_rate_hz), (2, 24_000));
    let odd_rate = AacConfig::new(2, 44_000, 2).unwrap();
    let low_delay = BitWriter::default().bits(5, 23).bits(4, 3).bits(4, 2).bits(1, 0).bits(16, 0).bytes();
    let low_delay = AacConfig::parse(&low_delay).unwrap();
    let short_frames = BitWriter::default().bits(5, 2).bits(4, 3).bits(4, 2).bits(1, 1).bits(2, 0).bytes();
    let short_frames = AacConfig::parse(&short_frames).unwrap();
    for config in [odd_rate, low_delay, short_frames] {
        assert!(matches!(AdtsHeader::of_config(&config), Err(CodecError::Unsupported { .. })), "{config:?}");
    }
}

#[test]
fn a_record_past_the_limit_is_refused() {
    let mut record = vec![0; crate::codec::MAX_RECORD_BYTES];
    record[..2].copy_from_slice(&[0x12, 0x10]);
    AacConfig::parse(&record).unwrap();
    record.push(0);
    assert!(matches!(AacConfig::parse(&record), Err(CodecError::Limit { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(config) = AacConfig::parse(&data) {
            prop_assert!(config.channels > 0 && config.sample_rate_hz > 0 && config.frame_samples > 0);
        }
        if let Ok(Some(header)) = AdtsHeader::parse(&data) {
            prop_assert!(header.frame_bytes >= header.header_bytes);
            let _ = AacConfig::from_adts_header(&header);
        }
    }

    #[test]
    fn mutated_records_are_survived(record in mutated("aac-lc-48000-51.record")) {
        let _ = AacConfig::parse(&record);
    }
}
