//! Pull and forward as tasks that keep themselves up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use streamer_core::hub::{Delivery, Publisher, PublisherInfo, SubscribeOptions, Subscriber, ViewerInfo};
use streamer_core::task::{Backoff, TaskState, TaskStatus};
use streamer_core::{Media, Registry, StreamKey};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::error::RtmpError;
use crate::grace::hold;
use crate::io::{RtmpForward, RtmpPull};
use crate::options::{ClientOptions, GOODBYE_TIMEOUT};
use crate::proto::url::RtmpUrl;

/// One side of a task: what it moves, and where the other end is.
#[derive(Clone)]
pub struct TaskOptions {
    /// The stream in our own hub.
    pub key: StreamKey,
    /// The stream at the other server.
    pub url: RtmpUrl,
    /// Where else it is: after each failure the next place is tried, in turn.
    pub stand_ins: Vec<RtmpUrl>,
    /// How the other server is reached.
    pub client: ClientOptions,
}

impl TaskOptions {
    /// The place to try after so many failures.
    fn place(&self, failures: u64) -> &RtmpUrl {
        let places = self.stand_ins.len() as u64 + 1;
        let turn = usize::try_from(failures % places).unwrap_or(0);
        turn.checked_sub(1).and_then(|index| self.stand_ins.get(index)).unwrap_or(&self.url)
    }
}

/// Pulls a stream into `registry` until `shutdown`, connecting again after every failure with growing,
/// spread pauses. `status` tells how it goes.
pub async fn pull(
    options: TaskOptions,
    registry: Registry,
    status: Arc<TaskStatus>,
    shutdown: CancellationToken,
) {
    keep_up(Direction::Pull, options, registry, status, shutdown).await;
}

/// Forwards a stream of `registry` until `shutdown`: waits for the stream, publishes it to the other server
/// for as long as it lives, and connects again after every failure with growing, spread pauses.
pub async fn forward(
    options: TaskOptions,
    registry: Registry,
    status: Arc<TaskStatus>,
    shutdown: CancellationToken,
) {
    keep_up(Direction::Forward, options, registry, status, shutdown).await;
}

#[derive(Clone, Copy)]
enum Direction {
    Pull,
    Forward,
}

async fn keep_up(
    direction: Direction,
    options: TaskOptions,
    registry: Registry,
    status: Arc<TaskStatus>,
    shutdown: CancellationToken,
) {
    let mut url = options.url.clone();
    let mut backoff = Backoff::default();
    loop {
        let tried = match direction {
            Direction::Pull => tokio::select! {
                tried = pull_once(&options, &url, &registry, &status, &mut backoff) => tried,
                () = shutdown.cancelled() => break,
            },
            Direction::Forward => {
                forward_once(&options, &url, &registry, &status, &mut backoff, &shutdown).await
            }
        };
        if !retry(tried, &options, &mut url, &status, &mut backoff, &shutdown).await {
            break;
        }
    }
    status.set(TaskState::Stopped);
}

/// How one try came to its end, short of an error.
enum Ended {
    /// The stream ended; the task goes on with the next one.
    Stream,
    /// The other server asked to be connected to at another place.
    Elsewhere(RtmpUrl),
    /// The task is to stop.
    Stopped,
}

/// Draws the consequence of one try; `false` when the task is to stop.
async fn retry(
    tried: Result<Ended, RtmpError>,
    options: &TaskOptions,
    url: &mut RtmpUrl,
    status: &TaskStatus,
    backoff: &mut Backoff,
    shutdown: &CancellationToken,
) -> bool {
    match tried {
        Ok(Ended::Elsewhere(next)) => {
            info!(key = %options.key, to = %next, "the server asks to be connected to at another place");
            *url = next;
            // A server that does nothing but send us on must not make us spin.
            pause(backoff.next_pause(random()), shutdown).await
        }
        Ok(Ended::Stream) => true,
        Ok(Ended::Stopped) => false,
        Err(error) => {
            status.failed(&error);
            let wait = backoff.next_pause(random());
            warn!(key = %options.key, url = %url, %error, pause_ms = wait.as_millis(), "trying again");
            // Where a redirect led may be what failed, so the next place is one of ours.
            url.clone_from(options.place(status.retries.get()));
            pause(wait, shutdown).await
        }
    }
}

/// Waits; `false` when the task is to stop meanwhile.
async fn pause(wait: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = shutdown.cancelled() => false,
    }
}

/// Without randomness the pauses are merely not spread.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

async fn pull_once(
    options: &TaskOptions,
    url: &RtmpUrl,
    registry: &Registry,
    status: &TaskStatus,
    backoff: &mut Backoff,
) -> Result<Ended, RtmpError> {
    status.set(TaskState::Connecting);
    let mut source = RtmpPull::connect(url, &options.client).await?;
    let who = PublisherInfo { protocol: "rtmp-pull", peer: None };
    let mut publisher = registry.publish(&options.key, who)?;
    let moved = move_in(&mut source, &mut publisher, status, backoff).await;
    // Whoever closed it from inside wants the stream ended, not kept for a publisher that comes back.
    if !matches!(moved, Err(RtmpError::Closed(_))) {
        hold(publisher);
    }
    moved
}

async fn move_in(
    source: &mut RtmpPull,
    publisher: &mut Publisher,
    status: &TaskStatus,
    backoff: &mut Backoff,
) -> Result<Ended, RtmpError> {
    let began = Instant::now();
    loop {
        let media = tokio::select! {
            media = source.next_media() => media?,
            reason = publisher.closed() => return Err(RtmpError::Closed(reason)),
        };
        match media {
            None => return Err(RtmpError::Disconnected),
            Some(media) => {
                if let Media::Frame(frame) = &media {
                    status.set(TaskState::Streaming);
                    status.moved(frame.data.len(), 1);
                    backoff.reset();
                    if let Some(next) = source.reconnect_requested().filter(|_| frame.sync) {
                        return Ok(Ended::Elsewhere(next.clone()));
                    }
                }
                publisher.note_arrival(began.elapsed());
                publisher.push(media);
            }
        }
    }
}

async fn forward_once(
    options: &TaskOptions,
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
        let subscribe = SubscribeOptions::new(ViewerInfo::internal("rtmp-forward"));
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
            status.set(TaskState::Streaming);
            status.moved(frame.data.len(), 1);
            subscriber.viewer().record_sent(frame.data.len(), 1);
            backoff.reset();
        }
    }
    Ok(Ended::Stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_tried_in_turn() {
        let url = |host: &str| -> RtmpUrl { format!("rtmp://{host}/live/test").parse().unwrap() };
        let mut options = TaskOptions {
            key: "live/test".parse().unwrap(),
            url: url("a"),
            stand_ins: vec![url("b"), url("c")],
            client: ClientOptions::default(),
        };
        let hosts = |options: &TaskOptions| -> Vec<String> {
            (0..5).map(|failures| options.place(failures).host.clone()).collect()
        };
        assert_eq!(hosts(&options), ["a", "b", "c", "a", "b"]);
        options.stand_ins.clear();
        assert_eq!(hosts(&options), ["a", "a", "a", "a", "a"]);
    }
}
