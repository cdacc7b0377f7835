//! Message streams: who publishes or plays on which, the commands about it and the owner's verdicts
//! (RTMP 1.0 section 7.2.2).

use streamer_core::container::flv::amf0::Value;

use super::super::chunk::ReaderLimits;
use super::super::command::{Command, NamedCall};
use super::super::message::{ControlMessage, UserControl};
use super::super::status::{Status, codes};
use super::super::stream_name::{MAX_NAME_BYTES, StreamAddress};
use super::event::{PlayRequest, PublishRequest, ServerEvent};
use super::options::{MAX_MESSAGE_STREAMS, SessionError};
use super::{Connection, ServerSession};

/// Why a play ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayEnd<'a> {
    /// The publisher went and is not waited for.
    Unpublished,
    /// A recording was played to its end.
    Complete,
    /// The server ends it: a player that is kicked or too slow.
    Failed {
        /// A sentence for people.
        description: &'a str,
    },
}

/// What a player is told while its play goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayNotice {
    /// The publisher went and is waited for.
    Dry,
    /// The publisher came back.
    Published,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    PublishAsked,
    Publishing,
    PlayAsked { reset: bool },
    Playing,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    state: State,
}

/// The message streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Vec<Stream>,
}

impl Streams {
    /// Opens the lowest id that is free, from 1; `None` when there are too many.
    pub(super) fn create(&mut self) -> Option<u32> {
        if self.open.len() >= MAX_MESSAGE_STREAMS {
            return None;
        }
        let id = (1..).find(|id| self.open.iter().all(|stream| stream.id != *id))?;
        self.open.push(Stream { id, state: State::Idle });
        Some(id)
    }

    /// The publish that media on message stream `id` belongs to. Lax senders leave media on 0, where it belongs to
    /// the one publish there is.
    pub(super) fn publish_of(&self, id: u32) -> Option<u32> {
        if id == 0 { self.publishing() } else { (self.state(id) == Some(State::Publishing)).then_some(id) }
    }

    pub(super) fn publish_waits(&self) -> bool {
        self.open.iter().any(|stream| stream.state == State::PublishAsked)
    }

    fn state(&self, id: u32) -> Option<State> {
        self.open.iter().find(|stream| stream.id == id).map(|stream| stream.state)
    }

    fn set(&mut self, id: u32, state: State) {
        if let Some(stream) = self.open.iter_mut().find(|stream| stream.id == id) {
            stream.state = state;
        }
    }

    fn delete(&mut self, id: u32) {
        self.open.retain(|stream| stream.id != id);
    }

    fn publishing(&self) -> Option<u32> {
        self.open.iter().find(|stream| stream.state == State::Publishing).map(|stream| stream.id)
    }
}

impl ServerSession {
    /// Accepts a publish: media of this message stream becomes events, and messages may be as long as the format
    /// allows.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when no publish is asked for there.
    pub fn accept_publish(&mut self, message_stream: u32) -> Result<(), SessionError> {
        self.expect(message_stream, |state| state == State::PublishAsked)?;
        self.reader.set_limits(ReaderLimits::PUBLISHING);
        self.streams.set(message_stream, State::Publishing);
        self.outbox.control(ControlMessage::User(UserControl::StreamBegin(message_stream)))?;
        self.status(message_stream, Status::new(codes::PUBLISH_START, "Publishing begins."))
    }

    /// Refuses a publish with a code of [`codes`], such as [`codes::PUBLISH_BAD_NAME`].
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when no publish is asked for there.
    pub fn reject_publish(
        &mut self,
        message_stream: u32,
        code: &str,
        text: &str,
    ) -> Result<(), SessionError> {
        self.expect(message_stream, |state| state == State::PublishAsked)?;
        self.streams.set(message_stream, State::Idle);
        self.status(message_stream, Status::error(code, text))
    }

    /// Ends an accepted publish with a code of [`codes`], such as [`codes::PUBLISH_REJECTED`]. Media that still
    /// comes is dropped.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when nothing is published there.
    pub fn end_publish(&mut self, message_stream: u32, code: &str, text: &str) -> Result<(), SessionError> {
        self.expect(message_stream, |state| state == State::Publishing)?;
        self.streams.set(message_stream, State::Idle);
        self.status(message_stream, Status::error(code, text))
    }

