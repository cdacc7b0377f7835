//! Refusals: which status and which one sentence a request that is not granted gets.

use std::borrow::Cow;

use http::StatusCode;
use streamer_core::hub::SubscribeError;
use streamer_core::{Denied, DeniedKind};

use super::route::RouteError;
use super::websocket::HandshakeError;

/// When to come again after a refusal for want of room, in seconds: some viewers have left by then, and a
/// crowd that comes again at once would keep the server busy refusing it.
pub const RETRY_AFTER_S: u32 = 5;

/// An answer that is no media. The sentence holds nothing that the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub status: StatusCode,
    /// One English sentence for the body, without its line end.
    pub sentence: Cow<'static, str>,
    /// Whether coming again soon may help.
    pub passing: bool,
}

impl Refusal {
    /// A refusal with a fixed sentence.
    #[must_use]
    pub const fn new(status: StatusCode, sentence: &'static str) -> Self {
        Self { status, sentence: Cow::Borrowed(sentence), passing: is_passing(status) }
    }

    /// The stream is not there and did not come in time.
    #[must_use]
    pub const fn no_such_stream() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such stream now.")
    }

    /// The stream is there, but nothing of it that could be sent came in time.
    #[must_use]
    pub const fn not_yet() -> Self {
        let sentence = Cow::Borrowed("Nothing of the stream can be played yet.");
        Self { status: StatusCode::NOT_FOUND, sentence, passing: true }
    }

    /// Seconds after which coming again may help.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        self.passing.then_some(RETRY_AFTER_S)
    }
}

/// Whether a status tells of something that passes.
const fn is_passing(status: StatusCode) -> bool {
    status.as_u16() == StatusCode::SERVICE_UNAVAILABLE.as_u16()
}

impl From<&RouteError> for Refusal {
    fn from(error: &RouteError) -> Self {
        match error {
            RouteError::NotFound => Self::new(StatusCode::NOT_FOUND, "There is nothing at this path."),
            RouteError::Method => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This method is not allowed here: GET, HEAD and OPTIONS are.",
            ),
            RouteError::NotUtf8
            | RouteError::Name { .. }
            | RouteError::Flag { .. }
            | RouteError::Query(_)
            | RouteError::BothOnly => Self {
                status: StatusCode::BAD_REQUEST,
                sentence: format!("Bad request: {error}.").into(),
                passing: false,
            },
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let status = match denied.kind {
            DeniedKind::UnknownApp => StatusCode::NOT_FOUND,
            DeniedKind::Full | DeniedKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        };
        Self { status, sentence: denied.message, passing: is_passing(status) }
    }
}

impl From<&SubscribeError> for Refusal {
    fn from(error: &SubscribeError) -> Self {
        let sentence = match error {
            SubscribeError::TooManyViewers { .. } => "The stream has as many viewers as it may.",
            SubscribeError::TooManyWaiting { .. } => "Too many viewers wait for streams already.",
            SubscribeError::Overloaded => "The server is busy with those who watch already.",
            _ => "The stream cannot be served in one more form now.",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }
}

impl From<&HandshakeError> for Refusal {
    fn from(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::Version => {
                Self::new(StatusCode::UPGRADE_REQUIRED, "Only version 13 of WebSocket is spoken here.")
            }
            HandshakeError::Key => Self::new(
                StatusCode::BAD_REQUEST,
                "Bad request: Sec-WebSocket-Key is not 16 bytes in Base64.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_denial_has_its_status() {
        let status = |kind| Refusal::from(Denied::new(kind, "No.")).status.as_u16();
        assert_eq!(status(DeniedKind::UnknownApp), 404);
        assert_eq!(status(DeniedKind::NotAllowed), 403);
        assert_eq!(status(DeniedKind::BadToken), 403);
        assert_eq!(status(DeniedKind::Expired), 403);
        assert_eq!(status(DeniedKind::Full), 503);
        assert_eq!(status(DeniedKind::Unavailable), 503);
    }

    #[test]
    fn only_what_passes_says_when_to_come_again() {
        let full = Refusal::from(&SubscribeError::TooManyViewers { max: 1 });
        assert_eq!((full.status.as_u16(), full.retry_after_s()), (503, Some(RETRY_AFTER_S)));
        assert_eq!(Refusal::no_such_stream().retry_after_s(), None);
        assert_eq!(Refusal::not_yet().retry_after_s(), Some(RETRY_AFTER_S));
    }
}
