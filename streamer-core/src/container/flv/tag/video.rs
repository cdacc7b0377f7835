//! The body of a video tag (Adobe FLV 10.1 annex E.4.3; Enhanced RTMP v2 "Enhanced Video").

use bytes::{BufMut, Bytes};

use super::super::error::FlvError;
use super::extended::{Kind, Layout, ModEx, parse_mod_ex, take_i24, take_u8, write_mod_ex};

const KIND: Kind = Kind { structure: "VideoTagHeader", mod_ex: 7, multitrack: 6, composition: Some(1) };
const EX_HEADER: u8 = 0x80;

/// Codec numbers of headers without a FourCC.
pub mod legacy_codec {
    /// H.264.
    pub const AVC: u8 = 7;
    /// H.265, never standardised but in wide use: laid out as H.264 with an `hvcC` record.
    pub const HEVC: u8 = 12;
}

/// `FrameType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoFrameType {
    /// A random access point.
    Key,
    /// Any other frame.
    Inter,
    /// An inter frame no other frame refers to (H.263 only).
    DisposableInter,
    /// Key frame made by a server.
    GeneratedKey,
    /// No frame but a command.
    Command,
    /// 0, 6 or 7. To be ignored where the packet type is `Metadata`.
    Reserved(u8),
}

impl VideoFrameType {
    fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            1 => Self::Key,
            2 => Self::Inter,
            3 => Self::DisposableInter,
            4 => Self::GeneratedKey,
            5 => Self::Command,
            reserved => Self::Reserved(reserved),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Inter => 2,
            Self::DisposableInter => 3,
            Self::GeneratedKey => 4,
            Self::Command => 5,
            Self::Reserved(bits) => bits & 7,
        }
    }
}

/// `VideoPacketType` once modifiers and multitrack are taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoPacketType {
    /// The codec configuration.
    SequenceStart,
    /// A coded frame, behind a composition time offset if the codec has one.
    CodedFrames,
    /// No more frames of this configuration.
    SequenceEnd,
    /// A coded frame whose composition time offset is 0.
    CodedFramesX,
    /// AMF values: names and values by turns.
    Metadata,
    /// The codec configuration as an MPEG-2 TS descriptor.
    Mpeg2TsSequenceStart,
}

impl VideoPacketType {
    fn from_bits(bits: u8) -> Result<Self, FlvError> {
        match bits {
            0 => Ok(Self::SequenceStart),
            1 => Ok(Self::CodedFrames),
            2 => Ok(Self::SequenceEnd),
            3 => Ok(Self::CodedFramesX),
            4 => Ok(Self::Metadata),
            5 => Ok(Self::Mpeg2TsSequenceStart),
            _ => Err(FlvError::Field {
                structure: KIND.structure,
                field: "videoPacketType",
                value: bits.into(),
            }),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::SequenceStart => 0,
            Self::CodedFrames => 1,
            Self::SequenceEnd => 2,
            Self::CodedFramesX => 3,
            Self::Metadata => 4,
            Self::Mpeg2TsSequenceStart => 5,
        }
    }
}

/// `VideoCommand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCommand {
    /// The frames that follow are decoded and not shown.
    StartSeek,
    /// They are shown from here on.
    EndSeek,
    /// Anything else.
    Reserved(u8),
}

impl VideoCommand {
    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::StartSeek,
            1 => Self::EndSeek,
            reserved => Self::Reserved(reserved),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::StartSeek => 0,
            Self::EndSeek => 1,
            Self::Reserved(byte) => byte,
        }
    }
}

/// What stands behind the first byte of a header without a FourCC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoPacket {
    /// The codec configuration (`AVCPacketType` 0).
    SequenceStart(Bytes),
    /// A coded frame (`AVCPacketType` 1).
    CodedFrame {
        /// Composition time offset in milliseconds, 24 bits signed.
        composition_ms: i32,
        /// The frame.
        data: Bytes,
    },
    /// No more frames of this configuration (`AVCPacketType` 2).
    SequenceEnd,
    /// The body of a codec that has no such header.
    Opaque(Bytes),
}