    /// Accepts a play; media may be written behind the output that this makes.
    ///
    /// `NetStream.Data.Start`, which Flash Media Server sends here too, is left out: it tells players nothing, and
    /// FFmpeg makes an empty data stream of it.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when no play is asked for there.
    pub fn accept_play(&mut self, message_stream: u32) -> Result<(), SessionError> {
        let Some(State::PlayAsked { reset }) = self.streams.state(message_stream) else {
            return Err(SessionError::WrongState { message_stream });
        };
        self.streams.set(message_stream, State::Playing);
        self.outbox.control(ControlMessage::User(UserControl::StreamBegin(message_stream)))?;
        if reset {
            self.status(message_stream, Status::new(codes::PLAY_RESET, "Playing and resetting the stream."))?;
        }
        self.status(message_stream, Status::new(codes::PLAY_START, "Playing begins."))?;
        let access = ["|RtmpSampleAccess".into(), Value::Boolean(true), Value::Boolean(true)];
        Ok(self.outbox.data(message_stream, &access)?)
    }

    /// Refuses a play with a code of [`codes`], such as [`codes::PLAY_STREAM_NOT_FOUND`].
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when no play is asked for there.
    pub fn reject_play(&mut self, message_stream: u32, code: &str, text: &str) -> Result<(), SessionError> {
        self.expect(message_stream, |state| matches!(state, State::PlayAsked { .. }))?;
        self.streams.set(message_stream, State::Idle);
        self.status(message_stream, Status::error(code, text))
    }

    /// Ends a play, by all the signs that players look for.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when nothing is played there.
    pub fn end_play(&mut self, message_stream: u32, end: PlayEnd<'_>) -> Result<(), SessionError> {
        self.expect(message_stream, |state| state == State::Playing)?;
        self.streams.set(message_stream, State::Idle);
        match end {
            PlayEnd::Unpublished => {
                let status = Status::new(codes::PLAY_UNPUBLISH_NOTIFY, "The publisher went.");
                self.status(message_stream, status)?;
            }
            PlayEnd::Complete => {
                let status = Status::new(codes::PLAY_COMPLETE, "Played to the end.");
                self.outbox.data(message_stream, &["onPlayStatus".into(), status.to_info()])?;
            }
            PlayEnd::Failed { description } => {
                return self.status(message_stream, Status::error(codes::PLAY_FAILED, description));
            }
        }
        self.outbox.control(ControlMessage::User(UserControl::StreamEof(message_stream)))?;
        self.status(message_stream, Status::new(codes::PLAY_STOP, "Playing ends."))
    }

    /// Tells a player that its publisher went or came back.
    ///
    /// # Errors
    /// [`SessionError::WrongState`] when nothing is played there.
    pub fn notify_play(&mut self, message_stream: u32, notice: PlayNotice) -> Result<(), SessionError> {
        self.expect(message_stream, |state| state == State::Playing)?;
        match notice {
            PlayNotice::Dry => {
                Ok(self.outbox.control(ControlMessage::User(UserControl::StreamDry(message_stream)))?)
            }
            PlayNotice::Published => {
                self.outbox.control(ControlMessage::User(UserControl::StreamBegin(message_stream)))?;
                let status = Status::new(codes::PLAY_PUBLISH_NOTIFY, "The publisher is back.");
                self.status(message_stream, status)
            }
        }
    }

    /// Handles the commands about message streams.
    pub(super) fn handle_stream_command(&mut self, on: u32, command: Command) -> Result<(), SessionError> {
        match command {
            Command::Named { call, transaction, name } => self.handle_named(call, transaction, &name),
            Command::Publish { name, kind, .. } => {
                let Some(StreamAddress { app, name, query }) = self.address(on, &name)? else {
                    return Ok(());
                };
                self.streams.set(on, State::PublishAsked);
                let request = PublishRequest { message_stream: on, app, name, query, kind };
                self.events.push_back(ServerEvent::Publish(request));
                Ok(())
            }
            Command::Play { name, start, duration, reset, .. } => {
                // A play on a stream that plays switches it over.
                if matches!(self.streams.state(on), Some(State::Playing | State::PlayAsked { .. })) {
                    self.close(on, false)?;
                }
                let Some(StreamAddress { app, name, query }) = self.address(on, &name)? else {
                    return Ok(());
                };
                self.streams.set(on, State::PlayAsked { reset });
                let request = PlayRequest { message_stream: on, app, name, query, start, duration, reset };
                self.events.push_back(ServerEvent::Play(request));
                Ok(())
            }
            Command::Play2 { .. } => {
                self.status(on, Status::error(codes::PLAY_FAILED, "There is one rendition of each stream."))?;
                self.count_refused()
            }
            Command::Pause { pause, position_ms, .. } => self.pause(on, pause, position_ms),
            Command::Seek { .. } => {
                self.status(on, Status::error(codes::SEEK_FAILED, "A live stream cannot seek."))?;
                self.count_refused()
            }
            Command::ReceiveAudio { receive } => {
                self.events.push_back(ServerEvent::ReceiveAudio { message_stream: on, receive });
                self.answer_receive(on, receive)
            }
            Command::ReceiveVideo { receive } => {
                self.events.push_back(ServerEvent::ReceiveVideo { message_stream: on, receive });
                self.answer_receive(on, receive)
            }
            Command::CloseStream { .. } => self.close(on, true),
            Command::DeleteStream { message_stream, .. } => {
                self.close(message_stream, false)?;
                self.streams.delete(message_stream);
                Ok(())
            }
            // All others are handled before.
            _ => Ok(()),
        }
    }

