//! DASH over loopback: a manifest that leads to the media of HLS.

use super::player::{Answer, Feed, MANIFEST, fetch_with, options, resolve, start};

/// What stands between `before` and the next quotation mark, each time.
fn values<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Decode time that a segment begins with.
fn decode_time(segment: &[u8]) -> u64 {
    let at = segment.windows(4).position(|name| name == b"tfdt").unwrap();
    let wide = segment[at + 4] == 1;
    let field = &segment[at + 8..at + if wide { 16 } else { 12 }];
    field.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The number, time and length of each segment that a `SegmentTemplate` lists.
fn segments(template: &str) -> Vec<(u64, u64, u64)> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let mut listed = Vec::new();
    let (mut msn, mut at) = (number(values(template, "startNumber=\"")[0]), 0);
    for run in template.split("<S").skip(2) {
        let Some(run) = run.split_once("/>").map(|(run, _)| run) else { continue };
        at = values(run, " t=\"").first().map_or(at, |begin| number(begin));
        let ticks = number(values(run, " d=\"")[0]);
        for _ in 0..=values(run, " r=\"").first().map_or(0, |repeated| number(repeated)) {
            listed.push((msn, at, ticks));
            (msn, at) = (msn + 1, at + ticks);
        }
    }
    listed
}

#[tokio::test]
async fn a_manifest_leads_to_the_segments_of_hls() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(5);
    let manifest = server.fetch_with(MANIFEST, "origin: http://page.example\r\n").await;
    assert_eq!(manifest.header("content-type"), Some("application/dash+xml"));
    assert!(manifest.header("date").is_some());
    assert!(manifest.header("access-control-expose-headers").unwrap().contains("date"));
    let text = manifest.text();
    let templates: Vec<&str> = text.split("<SegmentTemplate").skip(1).collect();
    assert_eq!(templates.len(), 2, "{text}");
    for (template, media_type) in templates.into_iter().zip(["video/mp4", "audio/mp4"]) {
        let get = async |uri: &str| -> Answer {
            let answer = server.fetch(&resolve(MANIFEST, uri)).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)), "{uri}");
            assert!(answer.header("cache-control").unwrap().contains("immutable"));
            answer
        };
        assert_eq!(&get(values(template, "initialization=\"")[0]).await.body[4..8], b"ftyp");
        let media = values(template, " media=\"")[0];
        let listed = segments(template);
        assert!(listed.len() > 2, "{text}");
        for (msn, at, _) in listed {
            let segment = get(&media.replace("$Number$", &msn.to_string())).await;
            assert_eq!(decode_time(&segment.body), at, "{text}");
        }
    }
    let condition = format!("if-none-match: {}\r\n", manifest.header("etag").unwrap());
    let again = server.fetch_with(MANIFEST, &condition).await;
    assert_eq!(again.status, 304);
    let head = fetch_with(server.address, "HEAD", MANIFEST, "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.header("date").is_some(), "players set their clocks by it");
}

#[tokio::test]
async fn the_segment_that_is_being_made_is_waited_for_and_no_later_one() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(5);
    let manifest = server.fetch(MANIFEST).await;
    let template = manifest.text().split("<SegmentTemplate").nth(1).unwrap();
    let (last, ..) = *segments(template).last().unwrap();
    let media = values(template, " media=\"")[0];
    let target = |msn: u64| resolve(MANIFEST, &media.replace("$Number$", &msn.to_string()));
    assert_eq!(server.fetch(&target(last + 2)).await.status, 404);
    let next = target(last + 1);
    let (segment, ()) = tokio::join!(server.fetch(&next), async {
        server.held(1).await;
        feed.seconds(2);
    });
    assert_eq!(segment.status, 200);
}

#[tokio::test]
async fn a_stream_that_is_over_is_said_to_be() {
    let server = start(options()).await;
    let mut feed = Feed::new(&server);
    feed.seconds(5);
    assert!(server.fetch(MANIFEST).await.text().contains("minimumUpdatePeriod"));
    let index = "/live/test/media/video0/index.m3u8";
    let next = server.fetch(index).await.next_msn() + 1;
    let target = format!("{index}?_HLS_msn={next}");
    let (ended, ()) = tokio::join!(server.fetch(&target), async {
        server.held(1).await;
        feed.end();
    });
    assert_eq!(ended.status, 200);
    let manifest = server.fetch(MANIFEST).await;
    assert!(!manifest.text().contains("minimumUpdatePeriod"), "{}", manifest.text());
    assert_eq!(values(manifest.text(), "mediaPresentationDuration=\"").len(), 1);
}
