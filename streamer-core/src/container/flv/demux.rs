//! Audio, video and data messages in, media out.

use std::sync::Arc;

use bytes::Bytes;

use super::amf::amf0::{self, Value};
use super::config::{self, CodecName, Configured};
use super::error::FlvError;
use super::metadata;
use super::tag::{
    AacPacketType, AudioPacketType, AudioTag, FourCc, Layout, ModEx, MultichannelConfig, Part,
    VideoFrameType, VideoPacket, VideoPacketType, VideoTag,
};
use crate::codec::{Codec, DataFormat};
use crate::frame::{Frame, Media};
use crate::time::{Timescale, Timestamp};
use crate::track::{MAX_TRACKS, Metadata, Track, TrackId, Tracks};

const TOO_MANY_TRACKS: FlvError = FlvError::TooMany { what: "tracks in a stream", max: MAX_TRACKS };

/// What was left out, and why. Counts frames where it is known that there was one, else messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Frames that came before their codec's configuration.
    pub before_config: u64,
    /// Frames without a payload.
    pub empty: u64,
    /// Frames and configurations of codecs that are not supported.
    pub unsupported: u64,
    /// Messages, or parts of one, that could not be read.
    pub malformed: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.before_config + self.empty + self.unsupported + self.malformed
    }
}

/// Turns the bodies of RTMP messages or FLV tags into [`Media`].
///
/// [`Media::Tracks`] is emitted before the first frame, and before the first frame after any change of a
/// configuration or of the metadata, so that changes which come together make one element.
///
/// Timestamps are taken as given, in milliseconds. A track whose messages carry a nanosecond offset
/// (`TimestampOffsetNano`) is switched to [`Timescale::NANOS`] by the first of them.
///
/// After an error the demuxer is as it was before the refused message (other tracks of the same message
/// excepted), and takes the next: see [`FlvError::is_fatal`] for when not to give it one.
#[derive(Debug, Default)]
pub struct MessageDemuxer {
    tracks: Tracks,
    changed: bool,
    on_metadata: Metadata,
    color_info: Metadata,
    states: Vec<State>,
    dropped: Dropped,
}

/// What is known of a track beyond what its viewers are told.
#[derive(Debug)]
struct State {
    id: TrackId,
    name: CodecName,
    length_size: u8,
    /// Whether the configuration was made up, because an empty one was sent.
    implied: bool,
}

/// When and how a coded frame is to be presented.
#[derive(Clone, Copy)]
struct Timing {
    timestamp_ms: i64,
    nanos: Option<u32>,
    sync: bool,
}

impl MessageDemuxer {
    /// A demuxer that knows of no track yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tracks as they stand, emitted already or not.
    #[must_use]
    pub const fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// What was left out so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Takes an audio message and appends what it makes to `out`. A silence message makes nothing.
    ///
    /// # Errors
    /// [`FlvError`] when the message is refused, wholly or in part; what could be read is in `out`.
    pub fn push_audio(
        &mut self,
        timestamp_ms: i64,
        payload: Bytes,
        out: &mut Vec<Media>,
    ) -> Result<(), FlvError> {
        let timing = Timing { timestamp_ms, nanos: None, sync: true };
        let tag = self.counted(AudioTag::parse(payload))?;
        match tag {
            AudioTag::Silence => Ok(()),
            AudioTag::Legacy { format, stereo, aac, data, .. } => {
                let name = self.counted(CodecName::of_audio(format, stereo))?;
                let id = TrackId::audio(0);
                let done = match aac {
                    Some(AacPacketType::SequenceStart) => self.configure(id, FourCc::AAC, &data),
                    Some(AacPacketType::Raw) | None => self.frame(id, name, timing, 0, data, out),
                };
                self.counted(done)
            }
            AudioTag::Enhanced { mod_ex, packet_type, layout } => {
                let timing = Timing { nanos: mod_ex.iter().find_map(ModEx::nanos), ..timing };
                self.each_part(layout, |demuxer, part| {
                    let id = TrackId::audio(part.track_id);
                    match packet_type {
                        AudioPacketType::SequenceStart => demuxer.configure(id, part.fourcc, &part.data),
                        AudioPacketType::CodedFrames => {
                            demuxer.frame(id, CodecName::FourCc(part.fourcc), timing, 0, part.data, out)
                        }
                        AudioPacketType::SequenceEnd => Ok(()),
                        AudioPacketType::MultichannelConfig => demuxer.channels(id, part),
                    }
                })
            }
        }
    }

