//! The client's side of an RTMP session, from handshake to media, as a machine without sockets.

use thiserror::Error;

use super::amf::{self, Value};
use super::chunk::{ChunkError, ChunkReader, Control, write_message};
use crate::source::{Arrived, Kind};

/// Bytes of C1, S1, C2 and S2 (5.2.3).
pub(crate) const HANDSHAKE_BYTES: usize = 1536;
/// Chunk size announced by us: what OBS uses.
pub(crate) const CHUNK_SIZE: usize = 4096;

/// What the client is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publish,
    Play,
}

/// Why a session cannot go on.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error("the server answered the handshake with version {version}")]
    Version { version: u8 },
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("the server refused: {status}")]
    Refused { status: String },
    #[error("the server's answer to createStream has no stream number")]
    NoStream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Handshake,
    Connect,
    CreateStream,
    Start,
    Media,
}

/// A session that publishes or plays one stream.
#[derive(Debug)]
pub(crate) struct RtmpClient {
    role: Role,
    app: String,
    stream: String,
    step: Step,
    handshake: Vec<u8>,
    reader: ChunkReader,
    stream_id: u32,
    received: u64,
    acknowledged: u64,
    window: u64,
}

impl RtmpClient {
    /// A session that has not said a word; the first ones are appended to `out`.
    pub(crate) fn new(role: Role, app: &str, stream: &str, out: &mut Vec<u8>) -> Self {
        out.push(3);
        // Time and version zero: the plain handshake (5.2.3). The rest may be any bytes.
        out.extend_from_slice(&[0; 8]);
        out.extend((8..HANDSHAKE_BYTES).map(|index| (index * 31 % 251) as u8));
        Self {
            role,
            app: app.to_owned(),
            stream: stream.to_owned(),
            step: Step::Handshake,
            handshake: Vec::new(),
            reader: ChunkReader::new(),
            stream_id: 0,
            received: 0,
            acknowledged: 0,
            window: 2_500_000,
        }
    }

    /// Whether media may be sent, or is about to arrive.
    pub(crate) fn is_ready(&self) -> bool {
        self.step == Step::Media
    }

    /// The message stream that carries the media.
    pub(crate) fn stream_id(&self) -> u32 {
        self.stream_id
    }

