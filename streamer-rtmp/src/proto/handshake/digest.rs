//! The digests of the handshake: where they lie in a packet, how they are made and checked.
//!
//! RTMP 1.0 does not describe them; this is the form that Flash Media Server and Flash Player 9 introduced and that
//! librtmp, FFmpeg and the known servers share.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, digest::KeyInit};

use super::PACKET_BYTES;

pub(super) const DIGEST_BYTES: usize = 32;

/// Bytes of packet 2 before its digest.
const PROOF_OFFSET: usize = PACKET_BYTES - DIGEST_BYTES;

/// The tail that both vendor keys share.
const KEY_TAIL: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e,
    0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

/// Whose key signs a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Server,
    Client,
}

impl Signer {
    /// The vendor's name, which signs packet 1.
    fn short_key(self) -> &'static [u8] {
        match self {
            Signer::Server => b"Genuine Adobe Flash Media Server 001",
            Signer::Client => b"Genuine Adobe Flash Player 001",
        }
    }
}

/// Which half of packet 1 holds the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestScheme {
    /// In the first half: the offset is computed from bytes 8 to 11.
    First,
    /// In the second half: the offset is computed from bytes 772 to 775.
    Second,
}

impl DigestScheme {
    /// Where the digest of `packet` begins under this scheme.
    fn offset(self, packet: &[u8; PACKET_BYTES]) -> usize {
        // Each half is 764 bytes: 4 that give the offset, then 760 of which a digest needs 32.
        let base = match self {
            DigestScheme::First => 8,
            DigestScheme::Second => 772,
        };
        let sum: usize = packet[base..base + 4].iter().map(|byte| usize::from(*byte)).sum();
        base + 4 + sum % 728
    }

    /// The digest that `packet`, made by `signer`, should hold at `offset`.
    fn expected(packet: &[u8; PACKET_BYTES], offset: usize, signer: Signer) -> [u8; DIGEST_BYTES] {
        hmac_sha256(&[signer.short_key()], &[&packet[..offset], &packet[offset + DIGEST_BYTES..]])
    }
}

/// Writes the digest of `signer` into `packet` and returns it.
pub(super) fn sign_packet(
    packet: &mut [u8; PACKET_BYTES],
    scheme: DigestScheme,
    signer: Signer,
) -> [u8; DIGEST_BYTES] {
    let offset = scheme.offset(packet);
    let digest = DigestScheme::expected(packet, offset, signer);
    packet[offset..offset + DIGEST_BYTES].copy_from_slice(&digest);
    digest
}

/// The scheme under which `packet` holds a valid digest of `signer`, and that digest.
pub(super) fn find_digest(
    packet: &[u8; PACKET_BYTES],
    signer: Signer,
) -> Option<(DigestScheme, [u8; DIGEST_BYTES])> {
    [DigestScheme::First, DigestScheme::Second].into_iter().find_map(|scheme| {
        let offset = scheme.offset(packet);
        let digest = DigestScheme::expected(packet, offset, signer);
        (packet[offset..offset + DIGEST_BYTES] == digest).then_some((scheme, digest))
    })
}

/// Signs packet 2: proof by `signer` that it saw `peer_digest` in the peer's packet 1.
pub(super) fn sign_proof(packet: &mut [u8; PACKET_BYTES], peer_digest: &[u8; DIGEST_BYTES], signer: Signer) {
    let proof = expected_proof(packet, peer_digest, signer);
    packet[PROOF_OFFSET..].copy_from_slice(&proof);
}

/// Whether packet 2 proves that `signer` saw `own_digest`.
pub(super) fn check_proof(
    packet: &[u8; PACKET_BYTES],
    own_digest: &[u8; DIGEST_BYTES],
    signer: Signer,
) -> bool {
    packet[PROOF_OFFSET..] == expected_proof(packet, own_digest, signer)
}

fn expected_proof(
    packet: &[u8; PACKET_BYTES],
    digest: &[u8; DIGEST_BYTES],
    signer: Signer,
) -> [u8; DIGEST_BYTES] {
    let key = hmac_sha256(&[signer.short_key(), &KEY_TAIL], &[digest]);
    hmac_sha256(&[&key], &[&packet[..PROOF_OFFSET]])
}

fn hmac_sha256(key_parts: &[&[u8]], data_parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    // RFC 2104: a key longer than the block is hashed first. Done here because the crate's constructor
    // for keys of any length returns a `Result` that cannot be an error.
    let mut block = [0u8; 64];
    let key_bytes: usize = key_parts.iter().map(|part| part.len()).sum();
    if key_bytes > block.len() {
        let mut hash = Sha256::new();
        for part in key_parts {
            hash.update(part);
        }
        block[..DIGEST_BYTES].copy_from_slice(&hash.finalize());
    } else {
        let mut at = 0;
        for part in key_parts {
            block[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for part in data_parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> [u8; PACKET_BYTES] {
        let mut packet = [0; PACKET_BYTES];
        super::super::fill_random(&[5; 32], &mut packet);
        packet
    }

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // Test case 2 (short key) and test case 6 (key longer than the block).
        assert_eq!(
            hex(hmac_sha256(&[b"Je", b"fe"], &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac_sha256(&[&[0xaa; 131]], &[b"Test Using Larger Than Block-Size Key - Hash Key First"])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_signed_packet_is_found_under_its_scheme_and_signer_only() {
        for scheme in [DigestScheme::First, DigestScheme::Second] {
            let mut packet = packet();
            let digest = sign_packet(&mut packet, scheme, Signer::Client);
            assert_eq!(find_digest(&packet, Signer::Client), Some((scheme, digest)));
            assert_eq!(find_digest(&packet, Signer::Server), None);
            packet[1535] ^= 1;
            assert_eq!(find_digest(&packet, Signer::Client), None);
        }
    }

    #[test]
    fn the_largest_offset_stays_inside_its_half() {
        let mut packet = [0u8; PACKET_BYTES];
        // 727 is the largest remainder: 255 + 255 + 217.
        packet[8..12].copy_from_slice(&[255, 255, 217, 0]);
        packet[772..776].copy_from_slice(&[255, 255, 217, 0]);
        assert_eq!(DigestScheme::First.offset(&packet), 739);
        assert_eq!(DigestScheme::Second.offset(&packet), 1503);
        assert!(DigestScheme::Second.offset(&packet) + DIGEST_BYTES <= PACKET_BYTES);
    }

    #[test]
    fn a_proof_names_its_signer_and_digest() {
        let mut packet = packet();
        sign_proof(&mut packet, &[9; 32], Signer::Server);
        assert!(check_proof(&packet, &[9; 32], Signer::Server));
        assert!(!check_proof(&packet, &[9; 32], Signer::Client));
        assert!(!check_proof(&packet, &[8; 32], Signer::Server));
    }
}
