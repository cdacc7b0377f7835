//! The RTMP chunk stream (RTMP 1.0 section 5.3): messages cut into chunks, and put together again.
//!
//! [`ChunkReader`] turns bytes into [`Message`]s, [`write_message`] and [`write_message_slices`] turn a message into
//! bytes without keeping state, so that the bytes made for one viewer serve all of them.

mod header;
mod reader;
mod unwrap;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{
    ChunkReader, MAX_CHUNK_STREAMS, MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES_BEFORE_PUBLISH,
    MAX_PARTIAL_MESSAGES, MAX_PENDING_BYTES, MAX_PENDING_BYTES_BEFORE_PUBLISH, ReaderLimits,
};
pub use unwrap::TimestampUnwrapper;
pub use writer::{MessageHeader, write_message, write_message_slices};

use bytes::Bytes;

/// The lowest chunk stream id (RTMP 1.0 section 5.3.1.1); 2 itself carries protocol control.
pub const MIN_CHUNK_STREAM: u32 = 2;

/// The highest chunk stream id that the three-byte basic header can name (RTMP 1.0 section 5.3.1.1).
pub const MAX_CHUNK_STREAM: u32 = 65_599;

/// The timestamp value that announces an extended timestamp (RTMP 1.0 section 5.3.1.3).
const EXTENDED_TIMESTAMP: u32 = 0x00ff_ffff;

/// The type id of a message (RTMP 1.0 sections 5.4 and 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// 1: Set Chunk Size.
    SetChunkSize,
    /// 2: Abort Message.
    Abort,
    /// 3: Acknowledgement.
    Acknowledgement,
    /// 4: User Control.
    UserControl,
    /// 5: Window Acknowledgement Size.
    WindowAckSize,
    /// 6: Set Peer Bandwidth.
    SetPeerBandwidth,
    /// 8: audio, the body of an FLV audio tag.
    Audio,
    /// 9: video, the body of an FLV video tag.
    Video,
    /// 15: data in AMF3.
    DataAmf3,
    /// 17: command in AMF3.
    CommandAmf3,
    /// 18: data in AMF0.
    DataAmf0,
    /// 20: command in AMF0.
    CommandAmf0,
    /// 22: aggregate of audio, video and data messages.
    Aggregate,
    /// Any other type id: shared objects (16 and 19) and what nobody has defined.
    Other(u8),
}

impl MessageKind {
    /// The kind with this type id.
    pub fn from_id(id: u8) -> Self {
        match id {
            1 => Self::SetChunkSize,
            2 => Self::Abort,
            3 => Self::Acknowledgement,
            4 => Self::UserControl,
            5 => Self::WindowAckSize,
            6 => Self::SetPeerBandwidth,
            8 => Self::Audio,
            9 => Self::Video,
            15 => Self::DataAmf3,
            17 => Self::CommandAmf3,
            18 => Self::DataAmf0,
            20 => Self::CommandAmf0,
            22 => Self::Aggregate,
            other => Self::Other(other),
        }
    }

    /// The type id on the wire.
    pub fn id(self) -> u8 {
        match self {
            Self::SetChunkSize => 1,
            Self::Abort => 2,
            Self::Acknowledgement => 3,
            Self::UserControl => 4,
            Self::WindowAckSize => 5,
            Self::SetPeerBandwidth => 6,
            Self::Audio => 8,
            Self::Video => 9,
            Self::DataAmf3 => 15,
            Self::CommandAmf3 => 17,
            Self::DataAmf0 => 18,
            Self::CommandAmf0 => 20,
            Self::Aggregate => 22,
            Self::Other(other) => other,
        }
    }
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The chunk stream it came on.
    pub chunk_stream: u32,
    /// The message stream it belongs to; 0 is the connection itself.
    pub message_stream: u32,
    /// What it is.
    pub kind: MessageKind,
    /// Milliseconds since an epoch of the sender's choosing, unwrapped from the 32 bits on the wire.
    pub timestamp_ms: i64,
    /// The body.
    pub payload: Bytes,
}

/// The largest payload of one chunk, in bytes: 1 to 16 777 215 (RTMP 1.0 section 5.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkSize(u32);

impl ChunkSize {
    /// What both sides use until told otherwise.
    pub const DEFAULT: Self = Self(128);

    /// The largest size that makes a difference: the largest message.
    pub const MAX: Self = Self(0x00ff_ffff);

    /// The size announced by a peer. Sizes above [`ChunkSize::MAX`] mean the same as it and are clamped to it; zero
    /// and sizes with the top bit set are refused with `None`.
    pub fn new(bytes: u32) -> Option<Self> {
        (bytes != 0 && bytes <= 0x7fff_ffff).then(|| Self(bytes.min(Self::MAX.0)))
    }

    /// The size in bytes.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a chunk stream cannot be read or a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A header leaves out fields that no earlier chunk on this chunk stream has given (RTMP 1.0 section 5.3.1.2).
    #[error("chunk type {format} opens chunk stream {chunk_stream}, which has no earlier header to refer to")]
    MissingHeader {
        /// The chunk stream.
        chunk_stream: u32,
        /// The chunk type, 2 or 3.
        format: u8,
    },
    /// A new message header while a message on the same chunk stream lacks bytes.
    #[error("a new header on chunk stream {chunk_stream} while {missing} bytes of its message are missing")]
    InterruptedMessage {
        /// The chunk stream.
        chunk_stream: u32,
        /// Bytes still to come.
        missing: u32,
    },
    /// A message is declared longer than this connection may send.
    #[error("a message of {len} bytes, more than the {max} allowed")]
    MessageTooLarge {
        /// The declared length.
        len: usize,
        /// The limit in force.
        max: usize,
    },
    /// More chunk streams than a connection may open.
    #[error("more than {max} chunk streams")]
    TooManyChunkStreams {
        /// The limit.
        max: usize,
    },
    /// More messages begun and not finished than a connection may have.
    #[error("more than {max} unfinished messages")]
    TooManyPartialMessages {
        /// The limit.
        max: usize,
    },
    /// The unfinished messages together hold more than a connection may have.
    #[error("unfinished messages of {len} bytes, more than the {max} allowed")]
    TooManyPendingBytes {
        /// The bytes received for unfinished messages.
        len: usize,
        /// The limit in force.
        max: usize,
    },
    /// Set Chunk Size of zero or with its top bit set (RTMP 1.0 section 5.4.1).
    #[error("a chunk size of {value}")]
    InvalidChunkSize {
        /// The value received.
        value: u32,
    },
    /// Set Chunk Size or Abort with a body shorter than 4 bytes.
    #[error("a protocol control message of {len} bytes where 4 are needed")]
    ShortControl {
        /// The length received.
        len: usize,
    },
    /// A chunk stream id outside 2 to 65599, when writing.
    #[error("chunk stream {chunk_stream} does not exist")]
    InvalidChunkStream {
        /// The id asked for.
        chunk_stream: u32,
    },
}