/// The body of a video tag or message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTag {
    /// A command frame.
    Command {
        /// The codec number of a legacy header; `None` with an extended header.
        codec_id: Option<u8>,
        /// The command.
        command: VideoCommand,
    },
    /// A header without a FourCC.
    Legacy {
        /// Kind of frame.
        frame_type: VideoFrameType,
        /// Codec number, 0 to 15: see [`legacy_codec`].
        codec_id: u8,
        /// The rest.
        packet: VideoPacket,
    },
    /// An extended header.
    Enhanced {
        /// Kind of frame, for all parts.
        frame_type: VideoFrameType,
        /// Modifiers, for all parts.
        mod_ex: Vec<ModEx>,
        /// Kind of packet, for all parts.
        packet_type: VideoPacketType,
        /// The parts.
        layout: Layout,
    },
}

impl VideoTag {
    /// Reads a whole tag body.
    ///
    /// # Errors
    /// [`FlvError`] when it ends early, holds a reserved packet or multitrack type, or passes a bound.
    pub fn parse(mut body: Bytes) -> Result<Self, FlvError> {
        let first = take_u8(KIND.structure, &mut body)?;
        let frame_type = VideoFrameType::from_bits(first >> 4);
        if first & EX_HEADER == 0 {
            return Self::parse_legacy(frame_type, first & 0x0f, body);
        }
        let (mod_ex, packet_type) = parse_mod_ex(KIND.structure, KIND.mod_ex, first & 0x0f, &mut body)?;
        if frame_type == VideoFrameType::Command && packet_type != VideoPacketType::Metadata.bits() {
            let command = VideoCommand::from_byte(take_u8(KIND.structure, &mut body)?);
            return Ok(Self::Command { codec_id: None, command });
        }
        let (packet_type, layout) = KIND.parse_layout(packet_type, body)?;
        Ok(Self::Enhanced {
            frame_type,
            mod_ex,
            packet_type: VideoPacketType::from_bits(packet_type)?,
            layout,
        })
    }

    fn parse_legacy(frame_type: VideoFrameType, codec_id: u8, mut body: Bytes) -> Result<Self, FlvError> {
        if frame_type == VideoFrameType::Command {
            let command = VideoCommand::from_byte(take_u8(KIND.structure, &mut body)?);
            return Ok(Self::Command { codec_id: Some(codec_id), command });
        }
        let packet = match codec_id {
            legacy_codec::AVC | legacy_codec::HEVC => match take_u8(KIND.structure, &mut body)? {
                0 => {
                    take_i24(KIND.structure, &mut body)?;
                    VideoPacket::SequenceStart(body)
                }
                1 => VideoPacket::CodedFrame {
                    composition_ms: take_i24(KIND.structure, &mut body)?,
                    data: body,
                },
                // The offset behind it, always 0, is left out by some encoders.
                2 => VideoPacket::SequenceEnd,
                value => {
                    let structure = KIND.structure;
                    return Err(FlvError::Field { structure, field: "AVCPacketType", value: value.into() });
                }
            },
            _ => VideoPacket::Opaque(body),
        };
        Ok(Self::Legacy { frame_type, codec_id, packet })
    }

