//! What a server session tells its owner.

use super::super::capabilities::Capabilities;
use super::super::command::PublishKind;
use super::super::media::MediaMessage;

/// Something the peer did or wants. `message_stream` names the message stream it is about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// The peer has sent `connect`. It is accepted already unless
    /// [`ServerOptions::confirm_connect`](super::ServerOptions::confirm_connect) is set.
    Connected(Box<ConnectInfo>),
    /// The peer asks to publish; input is not read on until it is accepted or rejected.
    Publish(PublishRequest),
    /// The peer asks to play; once this event is taken input is read on, so that a request that waits for a publisher
    /// can be taken back: that is [`ServerEvent::StreamClosed`], and a verdict after it comes too late.
    Play(PlayRequest),
    /// A media message of a publish that was accepted.
    Media(MediaMessage),
    /// An accepted publish ended by the peer's wish.
    Unpublished {
        /// The message stream, free for another publish or play.
        message_stream: u32,
    },
    /// A play, accepted or still asked for, ended by the peer's wish.
    StreamClosed {
        /// The message stream.
        message_stream: u32,
    },
    /// The player paused or goes on; it has been answered.
    Paused {
        /// The message stream.
        message_stream: u32,
        /// Whether it is paused now.
        paused: bool,
        /// Where the player says it is, in milliseconds.
        position_ms: f64,
    },
    /// The player wants audio or not.
    ReceiveAudio {
        /// The message stream.
        message_stream: u32,
        /// Whether it wants it.
        receive: bool,
    },
    /// The player wants video or not.
    ReceiveVideo {
        /// The message stream.
        message_stream: u32,
        /// Whether it wants it.
        receive: bool,
    },
    /// How much the player buffers.
    BufferLength {
        /// The message stream.
        message_stream: u32,
        /// Milliseconds.
        buffer_ms: u32,
    },
    /// The answer to [`ServerSession::ping`](super::ServerSession::ping).
    Pong {
        /// The time given to `ping`.
        sent_ms: u32,
    },
}

/// What the peer says about itself in `connect` (RTMP 1.0 section 7.2.1.1). Nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConnectInfo {
    /// The application: the first segment of the path, not yet judged.
    pub app: String,
    /// `app` as sent, with instance and query string.
    pub app_as_sent: String,
    /// The query string of `app` or `tcUrl`, without the question mark.
    pub query: String,
    /// `tcUrl`: the URL the peer believes to talk to.
    pub tc_url: String,
    /// `flashVer`: name and version of the peer.
    pub flash_ver: String,
    /// `swfUrl`.
    pub swf_url: String,
    /// `pageUrl`.
    pub page_url: String,
    /// Whether the peer asked for AMF3 (`objectEncoding` 3).
    pub amf3: bool,
    /// Enhanced RTMP, as announced.
    pub capabilities: Capabilities,
}

/// A request to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The message stream it came on.
    pub message_stream: u32,
    /// The application, not yet judged: it may be empty or hold any characters.
    pub app: String,
    /// The stream name, likewise.
    pub name: String,
    /// The query strings of both, without question marks.
    pub query: String,
    /// Live, or recorded by the server.
    pub kind: PublishKind,
}

/// A request to play.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayRequest {
    /// The message stream it came on.
    pub message_stream: u32,
    /// The application, not yet judged: it may be empty or hold any characters.
    pub app: String,
    /// The stream name, likewise.
    pub name: String,
    /// The query strings of both, without question marks.
    pub query: String,
    /// Where to begin, as sent; see [`Command::Play`](crate::proto::command::Command::Play).
    pub start: f64,
    /// How long, as sent.
    pub duration: f64,
    /// Whether to flush what was played before.
    pub reset: bool,
}
