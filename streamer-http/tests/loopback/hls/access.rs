//! Who is let in, who is counted, and who is put out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use streamer_core::hub::{AppOptions, CloseReason};
use streamer_core::{AccessRequest, Authorizer, Denied, DeniedKind};

use super::super::server::{Server, impatient};
use super::player::{FMP4, Feed, MANIFEST, TS, options, resolve, start, start_for, start_guarded};

/// Lets in who brings the token, for as long as it is valid.
struct Token(AtomicBool);

#[async_trait]
impl Authorizer for Token {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let right = request.parameter("token") == Some("secret") && self.0.load(Ordering::Relaxed);
        if right { Ok(()) } else { Err(Denied::new(DeniedKind::BadToken, "No.")) }
    }
}

async fn guarded() -> (Server, Feed, Arc<Token>) {
    let token = Arc::new(Token(AtomicBool::new(true)));
    let server = start_guarded(options(), Arc::clone(&token) as Arc<dyn Authorizer>).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    (server, feed, token)
}

#[tokio::test]
async fn a_manifest_goes_on_with_a_pass() {
    let (server, _feed, token) = guarded().await;
    assert_eq!(server.fetch(MANIFEST).await.status, 403);
    let first = server.fetch(&format!("{MANIFEST}?token=secret")).await;
    assert_eq!(first.header("cache-control"), Some("private, no-store"));
    let location = first.text().split_once("<Location>").unwrap().1.split('<').next().unwrap();
    let pass = location.strip_prefix("manifest.mpd").unwrap();
    token.0.store(false, Ordering::Relaxed);
    assert_eq!(server.fetch(&resolve(MANIFEST, location)).await.text(), first.text());
    let map = first.text().split("initialization=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(map.ends_with(pass), "{map}");
    assert_eq!(server.fetch(&resolve(MANIFEST, map)).await.status, 200);
}

/// The viewers who are no part of the server.
fn audience(server: &Server) -> usize {
    server.broadcast().viewers().iter().filter(|viewer| !viewer.info().internal).count()
}

#[tokio::test]
async fn credentials_are_good_for_all_that_follows() {
    let (server, mut feed, token) = guarded().await;
    assert_eq!(server.fetch(FMP4).await.status, 403);
    let multivariant = server.fetch(&format!("{FMP4}?token=secret")).await;
    assert_eq!(multivariant.header("cache-control"), Some("private, no-store"));
    let uris = multivariant.uris();
    let pass = uris[0].split_once("?pass=").unwrap().1;
    assert_eq!(pass.len(), 32);
    assert!(multivariant.attributes("#EXT-X-MEDIA:", "URI")[0].ends_with(pass));
    // The token expires; who is in stays in.
    token.0.store(false, Ordering::Relaxed);
    assert_eq!(server.fetch(&format!("{FMP4}?token=secret")).await.status, 403);
    let index = resolve(FMP4, uris[0]);
    let playlist = server.fetch(&index).await;
    let children = playlist.attributes("#EXT-X-PART:", "URI").into_iter().chain(playlist.uris());
    let map = playlist.attributes("#EXT-X-MAP:", "URI");
    for uri in children.chain(map) {
        let target = resolve(&index, uri);
        let answer = server.fetch(&target).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, no-store")));
        for wrong in ["", "?token=secret", "?pass=00000000000000000000000000000000"] {
            let bare = target.split('?').next().unwrap();
            assert_eq!(server.fetch(&format!("{bare}{wrong}")).await.status, 403, "{wrong}");
        }
    }
    feed.seconds(1);
    let next = playlist.next_msn();
    assert_eq!(server.fetch(&format!("{index}&_HLS_msn={next}")).await.status, 200);
    assert_eq!(audience(&server), 1, "playlists, parts and segments are one viewer");
}

#[tokio::test]
async fn a_pass_is_given_once_and_is_for_its_stream_alone() {
    let (server, _feed, _token) = guarded().await;
    let pass = async || {
        let multivariant = server.fetch(&format!("{TS}?token=secret")).await;
        multivariant.uris()[0].split_once("?pass=").unwrap().1.to_owned()
    };
    let first = pass().await;
    assert_eq!(pass().await, first, "the same viewer");
    let mut other = Feed::of(&server, &"live/other".parse().unwrap());
    other.seconds(3);
    assert_eq!(server.fetch(&format!("/live/other/playlist.m3u8?pass={first}")).await.status, 403);
    // A media playlist can be begun with as well.
    let media = server.fetch("/live/test/media/ts/index.m3u8?token=secret").await;
    assert!(media.uris()[0].contains("?pass="));
}

#[tokio::test]
async fn without_credentials_there_is_no_pass() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    let multivariant = server.fetch(TS).await;
    assert!(!multivariant.text().contains("pass"));
    assert_eq!(multivariant.header("cache-control"), Some("public, max-age=1"));
    assert!(server.fetch(&format!("{TS}?a=b")).await.text().contains("?pass="), "somebody may care");
}

#[tokio::test]
async fn a_viewer_is_counted_once_with_what_it_was_sent() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    let mut sent = 0;
    for target in [TS, "/live/test/media/ts/index.m3u8"] {
        let answer = server.fetch_with(target, "User-Agent: one\r\n").await;
        sent += answer.body.len();
        if target != TS {
            let segment = resolve(target, answer.uris()[0]);
            sent += server.fetch_with(&segment, "User-Agent: one\r\n").await.body.len();
        }
    }
    assert_eq!(audience(&server), 1);
    server.fetch_with(TS, "User-Agent: two\r\n").await;
    server.fetch_with(FMP4, "User-Agent: two\r\n").await;
    assert_eq!(audience(&server), 3, "one by HLS and one by LL-HLS more");
    let totals = server.broadcast().audience();
    assert_eq!((totals["hls"].present, totals["ll-hls"].present), (2, 1));
    let first = &server.broadcast().viewers()[1];
    assert_eq!((first.info().protocol, first.stats().bytes.get()), ("hls", sent as u64));
}

#[tokio::test]
async fn a_full_stream_takes_no_more_viewers() {
    let server = start_for(options(), AppOptions { max_viewers: 2, ..impatient() }).await;
    let mut feed = Feed::new(&server);
    feed.seconds(4);
    // The segmenter counts as one, and never is refused.
    assert_eq!(server.fetch_with(TS, "User-Agent: one\r\n").await.status, 200);
    let refused = server.fetch_with(TS, "User-Agent: two\r\n").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(server.fetch_with(TS, "User-Agent: one\r\n").await.status, 200);
}

#[tokio::test]
async fn who_is_put_out_gets_nothing_more() {
    let (server, _feed, _token) = guarded().await;
    let multivariant = server.fetch(&format!("{TS}?token=secret")).await;
    let index = resolve(TS, multivariant.uris()[0]);
    let segment = resolve(&index, server.fetch(&index).await.uris()[0]);
    let viewer = server.broadcast().viewers().pop().unwrap();
    assert!(!viewer.info().internal && viewer.close(CloseReason::Kicked));
    for target in [&index, &segment, &format!("{TS}?token=secret")] {
        assert_eq!(server.fetch(target).await.status, 403, "{target}");
    }
    assert_eq!(audience(&server), 0);
}
