//! What every TCP protocol of the server shares: dual-stack listeners, a bounded accept loop, and TLS
//! whose certificate changes without a restart.
//!
//! A protocol hands its listener to [`serve`] with a handler; it gets each connection ready to speak,
//! plain or over TLS, as one [`Stream`] type. [`ServerTls`] and [`ClientTls`] wrap rustls, so that no
//! protocol names its types.

mod accept;
mod bind;
mod gather;
mod pace;
mod room;
mod stream;
mod tls;

pub use accept::{
    AcceptOptions, AcceptStats, Connection, DEFAULT_MAX_CONNECTIONS, DRAIN_TIMEOUT, MAX_UNSENT_BYTES,
    RESERVED_DESCRIPTORS, RESERVED_SHARE, TLS_HANDSHAKE_TIMEOUT, serve,
};
pub use bind::{BindError, LISTEN_BACKLOG, bind};
pub use gather::{Arrival, GATHER_TIME, Gather, MAX_GATHER_WAIT, MAX_GATHERED_BYTES};
pub use pace::pacer;
pub use room::{Spare, give_room_back, take_room};
pub use stream::{PlainTcp, SharedTcp, Stream};
pub use tls::{ClientTls, ServerTls, TlsError};
