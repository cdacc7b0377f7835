//! The floor of the streaming server: media types, codec records, containers and the hub.

pub mod access;
pub mod codec;
pub mod container;
pub mod frame;
pub mod gateway;
pub mod hub;
pub mod key;
pub mod mux;
pub mod sink;
pub mod source;
pub mod task;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod track;

pub use access::{AccessRequest, Action, AllowAll, Authorizer, Denied, DeniedKind};
pub use codec::{Codec, MediaKind};
pub use frame::{Frame, Media};
pub use gateway::Gateway;
pub use hub::{Publisher, Registry, Subscriber};
pub use key::{AppName, NameError, StreamKey, StreamName};
pub use mux::Muxer;
pub use sink::{Sink, SinkError, egress};
pub use source::{Source, SourceError, ingest};
pub use time::{Timescale, Timestamp};
pub use track::{Metadata, MetadataValue, Track, TrackId, Tracks};
