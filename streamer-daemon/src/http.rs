//! Serves an API on a listener: HTTP/1.1, bounded, drained at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use streamer_net::{AcceptOptions, AcceptStats, Connection, TlsError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Longest time for the header of a request, and between two requests of a connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `router` on `listener` until `shutdown`. Every request carries the address of its peer, as
/// [`ConnectInfo<SocketAddr>`].
///
/// # Errors
/// When the TLS of `options` cannot be used; none without TLS.
pub async fn run(
    listener: TcpListener,
    options: AcceptOptions,
    router: Router,
    stats: Arc<AcceptStats>,
    shutdown: CancellationToken,
) -> Result<(), TlsError> {
    let stop = shutdown.clone();
    let handler = move |Connection { stream, peer }: Connection| {
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        let stop = stop.clone();
        async move {
            let mut connection = std::pin::pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
            );
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                debug!(%peer, %error, "HTTP connection ended");
            }
        }
    };
    streamer_net::serve(listener, options, stats, shutdown, handler).await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    #[tokio::test]
    async fn a_request_knows_its_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
        let router = Router::new().route("/", get(who));
        let server =
            tokio::spawn(run(listener, AcceptOptions::default(), router, Arc::default(), stop.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(&stream.local_addr().unwrap().to_string()), "{answer}");
        stop.cancel();
        server.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_come_is_given_up_after_its_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "hello"));
        let options = AcceptOptions::default();
        let server = tokio::spawn(run(listener, options, router, Arc::default(), stop.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        // Cut, with or without an answer 408; what counts is when.
        let _ = stream.read_to_end(&mut rest).await;
        assert!((began.elapsed().as_secs_f64() - HEADER_TIMEOUT.as_secs_f64()).abs() < 1.0);
        stop.cancel();
        server.await.unwrap().unwrap();
    }
}
