//! The body of an audio tag (Adobe FLV 10.1 annex E.4.2; Enhanced RTMP v2 "Enhanced Audio").

use bytes::{BufMut, Bytes};

use super::super::error::FlvError;
use super::extended::{Kind, Layout, ModEx, parse_mod_ex, take, take_array, take_u8, write_mod_ex};

const KIND: Kind = Kind { structure: "AudioTagHeader", mod_ex: 7, multitrack: 5, composition: None };

/// `SoundFormat`: the codec numbers of headers without a FourCC, and the one that announces a FourCC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SoundFormat(pub u8);

impl SoundFormat {
    /// MP3.
    pub const MP3: Self = Self(2);
    /// G.711 A-law.
    pub const G711_A: Self = Self(7);
    /// G.711 mu-law.
    pub const G711_MU: Self = Self(8);
    /// An extended header follows.
    pub const EX_HEADER: Self = Self(9);
    /// AAC.
    pub const AAC: Self = Self(10);
    /// MP3 at 8 kHz.
    pub const MP3_8K: Self = Self(14);
}

/// `AACPacketType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AacPacketType {
    /// The `AudioSpecificConfig`.
    SequenceStart,
    /// A raw frame.
    Raw,
}

/// `AudioPacketType` once modifiers and multitrack are taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioPacketType {
    /// The codec configuration.
    SequenceStart,
    /// A coded frame.
    CodedFrames,
    /// No more frames of this configuration; silence from here on.
    SequenceEnd,
    /// Which channel is for which speaker: see [`MultichannelConfig`].
    MultichannelConfig,
}

impl AudioPacketType {
    fn from_bits(bits: u8) -> Result<Self, FlvError> {
        match bits {
            0 => Ok(Self::SequenceStart),
            1 => Ok(Self::CodedFrames),
            2 => Ok(Self::SequenceEnd),
            4 => Ok(Self::MultichannelConfig),
            _ => Err(FlvError::Field {
                structure: KIND.structure,
                field: "audioPacketType",
                value: bits.into(),
            }),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::SequenceStart => 0,
            Self::CodedFrames => 1,
            Self::SequenceEnd => 2,
            Self::MultichannelConfig => 4,
        }
    }
}

/// The body of an audio tag or message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioTag {
    /// An empty message: silence from here on.
    Silence,
    /// A header without a FourCC.
    Legacy {
        /// The codec.
        format: SoundFormat,
        /// `SoundRate`, 0 to 3: 5.5, 11, 22 or 44.1 kHz. Says nothing of AAC and of MP3 at 8 kHz.
        rate: u8,
        /// `SoundSize`: true for 16 bits per sample.
        sixteen_bit: bool,
        /// `SoundType`.
        stereo: bool,
        /// `AACPacketType`, present for AAC alone.
        aac: Option<AacPacketType>,
        /// The coded data.
        data: Bytes,
    },
    /// An extended header.
    Enhanced {
        /// Modifiers, for all parts.
        mod_ex: Vec<ModEx>,
        /// Kind of packet, for all parts.
        packet_type: AudioPacketType,
        /// The parts.
        layout: Layout,
    },
}

impl AudioTag {
    /// Reads a whole tag body.
    ///
    /// # Errors
    /// [`FlvError`] when it ends early, holds a reserved packet or multitrack type, or passes a bound.
    pub fn parse(mut body: Bytes) -> Result<Self, FlvError> {
        if body.is_empty() {
            return Ok(Self::Silence);
        }
        let first = take_u8(KIND.structure, &mut body)?;
        let format = SoundFormat(first >> 4);
        if format == SoundFormat::EX_HEADER {
            let (mod_ex, packet_type) = parse_mod_ex(KIND.structure, KIND.mod_ex, first & 0x0f, &mut body)?;
            let (packet_type, layout) = KIND.parse_layout(packet_type, body)?;
            return Ok(Self::Enhanced {
                mod_ex,
                packet_type: AudioPacketType::from_bits(packet_type)?,
                layout,
            });
        }
        let aac = if format == SoundFormat::AAC {
            Some(match take_u8(KIND.structure, &mut body)? {
                0 => AacPacketType::SequenceStart,
                1 => AacPacketType::Raw,
                value => {
                    let structure = KIND.structure;
                    return Err(FlvError::Field { structure, field: "AACPacketType", value: value.into() });
                }
            })
        } else {
            None
        };
        Ok(Self::Legacy {
            format,
            rate: first >> 2 & 3,
            sixteen_bit: first & 2 != 0,
            stereo: first & 1 != 0,
            aac,
            data: body,
        })
    }

