//! What caches and HTTP clients meet: freshness, tags, codings, ranges, methods, origins.

use std::io::Read;

use flate2::read::GzDecoder;

use super::super::server::Server;
use super::player::{FMP4, Feed, TS, fetch_with, options, resolve, start};

const INDEX: &str = "/live/test/media/ts/index.m3u8";

async fn playing() -> (Server, Feed, String) {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    let playlist = server.fetch(INDEX).await;
    let segment = resolve(INDEX, playlist.uris()[0]);
    (server, feed, segment)
}

#[tokio::test]
async fn a_playlist_is_short_lived_and_known_by_its_tag() {
    let (server, mut feed, _) = playing().await;
    let first = server.fetch(INDEX).await;
    assert_eq!(first.header("cache-control"), Some("public, max-age=1"));
    assert_eq!(first.header("vary"), Some("accept-encoding"));
    let tag = first.header("etag").unwrap().to_owned();
    let again = server.fetch_with(INDEX, &format!("If-None-Match: \"x\", {tag}\r\n")).await;
    assert_eq!((again.status, again.header("etag"), again.body.len()), (304, Some(&*tag), 0));
    assert_eq!(server.stats.hls_not_modified.get(), 1);
    let sequence = first.next_msn();
    feed.seconds(1);
    let newer = server.fetch(&format!("{INDEX}?_HLS_msn={sequence}")).await;
    assert_eq!(newer.next_msn(), sequence + 1);
    let changed = server.fetch_with(INDEX, &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn a_playlist_is_compressed_for_those_who_take_it() {
    let (server, _feed, _) = playing().await;
    let plain = server.fetch(INDEX).await;
    let coded = server.fetch_with(INDEX, "Accept-Encoding: br, gzip\r\n").await;
    assert_eq!((plain.header("content-encoding"), coded.header("content-encoding")), (None, Some("gzip")));
    let mut text = String::new();
    GzDecoder::new(&*coded.body).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
    assert_ne!(plain.header("etag"), coded.header("etag"));
}

#[tokio::test]
async fn a_segment_is_for_good_and_comes_in_ranges() {
    let (server, _feed, segment) = playing().await;
    let whole = server.fetch(&segment).await;
    assert_eq!(whole.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap();
    let len = whole.body.len();
    let ranged = async |fields: String| server.fetch_with(&segment, &fields).await;
    for (range, start, end) in [("100-299", 100, 300), ("-188", len - 188, len), ("376-", 376, len)] {
        let part = ranged(format!("Range: bytes={range}\r\n")).await;
        assert_eq!(part.status, 206);
        let told = format!("bytes {start}-{}/{len}", end - 1);
        assert_eq!(part.header("content-range"), Some(&*told));
        assert!(part.body == whole.body[start..end], "{range}");
    }
    let past = ranged(format!("Range: bytes={len}-\r\n")).await;
    assert_eq!((past.status, past.header("content-range")), (416, Some(&*format!("bytes */{len}"))));
    let same = ranged(format!("Range: bytes=0-9\r\nIf-Range: {tag}\r\n")).await;
    assert_eq!((same.status, same.body.len()), (206, 10));
    let other = ranged("Range: bytes=0-9\r\nIf-Range: \"other\"\r\n".to_owned()).await;
    assert_eq!((other.status, other.body.len()), (200, len));
    let several = ranged("Range: bytes=0-9,20-29\r\n".to_owned()).await;
    assert_eq!((several.status, several.body.len()), (200, len));
    assert_eq!(ranged(format!("If-None-Match: {tag}\r\n")).await.status, 304);
}

#[tokio::test]
async fn head_and_options_and_other_methods() {
    let (server, _feed, segment) = playing().await;
    for target in [TS, INDEX, &segment] {
        let (get, head) = (server.fetch(target).await, fetch_with(server.address, "HEAD", target, "").await);
        assert_eq!((head.status, head.body.len()), (200, 0));
        for field in ["content-type", "content-length", "etag", "cache-control"] {
            assert!(get.header(field).is_some(), "{target} {field}");
            assert_eq!(get.header(field), head.header(field), "{target} {field}");
        }
        let preflight = fetch_with(server.address, "OPTIONS", target, "Origin: https://a.test\r\n").await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
        assert_eq!(fetch_with(server.address, "PUT", target, "").await.status, 405);
    }
}

#[tokio::test]
async fn pages_may_read_all_of_it() {
    let (server, _feed, segment) = playing().await;
    for target in [TS, INDEX, &segment, "/live/test/media/ts/1-1.ts"] {
        let answer = server.fetch_with(target, "Origin: https://a.test\r\n").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target}");
        assert!(answer.header("access-control-expose-headers").unwrap().contains("date"));
    }
}

#[tokio::test]
async fn the_same_window_is_the_same_bytes_for_everybody() {
    let (server, _feed, _) = playing().await;
    for target in [TS, FMP4, INDEX, "/live/test/media/video0/index.m3u8"] {
        let one = server.fetch_with(target, "User-Agent: one\r\n").await;
        let two = server.fetch_with(target, "User-Agent: two\r\n").await;
        assert_eq!(one.text(), two.text());
        assert_eq!(one.header("etag"), two.header("etag"));
        assert_eq!(one.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn parameters_that_are_none_are_refused() {
    let (server, _feed, _) = playing().await;
    for query in ["_HLS_part=1", "_HLS_msn=x", "_HLS_msn=-1", "_HLS_skip=1", "shifttime=1.5", "pass=1"] {
        assert_eq!(server.fetch(&format!("{INDEX}?{query}")).await.status, 400, "{query}");
    }
}
