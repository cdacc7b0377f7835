//! Media in, audio, video and data messages out.

use bytes::{BufMut, Bytes, BytesMut};

use super::amf::amf0;
use super::form::{Form, LegacyAudio, MuxOptions, forms};
use super::metadata::to_video_packet;
use super::on_metadata::on_metadata;
use super::tag::{
    AacPacketType, AudioPacketType, AudioTag, FourCc, Layout, Part, SoundFormat, VideoFrameType, VideoPacket,
    VideoPacketType, VideoTag,
};
use crate::codec::{Codec, MediaKind};
use crate::frame::{Frame, Media};
use crate::track::{TrackId, Tracks};

/// Bytes before the payload of a message at most: an extended header with one track of a multitrack
/// header and a composition time offset takes 10.
const MAX_HEAD_BYTES: usize = 16;
/// The `fLaC` marker and the header of a last metadata block that is a `STREAMINFO` (RFC 9639 6, 8.1).
const FLAC_MARKER_AND_BLOCK_HEADER: &[u8] = b"fLaC\x80\x00\x00\x22";
/// Composition time offsets are signed 24-bit numbers.
const COMPOSITION_MS: std::ops::RangeInclusive<i64> = -0x80_0000..=0x7f_ffff;

/// Kind of a message: RTMP message type 8, 9 or 18, which is the FLV tag type too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Audio, 8.
    Audio,
    /// Video, 9.
    Video,
    /// Data in AMF 0, 18.
    Data,
}

/// The bytes before the payload of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    bytes: [u8; MAX_HEAD_BYTES],
    len: usize,
}

/// The body of an RTMP message or FLV tag: its head, then its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlvMessage {
    /// What it is.
    pub kind: MessageKind,
    /// Decoding time in milliseconds, to be sent modulo 2^32. Configurations bear the time of the last frame
    /// before them, 0 if there was none; `onMetaData` always bears 0.
    pub timestamp_ms: i64,
    head: Head,
    /// The rest of the body, shared with the frame it came from.
    pub payload: Bytes,
}

impl FlvMessage {
    /// The bytes before the payload.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.head.bytes.get(..self.head.len).unwrap_or_default()
    }

    /// Bytes of head and payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len + self.payload.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Turns [`Media`] into the bodies of RTMP messages or FLV tags.
///
/// [`Media::Tracks`] makes `onMetaData`, then the codec configurations; what the dialect cannot carry is
/// left out ([`carried`](Self::carried) tells). Frames share their payload with the message. Timestamps
/// are rounded to milliseconds: no nanosecond offset is sent, since few receivers know of it.
#[derive(Debug)]
pub struct MessageMuxer {
    options: MuxOptions,
    carried: Vec<(TrackId, Form)>,
    last_ms: i64,
}

impl MessageMuxer {
    /// A muxer that knows of no track yet.
    #[must_use]
    pub const fn new(options: MuxOptions) -> Self {
        Self { options, carried: Vec::new(), last_ms: 0 }
    }

    /// What it was made for.
    #[must_use]
    pub const fn options(&self) -> MuxOptions {
        self.options
    }

    /// Ids of the tracks that are carried, in their order.
    pub fn carried(&self) -> impl Iterator<Item = TrackId> + '_ {
        self.carried.iter().map(|(id, _)| *id)
    }

    /// Ids of the tracks among `tracks` that these options would leave out.
    pub fn left_out(tracks: &Tracks, options: MuxOptions) -> impl Iterator<Item = TrackId> + '_ {
        let carried = forms(tracks, options);
        let of_track = move |id: &TrackId| carried.iter().all(|(carried, _)| carried != id);
        tracks.list.iter().map(|track| track.id).filter(of_track)
    }

    /// Appends the messages of `media` to `out`.
    pub fn mux(&mut self, media: &Media, out: &mut Vec<FlvMessage>) {
        match media {
            Media::Tracks(tracks) => self.tracks(tracks, out),
            Media::Frame(frame) => {
                let form = self.carried.iter().find(|(id, _)| *id == frame.track);
                if let Some((_, form)) = form {
                    self.last_ms = frame.dts.as_millis();
                    out.push(frame_message(*form, frame, self.last_ms));
                }
            }
        }
    }

    fn tracks(&mut self, tracks: &Tracks, out: &mut Vec<FlvMessage>) {
        self.carried = forms(tracks, self.options);
        let payload = on_metadata(tracks, &self.carried);
        // FFmpeg takes metadata at any other time for subtitles.
        out.push(FlvMessage { kind: MessageKind::Data, timestamp_ms: 0, head: Head::default(), payload });
        let timestamp_ms = self.last_ms;
        for (id, form) in &self.carried {
            let Some(track) = tracks.get(*id) else { continue };
            out.extend(config_message(*form, &track.codec, timestamp_ms));
            if let Form::Extended { fourcc, multitrack: None } = form
                && track.codec.kind() == MediaKind::Video
                && let Some(pairs) = to_video_packet(&tracks.metadata)
            {
                let data = amf0::encode_all(&pairs).freeze();
                let tag = video_tag(VideoFrameType::Key, VideoPacketType::Metadata, *fourcc, None, 0, data);
                out.push(video(tag, timestamp_ms));
            }
        }
    }
}