    /// Writes everything but the payload at its end, which is returned: `out` and the payload together are
    /// the tag body. With a single part `out` takes at most 7 bytes and what the modifiers need.
    #[must_use = "the payload is not written"]
    pub fn write_head(self, out: &mut impl BufMut) -> Bytes {
        match self {
            Self::Silence => Bytes::new(),
            Self::Legacy { format, rate, sixteen_bit, stereo, aac, data } => {
                let flags = (rate & 3) << 2 | u8::from(sixteen_bit) << 1 | u8::from(stereo);
                out.put_u8(format.0 << 4 | flags);
                match aac {
                    Some(AacPacketType::SequenceStart) => out.put_u8(0),
                    Some(AacPacketType::Raw) => out.put_u8(1),
                    None => {}
                }
                data
            }
            Self::Enhanced { mod_ex, packet_type, layout } => {
                let flags = SoundFormat::EX_HEADER.0 << 4;
                let outer = KIND.outer_type(packet_type.bits(), &layout);
                write_mod_ex(flags, KIND.mod_ex, outer, &mod_ex, out);
                KIND.write_layout(packet_type.bits(), layout, out)
            }
        }
    }
}

/// `AudioChannelOrder` with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Only the number of channels is known.
    Unspecified,
    /// The order of `AudioChannelMask`, of which these bits are present.
    Native(u32),
    /// The speaker (`AudioChannel`) of each channel.
    Custom(Bytes),
}

/// Which channel is for which speaker (Enhanced RTMP v2, `AudioPacketType.MultichannelConfig`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultichannelConfig {
    /// Number of channels.
    pub channels: u8,
    /// Their order.
    pub order: ChannelOrder,
}

impl MultichannelConfig {
    /// Reads the data of a part of such a packet.
    ///
    /// # Errors
    /// [`FlvError`] when it ends early or the order is reserved.
    pub fn parse(mut data: Bytes) -> Result<Self, FlvError> {
        const STRUCTURE: &str = "MultichannelConfig";
        let [order, channels] = take_array(STRUCTURE, &mut data)?;
        let order = match order {
            0 => ChannelOrder::Unspecified,
            1 => ChannelOrder::Native(u32::from_be_bytes(take_array(STRUCTURE, &mut data)?)),
            2 => ChannelOrder::Custom(take(STRUCTURE, &mut data, channels.into())?),
            value => {
                let field = "audioChannelOrder";
                return Err(FlvError::Field { structure: STRUCTURE, field, value: value.into() });
            }
        };
        Ok(Self { channels, order })
    }
}

#[cfg(test)]
mod tests {
    use super::super::extended::{FourCc, Part};
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<AudioTag, FlvError> {
        AudioTag::parse(Bytes::copy_from_slice(bytes))
    }

    fn write(tag: &AudioTag) -> Vec<u8> {
        let mut out = Vec::new();
        let payload = tag.clone().write_head(&mut out);
        out.extend(payload);
        out
    }

    #[track_caller]
    fn both_ways(bytes: &[u8], tag: &AudioTag) {
        assert_eq!(parse(bytes).as_ref(), Ok(tag));
        assert_eq!(write(tag), bytes);
    }

