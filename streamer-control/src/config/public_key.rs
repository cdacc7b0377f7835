//! A public key in a configuration file.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest public key in PEM, in bytes: one of RSA with 16 384 bits takes 3 KiB.
pub const MAX_PUBLIC_KEY_BYTES: usize = 8 << 10;

/// The text of a public key in PEM (RFC 7468). That it is one, and of which kind, is found by whoever uses it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(String);

impl PublicKey {
    /// Checks that `text` is PEM of a public key by its label.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the text: it may be a private key.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PUBLIC_KEY_BYTES {
            let len = text.len();
            return Err(format!("a public key of {len} bytes: at most {MAX_PUBLIC_KEY_BYTES} are allowed"));
        }
        if text.contains("PRIVATE KEY") {
            return Err("this is a private key: the public one belonging to it is needed".into());
        }
        if !text.contains("-----BEGIN PUBLIC KEY-----") && !text.contains("-----BEGIN RSA PUBLIC KEY-----") {
            return Err("PEM that begins with `-----BEGIN PUBLIC KEY-----` is expected".into());
        }
        Ok(Self(text.into()))
    }

    /// The PEM text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for PublicKey {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .max_length(Some(MAX_PUBLIC_KEY_BYTES))
            .pattern(Some("-----BEGIN (RSA )?PUBLIC KEY-----"))
            .description(Some("A public key in PEM."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for PublicKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_and_other_text_are_refused() {
        assert!(PublicKey::new("-----BEGIN PRIVATE KEY-----\nAA==").unwrap_err().contains("private key"));
        assert!(PublicKey::new("-----BEGIN EC PRIVATE KEY-----\nAA==").is_err());
        assert!(PublicKey::new("ssh-rsa AAAA").unwrap_err().contains("BEGIN PUBLIC KEY"));
    }

    #[test]
    fn length_at_its_limit() {
        let label = "-----BEGIN PUBLIC KEY-----\n";
        let longest = format!("{label}{}", "A".repeat(MAX_PUBLIC_KEY_BYTES - label.len()));
        assert_eq!(PublicKey::new(&longest).unwrap().as_str(), longest);
        assert!(PublicKey::new(&format!("{longest}A")).is_err());
    }
}