    fn handle_named(&mut self, call: NamedCall, transaction: f64, name: &str) -> Result<(), SessionError> {
        let notice = match call {
            NamedCall::ReleaseStream => return self.result(transaction, Value::Undefined),
            NamedCall::GetStreamLength => return self.result(transaction, Value::Number(0.0)),
            NamedCall::FcPublish => ("onFCPublish", codes::PUBLISH_START),
            NamedCall::FcUnpublish => ("onFCUnpublish", codes::UNPUBLISH_SUCCESS),
            NamedCall::FcSubscribe => ("onFCSubscribe", codes::PLAY_START),
        };
        self.result(transaction, Value::Undefined)?;
        let name: String = name.chars().take(MAX_NAME_BYTES / 4).collect();
        let status = Status::new(notice.1, &name);
        let arguments = vec![Value::Null, status.to_info()];
        self.outbox
            .command(0, &Command::Other { procedure: notice.0.to_owned(), transaction: 0.0, arguments })?;
        // It says which name, not which message stream; a connection has one publish in practice.
        match (call, self.streams.publishing()) {
            (NamedCall::FcUnpublish, Some(id)) => self.close(id, true),
            _ => Ok(()),
        }
    }

    /// The stream that a name on an idle message stream means; `None` when it was refused.
    fn address(&mut self, on: u32, name: &str) -> Result<Option<StreamAddress>, SessionError> {
        let Connection::Open(info) = &self.connection else { return Ok(None) };
        if self.streams.state(on) != Some(State::Idle) {
            self.status(on, Status::error(codes::STREAM_FAILED, "The message stream is not free for this."))?;
            self.count_refused()?;
            return Ok(None);
        }
        if name.len() > MAX_NAME_BYTES {
            self.status(on, Status::error(codes::STREAM_FAILED, "The stream name is too long."))?;
            self.count_refused()?;
            return Ok(None);
        }
        Ok(Some(StreamAddress::new(&info.app_as_sent, &info.tc_url, name)))
    }

    fn pause(&mut self, on: u32, paused: bool, position_ms: f64) -> Result<(), SessionError> {
        if self.streams.state(on) != Some(State::Playing) {
            return self.count_refused();
        }
        self.events.push_back(ServerEvent::Paused { message_stream: on, paused, position_ms });
        if paused {
            self.status(on, Status::new(codes::PAUSE_NOTIFY, "Paused."))?;
            Ok(self.outbox.control(ControlMessage::User(UserControl::StreamEof(on)))?)
        } else {
            self.outbox.control(ControlMessage::User(UserControl::StreamBegin(on)))?;
            self.status(on, Status::new(codes::UNPAUSE_NOTIFY, "Going on."))
        }
    }

    /// Wanting something again is answered, not wanting it is not (RTMP 1.0 sections 7.2.2.4 and 7.2.2.5).
    fn answer_receive(&mut self, on: u32, receive: bool) -> Result<(), SessionError> {
        if receive && self.streams.state(on) == Some(State::Playing) {
            self.status(on, Status::new(codes::SEEK_NOTIFY, "Going on."))?;
            self.status(on, Status::new(codes::PLAY_START, "Playing begins."))?;
        }
        Ok(())
    }

    /// Ends what goes on on a message stream, if anything does.
    fn close(&mut self, message_stream: u32, announce: bool) -> Result<(), SessionError> {
        match self.streams.state(message_stream) {
            Some(State::Publishing) => {
                self.streams.set(message_stream, State::Idle);
                self.events.push_back(ServerEvent::Unpublished { message_stream });
                if announce {
                    self.status(message_stream, Status::new(codes::UNPUBLISH_SUCCESS, "Publishing ends."))?;
                }
            }
            Some(State::Playing | State::PlayAsked { .. }) => {
                self.streams.set(message_stream, State::Idle);
                self.events.push_back(ServerEvent::StreamClosed { message_stream });
            }
            Some(State::Idle | State::PublishAsked) | None => {}
        }
        Ok(())
    }

    fn status(&mut self, message_stream: u32, status: Status) -> Result<(), SessionError> {
        Ok(self.outbox.command(message_stream, &Command::OnStatus(status))?)
    }

    fn expect(&self, message_stream: u32, wanted: fn(State) -> bool) -> Result<(), SessionError> {
        match self.streams.state(message_stream) {
            Some(state) if wanted(state) => Ok(()),
            _ => Err(SessionError::WrongState { message_stream }),
        }
    }
}
