//! Time-shift from memory and from the store, and streams tied into one playlist.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use streamer_core::StreamKey;
use streamer_core::hub::{AppOptions, RingLimits};
use streamer_http::object_store::local::LocalFileSystem;
use streamer_http::object_store::memory::InMemory;
use streamer_http::object_store::path::Path;
use streamer_http::object_store::{ObjectStore, ObjectStoreExt};
use streamer_http::proto::hls::{ListOptions, PackagerOptions};
use streamer_http::{HlsAppOptions, HlsStore};

use super::super::server::{Server, impatient};
use super::player::{Answer, FMP4, Feed, TS, options, packager, resolve, start, start_for};

const INDEX: &str = "/live/test/media/ts/index.m3u8";

/// An hour of history in `max_bytes`, and playlists of four seconds.
fn with_history(max_bytes: u64, store: Option<HlsStore>) -> HlsAppOptions {
    let list = ListOptions { length: Duration::from_secs(4) };
    let history = Duration::from_secs(3_600);
    let packager = PackagerOptions { list, history, max_bytes, ..packager() };
    HlsAppOptions { packager, store, ..options() }
}

async fn objects(store: &dyn ObjectStore) -> Vec<String> {
    let mut objects: Vec<String> =
        store.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
    objects.sort();
    objects
}

/// The playlist of a viewer `seconds` behind, and where it is.
async fn shifted(server: &Server, multivariant: &str, seconds: u64) -> (String, Answer) {
    let answer = server.fetch(&format!("{multivariant}?shifttime={seconds}")).await;
    let index = resolve(multivariant, answer.uris()[0]);
    let playlist = server.fetch(&index).await;
    (index, playlist)
}

#[tokio::test]
async fn a_viewer_may_be_behind() {
    // What the hub holds is from before the first request: half a minute of the past.
    let ring = RingLimits { hold: Duration::from_secs(60), ..RingLimits::default() };
    let server = start_for(with_history(u64::MAX, None), AppOptions { ring, ..impatient() }).await;
    let mut feed = Feed::new(&server);
    feed.seconds(30);
    for multivariant in [TS, FMP4] {
        let live = resolve(multivariant, server.fetch(multivariant).await.uris()[0]);
        let live = server.fetch(&live).await;
        let (index, behind) = shifted(&server, multivariant, 10).await;
        assert!(index.ends_with("?shifttime=10"), "{index}");
        let distance = live.next_msn() - behind.next_msn();
        assert!((9..=11).contains(&distance), "{distance} segments of a second behind");
        for tag in ["PART", "PRELOAD-HINT", "ENDLIST", "SERVER-CONTROL", "SKIP"] {
            assert!(!behind.text().contains(tag), "{tag}");
        }
        for uri in behind.uris() {
            assert_eq!(server.fetch(&resolve(&index, uri)).await.status, 200);
        }
        // Who asks for more than there is begins with the oldest list.
        let (index, oldest) = shifted(&server, multivariant, 3_600).await;
        let depth: u64 = index.split_once("?shifttime=").unwrap().1.parse().unwrap();
        assert!((20..30).contains(&depth), "{depth}");
        assert_eq!(oldest.next_msn() - oldest.media_sequence(), 4);
        assert!(oldest.media_sequence() + 20 < live.next_msn());
    }
    let (live, none) = (server.fetch(INDEX).await, server.fetch(&format!("{INDEX}?shifttime=0")).await);
    assert_eq!(live.uris(), none.uris());
}

#[tokio::test]
async fn history_that_memory_has_no_room_for_is_read_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    // What a former run has left, and what is not ours.
    for path in ["live/test/ts/1-1.ts", "live/test/video0/1-1.m4s", "live/other/ts/1-1.ts"] {
        store.put(&Path::from(path), "old".into()).await.unwrap();
    }
    let options = with_history(400_000, Some(HlsStore { store: Arc::clone(&store), max_bytes: u64::MAX }));
    let server = start(options).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    let first = server.fetch(INDEX).await;
    let segment = resolve(INDEX, first.uris()[0]);
    let whole = server.fetch(&segment).await.body;
    for _ in 0..30 {
        server.segments(&mut feed, INDEX, 1).await;
        // A store may be slower than a test.
        while server.hls.levels().memory_bytes > 250_000 {
            tokio::task::yield_now().await;
        }
    }
    assert!(server.hls.levels().stored_bytes > 400_000);

    assert!(objects(&*store).await.contains(&segment.replace("/media", "")[1..].to_owned()));
    let stored = server.fetch(&segment).await;
    assert_eq!(stored.header("content-length"), Some(&*whole.len().to_string()));
    assert!(stored.body == whole, "the same bytes as from memory");
    let part = server.fetch_with(&segment, "Range: bytes=188-375\r\n").await;
    assert_eq!(part.status, 206);
    assert!(part.body == whole[188..376]);
    let left = objects(&*store).await;
    assert!(!left.contains(&"live/test/ts/1-1.ts".to_owned()), "cleaned up at the start");
    assert!(left.contains(&"live/test/video0/1-1.m4s".to_owned()), "another container has its own start");
    assert!(left.contains(&"live/other/ts/1-1.ts".to_owned()));
    feed.end();
    server.shutdown.cancel();
    while objects(&*store).await.len() > 2 {
        tokio::task::yield_now().await;
    }
    server.hls.clear_store(&"live".parse().unwrap()).await;
    assert_eq!(objects(&*store).await, [""; 0]);
}

#[tokio::test]
async fn the_store_is_bounded_too() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let options = with_history(200_000, Some(HlsStore { store: Arc::clone(&store), max_bytes: 200_000 }));
    let server = start(options).await;
    let mut feed = Feed::new(&server);
    feed.seconds(3);
    let first = server.fetch(INDEX).await.media_sequence();
    server.segments(&mut feed, INDEX, 40).await;
    let oldest = async || server.fetch(&format!("{INDEX}?shifttime=3600")).await.media_sequence();
    while oldest().await < first + 20 {
        tokio::task::yield_now().await;
    }
    let levels = server.hls.levels();
    assert!(levels.stored_bytes <= 200_000 && levels.memory_bytes <= 200_000, "{levels:?}");
    assert!(levels.stored_bytes > 0);
}

#[tokio::test]
async fn streams_are_tied_into_one_playlist() {
    let names = ["high", "low", "absent"].map(|name| name.parse().unwrap());
    let adaptive = [("test".parse().unwrap(), names.to_vec())].into();
    let server = start(HlsAppOptions { adaptive, ..options() }).await;
    assert_eq!(server.fetch(TS).await.status, 404, "none of them is live");
    let feeds: Vec<Feed> = ["live/high", "live/low"]
        .into_iter()
        .map(|key| {
            let mut feed = Feed::of(&server, &key.parse::<StreamKey>().unwrap());
            feed.seconds(3);
            feed
        })
        .collect();
    let multivariant = server.fetch(TS).await;
    assert_eq!(multivariant.uris(), ["../high/media/ts/index.m3u8", "../low/media/ts/index.m3u8"]);
    for uri in multivariant.uris() {
        let index = resolve(TS, uri);
        let playlist = server.fetch(&index).await;
        assert_eq!(server.fetch(&resolve(&index, playlist.uris()[0])).await.status, 200);
    }
    let passed = server.fetch(&format!("{FMP4}?token=1")).await;
    for uri in passed.uris() {
        assert!(uri.contains("?pass="));
        assert_eq!(server.fetch(&resolve(FMP4, uri)).await.status, 200, "the pass is good for all of them");
    }
    drop(feeds);
}
