//! How each codec is carried: stream type, stream id and descriptors (ISO/IEC 13818-1 table 2-34 and the bindings
//! named below), and how a program map tells it.
//!
//! | codec | stream type | binding |
//! |---|---|---|
//! | H.264, H.265 | 0x1b, 0x24 | ISO/IEC 13818-1 2.14, 2.17 |
//! | AAC | 0x0f | ADTS, ISO/IEC 13818-7 |
//! | MP3 | 0x03, 0x04 | ISO/IEC 11172-3, 13818-3 |
//! | Opus | 0x06 | ETSI TS 101 154 annex on Opus; registration `Opus` |
//! | AC-3, E-AC-3 | 0x81, 0x87 | ATSC A/52 annexes A, G; read in DVB's form too (ETSI EN 300 468 annex D) |
//! | SCTE 35 | 0x86 | sections; registration `CUEI` of the program |
//! | ID3 | 0x15 | Timed Metadata for HTTP Live Streaming (Apple) |

use super::pes::{AUDIO_STREAM, PRIVATE_STREAM_1, VIDEO_STREAM};
use super::psi::{MapEntry, PROGRAM_NUMBER, descriptors};
use crate::codec::aac::adts::AdtsHeader;
use crate::codec::{Ac3Config, Codec, DataFormat, OpusConfig};

const TYPE_MPEG1_AUDIO: u8 = 0x03;
const TYPE_MPEG2_AUDIO: u8 = 0x04;
const TYPE_PRIVATE: u8 = 0x06;
const TYPE_ADTS: u8 = 0x0f;
const TYPE_METADATA: u8 = 0x15;
const TYPE_H264: u8 = 0x1b;
const TYPE_H265: u8 = 0x24;
const TYPE_AC3: u8 = 0x81;
const TYPE_SCTE35: u8 = 0x86;
const TYPE_EAC3: u8 = 0x87;

const TAG_REGISTRATION: u8 = 0x05;
const TAG_METADATA_POINTER: u8 = 0x25;
const TAG_METADATA: u8 = 0x26;
/// DVB's descriptors of AC-3 and E-AC-3.
const TAG_DVB_AC3: u8 = 0x6a;
const TAG_DVB_EAC3: u8 = 0x7a;
const TAG_DVB_EXTENSION: u8 = 0x7f;
const TAG_ATSC_AC3: u8 = 0x81;
/// `descriptor_tag_extension` of Opus.
const EXTENSION_OPUS: u8 = 0x80;

/// `metadata_application_format` and `metadata_format` by identifier, both ID3.
const ID3_FORMATS: [u8; 11] = [0xff, 0xff, b'I', b'D', b'3', b' ', 0xff, b'I', b'D', b'3', b' '];
/// Bytes of an `OpusHead` in front of the channel mapping family.
const OPUS_MAPPING_AT: usize = 18;

/// How a muxer carries a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carriage {
    pub(super) stream_type: u8,
    pub(super) stream_id: u8,
    /// Descriptors in the track's entry of the program map.
    pub(super) descriptors: Vec<u8>,
    /// Descriptors of the program that the track asks for.
    pub(super) program_descriptors: Vec<u8>,
}

/// How `codec` is carried; `None` when it has no binding, or its configuration none.
pub(super) fn carriage(codec: &Codec) -> Option<Carriage> {
    let plain = |stream_type, stream_id, descriptors| Carriage {
        stream_type,
        stream_id,
        descriptors,
        program_descriptors: Vec::new(),
    };
    Some(match codec {
        Codec::H264(_) => plain(TYPE_H264, VIDEO_STREAM, Vec::new()),
        Codec::H265(_) => plain(TYPE_H265, VIDEO_STREAM, registration(*b"HEVC")),
        Codec::Aac(config) => {
            AdtsHeader::of_config(config).ok()?;
            plain(TYPE_ADTS, AUDIO_STREAM, Vec::new())
        }
        Codec::Mp3(config) => {
            let mpeg1 = config.sample_rate_hz >= 32_000;
            plain(if mpeg1 { TYPE_MPEG1_AUDIO } else { TYPE_MPEG2_AUDIO }, AUDIO_STREAM, Vec::new())
        }
        Codec::Opus(config) => {
            let mut descriptors = registration(*b"Opus");
            descriptors.extend([TAG_DVB_EXTENSION, 2, EXTENSION_OPUS, opus_channels(config)?]);
            plain(TYPE_PRIVATE, PRIVATE_STREAM_1, descriptors)
        }
        Codec::Ac3(config) => {
            let mut descriptors = registration(*b"AC-3");
            descriptors.extend(atsc_ac3(config));
            plain(TYPE_AC3, PRIVATE_STREAM_1, descriptors)
        }
        Codec::Eac3(_) => plain(TYPE_EAC3, PRIVATE_STREAM_1, registration(*b"EAC3")),
        Codec::Data(DataFormat::Scte35) => Carriage {
            program_descriptors: registration(*b"CUEI"),
            // Sections have no stream id.
            ..plain(TYPE_SCTE35, 0, Vec::new())
        },
        Codec::Data(DataFormat::Id3) => {
            // Both descriptors: the formats, metadata service 0; then no locator and carriage in this stream,
            // or no decoder configuration.
            let mut pointer = vec![TAG_METADATA_POINTER, 15];
            pointer.extend(ID3_FORMATS);
            pointer.extend([0, 0x1f]);
            pointer.extend(PROGRAM_NUMBER.to_be_bytes());
            let mut metadata = vec![TAG_METADATA, 13];
            metadata.extend(ID3_FORMATS);
            metadata.extend([0, 0x0f]);
            Carriage { program_descriptors: pointer, ..plain(TYPE_METADATA, PRIVATE_STREAM_1, metadata) }
        }
        Codec::Av1(_) | Codec::Vp9(_) | Codec::G711(_) | Codec::Flac(_) | Codec::Data(DataFormat::Amf0) => {
            return None;
        }
    })
}

