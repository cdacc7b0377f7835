//! Which key a segment is encrypted with: one for all renditions, changed where a segment begins.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use streamer_core::container::fmp4::{KEY_BYTES, Protection};

use crate::proto::hls::encryption::{Encryption, EncryptionMethod, Key};
use crate::proto::hls::segment::SegmentBody;

/// Where keys come from: sixteen random bytes a call, or none when there are none to be had.
pub type KeySource = Box<dyn FnMut() -> Option<[u8; KEY_BYTES]> + Send>;

/// How the media of a segment leave.
#[derive(Clone, Debug)]
pub(super) enum Seal {
    /// As they are.
    Clear,
    /// Encrypted.
    With(Arc<Key>),
    /// Not at all: they are to be encrypted and there is no key.
    Withheld,
}

impl Seal {
    /// The key, if there is one.
    pub(super) fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::With(key) => Some(key),
            Self::Clear | Self::Withheld => None,
        }
    }

    /// The body of segment `msn`, which `pieces` are in the clear or with samples that are encrypted already.
    pub(super) fn body(&self, msn: u64, pieces: &[Bytes]) -> SegmentBody {
        match self {
            Self::With(key) if key.method() == EncryptionMethod::Aes128 => {
                SegmentBody::Memory(vec![key.encrypt_segment(msn, pieces)])
            }
            Self::Clear | Self::With(_) => SegmentBody::joined(pieces),
            Self::Withheld => SegmentBody::Missing,
        }
    }
}

/// The keys that are in use, oldest first, and when the next one is due.
pub(super) struct KeyRing {
    method: EncryptionMethod,
    /// Zero keeps the first.
    rotate: Duration,
    source: Option<KeySource>,
    keys: VecDeque<Arc<Key>>,
    /// Start of the first segment of the newest key, in Unix milliseconds.
    since_unix_ms: i64,
    next_number: u32,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl KeyRing {
    pub(super) const fn new(encryption: Encryption) -> Self {
        Self {
            method: encryption.method,
            rotate: encryption.rotate,
            source: None,
            keys: VecDeque::new(),
            since_unix_ms: 0,
            next_number: 0,
        }
    }

    pub(super) fn set_source(&mut self, source: KeySource) {
        self.source = Some(source);
    }

    /// Number of the key of a segment that begins at `start_unix_ms`, after all others. A key stays in use when
    /// there is no other to be had.
    pub(super) fn at(&mut self, start_unix_ms: i64) -> Option<u32> {
        // A wall clock that was set back makes no key last longer.
        let used = Duration::from_millis(start_unix_ms.abs_diff(self.since_unix_ms));
        let is_due = !self.rotate.is_zero() && used >= self.rotate;
        if (self.keys.is_empty() || is_due)
            && let Some(key) = self.make()
        {
            self.keys.push_back(Arc::new(key));
            self.since_unix_ms = start_unix_ms;
            self.next_number = self.next_number.wrapping_add(1);
        }
        self.keys.back().map(|key| key.number)
    }

    /// The key called `number`, if that is still in use.
    pub(super) fn get(&self, number: u32) -> Option<Arc<Key>> {
        self.keys.iter().find(|key| key.number == number).cloned()
    }

    /// Lets go of the keys before `number`: all segments that they are for are complete.
    pub(super) fn forget_before(&mut self, number: u32) {
        while self.keys.len() > 1 && self.keys.front().is_some_and(|key| key.number != number) {
            self.keys.pop_front();
        }
    }

    fn make(&mut self) -> Option<Key> {
        let source = self.source.as_mut()?;
        Some(match self.method {
            EncryptionMethod::Aes128 => Key::aes_128(self.next_number, source()?),
            EncryptionMethod::SampleAes => {
                let protection = Protection { key_id: source()?, constant_iv: source()? };
                Key::sample_aes(self.next_number, source()?, protection)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(rotate_s: u64, mut left: u8) -> KeyRing {
        let encryption =
            Encryption { method: EncryptionMethod::Aes128, rotate: Duration::from_secs(rotate_s) };
        let mut ring = KeyRing::new(encryption);
        ring.set_source(Box::new(move || {
            left = left.checked_sub(1)?;
            Some([left; 16])
        }));
        ring
    }

    #[test]
    fn a_key_is_used_for_its_time() {
        let mut ring = ring(10, 9);
        let numbers: Vec<_> = [1_000, 10_999, 11_000, 20_999, 21_000, 11_001, 11_000, 30_000]
            .into_iter()
            .map(|start_unix_ms| ring.at(start_unix_ms).unwrap())
            .collect();
        assert_eq!(numbers, [0, 0, 1, 1, 2, 2, 3, 4], "a clock set back changes it too");
        assert_ne!(ring.get(0).unwrap().bytes(), ring.get(1).unwrap().bytes());
        ring.forget_before(3);
        assert_eq!((ring.get(2), ring.get(3).map(|key| key.number)), (None, Some(3)));
    }

    #[test]
    fn without_rotation_the_first_stays() {
        let mut ring = ring(0, 9);
        assert_eq!((ring.at(0), ring.at(i64::MAX)), (Some(0), Some(0)));
    }

    #[test]
    fn without_a_key_nothing_leaves_and_without_another_the_first_stays() {
        let mut none = ring(1, 0);
        assert_eq!(none.at(0), None);
        assert_eq!(Seal::Withheld.body(0, &[Bytes::from_static(b"media")]), SegmentBody::Missing);
        let mut one = ring(1, 1);
        assert_eq!((one.at(0), one.at(5_000)), (Some(0), Some(0)));
    }
}
