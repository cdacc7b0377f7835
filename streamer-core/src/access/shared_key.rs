//! Expiring tokens in the query string, made from a key shared with the one who hands out URLs.

use std::fmt;

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use super::{Denied, DeniedKind, parameter};
use crate::key::StreamKey;

/// Longest expiry accepted, in hexadecimal digits: 64 bits of Unix seconds, far past any calendar.
pub const MAX_EXPIRY_HEX_DIGITS: usize = 16;

/// A key shared between the server and whoever makes URLs.
///
/// Two forms are accepted, both with an absolute expiry in Unix seconds as lower-case hexadecimal:
///
/// - `?expires={hex}&sign=hex(hmac_sha256(key, "{app}/{stream}/{hex}"))`, recommended;
/// - `?txTime={hex}&txSecret=md5hex(key + stream + hex)`, which many encoders and CDNs already make.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedKey(String);

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

impl SharedKey {
    /// A shared key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The recommended query string for `key`, valid until `expires_unix_s`.
    #[must_use]
    pub fn sign(&self, key: &StreamKey, expires_unix_s: u64) -> String {
        let expires = format!("{expires_unix_s:x}");
        let sign = hex(&self.hmac(key, &expires));
        format!("expires={expires}&sign={sign}")
    }

    /// The `txTime`/`txSecret` query string for `key`, valid until `expires_unix_s`.
    #[must_use]
    pub fn sign_tx(&self, key: &StreamKey, expires_unix_s: u64) -> String {
        let expires = format!("{expires_unix_s:x}");
        let secret = self.tx_secret(key, &expires);
        format!("txTime={expires}&txSecret={secret}")
    }

    /// Checks the token in `query` for `key` at `now_unix_s`.
    ///
    /// # Errors
    /// [`DeniedKind::BadToken`] without a right token, [`DeniedKind::Expired`] when it was right once.
    pub fn verify(&self, key: &StreamKey, query: &str, now_unix_s: u64) -> Result<(), Denied> {
        let (expires, right) =
            if let (Some(expires), Some(sign)) = (parameter(query, "expires"), parameter(query, "sign")) {
                (expires, constant_time_eq(&hex(&self.hmac(key, expires)), sign))
            } else if let (Some(expires), Some(secret)) =
                (parameter(query, "txTime"), parameter(query, "txSecret"))
            {
                (expires, constant_time_eq(&self.tx_secret(key, expires), secret))
            } else {
                return Err(Denied::new(DeniedKind::BadToken, "a token is needed"));
            };
        if !right {
            return Err(Denied::new(DeniedKind::BadToken, "the token is wrong"));
        }
        match parse_hex(expires) {
            Some(until) if until >= now_unix_s => Ok(()),
            Some(_) => Err(Denied::new(DeniedKind::Expired, "the token has expired")),
            None => Err(Denied::new(DeniedKind::BadToken, "the token's expiry is no hexadecimal number")),
        }
    }

    fn hmac(&self, key: &StreamKey, expires: &str) -> Vec<u8> {
        // HMAC takes a key of any length (RFC 2104 2), so this never fails; an empty digest equals no token.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else {
            return Vec::new();
        };
        for part in [key.app.as_str(), "/", key.stream.as_str(), "/", expires] {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }

    fn tx_secret(&self, key: &StreamKey, expires: &str) -> String {
        let mut md5 = Md5::new();
        for part in [self.0.as_str(), key.stream.as_str(), expires] {
            md5.update(part.as_bytes());
        }
        hex(&md5.finalize())
    }
}

fn parse_hex(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits && !text.is_empty() && text.len() <= MAX_EXPIRY_HEX_DIGITS)
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// Compares without telling by its running time where the first difference is.
fn constant_time_eq(expected: &str, given: &str) -> bool {
    !expected.is_empty()
        && expected.len() == given.len()
        && expected.bytes().zip(given.bytes()).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> StreamKey {
        "live/test".parse().unwrap()
    }

    fn kind(result: Result<(), Denied>) -> DeniedKind {
        result.unwrap_err().kind
    }

    #[test]
    fn known_answers() {
        // Made with: printf 'secrettest5fee6600' | md5sum, and
        // printf 'live/test/5fee6600' | openssl dgst -sha256 -hmac secret
        let shared = SharedKey::new("secret");
        assert_eq!(
            shared.sign_tx(&key(), 0x5fee_6600),
            "txTime=5fee6600&txSecret=1d87ed571c7a73f8d06a1e2620b2378d"
        );
        assert_eq!(
            shared.sign(&key(), 0x5fee_6600),
            "expires=5fee6600&sign=7686ea855b005911d0ea0a8f27a49ccaa21619880b36ebb38fa908a8d2f42210"
        );
    }

    #[test]
    fn both_forms_pass_until_they_expire() {
        let shared = SharedKey::new("secret");
        for query in [shared.sign(&key(), 1_000), shared.sign_tx(&key(), 1_000)] {
            assert_eq!(shared.verify(&key(), &query, 1_000), Ok(()));
            assert_eq!(kind(shared.verify(&key(), &query, 1_001)), DeniedKind::Expired);
            let other = "live/other".parse().unwrap();
            assert_eq!(kind(shared.verify(&other, &query, 0)), DeniedKind::BadToken);
            assert_eq!(kind(SharedKey::new("else").verify(&key(), &query, 0)), DeniedKind::BadToken);
        }
    }

    #[test]
    fn a_missing_token_and_a_silly_expiry_are_refused() {
        let shared = SharedKey::new("secret");
        assert_eq!(kind(shared.verify(&key(), "", 0)), DeniedKind::BadToken);
        assert_eq!(kind(shared.verify(&key(), "txTime=1&txSecret=", 0)), DeniedKind::BadToken);
        let expires = "f".repeat(MAX_EXPIRY_HEX_DIGITS + 1);
        let query = format!("txTime={expires}&txSecret={}", shared.tx_secret(&key(), &expires));
        assert_eq!(kind(shared.verify(&key(), &query, 0)), DeniedKind::BadToken);
    }

    proptest! {
        #[test]
        fn any_query_is_answered(query in ".{0,200}", now in any::<u64>()) {
            prop_assert!(SharedKey::new("secret").verify(&key(), &query, now).is_err());
        }
    }
}