    /// Takes a video message and appends what it makes to `out`. Empty messages, command frames and ends
    /// of sequences make nothing.
    ///
    /// # Errors
    /// [`FlvError`] when the message is refused, wholly or in part; what could be read is in `out`.
    pub fn push_video(
        &mut self,
        timestamp_ms: i64,
        payload: Bytes,
        out: &mut Vec<Media>,
    ) -> Result<(), FlvError> {
        if payload.is_empty() {
            return Ok(());
        }
        let tag = self.counted(VideoTag::parse(payload))?;
        let timing = |frame_type, nanos| Timing {
            timestamp_ms,
            nanos,
            sync: matches!(frame_type, VideoFrameType::Key | VideoFrameType::GeneratedKey),
        };
        match tag {
            VideoTag::Command { .. } => Ok(()),
            VideoTag::Legacy { frame_type, codec_id, packet } => {
                let name = self.counted(CodecName::of_video(codec_id))?;
                let id = TrackId::video(0);
                let done = match (packet, name) {
                    (VideoPacket::SequenceStart(record), CodecName::FourCc(fourcc)) => {
                        self.configure(id, fourcc, &record)
                    }
                    (VideoPacket::CodedFrame { composition_ms, data }, _) => {
                        self.frame(id, name, timing(frame_type, None), composition_ms, data, out)
                    }
                    (
                        VideoPacket::SequenceStart(_) | VideoPacket::SequenceEnd | VideoPacket::Opaque(_),
                        _,
                    ) => Ok(()),
                };
                self.counted(done)
            }
            VideoTag::Enhanced { frame_type, mod_ex, packet_type, layout } => {
                let timing = timing(frame_type, mod_ex.iter().find_map(ModEx::nanos));
                self.each_part(layout, |demuxer, part| {
                    let id = TrackId::video(part.track_id);
                    match packet_type {
                        VideoPacketType::SequenceStart => demuxer.configure(id, part.fourcc, &part.data),
                        VideoPacketType::CodedFrames | VideoPacketType::CodedFramesX => {
                            let name = CodecName::FourCc(part.fourcc);
                            demuxer.frame(id, name, timing, part.composition_ms, part.data, out)
                        }
                        VideoPacketType::SequenceEnd => Ok(()),
                        VideoPacketType::Metadata => demuxer.color_info(&part.data),
                        VideoPacketType::Mpeg2TsSequenceStart => Err(FlvError::UnsupportedCodec {
                            kind: "MPEG-2 TS sequence start of",
                            codec: part.fourcc.to_string(),
                        }),
                    }
                })
            }
        }
    }

    /// Takes a data message in AMF 0 (type 18 or a script tag) and appends what it makes to `out`.
    ///
    /// `onMetaData`, whether wrapped in `@setDataFrame` or not, becomes [`Tracks::metadata`], and
    /// `@clearDataFrame` empties that. What a server tells its client about their connection (`onStatus`,
    /// names that begin with `|`) makes nothing. Any other message becomes a frame of the data track,
    /// without `@setDataFrame`.
    ///
    /// # Errors
    /// [`FlvError`] when the message is no AMF or does not begin with a name.
    pub fn push_data(
        &mut self,
        timestamp_ms: i64,
        payload: &Bytes,
        out: &mut Vec<Media>,
    ) -> Result<(), FlvError> {
        let done = self.data(timestamp_ms, payload, out);
        self.counted(done)
    }

    /// As [`push_data`](Self::push_data), for a data message in AMF 3 (type 15). Its frames are AMF 0.
    ///
    /// # Errors
    /// As [`push_data`](Self::push_data).
    pub fn push_amf3_data(
        &mut self,
        timestamp_ms: i64,
        payload: &[u8],
        out: &mut Vec<Media>,
    ) -> Result<(), FlvError> {
        let values = self.counted(amf0::decode_all_selected(payload).map_err(FlvError::from))?;
        self.push_data(timestamp_ms, &amf0::encode_all(&values).freeze(), out)
    }

