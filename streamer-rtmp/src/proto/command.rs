//! The commands of `NetConnection` and `NetStream` (RTMP 1.0 section 7.2), typed, in both directions.
//!
//! Beside the commands of the specification there are those that encoders have sent since Flash Media Live Encoder:
//! `releaseStream`, `FCPublish`, `FCUnpublish`, `FCSubscribe`, `getStreamLength` and `_checkbw`.

use bytes::{BufMut, Bytes, BytesMut};
use streamer_core::container::flv::amf0::{self, AmfError, Value};

use super::chunk::MessageKind;
use super::status::Status;

/// One command.
///
/// `transaction` numbers a call so that its answer can name it; 0 asks for no answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// `connect` (7.2.1.1).
    Connect {
        /// The number of the call; 1 by the specification.
        transaction: f64,
        /// The command object: an object or, from lax senders, anything.
        object: Value,
    },
    /// `createStream` (7.2.1.3).
    CreateStream {
        /// The number of the call.
        transaction: f64,
    },
    /// `releaseStream`, `FCPublish`, `FCUnpublish`, `FCSubscribe` or `getStreamLength`.
    Named {
        /// Which of them.
        call: NamedCall,
        /// The number of the call.
        transaction: f64,
        /// The stream name.
        name: String,
    },
    /// `_checkbw`.
    CheckBandwidth {
        /// The number of the call.
        transaction: f64,
    },
    /// `publish` (7.2.2.6).
    Publish {
        /// The number of the call.
        transaction: f64,
        /// The stream name, query string included.
        name: String,
        /// What the server should do with it.
        kind: PublishKind,
    },
    /// `play` (7.2.2.1).
    Play {
        /// The number of the call.
        transaction: f64,
        /// The stream name, query string included.
        name: String,
        /// Where to begin: -2 live or else recorded, -1 live only, else seconds into a recording. Known clients send
        /// thousandfold values. -2 when left out.
        start: f64,
        /// How long to play, negative for to the end. -1 when left out.
        duration: f64,
        /// Whether what was played before is flushed. True when left out.
        reset: bool,
    },
    /// `play2` (7.2.2.2): switch to another rendition.
    Play2 {
        /// The number of the call.
        transaction: f64,
        /// The parameters; `streamName` among them.
        parameters: Value,
    },
    /// `pause` (7.2.2.8), also in its form `pauseRaw`.
    Pause {
        /// The number of the call.
        transaction: f64,
        /// Pause, or go on.
        pause: bool,
        /// Where the client paused, in milliseconds.
        position_ms: f64,
    },
    /// `seek` (7.2.2.7).
    Seek {
        /// The number of the call.
        transaction: f64,
        /// Where to, in milliseconds.
        position_ms: f64,
    },
    /// `receiveAudio` (7.2.2.4).
    ReceiveAudio {
        /// Whether audio is wanted.
        receive: bool,
    },
    /// `receiveVideo` (7.2.2.5).
    ReceiveVideo {
        /// Whether video is wanted.
        receive: bool,
    },
    /// `closeStream`: end what runs on the message stream it is sent on.
    CloseStream {
        /// The number of the call.
        transaction: f64,
    },
    /// `deleteStream` (7.2.2.3).
    DeleteStream {
        /// The number of the call.
        transaction: f64,
        /// The message stream to delete.
        message_stream: u32,
    },
    /// `_result`.
    Result(Answer),
    /// `_error`.
    Error(Answer),
    /// `onStatus` (7.2.2).
    OnStatus(Status),
    /// Any other call.
    Other {
        /// The name of the procedure.
        procedure: String,
        /// The number of the call.
        transaction: f64,
        /// Command object and arguments.
        arguments: Vec<Value>,
    },
}

/// A call whose one argument is a stream name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedCall {
    /// `releaseStream`: give up a publish that a lost connection left behind.
    ReleaseStream,
    /// `FCPublish`: announces a publish.
    FcPublish,
    /// `FCUnpublish`: announces its end.
    FcUnpublish,
    /// `FCSubscribe`: announces a play.
    FcSubscribe,
    /// `getStreamLength`: how long is the recording?
    GetStreamLength,
}

impl NamedCall {
    const ALL: [(&'static str, Self); 5] = [
        ("releaseStream", Self::ReleaseStream),
        ("FCPublish", Self::FcPublish),
        ("FCUnpublish", Self::FcUnpublish),
        ("FCSubscribe", Self::FcSubscribe),
        ("getStreamLength", Self::GetStreamLength),
    ];

    /// The name of the procedure.
    pub fn procedure(self) -> &'static str {
        match self {
            Self::ReleaseStream => "releaseStream",
            Self::FcPublish => "FCPublish",
            Self::FcUnpublish => "FCUnpublish",
            Self::FcSubscribe => "FCSubscribe",
            Self::GetStreamLength => "getStreamLength",
        }
    }
}

