//! Reads what a viewer sends on a WebSocket, of which nothing is kept but the payload of control frames.

use super::frame::{CloseCode, MAX_CONTROL_BYTES, Opcode};

/// Longest message a viewer may send, fragments together: it is read past and forgotten; players that send
/// anything send a short text now and then.
pub const MAX_CLIENT_MESSAGE_BYTES: u64 = 4_096;
/// Bytes of the longest header: two, eight of length, four of mask.
const MAX_HEADER_BYTES: usize = 14;

/// What a viewer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerFrame {
    /// A ping to be answered with this payload.
    Ping(Vec<u8>),
    /// The peer closes, with this code if it gave one.
    Close(Option<CloseCode>),
}

/// Reads the frames of a client in any chopping. Holds at most one header and one control payload.
#[derive(Debug, Default)]
pub struct PeerReader {
    header: Vec<u8>,
    /// Of the frame whose header has been read.
    frame: Option<Frame>,
    payload: Vec<u8>,
    /// Payload bytes of the message under way, if one is.
    message_bytes: Option<u64>,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    mask: [u8; 4],
    left: u64,
}

impl PeerReader {
    /// Takes bytes off the front of `input` until a frame is complete that has a meaning, or all are read.
    ///
    /// # Errors
    /// The code to close with: [`CloseCode::PROTOCOL_ERROR`], [`CloseCode::TOO_BIG`] or
    /// [`CloseCode::INVALID_PAYLOAD`]. Nothing may be read after it.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<PeerFrame>, CloseCode> {
        loop {
            let Some(frame) = &mut self.frame else {
                if !self.read_header(input)? {
                    return Ok(None);
                }
                continue;
            };
            let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(input.len());
            let (taken, rest) = input.split_at(count);
            *input = rest;
            frame.left -= count as u64;
            if frame.opcode.is_control() {
                for &byte in taken {
                    let mask = frame.mask.get(self.payload.len() % 4).copied().unwrap_or_default();
                    self.payload.push(byte ^ mask);
                }
            }
            if frame.left > 0 {
                return Ok(None);
            }
            let opcode = frame.opcode;
            self.frame = None;
            let payload = std::mem::take(&mut self.payload);
            match opcode {
                Opcode::Ping => return Ok(Some(PeerFrame::Ping(payload))),
                Opcode::Close => return close(&payload).map(|code| Some(PeerFrame::Close(code))),
                Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Pong => {}
            }
        }
    }

    /// Returns whether a header is complete.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, CloseCode> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.header.push(byte);
            let [first, second, more @ ..] = self.header.as_slice() else { continue };
            let (length_bytes, short) = match second & 0x7f {
                126 => (2, None),
                127 => (8, None),
                short => (0, Some(u64::from(short))),
            };
            let masked = second & 0x80 != 0;
            let Some(opcode) = Opcode::from_bits(first & 0x0f) else { return Err(CloseCode::PROTOCOL_ERROR) };
            let fin = first & 0x80 != 0;
            // RSV bits belong to extensions, of which none was agreed to; a client must mask (5.1, 5.2).
            let bad_control = opcode.is_control() && (!fin || length_bytes > 0);
            if first & 0x70 != 0 || !masked || bad_control {
                return Err(CloseCode::PROTOCOL_ERROR);
            }
            let (Some(length), Some(mask)) =
                (more.get(..length_bytes), more.get(length_bytes..length_bytes + 4))
            else {
                continue;
            };
            let length =
                short.unwrap_or_else(|| length.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
            // The shortest form must be used, and the highest bit of the longest be zero (5.2).
            let shortest = match length_bytes {
                2 => length > 125,
                8 => length > 0xffff && length >> 63 == 0,
                _ => true,
            };
            let mask = mask.try_into().unwrap_or_default();
            if !shortest {
                return Err(CloseCode::PROTOCOL_ERROR);
            }
            self.begin(opcode, fin, length)?;
            self.frame = Some(Frame { opcode, mask, left: length });
            self.header.clear();
            return Ok(true);
        }
        debug_assert!(self.header.len() < MAX_HEADER_BYTES, "a header of 14 bytes is complete");
        Ok(false)
    }

    /// Follows the message under way (5.4).
    fn begin(&mut self, opcode: Opcode, fin: bool, length: u64) -> Result<(), CloseCode> {
        if opcode.is_control() {
            debug_assert!(length <= MAX_CONTROL_BYTES as u64, "the short form holds no more");
            return Ok(());
        }
        let before = match (opcode, self.message_bytes) {
            (Opcode::Continuation, Some(before)) => before,
            (Opcode::Continuation, None) | (_, Some(_)) => return Err(CloseCode::PROTOCOL_ERROR),
            (_, None) => 0,
        };
        let total = before.saturating_add(length);
        if total > MAX_CLIENT_MESSAGE_BYTES {
            return Err(CloseCode::TOO_BIG);
        }
        self.message_bytes = (!fin).then_some(total);
        Ok(())
    }
}

