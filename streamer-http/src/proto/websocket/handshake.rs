//! The opening handshake, server side (RFC 6455, 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use sha1::{Digest, Sha1};
use thiserror::Error;

/// What is appended to the client's key before it is hashed (RFC 6455, 1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a client's key once decoded.
const KEY_BYTES: usize = 16;
/// Longest subprotocol that is agreed to: names in use are shorter; it is echoed.
pub const MAX_SUBPROTOCOL_BYTES: usize = 64;

/// Why a request to upgrade cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not version 13: the answer names it.
    #[error("only version 13 of WebSocket is supported")]
    Version,
    /// No key, or one that is not 16 bytes in Base64.
    #[error("Sec-WebSocket-Key is not 16 bytes in Base64")]
    Key,
}

/// A request to go on as a WebSocket that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    accept: HeaderValue,
    subprotocol: Option<HeaderValue>,
}

impl Upgrade {
    /// The status of the answer.
    pub const STATUS: StatusCode = StatusCode::SWITCHING_PROTOCOLS;

    /// The fields of the answer.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(subprotocol) = &self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
    }
}

/// Whether `request` asks to go on as a WebSocket, and how it is answered. `None` if it does not ask.
///
/// The first subprotocol offered is agreed to if it is a token of at most [`MAX_SUBPROTOCOL_BYTES`]: some
/// players fail without, and the bytes are FLV under any name. No extension is agreed to.
///
/// # Errors
/// [`HandshakeError`] when it asks in a way that cannot be followed.
pub fn upgrade<B>(request: &Request<B>) -> Result<Option<Upgrade>, HandshakeError> {
    let headers = request.headers();
    let asks = request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && lists(headers, &header::CONNECTION, "upgrade")
        && lists(headers, &header::UPGRADE, "websocket");
    if !asks {
        return Ok(None);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HandshakeError::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?.as_bytes();
    if STANDARD.decode(key).map(|key| key.len()) != Ok(KEY_BYTES) {
        return Err(HandshakeError::Key);
    }
    let digest = Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize();
    let accept = HeaderValue::try_from(STANDARD.encode(digest)).map_err(|_| HandshakeError::Key)?;
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let subprotocol = offered
        .and_then(|offered| offered.split(',').next())
        .map(str::trim)
        .filter(|name| is_token(name) && name.len() <= MAX_SUBPROTOCOL_BYTES)
        .and_then(|name| HeaderValue::from_str(name).ok());
    Ok(Some(Upgrade { accept, subprotocol }))
}

/// Whether a field with a comma-separated list holds `token`, whatever its case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

/// RFC 9110, 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(edit: impl FnOnce(&mut Request<()>)) -> Result<Option<HeaderMap>, HandshakeError> {
        let mut request = Request::new(());
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        edit(&mut request);
        Ok(upgrade(&request)?.map(|upgrade| {
            let mut headers = HeaderMap::new();
            upgrade.write_headers(&mut headers);
            headers
        }))
    }

    fn with(name: &'static str, value: &str) -> Result<Option<HeaderMap>, HandshakeError> {
        asked(|request| {
            request.headers_mut().insert(name, value.parse().unwrap());
        })
    }

    #[test]
    fn the_example_of_the_standard() {
        let answer = asked(|_| ()).unwrap().unwrap();
        assert_eq!(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer["upgrade"], "websocket");
        assert!(!answer.contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn what_does_not_ask_is_plain_http() {
        assert_eq!(with("connection", "keep-alive"), Ok(None));
        assert_eq!(with("upgrade", "h2c"), Ok(None));
        assert_eq!(asked(|request| *request.version_mut() = Version::HTTP_10), Ok(None));
        assert_eq!(asked(|request| *request.method_mut() = Method::POST), Ok(None));
    }

    #[test]
    fn what_asks_wrongly_is_told_so() {
        assert_eq!(with("sec-websocket-version", "8"), Err(HandshakeError::Version));
        for key in
            ["", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSE=", "not base64 at all!!"]
        {
            assert_eq!(with("sec-websocket-key", key), Err(HandshakeError::Key), "{key}");
        }
        let keyless = asked(|request| drop(request.headers_mut().remove("sec-websocket-key")));
        assert_eq!(keyless, Err(HandshakeError::Key));
    }

    #[test]
    fn the_first_subprotocol_is_agreed_to_if_it_is_a_token() {
        let agreed = |offered: &str| {
            with("sec-websocket-protocol", offered)
                .unwrap()
                .unwrap()
                .get("sec-websocket-protocol")
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(agreed("flv, other").as_deref(), Some("flv"));
        assert_eq!(agreed("<script>"), None);
        let longest = "p".repeat(MAX_SUBPROTOCOL_BYTES);
        assert_eq!(agreed(&longest), Some(longest.clone()));
        assert_eq!(agreed(&format!("{longest}p")), None);
    }
}
