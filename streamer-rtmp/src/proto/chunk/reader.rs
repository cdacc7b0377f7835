//! From bytes to messages: the receiving half of the chunk stream.

use bytes::Bytes;

use super::header::{BasicHeader, MAX_HEADER_BYTES, MessageFields};
use super::unwrap::TimestampUnwrapper;
use super::{ChunkError, ChunkSize, EXTENDED_TIMESTAMP, Message, MessageKind};

/// The longest message: all that its 24-bit length field can say (RTMP 1.0 section 5.3.1.2.1), one byte short of 16 MiB.
pub const MAX_MESSAGE_BYTES: usize = 0x00ff_ffff;

/// The longest message before a publish is accepted. Commands are all that is due then, and the longest of them
/// carries two names of 64 KiB at most; a stranger gets no more memory than that.
pub const MAX_MESSAGE_BYTES_BEFORE_PUBLISH: usize = 128 * 1024;

/// The most that unfinished messages of one publishing connection hold together: one frame of the largest size
/// interleaved with another.
pub const MAX_PENDING_BYTES: usize = 32 * 1024 * 1024;

/// The most that unfinished messages hold together before a publish is accepted.
pub const MAX_PENDING_BYTES_BEFORE_PUBLISH: usize = 128 * 1024;

/// Chunk streams that one connection may use. Encoders use fewer than ten, multitrack ones some dozens; each one
/// costs about a hundred bytes.
pub const MAX_CHUNK_STREAMS: usize = 256;

/// Messages that may be begun and unfinished at once on one connection. Interleaving exists so that audio need not wait
/// for a key frame; more than a few at a time have no purpose.
pub const MAX_PARTIAL_MESSAGES: usize = 32;

/// A payload buffer starts no larger than this, whatever length the header declares, and then doubles.
const FIRST_ALLOCATION_BYTES: usize = 4096;

/// How much a peer may make the reader hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// The longest message, in bytes of payload.
    pub max_message_bytes: usize,
    /// The most that all unfinished messages hold together, in bytes received.
    pub max_pending_bytes: usize,
}

impl ReaderLimits {
    /// For peers that have not been granted anything that needs more.
    pub const BEFORE_PUBLISH: Self = Self {
        max_message_bytes: MAX_MESSAGE_BYTES_BEFORE_PUBLISH,
        max_pending_bytes: MAX_PENDING_BYTES_BEFORE_PUBLISH,
    };

    /// For peers that send media.
    pub const PUBLISHING: Self =
        Self { max_message_bytes: MAX_MESSAGE_BYTES, max_pending_bytes: MAX_PENDING_BYTES };
}

/// Puts messages together from the chunks of one connection.
///
/// Set Chunk Size and Abort take effect inside, at their place in the byte stream, and are handed out as well. Memory
/// grows with the bytes really received, never with a declared length.
#[derive(Debug)]
pub struct ChunkReader {
    limits: ReaderLimits,
    chunk_size: ChunkSize,
    /// Sorted by id.
    streams: Vec<ChunkStream>,
    /// Bytes of a header that is not complete yet.
    carry: Carry,
    /// The chunk whose payload is being read: index into `streams` and bytes left in the chunk.
    current: Option<(usize, usize)>,
    partial_messages: usize,
    pending_bytes: usize,
    unwrapper: TimestampUnwrapper,
}

/// What a chunk stream remembers between its chunks.
#[derive(Debug, Default)]
struct ChunkStream {
    id: u32,
    timestamp: u32,
    /// What a type 3 chunk that begins a message adds: the last delta, or after a type 0 chunk its timestamp.
    delta: u32,
    /// The extended timestamp of the last header that carried a timestamp.
    extended: Option<u32>,
    len: usize,
    kind: u8,
    message_stream: u32,
    payload: Vec<u8>,
    /// Whether a message has begun and lacks bytes.
    partial: bool,
}

/// Header bytes kept between two inputs.
#[derive(Debug, Default)]
struct Carry {
    bytes: [u8; MAX_HEADER_BYTES],
    len: usize,
}

