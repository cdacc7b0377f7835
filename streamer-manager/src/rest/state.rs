//! States of streams and forwards, as users know them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a stream or a forward is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// It is ready, and nothing comes: no publisher, no viewer that demands it, no stream to push.
    Waiting,
    /// It calls the other server.
    Connecting,
    /// Media flows.
    Streaming,
    /// It failed and tries again.
    Retrying,
    /// It is switched off.
    Stopped,
}

impl StreamState {
    /// The state called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "waiting" => Some(Self::Waiting),
            "connecting" => Some(Self::Connecting),
            "streaming" => Some(Self::Streaming),
            "retrying" => Some(Self::Retrying),
            "stopped" => Some(Self::Stopped),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_as_it_is_written() {
        for state in [
            StreamState::Waiting,
            StreamState::Connecting,
            StreamState::Streaming,
            StreamState::Retrying,
            StreamState::Stopped,
        ] {
            let text = serde_json::to_value(state).unwrap();
            assert_eq!(StreamState::from_name(text.as_str().unwrap()), Some(state));
        }
        assert_eq!(StreamState::from_name("asleep"), None);
    }
}
