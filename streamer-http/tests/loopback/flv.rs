//! HTTP-FLV as players meet it.

use std::time::Duration;

use streamer_core::hub::{AppOptions, CloseReason};
use streamer_core::{Gateway, MediaKind, Registry};
use streamer_http::HttpOptions;

use super::client::{get, request, send};
use super::server::{AUDIO, VIDEO, frame, hevc, impatient, silent, start, start_with};

const PLAY: &str = "/live/test/play.flv";

#[tokio::test]
async fn a_viewer_gets_header_configuration_and_the_newest_gop_at_once() {
    let server = start().await;
    let mut publisher = server.publish_gop();
    let response = get(server.address, PLAY).await;
    assert_eq!(response.version, "HTTP/1.1");
    assert_eq!(response.header("content-length"), None);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("access-control-allow-origin", "*"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
    ] {
        assert_eq!(response.header(name), Some(value));
    }
    assert!(httpdate::parse_http_date(response.header("date").unwrap()).is_ok());
    let mut flv = response.into_flv();
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
    assert_eq!(flv.media.bytes[..13], [b'F', b'L', b'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0]);
    let tracks = flv.media.tracks.clone().unwrap();
    assert!(tracks.first(MediaKind::Video).is_some() && tracks.first(MediaKind::Audio).is_some());

    publisher.push(frame(VIDEO, 120, true, 0));
    publisher.push(frame(VIDEO, 160, false, 0));
    assert_eq!(flv.times(2).await, [120, 160]);
    let mut late = get(server.address, "/live/test.flv").await.into_flv();
    assert_eq!(late.times(2).await, [120, 160], "joins at the newest random access point");

    let viewers = server.broadcast().viewers();
    assert_eq!(viewers.len(), 2);
    assert_eq!(viewers[0].info().protocol, "http-flv");
    assert_eq!(viewers[0].stats().frames.get(), 8);
    assert_eq!(server.stats.flv_viewers.get(), 2);
    drop(publisher);
    assert!(flv.frame().await.is_none() && late.frame().await.is_none(), "the bodies end cleanly");
}

#[tokio::test]
async fn a_viewer_that_leaves_is_no_viewer_any_more() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let mut flv = get(server.address, PLAY).await.into_flv();
    flv.times(6).await;
    drop(flv);
    server.viewers(0).await;
}

#[tokio::test]
async fn an_old_client_gets_a_body_that_ends_with_the_connection() {
    let server = start().await;
    let publisher = server.publish_gop();
    let response = send(server.address, &format!("GET {PLAY} HTTP/1.0\r\n\r\n")).await;
    assert_eq!(response.header("transfer-encoding"), None);
    assert_eq!(response.header("connection"), Some("close"));
    let mut flv = response.into_flv();
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
    drop(publisher);
    assert!(flv.frame().await.is_none());
}

#[tokio::test]
async fn sound_or_pictures_alone() {
    let server = start().await;
    let _publisher = server.publish_gop();
    for (query, flags, track) in
        [("only-audio", 4, AUDIO), ("only-audio=1", 4, AUDIO), ("only-video", 1, VIDEO)]
    {
        let mut flv = get(server.address, &format!("{PLAY}?{query}")).await.into_flv();
        for _ in 0..3 {
            assert_eq!(flv.frame().await.unwrap().track, track, "{query}");
        }
        assert_eq!(flv.media.bytes[4], flags, "{query}");
        assert_eq!(flv.media.tracks.unwrap().list.len(), 1, "{query}");
    }
}

#[tokio::test]
async fn what_the_stream_lacks_cannot_be_had_alone() {
    let server = start().await;
    let mut publisher = server.publish(silent());
    publisher.push(frame(VIDEO, 0, true, 0));
    let mut refused = get(server.address, &format!("{PLAY}?only-audio")).await;
    assert_eq!((refused.status, refused.text().await.as_str()), (404, "The stream has no sound.\n"));
    let mut flv = get(server.address, PLAY).await.into_flv();
    flv.times(1).await;
    assert_eq!(flv.media.bytes[4], 1, "the file header promises pictures only");
}

#[tokio::test]
async fn the_dialect_is_the_viewers_choice() {
    let server = start().await;
    let mut publisher = server.publish(hevc());
    publisher.push(frame(VIDEO, 0, true, 0));
    for (query, first_of_body) in [("", 0x90), ("?enhanced=1", 0x90), ("?enhanced=0", 0x1c)] {
        let mut flv = get(server.address, &format!("{PLAY}{query}")).await.into_flv();
        flv.times(1).await;
        // The first video tag is the configuration: its first byte says an extended header, or codec 12.
        let bytes = &flv.media.bytes;
        let mut at = 13;
        while bytes[at] != 9 {
            at += 15 + usize::from(bytes[at + 2]) * 256 + usize::from(bytes[at + 3]);
        }
        assert_eq!(bytes[at + 11], first_of_body, "{query}");
    }
}

#[tokio::test]
async fn who_comes_before_the_publisher_waits() {
    let options = AppOptions { wait_for_publisher: Duration::from_secs(60), ..impatient() };
    let server = start_with(HttpOptions::default(), Gateway::open(Registry::new(options))).await;
    let mut events = server.registry.events();
    let address = server.address;
    let early = tokio::spawn(async move { get(address, PLAY).await.into_flv().times(6).await });
    events.next().await;
    assert_eq!(server.registry.waiting(), 1);
    let _publisher = server.publish_gop();
    assert_eq!(early.await.unwrap(), [0, 0, 40, 40, 80, 80]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_bounded_and_ends_with_a_sentence() {
    let options = AppOptions { wait_for_publisher: Duration::from_secs(60), ..impatient() };
    let server = start_with(HttpOptions::default(), Gateway::open(Registry::new(options))).await;
    let mut response = get(server.address, PLAY).await;
    assert_eq!((response.status, response.text().await.as_str()), (404, "There is no such stream now.\n"));
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!((server.stats.not_found.get(), server.registry.waiting()), (1, 0));
}

#[tokio::test]
async fn a_publisher_that_comes_back_in_time_is_continued() {
    let server = start().await;
    let publisher = server.publish_gop();
    let mut flv = get(server.address, PLAY).await.into_flv();
    flv.times(6).await;
    let away = publisher.interrupt();
    let mut back = server.publish_gop();
    drop(away);
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
    back.push(frame(VIDEO, 120, true, 0));
    assert_eq!(flv.times(1).await, [120]);
}

#[tokio::test]
async fn a_publisher_that_stays_away_ends_its_viewers() {
    let options = AppOptions { grace: Duration::from_millis(50), ..impatient() };
    let server = start_with(HttpOptions::default(), Gateway::open(Registry::new(options))).await;
    let publisher = server.publish_gop();
    let mut flv = get(server.address, PLAY).await.into_flv();
    flv.times(6).await;
    // Held for ever: it is the viewer's own patience that ends.
    let _away = publisher.interrupt();
    assert!(flv.frame().await.is_none());
}

#[tokio::test]
async fn a_kicked_viewer_is_ended_and_the_others_stay() {
    let server = start().await;
    let mut publisher = server.publish_gop();
    let mut kicked = get(server.address, PLAY).await.into_flv();
    kicked.times(6).await;
    let mut other = get(server.address, PLAY).await.into_flv();
    other.times(6).await;
    assert!(server.broadcast().viewers()[0].close(CloseReason::Kicked));
    assert!(kicked.frame().await.is_none());
    publisher.push(frame(VIDEO, 120, true, 0));
    assert_eq!(other.times(1).await, [120]);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let mut response = request(server.address, "HEAD", PLAY, "").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("video/x-flv")));
    assert_eq!(response.header("content-length"), None);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(server.broadcast().viewer_count(), 0);
    assert_eq!(request(server.address, "HEAD", "/live/other/play.flv", "").await.status, 404);
    // Nothing comes behind the head: the connection is good for the next request.
    tokio::io::AsyncWriteExt::write_all(
        &mut response.stream,
        format!("GET {PLAY} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes(),
    )
    .await
    .unwrap();
    let mut flv = super::client::Response::read(response.stream, response.rest).await.into_flv();
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = start().await;
    let publisher = server.publish_gop();
    let two = format!("OPTIONS {PLAY} HTTP/1.1\r\nHost: t\r\n\r\nGET {PLAY} HTTP/1.1\r\nHost: t\r\n\r\n");
    let first = send(server.address, &two).await;
    assert_eq!(first.status, 204);
    let mut flv = super::client::Response::read(first.stream, first.rest).await.into_flv();
    assert_eq!(flv.times(6).await, [0, 0, 40, 40, 80, 80]);
    drop(publisher);
    assert!(flv.frame().await.is_none());
}

#[tokio::test]
async fn shutdown_ends_viewers_cleanly() {
    let server = start().await;
    let _publisher = server.publish_gop();
    let mut flv = get(server.address, PLAY).await.into_flv();
    flv.times(6).await;
    server.shutdown.cancel();
    assert!(flv.frame().await.is_none());
    server.task.await.unwrap().unwrap();
    assert_eq!(server.stats.connections.open(), 0);
}

#[tokio::test]
async fn shutdown_does_not_leave_the_waiting_to_wait() {
    let options = AppOptions { wait_for_publisher: Duration::from_secs(3600), ..impatient() };
    let http = HttpOptions { drain_timeout: Duration::from_secs(3600), ..HttpOptions::default() };
    let server = start_with(http, Gateway::open(Registry::new(options))).await;
    let mut events = server.registry.events();
    let address = server.address;
    let waiting = tokio::spawn(async move { get(address, PLAY).await.status });
    events.next().await;
    server.shutdown.cancel();
    assert_eq!(waiting.await.unwrap(), 503);
    server.task.await.unwrap().unwrap();
}
