//! Random secrets that are shown once, and the hashes that are kept of them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::error::AccountError;
use crate::store::accounts::SecretHash;

/// Random bytes of a secret: nobody guesses 256 bits, so a fast hash is enough to keep them.
pub const SECRET_BYTES: usize = 32;
/// Longest text that is looked at as a secret, in bytes; a longer one is none.
pub const MAX_SECRET_TEXT_BYTES: usize = 128;

/// A text that is secret: `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// A new secret that begins with `prefix`, and its hash.
pub(crate) fn random_secret(prefix: &str) -> Result<(SecretText, SecretHash), AccountError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| AccountError::Crypto(error.to_string()))?;
    let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash(&text);
    Ok((SecretText(text), hash))
}

/// The hash of a secret.
pub(crate) fn hash(text: &str) -> SecretHash {
    Sha256::digest(text.as_bytes()).into()
}

/// The hash of what somebody says is a secret, unless it is too long to be one.
pub(crate) fn hash_of_claimed(text: &str) -> Option<SecretHash> {
    (text.len() <= MAX_SECRET_TEXT_BYTES).then(|| hash(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_new_each_time() {
        let (one, hash_of_one) = random_secret("tts_").unwrap();
        let (two, _) = random_secret("tts_").unwrap();
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), "tts_".len() + 43);
        assert_eq!(hash(one.expose()), hash_of_one);
        assert_eq!(format!("{one:?}"), "SecretText(..)");
    }

    #[test]
    fn claimed_secrets_at_their_limit() {
        assert!(hash_of_claimed(&"x".repeat(MAX_SECRET_TEXT_BYTES)).is_some());
        assert!(hash_of_claimed(&"x".repeat(MAX_SECRET_TEXT_BYTES + 1)).is_none());
    }
}
