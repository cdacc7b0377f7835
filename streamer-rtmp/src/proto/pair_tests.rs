//! Client and server session joined in memory, chopped in every way.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::capabilities::{Capabilities, CapsEx, CodecFlags, CodecSupport};
use super::chunk::{ChunkSize, write_message, write_message_slices};
use super::client::{ClientError, ClientEvent, ClientOptions, ClientSession, Purpose};
use super::command::PublishKind;
use super::handshake::{DigestScheme, HandshakeMode};
use super::media::{MediaMessage, MediaMessageKind};
use super::server::{PlayEnd, ServerEvent, ServerOptions, ServerSession};
use super::status::codes;
use super::url::RtmpUrl;

struct Pair {
    client: ClientSession,
    server: ServerSession,
    to_server: BytesMut,
    to_client: BytesMut,
    chop: Vec<usize>,
    turn: usize,
}

impl Pair {
    fn new(client: ClientOptions, server: ServerOptions, chop: &[usize]) -> Self {
        Self {
            client: ClientSession::new(client, [3; 32]),
            server: ServerSession::new(server, [4; 32]),
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            chop: chop.to_vec(),
            turn: 0,
        }
    }

    fn gather(&mut self) {
        while let Some(bytes) = self.client.poll_output() {
            self.to_server.extend_from_slice(&bytes);
        }
        while let Some(bytes) = self.server.poll_output() {
            self.to_client.extend_from_slice(&bytes);
        }
    }

    /// Lets bytes flow until nothing moves, or one side has an event.
    fn run(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.server.poll_event() {
                return Some(Event::Server(event));
            }
            if let Some(event) = self.client.poll_event() {
                return Some(Event::Client(event));
            }
            self.gather();
            let size = self.chop[self.turn % self.chop.len()];
            self.turn += 1;
            let take = size.min(self.to_server.len());
            let at_server = self.server.handle_input(&self.to_server[..take]).unwrap();
            let _ = self.to_server.split_to(at_server);
            let take = size.min(self.to_client.len());
            let at_client = self.client.handle_input(&self.to_client[..take]).unwrap();
            let _ = self.to_client.split_to(at_client);
            self.gather();
            if at_server == 0 && at_client == 0 && self.to_server.is_empty() && self.to_client.is_empty() {
                return self
                    .server
                    .poll_event()
                    .map(Event::Server)
                    .or_else(|| self.client.poll_event().map(Event::Client));
            }
        }
    }

    fn server_event(&mut self) -> ServerEvent {
        match self.run() {
            Some(Event::Server(event)) => event,
            other => panic!("expected an event of the server: {other:?}"),
        }
    }

    fn client_event(&mut self) -> ClientEvent {
        match self.run() {
            Some(Event::Client(event)) => event,
            other => panic!("expected an event of the client: {other:?}"),
        }
    }

    fn connect(&mut self) {
        assert!(matches!(self.server_event(), ServerEvent::Connected(_)));
        assert!(matches!(self.client_event(), ClientEvent::Connected(_)));
    }
}

#[derive(Debug)]
enum Event {
    Server(ServerEvent),
    Client(ClientEvent),
}

fn url() -> RtmpUrl {
    "rtmp://h/live/cam?token=x".parse().unwrap()
}

fn publisher() -> ClientOptions {
    ClientOptions::new(&url(), Purpose::Publish(PublishKind::Live))
}

fn player() -> ClientOptions {
    ClientOptions::new(&url(), Purpose::Play { buffer_ms: 1000 })
}

fn media(kind: MediaMessageKind, timestamp_ms: i64, payload: &[u8]) -> MediaMessage {
    MediaMessage { message_stream: 1, kind, timestamp_ms, payload: Bytes::copy_from_slice(payload) }
}

fn any_media() -> impl Strategy<Value = Vec<MediaMessage>> {
    let kind = prop_oneof![
        Just(MediaMessageKind::Audio),
        Just(MediaMessageKind::Video),
        Just(MediaMessageKind::Data)
    ];
    let step = (kind, 0i64..40_000_000, proptest::collection::vec(any::<u8>(), 1..9000));
    proptest::collection::vec(step, 1..8).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(kind, step, payload)| {
                now += step;
                media(kind, now, &payload)
            })
            .collect()
    })
}

