//! What to check, for how long, and how a run can fail.

use std::time::Duration;

/// Whether low latency is used, and asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LowLatency {
    /// Used where the playlist offers it.
    #[default]
    Auto,
    /// Used, and a playlist that does not offer it is an error.
    Require,
    /// Parts and delivery directives are left alone, as by a player that does not know them.
    Off,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of a multivariant or a media playlist.
    pub url: String,
    /// How long to follow it.
    pub duration: Duration,
    /// Whether low latency is used, and asked for.
    pub low_latency: LowLatency,
    /// Media playlists followed at most, in the order of the multivariant playlist.
    pub max_renditions: usize,
    /// Certificates are not verified.
    pub insecure: bool,
    /// Header fields sent with every request.
    pub headers: Vec<(String, String)>,
    /// Ids of rules whose breaches are not reported.
    pub allow: Vec<String>,
}

impl Options {
    /// Thirty seconds of `url`, everything else as the command line has it by default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            duration: Duration::from_secs(30),
            low_latency: LowLatency::Auto,
            max_renditions: 8,
            insecure: false,
            headers: Vec::new(),
            allow: Vec::new(),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The URL is none of http or https.
    #[error("{url:?} is no http or https URL")]
    Url {
        /// As given.
        url: String,
    },
    /// A rule to allow is not there.
    #[error("there is no rule {id:?}")]
    UnknownRule {
        /// As given.
        id: String,
    },
    /// A header field cannot be sent.
    #[error("the header field {name:?} is malformed")]
    Header {
        /// Its name.
        name: String,
    },
    /// The client could not be made.
    #[error("the HTTP client cannot start: {0}")]
    Client(#[from] reqwest::Error),
    /// The first playlist did not come.
    #[error("{url} cannot be fetched: {why}")]
    Unreachable {
        /// The playlist.
        url: String,
        /// Status or failure.
        why: String,
    },
}