fn frame_message(form: Form, frame: &Frame, timestamp_ms: i64) -> FlvMessage {
    let data = frame.data.clone();
    let frame_type = if frame.sync { VideoFrameType::Key } else { VideoFrameType::Inter };
    let composition_ms = frame.pts.as_millis().saturating_sub(timestamp_ms);
    let composition_ms = i32::try_from(composition_ms.clamp(*COMPOSITION_MS.start(), *COMPOSITION_MS.end()))
        .unwrap_or_default();
    match form {
        Form::Video(codec_id) => {
            let packet = VideoPacket::CodedFrame { composition_ms, data };
            video(VideoTag::Legacy { frame_type, codec_id, packet }, timestamp_ms)
        }
        Form::Audio(header) => audio(legacy_audio(header, AacPacketType::Raw, data), timestamp_ms),
        Form::Extended { fourcc, multitrack } if is_video(fourcc) => {
            // Without an offset there are three bytes less; codecs that have none know one form only.
            let without_offset = composition_ms == 0 && matches!(fourcc, FourCc::AVC | FourCc::HEVC);
            let packet_type =
                if without_offset { VideoPacketType::CodedFramesX } else { VideoPacketType::CodedFrames };
            let tag = video_tag(frame_type, packet_type, fourcc, multitrack, composition_ms, data);
            video(tag, timestamp_ms)
        }
        Form::Extended { fourcc, multitrack } => {
            let layout = layout(fourcc, multitrack, 0, data);
            let packet_type = AudioPacketType::CodedFrames;
            audio(AudioTag::Enhanced { mod_ex: Vec::new(), packet_type, layout }, timestamp_ms)
        }
        Form::Script => {
            FlvMessage { kind: MessageKind::Data, timestamp_ms, head: Head::default(), payload: data }
        }
    }
}

/// The sequence start. For a codec without a record there is none under a legacy header; under an extended
/// one it is empty, and FFmpeg learns from it that the track is there.
fn config_message(form: Form, codec: &Codec, timestamp_ms: i64) -> Option<FlvMessage> {
    let record = match (record(codec), form) {
        (Some(record), _) => record,
        (None, Form::Extended { .. }) => Bytes::new(),
        (None, _) => return None,
    };
    Some(match form {
        Form::Video(codec_id) => {
            let packet = VideoPacket::SequenceStart(record);
            video(VideoTag::Legacy { frame_type: VideoFrameType::Key, codec_id, packet }, timestamp_ms)
        }
        Form::Audio(header) => {
            audio(legacy_audio(header, AacPacketType::SequenceStart, record), timestamp_ms)
        }
        Form::Extended { fourcc, multitrack } if is_video(fourcc) => {
            let packet_type = VideoPacketType::SequenceStart;
            let tag = video_tag(VideoFrameType::Key, packet_type, fourcc, multitrack, 0, record);
            video(tag, timestamp_ms)
        }
        Form::Extended { fourcc, multitrack } => {
            let layout = layout(fourcc, multitrack, 0, record);
            let packet_type = AudioPacketType::SequenceStart;
            audio(AudioTag::Enhanced { mod_ex: Vec::new(), packet_type, layout }, timestamp_ms)
        }
        Form::Script => return None,
    })
}

fn record(codec: &Codec) -> Option<Bytes> {
    Some(match codec {
        Codec::H264(config) => config.record.clone(),
        Codec::H265(config) => config.record.clone(),
        Codec::Av1(config) => config.record.clone(),
        Codec::Vp9(config) => config.record.clone(),
        Codec::Aac(config) => config.record.clone(),
        Codec::Opus(config) => config.record.clone(),
        Codec::Flac(config) => {
            let mut header = BytesMut::from(FLAC_MARKER_AND_BLOCK_HEADER);
            header.put_slice(&config.record);
            header.freeze()
        }
        _ => return None,
    })
}

