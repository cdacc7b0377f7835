//! Frame headers of a server (RFC 6455, 5.2): never masked, never fragmented.

use crate::proto::framing::Prefix;

/// Longest payload of a control frame (RFC 6455, 5.5).
pub const MAX_CONTROL_BYTES: usize = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A piece of a message begun before.
    Continuation,
    /// Begins a text message.
    Text,
    /// Begins a binary message.
    Binary,
    /// Closes.
    Close,
    /// To be answered by a pong with the same payload.
    Ping,
    /// Answers a ping, or comes unasked.
    Pong,
}

impl Opcode {
    /// The opcode of four bits, if it is defined.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether it is a control frame.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Why a WebSocket is closed (RFC 6455, 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The stream ended.
    pub const NORMAL: Self = Self(1000);
    /// The server stops.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A close reason is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The viewer was put out.
    pub const POLICY: Self = Self(1008);
    /// A message is larger than a viewer may send.
    pub const TOO_BIG: Self = Self(1009);

    /// Whether it may stand in a close frame (RFC 6455, 7.4.1 and 7.4.2, and the codes registered since).
    #[must_use]
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// The header of an unfragmented, unmasked frame with a payload of `len` bytes.
#[must_use]
pub fn frame_header(opcode: Opcode, len: usize) -> Prefix {
    let mut header = Prefix::default();
    header.extend(&[0x80 | opcode.bits()]);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => header.extend(&[len]),
        (_, Ok(len)) => {
            header.extend(&[126]);
            header.extend(&len.to_be_bytes());
        }
        _ => {
            header.extend(&[127]);
            header.extend(&(len as u64).to_be_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_length_form_is_taken() {
        let header = |len| frame_header(Opcode::Binary, len).as_slice().to_vec();
        assert_eq!(header(0), [0x82, 0]);
        assert_eq!(header(125), [0x82, 125]);
        assert_eq!(header(126), [0x82, 126, 0, 126]);
        assert_eq!(header(0xffff), [0x82, 126, 0xff, 0xff]);
        assert_eq!(header(0x1_0000), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn codes_that_never_travel() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            assert!(!CloseCode(code).may_be_sent(), "{code}");
        }
        for code in [1000, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert!(CloseCode(code).may_be_sent(), "{code}");
        }
    }
}
