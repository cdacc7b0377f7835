//! Low-Latency HLS as its players fetch it: over HTTP/2 with TLS, all on one connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Version;
use hyper::client::conn::http2::SendRequest;
use streamer_http::{Hls, HttpOptions};

use super::super::http2::{Certificate, request};
use super::super::server::impatient;
use super::player::{Answer, FMP4, Feed, options, resolve};

/// The connection of one player.
struct Player {
    sender: SendRequest<Empty<Bytes>>,
}

impl Player {
    async fn fetch(&self, target: &str) -> Answer {
        let response = self.sender.clone().send_request(request("GET", target)).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

#[tokio::test]
async fn a_player_follows_a_stream_on_one_connection_of_http_2() {
    let certificate = Certificate::new();
    let mut hls = options();
    hls.packager.list.length = Duration::from_secs(30);
    let http = HttpOptions { hls: Hls::new(hls), ..HttpOptions::default() };
    let server = certificate.serve(http, impatient()).await;
    let player = Player { sender: certificate.connect_http2(&server).await };
    let mut feed = Feed::new(&server);
    feed.pictures(85);

    let multivariant = player.fetch(FMP4).await;
    assert_eq!(multivariant.header("content-type"), Some("application/vnd.apple.mpegurl"));
    let index = resolve(FMP4, multivariant.uris()[0]);
    let media = player.fetch(&index).await;
    assert!(media.text().contains("CAN-BLOCK-RELOAD=YES"), "{}", media.text());
    let map = player.fetch(&resolve(&index, media.attributes("#EXT-X-MAP:", "URI")[0])).await;
    assert_eq!((map.status, &map.body[4..8]), (200, &b"ftyp"[..]));

    // A reload that is held keeps nothing else on the connection waiting.
    let mut next = media.next_msn();
    let target = format!("{index}?_HLS_msn={next}");
    let (reload, segment) = tokio::join!(player.fetch(&target), async {
        server.held(1).await;
        let segment = player.fetch(&resolve(&index, media.uris()[0])).await;
        assert_eq!(server.hls.levels().blocked_requests, 1);
        feed.seconds(1);
        segment
    });
    assert_eq!((segment.status, segment.header("content-type")), (200, Some("video/mp4")));
    assert_eq!(&segment.body[4..8], b"styp");
    assert_eq!(reload.next_msn(), next + 1);

    for _ in 0..20 {
        next += 1;
        feed.seconds(1);
        assert!(player.fetch(&format!("{index}?_HLS_msn={next}")).await.next_msn() > next);
    }
    let full = player.fetch(&index).await;
    let delta = player.fetch(&format!("{index}?_HLS_skip=YES")).await;
    let skipped: usize = delta.attributes("#EXT-X-SKIP:", "SKIPPED-SEGMENTS")[0].parse().unwrap();
    assert!(skipped > 0 && delta.body.len() < full.body.len());
    assert_eq!(delta.uris(), full.uris()[skipped..]);

    assert_eq!(server.stats.connections.open(), 1);
    feed.end();
}
