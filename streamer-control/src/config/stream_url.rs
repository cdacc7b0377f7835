//! The address of a stream on another server, checked.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

/// Longest URL in bytes: tokens of some kilobytes are seen, more is a mistake.
pub const MAX_URL_BYTES: usize = 4_096;

/// An `rtmp` or `rtmps` URL with a host and a path of at least an application and a stream.
///
/// `Debug` and `Display` leave out the query, user and password: they are secrets. [`as_str`](Self::as_str)
/// has all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl {
    text: String,
    shown: String,
}

impl StreamUrl {
    /// Checks `text`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the URL: it may hold a secret.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_URL_BYTES {
            return Err(format!("a URL of {} bytes: at most {MAX_URL_BYTES} are allowed", text.len()));
        }
        let url = Url::parse(text).map_err(|error| format!("bad URL: {error}"))?;
        if !matches!(url.scheme(), "rtmp" | "rtmps") {
            return Err(format!("bad URL: scheme `{}`: `rtmp` or `rtmps` is expected", url.scheme()));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("bad URL: the host is missing")?;
        let parts = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).count();
        if parts < 2 {
            return Err("bad URL: `/application/stream` is expected behind the host".into());
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{host}{port}{}", url.scheme(), url.path());
        Ok(Self { text: text.into(), shown })
    }

    /// The whole URL as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamUrl({})", self.shown)
    }
}

impl Serialize for StreamUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for StreamUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for StreamUrl {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .max_length(Some(MAX_URL_BYTES))
            .pattern(Some("^rtmps?://"))
            .description(Some("An `rtmp` or `rtmps` URL of at least an application and a stream."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for StreamUrl {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_not_shown() {
        let url = StreamUrl::new("rtmp://user:word@host:1936/live/test?token=x").unwrap();
        assert_eq!(url.to_string(), "rtmp://host:1936/live/test");
        assert_eq!(format!("{url:?}"), "StreamUrl(rtmp://host:1936/live/test)");
        assert_eq!(url.as_str(), "rtmp://user:word@host:1936/live/test?token=x");
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, word) in [
            ("http://host/live/test", "scheme `http`"),
            ("rtmp:///live/test", "host"),
            ("rtmp://host/live", "/application/stream"),
            ("host/live/test", "bad URL"),
            ("rtmp://host:99999/live/test", "port"),
        ] {
            let error = StreamUrl::new(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn length_at_its_limit() {
        let base = "rtmp://host/live/";
        let longest = format!("{base}{}", "s".repeat(MAX_URL_BYTES - base.len()));
        assert!(StreamUrl::new(&longest).is_ok());
        assert!(StreamUrl::new(&format!("{longest}s")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,80}") {
            if let Ok(url) = StreamUrl::new(&text) {
                prop_assert_eq!(url.as_str(), text);
            }
        }
    }
}
