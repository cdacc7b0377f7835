//! A pull that keeps itself up: from the best place that gives media, always or while somebody wants it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use streamer_core::hub::{Demand, Publisher, PublisherInfo};
use streamer_core::task::{Backoff, TaskState, TaskStatus};
use streamer_core::{Media, Registry, StreamKey};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::places::Places;
use super::random;
use crate::error::RtmpError;
use crate::grace::hold;
use crate::io::RtmpPull;
use crate::options::ClientOptions;
use crate::proto::url::RtmpUrl;

/// Longest time from the first byte to the first random access point: a slow handshake and a long GOP.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Shortest run of a pull on demand: who demanded it is counted as a viewer when it is given media, and a first
/// HLS segment may be waited for 15 s after ten of connecting.
pub const PULL_SETTLE: Duration = Duration::from_secs(30);

/// What a pull moves, and where from.
#[derive(Clone)]
pub struct PullOptions {
    /// The stream in our own hub.
    pub key: StreamKey,
    /// Where it is best fetched.
    pub url: RtmpUrl,
    /// Where else it is, the best first.
    pub stand_ins: Vec<RtmpUrl>,
    /// How the other servers are reached.
    pub client: ClientOptions,
    /// When it is fetched; `None` always.
    pub on_demand: Option<OnDemand>,
    /// How often the better places are looked at while a stand-in gives media; `None` stays with the stand-in until
    /// it fails.
    pub return_every: Option<Duration>,
}

impl PullOptions {
    /// Fetched from `url` alone, always.
    #[must_use]
    pub fn new(key: StreamKey, url: RtmpUrl) -> Self {
        let client = ClientOptions::default();
        Self { key, url, stand_ins: Vec::new(), client, on_demand: None, return_every: None }
    }

    /// The place of that number, the best being 0.
    fn place(&self, number: usize) -> &RtmpUrl {
        number.checked_sub(1).and_then(|index| self.stand_ins.get(index)).unwrap_or(&self.url)
    }
}

/// Fetching while somebody wants the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnDemand {
    /// How long it goes on when nobody wants it any more.
    pub idle: Duration,
    /// Shortest run; see [`PULL_SETTLE`].
    pub settle: Duration,
}

impl OnDemand {
    /// Goes on for `idle` when nobody wants the stream any more.
    #[must_use]
    pub const fn new(idle: Duration) -> Self {
        Self { idle, settle: PULL_SETTLE }
    }
}

/// Pulls a stream into `registry` until `shutdown`, connecting again after every failure with growing, spread
/// pauses, at the next of its places; silence is a failure as well. While a stand-in gives media, the better
/// places are looked at, and the first that gives media is gone over to at a random access point: the broadcast
/// goes on, viewers stay. `status` tells how it goes.
///
/// On demand, it waits until the stream is wanted, see [`Registry::demand`], and ends the stream when it is no more.
pub async fn pull(
    options: PullOptions,
    registry: Registry,
    status: Arc<TaskStatus>,
    shutdown: CancellationToken,
) {
    let task = Task { options: &options, registry: &registry, status: &status, began: Instant::now() };
    let run = async {
        match options.on_demand {
            None => task.keep_up().await,
            Some(on_demand) => task.on_demand(on_demand).await,
        }
    };
    tokio::select! {
        () = run => {}
        () = shutdown.cancelled() => {}
    }
    status.set(TaskState::Stopped);
}

/// Returns when nobody has wanted the stream for the idle time.
async fn unwanted(demand: &mut Demand, on_demand: OnDemand) {
    let began = Instant::now();
    loop {
        demand.until(false).await;
        let rest = on_demand.idle.max(on_demand.settle.saturating_sub(began.elapsed()));
        if timeout(rest, demand.until(true)).await.is_err() {
            return;
        }
    }
}

/// A connection that gave its first random access point.
struct Opened {
    source: Box<RtmpPull>,
    /// The tracks, and the frame of that point.
    opening: [Media; 2],
}

