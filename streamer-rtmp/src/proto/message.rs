//! The control messages: protocol control (RTMP 1.0 section 5.4) and user control (section 7.1.7).

use bytes::{BufMut, BytesMut};

use super::chunk::{ChunkError, ChunkSize, Message, MessageHeader, MessageKind, write_message};

/// The chunk stream of protocol control (RTMP 1.0 section 5.4).
pub const CONTROL_CHUNK_STREAM: u32 = 2;

/// The chunk stream that commands are sent on here; the specification leaves the choice.
pub const COMMAND_CHUNK_STREAM: u32 = 3;

/// The chunk stream that audio is sent on here.
pub const AUDIO_CHUNK_STREAM: u32 = 4;

/// The chunk stream that data messages are sent on here.
pub const DATA_CHUNK_STREAM: u32 = 5;

/// The chunk stream that video is sent on here.
pub const VIDEO_CHUNK_STREAM: u32 = 6;

/// A message about the connection itself, always on message stream 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlMessage {
    /// Set Chunk Size (5.4.1): the largest chunk of what the sender sends from now on.
    SetChunkSize(ChunkSize),
    /// Abort Message (5.4.2): drop the unfinished message of this chunk stream.
    Abort {
        /// The chunk stream.
        chunk_stream: u32,
    },
    /// Acknowledgement (5.4.3): bytes received so far, modulo 2^32.
    Acknowledgement {
        /// The count.
        sequence: u32,
    },
    /// Window Acknowledgement Size (5.4.4): how many bytes the sender sends between two acknowledgements.
    WindowAckSize {
        /// Bytes.
        bytes: u32,
    },
    /// Set Peer Bandwidth (5.4.5): a wish about the window of the receiver.
    SetPeerBandwidth {
        /// Bytes.
        bytes: u32,
        /// How strictly it is meant.
        limit: BandwidthLimit,
    },
    /// User Control (7.1.7).
    User(UserControl),
}

/// How Set Peer Bandwidth is meant (RTMP 1.0 section 5.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandwidthLimit {
    /// 0: limit to the window given.
    Hard,
    /// 1: limit to the smaller of this and the one in effect.
    Soft,
    /// 2, and whatever else is sent: like hard when the last one was hard, else nothing.
    Dynamic,
}

/// A user control event (RTMP 1.0 section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserControl {
    /// 0: the message stream is ready for use.
    StreamBegin(u32),
    /// 1: the playback on this message stream is over.
    StreamEof(u32),
    /// 2: no data on this message stream for now.
    StreamDry(u32),
    /// 3: how much the client buffers.
    SetBufferLength {
        /// The message stream.
        message_stream: u32,
        /// Milliseconds.
        buffer_ms: u32,
    },
    /// 4: what is played on this message stream is a recording.
    StreamIsRecorded(u32),
    /// 6: are you there? With the sender's time in milliseconds.
    PingRequest(u32),
    /// 7: yes; the time of the request.
    PingResponse(u32),
    /// Anything else; peers use numbers of their own and expect them to be ignored.
    Other(u16),
}

/// A control message shorter than its fields or with a value that is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The body is shorter than its fields.
    #[error("a control message of type {kind} with a body of {len} bytes")]
    Short {
        /// The message type id.
        kind: u8,
        /// The length received.
        len: usize,
    },
    /// Set Chunk Size of zero or with its top bit set (RTMP 1.0 section 5.4.1).
    #[error("a chunk size of {value}")]
    InvalidChunkSize {
        /// The value received.
        value: u32,
    },
}

impl ControlMessage {
    /// Reads a control message; `None` when `message` is of another kind.
    ///
    /// # Errors
    /// [`MessageError`] when the body is too short or out of range.
    pub fn parse(message: &Message) -> Result<Option<Self>, MessageError> {
        let body = &message.payload[..];
        let short = MessageError::Short { kind: message.kind.id(), len: body.len() };
        let first = || u32_at(body, 0).ok_or(short);
        Ok(Some(match message.kind {
            MessageKind::SetChunkSize => {
                let value = first()?;
                Self::SetChunkSize(ChunkSize::new(value).ok_or(MessageError::InvalidChunkSize { value })?)
            }
            MessageKind::Abort => Self::Abort { chunk_stream: first()? },
            MessageKind::Acknowledgement => Self::Acknowledgement { sequence: first()? },
            MessageKind::WindowAckSize => Self::WindowAckSize { bytes: first()? },
            MessageKind::SetPeerBandwidth => {
                let limit = match body.get(4) {
                    Some(0) => BandwidthLimit::Hard,
                    Some(1) => BandwidthLimit::Soft,
                    _ => BandwidthLimit::Dynamic,
                };
                Self::SetPeerBandwidth { bytes: first()?, limit }
            }
            MessageKind::UserControl => Self::User(UserControl::parse(body).ok_or(short)?),
            _ => return Ok(None),
        }))
    }

