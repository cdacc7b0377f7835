//! Messages of a session on their way out, always whole and always at the session's chunk size.

use bytes::{Bytes, BytesMut};
use streamer_core::container::flv::amf0::{self, Value};

use super::chunk::{ChunkError, ChunkSize, MessageHeader, MessageKind, write_message};
use super::command::Command;
use super::message::{COMMAND_CHUNK_STREAM, ControlMessage, DATA_CHUNK_STREAM};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    chunk_size: ChunkSize,
    bytes: BytesMut,
}

impl Outbox {
    /// Bytes waiting.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what waits, and keeps no room for more: a session that is done talking costs no buffer.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        (!self.bytes.is_empty()).then(|| std::mem::take(&mut self.bytes).freeze())
    }

    /// The chunk size announced.
    pub(super) fn chunk_size(&self) -> ChunkSize {
        self.chunk_size
    }

    /// Appends bytes that are no messages: the handshake.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn control(&mut self, control: ControlMessage) -> Result<(), ChunkError> {
        control.write(self.chunk_size, &mut self.bytes)?;
        if let ControlMessage::SetChunkSize(chunk_size) = control {
            self.chunk_size = chunk_size;
        }
        Ok(())
    }

    pub(super) fn message(&mut self, header: &MessageHeader, payload: &[u8]) -> Result<(), ChunkError> {
        write_message(header, payload, self.chunk_size, &mut self.bytes)
    }

    pub(super) fn command(&mut self, message_stream: u32, command: &Command) -> Result<(), ChunkError> {
        let header = MessageHeader {
            chunk_stream: COMMAND_CHUNK_STREAM,
            message_stream,
            kind: MessageKind::CommandAmf0,
            timestamp_ms: 0,
        };
        write_message(&header, &command.encode(), self.chunk_size, &mut self.bytes)
    }

    pub(super) fn data(&mut self, message_stream: u32, values: &[Value]) -> Result<(), ChunkError> {
        let header = MessageHeader {
            chunk_stream: DATA_CHUNK_STREAM,
            message_stream,
            kind: MessageKind::DataAmf0,
            timestamp_ms: 0,
        };
        write_message(&header, &amf0::encode_all(values), self.chunk_size, &mut self.bytes)
    }
}
