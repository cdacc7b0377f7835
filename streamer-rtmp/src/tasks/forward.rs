//! A forward that keeps itself up.

use std::sync::Arc;

use streamer_core::hub::{Delivery, SubscribeOptions, Subscriber, ViewerInfo};
use streamer_core::task::{Backoff, TaskState, TaskStatus};
use streamer_core::{Media, Registry, StreamKey};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Ended, pause, random};
use crate::error::RtmpError;
use crate::io::RtmpForward;
use crate::options::{ClientOptions, GOODBYE_TIMEOUT};
use crate::proto::url::RtmpUrl;

/// What a forward moves, and where to.
#[derive(Clone)]
pub struct ForwardOptions {
    /// The stream in our own hub.
    pub key: StreamKey,
    /// Where it is published at the other server.
    pub url: RtmpUrl,
    /// How the other server is reached.
    pub client: ClientOptions,
}

/// Forwards a stream of `registry` until `shutdown`: waits for the stream, publishes it to the other server
/// for as long as it lives, and connects again after every failure with growing, spread pauses. A pull on
/// demand runs for it.
pub async fn forward(
    options: ForwardOptions,
    registry: Registry,
    status: Arc<TaskStatus>,
    shutdown: CancellationToken,
) {
    let mut url = options.url.clone();
    let mut backoff = Backoff::default();
    loop {
        let go_on = match forward_once(&options, &url, &registry, &status, &mut backoff, &shutdown).await {
            Ok(Ended::Elsewhere(next)) => {
                info!(key = %options.key, to = %next, "the server asks to be connected to at another place");
                url = next;
                // A server that does nothing but send us on must not make us spin.
                pause(backoff.next_pause(random()), &shutdown).await
            }
            Ok(Ended::Stream) => true,
            Ok(Ended::Stopped) => false,
            Err(error) => {
                status.failed(&error);
                let wait = backoff.next_pause(random());
                warn!(key = %options.key, url = %url, %error, pause_ms = wait.as_millis(), "trying again");
                // Where a redirect led may be what failed.
                url.clone_from(&options.url);
                pause(wait, &shutdown).await
            }
        };
        if !go_on {
            break;
        }
    }
    status.set(TaskState::Stopped);
}

async fn forward_once(
    options: &ForwardOptions,
    url: &RtmpUrl,
    registry: &Registry,
    status: &TaskStatus,
    backoff: &mut Backoff,
    shutdown: &CancellationToken,
) -> Result<Ended, RtmpError> {
    let opening = async {
        status.set(TaskState::Waiting);
        let broadcast = registry.wait(&options.key).await?;
        status.set(TaskState::Connecting);
        let sink = RtmpForward::connect(url, &options.client).await?;
        let subscribe = SubscribeOptions::new(ViewerInfo::internal("rtmp-forward").demanding());
        Ok::<_, RtmpError>((broadcast.subscribe(&subscribe)?, sink))
    };
    let (mut subscriber, mut sink) = tokio::select! {
        opened = opening => opened?,
        () = shutdown.cancelled() => return Ok(Ended::Stopped),
    };
    let ended = tokio::select! {
        ended = move_out(&mut subscriber, &mut sink, status, backoff) => ended?,
        () = shutdown.cancelled() => Ended::Stopped,
    };
    // The other server hears of the end in an orderly way, so that it waits for nobody; or is gone already.
    match timeout(GOODBYE_TIMEOUT, sink.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => info!(key = %options.key, %error, "the other server closed first"),
        Err(_) => info!(key = %options.key, "the other server does not take our goodbye"),
    }
    Ok(ended)
}

async fn move_out(
    subscriber: &mut Subscriber,
    sink: &mut RtmpForward,
    status: &TaskStatus,
    backoff: &mut Backoff,
) -> Result<Ended, RtmpError> {
    while let Some(delivery) = subscriber.next().await {
        let media = match delivery {
            Delivery::Header(tracks) => Media::Tracks(tracks),
            Delivery::Item(item) => {
                if let Some(next) = sink.reconnect_requested().filter(|_| item.random_access) {
                    return Ok(Ended::Elsewhere(next.clone()));
                }
                Media::Frame(item.frame)
            }
            Delivery::Closed(reason) => return Err(RtmpError::Closed(reason)),
            Delivery::Lost { .. } | Delivery::Interrupted => continue,
        };
        sink.send_media(&media).await?;
        if let Media::Frame(frame) = media {
            status.streams_at(0);
            status.moved(frame.data.len(), 1);
            subscriber.viewer().record_sent(frame.data.len(), 1);
            backoff.reset();
        }
    }
    Ok(Ended::Stream)
}