/// What a publisher wants done with its stream (RTMP 1.0 section 7.2.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PublishKind {
    /// Not recorded; also meant by anything that is none of the other two.
    #[default]
    Live,
    /// Recorded to a new file.
    Record,
    /// Recorded behind what is there.
    Append,
}

impl PublishKind {
    fn parse(text: &str) -> Self {
        match text {
            "record" => Self::Record,
            "append" => Self::Append,
            _ => Self::Live,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Record => "record",
            Self::Append => "append",
        }
    }
}

/// The answer to a call: `_result` or `_error` (RTMP 1.0 section 7.2.1.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The number of the call it answers.
    pub transaction: f64,
    /// The command object, null for most.
    pub object: Value,
    /// What else there is: the status of `connect`, the id of `createStream`.
    pub values: Vec<Value>,
}

impl Answer {
    /// The status that an answer to `connect` carries.
    pub fn status(&self) -> Option<Status> {
        self.values.iter().find_map(Status::from_info)
    }
}

/// Why a command cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The body is not AMF.
    #[error("a command that is not AMF: {0}")]
    Amf(#[from] AmfError),
    /// The body does not begin with the name of a procedure.
    #[error("a command without a name")]
    NoName,
}

impl Command {
    /// Reads the body of a command message, AMF0 (type 20) or AMF3 (type 17); `None` for other kinds of message.
    ///
    /// Arguments of the wrong type or left out take their defaults: encoders are free with them.
    ///
    /// # Errors
    /// [`CommandError`] when it is not AMF or has no name.
    pub fn parse(kind: MessageKind, body: &[u8]) -> Result<Option<Self>, CommandError> {
        let values = match kind {
            MessageKind::CommandAmf0 => amf0::decode_all(body)?,
            MessageKind::CommandAmf3 => amf0::decode_all_selected(body)?,
            _ => return Ok(None),
        };
        let mut values = values.into_iter();
        let Some(Value::String(procedure)) = values.next() else { return Err(CommandError::NoName) };
        let transaction = values.next().and_then(|value| value.as_f64()).unwrap_or(0.0);
        let arguments: Vec<Value> = values.collect();
        Ok(Some(Self::from_parts(procedure, transaction, arguments)))
    }

    /// `arguments[0]` is the command object.
    fn from_parts(procedure: String, transaction: f64, arguments: Vec<Value>) -> Self {
        let text = |at: usize| arguments.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |at: usize| arguments.get(at).and_then(Value::as_f64);
        let truth = |at: usize| match arguments.get(at) {
            Some(Value::Boolean(truth)) => Some(*truth),
            Some(Value::Number(number)) => Some(*number != 0.0),
            _ => None,
        };
        if let Some((_, call)) = NamedCall::ALL.iter().find(|(name, _)| *name == procedure) {
            return Self::Named { call: *call, transaction, name: text(1) };
        }
        match procedure.as_str() {
            "connect" => {
                Self::Connect { transaction, object: arguments.into_iter().next().unwrap_or(Value::Null) }
            }
            "createStream" => Self::CreateStream { transaction },
            "_checkbw" => Self::CheckBandwidth { transaction },
            "publish" => Self::Publish { transaction, name: text(1), kind: PublishKind::parse(&text(2)) },
            "play" => Self::Play {
                transaction,
                name: text(1),
                start: number(2).unwrap_or(-2.0),
                duration: number(3).unwrap_or(-1.0),
                reset: truth(4).unwrap_or(true),
            },
            "play2" => {
                Self::Play2 { transaction, parameters: arguments.get(1).cloned().unwrap_or(Value::Null) }
            }
            "pause" | "pauseRaw" => Self::Pause {
                transaction,
                pause: truth(1).unwrap_or(true),
                position_ms: number(2).unwrap_or(0.0),
            },
            "seek" => Self::Seek { transaction, position_ms: number(1).unwrap_or(0.0) },
            "receiveAudio" => Self::ReceiveAudio { receive: truth(1).unwrap_or(true) },
            "receiveVideo" => Self::ReceiveVideo { receive: truth(1).unwrap_or(true) },
            "closeStream" => Self::CloseStream { transaction },
            "deleteStream" => {
                Self::DeleteStream { transaction, message_stream: stream_id(number(1)).unwrap_or(0) }
            }
            "_result" | "_error" => {
                let mut values = arguments.into_iter();
                let object = values.next().unwrap_or(Value::Null);
                let answer = Answer { transaction, object, values: values.collect() };
                if procedure == "_result" { Self::Result(answer) } else { Self::Error(answer) }
            }
            "onStatus" => match arguments.iter().find_map(Status::from_info) {
                Some(status) => Self::OnStatus(status),
                None => Self::Other { procedure, transaction, arguments },
            },
            _ => Self::Other { procedure, transaction, arguments },
        }
    }