impl Carry {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends, as far as there is room; a header never needs more.
    fn push(&mut self, bytes: &[u8]) {
        let take = bytes.len().min(MAX_HEADER_BYTES - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&bytes[..take]);
        self.len += take;
    }

    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.len);
        self.bytes.copy_within(count..self.len, 0);
        self.len -= count;
    }
}

/// How far reading payload got.
enum Step {
    /// The input is used up before the chunk.
    NeedInput,
    /// The chunk ended and its message did not.
    ChunkEnd,
    /// The message is complete.
    MessageEnd(Message),
}

/// A header read in full: what to do with the chunk.
struct ChunkHeader {
    basic: BasicHeader,
    fields: Option<MessageFields>,
    extended: Option<u32>,
    len: usize,
}

impl ChunkReader {
    /// A reader at the start of the chunk stream, right behind the handshake.
    pub fn new(limits: ReaderLimits) -> Self {
        Self {
            limits,
            chunk_size: ChunkSize::DEFAULT,
            streams: Vec::new(),
            carry: Carry::default(),
            current: None,
            partial_messages: 0,
            pending_bytes: 0,
            unwrapper: TimestampUnwrapper::default(),
        }
    }

    /// Changes the limits for what is read from here on.
    pub fn set_limits(&mut self, limits: ReaderLimits) {
        self.limits = limits;
    }

    /// The chunk size that the peer uses now.
    pub fn chunk_size(&self) -> ChunkSize {
        self.chunk_size
    }

    /// Bytes held for messages that are not complete.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Whether nothing has begun that lacks bytes.
    pub fn is_between_messages(&self) -> bool {
        self.partial_messages == 0 && self.current.is_none() && self.carry.len == 0
    }

    #[cfg(test)]
    pub(super) fn held_capacity(&self) -> usize {
        self.streams.iter().map(|stream| stream.payload.capacity()).sum()
    }

