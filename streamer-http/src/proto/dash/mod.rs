//! MPEG-DASH (ISO/IEC 23009-1) over the fMP4 segments of HLS, without sockets: a presentation in, its manifest out.
//!
//! ```text
//! Presentation -> Period { AdaptationSet { Segment } } -> manifest text
//! ```
//!
//! The segments, their names and the window are those of [`hls`](super::hls): both kinds of players share them, and
//! so does a cache. Segments are listed by number, which is the media sequence number, with their exact times.

pub mod manifest;
mod period;
mod timeline;

pub use manifest::manifest;
