//! `rtmp://` and `rtmps://` URLs, as pull and forward are given them.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of RTMP (IANA `macromedia-fcs`).
pub const DEFAULT_RTMP_PORT: u16 = 1935;

/// The port of RTMPS, which has none of its own: that of HTTPS.
pub const DEFAULT_RTMPS_PORT: u16 = 443;

/// The longest URL: application and stream at their longest, and a host.
pub const MAX_URL_BYTES: usize = 8192 + 256;

/// Where a stream is: `rtmp[s]://[user[:password]@]host[:port]/app[/..]/stream[?query]`.
///
/// The last segment of the path is the stream, what is before it the application. Nothing is percent-decoded: RTMP
/// sends names as they are. `Display` shows neither password nor query string, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct RtmpUrl {
    /// RTMP over TLS.
    pub tls: bool,
    /// Name or address of the server; an IPv6 address is without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, where given.
    pub credentials: Option<(String, String)>,
    /// The application: one or more segments, without slashes at its ends.
    pub app: String,
    /// The stream, query string included.
    pub stream: String,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("a URL of {len} bytes: {max} are allowed")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Neither `rtmp://` nor `rtmps://`.
    #[error("the URL must begin with rtmp:// or rtmps://")]
    Scheme,
    /// No host, or brackets around anything but an IPv6 address.
    #[error("the URL names no host")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("the port of the URL is not a number from 1 to 65535")]
    Port,
    /// No application.
    #[error("the URL names no application")]
    App,
    /// No stream.
    #[error("the URL names no stream: expected rtmp://host/app/stream")]
    Stream,
    /// A space or control character.
    #[error("the character at byte {offset} is not allowed in a URL")]
    Character {
        /// Where it stands.
        offset: usize,
    },
}

/// Scheme and authority of a URL.
struct Server {
    tls: bool,
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

impl RtmpUrl {
    /// The `tcUrl` of `connect`: without stream and credentials; the port where it is not the default.
    pub fn tc_url(&self) -> String {
        format!("{}/{}", self.origin(), self.app)
    }

    /// The same stream at another `tcUrl`, which may be relative: `//host/app` or `/app` (Enhanced RTMP v2,
    /// Reconnect Request; `ex.redirect` of a connection that was rejected).
    ///
    /// # Errors
    /// [`UrlError`] of the URL that results.
    pub fn with_tc_url(&self, reference: &str) -> Result<Self, UrlError> {
        let scheme = if self.tls { "rtmps" } else { "rtmp" };
        let absolute = if reference.starts_with("//") {
            format!("{scheme}:{reference}")
        } else if reference.starts_with('/') {
            format!("{}{reference}", self.origin())
        } else {
            reference.to_owned()
        };
        let (server, path) = split_server(&absolute)?;
        let app = path.trim_matches('/');
        if app.is_empty() {
            return Err(UrlError::App);
        }
        // Some servers answer with the whole URL where its `tcUrl` is due.
        let name = self.stream.split('?').next().unwrap_or_default();
        let app = match app.split_once('?').map_or(app, |(path, _)| path).strip_suffix(name) {
            Some(front) if front.len() > 1 && front.ends_with('/') => front.trim_end_matches('/'),
            _ => app,
        };
        let Server { tls, host, port, credentials } = server;
        let credentials = credentials.or_else(|| self.credentials.clone());
        Ok(Self { tls, host, port, credentials, app: app.to_owned(), stream: self.stream.clone() })
    }

    fn origin(&self) -> String {
        let (scheme, default) =
            if self.tls { ("rtmps", DEFAULT_RTMPS_PORT) } else { ("rtmp", DEFAULT_RTMP_PORT) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }
}

impl FromStr for RtmpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (Server { tls, host, port, credentials }, path) = split_server(text)?;
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let last = segments.pop().ok_or(UrlError::App)?;
        let (app, mut stream) = if segments.is_empty() {
            // `app?query/stream`, as Flash Media Server wanted tokens for an application.
            let (query, stream) = query.and_then(|query| query.rsplit_once('/')).ok_or(UrlError::Stream)?;
            if stream.is_empty() {
                return Err(UrlError::Stream);
            }
            return Ok(Self {
                tls,
                host,
                port,
                credentials,
                app: format!("{last}?{query}"),
                stream: stream.to_owned(),
            });
        } else {
            (segments.join("/"), last.to_owned())
        };
        if let Some(query) = query {
            stream.push('?');
            stream.push_str(query);
        }
        Ok(Self { tls, host, port, credentials, app, stream })
    }
}

/// Takes scheme and authority off `text`; what is left begins with a slash or is empty.
fn split_server(text: &str) -> Result<(Server, &str), UrlError> {
    if text.len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong { len: text.len(), max: MAX_URL_BYTES });
    }
    if let Some(offset) = text.bytes().position(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(UrlError::Character { offset });
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "rtmp" => false,
        "rtmps" => true,
        _ => return Err(UrlError::Scheme),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (credentials, address) = match authority.rsplit_once('@') {
        Some((user, address)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (Some((user.to_owned(), password.to_owned())), address)
        }
        None => (None, authority),
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(inner) => {
            let (host, port) = inner.split_once(']').ok_or(UrlError::Host)?;
            match (port, port.strip_prefix(':')) {
                ("", _) => (host, None),
                (_, Some(port)) => (host, Some(port)),
                _ => return Err(UrlError::Host),
            }
        }
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    // What is in brackets is an IPv6 address, and nothing else has brackets.
    let fits =
        if address.starts_with('[') { host.parse::<Ipv6Addr>().is_ok() } else { !host.contains(['[', ']']) };
    if host.is_empty() || !fits {
        return Err(UrlError::Host);
    }
    let port = match port {
        None | Some("") if tls => DEFAULT_RTMPS_PORT,
        None | Some("") => DEFAULT_RTMP_PORT,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?,
    };
    Ok((Server { tls, host: host.to_owned(), port, credentials }, path))
}

impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without_query = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
        write!(f, "{}/{}/{}", self.origin(), without_query(&self.app), without_query(&self.stream))
    }
}

impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtmpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> RtmpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn ports_default_by_scheme() {
        assert_eq!(parse("rtmp://h/live/cam").port, 1935);
        assert_eq!(parse("rtmps://h/live/cam").port, 443);
        assert_eq!(parse("RTMP://h:/live/cam").port, 1935);
        assert_eq!(parse("rtmp://h:19350/live/cam").port, 19350);
        for port in ["0", "65536", "x", "-1"] {
            assert_eq!(format!("rtmp://h:{port}/live/cam").parse::<RtmpUrl>(), Err(UrlError::Port));
        }
    }

    #[test]
    fn the_last_segment_is_the_stream_with_its_query() {
        let url = parse("rtmp://h/live/room/cam?token=a/b&x=?y");
        assert_eq!((url.app.as_str(), url.stream.as_str()), ("live/room", "cam?token=a/b&x=?y"));
        assert_eq!(url.tc_url(), "rtmp://h/live/room");
        let url = parse("rtmp://h/live?token=a/cam");
        assert_eq!((url.app.as_str(), url.stream.as_str()), ("live?token=a", "cam"));
        let url = parse("rtmp://h//live//cam/");
        assert_eq!((url.app.as_str(), url.stream.as_str()), ("live", "cam"));
    }

    #[test]
    fn addresses_and_credentials() {
        let url = parse("rtmp://user:p@ss@[2001:db8::1]:1936/live/cam?k=1");
        assert_eq!((url.host.as_str(), url.port), ("2001:db8::1", 1936));
        assert_eq!(url.credentials, Some(("user".to_owned(), "p@ss".to_owned())));
        assert_eq!(url.tc_url(), "rtmp://[2001:db8::1]:1936/live");
        assert_eq!(format!("{url} {url:?}").matches(['@', '?']).count(), 0);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, error) in [
            ("http://h/live/cam", UrlError::Scheme),
            ("h/live/cam", UrlError::Scheme),
            ("rtmp:///live/cam", UrlError::Host),
            ("rtmp://[::1/live/cam", UrlError::Host),
            ("rtmp://[::1]x/live/cam", UrlError::Host),
            ("rtmp://[h]/live/cam", UrlError::Host),
            ("rtmp://h]/live/cam", UrlError::Host),
            ("rtmp://h", UrlError::App),
            ("rtmp://h/", UrlError::App),
            ("rtmp://h/live", UrlError::Stream),
            ("rtmp://h/live?x=/", UrlError::Stream),
            ("rtmp://h/live/c m", UrlError::Character { offset: 15 }),
            ("rtmp://h/live/c\0", UrlError::Character { offset: 15 }),
        ] {
            assert_eq!(text.parse::<RtmpUrl>(), Err(error), "{text}");
        }
        let url = |bytes: usize| format!("rtmp://h/live/{}", "x".repeat(bytes - 14));
        assert!(url(MAX_URL_BYTES).parse::<RtmpUrl>().is_ok());
        let len = MAX_URL_BYTES + 1;
        assert_eq!(url(len).parse::<RtmpUrl>(), Err(UrlError::TooLong { len, max: MAX_URL_BYTES }));
    }

    #[test]
    fn another_tc_url_keeps_the_stream() {
        let url = parse("rtmp://u:p@h:1936/live/cam?k=1");
        let moved = |reference| url.with_tc_url(reference).unwrap();
        assert_eq!(moved("rtmps://b/other"), parse("rtmps://u:p@b/other/cam?k=1"));
        assert_eq!(moved("//b/other/"), parse("rtmp://u:p@b/other/cam?k=1"));
        assert_eq!(moved("/other"), parse("rtmp://u:p@h:1936/other/cam?k=1"));
        assert_eq!(moved("rtmp://b/live/cam"), parse("rtmp://u:p@b/live/cam?k=1"));
        assert_eq!(moved("rtmp://b/cam"), parse("rtmp://u:p@b/cam/cam?k=1"));
        assert_eq!(url.with_tc_url("rtmp://b/"), Err(UrlError::App));
        assert_eq!(url.with_tc_url("b/live"), Err(UrlError::Scheme));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String, base in "rtmps?://[a-z:@\\[\\]]{0,9}[/a-z?]{0,12}") {
            let _ = text.parse::<RtmpUrl>();
            if let Ok(url) = base.parse::<RtmpUrl>() {
                let _ = url.with_tc_url(&text);
                let again: RtmpUrl = format!("{}/{}", url.tc_url(), url.stream).parse().unwrap();
                prop_assert_eq!(again.stream, url.stream);
            }
        }
    }
}
