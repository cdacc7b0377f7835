//! The secret that engine and manager share, and the seals by which each proves to the other that it has it.
//!
//! Neither side ever sends the secret: a request carries an HMAC-SHA256 over method, path, body, the time and a nonce,
//! the answer one over its status, its body and the seal of the request. So a stranger who holds the port learns
//! nothing, cannot answer, and cannot send a request again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use thiserror::Error;

/// File of the secret in the data folder that both daemons share: 64 hexadecimal digits.
pub const LINK_SECRET_FILE: &str = "link-secret";
/// Bytes of the secret: as long as the digest.
pub const LINK_SECRET_BYTES: usize = 32;
/// Bytes of a seal.
pub const SEAL_BYTES: usize = 32;
/// Header field of a request's seal.
pub const REQUEST_SEAL_HEADER: &str = "x-link-seal";
/// Header field of an answer's seal.
pub const RESPONSE_SEAL_HEADER: &str = "x-link-proof";
/// How far apart the clocks of the two sides may be, in milliseconds. They run on one machine; the rest is for a
/// clock that is being set.
pub const MAX_SEAL_AGE_MS: u64 = 30_000;
/// Nonces remembered against a request sent twice: more than both sides send within [`MAX_SEAL_AGE_MS`].
pub const MAX_REMEMBERED_NONCES: usize = 16_384;

const NONCE_BYTES: usize = 16;

/// Why a seal is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is none, or it is of another form.
    #[error("the request is not sealed")]
    Missing,
    /// It was made with another secret or over other content.
    #[error("the seal is not of our secret")]
    Wrong,
    /// It is too old, or from the future.
    #[error("the seal is {age_ms} ms old: at most {MAX_SEAL_AGE_MS} are allowed")]
    Stale {
        /// Age; negative from the future.
        age_ms: i64,
    },
    /// It was used before.
    #[error("the seal was used before")]
    Used,
}

/// The shared secret. Clones share what they remember.
#[derive(Clone)]
pub struct LinkKey {
    mac: Hmac<Sha256>,
    used: Arc<Mutex<Nonces>>,
}

/// The nonces used, with when, the oldest first.
type Nonces = VecDeque<(u64, [u8; NONCE_BYTES])>;

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

/// The seal of one request, by which its answer is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    at_unix_ms: u64,
    nonce: [u8; NONCE_BYTES],
    mac: [u8; SEAL_BYTES],
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at_unix_ms, hex(&self.nonce), hex(&self.mac))
    }
}

impl Seal {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (at, nonce, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let at_unix_ms = at.parse().ok().filter(|_| parts.next().is_none())?;
        Some(Self { at_unix_ms, nonce: unhex(nonce)?, mac: unhex(mac)? })
    }
}

impl LinkKey {
    /// The key of a secret.
    #[must_use]
    #[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub fn from_secret(secret: [u8; LINK_SECRET_BYTES]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(&secret).expect("HMAC takes a key of any length");
        Self { mac, used: Arc::default() }
    }

    /// The key of a secret as it stands in its file, surrounding white space aside; `None` if it is of another form.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text.trim()).map(Self::from_secret)
    }

    /// Seals a request. `nonce` is random; `path` is the one in the request line, with its query.
    #[must_use]
    pub fn seal_request(
        &self,
        at_unix_ms: u64,
        nonce: [u8; NONCE_BYTES],
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Seal {
        Seal {
            at_unix_ms,
            nonce,
            mac: self.of_request(at_unix_ms, &nonce, method, path, body).finalize().into_bytes().into(),
        }
    }

    /// Proves the seal of a request that arrived at `now_unix_ms`, once.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn prove_request(
        &self,
        now_unix_ms: u64,
        header: Option<&str>,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Seal, SealError> {
        let seal = header.and_then(Seal::parse).ok_or(SealError::Missing)?;
        self.of_request(seal.at_unix_ms, &seal.nonce, method, path, body)
            .verify(&seal.mac.into())
            .map_err(|_| SealError::Wrong)?;
        let age_ms = i64::try_from(now_unix_ms).unwrap_or(i64::MAX).saturating_sub_unsigned(seal.at_unix_ms);
        if age_ms.unsigned_abs() > MAX_SEAL_AGE_MS {
            return Err(SealError::Stale { age_ms });
        }
        let mut used = self.used.lock();
        while used.front().is_some_and(|(at, _)| at.abs_diff(now_unix_ms) > 2 * MAX_SEAL_AGE_MS)
            || used.len() >= MAX_REMEMBERED_NONCES
        {
            used.pop_front();
        }
        if used.iter().any(|(_, nonce)| *nonce == seal.nonce) {
            return Err(SealError::Used);
        }
        used.push_back((now_unix_ms, seal.nonce));
        Ok(seal)
    }

    /// The value of [`RESPONSE_SEAL_HEADER`] for the answer to the request sealed with `request`.
    #[must_use]
    pub fn seal_response(&self, request: &Seal, status: u16, body: &[u8]) -> String {
        hex(&self.of_response(request, status, body).finalize().into_bytes())
    }

    /// Whether `header` proves that the answer to the request sealed with `request` comes from who has the secret.
    #[must_use]
    pub fn proves_response(&self, request: &Seal, status: u16, body: &[u8], header: Option<&str>) -> bool {
        let Some(mac) = header.and_then(unhex::<SEAL_BYTES>) else { return false };
        self.of_response(request, status, body).verify(&mac.into()).is_ok()
    }

    pub(super) fn seal_datagram(&self, content: &[u8]) -> [u8; SEAL_BYTES] {
        self.begin(b"datagram").chain_update(content).finalize().into_bytes().into()
    }

    pub(super) fn proves_datagram(&self, seal: &[u8; SEAL_BYTES], content: &[u8]) -> bool {
        self.begin(b"datagram").chain_update(content).verify(seal.into()).is_ok()
    }

    /// Each use of the key begins with its name, so that no seal serves for another use.
    fn begin(&self, purpose: &[u8]) -> Hmac<Sha256> {
        with_part(self.mac.clone(), purpose)
    }

    fn of_request(&self, at: u64, nonce: &[u8], method: &str, path: &str, body: &[u8]) -> Hmac<Sha256> {
        [&at.to_be_bytes(), nonce, method.as_bytes(), path.as_bytes(), body]
            .into_iter()
            .fold(self.begin(b"request"), with_part)
    }

    fn of_response(&self, request: &Seal, status: u16, body: &[u8]) -> Hmac<Sha256> {
        [request.mac.as_slice(), &status.to_be_bytes(), body]
            .into_iter()
            .fold(self.begin(b"response"), with_part)
    }
}

