//! Media messages as sessions hand them out.

use bytes::Bytes;
use streamer_core::container::flv::amf0::AmfError;

use super::chunk::{Message, MessageKind};
use super::command::data_to_amf0;
use super::message::{AUDIO_CHUNK_STREAM, DATA_CHUNK_STREAM, VIDEO_CHUNK_STREAM};

/// What a media message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaMessageKind {
    /// The body of an FLV audio tag.
    Audio,
    /// The body of an FLV video tag.
    Video,
    /// Data in AMF0, such as `@setDataFrame` and `onMetaData`; AMF3 has been converted.
    Data,
}

impl MediaMessageKind {
    /// The kind of message to send it as.
    pub fn message_kind(self) -> MessageKind {
        match self {
            Self::Audio => MessageKind::Audio,
            Self::Video => MessageKind::Video,
            Self::Data => MessageKind::DataAmf0,
        }
    }

    /// The chunk stream to send it on.
    pub fn chunk_stream(self) -> u32 {
        match self {
            Self::Audio => AUDIO_CHUNK_STREAM,
            Self::Video => VIDEO_CHUNK_STREAM,
            Self::Data => DATA_CHUNK_STREAM,
        }
    }
}

/// One media message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaMessage {
    /// The message stream.
    pub message_stream: u32,
    /// What it carries.
    pub kind: MediaMessageKind,
    /// Milliseconds since the sender's epoch, unwrapped to 64 bits.
    pub timestamp_ms: i64,
    /// The body, never empty.
    pub payload: Bytes,
}

impl MediaMessage {
    /// Takes a message for media; `None` where it is none or is empty: Flash sends empty audio in silence.
    ///
    /// # Errors
    /// [`AmfError`] when data in AMF3 cannot be converted.
    pub(super) fn from_message(message: Message) -> Result<Option<Self>, AmfError> {
        let Message { message_stream, timestamp_ms, payload, .. } = message;
        let (kind, payload) = match message.kind {
            MessageKind::Audio => (MediaMessageKind::Audio, payload),
            MessageKind::Video => (MediaMessageKind::Video, payload),
            MessageKind::DataAmf0 => (MediaMessageKind::Data, payload),
            MessageKind::DataAmf3 => (MediaMessageKind::Data, data_to_amf0(&payload)?),
            _ => return Ok(None),
        };
        Ok((!payload.is_empty()).then_some(Self { message_stream, kind, timestamp_ms, payload }))
    }
}