    /// Appends the whole message, chunked, to `out`.
    ///
    /// # Errors
    /// None that these small messages can cause; the signature is [`write_message`]'s.
    pub fn write(&self, chunk_size: ChunkSize, out: &mut BytesMut) -> Result<(), ChunkError> {
        let mut body = BytesMut::with_capacity(10);
        let kind = match *self {
            Self::SetChunkSize(size) => {
                body.put_u32(size.get());
                MessageKind::SetChunkSize
            }
            Self::Abort { chunk_stream } => {
                body.put_u32(chunk_stream);
                MessageKind::Abort
            }
            Self::Acknowledgement { sequence } => {
                body.put_u32(sequence);
                MessageKind::Acknowledgement
            }
            Self::WindowAckSize { bytes } => {
                body.put_u32(bytes);
                MessageKind::WindowAckSize
            }
            Self::SetPeerBandwidth { bytes, limit } => {
                body.put_u32(bytes);
                body.put_u8(match limit {
                    BandwidthLimit::Hard => 0,
                    BandwidthLimit::Soft => 1,
                    BandwidthLimit::Dynamic => 2,
                });
                MessageKind::SetPeerBandwidth
            }
            Self::User(event) => {
                event.write(&mut body);
                MessageKind::UserControl
            }
        };
        let header =
            MessageHeader { chunk_stream: CONTROL_CHUNK_STREAM, message_stream: 0, kind, timestamp_ms: 0 };
        write_message(&header, &body, chunk_size, out)
    }
}

impl UserControl {
    fn parse(body: &[u8]) -> Option<Self> {
        let event = match body.get(..2) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => return None,
        };
        Some(match event {
            0 => Self::StreamBegin(u32_at(body, 2)?),
            1 => Self::StreamEof(u32_at(body, 2)?),
            2 => Self::StreamDry(u32_at(body, 2)?),
            3 => Self::SetBufferLength { message_stream: u32_at(body, 2)?, buffer_ms: u32_at(body, 6)? },
            4 => Self::StreamIsRecorded(u32_at(body, 2)?),
            6 => Self::PingRequest(u32_at(body, 2)?),
            7 => Self::PingResponse(u32_at(body, 2)?),
            other => Self::Other(other),
        })
    }

    fn write(self, body: &mut BytesMut) {
        let (event, value) = match self {
            Self::StreamBegin(stream) => (0, Some(stream)),
            Self::StreamEof(stream) => (1, Some(stream)),
            Self::StreamDry(stream) => (2, Some(stream)),
            Self::SetBufferLength { message_stream, .. } => (3, Some(message_stream)),
            Self::StreamIsRecorded(stream) => (4, Some(stream)),
            Self::PingRequest(time) => (6, Some(time)),
            Self::PingResponse(time) => (7, Some(time)),
            Self::Other(event) => (event, None),
        };
        body.put_u16(event);
        if let Some(value) = value {
            body.put_u32(value);
        }
        if let Self::SetBufferLength { buffer_ms, .. } = self {
            body.put_u32(buffer_ms);
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::{ChunkReader, ReaderLimits};
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn message(kind: MessageKind, payload: &[u8]) -> Message {
        Message {
            chunk_stream: 2,
            message_stream: 0,
            kind,
            timestamp_ms: 0,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let user = [
            UserControl::StreamBegin(1),
            UserControl::StreamEof(2),
            UserControl::StreamDry(3),
            UserControl::SetBufferLength { message_stream: 1, buffer_ms: 3000 },
            UserControl::StreamIsRecorded(4),
            UserControl::PingRequest(5),
            UserControl::PingResponse(0x0102_0304),
            UserControl::Other(31),
        ];
        let mut all = vec![
            ControlMessage::SetChunkSize(ChunkSize::new(4096).unwrap()),
            ControlMessage::Abort { chunk_stream: 6 },
            ControlMessage::Acknowledgement { sequence: u32::MAX },
            ControlMessage::WindowAckSize { bytes: 2_500_000 },
            ControlMessage::SetPeerBandwidth { bytes: 7, limit: BandwidthLimit::Hard },
            ControlMessage::SetPeerBandwidth { bytes: 7, limit: BandwidthLimit::Soft },
            ControlMessage::SetPeerBandwidth { bytes: 7, limit: BandwidthLimit::Dynamic },
        ];
        all.extend(user.map(ControlMessage::User));
        for control in all {
            let mut out = BytesMut::new();
            control.write(ChunkSize::DEFAULT, &mut out).unwrap();
            let mut reader = ChunkReader::new(ReaderLimits::BEFORE_PUBLISH);
            let message = reader.read(&mut &out[..]).unwrap().unwrap();
            assert_eq!(ControlMessage::parse(&message), Ok(Some(control)));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let mut out = BytesMut::new();
        let control =
            ControlMessage::User(UserControl::SetBufferLength { message_stream: 1, buffer_ms: 0x0bb8 });
        control.write(ChunkSize::DEFAULT, &mut out).unwrap();
        assert_eq!(out[..], [2, 0, 0, 0, 0, 0, 10, 4, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8]);
    }

    #[test]
    fn short_bodies_are_refused_and_other_kinds_left_alone() {
        for kind in [1, 2, 3, 5, 6] {
            let parsed = ControlMessage::parse(&message(MessageKind::from_id(kind), &[0, 0, 1]));
            assert_eq!(parsed, Err(MessageError::Short { kind, len: 3 }));
        }
        let parsed = ControlMessage::parse(&message(MessageKind::UserControl, &[0, 3, 0, 0, 0, 1, 0]));
        assert_eq!(parsed, Err(MessageError::Short { kind: 4, len: 7 }));
        assert_eq!(ControlMessage::parse(&message(MessageKind::Video, &[])), Ok(None));
        let zero = ControlMessage::parse(&message(MessageKind::SetChunkSize, &[0; 4]));
        assert_eq!(zero, Err(MessageError::InvalidChunkSize { value: 0 }));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind: u8, body in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = ControlMessage::parse(&message(MessageKind::from_id(kind), &body));
        }
    }
}
