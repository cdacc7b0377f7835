//! Sample entries: what a track carries and the configuration its decoder needs, per codec.
//!
//! | codec | entry | configuration box | specification |
//! |---|---|---|---|
//! | H.264, H.265 | `avc1`, `hvc1` | `avcC`, `hvcC` | ISO/IEC 14496-15 5.4.2, 8.4.1 |
//! | AV1 | `av01` | `av1C` | AV1 ISOBMFF 2.2 |
//! | VP9 | `vp09` | `vpcC` | VP9 ISOBMFF |
//! | AAC, MP3 | `mp4a` | `esds` | ISO/IEC 14496-14 5.6, 14496-1 7.2.6 |
//! | Opus | `Opus` | `dOps` | Opus in ISOBMFF 4.3 |
//! | FLAC | `fLaC` | `dfLa` | FLAC in ISOBMFF 3.3 |
//! | AC-3, E-AC-3 | `ac-3`, `ec-3` | `dac3`, `dec3` | ETSI TS 102 366 annex F |

use super::boxes::{BoxWriter, FourCc};
use super::error::Fmp4Error;
use super::protection::Protection;
use crate::codec::flac::STREAM_INFO_BYTES;
use crate::codec::{Codec, MediaKind, OpusConfig, Resolution};

/// 72 pixels per inch, as 16.16 bits: what everyone writes.
const RESOLUTION_72_DPI: u32 = 0x0048_0000;
/// `depth` of colour without alpha.
const COLOUR_DEPTH: u16 = 0x0018;
/// `objectTypeIndication` of ISO/IEC 14496-3 audio (ISO/IEC 14496-1 table 5).
pub(super) const OTI_MPEG4_AUDIO: u8 = 0x40;
/// `objectTypeIndication` of ISO/IEC 13818-3 audio: MP3 at half the frequencies.
pub(super) const OTI_MPEG2_AUDIO: u8 = 0x69;
/// `objectTypeIndication` of ISO/IEC 11172-3 audio: MP3.
pub(super) const OTI_MPEG1_AUDIO: u8 = 0x6b;
/// Lowest sampling frequency of MPEG-1 audio.
pub(super) const MPEG1_AUDIO_MIN_HZ: u32 = 32_000;

/// Whether MP4 carries `codec` in a form that players know. G.711 and timed data are not carried; data goes
/// as [`EventMessage`](super::EventMessage)s.
#[must_use]
pub const fn carries(codec: &Codec) -> bool {
    entry_name(codec).is_some()
}

/// The four characters of the sample entry.
const fn entry_name(codec: &Codec) -> Option<FourCc> {
    Some(match codec {
        Codec::H264(_) => *b"avc1",
        Codec::H265(_) => *b"hvc1",
        Codec::Av1(_) => *b"av01",
        Codec::Vp9(_) => *b"vp09",
        Codec::Aac(_) | Codec::Mp3(_) => *b"mp4a",
        Codec::Opus(_) => *b"Opus",
        Codec::Flac(_) => *b"fLaC",
        Codec::Ac3(_) => *b"ac-3",
        Codec::Eac3(_) => *b"ec-3",
        Codec::G711(_) | Codec::Data(_) => return None,
    })
}

/// The size of a video track's pictures.
pub(super) fn picture_size(codec: &Codec) -> Result<Resolution, Fmp4Error> {
    let missing = Fmp4Error::Missing { structure: "visual sample entry", what: "the size of the pictures" };
    codec.resolution().ok_or(missing)
}

/// Writes the sample entry of `codec`.
pub(super) fn write_sample_entry(
    codec: &Codec,
    protection: Option<&Protection>,
    out: &mut BoxWriter,
) -> Result<(), Fmp4Error> {
    let name = entry_name(codec).ok_or(Fmp4Error::UnsupportedCodec { codec: codec.name() })?;
    let kind = codec.kind();
    let shown = match (protection, kind) {
        (None, _) => name,
        (Some(_), MediaKind::Video) => *b"encv",
        (Some(_), _) => *b"enca",
    };
    out.boxed(shown, |out| {
        out.zeros(6);
        out.u16(1); // data_reference_index
        if kind == MediaKind::Video {
            write_visual_fields(picture_size(codec)?, out)?;
        } else {
            write_audio_fields(codec, out);
        }
        write_configuration(codec, out);
        if let Some(protection) = protection {
            protection.write(name, kind, out);
        }
        Ok(())
    })
}

/// ISO/IEC 14496-12 12.1.3.
fn write_visual_fields(size: Resolution, out: &mut BoxWriter) -> Result<(), Fmp4Error> {
    out.zeros(16);
    for (field, side) in [("width", size.width), ("height", size.height)] {
        let structure = "visual sample entry";
        out.u16(u16::try_from(side).map_err(|_| Fmp4Error::Field {
            structure,
            field,
            value: side.into(),
        })?);
    }
    out.u32(RESOLUTION_72_DPI);
    out.u32(RESOLUTION_72_DPI);
    out.u32(0);
    out.u16(1); // frame_count
    out.zeros(32); // compressorname
    out.u16(COLOUR_DEPTH);
    out.u16(u16::MAX); // pre_defined = -1
    Ok(())
}

