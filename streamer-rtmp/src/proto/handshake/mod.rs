//! The RTMP handshake (RTMP 1.0 section 5.2), plain and with the digests that Flash-era peers ask for.
//!
//! Each side sends a version byte and two packets of 1536 bytes. In the *plain* form packet 2 echoes the peer's
//! packet 1. In the *digest* form packet 1 hides an HMAC-SHA256 of itself at an offset computed from its own bytes,
//! in one of two places (see [`DigestScheme`]), and packet 2 proves that the digest of the peer was seen. The server
//! answers in the form the client used; the client may offer a digest and falls back when the server does not know it.

mod client;
mod digest;
mod server;

pub use client::{ClientHandshake, HandshakeMode};
pub use digest::DigestScheme;
pub use server::ServerHandshake;

use sha2::{Digest, Sha256};

/// The only protocol version there is (RTMP 1.0 section 5.2.2); 6 and above are encrypted or not RTMP at all.
pub const RTMP_VERSION: u8 = 3;

/// Length in bytes of C1, S1, C2 and S2 (RTMP 1.0 sections 5.2.3 and 5.2.4).
pub const PACKET_BYTES: usize = 1536;

/// The most that a handshake keeps of its peer: one packet, because packet 2 is counted and not stored.
pub const MAX_HANDSHAKE_BYTES: usize = PACKET_BYTES + 1;

/// Randomness for one handshake, drawn by the caller from the system's generator.
pub type Seed = [u8; 32];

/// What one call of `handle_input` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the front of the input; what is left belongs to the chunk stream.
    pub consumed: usize,
    /// Whether the handshake is complete on both sides.
    pub done: bool,
}

/// Why a handshake cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer asks for RTMPE (version 6, 8 or 9), whose home-made encryption is not offered: use RTMPS.
    #[error("the peer asks for RTMPE (version {version}), which is not supported; RTMPS is")]
    Encrypted {
        /// The version byte received.
        version: u8,
    },
    /// The first byte is not a version of RTMP; most often another protocol speaks on this port.
    #[error("the first byte is {version:#04x}, not the RTMP version 3")]
    UnsupportedVersion {
        /// The version byte received.
        version: u8,
    },
}

fn check_version(version: u8) -> Result<(), HandshakeError> {
    match version {
        RTMP_VERSION => Ok(()),
        6 | 8 | 9 => Err(HandshakeError::Encrypted { version }),
        _ => Err(HandshakeError::UnsupportedVersion { version }),
    }
}

/// Fills `out` from `seed`: SHA-256 in counter mode, so that a session carries 32 bytes and not a packet of noise.
fn fill_random(seed: &Seed, out: &mut [u8]) {
    for (counter, block) in (0u32..).zip(out.chunks_mut(32)) {
        let hash = Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize();
        block.copy_from_slice(&hash[..block.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(mode: HandshakeMode, chop: &[usize]) -> (ServerHandshake, ClientHandshake) {
        let mut server = ServerHandshake::new([1; 32]);
        let mut client = ClientHandshake::new([2; 32], mode);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let mut sizes = chop.iter().copied().cycle();
        let (mut server_done, mut client_done) = (false, false);
        while !(server_done && client_done) {
            while let Some(bytes) = client.poll_output() {
                to_server.extend_from_slice(&bytes);
            }
            while let Some(bytes) = server.poll_output() {
                to_client.extend_from_slice(&bytes);
            }
            assert!(!(to_server.is_empty() && to_client.is_empty()), "both sides wait");
            let size = sizes.next().unwrap();
            let take = size.min(to_server.len());
            let progress = server.handle_input(&to_server[..take]).unwrap();
            assert_eq!(progress.consumed, take);
            to_server.drain(..take);
            server_done = progress.done;
            let take = size.min(to_client.len());
            let progress = client.handle_input(&to_client[..take]).unwrap();
            assert_eq!(progress.consumed, take);
            to_client.drain(..take);
            client_done = progress.done;
        }
        (server, client)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn both_sides_finish_in_any_chopping(chop in proptest::collection::vec(1usize..4000, 1..6), mode in 0..3) {
            let mode = match mode {
                0 => HandshakeMode::Plain,
                1 => HandshakeMode::Digest(DigestScheme::First),
                _ => HandshakeMode::Digest(DigestScheme::Second),
            };
            let (server, client) = join(mode, &chop);
            let expected = match mode { HandshakeMode::Digest(scheme) => Some(scheme), HandshakeMode::Plain => None };
            prop_assert_eq!(server.digest_scheme(), expected);
            prop_assert_eq!(client.server_scheme(), expected);
            prop_assert_eq!(client.server_proved(), expected.is_some());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..5000), version in any::<bool>()) {
            let mut input = bytes;
            if version && !input.is_empty() { input[0] = 3; }
            let _ = ServerHandshake::new([0; 32]).handle_input(&input);
            let _ = ClientHandshake::new([0; 32], HandshakeMode::Digest(DigestScheme::First)).handle_input(&input);
        }
    }

    #[test]
    fn encrypted_and_foreign_versions_are_refused_by_name() {
        let refuse = |byte: u8| ServerHandshake::new([0; 32]).handle_input(&[byte]).unwrap_err();
        assert_eq!(refuse(6), HandshakeError::Encrypted { version: 6 });
        assert_eq!(refuse(b'G'), HandshakeError::UnsupportedVersion { version: b'G' });
        assert_eq!(refuse(0), HandshakeError::UnsupportedVersion { version: 0 });
        let mut client = ClientHandshake::new([0; 32], HandshakeMode::Plain);
        assert_eq!(client.handle_input(&[6]).unwrap_err(), HandshakeError::Encrypted { version: 6 });
    }

    #[test]
    fn randomness_follows_the_seed() {
        let fill = |seed: Seed| {
            let mut out = [0; 100];
            fill_random(&seed, &mut out);
            out
        };
        assert_eq!(fill([7; 32]), fill([7; 32]));
        assert_ne!(fill([7; 32]), fill([8; 32]));
        assert_ne!(fill([7; 32])[..32], fill([7; 32])[32..64]);
    }
}