    fn counted<T>(&mut self, result: Result<T, FlvError>) -> Result<T, FlvError> {
        match &result {
            Ok(_) => {}
            Err(FlvError::UnsupportedCodec { .. }) => self.dropped.unsupported += 1,
            Err(_) => self.dropped.malformed += 1,
        }
        result
    }

    /// Does all parts, and answers with the first error.
    fn each_part(
        &mut self,
        layout: Layout,
        mut one: impl FnMut(&mut Self, Part) -> Result<(), FlvError>,
    ) -> Result<(), FlvError> {
        let mut many = |demuxer: &mut Self, parts: Vec<Part>| {
            let mut first = Ok(());
            for part in parts {
                let done = one(demuxer, part);
                let done = demuxer.counted(done);
                first = first.and(done);
            }
            first
        };
        match layout {
            Layout::ManyTracks(parts) | Layout::ManyTracksManyCodecs(parts) => many(self, parts),
            Layout::Single(part) | Layout::OneTrack(part) => {
                let done = one(self, part);
                self.counted(done)
            }
        }
    }

    fn configure(&mut self, id: TrackId, fourcc: FourCc, record: &Bytes) -> Result<(), FlvError> {
        match config::from_sequence_start(fourcc, record)? {
            Some(configured) => self.set(id, CodecName::FourCc(fourcc), configured, record.is_empty()),
            None => Ok(()),
        }
    }

    fn set(
        &mut self,
        id: TrackId,
        name: CodecName,
        mut configured: Configured,
        implied: bool,
    ) -> Result<(), FlvError> {
        let timescale = match self.tracks.get(id) {
            Some(held) => {
                config::keep_learnt(&held.codec, &mut configured.codec);
                held.timescale
            }
            None if self.tracks.list.len() >= MAX_TRACKS => return Err(TOO_MANY_TRACKS),
            None => Timescale::MILLIS,
        };
        let state = State { id, name, length_size: configured.length_size, implied };
        match self.states.iter_mut().find(|state| state.id == id) {
            Some(held) => *held = state,
            None => self.states.push(state),
        }
        self.changed |= self.tracks.set(Track { id, timescale, codec: configured.codec });
        Ok(())
    }

