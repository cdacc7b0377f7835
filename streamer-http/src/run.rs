//! The two front doors: serve a listener, or one connection from anywhere.

use std::net::SocketAddr;
use std::sync::Arc;

use streamer_core::Gateway;
use streamer_net::{AcceptOptions, Connection, Stream, serve as accept};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, debug_span};

use crate::error::{ConnectionError, HttpError};
use crate::io::{Port, Transport, serve};
use crate::options::HttpOptions;

/// The protocols offered by ALPN (RFC 7301), in order of preference.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Serves the media port until `shutdown`: then no more connections are accepted, viewers are ended, and
/// connections that take longer than [`HttpOptions::drain_timeout`] are cut. After [`HttpOptions::retire`] it returns
/// when the last connection has ended by itself.
///
/// What goes wrong with one connection is logged and counted in [`HttpOptions::stats`].
///
/// # Errors
/// [`HttpError`] before the first connection is accepted.
pub async fn run(
    listener: TcpListener,
    options: HttpOptions,
    gateway: Gateway,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let accept_options = AcceptOptions {
        tls: options.tls.clone().map(|tls| (tls, ALPN.to_vec())),
        max_connections: options.max_connections,
        max_connections_per_address: options.max_connections_per_address,
        drain_timeout: options.drain_timeout,
        retire: options.retire.clone(),
        ..AcceptOptions::default()
    };
    let stats = Arc::clone(&options.stats.connections);
    let port = Arc::new(Port { options, gateway, shutdown: shutdown.clone() });
    let handler = move |connection: Connection| {
        let port = Arc::clone(&port);
        let Connection { stream, peer } = connection;
        let span = debug_span!("http", %peer);
        async move {
            let is_http2 = stream.alpn() == Some(b"h2");
            let transport = Transport { peer, encrypted: stream.encrypted() };
            log_end(&serve(stream, Stream::share, transport, is_http2, port).await);
        }
        .instrument(span)
    };
    accept(listener, accept_options, stats, shutdown, handler).await?;
    Ok(())
}

fn log_end(result: &Result<(), ConnectionError>) {
    match result {
        Ok(()) => debug!("connection ended"),
        Err(error) => debug!(%error, "connection ended"),
    }
}

/// Serves HTTP/1 on one connection that was accepted elsewhere. TLS, its limits and Nagle's algorithm are
/// the caller's; `encrypted` says whether there is TLS. It is not counted in
/// [`HttpStats::connections`](crate::HttpStats::connections).
///
/// # Errors
/// [`ConnectionError`] when it did not end cleanly.
pub async fn serve_connection<IO>(
    io: IO,
    peer: SocketAddr,
    encrypted: bool,
    options: HttpOptions,
    gateway: Gateway,
    shutdown: CancellationToken,
) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let port = Arc::new(Port { options, gateway, shutdown });
    serve(io, |_| None, Transport { peer, encrypted }, false, port).await
}
