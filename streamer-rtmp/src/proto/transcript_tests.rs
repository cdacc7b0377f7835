//! Recordings of real peers replayed in any chopping; see `testdata/README.md` for where they come from.

use proptest::prelude::*;

use super::client::{ClientEvent, ClientOptions, ClientSession, Purpose};
use super::command::PublishKind;
use super::handshake::{DigestScheme, HandshakeMode};
use super::media::{MediaMessage, MediaMessageKind};
use super::server::{ServerEvent, ServerOptions, ServerSession};

macro_rules! transcript {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/transcripts/", $name, ".bin"))
    };
}

/// What came out, in a form that can be read and compared.
#[derive(Default, PartialEq, Debug)]
struct Log {
    lines: Vec<String>,
    /// Count, bytes and last timestamp of audio, video and data.
    media: [(usize, usize, i64); 3],
    all: Vec<MediaMessage>,
}

impl Log {
    fn media(&mut self, media: MediaMessage) {
        let slot = match media.kind {
            MediaMessageKind::Audio => 0,
            MediaMessageKind::Video => 1,
            MediaMessageKind::Data => 2,
        };
        let (count, bytes, _) = self.media[slot];
        assert_eq!(media.message_stream, 1, "whatever the sender wrote");
        self.media[slot] = (count + 1, bytes + media.payload.len(), media.timestamp_ms);
        self.all.push(media);
    }

    fn line(&mut self, text: impl std::fmt::Display) {
        self.lines.push(text.to_string());
    }
}

/// Feeds `bytes` in pieces of the sizes in `chop`; `handle` takes a piece and says how many bytes it consumed.
fn feed(bytes: &[u8], chop: &[usize], mut handle: impl FnMut(&[u8]) -> (usize, bool)) {
    let (mut from, mut to, mut sizes) = (0, 0, chop.iter().cycle());
    while to < bytes.len() {
        to = bytes.len().min(to + sizes.next().unwrap());
        loop {
            let (consumed, events) = handle(&bytes[from..to]);
            from += consumed;
            if consumed == 0 && !events {
                break;
            }
        }
    }
    assert_eq!(from, bytes.len(), "all is consumed");
}

fn serve(bytes: &[u8], chop: &[usize]) -> Log {
    let mut session = ServerSession::new(ServerOptions::default(), [9; 32]);
    let mut log = Log::default();
    feed(bytes, chop, |piece| {
        let consumed = session.handle_input(piece).unwrap();
        let mut events = false;
        while let Some(event) = session.poll_event() {
            events = true;
            match event {
                ServerEvent::Media(media) => log.media(media),
                ServerEvent::Connected(info) => {
                    log.line(format_args!("connect {} {}", info.app, info.tc_url));
                }
                ServerEvent::Publish(request) => {
                    session.accept_publish(request.message_stream).unwrap();
                    log.line(format_args!("publish {}/{}?{}", request.app, request.name, request.query));
                }
                ServerEvent::Play(request) => {
                    session.accept_play(request.message_stream).unwrap();
                    log.line(format_args!(
                        "play {}/{}?{} {}",
                        request.app, request.name, request.query, request.start
                    ));
                }
                other => log.line(format_args!("{other:?}")),
            }
        }
        session.poll_output();
        (consumed, events)
    });
    assert_eq!(session.dropped_messages(), 0);
    log
}

fn call(bytes: &[u8], purpose: Purpose, handshake: HandshakeMode, chop: &[usize]) -> Log {
    let url = "rtmp://127.0.0.1/live/cam".parse().unwrap();
    let options = ClientOptions { handshake, ..ClientOptions::new(&url, purpose) };
    let mut session = ClientSession::new(options, [5; 32]);
    let mut log = Log::default();
    feed(bytes, chop, |piece| {
        let consumed = session.handle_input(piece).unwrap();
        let mut events = false;
        while let Some(event) = session.poll_event() {
            events = true;
            match event {
                ClientEvent::Media(media) => log.media(media),
                ClientEvent::Connected(_) => log.line("connected"),
                other => log.line(format_args!("{other:?}")),
            }
        }
        session.poll_output();
        (consumed, events)
    });
    log
}

fn chops() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1usize..20, 1usize..5000], 1..6)
}

/// Replays for a server: whole, and then in many ways.
fn check_server(bytes: &[u8], lines: &[&str], media: [(usize, usize, i64); 3]) {
    let whole = serve(bytes, &[bytes.len()]);
    assert_eq!(whole.lines, lines);
    assert_eq!(whole.media, media);
    proptest!(ProptestConfig::with_cases(24), |(chop in chops())| {
        prop_assert!(serve(bytes, &chop) == whole, "chopped by {:?}", chop);
    });
}

