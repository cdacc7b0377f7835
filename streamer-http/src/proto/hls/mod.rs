//! HTTP Live Streaming (RFC 8216 and its second edition) without sockets: media in, playlists out.
//!
//! ```text
//! Media -> Packager -> Presentation { Rendition { Window { Segment { Part } } } } -> playlist text
//! ```
//!
//! A [`Presentation`] is what one container makes of one broadcast: one rendition with everything in it for
//! MPEG-TS, one rendition a track for fMP4 (CMAF). Each rendition has a [`Window`] of segments.

pub mod name;
pub mod presentation;
pub mod segment;
pub mod window;

pub use name::{Container, FileName, RenditionId, RunId};
pub use presentation::{Presentation, Rendition};
pub use segment::{DateRange, Map, Part, Segment, SegmentBody};
pub use window::{OpenSegment, Window};