/// Parts go in with their lengths: what is sealed can be cut in one way only.
fn with_part(mac: Hmac<Sha256>, part: &[u8]) -> Hmac<Sha256> {
    mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 2 * N)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn key(byte: u8) -> LinkKey {
        LinkKey::from_secret([byte; LINK_SECRET_BYTES])
    }

    fn sealed(nonce: u8) -> String {
        key(1).seal_request(NOW, [nonce; NONCE_BYTES], "POST", "/a?b", b"body").to_string()
    }

    #[test]
    fn a_request_is_proved_once() {
        let key = key(1);
        let header = sealed(1);
        let prove = |header: &str| key.prove_request(NOW, Some(header), "POST", "/a?b", b"body").map(|_| ());
        assert_eq!(prove(&header), Ok(()));
        assert_eq!(prove(&header), Err(SealError::Used));
        assert_eq!(prove(&sealed(2)), Ok(()));
    }

    #[test]
    fn nothing_of_a_request_can_be_another() {
        let header = sealed(1);
        let header = Some(header.as_str());
        let wrong = Err(SealError::Wrong);
        let prove = |key: LinkKey, method, path, body: &[u8]| {
            key.prove_request(NOW, header, method, path, body).map(|_| ())
        };
        assert_eq!(prove(key(2), "POST", "/a?b", b"body"), wrong);
        assert_eq!(prove(key(1), "PUT", "/a?b", b"body"), wrong);
        assert_eq!(prove(key(1), "POST", "/a", b"?bbody"), wrong);
        assert_eq!(prove(key(1), "POST", "/a?b", b"bode"), wrong);
        for bad in ["", "1", "1.2.3", "1.zz.zz", "x.00.00"] {
            let answer = key(1).prove_request(NOW, Some(bad), "POST", "/a?b", b"body");
            assert_eq!(answer, Err(SealError::Missing), "{bad}");
        }
        assert_eq!(key(1).prove_request(NOW, None, "POST", "/a?b", b"body"), Err(SealError::Missing));
    }

    #[test]
    fn age_at_its_limits() {
        for (now, fits) in [
            (NOW + MAX_SEAL_AGE_MS, true),
            (NOW + MAX_SEAL_AGE_MS + 1, false),
            (NOW - MAX_SEAL_AGE_MS, true),
            (NOW - MAX_SEAL_AGE_MS - 1, false),
        ] {
            let proved = key(1).prove_request(now, Some(&sealed(1)), "POST", "/a?b", b"body");
            assert_eq!(proved.is_ok(), fits, "{now}: {proved:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let key = key(1);
        for number in 0..=MAX_REMEMBERED_NONCES as u64 {
            key.used.lock().push_back((NOW, u128::from(number).to_be_bytes()));
        }
        key.prove_request(NOW, Some(&sealed(0xff)), "POST", "/a?b", b"body").unwrap();
        assert_eq!(key.used.lock().len(), MAX_REMEMBERED_NONCES);
        let later =
            key.seal_request(NOW + 10 * MAX_SEAL_AGE_MS, [9; NONCE_BYTES], "GET", "/", b"").to_string();
        key.prove_request(NOW + 10 * MAX_SEAL_AGE_MS, Some(&later), "GET", "/", b"").unwrap();
        assert_eq!(key.used.lock().len(), 1, "old ones are forgotten");
    }

    #[test]
    fn an_answer_belongs_to_its_request_and_to_nothing_else() {
        let key = key(1);
        let request = key.seal_request(NOW, [1; NONCE_BYTES], "GET", "/", b"");
        let other = key.seal_request(NOW, [2; NONCE_BYTES], "GET", "/", b"");
        let proof = key.seal_response(&request, 200, b"yes");
        assert!(key.proves_response(&request, 200, b"yes", Some(&proof)));
        assert!(!key.proves_response(&request, 500, b"yes", Some(&proof)));
        assert!(!key.proves_response(&request, 200, b"no", Some(&proof)));
        assert!(!key.proves_response(&other, 200, b"yes", Some(&proof)));
        assert!(!key.proves_response(&request, 200, b"yes", None));
        assert!(!self::key(2).proves_response(&request, 200, b"yes", Some(&proof)));
    }

    #[test]
    fn a_secret_is_read_from_hexadecimal_digits() {
        let text = format!("{}\n", "ab".repeat(LINK_SECRET_BYTES));
        assert!(LinkKey::from_hex(&text).is_some());
        for bad in ["", "ab", &"ab".repeat(LINK_SECRET_BYTES + 1), &"xy".repeat(LINK_SECRET_BYTES)] {
            assert!(LinkKey::from_hex(bad).is_none(), "{bad}");
        }
    }
}