fn any_mode() -> impl Strategy<Value = HandshakeMode> {
    prop_oneof![
        Just(HandshakeMode::Plain),
        Just(HandshakeMode::Digest(DigestScheme::First)),
        Just(HandshakeMode::Digest(DigestScheme::Second)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_publish_arrives_whole(
        sent in any_media(),
        handshake in any_mode(),
        chop in proptest::collection::vec(1usize..3000, 1..6),
        chunk in 1u32..10_000,
    ) {
        let chunk_size = ChunkSize::new(chunk).unwrap();
        let mut pair = Pair::new(ClientOptions { chunk_size, handshake, ..publisher() }, ServerOptions::default(), &chop);
        pair.connect();
        let ServerEvent::Publish(request) = pair.server_event() else { panic!("no publish") };
        prop_assert_eq!((request.app.as_str(), request.name.as_str(), request.query.as_str()), ("live", "cam", "token=x"));
        pair.server.accept_publish(request.message_stream).unwrap();
        prop_assert_eq!(pair.client_event(), ClientEvent::Ready { message_stream: 1 });
        for message in &sent {
            pair.client.send_media(message.kind, message.timestamp_ms, &message.payload).unwrap();
            prop_assert_eq!(pair.server_event(), ServerEvent::Media(message.clone()));
        }
        pair.client.finish().unwrap();
        prop_assert_eq!(pair.server_event(), ServerEvent::Unpublished { message_stream: 1 });
        prop_assert!(pair.run().is_none());
    }

    #[test]
    fn a_play_gets_shared_bytes_between_controls(
        sent in any_media(),
        handshake in any_mode(),
        chop in proptest::collection::vec(1usize..3000, 1..6),
    ) {
        let mut pair = Pair::new(ClientOptions { handshake, ..player() }, ServerOptions::default(), &chop);
        pair.connect();
        let ServerEvent::Play(request) = pair.server_event() else { panic!("no play") };
        prop_assert_eq!((request.message_stream, request.query.as_str()), (1, "token=x"));
        prop_assert_eq!(pair.server_event(), ServerEvent::BufferLength { message_stream: 1, buffer_ms: 1000 });
        pair.server.accept_play(1).unwrap();
        prop_assert_eq!(pair.client_event(), ClientEvent::Ready { message_stream: 1 });
        // `|RtmpSampleAccess` comes as data.
        prop_assert!(matches!(pair.client_event(), ClientEvent::Media(data) if data.kind == MediaMessageKind::Data));
        for (at, message) in sent.iter().enumerate() {
            pair.gather();
            let header = super::chunk::MessageHeader {
                chunk_stream: message.kind.chunk_stream(),
                message_stream: 1,
                kind: message.kind.message_kind(),
                timestamp_ms: message.timestamp_ms,
            };
            let mut slices = Vec::new();
            write_message_slices(&header, std::slice::from_ref(&message.payload), pair.server.chunk_size(), &mut slices).unwrap();
            for slice in slices {
                pair.to_client.extend_from_slice(&slice);
            }
            pair.server.ping(at as u32).unwrap();
            prop_assert_eq!(pair.client_event(), ClientEvent::Media(message.clone()));
            prop_assert_eq!(pair.server_event(), ServerEvent::Pong { sent_ms: at as u32 });
        }
        pair.server.end_play(1, PlayEnd::Unpublished).unwrap();
        let ClientEvent::Ended { code, .. } = pair.client_event() else { panic!("not ended") };
        prop_assert_eq!(code, codes::PLAY_UNPUBLISH_NOTIFY);
    }

    #[test]
    fn no_bytes_of_a_server_panic(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..8], 0..600)) {
        let mut pair = Pair::new(player(), ServerOptions::default(), &[4096]);
        pair.connect();
        let _ = pair.client.handle_input(&bytes);
        while pair.client.poll_event().is_some() {}
    }
}

#[test]
fn a_client_that_leaves_takes_its_play_back() {
    let mut pair = Pair::new(player(), ServerOptions::default(), &[100]);
    pair.connect();
    assert!(matches!(pair.server_event(), ServerEvent::Play(_)));
    assert!(matches!(pair.server_event(), ServerEvent::BufferLength { .. }));
    pair.client.finish().unwrap();
    assert_eq!(pair.server_event(), ServerEvent::StreamClosed { message_stream: 1 });
}

