//! The server's side of one connection, from the first byte of the handshake, as a pure state machine.
//!
//! ```text
//! bytes -> handle_input -> poll_event  -> what the peer wants, and its media
//!          verdicts     -> poll_output -> bytes, always whole messages once the handshake is done
//! ```
//!
//! The owner loops: hand in what was read, drop what was consumed, take all events, give verdicts, send all output,
//! and again until nothing is consumed and no event comes. Input that is not consumed is waiting for one of these:
//! room for events or output, the verdict about a publish, or that a play is taken notice of.
//!
//! Media for players is not sent through the session. After [`ServerSession::accept_play`] the owner writes messages
//! of its own on the request's message stream, chunked at [`ServerSession::chunk_size`], which never changes again,
//! between the outputs of the session. The first message stream of every connection has the id 1.

mod connect;
mod event;
mod options;
mod stream;

#[cfg(test)]
mod tests;

pub use event::{ConnectInfo, PlayRequest, PublishRequest, ServerEvent};
pub use options::{MAX_MESSAGE_STREAMS, MAX_REFUSED_COMMANDS, ServerOptions, SessionError};
pub use stream::{PlayEnd, PlayNotice};

use std::collections::VecDeque;

use bytes::Bytes;
use streamer_core::container::flv::amf0::Value;

use super::acknowledge::Acknowledger;
use super::aggregate::Aggregate;
use super::backlog::{MAX_PENDING_EVENTS, MAX_PENDING_OUTPUT_BYTES};
use super::capabilities::{Capabilities, CapsEx};
use super::chunk::{ChunkReader, ChunkSize, Message, MessageKind, ReaderLimits};
use super::command::{Answer, Command};
use super::handshake::{Seed, ServerHandshake};
use super::media::MediaMessage;
use super::message::{ControlMessage, UserControl};
use super::outbox::Outbox;
use super::status::{Status, codes};
use stream::Streams;

/// One connection, seen from the server.
#[derive(Debug)]
pub struct ServerSession {
    options: ServerOptions,
    /// `None` once it is done.
    handshake: Option<ServerHandshake>,
    reader: ChunkReader,
    aggregate: Option<Aggregate>,
    outbox: Outbox,
    events: VecDeque<ServerEvent>,
    connection: Connection,
    streams: Streams,
    acknowledger: Acknowledger,
    acknowledged_by_peer: u32,
    refused_commands: usize,
    dropped_messages: u64,
}

/// How far `connect` has come.
#[derive(Debug)]
enum Connection {
    New,
    /// Waiting for the owner's verdict.
    Asked {
        transaction: f64,
        info: Box<ConnectInfo>,
    },
    Open(Box<ConnectInfo>),
    /// Refused; nothing is read any more.
    Rejected,
}

impl ServerSession {
    /// A session that waits for the handshake of a client. `seed` comes from the system's random generator.
    pub fn new(options: ServerOptions, seed: Seed) -> Self {
        Self {
            options,
            handshake: Some(ServerHandshake::new(seed)),
            reader: ChunkReader::new(ReaderLimits::BEFORE_PUBLISH),
            aggregate: None,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            connection: Connection::New,
            streams: Streams::default(),
            acknowledger: Acknowledger::new(),
            acknowledged_by_peer: 0,
            refused_commands: 0,
            dropped_messages: 0,
        }
    }

    /// Takes bytes of the peer, chopped in any way, and returns how many were consumed. What was not must be handed
    /// in again after events and output were taken and verdicts given; so must an empty input where all was consumed
    /// and events came, because one message can hold more media than there is room for events.
    ///
    /// # Errors
    /// [`SessionError`] when the peer cannot be followed or goes too far; the connection should be closed after the
    /// output is sent.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<usize, SessionError> {
        let mut rest = input;
        while self.has_room() {
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
                while let Some(bytes) = handshake.poll_output() {
                    self.outbox.raw(&bytes);
                }
                if !progress.done {
                    break;
                }
                self.handshake = None;
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
        if matches!(self.connection, Connection::Rejected) {
            rest = &[];
        }
        if let Some(sequence) = self.acknowledger.due() {
            self.outbox.control(ControlMessage::Acknowledgement { sequence })?;
        }
        Ok(input.len() - rest.len())
    }

