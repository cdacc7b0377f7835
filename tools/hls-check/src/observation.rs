//! What a player saw: the request it made, when, and the answer it got.

use std::time::Duration;

use bytes::Bytes;

/// Delivery directives of a playlist request (clause 6.2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `_HLS_msn`.
    pub sequence: Option<u64>,
    /// `_HLS_part`.
    pub part: Option<u64>,
    /// `_HLS_skip=YES`.
    pub skip: bool,
}

impl Asked {
    /// The query parameters, in the order of their names as clause 6.2.5 asks.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        query.extend(self.sequence.map(|sequence| ("_HLS_msn", sequence.to_string())));
        query.extend(self.part.map(|part| ("_HLS_part", part.to_string())));
        query.extend(self.skip.then(|| ("_HLS_skip", "YES".to_owned())));
        query
    }
}

/// A resource, or a byte range of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// Absolute URL.
    pub url: String,
    /// First byte; 0 with no length is the whole resource.
    pub start: u64,
    /// Bytes; None is up to the end.
    pub length: Option<u64>,
    /// It is a range without a known end, even when it starts at 0 (clause 4.4.5.3).
    pub open_range: bool,
}

impl Resource {
    /// Whether only a part of what the URL names is meant.
    pub fn is_range(&self) -> bool {
        self.start > 0 || self.length.is_some() || self.open_range
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A playlist, with these directives.
    Playlist(Asked),
    /// A media initialization section.
    Map,
    /// A segment by its media sequence number.
    Segment(u64),
    /// A part: media sequence number of its segment, and its index in it.
    Part(u64, u64),
    /// A resource of EXT-X-PRELOAD-HINT.
    Hint,
    /// A segment, or the last part of it, that is no longer listed.
    Removed(u64),
}

/// An answer, or why there was none. Times count from the beginning of the run.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status; None when no answer came, then `failure` says why.
    pub status: Option<u16>,
    /// Why no answer came, or only half of one.
    pub failure: Option<String>,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, decompressed.
    pub body: Bytes,
    /// Where it came from in the end, when a redirect or the client says so.
    pub url: Option<String>,
    /// HTTP/2 or later.
    pub http2: bool,
    /// When the request was sent.
    pub sent: Duration,
    /// When the last byte of the answer was there.
    pub done: Duration,
}

impl Response {
    /// The first field of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it brought what was asked for.
    pub fn ok(&self) -> bool {
        matches!(self.status, Some(200 | 206)) && self.failure.is_none()
    }

    /// The status or the failure, for a message.
    pub fn outcome(&self) -> String {
        match (&self.failure, self.status) {
            (Some(failure), Some(status)) => format!("status {status}, then {failure}"),
            (Some(failure), None) => failure.clone(),
            (None, Some(status)) => format!("status {status}"),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// One thing that a player saw.
#[derive(Clone, Debug)]
pub struct Observation {
    /// URL of the playlist it belongs to, without directives.
    pub playlist: String,
    /// What was asked for.
    pub what: What,
    /// The resource asked for; of a playlist, its URL without directives.
    pub resource: Resource,
    /// The answer.
    pub response: Response,
}

/// Something the checker needs to see next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// What it is.
    pub what: What,
    /// Where it is.
    pub resource: Resource,
}

/// How to go on with a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask at once; with `delta` ask beside it for the delta update of the same.
    Reload {
        /// Directives of the request.
        asked: Asked,
        /// Ask beside it for the delta update.
        delta: bool,
    },
    /// Wait that long from the last load on, then ask.
    Wait {
        /// From the beginning of the last load.
        after: Duration,
        /// Ask beside it for the delta update.
        delta: bool,
    },
    /// It will not change any more.
    Ended,
}
