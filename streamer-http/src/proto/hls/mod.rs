//! HTTP Live Streaming (RFC 8216 and its second edition) without sockets: media in, playlists out.
//!
//! ```text
//! Media -> Packager -> Presentation { Rendition { Window { Segment { Part } } } } -> playlist text
//! ```
//!
//! A [`Presentation`] is what one container makes of one broadcast: one rendition with everything in it for
//! MPEG-TS, one rendition a track for fMP4 (CMAF). Each rendition has a [`Window`] of segments.
//! [`media_playlist`] and [`multivariant()`] write the playlists; [`Query`] is what a client asks of them.

pub mod delta;
pub mod encryption;
pub mod multivariant;
pub mod name;
pub mod packager;
pub mod playlist;
pub mod presentation;
pub mod rate;
pub mod request;
#[cfg(test)]
pub(crate) mod sample;
pub mod segment;
pub mod view;
pub mod window;

pub use delta::Skip;
pub use encryption::{Encryption, EncryptionMethod, Key};
pub use multivariant::{VariantStream, codec_string, multivariant};
pub use name::{Container, FileName, RenditionId, RunId};
pub use packager::{Changed, Evicted, KeySource, Packager, PackagerOptions};
pub use playlist::{MediaView, media_playlist};
pub use presentation::{Presentation, Rendition};
pub use rate::Rates;
pub use request::{Pass, Query, QueryError, Reload};
pub use segment::{DateRange, Map, MediaTime, Part, Segment, SegmentBody, Timeline};
pub use view::{Edge, ListOptions, Listed};
pub use window::{OpenSegment, Window};