fn check_client(
    bytes: &[u8],
    purpose: Purpose,
    mode: HandshakeMode,
    lines: &[&str],
    media: [(usize, usize, i64); 3],
) {
    let whole = call(bytes, purpose, mode, &[bytes.len()]);
    assert_eq!(whole.lines, lines);
    assert_eq!(whole.media, media);
    proptest!(ProptestConfig::with_cases(24), |(chop in chops())| {
        prop_assert!(call(bytes, purpose, mode, &chop) == whole, "chopped by {:?}", chop);
    });
}

const PLAY: Purpose = Purpose::Play { buffer_ms: 1000 };
const NO_MEDIA: [(usize, usize, i64); 3] = [(0, 0, 0); 3];

#[test]
fn ffmpeg_publishes_h264() {
    check_server(
        transcript!("ffmpeg-5.1-publish-h264"),
        &[
            "connect live rtmp://127.0.0.1:19351/live",
            "publish live/cam?token=abc",
            "Unpublished { message_stream: 1 }",
        ],
        [(46, 4243, 1021), (12, 26_251, 923), (1, 309, 0)],
    );
}

#[test]
fn ffmpeg_publishes_hevc_in_extended_headers() {
    let bytes = transcript!("ffmpeg-9.0-publish-hevc");
    check_server(
        bytes,
        &[
            "connect live rtmp://127.0.0.1:19351/live",
            "publish live/hevc?",
            "Unpublished { message_stream: 1 }",
        ],
        [(46, 4218, 1198), (12, 17_144, 900), (1, 308, 0)],
    );
    let log = serve(bytes, &[bytes.len()]);
    let video = log.all.iter().find(|media| media.kind == MediaMessageKind::Video).unwrap();
    // IsExHeader, key frame, sequence start, then the FourCC (Enhanced RTMP v1).
    assert_eq!(video.payload[..5], *b"\x90hvc1");
}

#[test]
fn gstreamer_publishes() {
    check_server(
        transcript!("gstreamer-1.22-publish"),
        &[
            "connect live rtmp://127.0.0.1:19351/live",
            "publish live/gst?",
            "Unpublished { message_stream: 1 }",
        ],
        [(0, 0, 0), (12, 26_841, 900), (2, 616, 800)],
    );
}

#[test]
fn ffmpeg_plays() {
    check_server(
        transcript!("ffmpeg-5.1-play"),
        &[
            "connect live rtmp://127.0.0.1:19351/live",
            "play live/cam?token=abc -2000",
            "BufferLength { message_stream: 1, buffer_ms: 3000 }",
        ],
        NO_MEDIA,
    );
}

#[test]
fn rtmpdump_plays() {
    check_server(
        transcript!("rtmpdump-2.4-play"),
        &[
            "connect live rtmp://127.0.0.1:19351/live",
            "BufferLength { message_stream: 0, buffer_ms: 300 }",
            "play live/cam? -1000",
            "BufferLength { message_stream: 1, buffer_ms: 36000000 }",
            "StreamClosed { message_stream: 1 }",
        ],
        NO_MEDIA,
    );
}

#[test]
fn gstreamer_plays() {
    check_server(
        transcript!("gstreamer-1.22-play"),
        &[
            "connect live rtmp://127.0.0.1:19351/live",
            "BufferLength { message_stream: 0, buffer_ms: 300 }",
            "play live/cam? -2",
            "BufferLength { message_stream: 1, buffer_ms: 30000 }",
        ],
        NO_MEDIA,
    );
}

#[test]
fn nginx_is_played_behind_a_digest_handshake() {
    let digest = HandshakeMode::Digest(DigestScheme::First);
    check_client(
        transcript!("nginx-rtmp-play"),
        PLAY,
        digest,
        &["connected", "Ready { message_stream: 1 }"],
        [(0, 0, 0), (4, 10_669, 2700), (2, 411, 0)],
    );
}

#[test]
fn nginx_refuses_a_name_that_is_taken() {
    let purpose = Purpose::Publish(PublishKind::Live);
    check_client(
        transcript!("nginx-rtmp-publish-taken"),
        purpose,
        HandshakeMode::Plain,
        &[
            "connected",
            "Rejected { code: \"NetStream.Publish.BadName\", description: \"Already publishing\", redirect: None }",
        ],
        NO_MEDIA,
    );
}

#[test]
fn ffmpeg_is_played_though_it_names_no_message_stream() {
    check_client(
        transcript!("ffmpeg-5.1-listen-play"),
        PLAY,
        HandshakeMode::Plain,
        &["connected", "Ready { message_stream: 1 }"],
        [(0, 0, 0), (4, 9041, 200), (1, 200, 0)],
    );
}