    #[test]
    fn legacy_headers() {
        let legacy = |format, rate, sixteen_bit, stereo, aac, data: &'static [u8]| AudioTag::Legacy {
            format,
            rate,
            sixteen_bit,
            stereo,
            aac,
            data: Bytes::from_static(data),
        };
        both_ways(b"", &AudioTag::Silence);
        let start = Some(AacPacketType::SequenceStart);
        both_ways(b"\xaf\x00\x12\x10", &legacy(SoundFormat::AAC, 3, true, true, start, b"\x12\x10"));
        both_ways(b"\xaf\x01raw", &legacy(SoundFormat::AAC, 3, true, true, Some(AacPacketType::Raw), b"raw"));
        both_ways(b"\x2amp3", &legacy(SoundFormat::MP3, 2, true, false, None, b"mp3"));
        both_ways(b"\xe1mp3", &legacy(SoundFormat::MP3_8K, 0, false, true, None, b"mp3"));
        both_ways(b"\x72pcm", &legacy(SoundFormat::G711_A, 0, true, false, None, b"pcm"));
        assert!(matches!(parse(b"\xaf\x02"), Err(FlvError::Field { field: "AACPacketType", value: 2, .. })));
        assert!(matches!(parse(b"\xaf"), Err(FlvError::Truncated { .. })));
    }

    #[test]
    fn extended_headers() {
        let tag = |mod_ex, packet_type, layout| AudioTag::Enhanced { mod_ex, packet_type, layout };
        let part = |track_id, fourcc, data: &'static [u8]| Part {
            track_id,
            fourcc,
            composition_ms: 0,
            data: Bytes::from_static(data),
        };
        let frames = AudioPacketType::CodedFrames;
        both_ways(
            b"\x90OpusOpusHead",
            &tag(vec![], AudioPacketType::SequenceStart, Layout::Single(part(0, FourCc::OPUS, b"OpusHead"))),
        );
        both_ways(b"\x91fLaCx", &tag(vec![], frames, Layout::Single(part(0, FourCc::FLAC, b"x"))));
        both_ways(
            b"\x97\x02\x00\x00\x64\x01mp4ax",
            &tag(vec![ModEx::timestamp_offset_nano(100)], frames, Layout::Single(part(0, FourCc::AAC, b"x"))),
        );
        both_ways(b"\x95\x01mp4a\x02x", &tag(vec![], frames, Layout::OneTrack(part(2, FourCc::AAC, b"x"))));
        both_ways(
            b"\x95\x21mp4a\x00\x00\x00\x01x.mp3\x01\x00\x00\x02yz",
            &tag(
                vec![],
                frames,
                Layout::ManyTracksManyCodecs(vec![part(0, FourCc::AAC, b"x"), part(1, FourCc::MP3, b"yz")]),
            ),
        );
        assert!(matches!(
            parse(b"\x93ac-3"),
            Err(FlvError::Field { field: "audioPacketType", value: 3, .. })
        ));
        assert!(matches!(parse(b"\x95\x05ac-3"), Err(FlvError::Field { field: "packetType", value: 5, .. })));
    }

    #[test]
    fn multichannel_configs() {
        let parse = |bytes: &'static [u8]| MultichannelConfig::parse(Bytes::from_static(bytes));
        assert_eq!(
            parse(b"\x00\x02"),
            Ok(MultichannelConfig { channels: 2, order: ChannelOrder::Unspecified })
        );
        assert_eq!(
            parse(b"\x01\x06\x00\x00\x00\x3f"),
            Ok(MultichannelConfig { channels: 6, order: ChannelOrder::Native(0x3f) })
        );
        let order = ChannelOrder::Custom(Bytes::from_static(b"\x01\x00"));
        assert_eq!(parse(b"\x02\x02\x01\x00"), Ok(MultichannelConfig { channels: 2, order }));
        assert!(matches!(parse(b"\x02\x03\x01\x00"), Err(FlvError::Truncated { .. })));
        assert!(matches!(parse(b"\x03\x03"), Err(FlvError::Field { value: 3, .. })));
    }

    proptest! {
        #[test]
        fn what_parses_is_written_so_that_it_parses_to_the_same(
            first in any::<u8>(),
            rest in proptest::collection::vec(prop_oneof![0u8..0x30, any::<u8>()], 0..60),
        ) {
            let bytes = [&[first][..], &rest].concat();
            if let Ok(tag) = parse(&bytes) {
                prop_assert_eq!(parse(&write(&tag)), Ok(tag));
            }
        }

        #[test]
        fn no_multichannel_config_panics(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = MultichannelConfig::parse(Bytes::from(bytes));
        }
    }
}
