//! Media in, the chunks of media messages out: the same bytes for every player of one form.

use bytes::Bytes;
use streamer_core::container::flv::{self, Dialect, FlvMessage, MessageMuxer};
use streamer_core::{Codec, Media, MediaKind, Muxer, Tracks};

use super::capabilities::Capabilities;
use super::chunk::{ChunkError, ChunkSize, MessageHeader, write_message_slices};
use super::media::MediaMessageKind;
use super::server::MAX_MESSAGE_STREAMS;

/// What data of a publisher begin with that servers are to keep for later players (Adobe FMS).
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";
/// How metadata begin.
const ON_METADATA: &[u8] = b"\x02\x00\x0aonMetaData";

/// The message streams of a server session must fit the 4 bits they have in [`MuxOptions::variant`].
const _: () = assert!(MAX_MESSAGE_STREAMS <= 16);

/// How media become messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MuxOptions {
    /// The message stream they belong to.
    pub message_stream: u32,
    /// The chunk size in force.
    pub chunk_size: ChunkSize,
    /// Legacy or extended headers, and which kinds of tracks.
    pub media: flv::MuxOptions,
    /// Metadata for a server rather than for a player: behind `@setDataFrame`.
    pub for_publish: bool,
}

impl Default for MuxOptions {
    fn default() -> Self {
        Self {
            message_stream: 1,
            chunk_size: ChunkSize::default(),
            media: flv::MuxOptions { dialect: Dialect::LegacyHevc12, ..flv::MuxOptions::default() },
            for_publish: false,
        }
    }
}

impl MuxOptions {
    /// A number that is the same for the same options of players, to share the bytes by.
    #[must_use]
    pub fn variant(&self) -> u32 {
        let filter = u32::from(self.media.audio) | u32::from(self.media.video) << 1;
        let dialect = match self.media.dialect {
            Dialect::Legacy => 0,
            Dialect::LegacyHevc12 => 1,
            Dialect::Enhanced => 2,
        };
        // 24 bits for the chunk size (no message is longer, so neither is a chunk), 2 each for filter and
        // dialect, 4 for the message stream: a server session gives out ids from 1 to 16.
        let chunk_size = self.chunk_size.get() & 0xff_ffff;
        (self.message_stream & 0xf) << 28 | dialect << 26 | filter << 24 | chunk_size
    }
}

/// The dialect for a player that announced `capabilities`, given the tracks of the stream: extended headers
/// if it takes any codec of the stream that needs them, or if the stream needs none.
#[must_use]
pub fn dialect_for(capabilities: &Capabilities, tracks: &Tracks) -> Dialect {
    let mut needing = tracks
        .list
        .iter()
        .filter_map(|track| Some((track.codec.kind(), fourcc_if_needed(&track.codec)?)))
        .peekable();
    let takes_one = |(kind, fourcc)| match kind {
        MediaKind::Video => capabilities.receives_video(fourcc),
        MediaKind::Audio | MediaKind::Data => capabilities.receives_audio(fourcc),
    };
    if capabilities.is_enhanced() && (needing.peek().is_none() || needing.any(takes_one)) {
        Dialect::Enhanced
    } else {
        Dialect::LegacyHevc12
    }
}

/// The FourCC of a codec that legacy headers do not know.
fn fourcc_if_needed(codec: &Codec) -> Option<[u8; 4]> {
    Some(match codec {
        Codec::H265(_) => *b"hvc1",
        Codec::Av1(_) => *b"av01",
        Codec::Vp9(_) => *b"vp09",
        Codec::Opus(_) => *b"Opus",
        Codec::Ac3(_) => *b"ac-3",
        Codec::Eac3(_) => *b"ec-3",
        Codec::Flac(_) => *b"fLaC",
        _ => return None,
    })
}

/// Makes the chunks of media messages. Each message begins with a type 0 chunk, so the bytes depend on
/// nothing that was sent before.
#[derive(Debug)]
pub struct RtmpMuxer {
    options: MuxOptions,
    messages: MessageMuxer,
    ready: Vec<FlvMessage>,
}

impl RtmpMuxer {
    /// A muxer.
    #[must_use]
    pub fn new(options: MuxOptions) -> Self {
        Self { options, messages: MessageMuxer::new(options.media), ready: Vec::new() }
    }
}

impl Muxer for RtmpMuxer {
    type Error = ChunkError;

