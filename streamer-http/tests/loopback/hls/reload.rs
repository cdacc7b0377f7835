//! Requests that wait for media to come.

use std::time::{Duration, Instant};

use streamer_core::hub::AppOptions;
use streamer_http::proto::hls::PackagerOptions;
use tokio::task::JoinSet;

use super::super::server::impatient;
use super::player::{Answer, FMP4, Feed, fetch_with, options, resolve, start, start_for};

const VIDEO: &str = "/live/test/media/video0/index.m3u8";
/// As many as an evening's favourite has on one machine.
const WAITING: usize = 2_000;

/// The segment and the part that come next, as the playlist hints.
fn hint(playlist: &Answer) -> (u64, u32, String) {
    let uri = playlist.attributes("#EXT-X-PRELOAD-HINT:", "URI")[0];
    let (msn, part) = uri.split_once('-').unwrap().1.trim_end_matches(".m4s").split_once('.').unwrap();
    (msn.parse().unwrap(), part.parse().unwrap(), resolve(VIDEO, uri))
}

#[tokio::test]
async fn a_reload_is_held_until_its_part_is_there() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.pictures(85);
    let playlist = server.fetch(VIDEO).await;
    assert!(playlist.text().contains("CAN-BLOCK-RELOAD=YES"));
    let (msn, part, _) = hint(&playlist);
    let target = format!("{VIDEO}?_HLS_msn={msn}&_HLS_part={part}");
    let ((), answer) = tokio::join!(
        async {
            server.held(1).await;
            feed.pictures(6);
        },
        server.fetch(&target)
    );
    let parts = answer.attributes("#EXT-X-PART:", "URI");
    assert!(parts.iter().any(|uri| uri.ends_with(&format!("-{msn}.{part}.m4s"))), "{}", answer.text());
    let target_duration: u32 = answer.tags("#EXT-X-TARGETDURATION:")[0].parse().unwrap();
    assert_eq!(answer.header("cache-control"), Some(&*format!("public, max-age={}", 6 * target_duration)));
    let again = server.fetch(&target).await;
    assert!(again.text().len() >= answer.text().len(), "what is there is not waited for");
    assert_eq!((server.stats.hls_blocking_reloads.get(), server.stats.hls_late_reloads.get()), (2, 0));
}

#[tokio::test]
async fn the_hinted_part_is_held_until_it_is_there() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.pictures(85);
    let (_, _, uri) = hint(&server.fetch(VIDEO).await);
    let ((), part) = tokio::join!(
        async {
            server.held(1).await;
            feed.pictures(6);
        },
        server.fetch(&uri)
    );
    assert_eq!((part.status, part.header("content-type")), (200, Some("video/mp4")));
    assert_eq!(part.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(part.body.windows(4).any(|kind| kind == b"moof"));
}

#[tokio::test]
async fn a_part_that_never_comes_is_not_there() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.pictures(80);
    let playlist = server.fetch(VIDEO).await;
    let (msn, part, uri) = hint(&playlist);
    let far = uri.replace(&format!("-{msn}.{part}."), &format!("-{}.0.", msn + 3));
    assert_eq!(server.fetch(&far).await.status, 404, "nobody waits for what is far");
    let other = uri.replace(&format!("-{msn}.{part}."), &format!("-{}.{part}.", msn - 100));
    assert_eq!(server.fetch(&other).await.status, 404);
    let later = uri.replace(&format!(".{part}."), &format!(".{}.", part + 5));
    let ((), gone) = tokio::join!(
        async {
            server.held(1).await;
            feed.end();
        },
        server.fetch(&later)
    );
    assert_eq!((gone.status, gone.header("cache-control")), (404, Some("public, max-age=1")));
}

#[tokio::test]
async fn a_reload_of_the_far_future_is_refused() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.pictures(85);
    let (msn, ..) = hint(&server.fetch(VIDEO).await);
    for ahead in [msn + 3, u64::MAX] {
        assert_eq!(server.fetch(&format!("{VIDEO}?_HLS_msn={ahead}")).await.status, 400);
    }
    assert_eq!(server.fetch(&format!("{VIDEO}?_HLS_msn={msn}&_HLS_part=4000")).await.status, 400);
    assert_eq!(server.fetch(&format!("{VIDEO}?_HLS_msn=0")).await.status, 200, "the past is there");
}