#[test]
fn a_player_takes_frames_of_any_size() {
    let mut pair = Pair::new(player(), ServerOptions::default(), &[65_536]);
    pair.connect();
    assert!(matches!(pair.server_event(), ServerEvent::Play(_)));
    assert!(matches!(pair.server_event(), ServerEvent::BufferLength { .. }));
    pair.server.accept_play(1).unwrap();
    pair.gather();
    let sent = media(MediaMessageKind::Video, 0, &vec![7; super::chunk::MAX_MESSAGE_BYTES]);
    let header = super::chunk::MessageHeader {
        chunk_stream: sent.kind.chunk_stream(),
        message_stream: 1,
        kind: sent.kind.message_kind(),
        timestamp_ms: 0,
    };
    write_message(&header, &sent.payload, pair.server.chunk_size(), &mut pair.to_client).unwrap();
    let received = loop {
        match pair.client_event() {
            ClientEvent::Media(media) if media.kind == MediaMessageKind::Video => break media,
            ClientEvent::Media(_) | ClientEvent::Ready { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(received == sent);
}

#[test]
fn a_refused_publish_and_play_say_why() {
    for (options, code) in [(publisher(), codes::PUBLISH_BAD_NAME), (player(), codes::PLAY_STREAM_NOT_FOUND)]
    {
        let mut pair = Pair::new(options, ServerOptions::default(), &[1]);
        pair.connect();
        match pair.server_event() {
            ServerEvent::Publish(_) => pair.server.reject_publish(1, code, "why").unwrap(),
            ServerEvent::Play(_) => pair.server.reject_play(1, code, "why").unwrap(),
            other => panic!("{other:?}"),
        }
        let rejected = loop {
            match pair.run() {
                Some(Event::Client(event)) => break event,
                Some(Event::Server(ServerEvent::BufferLength { .. })) => {}
                other => panic!("{other:?}"),
            }
        };
        let expected =
            ClientEvent::Rejected { code: code.to_owned(), description: "why".to_owned(), redirect: None };
        assert_eq!(rejected, expected);
        let refused = pair.client.send_media(MediaMessageKind::Audio, 0, &[1]);
        assert_eq!(refused, Err(ClientError::NotReady));
    }
}

#[test]
fn a_redirect_leads_to_the_same_stream_elsewhere() {
    let options = ServerOptions { confirm_connect: true, ..ServerOptions::default() };
    let mut pair = Pair::new(publisher(), options, &[7]);
    assert!(matches!(pair.server_event(), ServerEvent::Connected(_)));
    pair.server.reject_connect(codes::CONNECT_REJECTED, "moved", Some("rtmp://b:1936/live")).unwrap();
    let ClientEvent::Rejected { code, redirect: Some(redirect), .. } = pair.client_event() else {
        panic!("no redirect")
    };
    assert_eq!(code, codes::CONNECT_REJECTED);
    assert_eq!(redirect.resolve(&url()), "rtmp://b:1936/live/cam?token=x".parse());
}

#[test]
fn a_publish_ended_by_the_server_ends_for_the_client() {
    let mut pair = Pair::new(publisher(), ServerOptions::default(), &[500]);
    pair.connect();
    assert!(matches!(pair.server_event(), ServerEvent::Publish(_)));
    pair.server.accept_publish(1).unwrap();
    assert!(matches!(pair.client_event(), ClientEvent::Ready { .. }));
    pair.server.end_publish(1, codes::PUBLISH_REJECTED, "kicked").unwrap();
    assert!(
        matches!(pair.client_event(), ClientEvent::Ended { code, .. } if code == codes::PUBLISH_REJECTED)
    );
}

#[test]
fn capabilities_and_reconnect_requests_travel() {
    let capabilities = Capabilities {
        video: CodecSupport::of(&[*b"hvc1", *b"av01"], CodecFlags::ALL),
        caps_ex: CapsEx::RECONNECT,
        ..Capabilities::default()
    };
    let client = ClientOptions { capabilities: capabilities.clone(), ..publisher() };
    let server = ServerOptions { capabilities: capabilities.clone(), ..ServerOptions::default() };
    let mut pair = Pair::new(client, server, &[64]);
    let ServerEvent::Connected(info) = pair.server_event() else { panic!("not connected") };
    assert_eq!(info.capabilities, capabilities);
    assert_eq!(pair.client_event(), ClientEvent::Connected(capabilities));
    assert!(matches!(pair.server_event(), ServerEvent::Publish(_)));
    pair.server.accept_publish(1).unwrap();
    assert!(matches!(pair.client_event(), ClientEvent::Ready { .. }));
    assert_eq!(pair.server.request_reconnect(Some("/other"), "update"), Ok(true));
    let request =
        ClientEvent::ReconnectRequest { tc_url: Some("/other".to_owned()), description: "update".to_owned() };
    assert_eq!(pair.client_event(), request);
    // It goes on meanwhile.
    pair.client.send_media(MediaMessageKind::Audio, 5, &[1]).unwrap();
    assert_eq!(pair.server_event(), ServerEvent::Media(media(MediaMessageKind::Audio, 5, &[1])));
}