    /// Takes bytes from the front of `input` until one message is complete or the input is used up; call again with
    /// the rest until it returns `Ok(None)`, which means that more input is needed.
    ///
    /// # Errors
    /// [`ChunkError`]; the byte stream cannot be followed after that.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, ChunkError> {
        loop {
            match self.current {
                None => {
                    if !self.read_header(input)? {
                        return Ok(None);
                    }
                }
                Some((index, left)) => match self.read_payload(index, left, input)? {
                    Step::NeedInput => return Ok(None),
                    Step::ChunkEnd => {}
                    Step::MessageEnd(message) => return Ok(Some(message)),
                },
            }
        }
    }

    /// Reads one chunk header; `false` when input is missing.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, ChunkError> {
        if self.carry.len == 0 {
            if let Some(header) = self.parse_header(input)? {
                *input = &input[header.len..];
                self.begin_chunk(&header)?;
                return Ok(true);
            }
            self.carry.push(input);
            *input = &[];
            return Ok(false);
        }
        // Byte by byte, so that nothing behind the header is swallowed. What stays in the carry afterwards are bytes
        // that looked like an extended timestamp and were not; they are read next.
        loop {
            if let Some(header) = self.parse_header(self.carry.as_slice())? {
                self.carry.drop_front(header.len);
                self.begin_chunk(&header)?;
                return Ok(true);
            }
            let Some((first, rest)) = input.split_first() else { return Ok(false) };
            self.carry.push(&[*first]);
            *input = rest;
        }
    }

    /// Parses the header at the front of `bytes` without changing anything; `None` when bytes are missing.
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<ChunkHeader>, ChunkError> {
        let Some(basic) = BasicHeader::parse(bytes) else { return Ok(None) };
        let stream = self.find(basic.chunk_stream).map(|index| &self.streams[index]);
        if stream.is_none() && basic.format >= 2 {
            // Type 1 is let through on a fresh chunk stream: known senders open protocol control with it.
            return Err(ChunkError::MissingHeader { chunk_stream: basic.chunk_stream, format: basic.format });
        }
        if basic.format == 3 {
            let extended = stream.and_then(|stream| stream.extended.map(|value| (stream, value)));
            let mut len = basic.len;
            if let Some((stream, value)) = extended {
                match repeats_timestamp(&bytes[len..], value, stream.timestamp) {
                    Some(true) => len += 4,
                    Some(false) => {}
                    None => return Ok(None),
                }
            }
            return Ok(Some(ChunkHeader { basic, fields: None, extended: None, len }));
        }
        let Some(fields) = MessageFields::parse(basic.format, &bytes[basic.len..]) else { return Ok(None) };
        let mut len = basic.len + MessageFields::len(basic.format);
        let mut extended = None;
        if fields.timestamp == EXTENDED_TIMESTAMP {
            let Some(&[a, b, c, d]) = bytes.get(len..len + 4) else { return Ok(None) };
            extended = Some(u32::from_be_bytes([a, b, c, d]));
            len += 4;
        }
        Ok(Some(ChunkHeader { basic, fields: Some(fields), extended, len }))
    }

    /// Takes over a header and makes its chunk the current one.
    fn begin_chunk(&mut self, header: &ChunkHeader) -> Result<(), ChunkError> {
        let index = match self.find(header.basic.chunk_stream) {
            Some(index) => index,
            None => self.open(header.basic.chunk_stream)?,
        };
        let stream = &mut self.streams[index];
        if stream.partial {
            if header.fields.is_some() {
                return Err(ChunkError::InterruptedMessage {
                    chunk_stream: stream.id,
                    // A message is at most 0xFFFFFF bytes long.
                    missing: u32::try_from(stream.len - stream.payload.len()).unwrap_or(u32::MAX),
                });
            }
        } else {
            stream.begin_message(header);
            let len = stream.len;
            if len > self.limits.max_message_bytes {
                return Err(ChunkError::MessageTooLarge { len, max: self.limits.max_message_bytes });
            }
            stream.partial = true;
            self.partial_messages += 1;
            if self.partial_messages > MAX_PARTIAL_MESSAGES {
                return Err(ChunkError::TooManyPartialMessages { max: MAX_PARTIAL_MESSAGES });
            }
        }
        let missing = stream.len - stream.payload.len();
        self.current = Some((index, missing.min(self.chunk_size.get() as usize)));
        Ok(())
    }

    /// Reads payload of the current chunk.
    fn read_payload(&mut self, index: usize, left: usize, input: &mut &[u8]) -> Result<Step, ChunkError> {
        let mut left = left;
        let stream = &mut self.streams[index];
        if self.carry.len > 0 {
            let take = left.min(self.carry.len);
            stream.append(&self.carry.bytes[..take]);
            self.carry.drop_front(take);
            self.pending_bytes += take;
            left -= take;
        }
        let take = left.min(input.len());
        let (front, rest) = input.split_at(take);
        *input = rest;
        left -= take;
        if stream.payload.is_empty() && take == stream.len {
            // The whole message in one chunk in one input: one exact allocation. The bound is checked as if it had
            // come in pieces, so that chopping makes no difference.
            self.check_pending(take)?;
            self.current = None;
            return self.finish_message(index, Bytes::copy_from_slice(front)).map(Step::MessageEnd);
        }
        stream.append(front);
        self.pending_bytes += take;
        self.check_pending(0)?;
        if left > 0 {
            self.current = Some((index, left));
            return Ok(Step::NeedInput);
        }
        self.current = None;
        let stream = &mut self.streams[index];
        if stream.payload.len() < stream.len {
            return Ok(Step::ChunkEnd);
        }
        let payload = std::mem::take(&mut stream.payload);
        self.pending_bytes -= payload.len();
        self.finish_message(index, Bytes::from(payload)).map(Step::MessageEnd)
    }

    /// Whether unfinished messages may hold `more` bytes than they do.
    fn check_pending(&self, more: usize) -> Result<(), ChunkError> {
        let (len, max) = (self.pending_bytes + more, self.limits.max_pending_bytes);
        if len > max { Err(ChunkError::TooManyPendingBytes { len, max }) } else { Ok(()) }
    }

    /// Closes the message of a chunk stream and lets Set Chunk Size and Abort take effect.
    fn finish_message(&mut self, index: usize, payload: Bytes) -> Result<Message, ChunkError> {
        let stream = &mut self.streams[index];
        stream.partial = false;
        self.partial_messages -= 1;
        let kind = MessageKind::from_id(stream.kind);
        let timestamp_ms = match kind {
            MessageKind::Audio | MessageKind::Video | MessageKind::Aggregate => {
                self.unwrapper.advance(stream.timestamp)
            }
            _ => self.unwrapper.peek(stream.timestamp),
        };
        let message = Message {
            chunk_stream: stream.id,
            message_stream: stream.message_stream,
            kind,
            timestamp_ms,
            payload,
        };
        match kind {
            MessageKind::SetChunkSize => {
                let value = control_value(&message.payload)?;
                self.chunk_size = ChunkSize::new(value).ok_or(ChunkError::InvalidChunkSize { value })?;
            }
            MessageKind::Abort => self.abort(control_value(&message.payload)?),
            _ => {}
        }
        Ok(message)
    }

    /// Drops the unfinished message of a chunk stream (RTMP 1.0 section 5.4.2).
    fn abort(&mut self, chunk_stream: u32) {
        let Some(index) = self.find(chunk_stream) else { return };
        let stream = &mut self.streams[index];
        if stream.partial {
            stream.partial = false;
            self.pending_bytes -= stream.payload.len();
            self.partial_messages -= 1;
            stream.payload = Vec::new();
        }
    }

    fn find(&self, chunk_stream: u32) -> Option<usize> {
        self.streams.binary_search_by_key(&chunk_stream, |stream| stream.id).ok()
    }

    fn open(&mut self, chunk_stream: u32) -> Result<usize, ChunkError> {
        if self.streams.len() == MAX_CHUNK_STREAMS {
            return Err(ChunkError::TooManyChunkStreams { max: MAX_CHUNK_STREAMS });
        }
        // Indices shift here, but none is held: a new chunk stream opens between two chunks only.
        let index = self.streams.partition_point(|stream| stream.id < chunk_stream);
        self.streams.insert(index, ChunkStream { id: chunk_stream, ..ChunkStream::default() });
        Ok(index)
    }
}

