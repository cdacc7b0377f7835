//! Checks live HLS and Low-Latency HLS against RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis).
//!
//! It shares no code with the server it may be pointed at: its readers of playlists, MPEG-TS and fragmented MP4 are its own.
//! [`Checker`] is free of input and output: [`Observation`]s go in, [`Finding`]s come out. [`run`] follows a playlist over
//! HTTP and gives a [`Report`].

mod args;
mod check;
mod follow;
mod m3u8;
mod media;
mod observation;
mod options;
mod report;
mod rule;
mod transport;

pub use args::Args;
pub use check::{Checker, Counts};
pub use follow::{run, run_with};
pub use observation::{Asked, Next, Observation, Resource, Response, Want, What};
pub use options::{LowLatency, Options, RunError};
pub use report::{Listed, MAX_LISTED_PER_RULE, Report};
pub use rule::{Finding, RULES, Rule, Severity, rule};
pub use transport::{Http, MAX_RESOURCE_BYTES, Request, Transport};
