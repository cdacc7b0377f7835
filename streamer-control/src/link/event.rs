//! Event messages of the engine over UDP: hints, sealed and numbered, one a datagram.
//!
//! A datagram is 32 bytes of HMAC-SHA256 over the rest, then JSON. Datagrams may be lost, repeated and reordered: the
//! number tells the receiver, which then asks the engine for a snapshot. The engine repeats the number of its last
//! event once a second, so that the loss of the last one is noticed too.

use serde::{Deserialize, Serialize};

use super::seal::{LinkKey, SEAL_BYTES};

/// Largest datagram: fits one frame of loopback many times over, and holds any event with an error text.
pub const MAX_DATAGRAM_BYTES: usize = 8_192;
/// Longest text of an error or reason in an event, in bytes; longer ones are cut, the API has all of it.
pub const MAX_EVENT_TEXT_BYTES: usize = 1_024;

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Datagram {
    /// Names the run of the engine.
    pub engine: String,
    /// Number of the event, from 1 in each run; without an event the number of the last one.
    pub seq: u64,
    /// When, Unix milliseconds.
    pub at_unix_ms: u64,
    /// What happened; `None` repeats the number only.
    pub event: Option<EngineEvent>,
}

/// What happened in the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum EngineEvent {
    /// A stream is live.
    StreamPublished {
        /// Its application.
        app: String,
        /// Its name.
        stream: String,
        /// Short protocol name of the publisher.
        protocol: String,
        /// Address of the publisher, if it has one.
        address: Option<String>,
    },
    /// A stream ended.
    StreamUnpublished {
        /// Its application.
        app: String,
        /// Its name.
        stream: String,
        /// Why.
        reason: String,
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
        /// Its address, if it has one.
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
        /// Its address, if it has one.
        address: Option<String>,
        /// Bytes it was given.
        bytes: u64,
    },
    /// A pull or forward is in another state.
    TaskState {
        /// `pull` or `forward`.
        task: String,
        /// Application of the stream.
        app: String,
        /// The stream.
        stream: String,
        /// Name of a forward.
        name: Option<String>,
        /// `waiting`, `connecting`, `streaming`, `retrying` or `stopped`.
        state: String,
        /// Why it failed last.
        last_error: Option<String>,
    },
}

impl Datagram {
    /// Its bytes, sealed with `key`.
    #[must_use]
    pub fn encode(&self, key: &LinkKey) -> Vec<u8> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = key.seal_datagram(&json).to_vec();
        bytes.extend_from_slice(&json);
        bytes
    }

    /// The message in `bytes`; `None` when they are too many, not sealed with `key` or of another form. Nothing of
    /// them is read before the seal is proved.
    #[must_use]
    pub fn decode(bytes: &[u8], key: &LinkKey) -> Option<Self> {
        if bytes.len() > MAX_DATAGRAM_BYTES {
            return None;
        }
        let (seal, json) = bytes.split_first_chunk::<SEAL_BYTES>()?;
        key.proves_datagram(seal, json).then(|| serde_json::from_slice(json).ok())?
    }
}

/// `text`, cut to [`MAX_EVENT_TEXT_BYTES`] at the end of a character.
#[must_use]
pub fn event_text(mut text: String) -> String {
    let fits = |&at: &usize| text.is_char_boundary(at);
    let end = (0..=text.len().min(MAX_EVENT_TEXT_BYTES)).rev().find(fits).unwrap_or(0);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> LinkKey {
        LinkKey::from_secret([byte; 32])
    }

    fn datagram(seq: u64, name: String) -> Datagram {
        let event = EngineEvent::StreamUnpublished { app: "live".into(), stream: "a".into(), reason: name };
        Datagram { engine: "run".into(), seq, at_unix_ms: 7, event: Some(event) }
    }

    #[test]
    fn another_key_and_another_byte_are_refused() {
        let bytes = datagram(1, "over".into()).encode(&key(1));
        assert!(Datagram::decode(&bytes, &key(1)).is_some());
        assert!(Datagram::decode(&bytes, &key(2)).is_none());
        for index in 0..bytes.len() {
            let mut other = bytes.clone();
            other[index] ^= 1;
            assert!(Datagram::decode(&other, &key(1)).is_none(), "byte {index}");
        }
    }

    #[test]
    fn length_at_its_limit() {
        let padded = |len: usize| {
            let key = key(1);
            let mut json = serde_json::to_vec(&datagram(1, String::new())).unwrap();
            json.resize(len - SEAL_BYTES, b' ');
            let mut bytes = key.seal_datagram(&json).to_vec();
            bytes.extend_from_slice(&json);
            Datagram::decode(&bytes, &key)
        };
        assert!(padded(MAX_DATAGRAM_BYTES).is_some());
        assert!(padded(MAX_DATAGRAM_BYTES + 1).is_none());
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_any_event_fits() {
        let text = event_text("ü".repeat(MAX_EVENT_TEXT_BYTES));
        assert_eq!(text.len(), MAX_EVENT_TEXT_BYTES);
        assert_eq!(event_text(format!("a{text}")).len(), MAX_EVENT_TEXT_BYTES - 1);
        // Escapes make at most six bytes of one.
        let worst = datagram(u64::MAX, event_text("\u{1}".repeat(MAX_EVENT_TEXT_BYTES)));
        assert!(worst.encode(&key(1)).len() <= MAX_DATAGRAM_BYTES);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seq: u64, name in ".{0,40}") {
            let datagram = datagram(seq, name);
            prop_assert_eq!(Datagram::decode(&datagram.encode(&key(3)), &key(3)), Some(datagram));
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Datagram::decode(&bytes, &key(3)), None);
        }
    }
}
