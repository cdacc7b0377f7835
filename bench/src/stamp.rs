//! The stamp every generated frame carries: a sequence number and the time of sending, as hexadecimal text.
//!
//! In video it travels as an SEI message `user_data_unregistered` (ITU-T H.264 D.1.6), so any server passes it on
//! unseen. Text, because its bytes can never form a start code or need emulation prevention.

/// Identifies our SEI messages (ITU-T H.264 D.2.6 `uuid_iso_iec_11578`).
const UUID: [u8; 16] = *b"fanout-load-stmp";

/// Bytes of a stamp: two numbers of 64 bits in hexadecimal.
pub(crate) const STAMP_BYTES: usize = 32;

/// Bytes of a length-prefixed SEI NAL unit that carries a stamp.
pub(crate) const SEI_BYTES: usize = 4 + 3 + UUID.len() + STAMP_BYTES + 1;

/// What is known of a frame at its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Number of the frame in its kind (audio or video), from 0.
    pub(crate) sequence: u64,
    /// Nanoseconds since the start of the process when the frame was handed to the socket.
    pub(crate) sent_ns: u64,
}

impl Stamp {
    /// The stamp as text.
    pub(crate) fn to_text(self) -> [u8; STAMP_BYTES] {
        let mut text = [0; STAMP_BYTES];
        write_hex(self.sequence, &mut text[..16]);
        write_hex(self.sent_ns, &mut text[16..]);
        text
    }

    /// Reads a stamp that begins at the first byte; `None` when there is none.
    pub(crate) fn from_text(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..STAMP_BYTES)?;
        Some(Self { sequence: read_hex(&bytes[..16])?, sent_ns: read_hex(&bytes[16..])? })
    }

    /// The stamp as a NAL unit of type 6 behind a 4-byte length (ISO/IEC 14496-15).
    pub(crate) fn to_sei(self) -> [u8; SEI_BYTES] {
        let mut nal = [0; SEI_BYTES];
        nal[3] = (SEI_BYTES - 4) as u8;
        nal[4] = 6; // nal_unit_type SEI
        nal[5] = 5; // payloadType user_data_unregistered
        nal[6] = (UUID.len() + STAMP_BYTES) as u8;
        nal[7..23].copy_from_slice(&UUID);
        nal[23..55].copy_from_slice(&self.to_text());
        nal[55] = 0x80; // rbsp_trailing_bits
        nal
    }

    /// Reads the stamp of an access unit that begins with our SEI message.
    pub(crate) fn from_sei(unit: &[u8]) -> Option<Self> {
        if unit.get(4..6)? != [6, 5] || unit.get(7..23)? != UUID {
            return None;
        }
        Self::from_text(unit.get(23..)?)
    }

    /// The stamps of our SEI messages anywhere in `bytes`, in their order.
    pub(crate) fn find_in(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes
            .windows(UUID.len() + STAMP_BYTES)
            .filter(|window| window.starts_with(&UUID))
            .filter_map(|window| Self::from_text(&window[UUID.len()..]))
    }
}

fn write_hex(mut number: u64, text: &mut [u8]) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

fn read_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number: u64, &digit| {
        let value = (digit as char).to_digit(16)?;
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_its_sei_message() {
        let stamp = Stamp { sequence: 0x0123_4567_89ab_cdef, sent_ns: u64::MAX - 3 };
        assert_eq!(Stamp::from_sei(&stamp.to_sei()), Some(stamp));
    }

    #[test]
    fn a_foreign_or_short_sei_message_has_no_stamp() {
        let mut sei = Stamp { sequence: 1, sent_ns: 2 }.to_sei();
        assert_eq!(Stamp::from_sei(&sei[..54]), None);
        sei[9] ^= 1;
        assert_eq!(Stamp::from_sei(&sei), None);
    }
}