async fn open(url: &RtmpUrl, client: &ClientOptions) -> Result<Opened, RtmpError> {
    let opening = async {
        let mut source = Box::new(RtmpPull::connect(url, client).await?);
        let mut held = None;
        loop {
            match source.next_media().await?.ok_or(RtmpError::Disconnected)? {
                Media::Tracks(tracks) => held = Some(tracks),
                Media::Frame(frame) => {
                    let leading = held.as_ref().and_then(|tracks| tracks.leading());
                    let leads = leading.is_some_and(|track| track.id == frame.track);
                    if let Some(tracks) = held.as_ref().filter(|_| leads && frame.sync) {
                        let opening = [Media::Tracks(Arc::clone(tracks)), Media::Frame(frame)];
                        return Ok(Opened { source, opening });
                    }
                }
            }
        }
    };
    in_time(opening).await
}

/// What `opening` gives within [`PROBE_TIMEOUT`].
async fn in_time<T>(opening: impl Future<Output = Result<T, RtmpError>>) -> Result<T, RtmpError> {
    let late = |_| RtmpError::Timeout { step: "the server's first key frame", timeout: PROBE_TIMEOUT };
    timeout(PROBE_TIMEOUT, opening).await.map_err(late).flatten()
}

/// A better place that gives media, and its number.
struct Better {
    place: usize,
    opened: Opened,
}

type Looking<'a> = Pin<Box<dyn Future<Output = Option<Better>> + Send + 'a>>;

/// The first of the places before `current` that gives media.
async fn look(options: &PullOptions, current: usize) -> Option<Better> {
    for place in 0..current {
        match open(options.place(place), &options.client).await {
            Ok(opened) => return Some(Better { place, opened }),
            Err(error) => debug!(key = %options.key, url = %options.place(place), %error, "not back yet"),
        }
    }
    None
}

/// What comes after media were moved for a while.
enum Next {
    /// A better place gives media.
    Better(Better),
    /// The server asked to be connected to at another place.
    Elsewhere(RtmpUrl),
}

/// What stays the same over all connections of a pull.
struct Task<'a> {
    options: &'a PullOptions,
    registry: &'a Registry,
    status: &'a TaskStatus,
    began: Instant,
}

/// Where the pull is, and how patient.
struct Course {
    places: Places,
    backoff: Backoff,
}

impl<'a> Task<'a> {
    /// Never returns.
    async fn on_demand(&self, on_demand: OnDemand) {
        let key = &self.options.key;
        let mut demand = self.registry.demand(key);
        loop {
            self.status.set(TaskState::Waiting);
            demand.until(true).await;
            info!(%key, "wanted: the pull begins");
            tokio::select! {
                () = self.keep_up() => {}
                () = unwanted(&mut demand, on_demand) => info!(%key, "wanted no more: the pull rests"),
            }
        }
    }

    /// Never returns.
    async fn keep_up(&self) {
        let places = Places::new(self.options.stand_ins.len() + 1, self.options.return_every);
        let mut course = Course { places, backoff: Backoff::default() };
        let mut elsewhere = None;
        loop {
            let place = self.options.place(course.places.current());
            let url = elsewhere.take().unwrap_or_else(|| place.clone());
            let wait = match self.pull_from(&url, &mut course).await {
                Ok(next) => {
                    info!(key = %self.options.key, to = %next, "the server asks to be connected to at another place");
                    elsewhere = Some(next);
                    // A server that does nothing but send us on must not make us spin.
                    course.backoff.next_pause(random())
                }
                Err(error) => {
                    self.status.failed(&error);
                    let wait = course.backoff.next_pause(random());
                    warn!(key = %self.options.key, %url, %error, pause_ms = wait.as_millis(), "trying again");
                    course.places.failed();
                    wait
                }
            };
            sleep(wait).await;
        }
    }

    /// Pulls from `url`, and from better places when they are back, until it fails or is sent elsewhere.
    async fn pull_from(&self, url: &RtmpUrl, course: &mut Course) -> Result<RtmpUrl, RtmpError> {
        self.status.set(TaskState::Connecting);
        let mut opened = open(url, &self.options.client).await?;
        let mut publisher = self.publish()?;
        loop {
            match self.move_in(opened, &mut publisher, course).await {
                Ok(Next::Better(better)) => {
                    let to = self.options.place(better.place);
                    info!(key = %self.options.key, %to, "a better place gives media again");
                    // Another encoder continues the stream, as if it had taken it over.
                    let interrupted = publisher.interrupt();
                    publisher = self.publish()?;
                    drop(interrupted);
                    course.places.go_to(better.place, self.began.elapsed());
                    opened = better.opened;
                }
                Ok(Next::Elsewhere(next)) => {
                    hold(publisher);
                    return Ok(next);
                }
                // Whoever closed it from inside wants the stream ended, not kept for a publisher that comes back.
                Err(error @ RtmpError::Closed(_)) => return Err(error),
                Err(error) => {
                    hold(publisher);
                    return Err(error);
                }
            }
        }
    }