    fn mux(&mut self, media: &Media, out: &mut Vec<Bytes>) -> Result<(), ChunkError> {
        self.messages.mux(media, &mut self.ready);
        for message in self.ready.drain(..) {
            let kind = match message.kind {
                flv::MessageKind::Audio => MediaMessageKind::Audio,
                flv::MessageKind::Video => MediaMessageKind::Video,
                flv::MessageKind::Data => MediaMessageKind::Data,
            };
            let header = MessageHeader {
                chunk_stream: kind.chunk_stream(),
                message_stream: self.options.message_stream,
                kind: kind.message_kind(),
                timestamp_ms: message.timestamp_ms,
            };
            let keep = self.options.for_publish && message.payload.starts_with(ON_METADATA);
            let front = if keep { SET_DATA_FRAME } else { message.head() };
            // A few bytes that are the message's own; the payload behind them is not copied.
            let parts = [Bytes::copy_from_slice(front), message.payload];
            write_message_slices(&header, &parts, self.options.chunk_size, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Bytes>) -> Result<(), ChunkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use streamer_core::codec::HevcConfig;
    use streamer_core::testing::Synthetic;
    use streamer_core::{Timescale, Track, TrackId};

    use super::super::capabilities::{CodecFlags, CodecSupport};
    use super::super::chunk::{ChunkReader, Message, MessageKind, ReaderLimits};
    use super::*;

    fn messages(options: MuxOptions, media: impl Iterator<Item = Media>) -> Vec<Message> {
        let mut muxer = RtmpMuxer::new(options);
        let mut slices = Vec::new();
        for media in media {
            muxer.mux(&media, &mut slices).unwrap();
        }
        let mut reader = ChunkReader::new(ReaderLimits::PUBLISHING);
        let bytes = slices.concat();
        let mut rest = &bytes[..];
        std::iter::from_fn(|| reader.read(&mut rest).unwrap()).collect()
    }

    #[test]
    fn a_reader_finds_metadata_configurations_then_frames() {
        let read = messages(MuxOptions::default(), Synthetic::new(10, 5_000).unwrap().take(4));
        let kinds: Vec<MessageKind> = read.iter().map(|message| message.kind).collect();
        use MessageKind::{Audio, DataAmf0, Video};
        assert_eq!(kinds, [DataAmf0, Video, Audio, Video, Audio, Audio]);
        assert!(read.iter().all(|message| message.message_stream == 1));
        assert!(read[0].payload.starts_with(ON_METADATA));
        assert_eq!(Synthetic::number_of(&read[3].payload[5..]), Some(0));
    }

    #[test]
    fn a_server_is_asked_to_keep_the_metadata() {
        let options = MuxOptions { for_publish: true, ..MuxOptions::default() };
        let read = messages(options, Synthetic::new(10, 100).unwrap().take(1));
        assert!(read[0].payload.starts_with(&[SET_DATA_FRAME, ON_METADATA].concat()));
    }

    #[test]
    fn what_is_filtered_out_is_not_there() {
        let media = flv::MuxOptions { video: false, ..flv::MuxOptions::default() };
        let read =
            messages(MuxOptions { media, ..MuxOptions::default() }, Synthetic::new(10, 100).unwrap().take(9));
        assert!(read.iter().all(|message| message.kind != MessageKind::Video));
    }

    #[test]
    fn different_options_are_different_variants() {
        let mut seen = HashSet::new();
        for message_stream in 1..=16 {
            for dialect in [Dialect::Legacy, Dialect::LegacyHevc12, Dialect::Enhanced] {
                for (audio, video) in [(true, true), (true, false), (false, true)] {
                    for chunk_size in [128, 60_000] {
                        let options = MuxOptions {
                            message_stream,
                            chunk_size: ChunkSize::new(chunk_size).unwrap(),
                            media: flv::MuxOptions { dialect, audio, video },
                            for_publish: false,
                        };
                        assert!(seen.insert(options.variant()), "{options:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_player_gets_extended_headers_only_for_what_it_announced() {
        let mut tracks = Tracks::default();
        let mut capabilities = Capabilities::default();
        assert_eq!(dialect_for(&capabilities, &tracks), Dialect::LegacyHevc12);
        capabilities.list = CodecSupport::of(&[*b"av01"], CodecFlags::ALL);
        assert_eq!(dialect_for(&capabilities, &tracks), Dialect::Enhanced);
        let record = include_bytes!("../../../streamer-core/testdata/codec/h265-main-720.record");
        let codec = Codec::H265(HevcConfig::parse(record).unwrap());
        tracks.set(Track { id: TrackId::video(0), timescale: Timescale::MILLIS, codec });
        assert_eq!(dialect_for(&capabilities, &tracks), Dialect::LegacyHevc12, "it takes AV1, not HEVC");
        capabilities.list = CodecSupport::of(&[*b"hvc1"], CodecFlags::DECODE);
        assert_eq!(dialect_for(&capabilities, &tracks), Dialect::Enhanced);
    }
}