    /// The body of the command in AMF0 (message type 20).
    pub fn encode(&self) -> Bytes {
        let call = |procedure: &str, transaction: f64, values: &[Value]| {
            let mut out = BytesMut::with_capacity(64);
            amf0::encode(&Value::from(procedure), &mut out);
            amf0::encode(&Value::Number(transaction), &mut out);
            for value in values {
                amf0::encode(value, &mut out);
            }
            out.freeze()
        };
        let number = Value::Number;
        match self {
            Self::Connect { transaction, object } => {
                call("connect", *transaction, std::slice::from_ref(object))
            }
            Self::CreateStream { transaction } => call("createStream", *transaction, &[Value::Null]),
            Self::Named { call: named, transaction, name } => {
                call(named.procedure(), *transaction, &[Value::Null, name.as_str().into()])
            }
            Self::CheckBandwidth { transaction } => call("_checkbw", *transaction, &[Value::Null]),
            Self::Publish { transaction, name, kind } => {
                call("publish", *transaction, &[Value::Null, name.as_str().into(), kind.as_str().into()])
            }
            Self::Play { transaction, name, start, duration, reset } => {
                let values = [
                    Value::Null,
                    name.as_str().into(),
                    number(*start),
                    number(*duration),
                    Value::Boolean(*reset),
                ];
                call("play", *transaction, &values)
            }
            Self::Play2 { transaction, parameters } => {
                call("play2", *transaction, &[Value::Null, parameters.clone()])
            }
            Self::Pause { transaction, pause, position_ms } => {
                call("pause", *transaction, &[Value::Null, (*pause).into(), number(*position_ms)])
            }
            Self::Seek { transaction, position_ms } => {
                call("seek", *transaction, &[Value::Null, number(*position_ms)])
            }
            Self::ReceiveAudio { receive } => call("receiveAudio", 0.0, &[Value::Null, (*receive).into()]),
            Self::ReceiveVideo { receive } => call("receiveVideo", 0.0, &[Value::Null, (*receive).into()]),
            Self::CloseStream { transaction } => call("closeStream", *transaction, &[Value::Null]),
            Self::DeleteStream { transaction, message_stream } => {
                call("deleteStream", *transaction, &[Value::Null, number(f64::from(*message_stream))])
            }
            Self::Result(answer) | Self::Error(answer) => {
                let procedure = if matches!(self, Self::Result(_)) { "_result" } else { "_error" };
                let mut values = vec![answer.object.clone()];
                values.extend(answer.values.iter().cloned());
                call(procedure, answer.transaction, &values)
            }
            Self::OnStatus(status) => call("onStatus", 0.0, &[Value::Null, status.to_info()]),
            Self::Other { procedure, transaction, arguments } => call(procedure, *transaction, arguments),
        }
    }
}

/// A message stream id sent as a number; `None` when it is none.
pub(super) fn stream_id(number: Option<f64>) -> Option<u32> {
    // Checked to be a whole number in range, so the cast keeps the value.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    number.filter(|id| id.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(id)).map(|id| id as u32)
}

/// The body of a data message (type 15) as AMF0 (type 18).
///
/// # Errors
/// [`AmfError`] when it is not AMF.
pub fn data_to_amf0(body: &[u8]) -> Result<Bytes, AmfError> {
    let mut out = BytesMut::with_capacity(body.len());
    for value in &amf0::decode_all_selected(body)? {
        amf0::encode(value, &mut out);
    }
    Ok(out.freeze())
}

