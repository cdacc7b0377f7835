//! A whole FLV byte stream in, chopped in any way, media out.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::demux::{Dropped, MessageDemuxer};
use super::error::FlvError;
use super::file::{
    FILE_HEADER_BYTES, PREVIOUS_TAG_SIZE_BYTES, TAG_HEADER_BYTES, TagHeader, TagType, parse_header,
};
use crate::frame::Media;
use crate::track::Tracks;

/// Largest tag body: all that the 24-bit length field can say. A stream holds back one tag at most.
pub const MAX_TAG_BYTES: usize = 0xff_ffff;

/// Turns an FLV file or HTTP-FLV stream into [`Media`].
///
/// Timestamps that pass 2^32 milliseconds, or that an encoder lets wrap, go on counting. Sizes of previous
/// tags are not looked at, because live streams often have them wrong. Tags of unknown types and encrypted
/// ones are passed over.
#[derive(Debug)]
pub struct FlvFileDemuxer {
    messages: MessageDemuxer,
    input: BytesMut,
    /// Where `input` begins, in bytes from the beginning of all input.
    position: u64,
    /// The body of the last tag, and where it begins.
    body: (u64, Bytes),
    state: State,
    timestamp: Unwrapped,
    ready: VecDeque<Media>,
    // Kept for its capacity.
    scratch: Vec<Media>,
    failed: Option<FlvError>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    /// Bytes to pass over before a tag.
    Skip(usize),
    Tag,
}

impl Default for FlvFileDemuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl FlvFileDemuxer {
    /// A demuxer at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            messages: MessageDemuxer::new(),
            input: BytesMut::new(),
            position: 0,
            body: (0, Bytes::new()),
            state: State::Header,
            timestamp: Unwrapped::default(),
            ready: VecDeque::new(),
            scratch: Vec::new(),
            failed: None,
        }
    }

    /// The tracks as they stand.
    #[must_use]
    pub const fn tracks(&self) -> &Tracks {
        self.messages.tracks()
    }

    /// What was left out so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.messages.dropped()
    }

    /// Where the payload of a frame that was just pulled lies, in bytes from the beginning of all input; `None` for one
    /// that had to be rewritten.
    #[must_use]
    pub fn place_of(&self, payload: &Bytes) -> Option<u64> {
        let (begin, body) = &self.body;
        // A payload that was not rewritten is a piece of the body's memory.
        let offset = payload.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        let within = offset.checked_add(payload.len()).is_some_and(|end| end <= body.len());
        within.then_some(begin + offset as u64)
    }

    /// Takes the next bytes. They are held until [`pull`](Self::pull) has come to them, so pull until there
    /// is nothing more before pushing again: then no more than one tag is held.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next element, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// [`FlvError`] of a header or tag that is refused. If it [is fatal](FlvError::is_fatal) or the header's,
    /// every further call gives it again; else the next call goes on behind the tag.
    pub fn pull(&mut self) -> Result<Option<Media>, FlvError> {
        loop {
            if let Some(media) = self.ready.pop_front() {
                return Ok(Some(media));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => {
                    if error.is_fatal() || matches!(self.state, State::Header) {
                        self.failed = Some(error);
                        self.input = BytesMut::new();
                    } else if self.ready.is_empty() {
                        return Err(error);
                    }
                    // Else what could be read of the tag comes first, and the counters tell of the rest.
                }
            }
        }
    }

    /// Goes one structure further; false when that takes more bytes.
    fn step(&mut self) -> Result<bool, FlvError> {
        match self.state {
            State::Header => {
                let Some(header) = self.input.first_chunk::<FILE_HEADER_BYTES>() else { return Ok(false) };
                let more = usize::try_from(parse_header(*header)?).unwrap_or(usize::MAX);
                self.consume(FILE_HEADER_BYTES);
                self.state = State::Skip(more.saturating_add(PREVIOUS_TAG_SIZE_BYTES));
            }
            State::Skip(bytes) => {
                let skipped = bytes.min(self.input.len());
                self.consume(skipped);
                if skipped < bytes {
                    self.state = State::Skip(bytes - skipped);
                    return Ok(false);
                }
                self.state = State::Tag;
            }
            State::Tag => {
                let Some(header) = self.input.first_chunk::<TAG_HEADER_BYTES>() else { return Ok(false) };
                let header = TagHeader::parse(*header);
                let known = !header.filtered && !matches!(header.kind, TagType::Other(_));
                if !known {
                    // Not held, so that what nobody wants costs no memory.
                    self.consume(TAG_HEADER_BYTES);
                    self.state = State::Skip(header.len + PREVIOUS_TAG_SIZE_BYTES);
                    return Ok(true);
                }
                if self.input.len() < TAG_HEADER_BYTES + header.len {
                    self.input.reserve(TAG_HEADER_BYTES + header.len - self.input.len());
                    return Ok(false);
                }
                self.consume(TAG_HEADER_BYTES);
                let body = self.input.split_to(header.len).freeze();
                self.body = (self.position, body.clone());
                self.position += header.len as u64;
                self.state = State::Skip(PREVIOUS_TAG_SIZE_BYTES);
                let at = self.timestamp.next(header.timestamp_ms);
                let out = &mut self.scratch;
                let done = match header.kind {
                    TagType::Audio => self.messages.push_audio(at, body, out),
                    TagType::Video => self.messages.push_video(at, body, out),
                    TagType::Script => self.messages.push_data(at, &body, out),
                    TagType::ScriptAmf3 => self.messages.push_amf3_data(at, &body, out),
                    TagType::Other(_) => Ok(()),
                };
                self.ready.extend(out.drain(..));
                done?;
            }
        }
        Ok(true)
    }

    fn consume(&mut self, bytes: usize) {
        self.input.advance(bytes);
        self.position += bytes as u64;
    }
}

