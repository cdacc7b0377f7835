//! What the manager tells of: to readers of the API, to followers of its feed, and to webhooks.

use serde::{Deserialize, Serialize};
use streamer_control::link::manager_api::Refusal;
use utoipa::ToSchema;

/// Something that happened, with its place in the order of all that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManagerEvent {
    /// Names it; later events have larger numbers, across restarts of the manager too.
    pub id: u64,
    /// When it happened, Unix milliseconds.
    pub at_unix_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. A `null` is not known: the message that told it was lost, and what was found later does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Event {
    /// A stream is live.
    StreamPublished {
        /// Its application.
        app: String,
        /// Its name.
        stream: String,
        /// Short protocol name of the publisher.
        protocol: Option<String>,
        /// Address of the publisher.
        address: Option<String>,
    },
    /// A stream ended.
    StreamUnpublished {
        /// Its application.
        app: String,
        /// Its name.
        stream: String,
        /// Why.
        reason: Option<String>,
    },
    /// A viewer came.
    ViewerJoined {
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
        /// Names the viewer in this run of the engine.
        viewer: u64,
        /// Short protocol name.
        protocol: String,
        /// Its address.
        address: Option<String>,
    },
    /// A viewer left.
    ViewerLeft {
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
        /// Names the viewer in this run of the engine.
        viewer: u64,
        /// Short protocol name.
        protocol: String,
        /// Its address.
        address: Option<String>,
        /// Bytes it was given.
        bytes: Option<u64>,
    },
    /// A source stream is fetched.
    PullUp {
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
    },
    /// A source stream is fetched no more, or cannot be.
    PullDown {
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
        /// Its state now.
        state: String,
        /// Why it failed last.
        error: Option<String>,
    },
    /// A forward flows.
    ForwardUp {
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
        /// Name of the forward.
        name: String,
    },
    /// A forward flows no more, or cannot be reached.
    ForwardDown {
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
        /// Name of the forward.
        name: String,
        /// Its state now.
        state: String,
        /// Why it failed last.
        error: Option<String>,
    },
    /// The engine answers.
    EngineUp {
        /// Names its run.
        engine: String,
        /// Version of its program.
        program_version: String,
    },
    /// The engine does not answer.
    EngineDown {
        /// Why.
        reason: String,
    },
    /// The engine follows a version of the configuration.
    ConfigApplied {
        /// The version.
        version: u64,
        /// From its receipt until it held, milliseconds.
        took_ms: u64,
        /// Fields that hold after a restart of the engine only.
        needs_restart: Vec<String>,
    },
    /// The engine refuses a part of a version of the configuration; the rest of it holds.
    ConfigRefused {
        /// The version.
        version: u64,
        /// What, and why.
        refused: Vec<Refusal>,
    },
    /// The disk of the manager's data is nearly full.
    DiskLow {
        /// The folder.
        path: String,
        /// What is left, bytes.
        available_bytes: u64,
        /// Size of the disk, bytes.
        total_bytes: u64,
    },
    /// The disk has room again.
    DiskRecovered {
        /// The folder.
        path: String,
        /// What is left, bytes.
        available_bytes: u64,
        /// Size of the disk, bytes.
        total_bytes: u64,
    },
    /// A listener of the engine has nearly as many connections as it takes.
    LimitNear {
        /// Its name.
        listener: String,
        /// Connections now.
        connections: u64,
        /// Connections it takes.
        max_connections: u64,
    },
    /// The listener has room again.
    LimitRelieved {
        /// Its name.
        listener: String,
        /// Connections now.
        connections: u64,
        /// Connections it takes.
        max_connections: u64,
    },
}

impl Event {
    /// Its kind, as it is spelled in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::StreamPublished { .. } => "stream_published",
            Self::StreamUnpublished { .. } => "stream_unpublished",
            Self::ViewerJoined { .. } => "viewer_joined",
            Self::ViewerLeft { .. } => "viewer_left",
            Self::PullUp { .. } => "pull_up",
            Self::PullDown { .. } => "pull_down",
            Self::ForwardUp { .. } => "forward_up",
            Self::ForwardDown { .. } => "forward_down",
            Self::EngineUp { .. } => "engine_up",
            Self::EngineDown { .. } => "engine_down",
            Self::ConfigApplied { .. } => "config_applied",
            Self::ConfigRefused { .. } => "config_refused",
            Self::DiskLow { .. } => "disk_low",
            Self::DiskRecovered { .. } => "disk_recovered",
            Self::LimitNear { .. } => "limit_near",
            Self::LimitRelieved { .. } => "limit_relieved",
        }
    }

    /// Application and stream it is about, if it is about one.
    #[must_use]
    pub fn stream(&self) -> Option<(&str, &str)> {
        match self {
            Self::StreamPublished { app, stream, .. }
            | Self::StreamUnpublished { app, stream, .. }
            | Self::ViewerJoined { app, stream, .. }
            | Self::ViewerLeft { app, stream, .. }
            | Self::PullUp { app, stream }
            | Self::PullDown { app, stream, .. }
            | Self::ForwardUp { app, stream, .. }
            | Self::ForwardDown { app, stream, .. } => Some((app, stream)),
            Self::EngineUp { .. }
            | Self::EngineDown { .. }
            | Self::ConfigApplied { .. }
            | Self::ConfigRefused { .. }
            | Self::DiskLow { .. }
            | Self::DiskRecovered { .. }
            | Self::LimitNear { .. }
            | Self::LimitRelieved { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_flat_object_that_begins_with_its_number() {
        let event = Event::PullUp { app: "live".into(), stream: "a".into() };
        let kind = event.kind();
        let event = ManagerEvent { id: 7, at_unix_ms: 8, event };
        let expected = json!({"id": 7, "at_unix_ms": 8, "kind": kind, "app": "live", "stream": "a"});
        assert_eq!(serde_json::to_value(&event).unwrap(), expected);
        assert_eq!(serde_json::from_value::<ManagerEvent>(expected).unwrap(), event);
    }

    #[test]
    fn kinds_are_those_of_the_json() {
        let (text, error) = (String::new, None::<String>);
        for event in [
            Event::StreamPublished { app: text(), stream: text(), protocol: None, address: None },
            Event::StreamUnpublished { app: text(), stream: text(), reason: None },
            Event::ViewerJoined { app: text(), stream: text(), viewer: 1, protocol: text(), address: None },
            Event::ViewerLeft {
                app: text(),
                stream: text(),
                viewer: 1,
                protocol: text(),
                address: None,
                bytes: None,
            },
            Event::PullUp { app: text(), stream: text() },
            Event::PullDown { app: text(), stream: text(), state: text(), error: error.clone() },
            Event::ForwardUp { app: text(), stream: text(), name: text() },
            Event::ForwardDown { app: text(), stream: text(), name: text(), state: text(), error },
            Event::EngineUp { engine: text(), program_version: text() },
            Event::EngineDown { reason: text() },
            Event::ConfigApplied { version: 1, took_ms: 1, needs_restart: Vec::new() },
            Event::ConfigRefused { version: 1, refused: Vec::new() },
            Event::DiskLow { path: text(), available_bytes: 1, total_bytes: 2 },
            Event::DiskRecovered { path: text(), available_bytes: 1, total_bytes: 2 },
            Event::LimitNear { listener: text(), connections: 1, max_connections: 2 },
            Event::LimitRelieved { listener: text(), connections: 1, max_connections: 2 },
        ] {
            assert_eq!(serde_json::to_value(&event).unwrap()["kind"], event.kind());
        }
    }
}