/// The body of a command message as AMF3 (type 17): a format selector of zero and the AMF0 body, which that format
/// allows (RTMP 1.0 section 7.1.1).
pub fn command_to_amf3(body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + body.len());
    out.put_u8(0);
    out.put_slice(body);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::status::codes;
    use super::*;
    use proptest::prelude::*;

    fn all() -> Vec<Command> {
        let name = || "cam?token=1".to_owned();
        let mut all = vec![
            Command::Connect {
                transaction: 1.0,
                object: Value::Object(vec![("app".to_owned(), Value::from("live"))]),
            },
            Command::CreateStream { transaction: 4.0 },
            Command::CheckBandwidth { transaction: 5.0 },
            Command::Publish { transaction: 6.0, name: name(), kind: PublishKind::Append },
            Command::Publish { transaction: 6.0, name: name(), kind: PublishKind::Record },
            Command::Publish { transaction: 6.0, name: name(), kind: PublishKind::Live },
            Command::Play { transaction: 0.0, name: name(), start: -1.0, duration: 5.0, reset: false },
            Command::Play2 { transaction: 0.0, parameters: Value::Object(vec![]) },
            Command::Pause { transaction: 0.0, pause: false, position_ms: 500.0 },
            Command::Seek { transaction: 0.0, position_ms: 1000.0 },
            Command::ReceiveAudio { receive: false },
            Command::ReceiveVideo { receive: true },
            Command::CloseStream { transaction: 0.0 },
            Command::DeleteStream { transaction: 0.0, message_stream: 3 },
            Command::Result(Answer {
                transaction: 4.0,
                object: Value::Null,
                values: vec![Value::Number(1.0)],
            }),
            Command::Error(Answer { transaction: 1.0, object: Value::Null, values: vec![] }),
            Command::OnStatus(Status::error(codes::PUBLISH_BAD_NAME, "taken").with("clientid", 7.0)),
            Command::Other { procedure: "custom".to_owned(), transaction: 9.0, arguments: vec![Value::Null] },
        ];
        all.extend(NamedCall::ALL.map(|(_, call)| Command::Named { call, transaction: 2.0, name: name() }));
        all
    }

    #[test]
    fn what_is_encoded_is_parsed_in_amf0_and_amf3() {
        for command in all() {
            let body = command.encode();
            assert_eq!(Command::parse(MessageKind::CommandAmf0, &body), Ok(Some(command.clone())));
            let body = command_to_amf3(&body);
            assert_eq!(Command::parse(MessageKind::CommandAmf3, &body), Ok(Some(command)));
        }
    }

    #[test]
    fn arguments_left_out_take_their_defaults() {
        let body =
            Command::Other { procedure: "play".to_owned(), transaction: 0.0, arguments: vec![] }.encode();
        let expected =
            Command::Play { transaction: 0.0, name: String::new(), start: -2.0, duration: -1.0, reset: true };
        assert_eq!(Command::parse(MessageKind::CommandAmf0, &body), Ok(Some(expected)));
        let body = Command::Other {
            procedure: "play".to_owned(),
            transaction: 0.0,
            arguments: vec![Value::Null, "x".into(), (-1000.0).into(), Value::Null, 0.0.into()],
        };
        let expected = Command::Play {
            transaction: 0.0,
            name: "x".to_owned(),
            start: -1000.0,
            duration: -1.0,
            reset: false,
        };
        assert_eq!(Command::parse(MessageKind::CommandAmf0, &body.encode()), Ok(Some(expected)));
    }

    #[test]
    fn the_status_of_an_answer_is_the_object_with_a_code() {
        let status = Status::new(codes::CONNECT_SUCCESS, "yes").with("objectEncoding", 0.0);
        let answer =
            Answer { transaction: 1.0, object: Value::Object(vec![]), values: vec![status.to_info()] };
        assert_eq!(answer.status(), Some(status));
        assert_eq!(Status::from_info(&Value::Object(vec![("level".to_owned(), Value::Null)])), None);
    }

    #[test]
    fn message_stream_ids_are_whole_numbers() {
        assert_eq!(stream_id(Some(1.0)), Some(1));
        for odd in [-1.0, 0.5, f64::NAN, f64::INFINITY, 4_294_967_296.0] {
            assert_eq!(stream_id(Some(odd)), None);
        }
    }

    #[test]
    fn commands_need_a_name_and_amf() {
        assert_eq!(Command::parse(MessageKind::CommandAmf0, &[]), Err(CommandError::NoName));
        assert_eq!(Command::parse(MessageKind::CommandAmf0, &[5]), Err(CommandError::NoName));
        assert!(matches!(Command::parse(MessageKind::CommandAmf0, &[0xff]), Err(CommandError::Amf(_))));
        assert_eq!(Command::parse(MessageKind::Video, &[0xff]), Ok(None));
    }

    #[test]
    fn data_of_amf3_becomes_amf0() {
        let mut body = BytesMut::from(&[0u8][..]);
        amf0::encode(&"onMetaData".into(), &mut body);
        let switched = body.len();
        // AMF3 integer 7 behind the switch marker.
        body.extend_from_slice(&[0x11, 0x04, 0x07]);
        let converted = data_to_amf0(&body).unwrap();
        assert_eq!(converted[..switched - 1], body[1..switched]);
        assert_eq!(amf0::decode_all(&converted).unwrap()[1], Value::Number(7.0));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200), amf3: bool) {
            let kind = if amf3 { MessageKind::CommandAmf3 } else { MessageKind::CommandAmf0 };
            let _ = Command::parse(kind, &body);
            let _ = data_to_amf0(&body);
        }
    }
}
