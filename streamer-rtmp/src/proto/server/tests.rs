//! The server session against a hand-driven peer.

use bytes::BytesMut;
use proptest::prelude::*;

use super::super::capabilities::{CodecFlags, CodecSupport};
use super::super::chunk::{MessageHeader, write_message};
use super::super::command::{NamedCall, PublishKind};
use super::super::handshake::{ClientHandshake, HandshakeMode};
use super::super::media::MediaMessageKind;
use super::super::stream_name::MAX_NAME_BYTES;
use super::*;

/// A client that does as it is told, and the session it talks to.
struct Peer {
    session: ServerSession,
    reader: ChunkReader,
    /// Bytes that the session has not consumed.
    waiting: BytesMut,
}

impl Peer {
    /// Behind the handshake.
    fn new(options: ServerOptions) -> Self {
        let mut session = ServerSession::new(options, [1; 32]);
        let mut client = ClientHandshake::new([2; 32], HandshakeMode::Plain);
        let hello = client.poll_output().unwrap();
        assert_eq!(session.handle_input(&hello), Ok(hello.len()));
        client.handle_input(&session.poll_output().unwrap()).unwrap();
        let echo = client.poll_output().unwrap();
        assert_eq!(session.handle_input(&echo), Ok(echo.len()));
        assert!(session.is_handshake_done());
        Self { session, reader: ChunkReader::new(ReaderLimits::PUBLISHING), waiting: BytesMut::new() }
    }

    /// Behind `connect` to application `live` and one `createStream`.
    fn connected() -> Self {
        let mut peer = Self::new(ServerOptions::default());
        peer.connect(vec![("app".to_owned(), "live".into())]).unwrap();
        assert!(matches!(peer.session.poll_event(), Some(ServerEvent::Connected(_))));
        peer.command(0, &Command::CreateStream { transaction: 2.0 }).unwrap();
        assert!(matches!(&peer.commands()[..], [_, _, (0, Command::Result(answer))]
            if answer.transaction == 2.0 && answer.values == [Value::Number(1.0)]));
        peer
    }

    fn publishing() -> Self {
        let mut peer = Self::connected();
        peer.command(1, &publish("cam")).unwrap();
        assert!(matches!(peer.session.poll_event(), Some(ServerEvent::Publish(_))));
        peer.session.accept_publish(1).unwrap();
        assert_eq!(peer.statuses(), [codes::PUBLISH_START]);
        peer
    }

    fn playing() -> Self {
        let mut peer = Self::connected();
        peer.command(1, &play("cam")).unwrap();
        assert!(matches!(peer.session.poll_event(), Some(ServerEvent::Play(_))));
        peer.session.accept_play(1).unwrap();
        assert_eq!(peer.statuses(), [codes::PLAY_RESET, codes::PLAY_START]);
        peer
    }

    fn push(&mut self) -> Result<(), SessionError> {
        let consumed = self.session.handle_input(&self.waiting)?;
        let _ = self.waiting.split_to(consumed);
        Ok(())
    }

    fn send(
        &mut self,
        message_stream: u32,
        kind: MessageKind,
        timestamp_ms: i64,
        body: &[u8],
    ) -> Result<(), SessionError> {
        let header = MessageHeader { chunk_stream: 3, message_stream, kind, timestamp_ms };
        write_message(&header, body, ChunkSize::DEFAULT, &mut self.waiting).unwrap();
        self.push()
    }

    fn command(&mut self, message_stream: u32, command: &Command) -> Result<(), SessionError> {
        self.send(message_stream, MessageKind::CommandAmf0, 0, &command.encode())
    }

    fn control(&mut self, control: ControlMessage) -> Result<(), SessionError> {
        control.write(ChunkSize::DEFAULT, &mut self.waiting).unwrap();
        self.push()
    }

    fn connect(&mut self, properties: Vec<(String, Value)>) -> Result<(), SessionError> {
        self.command(0, &Command::Connect { transaction: 1.0, object: Value::Object(properties) })
    }

