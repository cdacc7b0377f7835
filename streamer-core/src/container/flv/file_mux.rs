//! Media in, FLV tags out.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::FlvError;
use super::file::{PREVIOUS_TAG_SIZE_BYTES, TAG_HEADER_BYTES, TagHeader, TagType};
use super::file_demux::MAX_TAG_BYTES;
use super::form::MuxOptions;
use super::mux::{FlvMessage, MessageKind, MessageMuxer};
use crate::frame::Media;
use crate::mux::Muxer;

/// Payloads up to this many bytes are copied next to their headers: one piece to write instead of three
/// is worth more than the copy.
const COPIED_PAYLOAD_BYTES: usize = 1_024;
/// Headers are cut from blocks of this size.
const BLOCK_BYTES: usize = 8 * 1_024;

/// Turns [`Media`] into FLV tags, each with its `PreviousTagSize` behind it. The file header is apart
/// ([`flv_header`](super::flv_header)), because every viewer needs it and the tags are shared by all.
///
/// A tag comes in one piece or in three, of which the middle one is the frame's payload itself.
#[derive(Debug)]
pub struct FlvMuxer {
    messages: MessageMuxer,
    block: BytesMut,
    // Kept for its capacity.
    scratch: Vec<FlvMessage>,
}

impl FlvMuxer {
    /// A muxer that knows of no track yet.
    #[must_use]
    pub fn new(options: MuxOptions) -> Self {
        Self { messages: MessageMuxer::new(options), block: BytesMut::new(), scratch: Vec::new() }
    }

    /// The muxer of the tags' bodies: it tells which tracks are carried.
    #[must_use]
    pub const fn messages(&self) -> &MessageMuxer {
        &self.messages
    }

    fn tag(&mut self, message: FlvMessage, out: &mut Vec<Bytes>) {
        let kind = match message.kind {
            MessageKind::Audio => TagType::Audio,
            MessageKind::Video => TagType::Video,
            MessageKind::Data => TagType::Script,
        };
        let len = message.len();
        // Modulo 2^32, as the field is.
        let timestamp_ms = (message.timestamp_ms & i64::from(u32::MAX)).try_into().unwrap_or_default();
        let header = TagHeader { kind, filtered: false, len, timestamp_ms };
        let size = u32::try_from(TAG_HEADER_BYTES + len).unwrap_or(u32::MAX);
        let copied = message.payload.len() <= COPIED_PAYLOAD_BYTES;
        let need = TAG_HEADER_BYTES + message.head().len() + PREVIOUS_TAG_SIZE_BYTES;
        let need = if copied { need + message.payload.len() } else { need };
        if self.block.capacity() < need {
            self.block = BytesMut::with_capacity(BLOCK_BYTES.max(need));
        }
        self.block.put_slice(&header.bytes());
        self.block.put_slice(message.head());
        if copied {
            self.block.put_slice(&message.payload);
            self.block.put_u32(size);
            out.push(self.block.split().freeze());
        } else {
            out.push(self.block.split().freeze());
            out.push(message.payload);
            self.block.put_u32(size);
            out.push(self.block.split().freeze());
        }
    }
}

impl Muxer for FlvMuxer {
    type Error = FlvError;

