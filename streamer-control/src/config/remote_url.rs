//! Addresses on other servers, checked: of streams, and of services that are asked over HTTP.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

/// Longest URL in bytes: tokens of some kilobytes are seen, more is a mistake.
pub const MAX_URL_BYTES: usize = 4_096;

/// Checks what holds for every URL: its length, that it is of one of two schemes, that it has a host.
fn check(text: &str, schemes: [&str; 2]) -> Result<Url, String> {
    if text.len() > MAX_URL_BYTES {
        return Err(format!("a URL of {} bytes: at most {MAX_URL_BYTES} are allowed", text.len()));
    }
    let url = Url::parse(text).map_err(|error| format!("bad URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        let [plain, encrypted] = schemes;
        return Err(format!("bad URL: scheme `{}`: `{plain}` or `{encrypted}` is expected", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("bad URL: the host is missing".into());
    }
    Ok(url)
}

/// What of `url` anybody may see.
fn without_secrets(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

macro_rules! url_type {
    ($(#[$doc:meta])* $name:ident, $schemes:expr, $pattern:literal, $description:literal, $rest:expr) => {
        $(#[$doc])*
        ///
        /// `Debug` and `Display` leave out the query, user and password: they are secrets. [`as_str`](Self::as_str)
        /// has all of it.
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            text: String,
            shown: String,
        }

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// A sentence that says what is wrong, without the URL: it may hold a secret.
            pub fn new(text: &str) -> Result<Self, String> {
                let url = check(text, $schemes)?;
                let rest: fn(&Url) -> Result<(), String> = $rest;
                rest(&url)?;
                Ok(Self { text: text.into(), shown: without_secrets(&url) })
            }

            /// The whole URL as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.shown)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.shown)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .max_length(Some(MAX_URL_BYTES))
                    .pattern(Some($pattern))
                    .description(Some($description))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    };
}

url_type!(
    /// An `rtmp` or `rtmps` URL with a host and a path of at least an application and a stream.
    StreamUrl,
    ["rtmp", "rtmps"],
    "^rtmps?://",
    "An `rtmp` or `rtmps` URL of at least an application and a stream.",
    |url| {
        let parts = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).count();
        if parts < 2 { Err("bad URL: `/application/stream` is expected behind the host".into()) } else { Ok(()) }
    }
);

url_type!(
    /// An `http` or `https` URL with a host, of at most [`MAX_URL_BYTES`]. User and password, if it has them, are
    /// sent as basic authentication.
    HttpUrl,
    ["http", "https"],
    "^https?://",
    "An `http` or `https` URL.",
    |_| Ok(())
);

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
        let url = HttpUrl::new("https://user:word@host:8443/ask?key=x").unwrap();
        assert_eq!(url.to_string(), "https://host:8443/ask");
        assert_eq!(format!("{url:?}"), "HttpUrl(https://host:8443/ask)");
        assert_eq!(url.as_str(), "https://user:word@host:8443/ask?key=x");
        assert_eq!(serde_json::to_string(&url).unwrap(), "\"https://user:word@host:8443/ask?key=x\"");
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, word) in [
            ("http://host/live/test", "scheme `http`: `rtmp` or `rtmps` is expected"),
            ("rtmp:///live/test", "host"),
            ("rtmp://host/live", "/application/stream"),
            ("host/live/test", "bad URL"),
            ("rtmp://host:99999/live/test", "port"),
        ] {
            let error = StreamUrl::new(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        for (text, word) in [
            ("ftp://host/", "scheme `ftp`: `http` or `https` is expected"),
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
        let longest = |base: &str| format!("{base}{}", "s".repeat(MAX_URL_BYTES - base.len()));
        let (stream, http) = (longest("rtmp://host/live/"), longest("http://host/"));
        assert!(StreamUrl::new(&stream).is_ok() && StreamUrl::new(&format!("{stream}s")).is_err());
        assert!(HttpUrl::new(&http).is_ok() && HttpUrl::new(&format!("{http}s")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "((rtmp|https?)://)?.{0,80}") {
            if let Ok(url) = StreamUrl::new(&text) {
                prop_assert_eq!(url.as_str(), &text);
            }
            if let Ok(url) = HttpUrl::new(&text) {
                prop_assert_eq!(url.as_str(), &text);
            }
        }
    }
}