    fn messages(&mut self) -> Vec<Message> {
        let output = self.session.poll_output().unwrap_or_default();
        let (mut rest, mut messages) = (&output[..], Vec::new());
        while let Some(message) = self.reader.read(&mut rest).unwrap() {
            messages.push(message);
        }
        messages
    }

    fn commands(&mut self) -> Vec<(u32, Command)> {
        let parse = |message: Message| {
            Command::parse(message.kind, &message.payload)
                .unwrap()
                .map(|command| (message.message_stream, command))
        };
        self.messages().into_iter().filter_map(parse).collect()
    }

    fn controls(&mut self) -> Vec<ControlMessage> {
        self.messages().iter().filter_map(|message| ControlMessage::parse(message).unwrap()).collect()
    }

    /// The codes of all `onStatus` commands sent.
    fn statuses(&mut self) -> Vec<String> {
        let code = |(_, command)| match command {
            Command::OnStatus(status) => Some(status.code),
            _ => None,
        };
        self.commands().into_iter().filter_map(code).collect()
    }
}

fn publish(name: &str) -> Command {
    Command::Publish { transaction: 3.0, name: name.to_owned(), kind: PublishKind::Live }
}

fn play(name: &str) -> Command {
    Command::Play { transaction: 0.0, name: name.to_owned(), start: -2.0, duration: -1.0, reset: true }
}

#[test]
fn connect_is_told_and_answered_with_windows_and_chunk_size() {
    let mut peer = Peer::new(ServerOptions::default());
    let properties = [("app", "live/?k=1"), ("tcUrl", "rtmp://h/live"), ("flashVer", "FMLE/3.0")];
    peer.connect(properties.map(|(name, value)| (name.to_owned(), value.into())).to_vec()).unwrap();
    let Some(ServerEvent::Connected(info)) = peer.session.poll_event() else { panic!("not told") };
    assert_eq!(
        (info.app.as_str(), info.query.as_str(), info.flash_ver.as_str()),
        ("live", "k=1", "FMLE/3.0")
    );
    let messages = peer.messages();
    let kinds: Vec<u8> = messages.iter().map(|message| message.kind.id()).collect();
    assert_eq!(kinds, [5, 6, 1, 20, 20]);
    let Ok(Some(Command::Result(answer))) = Command::parse(messages[3].kind, &messages[3].payload) else {
        panic!("no result")
    };
    assert_eq!(answer.status().unwrap().code, codes::CONNECT_SUCCESS);
    assert_eq!(peer.session.chunk_size(), ServerOptions::default().chunk_size);
    assert_eq!(peer.reader.chunk_size(), peer.session.chunk_size());
}

#[test]
fn enhanced_capabilities_are_told_to_those_who_tell_theirs() {
    let own = Capabilities {
        video: CodecSupport::of(&[*b"hvc1"], CodecFlags::FORWARD),
        caps_ex: CapsEx::RECONNECT,
        ..Capabilities::default()
    };
    for enhanced in [false, true] {
        let mut peer = Peer::new(ServerOptions { capabilities: own.clone(), ..ServerOptions::default() });
        let mut properties = vec![("app".to_owned(), "live".into())];
        let list = Value::StrictArray(vec!["av01".into()]);
        if enhanced {
            properties.extend([("fourCcList".to_owned(), list), ("capsEx".to_owned(), 1.0.into())]);
        }
        peer.connect(properties).unwrap();
        let answers = peer.commands();
        let Some((_, Command::Result(answer))) = answers.first() else { panic!("no result") };
        let told = Capabilities::from_properties(&answer.object);
        assert_eq!(told, if enhanced { own.clone() } else { Capabilities::default() });
        assert_eq!(peer.session.capabilities().unwrap().receives_video(*b"av01"), enhanced);
        assert_eq!(peer.session.request_reconnect(Some("rtmp://b/live"), "update"), Ok(enhanced));
        assert_eq!(peer.statuses(), vec![codes::CONNECT_RECONNECT_REQUEST; usize::from(enhanced)]);
    }
}

