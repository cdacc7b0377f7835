//! What an embedder chooses for the media port.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::body::Incoming;
use hyper::{Request, Response};
use streamer_core::container::flv::Dialect;
use streamer_net::{DEFAULT_MAX_CONNECTIONS, DRAIN_TIMEOUT, ServerTls};
use tokio_util::sync::CancellationToken;

use crate::io::Body;
use crate::io::hls::Hls;
use crate::proto::forwarded::ProxyHeader;
use crate::proto::origin::AllowedOrigins;
use crate::proxies::TrustedProxies;
use crate::stats::HttpStats;

/// Longest time from the first possible byte of a request to the end of its header, and longest time a
/// connection may rest between requests: a slow mobile network needs two or three seconds.
pub const DEFAULT_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take nothing of what is written to it: longer than a mobile hand-over, shorter than
/// TCP itself takes to give up (minutes).
pub const DEFAULT_WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time for the decision of an authorizer: a viewer would not wait longer either.
pub const DEFAULT_AUTHORIZE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client as it is known to be: behind trusted proxies, the one they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; the port is 0 where a proxy does not tell it.
    pub address: std::net::SocketAddr,
    /// Whether the connection to this server is encrypted.
    pub encrypted: bool,
}

/// Serves what this crate does not know, on the same port: pages, playlists, files.
#[async_trait]
pub trait Fallback: Send + Sync {
    /// Whether `path` is to be served here even where it could be a stream's. None is by default.
    fn claims(&self, _path: &str) -> bool {
        false
    }

    /// Answers `request`, whose path is none of this crate's.
    async fn serve(&self, request: Request<Incoming>, client: Client) -> Response<Body>;
}

/// Options of the media port. [`Default`] serves plain HTTP to everybody.
#[derive(Clone)]
pub struct HttpOptions {
    /// The certificate, if the listener speaks TLS; HTTP/2 is offered by ALPN then.
    pub tls: Option<ServerTls>,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections at once from one address. Leave it out where all come by way of one proxy.
    pub max_connections_per_address: Option<usize>,
    /// How long connections may take to end by themselves at shutdown.
    pub drain_timeout: Duration,
    /// Cancelled when another listener takes over: nobody is accepted any more, and who is in stays in.
    pub retire: CancellationToken,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// The field they write it in.
    pub proxy_header: ProxyHeader,
    /// The web pages that may read what is served.
    pub allowed_origins: AllowedOrigins,
    /// Longest time for the header of a request, and between two requests.
    pub header_read_timeout: Duration,
    /// How long a peer may take nothing of what is written to it before it is cut.
    pub write_stall_timeout: Duration,
    /// How long the authorizer may take; then the viewer is refused.
    pub authorize_timeout: Duration,
    /// The dialect of FLV for viewers that do not ask for one by `?enhanced=1` or `?enhanced=0`.
    pub dialect: Dialect,
    /// HLS; one handle for all listeners.
    pub hls: Hls,
    /// Who serves the paths that this crate does not know; without one they are 404.
    pub fallback: Option<Arc<dyn Fallback>>,
    /// Where is counted what happens.
    pub stats: Arc<HttpStats>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            tls: None,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_connections_per_address: None,
            drain_timeout: DRAIN_TIMEOUT,
            retire: CancellationToken::new(),
            trusted_proxies: TrustedProxies::default(),
            proxy_header: ProxyHeader::default(),
            allowed_origins: AllowedOrigins::default(),
            header_read_timeout: DEFAULT_HEADER_READ_TIMEOUT,
            write_stall_timeout: DEFAULT_WRITE_STALL_TIMEOUT,
            authorize_timeout: DEFAULT_AUTHORIZE_TIMEOUT,
            dialect: Dialect::Enhanced,
            hls: Hls::default(),
            fallback: None,
            stats: Arc::default(),
        }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("tls", &self.tls.is_some())
            .field("max_connections", &self.max_connections)
            .field("max_connections_per_address", &self.max_connections_per_address)
            .field("drain_timeout", &self.drain_timeout)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("proxy_header", &self.proxy_header)
            .field("allowed_origins", &self.allowed_origins)
            .field("header_read_timeout", &self.header_read_timeout)
            .field("write_stall_timeout", &self.write_stall_timeout)
            .field("authorize_timeout", &self.authorize_timeout)
            .field("dialect", &self.dialect)
            .field("hls", &self.hls)
            .field("fallback", &self.fallback.is_some())
            .finish_non_exhaustive()
    }
}