/// A 32-bit count of milliseconds made one that does not wrap: each step is taken to be the shorter of
/// the two ways.
#[derive(Debug, Default)]
struct Unwrapped {
    last: Option<i64>,
}

impl Unwrapped {
    fn next(&mut self, timestamp_ms: u32) -> i64 {
        let next = match self.last {
            None => timestamp_ms.into(),
            Some(last) => {
                let low = u32::try_from(last & i64::from(u32::MAX)).unwrap_or(0);
                last + i64::from(timestamp_ms.wrapping_sub(low).cast_signed())
            }
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::flv_header;
    use super::*;
    use crate::codec::Codec;
    use crate::frame::Frame;
    use crate::track::TrackId;
    use proptest::prelude::*;
    use std::sync::Arc;

    const LEGACY: &[u8] = include_bytes!("../../../testdata/flv/legacy_h264_aac.flv");
    const ALAW: &[u8] = include_bytes!("../../../testdata/flv/legacy_alaw.flv");

    fn tag(kind: TagType, timestamp_ms: u32, body: &[u8]) -> Vec<u8> {
        let header = TagHeader { kind, filtered: false, len: body.len(), timestamp_ms };
        let size = u32::try_from(body.len() + TAG_HEADER_BYTES).unwrap().to_be_bytes();
        [&header.bytes()[..], body, &size].concat()
    }

    fn all(demuxer: &mut FlvFileDemuxer) -> (Vec<Media>, Vec<FlvError>) {
        let (mut media, mut errors) = (Vec::new(), Vec::new());
        loop {
            match demuxer.pull() {
                Ok(Some(one)) => media.push(one),
                Ok(None) => return (media, errors),
                Err(error) => {
                    errors.push(error);
                    if demuxer.failed.is_some() {
                        return (media, errors);
                    }
                }
            }
        }
    }

    fn media_of(bytes: &[u8]) -> Vec<Media> {
        let mut demuxer = FlvFileDemuxer::new();
        demuxer.push(bytes);
        let (media, errors) = all(&mut demuxer);
        assert_eq!(errors, vec![]);
        media
    }

    fn frames_of(media: &[Media], id: TrackId) -> Vec<Arc<Frame>> {
        let of_track = |media: &Media| match media {
            Media::Frame(frame) if frame.track == id => Some(Arc::clone(frame)),
            _ => None,
        };
        media.iter().filter_map(of_track).collect()
    }

    #[test]
    fn a_file_of_h264_and_aac() {
        let media = media_of(LEGACY);
        let Media::Tracks(tracks) = &media[0] else { panic!("frames before tracks") };
        assert_eq!(media.iter().filter(|media| matches!(media, Media::Tracks(_))).count(), 1);
        let Some(Codec::H264(h264)) = tracks.get(TrackId::video(0)).map(|track| &track.codec) else {
            panic!()
        };
        assert_eq!((h264.resolution.width, h264.resolution.height), (64, 48));
        let Some(Codec::Aac(aac)) = tracks.get(TrackId::audio(0)).map(|track| &track.codec) else { panic!() };
        assert_eq!((aac.sample_rate_hz, aac.channels), (48_000, 1));
        assert_eq!(tracks.metadata[1].0, "width");
        // What ffprobe says of the file: pictures of two GOPs, in decode order.
        let video = frames_of(&media, TrackId::video(0));
        let times: Vec<_> = video.iter().map(|f| (f.dts.as_millis(), f.pts.as_millis(), f.sync)).collect();
        assert_eq!(times, EXPECTED_VIDEO);
        assert_eq!(frames_of(&media, TrackId::audio(0)).len(), 48);
        // Whole NAL units with lengths of four bytes.
        for frame in video {
            assert!(crate::codec::nal::units(&frame.data).all(|unit| unit.is_ok()));
        }
    }

    const EXPECTED_VIDEO: [(i64, i64, bool); 10] = [
        (0, 200, true),
        (100, 500, false),
        (200, 300, false),
        (300, 400, false),
        (400, 600, false),
        (500, 700, true),
        (600, 1000, false),
        (700, 800, false),
        (800, 900, false),
        (900, 1100, false),
    ];

    #[test]
    fn a_file_of_g711() {
        let media = media_of(ALAW);
        let Media::Tracks(tracks) = &media[0] else { panic!() };
        assert!(matches!(&tracks.list[0].codec, Codec::G711(config) if config.sample_rate_hz == 8_000));
        let samples: usize = frames_of(&media, TrackId::audio(0)).iter().map(|frame| frame.data.len()).sum();
        assert_eq!(samples, 1_600);
    }

    /// Each track of a file: name of the codec, its size or rate, number of frames and of sync frames.
    fn summary(bytes: &[u8]) -> Vec<(String, &'static str, u32, usize, usize)> {
        let media = media_of(bytes);
        let last = media.iter().rev().find_map(|media| match media {
            Media::Tracks(tracks) => Some(Arc::clone(tracks)),
            Media::Frame(_) => None,
        });
        let mut tracks = last.unwrap().list.clone();
        tracks.sort_by_key(|track| track.id);
        let of_track = |track: &crate::track::Track| {
            let frames = frames_of(&media, track.id);
            let codec = &track.codec;
            let what = codec.resolution().map(|size| size.width).or(codec.sample_rate_hz()).unwrap();
            let syncs = frames.iter().filter(|frame| frame.sync).count();
            (track.id.to_string(), codec.name(), what, frames.len(), syncs)
        };
        tracks.iter().map(of_track).collect()
    }

    #[test]
    fn files_of_every_codec() {
        let track = |id: &str, codec, what, frames, syncs| (id.to_owned(), codec, what, frames, syncs);
        let hevc_opus = include_bytes!("../../../testdata/flv/enhanced_hevc_opus.flv");
        let expected = [track("video0", "H265", 64, 10, 2), track("audio0", "Opus", 48_000, 51, 51)];
        assert_eq!(summary(hevc_opus), expected);
        let av1_flac = include_bytes!("../../../testdata/flv/enhanced_av1_flac.flv");
        let expected = [track("video0", "AV1", 64, 5, 1), track("audio0", "FLAC", 16_000, 25, 25)];
        assert_eq!(summary(av1_flac), expected);
        let vp9_ac3 = include_bytes!("../../../testdata/flv/enhanced_vp9_ac3.flv");
        let expected = [track("video0", "VP9", 64, 5, 1), track("audio0", "AC-3", 48_000, 16, 16)];
        assert_eq!(summary(vp9_ac3), expected);
        let multitrack = include_bytes!("../../../testdata/flv/enhanced_multitrack.flv");
        let expected = [
            track("video0", "H264", 64, 5, 1),
            track("video1", "H264", 32, 5, 1),
            track("audio0", "AAC", 48_000, 25, 25),
            track("audio1", "MP3", 48_000, 22, 22),
        ];
        assert_eq!(summary(multitrack), expected);
        let mp3 = include_bytes!("../../../testdata/flv/legacy_mp3.flv");
        assert_eq!(summary(mp3), [track("audio0", "MP3", 44_100, 40, 40)]);
    }

    #[test]
    fn temporal_delimiters_are_left_out() {
        let media = media_of(include_bytes!("../../../testdata/flv/enhanced_av1_flac.flv"));
        for frame in frames_of(&media, TrackId::video(0)) {
            assert_ne!(frame.data[0], 0x12);
        }
    }

    #[test]
    fn timestamps_go_on_past_their_32_bits_and_back_over_them() {
        let body = b"\x72samples";
        let mut bytes = flv_header(true, false).to_vec();
        let stamps = [0xffff_fff0, 0x10, 0xffff_fffa, 0x20];
        for stamp in stamps {
            bytes.extend(tag(TagType::Audio, stamp, body));
        }
        let times: Vec<_> =
            frames_of(&media_of(&bytes), TrackId::audio(0)).iter().map(|f| f.dts.as_millis()).collect();
        assert_eq!(times, [0xffff_fff0, 0x1_0000_0010, 0xffff_fffa, 0x1_0000_0020]);
    }

    #[test]
    fn unknown_and_encrypted_tags_are_passed_over_unheld() {
        let mut bytes = flv_header(true, false).to_vec();
        bytes.extend(tag(TagType::Other(4), 0, &vec![0; 100_000]));
        let mut encrypted = tag(TagType::Audio, 0, b"\x72secret");
        encrypted[0] |= 0x20;
        bytes.extend(encrypted);
        bytes.extend(tag(TagType::Audio, 0, b"\x72open"));
        let mut demuxer = FlvFileDemuxer::new();
        let mut media = Vec::new();
        for piece in bytes.chunks(1_000) {
            demuxer.push(piece);
            media.extend(all(&mut demuxer).0);
            assert!(demuxer.input.len() < 1_000);
        }
        assert_eq!(frames_of(&media, TrackId::audio(0))[0].data, &b"open"[..]);
        assert_eq!(media.len(), 2);
    }

    #[test]
    fn a_long_file_header_is_passed_over() {
        let mut bytes = b"FLV\x01\x04\x00\x01\x00\x09".to_vec();
        bytes.extend(vec![0; 0x1_0000 + 4]);
        bytes.extend(tag(TagType::Audio, 0, b"\x72open"));
        assert_eq!(media_of(&bytes).len(), 2);
    }

    #[test]
    fn a_bad_tag_is_told_and_the_next_one_read() {
        let mut demuxer = FlvFileDemuxer::new();
        demuxer.push(&flv_header(true, false));
        demuxer.push(&tag(TagType::Audio, 0, b"\xaf\x07"));
        demuxer.push(&tag(TagType::Script, 0, b"\x04"));
        demuxer.push(&tag(TagType::Audio, 0, b"\x72open"));
        let (media, errors) = all(&mut demuxer);
        assert_eq!((media.len(), errors.len()), (2, 2));
        assert_eq!(demuxer.dropped().malformed, 2);
    }

    #[test]
    fn what_is_no_flv_stays_refused() {
        let mut demuxer = FlvFileDemuxer::new();
        demuxer.push(b"RIFF");
        assert_eq!(demuxer.pull(), Ok(None));
        demuxer.push(b"....WAVE");
        let error = Err(FlvError::Signature { found: *b"RIF" });
        assert_eq!(demuxer.pull(), error);
        demuxer.push(LEGACY);
        assert_eq!(demuxer.pull(), error);
    }

    #[test]
    fn a_tag_of_the_largest_size() {
        let mut body = vec![0x55; MAX_TAG_BYTES];
        body[0] = 0x72;
        let mut demuxer = FlvFileDemuxer::new();
        demuxer.push(&flv_header(true, false));
        demuxer.push(&tag(TagType::Audio, 0, &body));
        let (media, _) = all(&mut demuxer);
        assert_eq!(frames_of(&media, TrackId::audio(0))[0].data.len(), MAX_TAG_BYTES - 1);
        assert!(demuxer.input.is_empty());
    }

    proptest! {
        #[test]
        fn any_chopping_gives_the_same_media(cuts in proptest::collection::vec(0..LEGACY.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.extend([0, LEGACY.len()]);
            cuts.sort_unstable();
            let mut demuxer = FlvFileDemuxer::new();
            let mut media = Vec::new();
            for pair in cuts.windows(2) {
                demuxer.push(&LEGACY[pair[0]..pair[1]]);
                media.extend(all(&mut demuxer).0);
            }
            prop_assert_eq!(media, media_of(LEGACY));
        }

        #[test]
        fn no_damage_panics(places in proptest::collection::vec((0..LEGACY.len(), any::<u8>()), 1..40)) {
            let mut bytes = LEGACY.to_vec();
            for (at, byte) in places {
                bytes[at] = byte;
            }
            let mut demuxer = FlvFileDemuxer::new();
            demuxer.push(&bytes);
            all(&mut demuxer);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut demuxer = FlvFileDemuxer::new();
            demuxer.push(&flv_header(true, true));
            demuxer.push(&bytes);
            all(&mut demuxer);
        }
    }
}