/// What the payload of a stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    H264,
    H265,
    Adts,
    Mp3,
    Ac3,
    Eac3,
    /// With the `channel_config_code`.
    Opus(u8),
    Scte35,
    Id3,
}

/// The syntax of a stream in a program map; `None` when it is not supported.
pub(super) fn syntax(entry: &MapEntry) -> Option<Syntax> {
    let find = |wanted: u8| descriptors(&entry.descriptors).find(|(tag, _)| *tag == wanted);
    match entry.stream_type {
        TYPE_H264 => Some(Syntax::H264),
        TYPE_H265 => Some(Syntax::H265),
        TYPE_ADTS => Some(Syntax::Adts),
        TYPE_MPEG1_AUDIO | TYPE_MPEG2_AUDIO => Some(Syntax::Mp3),
        TYPE_AC3 => Some(Syntax::Ac3),
        TYPE_EAC3 => Some(Syntax::Eac3),
        TYPE_SCTE35 => Some(Syntax::Scte35),
        TYPE_METADATA => {
            let (_, body) = find(TAG_METADATA)?;
            body.starts_with(&ID3_FORMATS).then_some(Syntax::Id3)
        }
        TYPE_PRIVATE if find(TAG_DVB_AC3).is_some() => Some(Syntax::Ac3),
        TYPE_PRIVATE if find(TAG_DVB_EAC3).is_some() => Some(Syntax::Eac3),
        TYPE_PRIVATE => match find(TAG_REGISTRATION)?.1 {
            b"AC-3" => Some(Syntax::Ac3),
            b"EAC3" => Some(Syntax::Eac3),
            b"HEVC" => Some(Syntax::H265),
            b"Opus" => match find(TAG_DVB_EXTENSION)?.1 {
                &[EXTENSION_OPUS, channels, ..] => Some(Syntax::Opus(channels)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The configuration of an Opus stream with this `channel_config_code`: nothing is discarded at its start, because
/// trimming is told packet by packet. `None` for codes past 8, which describe layouts of their own.
pub(super) fn opus_config(channels: u8) -> Option<OpusConfig> {
    let mut record = OpusConfig::new(channels).ok()?.record.to_vec();
    record.get_mut(10..12)?.fill(0); // pre-skip
    OpusConfig::parse(&record).ok()
}

/// The `channel_config_code` of a layout in default order.
fn opus_channels(config: &OpusConfig) -> Option<u8> {
    let default = OpusConfig::new(config.channels).ok()?;
    let mapping = config.record.get(OPUS_MAPPING_AT..)?;
    (Some(mapping) == default.record.get(OPUS_MAPPING_AT..)).then_some(config.channels)
}

fn registration(identifier: [u8; 4]) -> Vec<u8> {
    let mut descriptor = vec![TAG_REGISTRATION, 4];
    descriptor.extend(identifier);
    descriptor
}

/// The `AC-3_audio_stream_descriptor` (ATSC A/52 A4.3).
fn atsc_ac3(config: &Ac3Config) -> [u8; 8] {
    let rate = match config.sample_rate_hz {
        48_000 => 0,
        44_100 => 1,
        32_000 => 2,
        _ => 7, // 48, 44.1 or 32 kHz
    };
    [
        TAG_ATSC_AC3,
        6,
        rate << 5 | (config.bsid & 0x1f),
        (config.bit_rate_code & 0x1f) << 2, // exact, surround mode not told
        (config.bsmod & 7) << 5 | (config.acmod & 7) << 1 | 1, // full_svc
        0xff,                               // langcod: reserved
        0x1f,                               // mainid 0
        0x01,                               // no text
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::golden::{frame, golden};
    use crate::codec::{AacConfig, AvcConfig, FlacConfig, G711Config, G711Law, HevcConfig, Mp3Config};

    fn carried() -> Vec<(Codec, Syntax)> {
        let mp3 = |sample_rate_hz, frame_samples| {
            Codec::Mp3(Mp3Config { sample_rate_hz, channels: 2, frame_samples })
        };
        let ac3 = Ac3Config::parse(&frame("ac3-48000-51", 0)).unwrap();
        let eac3 = Ac3Config::parse_enhanced(&frame("eac3-48000-51", 0)).unwrap();
        vec![
            (Codec::H264(AvcConfig::parse(&golden("h264-baseline-240.record")).unwrap()), Syntax::H264),
            (Codec::H265(HevcConfig::parse(&golden("h265-main-720.record")).unwrap()), Syntax::H265),
            (Codec::Aac(AacConfig::new(2, 48_000, 2).unwrap()), Syntax::Adts),
            (mp3(44_100, 1_152), Syntax::Mp3),
            (mp3(22_050, 576), Syntax::Mp3),
            (Codec::Opus(OpusConfig::parse(&golden("opus-51.record")).unwrap()), Syntax::Opus(6)),
            (Codec::Opus(OpusConfig::parse(&golden("opus-stereo.record")).unwrap()), Syntax::Opus(2)),
            (Codec::Ac3(ac3), Syntax::Ac3),
            (Codec::Eac3(eac3), Syntax::Eac3),
            (Codec::Data(DataFormat::Scte35), Syntax::Scte35),
            (Codec::Data(DataFormat::Id3), Syntax::Id3),
        ]
    }

    #[test]
    fn what_is_carried_is_recognised() {
        for (codec, expected) in carried() {
            let Carriage { stream_type, descriptors, .. } = carriage(&codec).unwrap();
            let entry = MapEntry { stream_type, pid: 0x100, descriptors };
            assert_eq!(syntax(&entry), Some(expected), "{}", codec.name());
        }
    }

    #[test]
    fn codecs_without_a_binding_are_not_carried() {
        let g711 = G711Config::new(G711Law::A, 8_000, 1).unwrap();
        let flac = FlacConfig::parse(&golden("flac-44100-stereo.record")).unwrap();
        let mut swapped = golden("opus-51.record").to_vec();
        swapped.swap(21, 22);
        for codec in [
            Codec::G711(g711),
            Codec::Flac(flac),
            Codec::Data(DataFormat::Amf0),
            Codec::Aac(AacConfig::new(2, 44_000, 2).unwrap()),
            Codec::Opus(OpusConfig::parse(&swapped).unwrap()),
        ] {
            assert_eq!(carriage(&codec), None, "{}", codec.name());
        }
    }

    #[test]
    fn descriptors_by_hand() {
        let id3 = carriage(&Codec::Data(DataFormat::Id3)).unwrap();
        assert_eq!(id3.descriptors, b"\x26\x0d\xff\xffID3 \xffID3 \x00\x0f");
        assert_eq!(id3.program_descriptors, b"\x25\x0f\xff\xffID3 \xffID3 \x00\x1f\x00\x01");
        let cue = carriage(&Codec::Data(DataFormat::Scte35)).unwrap();
        assert_eq!(cue.program_descriptors, b"\x05\x04CUEI");
        let opus = carriage(&Codec::Opus(OpusConfig::new(2).unwrap())).unwrap();
        assert_eq!(opus.descriptors, b"\x05\x04Opus\x7f\x02\x80\x02");
        // 48 kHz, bsid 8, 448 kbit/s, complete main, 3/2.
        let ac3 = Ac3Config::parse(&[0x0b, 0x77, 0, 0, 30, 0x40, 0xe1]).unwrap();
        let ac3 = carriage(&Codec::Ac3(ac3)).unwrap();
        assert_eq!(ac3.descriptors, b"\x05\x04AC-3\x81\x06\x08\x3c\x0f\xff\x1f\x01");
    }

    #[test]
    fn ac3_and_hevc_as_others_write_them() {
        let private = |descriptors: &[u8]| {
            syntax(&MapEntry { stream_type: TYPE_PRIVATE, pid: 1, descriptors: descriptors.to_vec() })
        };
        assert_eq!(private(b"\x6a\x01\x00"), Some(Syntax::Ac3));
        assert_eq!(private(b"\x0a\x04und\x00\x7a\x01\x00"), Some(Syntax::Eac3));
        assert_eq!(private(b"\x05\x04EAC3"), Some(Syntax::Eac3));
        assert_eq!(private(b"\x05\x04HEVC"), Some(Syntax::H265));
        assert_eq!(private(b"\x05\x04Opus"), None);
        assert_eq!(private(b"\x05\x04DTS1"), None);
        assert_eq!(syntax(&MapEntry { stream_type: 0x15, pid: 1, descriptors: vec![] }), None);
    }

    #[test]
    fn opus_codes_have_a_layout_each() {
        for channels in 1..=8 {
            let config = opus_config(channels).unwrap();
            assert_eq!((config.channels, config.pre_skip), (channels, 0));
            assert_eq!(opus_channels(&config), Some(channels));
        }
        assert_eq!(opus_config(0), None);
        assert_eq!(opus_config(0x82), None);
    }
}