#[test]
fn connect_waits_for_a_verdict_when_asked_to() {
    let options = ServerOptions { confirm_connect: true, ..ServerOptions::default() };
    let mut peer = Peer::new(options.clone());
    peer.connect(vec![]).unwrap();
    peer.command(0, &Command::CreateStream { transaction: 2.0 }).unwrap();
    assert!(!peer.waiting.is_empty() && peer.commands().is_empty());
    peer.session.accept_connect().unwrap();
    peer.push().unwrap();
    assert_eq!(peer.commands().len(), 3);
    assert_eq!(peer.session.accept_connect(), Err(SessionError::WrongState { message_stream: 0 }));

    let mut peer = Peer::new(options);
    peer.connect(vec![]).unwrap();
    peer.session.reject_connect(codes::CONNECT_REJECTED, "moved", Some("rtmp://b/live")).unwrap();
    assert!(peer.session.is_rejected());
    let commands = peer.commands();
    let [(0, Command::Error(answer))] = &commands[..] else { panic!("{commands:?}") };
    let status = answer.status().unwrap();
    assert_eq!(status.code, codes::CONNECT_REJECTED);
    assert_eq!(status.more[0].1.get("redirect"), Some(&"rtmp://b/live".into()));
    assert_eq!(peer.session.handle_input(&[0xff; 99]), Ok(99));
}

#[test]
fn nothing_goes_before_connect() {
    let mut peer = Peer::new(ServerOptions::default());
    let refused = peer.command(0, &Command::CreateStream { transaction: 1.0 });
    assert_eq!(refused, Err(SessionError::NotConnected));
}

#[test]
fn a_publish_waits_for_its_verdict_and_then_hands_media_out() {
    let mut peer = Peer::connected();
    peer.command(1, &publish("cam?k=1")).unwrap();
    let request = PublishRequest {
        message_stream: 1,
        app: "live".to_owned(),
        name: "cam".to_owned(),
        query: "k=1".to_owned(),
        kind: PublishKind::Live,
    };
    assert_eq!(peer.session.poll_event(), Some(ServerEvent::Publish(request)));
    peer.send(1, MessageKind::Video, 40, &vec![0x17; 300_000]).unwrap();
    assert_eq!(peer.session.poll_event(), None);
    peer.session.accept_publish(1).unwrap();
    peer.push().unwrap();
    let Some(ServerEvent::Media(media)) = peer.session.poll_event() else { panic!("no media") };
    assert_eq!((media.kind, media.timestamp_ms, media.payload.len()), (MediaMessageKind::Video, 40, 300_000));
    assert!(peer.waiting.is_empty());
}

#[test]
fn media_on_message_stream_0_belongs_to_the_publish() {
    let mut peer = Peer::publishing();
    peer.send(0, MessageKind::Audio, 0, &[1]).unwrap();
    peer.send(2, MessageKind::Audio, 0, &[1]).unwrap();
    assert!(
        matches!(peer.session.poll_event(), Some(ServerEvent::Media(media)) if media.message_stream == 1)
    );
    assert_eq!((peer.session.poll_event(), peer.session.dropped_messages()), (None, 1));
}

#[test]
fn a_publish_refused_gets_its_code_and_no_media() {
    let mut peer = Peer::connected();
    peer.command(1, &publish("cam")).unwrap();
    peer.session.poll_event();
    peer.session.reject_publish(1, codes::PUBLISH_BAD_NAME, "taken").unwrap();
    peer.send(1, MessageKind::Video, 40, &[0x17]).unwrap();
    assert_eq!(peer.session.poll_event(), None);
    assert_eq!(peer.session.dropped_messages(), 1);
    assert_eq!(peer.statuses(), [codes::PUBLISH_BAD_NAME]);
    assert_eq!(peer.session.accept_publish(1), Err(SessionError::WrongState { message_stream: 1 }));
}