    /// Appends the tags of `media`.
    ///
    /// # Errors
    /// [`FlvError::TagTooLarge`] for a frame that the 24-bit length field cannot hold.
    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), FlvError> {
        let mut messages = std::mem::take(&mut self.scratch);
        self.messages.mux(media, &mut messages);
        let mut done = Ok(());
        for message in messages.drain(..) {
            if message.len() > MAX_TAG_BYTES {
                done = Err(FlvError::TagTooLarge { len: message.len(), max: MAX_TAG_BYTES });
            } else {
                self.tag(message, out);
            }
        }
        self.scratch = messages;
        done
    }

    /// Appends nothing: the form ends with its last tag.
    fn finish(&mut self, _out: &mut Vec<Bytes>) -> Result<(), FlvError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::file::flv_header;
    use super::super::file_demux::FlvFileDemuxer;
    use super::super::form::Dialect;
    use super::*;
    use crate::codec::{Codec, G711Config, G711Law};
    use crate::frame::Frame;
    use crate::time::{Timescale, Timestamp};
    use crate::track::{Track, TrackId, Tracks};
    use proptest::prelude::*;

    const MULTITRACK: &[u8] = include_bytes!("../../../testdata/flv/enhanced_multitrack.flv");

    fn media_of(bytes: &[u8]) -> Vec<Media> {
        let mut demuxer = FlvFileDemuxer::new();
        demuxer.push(bytes);
        std::iter::from_fn(|| demuxer.pull().unwrap()).collect()
    }

    fn g711() -> Media {
        let codec = Codec::G711(G711Config::new(G711Law::Mu, 8_000, 1).unwrap());
        let track = Track { id: TrackId::audio(0), timescale: Timescale::MILLIS, codec };
        Media::Tracks(Arc::new(Tracks { list: vec![track], metadata: Vec::new() }))
    }

    fn frame(at_ms: i64, len: usize) -> Media {
        let at = Timestamp::from_millis(at_ms);
        let data = Bytes::from(vec![0x55; len]);
        Media::Frame(Arc::new(Frame { track: TrackId::audio(0), dts: at, pts: at, sync: true, data }))
    }

    #[test]
    fn tags_have_their_size_behind_them() {
        let mut muxer = FlvMuxer::new(MuxOptions::default());
        muxer.mux(&g711(), &mut Vec::new()).unwrap();
        let mut out = Vec::new();
        muxer.mux(&frame(0x0102_0304, 2), &mut out).unwrap();
        assert_eq!(out, [&b"\x08\x00\x00\x03\x02\x03\x04\x01\x00\x00\x00\x82\x55\x55\x00\x00\x00\x0e"[..]]);
        // A time before zero and one past the field wrap.
        for (at_ms, field) in [(-1, [0xff; 4]), (0x1_0000_0005, [0, 0, 5, 0])] {
            out.clear();
            muxer.mux(&frame(at_ms, 2), &mut out).unwrap();
            assert_eq!(out[0][4..8], field);
        }
        out.clear();
        muxer.finish(&mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn large_payloads_are_not_copied_and_small_ones_are() {
        let mut muxer = FlvMuxer::new(MuxOptions::default());
        muxer.mux(&g711(), &mut Vec::new()).unwrap();
        for (len, pieces) in [(COPIED_PAYLOAD_BYTES, 1), (COPIED_PAYLOAD_BYTES + 1, 3)] {
            let media = frame(0, len);
            let mut out = Vec::new();
            muxer.mux(&media, &mut out).unwrap();
            assert_eq!(out.len(), pieces);
            let Media::Frame(frame) = media else { panic!() };
            assert_eq!(out.iter().any(|piece| piece.as_ptr() == frame.data.as_ptr()), pieces == 3);
            assert_eq!(out.iter().map(Bytes::len).sum::<usize>(), 11 + 1 + len + 4);
        }
    }

    #[test]
    fn a_frame_past_the_length_field_is_left_out() {
        let mut muxer = FlvMuxer::new(MuxOptions::default());
        muxer.mux(&g711(), &mut Vec::new()).unwrap();
        let mut out = Vec::new();
        let error = muxer.mux(&frame(0, MAX_TAG_BYTES), &mut out).unwrap_err();
        assert_eq!(error, FlvError::TagTooLarge { len: MAX_TAG_BYTES + 1, max: MAX_TAG_BYTES });
        assert!(out.is_empty() && !error.is_fatal());
        muxer.mux(&frame(0, MAX_TAG_BYTES - 1), &mut out).unwrap();
        assert_eq!(out.len(), 3);
    }

    proptest! {
        #[test]
        fn a_file_written_reads_back(lens in proptest::collection::vec(1usize..3_000, 1..30)) {
            let mut media = vec![g711()];
            media.extend(lens.iter().enumerate().map(|(index, len)| frame(i64::try_from(index).unwrap(), *len)));
            let mut muxer = FlvMuxer::new(MuxOptions::default());
            let mut out = vec![Bytes::copy_from_slice(&flv_header(true, false))];
            for media in &media {
                muxer.mux(media, &mut out).unwrap();
            }
            let again = media_of(&out.concat());
            prop_assert_eq!(&again[1..], &media[1..]);
        }
    }

    #[test]
    fn a_file_of_several_tracks_reads_back() {
        let media = media_of(MULTITRACK);
        let mut muxer = FlvMuxer::new(MuxOptions { dialect: Dialect::Enhanced, ..MuxOptions::default() });
        let mut out = vec![Bytes::copy_from_slice(&flv_header(true, true))];
        for media in &media {
            muxer.mux(media, &mut out).unwrap();
        }
        let frames = |media: Vec<Media>| {
            media.into_iter().filter(|media| matches!(media, Media::Frame(_))).collect::<Vec<_>>()
        };
        assert_eq!(frames(media_of(&out.concat())), frames(media));
        assert_eq!(muxer.messages().carried().count(), 4);
    }
}