    /// The next event, if there is one.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// All output that waits, if there is any: whole messages, once the handshake is done.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.outbox.take()
    }

    /// The chunk size of everything sent, final once `connect` is accepted.
    pub fn chunk_size(&self) -> ChunkSize {
        self.outbox.chunk_size()
    }

    /// What the peer announced of Enhanced RTMP; `None` before `connect` is accepted.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        match &self.connection {
            Connection::Open(info) => Some(&info.capabilities),
            _ => None,
        }
    }

    /// Whether the handshake is complete.
    pub fn is_handshake_done(&self) -> bool {
        self.handshake.is_none()
    }

    /// Whether all that was taken in makes whole messages.
    pub fn is_between_messages(&self) -> bool {
        self.reader.is_between_messages()
    }

    /// Whether `connect` was refused: send the output, then close.
    pub fn is_rejected(&self) -> bool {
        matches!(self.connection, Connection::Rejected)
    }

    /// The sequence number of the peer's last Acknowledgement: bytes it has received, modulo 2^32.
    pub fn acknowledged_by_peer(&self) -> u32 {
        self.acknowledged_by_peer
    }

    /// Messages dropped so far: media for streams that were never accepted, data that is not AMF.
    pub fn dropped_messages(&self) -> u64 {
        self.dropped_messages
    }

    /// Accepts `connect` where [`ServerOptions::confirm_connect`] makes it wait.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when no `connect` waits.
    pub fn accept_connect(&mut self) -> Result<(), SessionError> {
        let Connection::Asked { transaction, info } =
            std::mem::replace(&mut self.connection, Connection::New)
        else {
            return Err(SessionError::WrongState { message_stream: 0 });
        };
        let enhanced = info.capabilities.is_enhanced();
        connect::accept(&mut self.outbox, &self.options, transaction, info.amf3, enhanced)?;
        self.connection = Connection::Open(info);
        Ok(())
    }

    /// Refuses `connect` with a code of [`codes`], and sends the peer elsewhere where `redirect` is given: a URL, or
    /// the `tcUrl` of another server. [`ServerSession::is_rejected`] from then on.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when no `connect` waits.
    pub fn reject_connect(
        &mut self,
        code: &str,
        description: &str,
        redirect: Option<&str>,
    ) -> Result<(), SessionError> {
        let Connection::Asked { transaction, .. } = self.connection else {
            return Err(SessionError::WrongState { message_stream: 0 });
        };
        connect::reject(&mut self.outbox, transaction, code, description, redirect)?;
        self.connection = Connection::Rejected;
        Ok(())
    }

    /// Asks the peer to connect again, to `tc_url` where it is given (Enhanced RTMP v2, Reconnect Request). Returns
    /// whether the peer had announced that it understands; nothing is sent otherwise.
    ///
    /// # Errors
    /// None but those of writing a message.
    pub fn request_reconnect(
        &mut self,
        tc_url: Option<&str>,
        description: &str,
    ) -> Result<bool, SessionError> {
        if !self.capabilities().is_some_and(|own| own.caps_ex.contains(CapsEx::RECONNECT)) {
            return Ok(false);
        }
        let mut status = Status::new(codes::CONNECT_RECONNECT_REQUEST, description);
        if let Some(url) = tc_url {
            status = status.with("tcUrl", url);
        }
        self.outbox.command(0, &Command::OnStatus(status))?;
        Ok(true)
    }

    /// Sends a ping request that carries `now_ms`; the answer is [`ServerEvent::Pong`].
    ///
    /// # Errors
    /// None but those of writing a message.
    pub fn ping(&mut self, now_ms: u32) -> Result<(), SessionError> {
        Ok(self.outbox.control(ControlMessage::User(UserControl::PingRequest(now_ms)))?)
    }

    /// Whether the next message may be read.
    fn has_room(&self) -> bool {
        self.events.len() < MAX_PENDING_EVENTS
            && self.outbox.len() < MAX_PENDING_OUTPUT_BYTES
            && !self.streams.publish_waits()
            // A play is handed out before it can be taken back, so that a verdict at once is never too late.
            && !matches!(self.events.back(), Some(ServerEvent::Play(_)))
            && !matches!(self.connection, Connection::Asked { .. } | Connection::Rejected)
    }

    fn handle_message(&mut self, message: Message) -> Result<(), SessionError> {
        match message.kind {
            MessageKind::Audio | MessageKind::Video | MessageKind::DataAmf0 | MessageKind::DataAmf3 => {
                self.handle_media(message);
            }
            MessageKind::Aggregate => {
                if self.streams.publish_of(message.message_stream).is_some() {
                    self.aggregate = Some(Aggregate::new(message));
                } else {
                    self.dropped_messages += 1;
                }
            }
            MessageKind::CommandAmf0 | MessageKind::CommandAmf3 => {
                if let Some(command) = Command::parse(message.kind, &message.payload)? {
                    self.handle_command(message.message_stream, command)?;
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
        let Some(message_stream) = self.streams.publish_of(message.message_stream) else {
            self.dropped_messages += 1;
            return;
        };
        match MediaMessage::from_message(Message { message_stream, ..message }) {
            Ok(Some(media)) => {
                self.refused_commands = 0;
                self.events.push_back(ServerEvent::Media(media));
            }
            Ok(None) => {}
            Err(_) => self.dropped_messages += 1,
        }
    }

    fn handle_control(&mut self, control: ControlMessage) -> Result<(), SessionError> {
        match control {
            ControlMessage::Acknowledgement { sequence } => self.acknowledged_by_peer = sequence,
            ControlMessage::WindowAckSize { bytes } => self.acknowledger.set_window(bytes),
            ControlMessage::User(UserControl::PingRequest(time)) => {
                self.outbox.control(ControlMessage::User(UserControl::PingResponse(time)))?;
            }
            ControlMessage::User(UserControl::PingResponse(sent_ms)) => {
                self.events.push_back(ServerEvent::Pong { sent_ms });
            }
            ControlMessage::User(UserControl::SetBufferLength { message_stream, buffer_ms }) => {
                self.events.push_back(ServerEvent::BufferLength { message_stream, buffer_ms });
            }
            // The reader has acted on Set Chunk Size and Abort. Set Peer Bandwidth limits what we send before an
            // acknowledgement, which TCP does better; the other events are a server's to send.
            _ => {}
        }
        Ok(())
    }

    fn handle_command(&mut self, message_stream: u32, command: Command) -> Result<(), SessionError> {
        match (&self.connection, command) {
            (Connection::New, Command::Connect { transaction, object }) => self.connect(transaction, &object),
            (Connection::New, _) => Err(SessionError::NotConnected),
            (_, Command::CreateStream { transaction }) => match self.streams.create() {
                Some(id) => self.result(transaction, Value::Number(f64::from(id))),
                None => self.refuse(transaction, "too many message streams"),
            },
            (_, Command::CheckBandwidth { transaction }) => self.result(transaction, Value::Undefined),
            (_, Command::Connect { transaction, .. }) => self.refuse(transaction, "already connected"),
            // Answers to our own calls, of which there are none that matter.
            (_, Command::Result(_) | Command::Error(_) | Command::OnStatus(_)) => self.count_refused(),
            (_, Command::Other { procedure, transaction, .. }) => {
                let name: String = procedure.chars().take(64).collect();
                self.refuse(transaction, &format!("{name:?} is not known here"))
            }
            (_, command) => self.handle_stream_command(message_stream, command),
        }
    }

    fn connect(&mut self, transaction: f64, object: &Value) -> Result<(), SessionError> {
        let info = Box::new(ConnectInfo::from_object(object));
        let fits = info.fits();
        if !fits {
            self.connection = Connection::Asked { transaction, info };
            return self.reject_connect(
                codes::CONNECT_INVALID_APP,
                "The application's name is too long.",
                None,
            );
        }
        self.events.push_back(ServerEvent::Connected(info.clone()));
        self.connection = Connection::Asked { transaction, info };
        if self.options.confirm_connect { Ok(()) } else { self.accept_connect() }
    }

    /// `_result` with one value, unless the peer wants no answer.
    fn result(&mut self, transaction: f64, value: Value) -> Result<(), SessionError> {
        if transaction != 0.0 {
            let answer = Answer { transaction, object: Value::Null, values: vec![value] };
            self.outbox.command(0, &Command::Result(answer))?;
        }
        Ok(())
    }

    /// `_error`, unless the peer wants no answer; counted.
    fn refuse(&mut self, transaction: f64, description: &str) -> Result<(), SessionError> {
        if transaction != 0.0 {
            let status = Status::error(codes::CALL_FAILED, description);
            let answer = Answer { transaction, object: Value::Null, values: vec![status.to_info()] };
            self.outbox.command(0, &Command::Error(answer))?;
        }
        self.count_refused()
    }

    fn count_refused(&mut self) -> Result<(), SessionError> {
        self.refused_commands += 1;
        if self.refused_commands > MAX_REFUSED_COMMANDS {
            return Err(SessionError::TooManyRefusedCommands { max: MAX_REFUSED_COMMANDS });
        }
        Ok(())
    }
}
