//! Sample entries read: the codec and its configuration.

use super::super::boxes::FourCc;
use super::super::cursor::{Boxes, Cursor};
use super::super::error::Fmp4Error;
use super::super::sample_entry::{
    DECODER_CONFIG_DESCRIPTOR, DECODER_SPECIFIC_INFO, ES_DESCRIPTOR, MPEG1_AUDIO_MIN_HZ, OTI_MPEG1_AUDIO,
    OTI_MPEG2_AUDIO, OTI_MPEG4_AUDIO,
};
use crate::codec::{
    AacConfig, Ac3Config, Av1Config, AvcConfig, Codec, FlacConfig, HevcConfig, Mp3Config, OpusConfig,
    Resolution, Vp9Config, nal,
};

/// `objectTypeIndication`s of MPEG-2 AAC in its three profiles.
const OTI_MPEG2_AAC: std::ops::RangeInclusive<u8> = 0x66..=0x68;
/// Bytes that versions 1 and 2 of the `QuickTime` sound description add.
const QUICKTIME_V1_BYTES: usize = 16;
const QUICKTIME_V2_BYTES: usize = 36;

/// A codec, and the size of its NAL units' length prefixes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) codec: Codec,
    pub(super) length_size: u8,
}

/// Reads a sample entry; `None` for codecs that are not known, among them all that is encrypted.
pub(super) fn read_entry(name: FourCc, body: &[u8]) -> Result<Option<Entry>, Fmp4Error> {
    let entry = |codec| Some(Entry { codec, length_size: nal::LENGTH_SIZE });
    Ok(match &name {
        b"avc1" | b"avc3" => {
            let (codec, length_size) =
                AvcConfig::parse_with_length_size(Visual::read(body)?.record(*b"avcC")?)?;
            Some(Entry { codec: Codec::H264(codec), length_size })
        }
        b"hvc1" | b"hev1" => {
            let (codec, length_size) =
                HevcConfig::parse_with_length_size(Visual::read(body)?.record(*b"hvcC")?)?;
            Some(Entry { codec: Codec::H265(codec), length_size })
        }
        b"av01" => {
            let visual = Visual::read(body)?;
            let mut config = Av1Config::parse(visual.record(*b"av1C")?)?;
            config.resolution = config.resolution.or(visual.size);
            entry(Codec::Av1(config))
        }
        b"vp09" => {
            let visual = Visual::read(body)?;
            let mut config = Vp9Config::parse(visual.record(*b"vpcC")?)?;
            config.resolution = visual.size;
            entry(Codec::Vp9(config))
        }
        b"mp4a" => {
            let audio = Audio::read(body)?;
            audio.mpeg4(audio.stream_descriptor()?)?.and_then(entry)
        }
        b".mp3" => entry(Codec::Mp3(Audio::read(body)?.mp3()?)),
        b"Opus" => entry(Codec::Opus(opus(Audio::read(body)?.record(*b"dOps")?)?)),
        b"fLaC" => {
            let mut record = Cursor::new("dfLa", Audio::read(body)?.record(*b"dfLa")?);
            record.version_and_flags()?;
            entry(Codec::Flac(FlacConfig::parse(record.rest())?))
        }
        b"ac-3" => entry(Codec::Ac3(Ac3Config::from_dac3(Audio::read(body)?.record(*b"dac3")?)?)),
        b"ec-3" => entry(Codec::Eac3(Ac3Config::from_dec3(Audio::read(body)?.record(*b"dec3")?)?)),
        _ => None,
    })
}

fn required<'a>(boxes: Boxes<'a>, kind: FourCc) -> Result<&'a [u8], Fmp4Error> {
    let missing = Fmp4Error::Missing { structure: "sample entry", what: "the codec's configuration" };
    boxes.find(kind)?.ok_or(missing)
}

/// The fields of a visual sample entry (ISO/IEC 14496-12 12.1.3).
struct Visual<'a> {
    size: Option<Resolution>,
    boxes: Boxes<'a>,
}

impl<'a> Visual<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fmp4Error> {
        let mut cursor = Cursor::new("visual sample entry", body);
        cursor.skip(8 + 16)?;
        let (width, height) = (u32::from(cursor.u16()?), u32::from(cursor.u16()?));
        cursor.skip(4 + 4 + 4 + 2 + 32 + 2 + 2)?;
        let size = (width > 0 && height > 0).then_some(Resolution { width, height });
        Ok(Self { size, boxes: cursor.boxes() })
    }

    fn record(&self, kind: FourCc) -> Result<&'a [u8], Fmp4Error> {
        required(self.boxes.clone(), kind)
    }
}

/// The fields of an audio sample entry (12.2.3).
struct Audio<'a> {
    channels: u16,
    sample_rate_hz: u32,
    boxes: Boxes<'a>,
}

