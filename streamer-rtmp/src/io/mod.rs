//! The RTMP sessions on tokio: connections, sources and sinks. No parsing happens here.

mod channel;
mod connect;
mod deadline;
mod demux;
mod forward;
mod outlet;
mod play;
mod publish;
mod pull;
mod server;
mod write_queue;

pub use forward::RtmpForward;
pub use play::{PlayOutcome, Player};
pub use publish::{PublishEnd, PublishSource};
pub use pull::RtmpPull;
pub use server::{Play, Publish, Request, ServerConnection, accept_stream};
