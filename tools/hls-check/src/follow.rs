//! Follows a presentation like a player: one task for each rendition, one request beside it for each resource.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::check::Checker;
use crate::observation::{Asked, Next, Observation, Resource, Response, Want, What};
use crate::options::{Options, RunError};
use crate::report::{Collector, Report};
use crate::rule;
use crate::transport::{Http, Request, Transport};

/// A blocked request is given up after that: well past three target durations of any live stream.
const BLOCKED_LIMIT: Duration = Duration::from_secs(60);

/// Any other request is given up after that.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);

/// A request that must be refused is given up after that: refusing takes no waiting.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);

/// Resources of one rendition that are fetched at once: some more than a browser opens connections to a host.
pub(crate) const MAX_FETCHES: usize = 8;

/// Loads of a playlist that may fail one after the other before it is given up.
const MAX_FAILURES: u32 = 3;

/// The load after which it is tried what the server refuses.
const REFUSALS_AFTER: u32 = 2;

/// Follows `options.url` over HTTP.
///
/// # Errors
///
/// When the options are wrong or the first playlist does not come.
pub async fn run(options: Options) -> Result<Report, RunError> {
    let transport = Http::new(&options)?;
    run_with(transport, options).await
}

/// Follows `options.url` with requests made by `transport`.
///
/// # Errors
///
/// When the options are wrong or the first playlist does not come.
pub async fn run_with<T: Transport>(transport: T, options: Options) -> Result<Report, RunError> {
    let web = Url::parse(&options.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = web.map(String::from) else { return Err(RunError::Url { url: options.url }) };
    if let Some(id) = options.allow.iter().find(|id| rule::rule(id).is_none()) {
        return Err(RunError::UnknownRule { id: id.clone() });
    }
    let begin = Instant::now();
    let follower = Arc::new(Follower {
        transport,
        begin,
        deadline: begin + options.duration,
        checker: Mutex::new(Checker::new(options.low_latency)),
        found: Mutex::new(Collector::new(&url, &options.allow)),
    });
    let first = follower.load(&url, &url, Asked::default(), REQUEST_LIMIT).await;
    if !first.response.ok() {
        return Err(RunError::Unreachable { url, why: first.response.outcome() });
    }
    follower.observe(&first);
    let playlists = follower.checker.lock().media_playlists();
    let mut tasks = JoinSet::new();
    match playlists {
        None => {
            tasks.spawn(Arc::clone(&follower).rendition(url, Some(first)));
        }
        Some(urls) => {
            for url in urls.into_iter().take(options.max_renditions) {
                tasks.spawn(Arc::clone(&follower).rendition(url, None));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    let at = begin.elapsed();
    let (last, counts) = {
        let checker = follower.checker.lock();
        (checker.finish(), checker.counts())
    };
    let mut found = std::mem::take(&mut *follower.found.lock());
    found.add(last, at);
    Ok(found.finish(counts))
}

struct Follower<T> {
    transport: T,
    begin: Instant,
    deadline: Instant,
    checker: Mutex<Checker>,
    found: Mutex<Collector>,
}

impl<T: Transport> Follower<T> {
    fn observe(&self, seen: &Observation) {
        // Both in one order, so that the report is in the order of what was seen.
        let mut checker = self.checker.lock();
        let findings = checker.observe(seen);
        self.found.lock().add(findings, seen.response.done);
    }

    async fn get(&self, request: Request) -> Response {
        let sent = self.begin.elapsed();
        let mut response = self.transport.get(request).await;
        response.sent = sent;
        response.done = self.begin.elapsed();
        response
    }

    /// Loads the playlist that is known as `name` from `place`.
    async fn load(&self, name: &str, place: &str, asked: Asked, limit: Duration) -> Observation {
        let resource =
            Resource { url: with_directives(place, asked), start: 0, length: None, open_range: false };
        let response = self.get(Request { resource, playlist: true, limit }).await;
        let place = response.url.as_deref().map_or_else(|| place.to_owned(), without_directives);
        Observation {
            playlist: name.to_owned(),
            what: What::Playlist(asked),
            resource: Resource { url: place, start: 0, length: None, open_range: false },
            response,
        }
    }

    async fn fetch(
        self: Arc<Self>,
        playlist: String,
        want: Want,
        limit: Duration,
        turns: Option<Arc<Semaphore>>,
    ) {
        let _turn = match &turns {
            Some(turns) => turns.acquire().await.ok(),
            None => None,
        };
        let request = Request { resource: want.resource.clone(), playlist: false, limit };
        let response = self.get(request).await;
        self.observe(&Observation { playlist, what: want.what, resource: want.resource, response });
    }

    /// Follows one media playlist to the deadline or its end.
    async fn rendition(self: Arc<Self>, name: String, first: Option<Observation>) {
        let turns = Arc::new(Semaphore::new(MAX_FETCHES));
        let mut fetches = JoinSet::new();
        let mut hints = JoinSet::new();
        let mut place = name.clone();
        let (mut loads, mut failures) = (0, 0);
        let mut seen = vec![match first {
            Some(first) => first,
            None => {
                let first = self.load(&name, &place, Asked::default(), REQUEST_LIMIT).await;
                self.observe(&first);
                first
            }
        }];
        while let Some(last) = seen.first() {
            failures = if last.response.ok() { 0 } else { failures + 1 };
            if failures == 0 {
                place.clone_from(&last.resource.url);
            }
            let loaded = last.response.sent;
            loads += 1;
            let (wants, next) = {
                let mut checker = self.checker.lock();
                (checker.wants(&name), checker.next(&name))
            };
            for want in wants {
                if want.what == What::Hint {
                    hints.spawn(Arc::clone(&self).fetch(name.clone(), want, BLOCKED_LIMIT, None));
                } else {
                    let turns = Some(Arc::clone(&turns));
                    fetches.spawn(Arc::clone(&self).fetch(name.clone(), want, REQUEST_LIMIT, turns));
                }
            }
            if loads == REFUSALS_AFTER {
                let refusals = self.checker.lock().refusals(&name);
                for asked in refusals {
                    fetches.spawn(Arc::clone(&self).refusal(name.clone(), place.clone(), asked));
                }
            }
            if failures == MAX_FAILURES || next == Next::Ended {
                break;
            }
            let reload = self.reload(&name, &place, next, loaded);
            match tokio::time::timeout_at(self.deadline, reload).await {
                Ok(observations) => seen = observations,
                Err(_) => break,
            }
        }
        while fetches.join_next().await.is_some() {}
        hints.shutdown().await;
    }

    async fn refusal(self: Arc<Self>, name: String, place: String, asked: Asked) {
        let seen = self.load(&name, &place, asked, REFUSAL_LIMIT).await;
        self.observe(&seen);
    }

    /// The next load, with its delta update where that is due; the playlist itself comes first.
    async fn reload(&self, name: &str, place: &str, next: Next, loaded: Duration) -> Vec<Observation> {
        let (asked, delta, limit) = match next {
            Next::Reload { asked, delta } => (asked, delta, BLOCKED_LIMIT),
            Next::Wait { after, delta } => {
                tokio::time::sleep_until(self.begin + loaded + after).await;
                (Asked::default(), delta, REQUEST_LIMIT)
            }
            Next::Ended => return Vec::new(),
        };
        let full = self.load(name, place, asked, limit);
        let mut seen = Vec::new();
        if delta {
            let update = self.load(name, place, Asked { skip: true, ..asked }, limit);
            let (full, update) = tokio::join!(full, update);
            seen.extend([full, update]);
        } else {
            seen.push(full.await);
        }
        for observation in &seen {
            self.observe(observation);
        }
        seen
    }
}

fn with_directives(url: &str, asked: Asked) -> String {
    let Ok(mut url) = Url::parse(url) else { return url.to_owned() };
    let query = asked.query();
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url.into()
}

fn without_directives(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return url.to_owned() };
    if let Some(query) = url.query() {
        let kept: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("_HLS_")).collect();
        let kept = kept.join("&");
        url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A server with one ended playlist, whose segments and parts all take a virtual second.
    #[derive(Default)]
    struct Slow {
        fetching: AtomicUsize,
        most: Arc<AtomicUsize>,
        fetched: Arc<AtomicUsize>,
    }

    const SLOW_SEGMENTS: usize = 4;
    const SLOW_PARTS: usize = 5;

    impl Transport for Slow {
        async fn get(&self, request: Request) -> Response {
            let mut body = String::from(
                "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.2\n",
            );
            if request.playlist {
                for segment in 0..SLOW_SEGMENTS {
                    for part in 0..SLOW_PARTS {
                        body += &format!("#EXT-X-PART:DURATION=0.2,URI=\"{segment}.{part}.ts\"\n");
                    }
                    body += &format!("#EXTINF:1,\n{segment}.ts\n");
                }
                body += "#EXT-X-ENDLIST\n";
            } else {
                let fetching = self.fetching.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(fetching, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.fetching.fetch_sub(1, Ordering::SeqCst);
                self.fetched.fetch_add(1, Ordering::SeqCst);
            }
            Response { status: Some(200), body: body.into(), ..Response::default() }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn resources_are_fetched_at_once_up_to_their_limit() {
        let slow = Slow::default();
        let (most, fetched) = (Arc::clone(&slow.most), Arc::clone(&slow.fetched));
        run_with(slow, Options::new("http://h/p.m3u8")).await.unwrap();
        assert_eq!(most.load(Ordering::SeqCst), MAX_FETCHES);
        assert_eq!(fetched.load(Ordering::SeqCst), SLOW_SEGMENTS * (SLOW_PARTS + 1), "the others wait");
    }

    #[test]
    fn directives_come_and_go_beside_the_query_that_is_there() {
        let asked = Asked { sequence: Some(7), part: Some(0), skip: true };
        let url = with_directives("http://h/p.m3u8?token=a%20b", asked);
        assert_eq!(url, "http://h/p.m3u8?token=a%20b&_HLS_msn=7&_HLS_part=0&_HLS_skip=YES");
        assert_eq!(without_directives(&url), "http://h/p.m3u8?token=a%20b");
        assert_eq!(without_directives("http://h/p.m3u8?_HLS_msn=7"), "http://h/p.m3u8");
    }
}