#[test]
fn data_of_amf3_aggregates_and_empty_messages_are_normalised() {
    let mut peer = Peer::publishing();
    peer.send(1, MessageKind::DataAmf3, 0, &[0, 2, 0, 1, b'a']).unwrap();
    peer.send(1, MessageKind::Audio, 0, &[]).unwrap();
    let tags = [8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaf, 0, 0, 0, 12, 9, 0, 0, 1, 0, 0, 20, 0, 0, 0, 0, 0x17];
    peer.send(1, MessageKind::Aggregate, 500, &tags).unwrap();
    let seen: Vec<_> = std::iter::from_fn(|| peer.session.poll_event())
        .map(|event| match event {
            ServerEvent::Media(media) => (media.kind, media.timestamp_ms, media.payload.to_vec()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            (MediaMessageKind::Data, 0, vec![2, 0, 1, b'a']),
            (MediaMessageKind::Audio, 500, vec![0xaf]),
            (MediaMessageKind::Video, 520, vec![0x17]),
        ]
    );
}

#[test]
fn a_publish_ends_once_however_it_is_said() {
    let unpublish =
        |name: &str| Command::Named { call: NamedCall::FcUnpublish, transaction: 5.0, name: name.to_owned() };
    let delete = Command::DeleteStream { transaction: 0.0, message_stream: 1 };
    let close = Command::CloseStream { transaction: 0.0 };
    for commands in [vec![unpublish("cam"), delete.clone()], vec![close, delete.clone()], vec![delete]] {
        let mut peer = Peer::publishing();
        for command in &commands {
            peer.command(1, command).unwrap();
        }
        assert_eq!(peer.session.poll_event(), Some(ServerEvent::Unpublished { message_stream: 1 }));
        assert_eq!(peer.session.poll_event(), None);
        peer.send(1, MessageKind::Audio, 0, &[1]).unwrap();
        assert_eq!(peer.session.dropped_messages(), 1);
        // The id is free again and the next stream gets it.
        peer.command(0, &Command::CreateStream { transaction: 9.0 }).unwrap();
        assert!(matches!(peer.commands().last(), Some((0, Command::Result(answer)))
            if answer.values == [Value::Number(1.0)]));
    }
}

#[test]
fn the_server_ends_a_publish() {
    let mut peer = Peer::publishing();
    peer.session.end_publish(1, codes::PUBLISH_REJECTED, "kicked").unwrap();
    assert_eq!(peer.statuses(), [codes::PUBLISH_REJECTED]);
    peer.send(1, MessageKind::Audio, 0, &[1]).unwrap();
    assert_eq!(peer.session.poll_event(), None);
}

#[test]
fn a_play_is_answered_as_players_expect() {
    let mut peer = Peer::connected();
    peer.command(1, &play("cam?k=1")).unwrap();
    let Some(ServerEvent::Play(request)) = peer.session.poll_event() else { panic!("not asked") };
    assert_eq!((request.name.as_str(), request.query.as_str(), request.start), ("cam", "k=1", -2.0));
    peer.session.accept_play(1).unwrap();
    let messages = peer.messages();
    let kinds: Vec<_> = messages.iter().map(|message| (message.kind.id(), message.message_stream)).collect();
    assert_eq!(kinds, [(4, 0), (20, 1), (20, 1), (18, 1)]);
    assert_eq!(
        ControlMessage::parse(&messages[0]),
        Ok(Some(ControlMessage::User(UserControl::StreamBegin(1))))
    );
}

#[test]
fn a_play_can_be_refused_taken_back_and_switched() {
    let mut peer = Peer::connected();
    peer.command(1, &play("cam")).unwrap();
    peer.session.poll_event();
    peer.session.reject_play(1, codes::PLAY_STREAM_NOT_FOUND, "no such stream").unwrap();
    assert_eq!(peer.statuses(), [codes::PLAY_STREAM_NOT_FOUND]);

    peer.command(1, &play("cam")).unwrap();
    peer.command(1, &play("other")).unwrap();
    peer.command(0, &Command::DeleteStream { transaction: 0.0, message_stream: 1 }).unwrap();
    // Each play is handed out before it can be taken back.
    let mut rounds = Vec::new();
    for _ in 0..3 {
        rounds.push(std::iter::from_fn(|| peer.session.poll_event()).collect::<Vec<_>>());
        peer.push().unwrap();
    }
    assert!(matches!(
        &rounds.iter().map(Vec::as_slice).collect::<Vec<_>>()[..],
        [
            [ServerEvent::Play(_)],
            [ServerEvent::StreamClosed { .. }, ServerEvent::Play(_)],
            [ServerEvent::StreamClosed { .. }]
        ]
    ));
    assert_eq!(peer.session.accept_play(1), Err(SessionError::WrongState { message_stream: 1 }));
}

#[test]
fn pause_and_receive_are_told_and_answered() {
    let mut peer = Peer::playing();
    peer.command(1, &Command::Pause { transaction: 0.0, pause: true, position_ms: 9.0 }).unwrap();
    peer.command(1, &Command::Pause { transaction: 0.0, pause: false, position_ms: 9.0 }).unwrap();
    peer.command(1, &Command::ReceiveVideo { receive: false }).unwrap();
    peer.command(1, &Command::ReceiveAudio { receive: true }).unwrap();
    peer.command(1, &Command::Seek { transaction: 0.0, position_ms: 1.0 }).unwrap();
    let events: Vec<_> = std::iter::from_fn(|| peer.session.poll_event()).collect();
    assert_eq!(
        events,
        [
            ServerEvent::Paused { message_stream: 1, paused: true, position_ms: 9.0 },
            ServerEvent::Paused { message_stream: 1, paused: false, position_ms: 9.0 },
            ServerEvent::ReceiveVideo { message_stream: 1, receive: false },
            ServerEvent::ReceiveAudio { message_stream: 1, receive: true },
        ]
    );
    assert_eq!(
        peer.statuses(),
        [
            codes::PAUSE_NOTIFY,
            codes::UNPAUSE_NOTIFY,
            codes::SEEK_NOTIFY,
            codes::PLAY_START,
            codes::SEEK_FAILED
        ]
    );
}

#[test]
fn a_play_ends_by_every_sign() {
    let mut peer = Peer::playing();
    peer.session.notify_play(1, PlayNotice::Dry).unwrap();
    peer.session.notify_play(1, PlayNotice::Published).unwrap();
    let controls = peer.controls();
    assert_eq!(controls, [UserControl::StreamDry(1), UserControl::StreamBegin(1)].map(ControlMessage::User));
    peer.session.end_play(1, PlayEnd::Unpublished).unwrap();
    assert_eq!(peer.statuses(), [codes::PLAY_UNPUBLISH_NOTIFY, codes::PLAY_STOP]);
    let again = peer.session.end_play(1, PlayEnd::Complete);
    assert_eq!(again, Err(SessionError::WrongState { message_stream: 1 }));

    let mut peer = Peer::playing();
    peer.session.end_play(1, PlayEnd::Complete).unwrap();
    let kinds: Vec<u8> = peer.messages().iter().map(|message| message.kind.id()).collect();
    assert_eq!(kinds, [18, 4, 20]);

    let mut peer = Peer::playing();
    peer.session.end_play(1, PlayEnd::Failed { description: "too slow" }).unwrap();
    assert_eq!(peer.statuses(), [codes::PLAY_FAILED]);
}

#[test]
fn pings_go_both_ways_and_bytes_are_acknowledged() {
    let mut peer = Peer::publishing();
    peer.session.ping(77).unwrap();
    assert_eq!(peer.controls(), [ControlMessage::User(UserControl::PingRequest(77))]);
    peer.control(ControlMessage::User(UserControl::PingResponse(77))).unwrap();
    assert_eq!(peer.session.poll_event(), Some(ServerEvent::Pong { sent_ms: 77 }));
    peer.control(ControlMessage::User(UserControl::PingRequest(88))).unwrap();
    assert_eq!(peer.controls(), [ControlMessage::User(UserControl::PingResponse(88))]);
    peer.control(ControlMessage::Acknowledgement { sequence: 4321 }).unwrap();
    assert_eq!(peer.session.acknowledged_by_peer(), 4321);
    peer.control(ControlMessage::WindowAckSize { bytes: 10_000 }).unwrap();
    peer.send(1, MessageKind::Video, 0, &[1; 5000]).unwrap();
    assert!(matches!(peer.controls()[..], [ControlMessage::Acknowledgement { sequence: 5000.. }]));
}

#[test]
fn a_million_streams_are_not_opened() {
    let mut peer = Peer::connected();
    let mut answers = (0, 0);
    let result = (0..1_000_000).try_for_each(|at| {
        peer.command(0, &Command::CreateStream { transaction: f64::from(at + 3) })?;
        for (_, command) in peer.commands() {
            match command {
                Command::Result(_) => answers.0 += 1,
                Command::Error(_) => answers.1 += 1,
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    });
    assert_eq!(result, Err(SessionError::TooManyRefusedCommands { max: MAX_REFUSED_COMMANDS }));
    assert_eq!(answers, (MAX_MESSAGE_STREAMS - 1, MAX_REFUSED_COMMANDS));
}

#[test]
fn unknown_commands_are_answered_and_counted_between_media() {
    let mut peer = Peer::publishing();
    let custom =
        |transaction| Command::Other { procedure: "custom".to_owned(), transaction, arguments: vec![] };
    peer.command(0, &custom(7.0)).unwrap();
    assert!(matches!(&peer.commands()[..], [(0, Command::Error(answer))] if answer.transaction == 7.0));
    for _ in 0..3 {
        for _ in 1..MAX_REFUSED_COMMANDS {
            peer.command(0, &custom(0.0)).unwrap();
        }
        assert!(peer.commands().is_empty());
        peer.send(1, MessageKind::Audio, 0, &[1]).unwrap();
        peer.session.poll_event();
    }
}

#[test]
fn input_waits_for_room() {
    let mut peer = Peer::publishing();
    for _ in 0..MAX_PENDING_EVENTS + 5 {
        peer.send(1, MessageKind::Audio, 0, &[1]).unwrap();
    }
    assert!(!peer.waiting.is_empty());
    assert_eq!(std::iter::from_fn(|| peer.session.poll_event()).count(), MAX_PENDING_EVENTS);
    peer.push().unwrap();
    assert_eq!(std::iter::from_fn(|| peer.session.poll_event()).count(), 5);

    // A peer that asks for answers and does not take them.
    for _ in 0..100_000 {
        ControlMessage::User(UserControl::PingRequest(1))
            .write(ChunkSize::DEFAULT, &mut peer.waiting)
            .unwrap();
    }
    peer.push().unwrap();
    assert!(!peer.waiting.is_empty());
    let waiting = peer.session.poll_output().unwrap().len();
    assert!((MAX_PENDING_OUTPUT_BYTES..MAX_PENDING_OUTPUT_BYTES + 1000).contains(&waiting), "{waiting}");
}

#[test]
fn an_aggregate_of_many_messages_waits_for_room_too() {
    let mut peer = Peer::publishing();
    let count = 3 * MAX_PENDING_EVENTS;
    let tags = [8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaf, 0, 0, 0, 12].repeat(count);
    peer.send(1, MessageKind::Aggregate, 0, &tags).unwrap();
    assert!(peer.waiting.is_empty());
    let mut seen = 0;
    loop {
        let events = std::iter::from_fn(|| peer.session.poll_event()).count();
        assert!(events <= MAX_PENDING_EVENTS);
        seen += events;
        if events == 0 {
            break;
        }
        peer.push().unwrap();
    }
    assert_eq!(seen, count);
}

#[test]
fn names_of_any_kind_are_handed_on_or_refused() {
    let mut peer = Peer::connected();
    for name in ["..", "a\0b", "<script>", "", "x/../y"] {
        peer.command(1, &publish(name)).unwrap();
        let Some(ServerEvent::Publish(request)) = peer.session.poll_event() else { panic!("not asked") };
        assert_eq!(request.name, name);
        peer.session.reject_publish(1, codes::PUBLISH_BAD_NAME, "not allowed").unwrap();
        assert_eq!(peer.statuses(), [codes::PUBLISH_BAD_NAME]);
    }
    for (bytes, asked) in
        [(255, true), (MAX_NAME_BYTES, true), (MAX_NAME_BYTES + 1, false), (64 * 1024, false)]
    {
        peer.command(1, &publish(&"x".repeat(bytes))).unwrap();
        if asked {
            assert!(matches!(peer.session.poll_event(), Some(ServerEvent::Publish(_))));
            peer.session.reject_publish(1, codes::PUBLISH_BAD_NAME, "not allowed").unwrap();
        }
        assert_eq!(peer.statuses(), [if asked { codes::PUBLISH_BAD_NAME } else { codes::STREAM_FAILED }]);
        assert_eq!(peer.session.poll_event(), None);
    }
    let mut peer = Peer::new(ServerOptions::default());
    peer.connect(vec![("app".to_owned(), Value::String("x".repeat(MAX_NAME_BYTES + 1)))]).unwrap();
    assert!(peer.session.is_rejected());
    assert!(matches!(&peer.commands()[..], [(0, Command::Error(answer))]
        if answer.status().unwrap().code == codes::CONNECT_INVALID_APP));
}

#[test]
fn a_publish_on_a_stream_that_is_taken_or_absent_fails() {
    let mut peer = Peer::publishing();
    for message_stream in [0, 1, 2] {
        peer.command(message_stream, &publish("cam")).unwrap();
        assert_eq!(peer.statuses(), [codes::STREAM_FAILED]);
    }
    assert_eq!(peer.session.poll_event(), None);
}

#[test]
fn strangers_cannot_send_large_messages() {
    let mut peer = Peer::connected();
    let refused = peer.send(1, MessageKind::Video, 0, &vec![0; 200_000]);
    assert!(matches!(refused, Err(SessionError::Chunk(_))));
}

#[test]
fn calls_of_old_encoders_are_answered() {
    let mut peer = Peer::connected();
    for (call, notice) in [
        (NamedCall::ReleaseStream, None),
        (NamedCall::GetStreamLength, None),
        (NamedCall::FcPublish, Some("onFCPublish")),
        (NamedCall::FcSubscribe, Some("onFCSubscribe")),
        (NamedCall::FcUnpublish, Some("onFCUnpublish")),
    ] {
        peer.command(0, &Command::Named { call, transaction: 6.0, name: "cam".to_owned() }).unwrap();
        let commands = peer.commands();
        assert!(matches!(&commands[0].1, Command::Result(answer) if answer.transaction == 6.0));
        let told = match commands.get(1) {
            Some((_, Command::Other { procedure, .. })) => Some(procedure.as_str()),
            _ => None,
        };
        assert_eq!(told, notice);
    }
    peer.command(0, &Command::CheckBandwidth { transaction: 8.0 }).unwrap();
    assert!(matches!(&peer.commands()[..], [(0, Command::Result(_))]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_panic_behind_the_handshake(
        messages in proptest::collection::vec(
            (0u32..3, prop_oneof![Just(20u8), Just(17), Just(4), Just(22), any::<u8>()], proptest::collection::vec(any::<u8>(), 0..80)),
            0..20,
        ),
        tail in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut peer = Peer::publishing();
        let mut failed = false;
        for (message_stream, kind, body) in &messages {
            failed |= peer.send(*message_stream, MessageKind::from_id(*kind), 0, body).is_err();
            while peer.session.poll_event().is_some() {}
            peer.session.poll_output();
            if failed { break; }
        }
        let _ = peer.session.handle_input(&tail);
    }
}
