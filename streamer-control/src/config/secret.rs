//! A secret of a configuration file: read once, never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest secret in bytes: far past any key, short enough to hash for every request.
pub const MAX_SECRET_BYTES: usize = 256;

/// A secret of 1 to [`MAX_SECRET_BYTES`] bytes. `Debug` does not show it; written back to JSON it is whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > MAX_SECRET_BYTES {
            let message = format!("a secret has 1 to {MAX_SECRET_BYTES} bytes, this one {}", text.len());
            return Err(de::Error::custom(message));
        }
        Ok(Self(text))
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Secret {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_SECRET_BYTES))
            .description(Some("A secret; it is masked in every answer."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_at_its_limits() {
        let read = |len: usize| serde_json::from_str::<Secret>(&format!("\"{}\"", "k".repeat(len)));
        assert!(read(0).is_err());
        assert_eq!(read(MAX_SECRET_BYTES).unwrap().expose().len(), MAX_SECRET_BYTES);
        assert!(read(MAX_SECRET_BYTES + 1).is_err());
    }

    #[test]
    fn debug_does_not_tell() {
        let secret: Secret = serde_json::from_str("\"hush\"").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