impl<'a> Audio<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fmp4Error> {
        let mut cursor = Cursor::new("audio sample entry", body);
        cursor.skip(8)?;
        let quicktime_version = cursor.u16()?;
        cursor.skip(6)?;
        let channels = cursor.u16()?;
        cursor.skip(2 + 4)?;
        let sample_rate_hz = cursor.u32()? >> 16;
        match quicktime_version {
            1 => cursor.skip(QUICKTIME_V1_BYTES)?,
            2 => cursor.skip(QUICKTIME_V2_BYTES)?,
            _ => {}
        }
        Ok(Self { channels, sample_rate_hz, boxes: cursor.boxes() })
    }

    fn record(&self, kind: FourCc) -> Result<&'a [u8], Fmp4Error> {
        required(self.boxes.clone(), kind)
    }

    /// The `esds`, which `QuickTime` puts into a `wave`.
    fn stream_descriptor(&self) -> Result<&'a [u8], Fmp4Error> {
        match self.boxes.clone().find(*b"wave")? {
            Some(wave) => required(Cursor::new("wave", wave).boxes(), *b"esds"),
            None => self.record(*b"esds"),
        }
    }

    /// What an elementary stream descriptor describes (ISO/IEC 14496-1 7.2.6.5).
    fn mpeg4(&self, esds: &[u8]) -> Result<Option<Codec>, Fmp4Error> {
        let mut stream = Cursor::new("esds", esds);
        stream.version_and_flags()?;
        let mut stream = descriptor(&mut stream, ES_DESCRIPTOR)?;
        stream.skip(2)?;
        let flags = stream.u8()?;
        if flags & 0x80 != 0 {
            stream.skip(2)?; // dependsOn_ES_ID
        }
        if flags & 0x40 != 0 {
            let url = stream.u8()?;
            stream.skip(url.into())?;
        }
        if flags & 0x20 != 0 {
            stream.skip(2)?; // OCR_ES_Id
        }
        let mut decoder = descriptor(&mut stream, DECODER_CONFIG_DESCRIPTOR)?;
        let object_type = decoder.u8()?;
        decoder.skip(12)?;
        Ok(match object_type {
            OTI_MPEG4_AUDIO => Some(aac(&mut decoder)?),
            _ if OTI_MPEG2_AAC.contains(&object_type) => Some(aac(&mut decoder)?),
            OTI_MPEG1_AUDIO | OTI_MPEG2_AUDIO => Some(Codec::Mp3(self.mp3()?)),
            _ => None,
        })
    }

    fn mp3(&self) -> Result<Mp3Config, Fmp4Error> {
        let structure = "audio sample entry";
        let channels = match self.channels {
            1 => 1,
            2 => 2,
            value => return Err(Fmp4Error::Field { structure, field: "channelcount", value: value.into() }),
        };
        let sample_rate_hz = self.sample_rate_hz;
        if sample_rate_hz == 0 {
            return Err(Fmp4Error::Field { structure, field: "samplerate", value: 0 });
        }
        let frame_samples = if sample_rate_hz < MPEG1_AUDIO_MIN_HZ { 576 } else { 1152 };
        Ok(Mp3Config { sample_rate_hz, channels, frame_samples })
    }
}

fn aac(decoder: &mut Cursor<'_>) -> Result<Codec, Fmp4Error> {
    let specific = descriptor(decoder, DECODER_SPECIFIC_INFO)?;
    Ok(Codec::Aac(AacConfig::parse(specific.rest())?))
}

/// The body of the descriptor that comes next, which has to be a `tag` (ISO/IEC 14496-1 8.3.3).
fn descriptor<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Result<Cursor<'a>, Fmp4Error> {
    let found = cursor.u8()?;
    if found != tag {
        return Err(cursor.field("descriptor tag", found));
    }
    let mut size = 0;
    for _ in 0..4 {
        let byte = cursor.u8()?;
        size = size << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(Cursor::new("esds", cursor.bytes(size)?))
}

/// The `OpusHead` that a `dOps` stands for (Opus in ISOBMFF 4.3.2).
fn opus(record: &[u8]) -> Result<OpusConfig, Fmp4Error> {
    let mut cursor = Cursor::new("dOps", record);
    let version = cursor.u8()?;
    if version != 0 {
        return Err(cursor.field("Version", version));
    }
    let mut head = b"OpusHead\x01".to_vec();
    head.push(cursor.u8()?);
    head.extend(cursor.u16()?.to_le_bytes());
    head.extend(cursor.u32()?.to_le_bytes());
    head.extend(cursor.u16()?.to_le_bytes());
    head.extend_from_slice(cursor.rest());
    Ok(OpusConfig::parse(&head)?)
}
