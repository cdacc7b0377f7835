//! Who may publish and who may play: the question every protocol asks, and the trait that answers it.

mod shared_key;

use std::borrow::Cow;
use std::net::SocketAddr;

use async_trait::async_trait;
use thiserror::Error;

use crate::key::StreamKey;

pub use shared_key::{MAX_EXPIRY_HEX_DIGITS, SharedKey};

/// What a peer asks to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send media in.
    Publish,
    /// Get media out.
    Play,
}

impl Action {
    /// `publish` or `play`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Play => "play",
        }
    }
}

/// One request for access, the same on every protocol.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// What is asked.
    pub action: Action,
    /// Of which stream.
    pub key: &'a StreamKey,
    /// Short lower-case protocol name: `rtmp`, `http-flv`, ...
    pub protocol: &'static str,
    /// The peer's address, if it has one; behind a trusted proxy the address the proxy names.
    pub peer: Option<SocketAddr>,
    /// The query string of the URL, without the question mark, as the peer sent it.
    pub query: &'a str,
    /// The page the peer says it comes from.
    pub page_url: Option<&'a str>,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
}

impl<'a> AccessRequest<'a> {
    /// The value of the first query parameter called `name`, percent-escapes untouched.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        parameter(self.query, name)
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The kind of a refusal; protocols map it to their own status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeniedKind {
    /// There is no such application.
    UnknownApp,
    /// The application does not take this kind of input, or not this action.
    NotAllowed,
    /// No token, or a wrong one.
    BadToken,
    /// The token was right once.
    Expired,
    /// A limit on publishers or viewers is reached.
    Full,
    /// The decision could not be made.
    Unavailable,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Denied {
    /// Its kind.
    pub kind: DeniedKind,
    /// One short English sentence for the peer; holds nothing the peer chose.
    pub message: Cow<'static, str>,
}

impl Denied {
    /// A refusal of `kind` with a fixed sentence.
    #[must_use]
    pub const fn new(kind: DeniedKind, message: &'static str) -> Self {
        Self { kind, message: Cow::Borrowed(message) }
    }
}

/// Decides who may publish and who may play.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Grants (`Ok`) or refuses `request`. Called once per publish or play, before any media flows.
    ///
    /// # Errors
    /// [`Denied`] with the reason given to the peer.
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied>;
}

/// Lets everybody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

#[async_trait]
impl Authorizer for AllowAll {
    async fn authorize(&self, _request: &AccessRequest<'_>) -> Result<(), Denied> {
        Ok(())
    }
}