    /// Writes everything but the payload at its end, which is returned: `out` and the payload together are
    /// the tag body. With a single part `out` takes at most 13 bytes and what the modifiers need.
    #[must_use = "the payload is not written"]
    pub fn write_head(self, out: &mut impl BufMut) -> Bytes {
        match self {
            Self::Command { codec_id, command } => {
                let frame_type = VideoFrameType::Command.bits() << 4;
                out.put_u8(codec_id.map_or(frame_type | EX_HEADER, |id| frame_type | id & 0x0f));
                out.put_u8(command.byte());
                Bytes::new()
            }
            Self::Legacy { frame_type, codec_id, packet } => {
                out.put_u8(frame_type.bits() << 4 | codec_id & 0x0f);
                match packet {
                    VideoPacket::SequenceStart(record) => {
                        out.put_slice(&[0, 0, 0, 0]);
                        record
                    }
                    VideoPacket::CodedFrame { composition_ms, data } => {
                        out.put_u8(1);
                        out.put_int(composition_ms.into(), 3);
                        data
                    }
                    VideoPacket::SequenceEnd => {
                        out.put_slice(&[2, 0, 0, 0]);
                        Bytes::new()
                    }
                    VideoPacket::Opaque(data) => data,
                }
            }
            Self::Enhanced { frame_type, mod_ex, packet_type, layout } => {
                let flags = EX_HEADER | frame_type.bits() << 4;
                let outer = KIND.outer_type(packet_type.bits(), &layout);
                write_mod_ex(flags, KIND.mod_ex, outer, &mod_ex, out);
                KIND.write_layout(packet_type.bits(), layout, out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::extended::{FourCc, MAX_MOD_EX, MAX_TRACKS_IN_MESSAGE, Part};
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<VideoTag, FlvError> {
        VideoTag::parse(Bytes::copy_from_slice(bytes))
    }

    fn write(tag: &VideoTag) -> Vec<u8> {
        let mut out = Vec::new();
        let payload = tag.clone().write_head(&mut out);
        out.extend(payload);
        out
    }

    fn part(track_id: u8, fourcc: FourCc, composition_ms: i32, data: &'static [u8]) -> Part {
        Part { track_id, fourcc, composition_ms, data: Bytes::from_static(data) }
    }

    #[track_caller]
    fn both_ways(bytes: &[u8], tag: &VideoTag) {
        assert_eq!(parse(bytes).as_ref(), Ok(tag));
        assert_eq!(write(tag), bytes);
    }

    #[test]
    fn legacy_headers() {
        let legacy = |frame_type, codec_id, packet| VideoTag::Legacy { frame_type, codec_id, packet };
        let record = VideoPacket::SequenceStart(Bytes::from_static(b"rec"));
        both_ways(b"\x17\x00\x00\x00\x00rec", &legacy(VideoFrameType::Key, 7, record.clone()));
        both_ways(b"\x1c\x00\x00\x00\x00rec", &legacy(VideoFrameType::Key, 12, record));
        let frame = VideoPacket::CodedFrame { composition_ms: -2, data: Bytes::from_static(b"nal") };
        both_ways(b"\x27\x01\xff\xff\xfenal", &legacy(VideoFrameType::Inter, 7, frame));
        both_ways(b"\x17\x02\x00\x00\x00", &legacy(VideoFrameType::Key, 7, VideoPacket::SequenceEnd));
        assert_eq!(parse(b"\x17\x02"), Ok(legacy(VideoFrameType::Key, 7, VideoPacket::SequenceEnd)));
        let opaque = VideoPacket::Opaque(Bytes::from_static(b"h263"));
        both_ways(b"\x32h263", &legacy(VideoFrameType::DisposableInter, 2, opaque));
        both_ways(b"\x57\x01", &VideoTag::Command { codec_id: Some(7), command: VideoCommand::EndSeek });
        let error = FlvError::Field { structure: "VideoTagHeader", field: "AVCPacketType", value: 3 };
        assert_eq!(parse(b"\x17\x03\x00\x00\x00"), Err(error));
    }

    #[test]
    fn extended_headers_of_one_track() {
        let tag = |frame_type, packet_type, part| VideoTag::Enhanced {
            frame_type,
            mod_ex: Vec::new(),
            packet_type,
            layout: Layout::Single(part),
        };
        let key = VideoFrameType::Key;
        both_ways(
            b"\x90hvc1rec",
            &tag(key, VideoPacketType::SequenceStart, part(0, FourCc::HEVC, 0, b"rec")),
        );
        both_ways(
            b"\xa1hvc1\x00\x00\x28nal",
            &tag(VideoFrameType::Inter, VideoPacketType::CodedFrames, part(0, FourCc::HEVC, 40, b"nal")),
        );
        both_ways(b"\x93avc1nal", &tag(key, VideoPacketType::CodedFramesX, part(0, FourCc::AVC, 0, b"nal")));
        // No composition time offset in AV1 and VP9.
        both_ways(b"\x91av01obu", &tag(key, VideoPacketType::CodedFrames, part(0, FourCc::AV1, 0, b"obu")));
        both_ways(b"\x92vp09", &tag(key, VideoPacketType::SequenceEnd, part(0, FourCc::VP9, 0, b"")));
        both_ways(
            b"\x95av01desc",
            &tag(key, VideoPacketType::Mpeg2TsSequenceStart, part(0, FourCc::AV1, 0, b"desc")),
        );
        // Metadata: the frame type says nothing, not even that this is a command.
        both_ways(
            b"\xd4hvc1amf",
            &tag(VideoFrameType::Command, VideoPacketType::Metadata, part(0, FourCc::HEVC, 0, b"amf")),
        );
        both_ways(b"\xd0\x00", &VideoTag::Command { codec_id: None, command: VideoCommand::StartSeek });
        assert!(matches!(
            parse(b"\x98hvc1"),
            Err(FlvError::Field { field: "videoPacketType", value: 8, .. })
        ));
        assert!(matches!(parse(b"\x91hvc1\x00\x00"), Err(FlvError::Truncated { .. })));
    }

    #[test]
    fn modifiers_stand_before_the_packet() {
        let bytes = b"\x97\x02\x0f\x42\x3f\x07\x00\xaa\x31hvc1\x00\x00\x00nal";
        let mod_ex =
            vec![ModEx::timestamp_offset_nano(999_999), ModEx { kind: 3, data: Bytes::from_static(b"\xaa") }];
        assert_eq!(mod_ex.iter().find_map(ModEx::nanos), Some(999_999));
        both_ways(
            bytes,
            &VideoTag::Enhanced {
                frame_type: VideoFrameType::Key,
                mod_ex,
                packet_type: VideoPacketType::CodedFrames,
                layout: Layout::Single(part(0, FourCc::HEVC, 0, b"nal")),
            },
        );
        // 255 bytes fit the short length, 256 do not.
        for len in [255, 256, 65_536] {
            let tag = VideoTag::Enhanced {
                frame_type: VideoFrameType::Key,
                mod_ex: vec![ModEx { kind: 1, data: Bytes::from(vec![7; len]) }],
                packet_type: VideoPacketType::SequenceEnd,
                layout: Layout::Single(part(0, FourCc::AV1, 0, b"")),
            };
            assert_eq!(parse(&write(&tag)), Ok(tag));
        }
    }

    #[test]
    fn modifiers_at_their_limit() {
        let chain =
            |count: usize| [&b"\x97"[..], &b"\x00\xaa\x07".repeat(count - 1), b"\x00\xaa\x03av01"].concat();
        assert!(parse(&chain(MAX_MOD_EX)).is_ok());
        let error = parse(&chain(MAX_MOD_EX + 1)).unwrap_err();
        assert_eq!(error, FlvError::TooMany { what: "ModEx entries in a message", max: MAX_MOD_EX });
        assert!(error.is_fatal());
    }

    #[test]
    fn multitrack_headers() {
        let tag = |layout| VideoTag::Enhanced {
            frame_type: VideoFrameType::Key,
            mod_ex: Vec::new(),
            packet_type: VideoPacketType::CodedFrames,
            layout,
        };
        both_ways(b"\x96\x01av01\x05obu", &tag(Layout::OneTrack(part(5, FourCc::AV1, 0, b"obu"))));
        both_ways(
            b"\x96\x11avc1\x00\x00\x00\x05\x00\x00\x01aa\x01\x00\x00\x04\xff\xff\xffb",
            &tag(Layout::ManyTracks(vec![part(0, FourCc::AVC, 1, b"aa"), part(1, FourCc::AVC, -1, b"b")])),
        );
        both_ways(
            b"\x96\x21avc1\x00\x00\x00\x04\x00\x00\x01aav01\x01\x00\x00\x01b",
            &tag(Layout::ManyTracksManyCodecs(vec![
                part(0, FourCc::AVC, 1, b"a"),
                part(1, FourCc::AV1, 0, b"b"),
            ])),
        );
        // Multitrack within multitrack, a reserved type, a part longer than the message.
        assert!(matches!(parse(b"\x96\x06av01\x00"), Err(FlvError::Field { field: "packetType", .. })));
        assert!(matches!(parse(b"\x96\x07av01\x00"), Err(FlvError::Field { field: "packetType", .. })));
        assert!(matches!(parse(b"\x96\x31av01\x00"), Err(FlvError::Field { field: "multitrackType", .. })));
        assert!(matches!(parse(b"\x96\x11av01\x00\x00\x00\x02a"), Err(FlvError::Truncated { need: 2, .. })));
    }

    #[test]
    fn tracks_in_a_message_at_their_limit() {
        let many = |count: usize| [&b"\x96\x11av01"[..], &b"\x00\x00\x00\x00".repeat(count)].concat();
        assert!(parse(&many(MAX_TRACKS_IN_MESSAGE)).is_ok());
        let error = FlvError::TooMany { what: "tracks in a message", max: MAX_TRACKS_IN_MESSAGE };
        assert_eq!(parse(&many(MAX_TRACKS_IN_MESSAGE + 1)), Err(error));
    }

    #[test]
    fn payload_is_a_slice_of_the_message() {
        let message = Bytes::from_static(b"\x27\x01\x00\x00\x00payload");
        let Ok(VideoTag::Legacy { packet: VideoPacket::CodedFrame { data, .. }, .. }) =
            VideoTag::parse(message.clone())
        else {
            panic!()
        };
        assert_eq!(data.as_ptr(), message[5..].as_ptr());
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
    }
}
