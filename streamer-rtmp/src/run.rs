//! The common case: a listener whose connections publish into and play from a registry.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use streamer_core::hub::{Broadcast, Publisher, PublisherInfo, ViewerInfo};
use streamer_core::{AccessRequest, Action, Denied, DeniedKind, Gateway, StreamKey};
use streamer_net::{AcceptStats, Arrival, Connection, Gather, Stream, serve};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, field, info, info_span};

use crate::error::RtmpError;
use crate::grace::hold;
use crate::io::{
    Play, PlayOutcome, Player, Publish, PublishEnd, PublishSource, Request, ServerConnection, accept_stream,
};
use crate::options::RtmpOptions;

/// Serves RTMP, or RTMPS where the options hold a certificate, on `listener` until `shutdown`.
///
/// # Errors
/// [`RtmpError::Tls`] before anything is accepted; what goes wrong with one connection ends that one.
pub async fn run(
    listener: TcpListener,
    options: RtmpOptions,
    gateway: Gateway,
    shutdown: CancellationToken,
) -> Result<(), RtmpError> {
    run_counted(listener, options, gateway, Arc::default(), shutdown).await
}

/// As [`run`], with counters that the caller can read meanwhile.
///
/// # Errors
/// As [`run`].
pub async fn run_counted(
    listener: TcpListener,
    options: RtmpOptions,
    gateway: Gateway,
    stats: Arc<AcceptStats>,
    shutdown: CancellationToken,
) -> Result<(), RtmpError> {
    let accept = options.accept.clone();
    let shared = Arc::new(Shared { options, gateway, shutdown: shutdown.clone() });
    let handler = move |connection: Connection| {
        let shared = Arc::clone(&shared);
        let protocol = if connection.stream.encrypted() { "rtmps" } else { "rtmp" };
        let span = info_span!("connection", peer = %connection.peer, protocol, key = field::Empty);
        async move {
            let peer = Peer { address: connection.peer, protocol, span };
            let result = serve_connection(&shared, connection.stream, &peer).await;
            peer.span.in_scope(|| match result {
                Ok(()) => debug!("the connection ended"),
                // Players close without a word as a rule.
                Err(error) if error.is_disconnect() => debug!(%error, "the connection ended"),
                Err(error) => info!(%error, "the connection ended"),
            });
        }
    };
    Ok(serve(listener, accept, stats, shutdown, handler).await?)
}

struct Shared {
    options: RtmpOptions,
    gateway: Gateway,
    shutdown: CancellationToken,
}

/// Who is at the other end, for the authorizer, the statistics and the log.
struct Peer {
    address: SocketAddr,
    protocol: &'static str,
    /// Around all that has something to say, and not around media on their way: that is polled for each write to each
    /// viewer, and entering a span is work each time, whether or not anything is said.
    span: Span,
}

async fn serve_connection(shared: &Shared, stream: Stream, peer: &Peer) -> Result<(), RtmpError> {
    let accepting = accept_stream(stream, &shared.options).instrument(peer.span.clone());
    // The handshake's state is large and soon gone: boxed, so that it does not stay in the task of a viewer.
    let mut connection = tokio::select! {
        accepted = Box::pin(accepting) => accepted?,
        () = shared.shutdown.cancelled() => return Ok(()),
    };
    loop {
        tokio::select! {
            served = serve_request(shared, &mut connection, peer) => {
                if !served? {
                    return Ok(());
                }
            }
            () = shared.shutdown.cancelled() => break,
        }
    }
    connection.close().await
}

/// Serves one request; `false` when the peer has none any more.
async fn serve_request(
    shared: &Shared,
    connection: &mut ServerConnection<Stream>,
    peer: &Peer,
) -> Result<bool, RtmpError> {
    match connection.request().instrument(peer.span.clone()).await? {
        Some(Request::Publish(publish)) => Box::pin(serve_publish(shared, publish, peer)).await,
        Some(Request::Play(play)) => serve_play(shared, play, peer).await,
        None => Ok(false),
    }
}

async fn authorize(
    shared: &Shared,
    peer: &Peer,
    action: Action,
    key: &StreamKey,
    query: &str,
    page_url: &str,
) -> Result<(), Denied> {
    let request = AccessRequest {
        action,
        key,
        protocol: peer.protocol,
        peer: Some(peer.address),
        query,
        page_url: Some(page_url).filter(|url| !url.is_empty()),
        encrypted: peer.protocol == "rtmps",
    };
    let limit = shared.options.timeouts.authorize;
    timeout(limit, shared.gateway.authorizer.authorize(&request)).await.unwrap_or_else(|_| {
        Err(Denied::new(DeniedKind::Unavailable, "the decision who may do this took too long"))
    })
}

async fn serve_publish(
    shared: &Shared,
    publish: Publish<'_, Stream>,
    peer: &Peer,
) -> Result<bool, RtmpError> {
    let (mut source, mut publisher) =
        admit_publisher(shared, publish, peer).instrument(peer.span.clone()).await?;
    let result = ingest(&mut source, &mut publisher).await;
    let dropped = source.dropped();
    match result {
        Ok(PublishEnd::Unpublished) => {
            peer.span.in_scope(|| info!(dropped, "publishing ends"));
            Ok(true)
        }
        Ok(PublishEnd::Disconnected) => {
            peer.span.in_scope(|| info!(dropped, "the publisher went without a word"));
            hold(publisher);
            Ok(false)
        }
        Err(RtmpError::Closed(reason)) => {
            source.close(&format!("Publishing ends: {reason}.")).await?;
            Err(RtmpError::Closed(reason))
        }
        Err(error) => {
            hold(publisher);
            Err(error)
        }
    }
}

