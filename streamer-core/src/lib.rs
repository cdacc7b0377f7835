//! The floor of the streaming server: media types, codec records, containers and the hub.

pub mod codec;
pub mod container;
pub mod frame;
pub mod key;
pub mod time;
pub mod track;

pub use codec::{Codec, MediaKind};
pub use frame::{Frame, Media};
pub use key::{AppName, NameError, StreamKey, StreamName};
pub use time::{Timescale, Timestamp};
pub use track::{Metadata, MetadataValue, Track, TrackId, Tracks};