    /// Takes a channel layout, which matters where the codec's own configuration was empty.
    fn channels(&mut self, id: TrackId, part: Part) -> Result<(), FlvError> {
        let layout = MultichannelConfig::parse(part.data)?;
        let name = CodecName::FourCc(part.fourcc);
        if self.states.iter().any(|state| state.id == id && state.name == name && state.implied)
            && let Some(configured) = config::from_channels(part.fourcc, layout.channels)?
        {
            self.set(id, name, configured, true)?;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        id: TrackId,
        name: CodecName,
        timing: Timing,
        composition_ms: i32,
        data: Bytes,
        out: &mut Vec<Media>,
    ) -> Result<(), FlvError> {
        if data.is_empty() {
            self.dropped.empty += 1;
            return Ok(());
        }
        let known = |state: &&State| state.id == id && state.name == name;
        match config::from_frame(name, &data) {
            Ok(Some(configured)) => self.set(id, name, configured, false)?,
            Ok(None) => {}
            // A header that cannot be read is the decoder's business once there was one that could.
            Err(FlvError::Codec(_)) if self.states.iter().any(|state| known(&state)) => {}
            Err(error) => return Err(error),
        }
        let Some(state) = self.states.iter().find(known) else {
            self.dropped.before_config += 1;
            return Ok(());
        };
        let data = config::canonical_payload(name, state.length_size, data)?;
        let timescale = self.refine(id, timing, &data);
        let dts = timestamp(timing.timestamp_ms, timing.nanos, timescale);
        let pts = dts.offset_by(Timestamp::from_millis(composition_ms.into()).rescale(timescale).ticks());
        self.announce(out);
        out.push(Media::Frame(Arc::new(Frame { track: id, dts, pts, sync: timing.sync, data })));
        Ok(())
    }

    /// Brings a track up to what a frame tells of it, and answers with the scale of its timestamps.
    fn refine(&mut self, id: TrackId, timing: Timing, data: &[u8]) -> Timescale {
        let Some(track) = self.tracks.list.iter_mut().find(|track| track.id == id) else {
            return Timescale::MILLIS;
        };
        if timing.nanos.is_some() && track.timescale != Timescale::NANOS {
            track.timescale = Timescale::NANOS;
            self.changed = true;
        }
        if timing.sync {
            self.changed |= config::learn(&mut track.codec, data);
        }
        track.timescale
    }

    fn announce(&mut self, out: &mut Vec<Media>) {
        if std::mem::take(&mut self.changed) {
            out.push(Media::Tracks(Arc::new(self.tracks.clone())));
        }
    }

    fn data(&mut self, timestamp_ms: i64, payload: &Bytes, out: &mut Vec<Media>) -> Result<(), FlvError> {
        let values = amf0::decode_all(payload)?;
        match values.as_slice() {
            [Value::String(set), Value::String(name), argument, ..]
                if set == "@setDataFrame" && name == "onMetaData" =>
            {
                self.on_metadata(metadata::from_on_metadata(argument));
            }
            [Value::String(name), argument, ..] if name == "onMetaData" => {
                self.on_metadata(metadata::from_on_metadata(argument));
            }
            [Value::String(clear), ..] if clear == "@clearDataFrame" => self.on_metadata(Metadata::new()),
            [Value::String(name), ..] if name == "onStatus" || name.starts_with('|') => {}
            [Value::String(set), Value::String(_), ..] if set == "@setDataFrame" => {
                // Behind the first value, as it was sent.
                let mut rest = &payload[..];
                amf0::decode(&mut rest)?;
                let inner = payload.slice(payload.len() - rest.len()..);
                self.data_frame(timestamp_ms, inner, out)?;
            }
            [Value::String(_), ..] => self.data_frame(timestamp_ms, payload.clone(), out)?,
            _ => {
                let value = values.len().try_into().unwrap_or(u64::MAX);
                return Err(FlvError::Field {
                    structure: "data message",
                    field: "values without a name",
                    value,
                });
            }
        }
        Ok(())
    }

    fn data_frame(&mut self, timestamp_ms: i64, data: Bytes, out: &mut Vec<Media>) -> Result<(), FlvError> {
        let id = TrackId::data(0);
        if self.tracks.get(id).is_none() {
            if self.tracks.list.len() >= MAX_TRACKS {
                return Err(TOO_MANY_TRACKS);
            }
            let codec = Codec::Data(DataFormat::Amf0);
            self.changed |= self.tracks.set(Track { id, timescale: Timescale::MILLIS, codec });
        }
        let at = Timestamp::from_millis(timestamp_ms);
        self.announce(out);
        out.push(Media::Frame(Arc::new(Frame { track: id, dts: at, pts: at, sync: true, data })));
        Ok(())
    }

    fn color_info(&mut self, data: &[u8]) -> Result<(), FlvError> {
        self.color_info = metadata::from_video_packet(&amf0::decode_all(data)?);
        self.join_metadata();
        Ok(())
    }

    fn on_metadata(&mut self, metadata: Metadata) {
        self.on_metadata = metadata;
        self.join_metadata();
    }

    fn join_metadata(&mut self) {
        let joined: Metadata = self.on_metadata.iter().chain(&self.color_info).cloned().collect();
        if self.tracks.metadata != joined {
            self.tracks.metadata = joined;
            self.changed = true;
        }
    }
}

fn timestamp(timestamp_ms: i64, nanos: Option<u32>, timescale: Timescale) -> Timestamp {
    let at = Timestamp::from_millis(timestamp_ms).rescale(timescale);
    let offset = Timestamp::new(nanos.unwrap_or(0).into(), Timescale::NANOS).rescale(timescale);
    at.offset_by(offset.ticks())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{AacConfig, nal};
    use crate::track::MetadataValue;
    use proptest::prelude::*;

    /// The `avcC` of `testdata/flv/legacy_h264_aac.flv`, with another length size if asked for.
    fn avcc(length_size: u8) -> Vec<u8> {
        const FILE: &[u8] = include_bytes!("../../../testdata/flv/legacy_h264_aac.flv");
        let start = FILE.windows(5).position(|window| window == [0x17, 0, 0, 0, 0]).unwrap();
        let len = usize::from(u16::from_be_bytes([FILE[start - 9], FILE[start - 8]]));
        let mut record = FILE[start + 5..start + len].to_vec();
        record[4] = 0xfc | (length_size - 1);
        record
    }

    fn with(head: &[u8], data: &[u8]) -> Bytes {
        Bytes::from([head, data].concat())
    }

    struct Fed {
        demuxer: MessageDemuxer,
        out: Vec<Media>,
    }

    impl Fed {
        fn new() -> Self {
            Self { demuxer: MessageDemuxer::new(), out: Vec::new() }
        }

        fn with_h264() -> Self {
            let mut fed = Self::new();
            fed.video(0, &with(b"\x17\0\0\0\0", &avcc(4))).unwrap();
            fed
        }

        fn video(&mut self, at: i64, payload: &[u8]) -> Result<(), FlvError> {
            self.demuxer.push_video(at, Bytes::copy_from_slice(payload), &mut self.out)
        }

        fn audio(&mut self, at: i64, payload: &[u8]) -> Result<(), FlvError> {
            self.demuxer.push_audio(at, Bytes::copy_from_slice(payload), &mut self.out)
        }

        fn data(&mut self, values: &[Value]) -> Result<(), FlvError> {
            self.demuxer.push_data(7, &amf0::encode_all(values).freeze(), &mut self.out)
        }

        fn taken(&mut self) -> Vec<Media> {
            std::mem::take(&mut self.out)
        }

        /// The only element, which is a frame.
        #[track_caller]
        fn one_frame(&mut self) -> Arc<Frame> {
            match self.taken().as_slice() {
                [Media::Frame(frame)] => Arc::clone(frame),
                other => panic!("{other:?}"),
            }
        }

        /// The only two elements, tracks and a frame.
        #[track_caller]
        fn tracks_and_frame(&mut self) -> (Arc<Tracks>, Arc<Frame>) {
            match self.taken().as_slice() {
                [Media::Tracks(tracks), Media::Frame(frame)] => (Arc::clone(tracks), Arc::clone(frame)),
                other => panic!("{other:?}"),
            }
        }
    }

    const NAL: &[u8] = b"\x00\x00\x00\x02\x65\x88";

    #[test]
    fn tracks_come_before_the_first_frame_they_govern_and_once() {
        let mut fed = Fed::with_h264();
        fed.audio(0, b"\xaf\x00\x11\x88").unwrap();
        assert_eq!(fed.taken(), vec![]);
        fed.video(40, &with(b"\x17\x01\x00\x00\x50", NAL)).unwrap();
        let (tracks, frame) = fed.tracks_and_frame();
        assert_eq!(tracks.list.len(), 2);
        assert_eq!(
            *frame,
            Frame {
                track: TrackId::video(0),
                dts: Timestamp::from_millis(40),
                pts: Timestamp::from_millis(120),
                sync: true,
                data: Bytes::from_static(NAL),
            }
        );
        // The same configuration again changes nothing.
        fed.video(80, &with(b"\x17\0\0\0\0", &avcc(4))).unwrap();
        fed.video(80, &with(b"\x27\x01\xff\xff\xf6", NAL)).unwrap();
        let frame = fed.one_frame();
        assert_eq!((frame.sync, frame.pts.as_millis()), (false, 70));
        // Another one does.
        fed.audio(80, b"\xaf\x00\x12\x10").unwrap();
        fed.audio(80, b"\xaf\x01raw").unwrap();
        let (tracks, frame) = fed.tracks_and_frame();
        assert_eq!(frame.data, &b"raw"[..]);
        let aac = AacConfig::parse(&[0x12, 0x10]).unwrap();
        assert_eq!(tracks.get(TrackId::audio(0)).unwrap().codec, Codec::Aac(aac));
    }

    #[test]
    fn shorter_nal_lengths_are_made_four_bytes() {
        let mut fed = Fed::new();
        fed.video(0, &with(b"\x17\0\0\0\0", &avcc(2))).unwrap();
        fed.video(0, b"\x17\x01\0\0\0\x00\x02\x65\x88\x00\x01\x06").unwrap();
        let (_, frame) = fed.tracks_and_frame();
        assert_eq!(frame.data, nal::join([&b"\x65\x88"[..], b"\x06"]));
        // A length that runs past the end.
        assert!(matches!(fed.video(0, b"\x17\x01\0\0\0\x00\x05\x65"), Err(FlvError::Codec(_))));
        assert_eq!(fed.demuxer.dropped().malformed, 1);
    }

    #[test]
    fn frames_before_their_configuration_are_dropped_and_counted() {
        let mut fed = Fed::new();
        fed.video(0, &with(b"\x17\x01\0\0\0", NAL)).unwrap();
        fed.audio(0, b"\xaf\x01raw").unwrap();
        // The configuration of another codec is none.
        fed.video(0, &with(b"\x17\0\0\0\0", &avcc(4))).unwrap();
        fed.video(0, &with(b"\x1c\x01\0\0\0", NAL)).unwrap();
        fed.video(0, b"\x17\x01\0\0\0").unwrap();
        assert_eq!(fed.taken(), vec![]);
        assert_eq!(fed.demuxer.dropped(), Dropped { before_config: 3, empty: 1, ..Dropped::default() });
    }

    #[test]
    fn what_is_no_frame_makes_nothing() {
        let mut fed = Fed::with_h264();
        fed.video(0, b"").unwrap();
        fed.audio(0, b"").unwrap();
        fed.video(0, b"\x17\x02\0\0\0").unwrap();
        fed.video(0, b"\x57\x00").unwrap();
        fed.video(0, b"\x92avc1").unwrap();
        fed.audio(0, b"\x92mp4a").unwrap();
        assert_eq!(fed.taken(), vec![]);
        assert_eq!(fed.demuxer.dropped().total(), 0);
    }

    #[test]
    fn unsupported_codecs_and_bad_messages_are_told_and_survived() {
        let mut fed = Fed::with_h264();
        assert!(matches!(fed.video(0, b"\x12h263"), Err(FlvError::UnsupportedCodec { .. })));
        assert!(matches!(fed.audio(0, b"\xb2speex"), Err(FlvError::UnsupportedCodec { .. })));
        assert!(matches!(fed.video(0, b"\x90vvc1rec"), Err(FlvError::UnsupportedCodec { .. })));
        assert!(matches!(fed.video(0, b"\x95av01desc"), Err(FlvError::UnsupportedCodec { .. })));
        assert!(matches!(fed.video(0, b"\x91vp08frame"), Err(FlvError::UnsupportedCodec { .. })));
        assert_eq!(fed.demuxer.dropped().unsupported, 5);
        // A broken configuration leaves the one in force.
        let error = fed.video(0, b"\x17\0\0\0\0\x01").unwrap_err();
        assert!(matches!(error, FlvError::Codec(_)) && !error.is_fatal());
        assert_eq!(fed.demuxer.dropped().malformed, 1);
        fed.video(0, &with(b"\x17\x01\0\0\0", NAL)).unwrap();
        fed.tracks_and_frame();
    }

    #[test]
    fn an_empty_opus_configuration_is_made_up() {
        let mut fed = Fed::new();
        fed.audio(0, b"\x90Opus").unwrap();
        let channels = |fed: &Fed| fed.demuxer.tracks().list[0].codec.channels();
        assert_eq!(channels(&fed), Some(2));
        fed.audio(0, b"\x94Opus\x01\x06\x00\x00\x00\x3f").unwrap();
        assert_eq!(channels(&fed), Some(6));
        // One that was sent stands.
        let head = crate::codec::OpusConfig::new(1).unwrap().record;
        fed.audio(0, &with(b"\x90Opus", &head)).unwrap();
        fed.audio(0, b"\x94Opus\x00\x02").unwrap();
        assert_eq!(channels(&fed), Some(1));
    }

    #[test]
    fn mp3_is_configured_by_its_frames() {
        let mut fed = Fed::new();
        assert!(matches!(fed.audio(0, b"\x2fgarbage"), Err(FlvError::Codec(_))));
        // MPEG-1 layer III, 128 kbit/s, 44.1 kHz, stereo.
        fed.audio(0, b"\x2f\xff\xfb\x90\x00rest").unwrap();
        let (tracks, _) = fed.tracks_and_frame();
        assert_eq!(tracks.list[0].codec.sample_rate_hz(), Some(44_100));
        fed.audio(26, b"\x2fgarbage").unwrap();
        assert_eq!(fed.one_frame().data, &b"garbage"[..]);
        // The same codec by FourCC is the same track.
        fed.audio(52, b"\x91.mp3\xff\xfb\x94\x00rest").unwrap();
        assert_eq!(fed.taken().iter().filter(|media| matches!(media, Media::Tracks(_))).count(), 1);
    }

    #[test]
    fn parts_of_a_message_are_taken_one_by_one() {
        let mut fed = Fed::new();
        let record = avcc(4);
        let len = u8::try_from(record.len()).unwrap();
        let parts = [
            &b"\x96\x20avc1\x00\x00\x00"[..],
            &[len],
            &record,
            b"avc1\x03\x00\x00\x01x",
            b"avc1\x05\x00\x00",
            &[len],
            &record,
        ];
        assert!(matches!(fed.video(0, &parts.concat()), Err(FlvError::Codec(_))));
        assert_eq!(fed.demuxer.dropped().malformed, 1);
        fed.video(0, &with(b"\xa6\x01avc1\x05\x00\x00\x28", NAL)).unwrap();
        let (tracks, frame) = fed.tracks_and_frame();
        let ids: Vec<_> = tracks.list.iter().map(|track| track.id).collect();
        assert_eq!(ids, [TrackId::video(0), TrackId::video(5)]);
        assert_eq!((frame.track, frame.pts.as_millis(), frame.sync), (TrackId::video(5), 40, false));
    }

    #[test]
    fn tracks_at_their_limit() {
        let mut fed = Fed::new();
        let start = |track: u8| [&b"\x95\x00mp4a"[..], &[track], b"\x12\x10"].concat();
        for track in 0..u8::try_from(MAX_TRACKS).unwrap() {
            fed.audio(0, &start(track)).unwrap();
        }
        let error = fed.audio(0, &start(200)).unwrap_err();
        assert_eq!(error, FlvError::TooMany { what: "tracks in a stream", max: MAX_TRACKS });
        assert!(error.is_fatal());
        // Those that are there can still change.
        fed.audio(0, &start(3)).unwrap();
        assert!(matches!(fed.data(&[Value::from("onCuePoint")]), Err(FlvError::TooMany { .. })));
    }

    #[test]
    fn a_nanosecond_offset_makes_the_track_finer() {
        let mut fed = Fed::with_h264();
        fed.video(40, &with(b"\x17\x01\x00\x00\x00", NAL)).unwrap();
        assert_eq!(fed.tracks_and_frame().0.list[0].timescale, Timescale::MILLIS);
        // 40 ms and 500 000 ns, presented 1 ms later.
        fed.video(40, &with(b"\xa7\x02\x07\xa1\x20\x01avc1\x00\x00\x01", NAL)).unwrap();
        let (tracks, frame) = fed.tracks_and_frame();
        assert_eq!(tracks.list[0].timescale, Timescale::NANOS);
        assert_eq!(frame.dts, Timestamp::new(40_500_000, Timescale::NANOS));
        assert_eq!(frame.pts, Timestamp::new(41_500_000, Timescale::NANOS));
        // And it stays so, also over a new configuration.
        fed.video(50, &with(b"\x17\0\0\0\0", &avcc(4))).unwrap();
        fed.video(50, &with(b"\x27\x01\x00\x00\x00", NAL)).unwrap();
        assert_eq!(fed.one_frame().dts, Timestamp::new(50_000_000, Timescale::NANOS));
    }

    #[test]
    fn metadata_goes_with_the_tracks() {
        let object = |width: f64| Value::EcmaArray(vec![("width".to_owned(), Value::from(width))]);
        let number = |width: f64| vec![("width".to_owned(), MetadataValue::Number(width))];
        let mut fed = Fed::with_h264();
        let mut metadata_after = |values: &[Value]| {
            fed.data(values).unwrap();
            fed.video(0, &with(b"\x17\x01\0\0\0", NAL)).unwrap();
            match fed.taken().as_slice() {
                [Media::Tracks(tracks), Media::Frame(_)] => Some(tracks.metadata.clone()),
                _ => None,
            }
        };
        let set = [Value::from("@setDataFrame"), Value::from("onMetaData"), object(1.0)];
        assert_eq!(metadata_after(&set), Some(number(1.0)));
        assert_eq!(metadata_after(&set), None);
        assert_eq!(metadata_after(&[Value::from("onMetaData"), object(2.0)]), Some(number(2.0)));
        assert_eq!(metadata_after(&[Value::from("onMetaData"), object(f64::NAN)]), Some(vec![]));
        assert_eq!(metadata_after(&[Value::from("onMetaData"), object(f64::NAN)]), None);
        assert_eq!(metadata_after(&set), Some(number(1.0)));
        let clear = [Value::from("@clearDataFrame"), Value::from("onMetaData")];
        assert_eq!(metadata_after(&clear), Some(vec![]));
    }

    #[test]
    fn color_info_joins_the_metadata() {
        let mut fed = Fed::with_h264();
        let color = Value::Object(vec![("bitDepth".to_owned(), Value::from(10.0))]);
        let color = Value::Object(vec![("colorConfig".to_owned(), color)]);
        let body = amf0::encode_all(&[Value::from("colorInfo"), color]);
        // Frame type 5 would be a command if this were not metadata.
        fed.video(0, &with(b"\xd4avc1", &body)).unwrap();
        fed.data(&[Value::from("onMetaData"), Value::Object(vec![("a".to_owned(), Value::from(true))])])
            .unwrap();
        let expected = vec![
            ("a".to_owned(), MetadataValue::Boolean(true)),
            ("colorInfo.colorConfig.bitDepth".to_owned(), MetadataValue::Number(10.0)),
        ];
        assert_eq!(fed.demuxer.tracks().metadata, expected);
    }

    #[test]
    fn other_data_messages_are_frames() {
        let mut fed = Fed::new();
        let cue = [Value::from("onCuePoint"), Value::from(1.0)];
        fed.data(&[&[Value::from("@setDataFrame")], &cue[..]].concat()).unwrap();
        let (tracks, frame) = fed.tracks_and_frame();
        assert_eq!(tracks.list[0].codec, Codec::Data(DataFormat::Amf0));
        assert_eq!(frame.data, amf0::encode_all(&cue));
        assert_eq!((frame.track, frame.dts.as_millis(), frame.sync), (TrackId::data(0), 7, true));
        fed.data(&cue).unwrap();
        assert_eq!(fed.one_frame().data, amf0::encode_all(&cue));
        // In AMF 3 it is the same message.
        fed.demuxer.push_amf3_data(7, b"\x00\x02\x00\x0aonCuePoint\x11\x04\x01", &mut fed.out).unwrap();
        assert_eq!(fed.one_frame().data, amf0::encode_all(&cue));
        // What concerns the connection goes no further.
        fed.data(&[Value::from("onStatus"), Value::Null]).unwrap();
        fed.data(&[Value::from("|RtmpSampleAccess"), Value::from(true)]).unwrap();
        assert_eq!(fed.taken(), vec![]);
        assert!(fed.data(&[Value::from(1.0)]).is_err());
        assert!(fed.data(&[]).is_err());
        assert!(matches!(
            fed.demuxer.push_data(0, &Bytes::from_static(b"\x02"), &mut fed.out),
            Err(FlvError::Amf(_))
        ));
    }

    #[test]
    fn nesting_past_the_limit_is_fatal_and_a_truncated_value_is_not() {
        let mut fed = Fed::new();
        let deep = Bytes::from([0x0a, 0, 0, 0, 1].repeat(100));
        let error = fed.demuxer.push_data(0, &deep, &mut fed.out).unwrap_err();
        assert!(error.is_fatal());
        let error = fed.demuxer.push_data(0, &Bytes::from_static(b"\x02\x00"), &mut fed.out).unwrap_err();
        assert!(!error.is_fatal());
    }

    #[test]
    fn payload_is_a_slice_of_the_message() {
        let mut fed = Fed::with_h264();
        let message = with(b"\x17\x01\0\0\0", NAL);
        fed.demuxer.push_video(0, message.clone(), &mut fed.out).unwrap();
        assert_eq!(fed.tracks_and_frame().1.data.as_ptr(), message[5..].as_ptr());
    }

    proptest! {
        #[test]
        fn no_messages_panic(
            messages in proptest::collection::vec(
                (0..3u8, proptest::collection::vec(prop_oneof![0u8..0x20, any::<u8>()], 0..60)),
                0..20,
            ),
        ) {
            let mut fed = Fed::with_h264();
            for (kind, body) in messages {
                let _ = match kind {
                    0 => fed.audio(0, &body),
                    1 => fed.video(0, &body),
                    _ => fed.demuxer.push_data(0, &Bytes::from(body), &mut fed.out),
                };
            }
        }
    }
}
