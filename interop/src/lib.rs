//! The harness of the interop tests: our daemons, other people's programs around them, and what is asked of them.
//!
//! The tests themselves are in `tests/`, by the side of the engine they try. A program that is not installed
//! fails the test that needs it, with the command that installs it; nothing is skipped.
//!
//! | module | what |
//! |---|---|
//! | [`tools`] | where the programs and the clips are |
//! | [`process`] | one program running, its output, its end |
//! | [`server`] | the engine on free ports, in this process |
//! | [`daemon`], [`place`] | a daemon as a process of its own, and where it listens |
//! | [`house`] | both daemons |
//! | [`elsewhere`] | another server |
//! | [`publish`] | encoders |
//! | [`feed`] | a publisher of this process, for what no encoder does on demand |
//! | [`play`] | players, and what they received |
//! | [`viewer`] | a viewer that watches for as long as it is let |
//! | [`hls`] | playlists over time, by an independent reader |
//! | [`browser`] | a page in Chromium |
//! | [`vod`] | video on demand on a free port |

pub mod browser;
pub mod daemon;
pub mod elsewhere;
pub mod feed;
pub mod hls;
pub mod house;
pub mod place;
pub mod play;
pub mod process;
pub mod publish;
pub mod server;
pub mod tools;
pub mod viewer;
pub mod vod;

/// Result of a step; tests pass failures on and so show the text.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