    /// Takes received bytes; appends answers to `out` and shows each media message to `on_media`.
    pub(crate) fn handle_input(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        on_media: &mut dyn FnMut(Arrived<'_>),
    ) -> Result<(), SessionError> {
        self.received += input.len() as u64;
        if self.step == Step::Handshake {
            let wanted = 1 + 2 * HANDSHAKE_BYTES - self.handshake.len();
            let (taken, rest) = input.split_at(wanted.min(input.len()));
            self.handshake.extend_from_slice(taken);
            input = rest;
            if taken.len() < wanted {
                return Ok(());
            }
            self.finish_handshake(out)?;
        }
        while let Some(message) = self.reader.next(&mut input)? {
            if let Some(kind) = Kind::from_tag_type(message.type_id) {
                on_media(Arrived { kind, len: message.len, head: message.head });
                continue;
            }
            // Copied, because the session answers while the reader lends the message.
            let (type_id, body) = (message.type_id, message.head.to_vec());
            self.answer(type_id, &body, out)?;
        }
        if self.received - self.acknowledged >= self.window / 2 {
            self.acknowledged = self.received;
            control(out, Control::ACKNOWLEDGEMENT, self.received as u32);
        }
        Ok(())
    }

    /// Appends the commands with which encoders end what they publish (7.2.2.3 `deleteStream`, and `FCUnpublish` before it).
    pub(crate) fn end_publishing(&self, out: &mut Vec<u8>) {
        let mut body = command("FCUnpublish", 4.0);
        amf::null(&mut body);
        amf::string(&mut body, &self.stream);
        write_message(out, CHUNK_SIZE, (3, Control::COMMAND, 0), 0, &body);
        let mut body = command("deleteStream", 5.0);
        amf::null(&mut body);
        amf::number(&mut body, f64::from(self.stream_id));
        write_message(out, CHUNK_SIZE, (3, Control::COMMAND, 0), 0, &body);
    }

    fn finish_handshake(&mut self, out: &mut Vec<u8>) -> Result<(), SessionError> {
        if self.handshake[0] != 3 {
            return Err(SessionError::Version { version: self.handshake[0] });
        }
        out.extend_from_slice(&self.handshake[1..=HANDSHAKE_BYTES]);
        self.handshake = Vec::new();
        control(out, Control::SET_CHUNK_SIZE, CHUNK_SIZE as u32);
        let url = format!("rtmp://127.0.0.1/{}", self.app);
        let mut body = command("connect", 1.0);
        amf::object(
            &mut body,
            &[
                ("app", Value::String(&self.app)),
                ("flashVer", Value::String("FMLE/3.0 (compatible; fanout-load)")),
                ("tcUrl", Value::String(&url)),
                ("capabilities", Value::Number(15.0)),
                ("audioCodecs", Value::Number(4071.0)),
                ("videoCodecs", Value::Number(252.0)),
            ],
        );
        write_message(out, CHUNK_SIZE, (3, Control::COMMAND, 0), 0, &body);
        self.step = Step::Connect;
        Ok(())
    }

    fn answer(&mut self, type_id: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        match (type_id, body) {
            (Control::WINDOW_ACK_SIZE, &[a, b, c, d]) => {
                self.window = u64::from(u32::from_be_bytes([a, b, c, d]).max(2));
            }
            // Ping request: the same with event type 7 (7.1.7). A server ends clients that do not answer.
            (Control::USER_CONTROL, &[0, 6, a, b, c, d]) => {
                write_message(out, CHUNK_SIZE, (2, Control::USER_CONTROL, 0), 0, &[0, 7, a, b, c, d]);
            }
            (Control::COMMAND, _) => self.handle_command(body, out)?,
            _ => {}
        }
        Ok(())
    }

    fn handle_command(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        let Some((name, rest)) = amf::read_string(body) else { return Ok(()) };
        let Some((_, rest)) = amf::read_number(rest) else { return Ok(()) };
        match (name, self.step) {
            ("_error", _) => return Err(SessionError::Refused { status: printable(rest) }),
            ("_result", Step::Connect) => {
                self.step = Step::CreateStream;
                let mut body = command("createStream", 2.0);
                amf::null(&mut body);
                write_message(out, CHUNK_SIZE, (3, Control::COMMAND, 0), 0, &body);
            }
            ("_result", Step::CreateStream) => {
                let (id, _) = rest.get(1..).and_then(amf::read_number).ok_or(SessionError::NoStream)?;
                self.stream_id = id as u32;
                self.start(out);
            }
            ("onStatus", Step::Start | Step::Media) => {
                let status = printable(rest);
                let refused = ["error", "Failed", "BadName", "StreamNotFound"];
                if refused.iter().any(|word| status.contains(word)) {
                    return Err(SessionError::Refused { status });
                }
                if status.contains(".Start") {
                    self.step = Step::Media;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        self.step = Step::Start;
        let name = if self.role == Role::Publish { "publish" } else { "play" };
        let mut body = command(name, 3.0);
        amf::null(&mut body);
        amf::string(&mut body, &self.stream);
        if self.role == Role::Publish {
            amf::string(&mut body, "live");
        }
        write_message(out, CHUNK_SIZE, (8, Control::COMMAND, self.stream_id), 0, &body);
    }
}

/// The `@setDataFrame` message that describes the stream.
pub(crate) fn metadata() -> Vec<u8> {
    let mut body = Vec::new();
    amf::string(&mut body, "@setDataFrame");
    amf::string(&mut body, "onMetaData");
    amf::object(
        &mut body,
        &[
            ("width", Value::Number(1280.0)),
            ("height", Value::Number(720.0)),
            ("framerate", Value::Number(30.0)),
            ("videocodecid", Value::Number(7.0)),
            ("audiocodecid", Value::Number(10.0)),
            ("audiosamplerate", Value::Number(48_000.0)),
        ],
    );
    body
}

fn command(name: &str, transaction: f64) -> Vec<u8> {
    let mut body = Vec::new();
    amf::string(&mut body, name);
    amf::number(&mut body, transaction);
    body
}

fn control(out: &mut Vec<u8>, type_id: u8, value: u32) {
    write_message(out, CHUNK_SIZE, (2, type_id, 0), 0, &value.to_be_bytes());
}

/// The readable part of an AMF value: enough to tell its words apart and to show it to a person.
fn printable(body: &[u8]) -> String {
    body.iter()
        .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
        .map(|byte| char::from(*byte))
        .collect()
}