fn is_video(fourcc: FourCc) -> bool {
    matches!(fourcc, FourCc::AVC | FourCc::HEVC | FourCc::AV1 | FourCc::VP9)
}

fn layout(fourcc: FourCc, multitrack: Option<u8>, composition_ms: i32, data: Bytes) -> Layout {
    match multitrack {
        None => Layout::Single(Part { track_id: 0, fourcc, composition_ms, data }),
        Some(track_id) => Layout::OneTrack(Part { track_id, fourcc, composition_ms, data }),
    }
}

fn video_tag(
    frame_type: VideoFrameType,
    packet_type: VideoPacketType,
    fourcc: FourCc,
    multitrack: Option<u8>,
    composition_ms: i32,
    data: Bytes,
) -> VideoTag {
    let layout = layout(fourcc, multitrack, composition_ms, data);
    VideoTag::Enhanced { frame_type, mod_ex: Vec::new(), packet_type, layout }
}

fn legacy_audio(header: LegacyAudio, packet_type: AacPacketType, data: Bytes) -> AudioTag {
    let LegacyAudio { format, rate, stereo } = header;
    let aac = (format == SoundFormat::AAC).then_some(packet_type);
    AudioTag::Legacy { format, rate, sixteen_bit: true, stereo, aac, data }
}

fn video(tag: VideoTag, timestamp_ms: i64) -> FlvMessage {
    message(MessageKind::Video, timestamp_ms, |rest| tag.write_head(rest))
}

fn audio(tag: AudioTag, timestamp_ms: i64) -> FlvMessage {
    message(MessageKind::Audio, timestamp_ms, |rest| tag.write_head(rest))
}

