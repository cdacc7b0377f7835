//! One connection: which HTTP it speaks, and what all its requests share.

use std::net::SocketAddr;
use std::sync::Arc;

use streamer_core::Gateway;
use streamer_net::SharedTcp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::stall::StallGuard;
use super::{http1, http2};
use crate::error::ConnectionError;
use crate::options::HttpOptions;

/// What all connections of a port share.
pub(crate) struct Port {
    pub(crate) options: HttpOptions,
    pub(crate) gateway: Gateway,
    pub(crate) shutdown: CancellationToken,
}

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transport {
    pub(crate) peer: SocketAddr,
    pub(crate) encrypted: bool,
}

/// Tells the socket of a connection, if somebody else may write to it as well.
pub(crate) type Share<IO> = fn(&IO) -> Option<SharedTcp>;

/// Speaks HTTP on `io` until the connection ends.
pub(crate) async fn serve<IO>(
    io: IO,
    share: Share<IO>,
    transport: Transport,
    is_http2: bool,
    port: Arc<Port>,
) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = StallGuard::new(io, port.options.write_stall_timeout);
    let result = if is_http2 {
        Box::pin(http2::serve(io, transport, Arc::clone(&port))).await
    } else {
        http1::serve(io, share, transport, Arc::clone(&port)).await
    };
    if let Err(error) = &result {
        let stats = &port.options.stats;
        match error {
            ConnectionError::HeaderTimeout => &stats.header_timeouts,
            ConnectionError::Stalled { .. } => &stats.write_stalls,
            _ => &stats.protocol_errors,
        }
        .increment();
    }
    result
}