#[tokio::test]
async fn a_delta_update_spares_what_is_old() {
    let mut options = options();
    options.packager.list.length = Duration::from_secs(30);
    let server = start(options).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    server.segments(&mut feed, VIDEO, 20).await;
    let full = server.fetch(VIDEO).await;
    assert!(full.text().contains("CAN-SKIP-UNTIL="), "{}", full.text());
    let delta = server.fetch(&format!("{VIDEO}?_HLS_skip=YES")).await;
    let skipped: usize = delta.attributes("#EXT-X-SKIP:", "SKIPPED-SEGMENTS")[0].parse().unwrap();
    assert_eq!(skipped + delta.uris().len(), full.uris().len());
    assert!(delta.body.len() < full.body.len());
    let report = full.attributes("#EXT-X-RENDITION-REPORT:", "URI");
    assert_eq!(report, ["../audio0/index.m3u8"]);
    assert_eq!(server.fetch(&resolve(VIDEO, report[0])).await.status, 200);
}

/// Holds [`WAITING`] reloads, takes the publisher away by `away`, and says how long the last answer took.
async fn all_answered(
    app: AppOptions,
    away: impl FnOnce(Feed) -> Option<streamer_core::hub::Interrupted>,
) -> (Duration, Vec<Answer>) {
    let server = start_for(options(), app).await;
    let mut feed = Feed::new(&server);
    feed.pictures(85);
    let (msn, ..) = hint(&server.fetch(VIDEO).await);
    let mut waiting = JoinSet::new();
    let (address, target) = (server.address, format!("{VIDEO}?_HLS_msn={}&_HLS_part=0", msn + 1));
    for _ in 0..WAITING {
        let target = target.clone();
        waiting.spawn(async move { fetch_with(address, "GET", &target, "").await });
    }
    // Those who wait do so for a target duration at most: the publisher goes on meanwhile.
    while server.hls.levels().blocked_requests < WAITING {
        tokio::task::yield_now().await;
    }
    let gone = Instant::now();
    let _interrupted = away(feed);
    let answers = waiting.join_all().await;
    (gone.elapsed(), answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_publisher_is_gone_for_good_all_who_wait_are_answered() {
    let (took, answers) = all_answered(impatient(), |mut feed| {
        feed.end();
        None
    })
    .await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(answers.iter().all(|answer| answer.text().contains("#EXT-X-ENDLIST")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_publisher_is_away_all_who_wait_are_answered_within_a_target_duration() {
    let (took, answers) =
        all_answered(impatient(), |mut feed| feed.publisher.take().map(streamer_core::Publisher::interrupt))
            .await;
    let target_duration: u64 = answers[0].tags("#EXT-X-TARGETDURATION:")[0].parse().unwrap();
    assert!(took < Duration::from_secs(target_duration) + Duration::from_millis(500), "{took:?}");
    for answer in &answers {
        assert!(!answer.text().contains("#EXT-X-ENDLIST"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }
}

#[tokio::test]
async fn transport_streams_wait_too() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    let index = "/live/test/media/ts/index.m3u8";
    let next = server.fetch(index).await.next_msn();
    let target = format!("{index}?_HLS_msn={next}");
    let ((), answer) = tokio::join!(
        async {
            server.held(1).await;
            feed.seconds(1);
        },
        server.fetch(&target)
    );
    assert_eq!(answer.next_msn(), next + 1);
    assert!(!answer.text().contains("SERVER-CONTROL"));
}

#[tokio::test]
async fn without_parts_fmp4_is_plain() {
    let packager = PackagerOptions { part_target: None, ..super::player::packager() };
    let server = start(streamer_http::HlsAppOptions { packager, ..options() }).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    assert_eq!(server.fetch(FMP4).await.status, 200);
    let playlist = server.fetch(VIDEO).await;
    assert!(playlist.text().starts_with("#EXTM3U\n#EXT-X-VERSION:6\n") && !playlist.text().contains("PART"));
}
