//! The origin behind a transport without sockets, on tokio's paused clock.

use std::time::Duration;

use hls_check::{LowLatency, Options, Report, Request, Response, Transport, run_with};
use tokio::time::Instant;

use super::origin::{Call, HEAD_START_MS, Origin};

/// One way of the network.
const LATENCY: Duration = Duration::from_millis(2);

/// How long a run lasts, of virtual time.
pub const RUN: Duration = Duration::from_secs(24);

pub struct Sim {
    origin: Origin,
    begin: Instant,
}

/// Takes a URL apart as the origin wants it.
pub fn call(url: &str, range: Option<(u64, Option<u64>)>, now: u64) -> Call {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let value = |name: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    Call {
        file: path.rsplit('/').next().unwrap_or_default().to_owned(),
        sequence: value("_HLS_msn").and_then(|n| n.parse().ok()),
        part: value("_HLS_part").and_then(|n| n.parse().ok()),
        skip: value("_HLS_skip").is_some(),
        range,
        now,
        held: false,
    }
}

impl Transport for Sim {
    async fn get(&self, request: Request) -> Response {
        tokio::time::sleep(LATENCY).await;
        let now = HEAD_START_MS + u64::try_from(self.begin.elapsed().as_millis()).unwrap();
        let resource = &request.resource;
        let end = resource.length.map(|length| resource.start + length - 1);
        let range = resource.is_range().then_some((resource.start, end));
        let answer = self.origin.respond(&call(&resource.url, range, now));
        tokio::time::sleep(Duration::from_millis(answer.at.saturating_sub(now)) + LATENCY).await;
        Response {
            status: Some(answer.status),
            headers: answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: answer.body.into(),
            ..Response::default()
        }
    }
}

/// Follows `url` of the origin on a clock of its own.
pub fn follow(origin: &Origin, change: impl FnOnce(&mut Options)) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut options = Options::new("http://origin.test/live/video.m3u8");
    options.duration = RUN;
    options.low_latency = if origin.shape.low_latency { LowLatency::Require } else { LowLatency::Auto };
    change(&mut options);
    let origin = origin.clone();
    runtime.block_on(async { run_with(Sim { origin, begin: Instant::now() }, options).await.unwrap() })
}
