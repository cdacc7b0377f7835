//! The client's side of one connection, from the first byte of the handshake, as a pure state machine.
//!
//! It says what a client has to say (`connect`, `releaseStream`, `FCPublish`, `createStream`, then `publish` or `play`)
//! and tells its owner when media may flow. The owner loops as with the
//! [server session](super::server): input, events, output, until nothing is consumed and no event comes.

mod options;

pub use options::{
    ClientError, ClientEvent, ClientOptions, PLAYER_VERSION, PUBLISHER_VERSION, Purpose, Redirect,
};

use std::collections::VecDeque;

use bytes::Bytes;
use streamer_core::container::flv::amf0::Value;

use super::acknowledge::Acknowledger;
use super::aggregate::Aggregate;
use super::backlog::{MAX_PENDING_EVENTS, MAX_PENDING_OUTPUT_BYTES};
use super::capabilities::Capabilities;
use super::chunk::{ChunkReader, ChunkSize, Message, MessageHeader, MessageKind, ReaderLimits};
use super::command::{Answer, Command, NamedCall, stream_id};
use super::handshake::{ClientHandshake, Seed};
use super::media::{MediaMessage, MediaMessageKind};
use super::message::{ControlMessage, UserControl};
use super::outbox::Outbox;
use super::status::{Status, codes};

/// The transaction of `connect` (RTMP 1.0 section 7.2.1.1).
const CONNECT: f64 = 1.0;
/// The transactions of the calls behind it.
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;
const CHECK_BANDWIDTH: f64 = 6.0;
const FC_UNPUBLISH: f64 = 7.0;

/// One connection, seen from the client.
#[derive(Debug)]
pub struct ClientSession {
    options: ClientOptions,
    /// `None` once it is done.
    handshake: Option<ClientHandshake>,
    reader: ChunkReader,
    aggregate: Option<Aggregate>,
    outbox: Outbox,
    events: VecDeque<ClientEvent>,
    state: State,
    acknowledger: Acknowledger,
    acknowledged_by_server: u32,
    bandwidth_checked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshaking,
    Connecting,
    Creating,
    /// `publish` or `play` was sent on this message stream.
    Asking(u32),
    Ready(u32),
    /// Refused or ended; input is swallowed.
    Over,
}

impl ClientSession {
    /// A session whose first output is ready to be polled. `seed` comes from the system's random generator.
    pub fn new(options: ClientOptions, seed: Seed) -> Self {
        let handshake = ClientHandshake::new(seed, options.handshake);
        let mut session = Self {
            options,
            handshake: Some(handshake),
            reader: ChunkReader::new(ReaderLimits::BEFORE_PUBLISH),
            aggregate: None,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            state: State::Handshaking,
            acknowledger: Acknowledger::new(),
            acknowledged_by_server: 0,
            bandwidth_checked: false,
        };
        session.take_handshake_output();
        session
    }

