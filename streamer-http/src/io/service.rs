//! One request: routed, admitted and answered, whichever HTTP carries it.

use std::future::pending;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tracing::debug;

use super::admission::{authorize, check, find, protocol, subscribe};
use super::body::Body;
use super::connection::{Port, Transport};
use super::feed::{Feed, FeedBody};
use super::head::{http1_head, preflight, refusal, write_cors, write_live};
use super::hls;
use super::http1::{Takeover, TakeoverSlot};
use super::http2::Progress;
use crate::options::Client;
use crate::proto::forwarded::client_address;
use crate::proto::framing::Framing;
use crate::proto::refusal::Refusal;
use crate::proto::route::{LiveFormat, LiveRequest, Route, RouteError, route};
use crate::proto::websocket::{Upgrade, upgrade};

/// How a live body leaves.
#[derive(Clone)]
pub(crate) enum Carrier {
    /// By taking the connection over.
    Http1(Arc<TakeoverSlot>),
    /// As a stream among others.
    Http2,
}

/// Answers `request`. Of a request whose connection is taken over the answer never comes.
pub(crate) async fn answer(
    port: Arc<Port>,
    transport: Transport,
    carrier: Carrier,
    request: Request<Incoming>,
) -> Response<Body> {
    let options = &port.options;
    options.stats.requests.increment();
    let address = client_address(
        transport.peer,
        request.headers(),
        &options.trusted_proxies.get(),
        options.proxy_header,
    );
    let client = Client { address, encrypted: transport.encrypted };
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if let Some(fallback) = options.fallback.as_ref().filter(|fallback| fallback.claims(path)) {
        return fallback.serve(request, client).await;
    }
    let (wanted, head_only) = match route(request.method(), path, query) {
        Ok(Route::Live(wanted)) => (wanted, false),
        Ok(Route::LiveHead(wanted)) => (wanted, true),
        Ok(Route::Hls(wanted)) => {
            let answered = hls::serve(&port, client, &request, &wanted).await;
            let headers = request.headers();
            let mut response = answered.map_or_else(
                |refusal| refuse(&port, headers, &refusal),
                |response| with_cors(&port, headers, response),
            );
            hls::complete(&mut response);
            return response;
        }
        Ok(Route::Preflight) => return with_cors(&port, request.headers(), preflight()),
        Err(error) => {
            if let (RouteError::NotFound, Some(fallback)) = (&error, &options.fallback) {
                return fallback.serve(request, client).await;
            }
            return refuse(&port, request.headers(), &Refusal::from(&error));
        }
    };
    let (version, headers) = (request.version(), request.headers().clone());
    let live = match open(&port, client, request, &wanted, head_only).await {
        Ok(live) => live,
        Err(refusal) => return refuse(&port, &headers, &refusal),
    };
    let mut fields = HeaderMap::new();
    let status = match &live.upgrade {
        Some(upgrade) => {
            upgrade.write_headers(&mut fields);
            Upgrade::STATUS
        }
        None => {
            write_live(&mut fields, wanted.format);
            StatusCode::OK
        }
    };
    write_cors(&mut fields, &options.allowed_origins.judge(origin(&headers)));
    drop(headers);
    let Some(feed) = live.feed else {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = fields;
        return response;
    };
    match carrier {
        Carrier::Http2 => {
            let body = FeedBody::new(feed, port.shutdown.clone());
            let mut response = Response::new(Body::new(Progress::watch(body)));
            *response.headers_mut() = fields;
            response
        }
        Carrier::Http1(slot) => {
            let framing = match (&live.upgrade, version) {
                (Some(_), _) => Framing::WebSocket,
                (None, Version::HTTP_11) => Framing::Chunked,
                _ => Framing::UntilClose,
            };
            if framing != Framing::WebSocket {
                fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            if framing == Framing::Chunked {
                fields.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            slot.take_over(Takeover { feed, framing, head: http1_head(status, &fields) });
            pending().await
        }
    }
}

/// What is to be sent.
struct Live {
    /// Nothing after the head if `None`.
    feed: Option<Feed>,
    upgrade: Option<Upgrade>,
}

async fn open(
    port: &Port,
    client: Client,
    request: Request<Incoming>,
    wanted: &LiveRequest,
    head_only: bool,
) -> Result<Live, Refusal> {
    let upgrade = upgrade(&request).map_err(|error| Refusal::from(&error))?;
    let options = &port.options;
    if upgrade.is_some() && !options.allowed_origins.judge(origin(request.headers())).websocket {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Pages of this origin are not allowed to play."));
    }
    let protocol = protocol(wanted.format, upgrade.is_some());
    authorize(&port.gateway, &request, &wanted.key, protocol, client, port.options.authorize_timeout).await?;
    // What the client sent is not needed while the stream is waited for.
    drop(request);
    let broadcast = find(&port.gateway.registry, &wanted.key, &port.shutdown).await?;
    check(&broadcast, wanted.selection)?;
    if head_only {
        return Ok(Live { feed: None, upgrade: None });
    }
    let feed = subscribe(&broadcast, wanted, options.dialect, protocol, client.address)
        .map_err(|error| Refusal::from(&error))?;
    match (wanted.format, &upgrade) {
        (_, Some(_)) => &options.stats.websocket_viewers,
        (LiveFormat::Flv { .. }, None) => &options.stats.flv_viewers,
        (LiveFormat::Ts, None) => &options.stats.ts_viewers,
    }
    .increment();
    debug!(key = %wanted.key, protocol, client = %client.address, "playing");
    Ok(Live { feed: Some(feed), upgrade })
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default())
}

fn with_cors(port: &Port, headers: &HeaderMap, mut response: Response<Body>) -> Response<Body> {
    write_cors(response.headers_mut(), &port.options.allowed_origins.judge(origin(headers)));
    response
}

fn refuse(port: &Port, headers: &HeaderMap, why: &Refusal) -> Response<Body> {
    port.options.stats.count_refusal(why.status);
    debug!(status = why.status.as_u16(), reason = %why.sentence, "refused");
    with_cors(port, headers, refusal(why))
}