    fn publish(&self) -> Result<Publisher, RtmpError> {
        let who = PublisherInfo { protocol: "rtmp-pull", peer: None };
        Ok(self.registry.publish(&self.options.key, who)?)
    }

    async fn move_in(
        &self,
        opened: Opened,
        publisher: &mut Publisher,
        course: &mut Course,
    ) -> Result<Next, RtmpError> {
        let Opened { mut source, opening } = opened;
        let began = Instant::now();
        for media in opening {
            self.push(media, publisher, began, course);
        }
        let mut looking: Option<Looking<'a>> = None;
        let mut closed = pin!(publisher.closed());
        loop {
            let looked = async {
                match &mut looking {
                    Some(looking) => looking.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                media = source.next_media() => {
                    let media = media?.ok_or(RtmpError::Disconnected)?;
                    if let Some(next) = source.reconnect_requested().filter(|_| is_sync(&media)) {
                        return Ok(Next::Elsewhere(next.clone()));
                    }
                    self.push(media, publisher, began, course);
                    // While media flow there is no need of a timer.
                    let due = course.places.look_at().is_some_and(|at| at <= self.began.elapsed());
                    if due && looking.is_none() {
                        looking = Some(Box::pin(look(self.options, course.places.current())));
                    }
                }
                reason = &mut closed => return Err(RtmpError::Closed(reason)),
                better = looked => match better {
                    Some(better) => return Ok(Next::Better(better)),
                    None => {
                        looking = None;
                        course.places.none_is_better(self.began.elapsed());
                    }
                },
            }
        }
    }

    fn push(&self, media: Media, publisher: &mut Publisher, began: Instant, course: &mut Course) {
        if let Media::Frame(frame) = &media {
            self.status.streams_at(course.places.current());
            self.status.moved(frame.data.len(), 1);
            course.backoff.reset();
            course.places.gives_media(self.began.elapsed());
        }
        publisher.push(media);
        publisher.note_arrival(began.elapsed());
    }
}

fn is_sync(media: &Media) -> bool {
    matches!(media, Media::Frame(frame) if frame.sync)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamer_core::hub::{SubscribeOptions, ViewerInfo};

    fn key() -> StreamKey {
        "live/test".parse().unwrap()
    }

    #[test]
    fn places_have_their_numbers() {
        let url = |host: &str| -> RtmpUrl { format!("rtmp://{host}/live/test").parse().unwrap() };
        let mut options = PullOptions::new(key(), url("a"));
        options.stand_ins = vec![url("b"), url("c")];
        let hosts: Vec<_> = (0..3).map(|number| options.place(number).host.as_str()).collect();
        assert_eq!(hosts, ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_missed_before_the_pull_has_settled() {
        let registry = Registry::default();
        let mut demand = registry.demand(&key());
        let publisher = registry.publish(&key(), PublisherInfo::default()).unwrap();
        let began = Instant::now();
        let second = Duration::from_secs(1);
        unwanted(&mut demand, OnDemand::new(second)).await;
        assert!((PULL_SETTLE..PULL_SETTLE + second).contains(&began.elapsed()), "{:?}", began.elapsed());
        let began = Instant::now();
        unwanted(&mut demand, OnDemand { idle: second, settle: Duration::ZERO }).await;
        assert!((second..2 * second).contains(&began.elapsed()), "{:?}", began.elapsed());
        // As long as somebody watches it goes on.
        let subscribe = SubscribeOptions::new(ViewerInfo::remote("test", None));
        let viewer = publisher.broadcast().subscribe(&subscribe).unwrap();
        let gone_on = timeout(100 * PULL_SETTLE, unwanted(&mut demand, OnDemand::new(second))).await;
        assert!(gone_on.is_err());
        drop(viewer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_without_key_frames_is_given_up() {
        let began = Instant::now();
        let error = in_time(std::future::pending::<Result<(), RtmpError>>()).await.unwrap_err();
        assert!(error.to_string().contains("first key frame"), "{error}");
        assert!((PROBE_TIMEOUT..PROBE_TIMEOUT + Duration::from_secs(1)).contains(&began.elapsed()));
    }
}