/// ISO/IEC 14496-12 12.2.3.
fn write_audio_fields(codec: &Codec, out: &mut BoxWriter) {
    out.zeros(8);
    out.u16(codec.channels().unwrap_or(2).into());
    let bits = if let Codec::Flac(config) = codec { config.bit_depth } else { 16 };
    out.u16(bits.into());
    out.zeros(4);
    // 16.16 bits; a frequency that does not fit is told by the configuration alone.
    let rate = codec.sample_rate_hz().and_then(|rate| u16::try_from(rate).ok()).unwrap_or(0);
    out.u32(u32::from(rate) << 16);
}

fn write_configuration(codec: &Codec, out: &mut BoxWriter) {
    match codec {
        Codec::H264(config) => out.boxed(*b"avcC", |out| out.bytes(&config.record)),
        Codec::H265(config) => out.boxed(*b"hvcC", |out| out.bytes(&config.record)),
        Codec::Av1(config) => out.boxed(*b"av1C", |out| out.bytes(&config.record)),
        Codec::Vp9(config) => out.full(*b"vpcC", 1, 0, |out| out.bytes(&config.record)),
        Codec::Aac(config) => write_esds(OTI_MPEG4_AUDIO, &config.record, out),
        Codec::Mp3(config) if config.sample_rate_hz < MPEG1_AUDIO_MIN_HZ => {
            write_esds(OTI_MPEG2_AUDIO, &[], out);
        }
        Codec::Mp3(_) => write_esds(OTI_MPEG1_AUDIO, &[], out),
        Codec::Opus(config) => out.boxed(*b"dOps", |out| write_opus(config, out)),
        Codec::Flac(config) => out.full(*b"dfLa", 0, 0, |out| {
            // STREAMINFO, and no further metadata block.
            out.bytes(&[0x80, 0, 0, STREAM_INFO_BYTES as u8]);
            out.bytes(&config.record);
        }),
        Codec::Ac3(config) => out.boxed(*b"dac3", |out| out.bytes(&config.dac3())),
        Codec::Eac3(config) => out.boxed(*b"dec3", |out| out.bytes(&config.dec3())),
        Codec::G711(_) | Codec::Data(_) => {}
    }
}

/// The elementary stream descriptor (ISO/IEC 14496-1 7.2.6.5 to 7.2.6.8).
fn write_esds(object_type: u8, specific: &[u8], out: &mut BoxWriter) {
    let specific_bytes = if specific.is_empty() { 0 } else { DESCRIPTOR_HEADER_BYTES + specific.len() };
    let decoder_bytes = 13 + specific_bytes;
    let sync_layer_bytes = 1;
    let stream_bytes =
        3 + DESCRIPTOR_HEADER_BYTES + decoder_bytes + DESCRIPTOR_HEADER_BYTES + sync_layer_bytes;
    out.full(*b"esds", 0, 0, |out| {
        descriptor(ES_DESCRIPTOR, stream_bytes, out);
        out.u16(0); // ES_ID, 0 in files (ISO/IEC 14496-14 4.1.2)
        out.u8(0); // no dependency, no URL, no clock reference
        descriptor(DECODER_CONFIG_DESCRIPTOR, decoder_bytes, out);
        out.u8(object_type);
        out.u8(AUDIO_STREAM << 2 | 1);
        out.zeros(3 + 4 + 4); // buffer size and bit rates: not told
        if !specific.is_empty() {
            descriptor(DECODER_SPECIFIC_INFO, specific.len(), out);
            out.bytes(specific);
        }
        descriptor(SYNC_LAYER_DESCRIPTOR, sync_layer_bytes, out);
        out.u8(2); // predefined: for files
    });
}

/// Tag of an `ES_Descriptor` (ISO/IEC 14496-1 table 1).
pub(super) const ES_DESCRIPTOR: u8 = 3;
/// Tag of a `DecoderConfigDescriptor`.
pub(super) const DECODER_CONFIG_DESCRIPTOR: u8 = 4;
/// Tag of a `DecoderSpecificInfo`.
pub(super) const DECODER_SPECIFIC_INFO: u8 = 5;
const SYNC_LAYER_DESCRIPTOR: u8 = 6;
const AUDIO_STREAM: u8 = 5;
/// Tag, and the size in four bytes.
const DESCRIPTOR_HEADER_BYTES: usize = 5;

fn descriptor(tag: u8, bytes: usize, out: &mut BoxWriter) {
    out.u8(tag);
    // Seven bits a byte, all but the last marked; configuration records are far below 28 bits.
    for shift in [21, 14, 7] {
        out.u8(0x80 | (bytes >> shift & 0x7f) as u8);
    }
    out.u8((bytes & 0x7f) as u8);
}

/// The `OpusHead` in network order, without its magic and with another version.
fn write_opus(config: &OpusConfig, out: &mut BoxWriter) {
    let mapping = config.record.get(OPUS_FAMILY_AT..).unwrap_or(&[0]);
    let gain = config.record.get(OPUS_GAIN_AT..OPUS_FAMILY_AT).unwrap_or(&[0, 0]);
    out.u8(0);
    out.u8(config.channels);
    out.u16(config.pre_skip);
    out.u32(config.input_sample_rate_hz);
    out.bytes(&[gain.get(1).copied().unwrap_or(0), gain.first().copied().unwrap_or(0)]);
    if mapping.first() == Some(&0) {
        out.u8(0);
    } else {
        out.bytes(mapping.get(..3 + usize::from(config.channels)).unwrap_or(mapping));
    }
}

/// Where the output gain stands in an `OpusHead`.
const OPUS_GAIN_AT: usize = 16;
/// Where the channel mapping family stands.
const OPUS_FAMILY_AT: usize = 18;
