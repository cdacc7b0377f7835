//! Keys of segments, and the encryption of whole ones (RFC 8216, 4.3.2.4 and 5).

use std::fmt;
use std::time::Duration;

use aes::Aes128;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use bytes::Bytes;
use cbc::Encryptor;
use streamer_core::container::fmp4::{KEY_BYTES, Protection, SampleCipher};

use super::name::Container;

const BLOCK_BYTES: usize = 16;

/// What is encrypted of a segment (`METHOD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncryptionMethod {
    /// `AES-128`: all of it. There are no parts then.
    Aes128,
    /// `SAMPLE-AES`: the media within, by Common Encryption scheme `cbcs`; fMP4 alone has that.
    SampleAes,
}

impl EncryptionMethod {
    /// The method that segments of `container` have where this one is wanted. Transport streams are encrypted whole
    /// in any case: nothing is ever sent in the clear where encryption is wanted.
    #[must_use]
    pub const fn of(self, container: Container) -> Self {
        match container {
            Container::Ts => Self::Aes128,
            Container::Fmp4 => self,
        }
    }
}

/// How the segments of a presentation are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encryption {
    /// What of a segment is.
    pub method: EncryptionMethod,
    /// How long a key is used: the first segment that begins so much after the one that a key began with takes a
    /// new one, in every rendition. Zero keeps the first key.
    pub rotate: Duration,
}

/// A key of a run. What it is shows nowhere but in [`bytes`](Self::bytes).
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Counts the keys of a run from 0: part of its name.
    pub number: u32,
    bytes: [u8; KEY_BYTES],
    /// Of `SAMPLE-AES`: the identifier and the constant initialization vector.
    protection: Option<Protection>,
}

impl Key {
    /// A key for whole segments.
    #[must_use]
    pub const fn aes_128(number: u32, bytes: [u8; KEY_BYTES]) -> Self {
        Self { number, bytes, protection: None }
    }

    /// A key for samples, which `protection` names.
    #[must_use]
    pub const fn sample_aes(number: u32, bytes: [u8; KEY_BYTES], protection: Protection) -> Self {
        Self { number, bytes, protection: Some(protection) }
    }

    /// What it is used for.
    #[must_use]
    pub const fn method(&self) -> EncryptionMethod {
        match self.protection {
            Some(_) => EncryptionMethod::SampleAes,
            None => EncryptionMethod::Aes128,
        }
    }

    /// The key itself.
    #[must_use]
    pub const fn bytes(&self) -> [u8; KEY_BYTES] {
        self.bytes
    }

    /// What initialization sections say of it, when it is for samples.
    #[must_use]
    pub const fn protection(&self) -> Option<&Protection> {
        self.protection.as_ref()
    }

    /// The cipher of samples, when it is for those.
    #[must_use]
    pub fn sample_cipher(&self) -> Option<SampleCipher> {
        self.protection.as_ref().map(|protection| SampleCipher::new(self.bytes, protection))
    }

    /// Encrypts a whole segment by `AES-128`: CBC with PKCS7 padding (5.2). The media sequence number is the
    /// initialization vector, as it is where a playlist names none: no two segments share one.
    #[must_use]
    pub fn encrypt_segment(&self, msn: u64, pieces: &[Bytes]) -> Bytes {
        let len = pieces.iter().map(Bytes::len).sum::<usize>();
        let padding = BLOCK_BYTES - len % BLOCK_BYTES;
        let mut data = Vec::with_capacity(len + padding);
        for piece in pieces {
            data.extend_from_slice(piece);
        }
        data.resize(len + padding, u8::try_from(padding).unwrap_or_default());
        let iv = u128::from(msn).to_be_bytes();
        let mut encryptor = Encryptor::<Aes128>::new(&self.bytes.into(), &iv.into());
        for block in data.chunks_exact_mut(BLOCK_BYTES) {
            encryptor.encrypt_block_mut(block.into());
        }
        data.into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aes::cipher::BlockDecryptMut;
    use cbc::Decryptor;
    use proptest::prelude::*;

    use super::*;

    /// Decrypts a segment as a player does.
    pub(crate) fn decrypt(key: [u8; KEY_BYTES], msn: u64, data: &[u8]) -> Vec<u8> {
        let iv = u128::from(msn).to_be_bytes();
        let mut decryptor = Decryptor::<Aes128>::new(&key.into(), &iv.into());
        let mut data = data.to_vec();
        assert_eq!(data.len() % BLOCK_BYTES, 0);
        for block in data.chunks_exact_mut(BLOCK_BYTES) {
            decryptor.decrypt_block_mut(block.into());
        }
        let padding = usize::from(*data.last().unwrap());
        assert!((1..=BLOCK_BYTES).contains(&padding));
        let padded = data.split_off(data.len() - padding);
        assert!(padded.iter().all(|&byte| usize::from(byte) == padding));
        data
    }

    #[test]
    fn a_segment_as_openssl_encrypts_it() {
        // printf 'A media segment of 36 bytes in all..' | openssl enc -aes-128-cbc
        //   -K 000102030405060708090a0b0c0d0e0f -iv 0000000000000000000000006956f2d5
        let golden = include_bytes!("../../../testdata/hls/aes-128.bin");
        let key = Key::aes_128(0, std::array::from_fn(|index| index as u8));
        let pieces = [Bytes::from_static(b"A media segment "), Bytes::from_static(b"of 36 bytes in all..")];
        assert_eq!(key.encrypt_segment(0x6956_f2d5, &pieces)[..], golden[..]);
    }

    #[test]
    fn a_key_does_not_show() {
        let protection = Protection { key_id: [0x77; 16], constant_iv: [0x78; 16] };
        let key = Key::sample_aes(3, [0x79; 16], protection);
        assert_eq!(format!("{key:?}"), "Key { number: 3, .. }");
    }

    #[test]
    fn transport_streams_are_encrypted_whole() {
        use EncryptionMethod::{Aes128, SampleAes};
        assert_eq!((SampleAes.of(Container::Ts), SampleAes.of(Container::Fmp4)), (Aes128, SampleAes));
        assert_eq!((Aes128.of(Container::Ts), Aes128.of(Container::Fmp4)), (Aes128, Aes128));
    }

    proptest! {
        #[test]
        fn what_is_encrypted_is_decrypted(
            bytes: [u8; 16],
            msn: u64,
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4)
        ) {
            let key = Key::aes_128(0, bytes);
            let whole = pieces.concat();
            let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::from).collect();
            let encrypted = key.encrypt_segment(msn, &pieces);
            prop_assert!(encrypted.len() > whole.len());
            prop_assert_eq!(decrypt(bytes, msn, &encrypted), whole);
        }
    }
}