    /// Takes bytes of the server, chopped in any way, and returns how many were consumed. What was not must be handed
    /// in again after events and output were taken; so must an empty input where all was consumed and events came.
    ///
    /// # Errors
    /// [`ClientError`] when the server cannot be followed; the connection should be closed.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<usize, ClientError> {
        let mut rest = input;
        while self.events.len() < MAX_PENDING_EVENTS && self.outbox.len() < MAX_PENDING_OUTPUT_BYTES {
            if self.state == State::Over {
                rest = &[];
                break;
            }
            if let Some(aggregate) = &mut self.aggregate {
                match aggregate.next_message() {
                    Some(message) => self.handle_media(message),
                    None => self.aggregate = None,
                }
                continue;
            }
            if let Some(handshake) = &mut self.handshake {
                let progress = handshake.handle_input(rest)?;
                rest = &rest[progress.consumed..];
                self.take_handshake_output();
                if !progress.done {
                    break;
                }
                self.handshake = None;
                self.connect()?;
                continue;
            }
            let before = rest.len();
            let message = self.reader.read(&mut rest);
            self.acknowledger.receive(before - rest.len());
            match message? {
                Some(message) => self.handle_message(message)?,
                None => break,
            }
        }
        if let Some(sequence) = self.acknowledger.due() {
            self.outbox.control(ControlMessage::Acknowledgement { sequence })?;
        }
        Ok(input.len() - rest.len())
    }

    /// The next event, if there is one.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// All output that waits, if there is any: whole messages, once the handshake is done.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.outbox.take()
    }

    /// The chunk size of everything sent, final once the handshake is done.
    pub fn chunk_size(&self) -> ChunkSize {
        self.outbox.chunk_size()
    }

    /// The sequence number of the server's last Acknowledgement: bytes it has received, modulo 2^32.
    pub fn acknowledged_by_server(&self) -> u32 {
        self.acknowledged_by_server
    }

    /// The header to send media with, for an owner that writes chunks itself at [`ClientSession::chunk_size`], between
    /// the outputs of the session.
    ///
    /// # Errors
    /// [`ClientError::NotReady`] where no publish is accepted.
    pub fn media_header(
        &self,
        kind: MediaMessageKind,
        timestamp_ms: i64,
    ) -> Result<MessageHeader, ClientError> {
        match (self.state, self.options.purpose) {
            (State::Ready(message_stream), Purpose::Publish(_)) => Ok(MessageHeader {
                chunk_stream: kind.chunk_stream(),
                message_stream,
                kind: kind.message_kind(),
                timestamp_ms,
            }),
            _ => Err(ClientError::NotReady),
        }
    }

    /// Sends one media message, copied into the output. Metadata is sent as data that begins with `@setDataFrame`.
    ///
    /// # Errors
    /// [`ClientError::NotReady`] where no publish is accepted; [`ClientError::Chunk`] for a payload above the
    /// format's limit.
    pub fn send_media(
        &mut self,
        kind: MediaMessageKind,
        timestamp_ms: i64,
        payload: &[u8],
    ) -> Result<(), ClientError> {
        let header = self.media_header(kind, timestamp_ms)?;
        Ok(self.outbox.message(&header, payload)?)
    }

    /// Says goodbye: send the output, then close.
    ///
    /// # Errors
    /// None but those of writing a message.
    pub fn finish(&mut self) -> Result<(), ClientError> {
        if let State::Asking(message_stream) | State::Ready(message_stream) = self.state {
            if matches!(self.options.purpose, Purpose::Publish(_)) {
                self.call_named(NamedCall::FcUnpublish, FC_UNPUBLISH)?;
            }
            self.outbox.command(0, &Command::DeleteStream { transaction: 0.0, message_stream })?;
        }
        self.state = State::Over;
        Ok(())
    }

    fn take_handshake_output(&mut self) {
        if let Some(bytes) = self.handshake.as_mut().and_then(ClientHandshake::poll_output) {
            self.outbox.raw(&bytes);
        }
    }

    fn connect(&mut self) -> Result<(), ClientError> {
        let options = &self.options;
        let (version, kind) = match options.purpose {
            Purpose::Publish(_) => (PUBLISHER_VERSION, Some(("type", "nonprivate"))),
            Purpose::Play { .. } => (PLAYER_VERSION, None),
        };
        let mut properties = vec![("app".to_owned(), Value::from(options.app.as_str()))];
        let version = options.flash_ver.as_deref().unwrap_or(version);
        properties.extend(kind.map(|(name, value)| (name.to_owned(), value.into())));
        properties.extend([
            ("flashVer".to_owned(), version.into()),
            ("tcUrl".to_owned(), options.tc_url.as_str().into()),
        ]);
        if matches!(options.purpose, Purpose::Play { .. }) {
            // What FFmpeg and librtmp say: no proxy, every capability, every codec of Flash, frame-accurate seeks.
            let numbers = [
                ("capabilities", 15.0),
                ("audioCodecs", 4071.0),
                ("videoCodecs", 252.0),
                ("videoFunction", 1.0),
            ];
            properties.push(("fpad".to_owned(), false.into()));
            properties.extend(numbers.map(|(name, number)| (name.to_owned(), number.into())));
        }
        properties.extend(options.capabilities.to_properties());
        self.outbox.control(ControlMessage::SetChunkSize(options.chunk_size))?;
        let object = Value::Object(properties);
        self.outbox.command(0, &Command::Connect { transaction: CONNECT, object })?;
        self.state = State::Connecting;
        Ok(())
    }

    fn handle_message(&mut self, message: Message) -> Result<(), ClientError> {
        match message.kind {
            MessageKind::Audio | MessageKind::Video | MessageKind::DataAmf0 | MessageKind::DataAmf3 => {
                self.handle_media(message);
            }
            MessageKind::Aggregate => self.aggregate = Some(Aggregate::new(message)),
            MessageKind::CommandAmf0 | MessageKind::CommandAmf3 => {
                if let Some(command) = Command::parse(message.kind, &message.payload)? {
                    self.handle_command(command)?;
                }
            }
            _ => {
                if let Some(control) = ControlMessage::parse(&message)? {
                    self.handle_control(control)?;
                }
            }
        }
        Ok(())
    }

    fn handle_media(&mut self, message: Message) {
        let (State::Asking(own) | State::Ready(own), Purpose::Play { .. }) =
            (self.state, self.options.purpose)
        else {
            return;
        };
        // Whatever message stream it says: there is one, and FFmpeg, when it listens, sends media on 0.
        let Ok(Some(media)) = MediaMessage::from_message(Message { message_stream: own, ..message }) else {
            return;
        };
        // Some servers send media and no status before it. Data may precede the status and means nothing.
        if media.kind != MediaMessageKind::Data {
            self.ready();
        }
        self.events.push_back(ClientEvent::Media(media));
    }

    fn handle_control(&mut self, control: ControlMessage) -> Result<(), ClientError> {
        match control {
            ControlMessage::Acknowledgement { sequence } => self.acknowledged_by_server = sequence,
            ControlMessage::WindowAckSize { bytes } => self.acknowledger.set_window(bytes),
            // The specification wants the window told where it differs from the last one told.
            ControlMessage::SetPeerBandwidth { bytes, .. } if bytes != self.options.window_ack_bytes => {
                self.options.window_ack_bytes = bytes;
                self.outbox.control(ControlMessage::WindowAckSize { bytes })?;
            }
            ControlMessage::User(UserControl::PingRequest(time)) => {
                self.outbox.control(ControlMessage::User(UserControl::PingResponse(time)))?;
            }
            ControlMessage::User(UserControl::StreamEof(stream)) if self.state == State::Ready(stream) => {
                self.end("StreamEOF", "The server ended the stream.");
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_command(&mut self, command: Command) -> Result<(), ClientError> {
        match command {
            Command::Result(answer) => self.handle_result(&answer),
            Command::Error(answer) => {
                let vital = match self.state {
                    State::Connecting => answer.transaction == CONNECT,
                    State::Creating => answer.transaction == CREATE_STREAM,
                    State::Asking(_) => answer.transaction == PUBLISH,
                    State::Handshaking | State::Ready(_) | State::Over => false,
                };
                // Servers that do not know `releaseStream`, `FCPublish` or `_checkbw` say so, and go on.
                if vital {
                    let status = answer.status();
                    self.reject(status.unwrap_or_else(|| {
                        Status::error(codes::CALL_FAILED, "The server refused the call.")
                    }));
                }
                Ok(())
            }
            Command::OnStatus(status) => {
                self.handle_status(status);
                Ok(())
            }
            Command::Other { procedure, transaction, .. } => self.handle_call(&procedure, transaction),
            // The rest is for servers.
            _ => Ok(()),
        }
    }

    fn handle_result(&mut self, answer: &Answer) -> Result<(), ClientError> {
        if self.state == State::Connecting && answer.transaction == CONNECT {
            let mut capabilities = Capabilities::from_properties(&answer.object);
            if !capabilities.is_enhanced()
                && let Some(info) = answer.values.first()
            {
                capabilities = Capabilities::from_properties(info);
            }
            self.events.push_back(ClientEvent::Connected(capabilities));
            if matches!(self.options.purpose, Purpose::Publish(_)) {
                self.call_named(NamedCall::ReleaseStream, RELEASE_STREAM)?;
                self.call_named(NamedCall::FcPublish, FC_PUBLISH)?;
            } else {
                let bytes = self.options.window_ack_bytes;
                self.outbox.control(ControlMessage::WindowAckSize { bytes })?;
            }
            self.outbox.command(0, &Command::CreateStream { transaction: CREATE_STREAM })?;
            self.state = State::Creating;
        } else if self.state == State::Creating && answer.transaction == CREATE_STREAM {
            let number = answer.values.iter().find_map(Value::as_f64);
            let Some(message_stream) = stream_id(number) else {
                self.reject(Status::error(codes::CALL_FAILED, "The server gave no message stream."));
                return Ok(());
            };
            self.ask(message_stream)?;
        }
        Ok(())
    }

    /// Sends `publish` or `play`.
    fn ask(&mut self, message_stream: u32) -> Result<(), ClientError> {
        let name = self.options.stream.clone();
        match self.options.purpose {
            Purpose::Publish(kind) => {
                self.outbox
                    .command(message_stream, &Command::Publish { transaction: PUBLISH, name, kind })?;
            }
            Purpose::Play { buffer_ms } => {
                self.reader.set_limits(ReaderLimits::PUBLISHING);
                let play =
                    Command::Play { transaction: PUBLISH, name, start: -2000.0, duration: -1.0, reset: true };
                self.outbox.command(message_stream, &play)?;
                let buffer = UserControl::SetBufferLength { message_stream, buffer_ms };
                self.outbox.control(ControlMessage::User(buffer))?;
            }
        }
        self.state = State::Asking(message_stream);
        Ok(())
    }

    fn handle_status(&mut self, status: Status) {
        match status.code.as_str() {
            codes::CONNECT_RECONNECT_REQUEST => {
                let tc_url = property(&status, "tcUrl").and_then(Value::as_str).map(str::to_owned);
                let description = status.description;
                self.events.push_back(ClientEvent::ReconnectRequest { tc_url, description });
            }
            codes::PUBLISH_START if matches!(self.options.purpose, Purpose::Publish(_)) => self.ready(),
            codes::PLAY_START if matches!(self.options.purpose, Purpose::Play { .. }) => self.ready(),
            codes::PLAY_STOP
            | codes::PLAY_COMPLETE
            | codes::PLAY_UNPUBLISH_NOTIFY
            | codes::UNPUBLISH_SUCCESS
            | codes::CONNECT_CLOSED => self.end(&status.code, &status.description),
            // A position that cannot be changed ends nothing.
            codes::SEEK_FAILED => {}
            _ if status.is_error() => self.reject(status),
            _ => {}
        }
    }

    /// Calls of servers: the bandwidth check of Flash Media Server, and its ways to say that it is over.
    fn handle_call(&mut self, procedure: &str, transaction: f64) -> Result<(), ClientError> {
        match procedure {
            "onBWDone" if !self.bandwidth_checked => {
                self.bandwidth_checked = true;
                self.outbox.command(0, &Command::CheckBandwidth { transaction: CHECK_BANDWIDTH })?;
            }
            "_onbwcheck" if transaction != 0.0 => {
                let answer = Answer { transaction, object: Value::Null, values: vec![Value::Number(0.0)] };
                self.outbox.command(0, &Command::Result(answer))?;
            }
            "close" | "onFCUnsubscribe" => self.end(procedure, "The server closed the connection."),
            // `onFCPublish` and the like tell nothing that a status does not.
            _ => {}
        }
        Ok(())
    }

    fn call_named(&mut self, call: NamedCall, transaction: f64) -> Result<(), ClientError> {
        let name = self.options.stream.clone();
        Ok(self.outbox.command(0, &Command::Named { call, transaction, name })?)
    }

    fn ready(&mut self) {
        if let State::Asking(message_stream) = self.state {
            self.state = State::Ready(message_stream);
            self.events.push_back(ClientEvent::Ready { message_stream });
        }
    }

    fn reject(&mut self, status: Status) {
        if let State::Ready(_) = self.state {
            return self.end(&status.code, &status.description);
        }
        let redirect = redirect(&status);
        self.state = State::Over;
        let Status { code, description, .. } = status;
        self.events.push_back(ClientEvent::Rejected { code, description, redirect });
    }

    fn end(&mut self, code: &str, description: &str) {
        self.state = State::Over;
        let (code, description) = (code.to_owned(), description.to_owned());
        self.events.push_back(ClientEvent::Ended { code, description });
    }
}

fn property<'s>(status: &'s Status, name: &str) -> Option<&'s Value> {
    status.more.iter().find(|(held, _)| held == name).map(|(_, value)| value)
}

/// Where a rejection points to: `ex.redirect2`, the URL of the stream, or `ex.redirect`, a `tcUrl`.
fn redirect(status: &Status) -> Option<Redirect> {
    let ex = property(status, "ex")?;
    let text = |name: &str| ex.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("redirect2"), text("redirect")) {
        (Some(url), _) => Some(Redirect { target: url.to_owned(), is_stream_url: true }),
        (None, Some(url)) => Some(Redirect { target: url.to_owned(), is_stream_url: false }),
        (None, None) => None,
    }
}