async fn admit_publisher<'a>(
    shared: &Shared,
    publish: Publish<'a, Stream>,
    peer: &Peer,
) -> Result<(PublishSource<'a, Stream>, Publisher), RtmpError> {
    let request = publish.request();
    let key = match StreamKey::new(&request.app, &request.name) {
        Ok(key) => key,
        Err(error) => {
            publish.reject(&format!("The name is refused: {error}.")).await?;
            return Err(error.into());
        }
    };
    peer.span.record("key", field::display(&key));
    let allowed =
        authorize(shared, peer, Action::Publish, &key, &request.query, &publish.info().page_url).await;
    if let Err(denied) = allowed {
        publish.reject(&denied.message).await?;
        return Err(denied.into());
    }
    let who = PublisherInfo { protocol: peer.protocol, peer: Some(peer.address) };
    let publisher = match shared.gateway.registry.publish(&key, who) {
        Ok(publisher) => publisher,
        Err(error) => {
            publish.reject("The stream is being published already.").await?;
            return Err(error.into());
        }
    };
    info!("publishing begins");
    let encoder = publish.info().flash_ver.escape_debug().to_string();
    debug!(%encoder, "the publisher names itself");
    match publish.accept().await {
        Ok(source) => Ok((source, publisher)),
        Err(error) => {
            hold(publisher);
            Err(error)
        }
    }
}

/// Moves media from the connection to the hub, telling it when each arrived, if that is known. While nobody watches, what
/// arrives is gathered.
async fn ingest(
    source: &mut PublishSource<'_, Stream>,
    publisher: &mut Publisher,
) -> Result<PublishEnd, RtmpError> {
    let began = Instant::now();
    // Waited for over all media, so that a place among those who wait is taken once.
    let mut closed = pin!(publisher.closed());
    let mut gather = Gather::default();
    loop {
        let media = poll_fn(|cx| {
            if let Poll::Ready(reason) = closed.as_mut().poll(cx) {
                return Poll::Ready(Err(RtmpError::Closed(reason)));
            }
            let polled = source.poll_media(cx);
            if polled.is_pending() {
                if gather.arrival() == Arrival::Last && source.is_between_messages() {
                    publisher.note_arrival(began.elapsed());
                }
                let hurried = publisher.poll_watched(cx).is_ready();
                gather.rest(source.stream(), source.bytes_read(), hurried, cx);
            }
            polled
        });
        let Some(media) = media.await? else {
            return Ok(source.end().unwrap_or(PublishEnd::Disconnected));
        };
        publisher.push(media);
        if gather.arrival() == Arrival::Each {
            publisher.note_arrival(began.elapsed());
        }
    }
}

async fn serve_play(shared: &Shared, play: Play<'_, Stream>, peer: &Peer) -> Result<bool, RtmpError> {
    let admitting = admit_player(shared, play, peer).instrument(peer.span.clone());
    let (player, broadcast) = match Box::pin(admitting).await? {
        Admitted::Player(player, broadcast) => (player, broadcast),
        Admitted::None { goes_on } => return Ok(goes_on),
    };
    match player.watch(&broadcast, ViewerInfo::remote(peer.protocol, Some(peer.address))).await? {
        PlayOutcome::StreamEnded | PlayOutcome::Stopped => Ok(true),
        PlayOutcome::Disconnected => Ok(false),
        PlayOutcome::Closed(reason) => Err(RtmpError::Closed(reason)),
    }
}

/// What became of a request to play.
enum Admitted<'a> {
    Player(Player<'a, Stream>, Broadcast),
    /// Nothing plays; whether the peer may ask for something else.
    None {
        goes_on: bool,
    },
}

async fn admit_player<'a>(
    shared: &Shared,
    mut play: Play<'a, Stream>,
    peer: &Peer,
) -> Result<Admitted<'a>, RtmpError> {
    let request = play.request();
    let key = match StreamKey::new(&request.app, &request.name) {
        Ok(key) => key,
        Err(error) => {
            play.reject(&format!("The name is refused: {error}.")).await?;
            return Err(error.into());
        }
    };
    peer.span.record("key", field::display(&key));
    let allowed = authorize(shared, peer, Action::Play, &key, &request.query, &play.info().page_url).await;
    if let Err(denied) = allowed {
        play.reject(&denied.message).await?;
        return Err(denied.into());
    }
    let registry = &shared.gateway.registry;
    let patience = registry.app_options(&key.app).wait_for_publisher;
    let broadcast = tokio::select! {
        found = timeout(patience, registry.wait(&key)) => match found {
            Ok(Ok(broadcast)) => Some(broadcast),
            Ok(Err(error)) => {
                play.reject("Too many wait for streams that are not there.").await?;
                return Err(error.into());
            }
            Err(_) => None,
        },
        gone = play.withdrawn() => return Ok(Admitted::None { goes_on: gone? }),
    };
    let Some(broadcast) = broadcast else {
        play.reject("There is no such stream.").await?;
        return Ok(Admitted::None { goes_on: true });
    };
    debug!("playing begins");
    let player = play.accept(&broadcast.tracks()).await?;
    Ok(Admitted::Player(player.sharing(Stream::share), broadcast))
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    /// With what is around it, the task of a connection is in the allocator's class of 2 560 bytes; the next is 3 072, for
    /// each viewer.
    const MAX_CONNECTION_BYTES: usize = 2_048;

    #[test]
    fn what_a_connection_keeps_while_it_plays_is_small() {
        fn serve(shared: &'static Shared, stream: Stream, peer: &'static Peer) -> impl Future {
            serve_connection(shared, stream, peer)
        }
        fn size<A, B, C, F: Future>(_: fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= MAX_CONNECTION_BYTES, "{} bytes", size(serve));
    }
}
