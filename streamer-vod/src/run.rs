//! The front door: serve a listener.

use std::sync::Arc;

use streamer_core::{AllowAll, Gateway, Registry};
use streamer_http::{HttpError, HttpOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::vod::Vod;

/// Serves video on demand and nothing else until `shutdown`. Of `options` those of connections count: TLS, bounds, time
/// limits; a fallback in them is replaced.
///
/// # Errors
/// [`HttpError`] before the first connection is accepted.
pub async fn run(
    listener: TcpListener,
    vod: Vod,
    options: HttpOptions,
    shutdown: CancellationToken,
) -> Result<(), HttpError> {
    let options = HttpOptions { fallback: Some(Arc::new(vod)), ..options };
    let gateway = Gateway { registry: Registry::default(), authorizer: Arc::new(AllowAll) };
    streamer_http::run(listener, options, gateway, shutdown).await
}