fn message(kind: MessageKind, timestamp_ms: i64, write: impl FnOnce(&mut &mut [u8]) -> Bytes) -> FlvMessage {
    let mut bytes = [0; MAX_HEAD_BYTES];
    let mut rest = &mut bytes[..];
    let payload = write(&mut rest);
    let len = MAX_HEAD_BYTES - rest.len();
    FlvMessage { kind, timestamp_ms, head: Head { bytes, len }, payload }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::amf::amf0::Value;
    use super::super::demux::MessageDemuxer;
    use super::super::file::{FLV_HEADER_BYTES, TAG_HEADER_BYTES, TagHeader, TagType};
    use super::super::file_demux::FlvFileDemuxer;
    use super::super::form::Dialect;
    use super::*;
    use crate::codec::{DataFormat, OpusConfig};
    use crate::time::{Timescale, Timestamp};
    use crate::track::{MetadataValue, Track};
    use proptest::prelude::*;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!("../../../testdata/flv/", $name))
        };
    }

    const H264_AAC: &[u8] = sample!("legacy_h264_aac.flv");
    const MP3: &[u8] = sample!("legacy_mp3.flv");
    const ALAW: &[u8] = sample!("legacy_alaw.flv");
    const HEVC_OPUS: &[u8] = sample!("enhanced_hevc_opus.flv");
    const AV1_FLAC: &[u8] = sample!("enhanced_av1_flac.flv");
    const VP9_AC3: &[u8] = sample!("enhanced_vp9_ac3.flv");
    const MULTITRACK: &[u8] = sample!("enhanced_multitrack.flv");

    fn options(dialect: Dialect) -> MuxOptions {
        MuxOptions { dialect, ..MuxOptions::default() }
    }

    fn media_of(file: &[u8]) -> Vec<Media> {
        let mut demuxer = FlvFileDemuxer::new();
        demuxer.push(file);
        std::iter::from_fn(|| demuxer.pull().unwrap()).collect()
    }

    /// The media of a file with nothing but its last tracks, ahead of all frames.
    fn settled(file: &[u8]) -> Vec<Media> {
        let (tracks, mut media): (Vec<_>, Vec<_>) =
            media_of(file).into_iter().partition(|media| matches!(media, Media::Tracks(_)));
        media.insert(0, tracks.last().unwrap().clone());
        media
    }

    fn messages_of(media: &[Media], options: MuxOptions) -> Vec<FlvMessage> {
        let mut muxer = MessageMuxer::new(options);
        let mut out = Vec::new();
        for media in media {
            muxer.mux(media, &mut out);
        }
        out
    }

    fn body(message: &FlvMessage) -> Vec<u8> {
        [message.head(), &message.payload].concat()
    }

    /// Kind, time and body of every audio and video tag as ffmpeg wrote them.
    fn tags_of(mut file: &[u8]) -> Vec<(MessageKind, i64, Vec<u8>)> {
        let mut tags = Vec::new();
        file = &file[FLV_HEADER_BYTES..];
        while let Some(header) = file.first_chunk::<TAG_HEADER_BYTES>() {
            let header = TagHeader::parse(*header);
            let body = file[TAG_HEADER_BYTES..TAG_HEADER_BYTES + header.len].to_vec();
            file = &file[TAG_HEADER_BYTES + header.len + 4..];
            match header.kind {
                TagType::Audio => tags.push((MessageKind::Audio, header.timestamp_ms.into(), body)),
                TagType::Video => tags.push((MessageKind::Video, header.timestamp_ms.into(), body)),
                _ => {}
            }
        }
        tags
    }

    fn tags_written(file: &[u8], dialect: Dialect) -> Vec<(MessageKind, i64, Vec<u8>)> {
        let messages = messages_of(&settled(file), options(dialect));
        let media = messages.iter().filter(|message| message.kind != MessageKind::Data);
        media.map(|message| (message.kind, message.timestamp_ms, body(message))).collect()
    }

    /// What ffmpeg sends and this muxer need not: ends of sequences, channel layouts, colour information.
    fn is_spare(body: &[u8]) -> bool {
        matches!(body, [0x17, 2, ..] | [0x94 | 0xd4 | 0x92, ..] | [0x95, 0x04, ..])
            || matches!(body, [0x96, 0x02, ..])
    }

    #[track_caller]
    fn same_as_ffmpeg(file: &[u8], dialect: Dialect) {
        let mut expected = tags_of(file);
        expected.retain(|(_, _, body)| !is_spare(body));
        let written = tags_written(file, dialect);
        // Sequence starts in an order of their own, all else in the same one.
        let starts = |tags: &[(MessageKind, i64, Vec<u8>)]| {
            let is_start =
                |body: &[u8]| matches!(body, [0x17 | 0xaf, 0, ..] | [0x90, ..] | [0x96 | 0x95, 0x00, ..]);
            let (mut starts, rest): (Vec<_>, Vec<_>) = tags.iter().cloned().partition(|tag| is_start(&tag.2));
            starts.sort_by(|a, b| a.2.cmp(&b.2));
            (starts, rest)
        };
        assert_eq!(starts(&written).0, starts(&expected).0);
        assert_eq!(starts(&written).1, starts(&expected).1);
        assert!(expected.len() > 10);
    }

    #[test]
    fn the_same_tags_as_ffmpeg_writes() {
        same_as_ffmpeg(H264_AAC, Dialect::Legacy);
        same_as_ffmpeg(H264_AAC, Dialect::Enhanced);
        same_as_ffmpeg(MP3, Dialect::Legacy);
        same_as_ffmpeg(HEVC_OPUS, Dialect::Enhanced);
        same_as_ffmpeg(MULTITRACK, Dialect::Enhanced);
    }

    #[test]
    fn what_is_muxed_demuxes_to_the_same() {
        for file in [H264_AAC, MP3, ALAW, HEVC_OPUS, AV1_FLAC, VP9_AC3, MULTITRACK] {
            let media = settled(file);
            let mut demuxer = MessageDemuxer::new();
            let mut again = Vec::new();
            for message in messages_of(&media, options(Dialect::Enhanced)) {
                let body = Bytes::from(body(&message));
                match message.kind {
                    MessageKind::Audio => demuxer.push_audio(message.timestamp_ms, body, &mut again),
                    MessageKind::Video => demuxer.push_video(message.timestamp_ms, body, &mut again),
                    MessageKind::Data => demuxer.push_data(message.timestamp_ms, &body, &mut again),
                }
                .unwrap();
            }
            let frames = |media: &[Media]| {
                let mut frames = media.to_vec();
                frames.retain(|media| matches!(media, Media::Frame(_)));
                frames
            };
            assert_eq!(frames(&again), frames(&media));
            let Media::Tracks(tracks) = &media[0] else { panic!() };
            for track in &tracks.list {
                assert_eq!(demuxer.tracks().get(track.id), Some(track));
            }
        }
    }

    #[test]
    fn payload_is_the_frames_own() {
        let media = settled(HEVC_OPUS);
        let messages = messages_of(&media, options(Dialect::Enhanced));
        let frames: Vec<_> = media[1..].iter().collect();
        let of_frames = &messages[messages.len() - frames.len()..];
        for (message, media) in of_frames.iter().zip(frames) {
            let Media::Frame(frame) = media else { panic!() };
            assert_eq!(message.payload.as_ptr(), frame.data.as_ptr());
        }
    }

    fn fields_of(message: &FlvMessage) -> Value {
        let values = amf0::decode_all(&message.payload).unwrap();
        assert_eq!((message.kind, values[0].as_str()), (MessageKind::Data, Some("onMetaData")));
        values[1].clone()
    }

    #[test]
    fn metadata_is_the_publishers_corrected_by_the_codecs() {
        let mut media = settled(H264_AAC);
        let Media::Tracks(tracks) = &media[0] else { panic!() };
        let mut tracks = Tracks::clone(tracks);
        tracks.metadata = vec![
            ("encoder".to_owned(), MetadataValue::Text("x".to_owned())),
            ("width".to_owned(), MetadataValue::Number(1.0)),
            ("duration".to_owned(), MetadataValue::Number(9.0)),
            ("videodatarate".to_owned(), MetadataValue::Number(100.0)),
        ];
        media[0] = Media::Tracks(Arc::new(tracks));
        let names =
            |value: &Value| value.fields().unwrap().iter().map(|pair| pair.0.clone()).collect::<Vec<_>>();
        let all = fields_of(&messages_of(&media, options(Dialect::Legacy))[0]);
        let expected = [
            "encoder",
            "width",
            "videodatarate",
            "height",
            "framerate",
            "videocodecid",
            "audiocodecid",
            "audiosamplerate",
            "audiochannels",
            "stereo",
        ];
        assert_eq!(names(&all), expected);
        let number = |name: &str| all.get(name).and_then(Value::as_f64);
        assert_eq!((number("width"), number("height")), (Some(64.0), Some(48.0)));
        assert_eq!((number("videocodecid"), number("audiocodecid")), (Some(7.0), Some(10.0)));
        assert_eq!((number("framerate"), number("audiosamplerate")), (Some(10.0), Some(48_000.0)));
        assert_eq!(all.get("stereo"), Some(&Value::Boolean(false)));
        let only_audio = MuxOptions { video: false, ..MuxOptions::default() };
        let audio = fields_of(&messages_of(&media, only_audio)[0]);
        let expected = ["encoder", "audiocodecid", "audiosamplerate", "audiochannels", "stereo"];
        assert_eq!(names(&audio), expected);
    }

    #[test]
    fn metadata_names_codecs_by_fourcc_and_describes_further_tracks() {
        let fields = fields_of(&messages_of(&settled(HEVC_OPUS), options(Dialect::Enhanced))[0]);
        assert_eq!(fields.get("videocodecid"), Some(&Value::Number(1_752_589_105.0)));
        // "Opus" as the specification spells it out.
        assert_eq!(fields.get("audiocodecid"), Some(&Value::Number(1_332_770_163.0)));
        assert_eq!(fields.get("videoTrackIdInfoMap"), None);
        let fields = fields_of(&messages_of(&settled(MULTITRACK), options(Dialect::Enhanced))[0]);
        let other = fields.get("videoTrackIdInfoMap").and_then(|map| map.get("1")).unwrap();
        assert_eq!(other.get("width"), Some(&Value::Number(32.0)));
        assert_eq!(other.get("videocodecid"), Some(&Value::Number(FourCc::AVC.as_number())));
        let other = fields.get("audioTrackIdInfoMap").and_then(|map| map.get("1")).unwrap();
        assert_eq!(other.get("audiocodecid"), Some(&Value::Number(FourCc::MP3.as_number())));
    }

    #[test]
    fn what_a_dialect_cannot_carry_is_left_out_and_told() {
        let media = settled(HEVC_OPUS);
        let Media::Tracks(tracks) = &media[0] else { panic!() };
        for (dialect, video, audio) in [
            (Dialect::Legacy, false, false),
            (Dialect::LegacyHevc12, true, false),
            (Dialect::Enhanced, true, true),
        ] {
            let mut muxer = MessageMuxer::new(options(dialect));
            let mut out = Vec::new();
            for media in &media {
                muxer.mux(media, &mut out);
            }
            let has = |kind| out.iter().any(|message| message.kind == kind);
            assert_eq!((has(MessageKind::Video), has(MessageKind::Audio)), (video, audio), "{dialect:?}");
            let carried: Vec<_> = muxer.carried().collect();
            assert_eq!(carried.contains(&TrackId::video(0)), video);
            let left_out: Vec<_> = MessageMuxer::left_out(tracks, options(dialect)).collect();
            assert_eq!(left_out.contains(&TrackId::audio(0)), !audio);
        }
        let hevc = messages_of(&media, options(Dialect::LegacyHevc12));
        assert_eq!(hevc[1].head(), [0x1c, 0, 0, 0, 0]);
    }

    #[test]
    fn color_info_goes_on_in_a_video_message() {
        let mut media = settled(HEVC_OPUS);
        let Media::Tracks(tracks) = &media[0] else { panic!() };
        let mut tracks = Tracks::clone(tracks);
        let color = vec![("colorInfo.colorConfig.bitDepth".to_owned(), MetadataValue::Number(10.0))];
        tracks.metadata.clone_from(&color);
        media[0] = Media::Tracks(Arc::new(tracks));
        let messages = messages_of(&media, options(Dialect::Enhanced));
        assert_eq!(messages[2].head(), b"\x94hvc1");
        let values = amf0::decode_all(&messages[2].payload).unwrap();
        assert_eq!(super::super::metadata::from_video_packet(&values), color);
        assert_eq!(fields_of(&messages[0]).get("colorInfo.colorConfig.bitDepth"), None);
    }

    fn one_track(codec: Codec, id: TrackId) -> Media {
        let track = Track { id, timescale: Timescale::MPEG, codec };
        Media::Tracks(Arc::new(Tracks { list: vec![track], metadata: Vec::new() }))
    }

    #[test]
    fn data_frames_are_passed_on_as_they_are() {
        let at = Timestamp::new(90, Timescale::MPEG);
        let data = Bytes::from_static(b"\x02\x00\x01a");
        let frame = Frame { track: TrackId::data(0), dts: at, pts: at, sync: true, data: data.clone() };
        let media =
            [one_track(Codec::Data(DataFormat::Amf0), TrackId::data(0)), Media::Frame(Arc::new(frame))];
        let messages = messages_of(&media, MuxOptions::default());
        assert_eq!(
            (messages[1].kind, messages[1].timestamp_ms, messages[1].len()),
            (MessageKind::Data, 1, 4)
        );
        assert_eq!(messages[1].payload, data);
    }

    #[test]
    fn configurations_bear_the_time_of_the_frame_before_them() {
        let opus = one_track(Codec::Opus(OpusConfig::new(2).unwrap()), TrackId::audio(0));
        let at = Timestamp::from_millis(77);
        let data = Bytes::from_static(b"x");
        let frame =
            Media::Frame(Arc::new(Frame { track: TrackId::audio(0), dts: at, pts: at, sync: true, data }));
        let messages = messages_of(&[opus.clone(), frame, opus], options(Dialect::Enhanced));
        let times: Vec<_> = messages.iter().map(|message| message.timestamp_ms).collect();
        assert_eq!(times, [0, 0, 77, 0, 77]);
    }

    proptest! {
        #[test]
        fn any_times_fit_their_fields(dts in any::<i64>(), pts in any::<i64>(), sync in any::<bool>()) {
            let Media::Tracks(tracks) = settled(H264_AAC).remove(0) else { panic!() };
            let timestamp = |ticks| Timestamp::new(ticks, Timescale::MPEG);
            let frame = Frame {
                track: TrackId::video(0),
                dts: timestamp(dts),
                pts: timestamp(pts),
                sync,
                data: Bytes::from_static(b"x"),
            };
            for dialect in [Dialect::Legacy, Dialect::Enhanced] {
                let media = [Media::Tracks(Arc::clone(&tracks)), Media::Frame(Arc::new(frame.clone()))];
                let messages = messages_of(&media, options(dialect));
                let message = messages.last().unwrap();
                let VideoTag::Legacy { frame_type, packet: VideoPacket::CodedFrame { composition_ms, .. }, .. } =
                    VideoTag::parse(Bytes::from(body(message))).unwrap()
                else { panic!() };
                prop_assert_eq!(frame_type == VideoFrameType::Key, sync);
                let offset = timestamp(pts).as_millis().saturating_sub(timestamp(dts).as_millis());
                prop_assert_eq!(i64::from(composition_ms), offset.clamp(-0x80_0000, 0x7f_ffff));
            }
        }
    }
}
