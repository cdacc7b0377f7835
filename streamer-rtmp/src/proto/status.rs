//! Statuses: the information objects of `onStatus`, and their codes.

use streamer_core::container::flv::amf0::Value;

/// The information object of a status (RTMP 1.0 section 7.2.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// `status`, `warning` or `error`.
    pub level: String,
    /// The code, such as `NetStream.Play.Start`; see [`codes`].
    pub code: String,
    /// A sentence for people.
    pub description: String,
    /// Further properties.
    pub more: Vec<(String, Value)>,
}

impl Status {
    /// A status of level `status`.
    pub fn new(code: &str, description: &str) -> Self {
        Self {
            level: "status".to_owned(),
            code: code.to_owned(),
            description: description.to_owned(),
            more: vec![],
        }
    }

    /// A status of level `error`.
    pub fn error(code: &str, description: &str) -> Self {
        Self { level: "error".to_owned(), ..Self::new(code, description) }
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.push((name.to_owned(), value.into()));
        self
    }

    /// Whether its level is `error`.
    pub fn is_error(&self) -> bool {
        self.level == "error"
    }

    /// Reads an information object; `None` when it has no code.
    pub fn from_info(info: &Value) -> Option<Self> {
        let mut status =
            Self { level: String::new(), code: String::new(), description: String::new(), more: vec![] };
        for (name, value) in info.fields()? {
            let text = || value.as_str().unwrap_or_default().to_owned();
            match name.as_str() {
                "level" => status.level = text(),
                "code" if value.as_str().is_some() => status.code = text(),
                "description" => status.description = text(),
                _ => status.more.push((name.clone(), value.clone())),
            }
        }
        (!status.code.is_empty()).then_some(status)
    }

    /// The information object.
    pub fn to_info(&self) -> Value {
        let mut fields = vec![
            ("level".to_owned(), Value::from(self.level.as_str())),
            ("code".to_owned(), Value::from(self.code.as_str())),
            ("description".to_owned(), Value::from(self.description.as_str())),
        ];
        fields.extend(self.more.iter().cloned());
        Value::Object(fields)
    }
}

/// The codes of statuses that clients wait for (RTMP 1.0 section 7.2, the `ActionScript` reference, Enhanced RTMP v2).
pub mod codes {
    /// `connect` was accepted.
    pub const CONNECT_SUCCESS: &str = "NetConnection.Connect.Success";
    /// `connect` was refused; with `ex.redirect`, try there.
    pub const CONNECT_REJECTED: &str = "NetConnection.Connect.Rejected";
    /// The application does not exist.
    pub const CONNECT_INVALID_APP: &str = "NetConnection.Connect.InvalidApp";
    /// The connection is closed.
    pub const CONNECT_CLOSED: &str = "NetConnection.Connect.Closed";
    /// The server asks to connect again (Enhanced RTMP v2).
    pub const CONNECT_RECONNECT_REQUEST: &str = "NetConnection.Connect.ReconnectRequest";
    /// A call failed.
    pub const CALL_FAILED: &str = "NetConnection.Call.Failed";
    /// A publish begins.
    pub const PUBLISH_START: &str = "NetStream.Publish.Start";
    /// The name is taken or not allowed.
    pub const PUBLISH_BAD_NAME: &str = "NetStream.Publish.BadName";
    /// The publisher has no right to publish.
    pub const PUBLISH_DENIED: &str = "NetStream.Publish.Denied";
    /// The publish was refused or ended by the server.
    pub const PUBLISH_REJECTED: &str = "NetStream.Publish.Rejected";
    /// A publish ended as asked.
    pub const UNPUBLISH_SUCCESS: &str = "NetStream.Unpublish.Success";
    /// What was played before is flushed.
    pub const PLAY_RESET: &str = "NetStream.Play.Reset";
    /// Media follows.
    pub const PLAY_START: &str = "NetStream.Play.Start";
    /// Playing ended.
    pub const PLAY_STOP: &str = "NetStream.Play.Stop";
    /// Playing failed.
    pub const PLAY_FAILED: &str = "NetStream.Play.Failed";
    /// There is no such stream.
    pub const PLAY_STREAM_NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
    /// The recording was played to its end.
    pub const PLAY_COMPLETE: &str = "NetStream.Play.Complete";
    /// The publisher came (back).
    pub const PLAY_PUBLISH_NOTIFY: &str = "NetStream.Play.PublishNotify";
    /// The publisher went.
    pub const PLAY_UNPUBLISH_NOTIFY: &str = "NetStream.Play.UnpublishNotify";
    /// Paused as asked.
    pub const PAUSE_NOTIFY: &str = "NetStream.Pause.Notify";
    /// Going on as asked.
    pub const UNPAUSE_NOTIFY: &str = "NetStream.Unpause.Notify";
    /// The position changed.
    pub const SEEK_NOTIFY: &str = "NetStream.Seek.Notify";
    /// The position cannot be changed.
    pub const SEEK_FAILED: &str = "NetStream.Seek.Failed";
    /// Something on a message stream failed.
    pub const STREAM_FAILED: &str = "NetStream.Failed";
}