impl ChunkStream {
    /// Applies the header of a chunk that begins a message (RTMP 1.0 section 5.3.1.2).
    fn begin_message(&mut self, header: &ChunkHeader) {
        let Some(fields) = header.fields else {
            self.timestamp = self.timestamp.wrapping_add(self.delta);
            return;
        };
        let value = header.extended.unwrap_or(fields.timestamp);
        self.extended = header.extended;
        self.delta = value;
        self.timestamp = if header.basic.format == 0 { value } else { self.timestamp.wrapping_add(value) };
        if let Some((len, kind)) = fields.body {
            self.len = len as usize;
            self.kind = kind;
        }
        if let Some(message_stream) = fields.message_stream {
            self.message_stream = message_stream;
        }
    }

    /// Appends payload. The buffer doubles up to the declared length, so copying stays linear and memory follows
    /// what was received.
    fn append(&mut self, bytes: &[u8]) {
        let needed = self.payload.len() + bytes.len();
        if needed > self.payload.capacity() {
            let capacity =
                (2 * self.payload.capacity()).max(FIRST_ALLOCATION_BYTES).max(needed).min(self.len);
            self.payload.reserve_exact(capacity.max(needed) - self.payload.len());
        }
        self.payload.extend_from_slice(bytes);
    }
}

/// Whether a type 3 chunk repeats the extended timestamp. Section 5.3.1.3 wants it there, several senders leave it
/// out; four bytes that equal the timestamp field or the message's absolute timestamp are taken for it, anything else
/// for payload. `None` when the bytes so far could be either.
fn repeats_timestamp(bytes: &[u8], field: u32, absolute: u32) -> Option<bool> {
    let have = bytes.len().min(4);
    let matches = |value: u32| value.to_be_bytes()[..have] == bytes[..have];
    if !(matches(field) || matches(absolute)) {
        return Some(false);
    }
    (have == 4).then_some(true)
}

fn control_value(payload: &[u8]) -> Result<u32, ChunkError> {
    match payload.get(..4) {
        Some(&[a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(ChunkError::ShortControl { len: payload.len() }),
    }
}