fn close(payload: &[u8]) -> Result<Option<CloseCode>, CloseCode> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = CloseCode(u16::from_be_bytes([*high, *low]));
            if !code.may_be_sent() {
                return Err(CloseCode::PROTOCOL_ERROR);
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(CloseCode::INVALID_PAYLOAD);
            }
            Ok(Some(code))
        }
        [_] => Err(CloseCode::PROTOCOL_ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A masked frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
        bytes
    }

    fn read_all(chunks: &[&[u8]]) -> (Vec<PeerFrame>, Option<CloseCode>) {
        let mut reader = PeerReader::default();
        let mut frames = Vec::new();
        for mut chunk in chunks.iter().copied() {
            while !chunk.is_empty() {
                match reader.read(&mut chunk) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => assert!(chunk.is_empty()),
                    Err(code) => return (frames, Some(code)),
                }
            }
            assert!(reader.header.len() < MAX_HEADER_BYTES && reader.payload.len() <= MAX_CONTROL_BYTES);
        }
        (frames, None)
    }

    fn refused(bytes: &[u8]) -> Option<CloseCode> {
        read_all(&[bytes]).1
    }

    #[test]
    fn control_frames_are_told_and_messages_forgotten() {
        let bytes = [
            frame(0x81, b"hello"),
            frame(0x89, b"ping"),
            frame(0x01, b"frag"),
            frame(0x89, b""),
            frame(0x80, b"ment"),
            frame(0x8a, b"pong"),
            frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']),
        ]
        .concat();
        let expected = vec![
            PeerFrame::Ping(b"ping".to_vec()),
            PeerFrame::Ping(Vec::new()),
            PeerFrame::Close(Some(CloseCode::NORMAL)),
        ];
        assert_eq!(read_all(&[&bytes]), (expected, None));
        assert_eq!(read_all(&[&frame(0x88, b"")]), (vec![PeerFrame::Close(None)], None));
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        let protocol = Some(CloseCode::PROTOCOL_ERROR);
        assert_eq!(refused(&[0x82, 0x01, 0x00]), protocol, "unmasked");
        for (first, why) in [
            (0xc2, "RSV1"),
            (0x83, "reserved opcode"),
            (0x8b, "reserved control opcode"),
            (0x09, "fragmented ping"),
            (0x80, "continuation of nothing"),
        ] {
            assert_eq!(refused(&frame(first, b"x")), protocol, "{why}");
        }
        assert_eq!(refused(&frame(0x89, &[0; MAX_CONTROL_BYTES + 1])), protocol, "long ping");
        assert_eq!(
            refused(&[frame(0x01, b"a"), frame(0x01, b"b")].concat()),
            protocol,
            "message in a message"
        );
        assert_eq!(refused(&[0x82, 0xfe, 0, 125, 0, 0, 0, 0]), protocol, "not the shortest length");
        assert_eq!(refused(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]), protocol, "nor this");
        assert_eq!(refused(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), protocol, "highest bit");
        assert_eq!(refused(&frame(0x88, &[3])), protocol, "half a code");
        assert_eq!(refused(&frame(0x88, &[0x03, 0xed])), protocol, "1005 never travels");
        assert_eq!(refused(&frame(0x88, &[0x03, 0xe8, 0xff])), Some(CloseCode::INVALID_PAYLOAD));
    }

    #[test]
    fn messages_at_their_limit() {
        let limit = usize::try_from(MAX_CLIENT_MESSAGE_BYTES).unwrap();
        assert_eq!(read_all(&[&frame(0x82, &vec![0; limit])]), (vec![], None));
        let header = &frame(0x82, &vec![0; limit + 1])[..8];
        assert_eq!(refused(header), Some(CloseCode::TOO_BIG), "said by the header alone");
        let fragments = [frame(0x02, &vec![0; limit]), frame(0x80, &[0])].concat();
        assert_eq!(refused(&fragments), Some(CloseCode::TOO_BIG), "fragments together");
    }

    proptest! {
        #[test]
        fn any_chopping_gives_the_same(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            prop::collection::vec((prop::sample::select(vec![0x01u8, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]), prop::collection::vec(any::<u8>(), 0..200)), 0..8)
                .prop_map(|frames| frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()),
        ], cut in 1usize..20) {
            let whole = read_all(&[&bytes]);
            let chopped: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(read_all(&chopped), whole);
        }
    }
}
