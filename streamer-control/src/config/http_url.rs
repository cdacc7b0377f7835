//! The address of a service that is asked over HTTP, checked.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::stream_url::MAX_URL_BYTES;

/// An `http` or `https` URL with a host, of at most [`MAX_URL_BYTES`]. User and password, if it has them, are
/// sent as basic authentication.
///
/// `Debug` and `Display` leave out the query, user and password: they are secrets. [`as_str`](Self::as_str)
/// has all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    shown: String,
}

impl HttpUrl {
    /// Checks `text`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the URL: it may hold a secret.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_URL_BYTES {
            return Err(format!("a URL of {} bytes: at most {MAX_URL_BYTES} are allowed", text.len()));
        }
        let url = Url::parse(text).map_err(|error| format!("bad URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("bad URL: scheme `{}`: `http` or `https` is expected", url.scheme()));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("bad URL: the host is missing")?;
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

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({})", self.shown)
    }
}

impl Serialize for HttpUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for HttpUrl {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .max_length(Some(MAX_URL_BYTES))
            .pattern(Some("^https?://"))
            .description(Some("An `http` or `https` URL."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for HttpUrl {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_not_shown() {
        let url = HttpUrl::new("https://user:word@host:8443/ask?key=x").unwrap();
        assert_eq!(url.to_string(), "https://host:8443/ask");
        assert_eq!(format!("{url:?}"), "HttpUrl(https://host:8443/ask)");
        assert_eq!(url.as_str(), "https://user:word@host:8443/ask?key=x");
        assert_eq!(serde_json::to_string(&url).unwrap(), "\"https://user:word@host:8443/ask?key=x\"");
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, word) in [
            ("ftp://host/", "scheme `ftp`"),
            ("file:///etc/passwd", "scheme `file`"),
            ("http://", "host"),
            ("/ask", "bad URL"),
            ("http://host:99999/", "port"),
        ] {
            let error = HttpUrl::new(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn length_at_its_limit() {
        let base = "http://host/";
        let longest = format!("{base}{}", "s".repeat(MAX_URL_BYTES - base.len()));
        assert!(HttpUrl::new(&longest).is_ok());
        assert!(HttpUrl::new(&format!("{longest}s")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,80}") {
            if let Ok(url) = HttpUrl::new(&text) {
                prop_assert_eq!(url.as_str(), text);
            }
        }
    }
}
